// The house in one sentence: server runs projector and api over store over core. What a file includes never says
// otherwise. The rules stand in one table; what does not keep them yet stands in EXCEPTIONS, which may only shrink.

import assert from 'node:assert/strict';
import { appendFileSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';

import { SOURCE_DIR, tempFolder } from '../support/process.mjs';

// Which top folders a top folder may include, itself included. `feed` is a program of its own.
const TOP = {
  core: ['core'],
  store: ['store', 'core'],
  projector: ['projector', 'store', 'core'],
  api: ['api', 'store', 'core'],
  server: ['server', 'projector', 'api', 'store', 'core'],
  feed: ['feed', 'projector', 'core'],
};

// Within a top folder, from the top down: a room may include what stands in a later line, and its own folder. Rooms of
// one line do not include each other. A name that ends in / is a folder; any other is a file without its ending.
const ORDER = {
  core: [['progress/'], ['domain/', 'json/'], ['base/']],
  store: [['write/', 'read/'], ['tables/'], ['sqlite/'], ['integrity/', 'cache/'], ['schema_version']],
  projector: [['projector', 'source/'], ['ingest/', 'nats/'], ['decode/', 'shape/', 'queue'], ['message']],
  api: [['api'], ['worker'], ['pipeline'], ['routes/'], ['wait/'], ['answer/', 'access/'], ['request/'], ['http/']],
  server: [
    ['main'],
    ['gateway', 'reload', 'descriptors', 'signals'],
    ['log_writer'],
    ['bootstrap'],
    ['client'],
    ['config/'],
  ],
};

// What may be included from outside a folder; elsewhere everything may. A folder's own schema and generated files do
// not count.
const FACES = [
  { of: 'store/', faces: ['store/writer.h', 'store/reader.h', 'store/query.h', 'store/cache/commit_clock.h'] },
  { of: 'api/', faces: ['api/api.h'] },
  {
    of: 'projector/',
    faces: [
      'projector/projector.h',
      'projector/source/source.h',
      'projector/nats/connection.h',
      'projector/nats/options.h',
    ],
  },
  { of: 'server/config/', faces: ['server/config/config.h'] },
];
// The public headers of store are included by the rooms of store as well, although they stand above them all.
const PUBLIC = /^store\/(writer|reader|query)\.h$/;
const FEED_FACES = ['projector/nats/options.h'];

const LIBRARIES = {
  nats: /^(projector\/nats|feed)\//,
  microhttpd: /^api\/http\//,
  sqlite3: /^store\/(sqlite|integrity|tables|write|read)\//,
  yaml: /^server\/config\/yaml\.c$/,
  zlib: /^api\/http\/encode\.c$/,
  zstd: /^api\/http\/encode\.c$/,
  yyjson: /^(core\/json|projector\/decode|projector\/shape|feed)\/|^projector\/nats\/jetstream\.c$/,
  openssl: /^(core\/base\/digest|projector\/nats\/nkey)\.c$/,
};

const ROOMS_MAX = 14;
const ROOMS_MAX_OF = { 'api/routes': 16, feed: 16 };
const LINES_MAX = 600;
const LINES_MAX_OF = { 'store/cache/rows.c': 648 };
const INCLUDES_MAX = 12; // of ours, in a header
const THREADS = [
  'api/http/loop.c',
  'api/wait/jobs.c',
  'api/http/access_log.c',
  'projector/projector.c',
  'projector/nats/loop.c',
  'projector/source/source.c',
  'server/log_writer.c',
  'server/signals.c',
  'store/integrity/syncer.c',
];

// Known faults, as the checker words them.
const EXCEPTIONS = new Set([
]);

const names = (root, folder) => readdirSync(join(root, folder), { recursive: true }).map((name) => `${folder}/${name}`);
const sources = (root) =>
  Object.keys(TOP)
    .flatMap((folder) => names(root, folder))
    .filter((name) => /\.[ch]$/.test(name))
    .sort();
const folderOf = (file) => file.slice(0, file.lastIndexOf('/'));
// A header that ends in _internal.h belongs to the room that it is named after.
const roomOf = (file) => file.replace(/(_internal)?\.[ch]$/, '');

function includes(text) {
  const spliced = text.replaceAll('\\\n', '');
  return [...spliced.matchAll(/^[ \t]*#[ \t]*include\b[ \t]*([^\n]*)/gm)].map(([, rest]) => rest);
}

// The line of ORDER on which a file stands; undefined where the table does not name it.
function lineOf(file) {
  const [top, ...below] = roomOf(file).split('/');
  const name = below.length > 1 ? `${below[0]}/` : below[0];
  const line = ORDER[top]?.findIndex((rooms) => rooms.includes(name));
  return line === -1 ? undefined : line;
}

// What is wrong with `file` including `name` of ours, in words; null when nothing.
function wrongWay(file, name) {
  const [top] = file.split('/');
  const [into] = name.split('/');
  if (!TOP[top].includes(into)) return `${top} does not know ${name}`;
  if (top === 'feed' && into === 'projector' && !FEED_FACES.includes(name)) return `${name} is not for feed`;
  const hidden = FACES.find(({ of, faces }) => name.startsWith(of) && !file.startsWith(of) && !faces.includes(name));
  if (top !== 'feed' && hidden && !PUBLIC.test(name)) return `${name} is not public`;
  if (top !== into || folderOf(file) === folderOf(name)) return null;
  if (!(top in ORDER) || PUBLIC.test(name)) return null;
  const [from, to] = [lineOf(file), lineOf(name)];
  if (from === undefined || to === undefined)
    return `${from === undefined ? file : name} stands in no line of the order`;
  if (from === to) return `${name} stands beside it, not below`;
  return from < to ? null : `${name} stands above it`;
}

// What is wrong with one include of `file`, in words; null when nothing.
function fault(file, what) {
  const [, open, name] = /^([<"])([^>"]+)[>"]/.exec(what) ?? [];
  if (name === undefined) return `its include is neither "..." nor <...>: ${what}`;
  if (name.split('/').includes('..')) return `${name} is not written from the root`;
  const library = name.split(/[/.]/)[0];
  if (LIBRARIES[library] && !LIBRARIES[library].test(file)) return `${name} is known elsewhere`;
  const ours = name.includes('/') && name.split('/')[0] in TOP;
  if (!ours) return open === '"' ? `${name} is not written from the root` : null;
  return wrongWay(file, name);
}

// Circles between rooms: the rooms of each strongly connected part with more than one.
function circles(graph) {
  const [index, low, stack, found] = [new Map(), new Map(), [], []];
  const visit = (room) => {
    index.set(room, index.size);
    low.set(room, index.get(room));
    stack.push(room);
    for (const next of graph.get(room) ?? []) {
      if (!graph.has(next)) continue;
      if (!index.has(next)) visit(next);
      if (stack.includes(next)) low.set(room, Math.min(low.get(room), low.get(next)));
    }
    if (low.get(room) !== index.get(room)) return;
    const part = stack.splice(stack.indexOf(room));
    if (part.length > 1) found.push(part.sort());
  };
  for (const room of graph.keys()) if (!index.has(room)) visit(room);
  return found;
}

function faultsOfFolders(files) {
  const rooms = new Map();
  for (const file of files) {
    const folder = folderOf(file);
    if (!rooms.has(folder)) rooms.set(folder, new Set());
    rooms.get(folder).add(roomOf(file));
  }
  return [...rooms].flatMap(([folder, inside]) => {
    const most = ROOMS_MAX_OF[folder] ?? ROOMS_MAX;
    return inside.size > most ? [`${folder}: ${inside.size} rooms, and ${most} is the most`] : [];
  });
}

function faultsOf(root) {
  const files = sources(root);
  const found = faultsOfFolders(files);
  const graph = new Map();
  for (const file of files) {
    const text = readFileSync(join(root, file), 'utf8');
    const say = (words) => found.push(`${file}: ${words}`);
    const all = includes(text);
    for (const what of all) {
      const words = fault(file, what);
      if (words !== null) say(words);
    }
    const ours = all.map((what) => /^"([^"]+)"/.exec(what)?.[1]).filter((name) => name?.includes('/'));
    // What points the wrong way is named already; a circle is what remains among the others.
    const allowed = ours.filter((name) => name.split('/')[0] in TOP && wrongWay(file, name) === null);
    const room = roomOf(file);
    if (!graph.has(room)) graph.set(room, new Set());
    for (const name of allowed) if (roomOf(name) !== room) graph.get(room).add(roomOf(name));
    if (file.endsWith('.h') && ours.length > INCLUDES_MAX)
      say(`${ours.length} headers of ours, and ${INCLUDES_MAX} is the most`);
    const lines = text.split('\n').length - 1;
    const most = LINES_MAX_OF[file] ?? LINES_MAX;
    if (file.endsWith('.c') && lines > most) say(`more than ${most} lines`);
    if (/\bpthread_create\s*\(/.test(text) && !THREADS.includes(file)) say('it starts a thread');
  }
  for (const part of circles(graph)) found.push(`a circle: ${part.join(', ')}`);
  return found;
}

const faults = (root) => faultsOf(root).filter((words) => !EXCEPTIONS.has(words));

describe('the house', () => {
  it('keeps its rules', () => {
    assert.ok(sources(SOURCE_DIR).length > 150, 'the sources were found');
    assert.deepEqual(faults(SOURCE_DIR), []);
  });

  it('has no exception that is not needed any more', () => {
    const found = new Set(faultsOf(SOURCE_DIR));
    assert.deepEqual([...EXCEPTIONS].filter((words) => !found.has(words)), []);
  });

  it('knows each foreign library, so that the patterns mean something', () => {
    for (const [library, where] of Object.entries(LIBRARIES)) {
      const found = sources(SOURCE_DIR).filter((file) =>
        includes(readFileSync(join(SOURCE_DIR, file), 'utf8')).some((what) => RegExp(`^<${library}[/.]`).test(what)),
      );
      assert.ok(found.length > 0 && found.every((file) => where.test(file)), `${library}: ${found}`);
    }
  });
});

describe('the checker', () => {
  const PLANTED = [
    ['core/base/buffer.c', '#include "projector/queue.h"'],
    ['core/base/buffer.c', '#include "core/domain/event.h"'],
    ['core/base/buffer.h', '#include "api/api.h"'],
    ['core/base/time.c', '#include "server/config/config.h"'],
    ['core/domain/event.c', '#include "core/progress/progress.h"'],
    ['core/progress/progress.c', '#include "store/reader.h"'],
    ['store/cache/rows.c', '#include "store/integrity/checksum.h"'],
    ['store/tables/rejected.c', '#include "store/read/reader_internal.h"'],
    ['store/write/fold.c', '#include "projector/queue.h"'],
    ['projector/queue.c', '#include "api/http/response.h"'],
    ['projector/queue.c', '#include "projector/nats/connection.h"'],
    ['projector/decode/decode.h', '# include "server/gateway.h"'],
    ['projector/nats/delivery.c', '#include "store/cache/rows.h"'],
    ['api/routes/page.c', '#include "projector/projector.h"'],
    ['api/routes/page.c', '#include "store/write/transaction.h"'],
    ['api/http/loop.c', '#include "api/routes/router.h"'],
    ['api/answer/headers.h', '#include <projector/source/source.h>'],
    ['api/answer/headers.c', '#include "feed/ack.h"'],
    ['feed/ack.c', '#include "projector/nats/connection.h"'],
    ['feed/lines.c', '#include "server/config/config.h"'],
    ['api/routes/status.c', '#include "../projector/queue.h"'],
    ['api/answer/headers.c', '#include "problem.h"'],
    ['api/routes/rejected.c', '#include \\\n "projector/queue.h"'],
    ['api/routes/probes.c', '#define WHERE "projector/queue.h"\n#include WHERE'],
    ['server/gateway.c', '#include "server/config/config_internal.h"'],
    ['projector/source/source.c', '  #  include <nats.h>'],
    ['projector/decode/kv.c', '#include <nats/nats.h>'],
    ['api/routes/status.c', '#include <microhttpd.h>'],
    ['api/request/cursor.c', '#include <sqlite3.h>'],
    ['core/base/log.c', '#include <sqlite3.h>'],
    ['api/routes/status.c', '#include <yyjson.h>'],
    ['server/gateway.c', '#include <yaml.h>'],
    ['api/http/send.c', '#include <zlib.h>'],
    ['api/routes/page.c', '#include <zstd.h>'],
    ['server/config/config.c', '#include <yaml.h>'],
    ['core/base/log.c', 'static int begin(void) { return pthread_create(0, 0, 0, 0); }'],
    ['core/base/hash.c', '\n'.repeat(LINES_MAX)],
    ['core/base/slice.h', 'abcdefghijklm'.split('').map((name) => `#include "core/base/${name}.h"`).join('\n')],
    ['core/base/hash.h', '#include "core/base/buffer.h"', '#include "core/base/hash.h"', 'core/base/buffer.h'],
  ];

  function copy(t) {
    const root = tempFolder(t, 'layers');
    for (const file of sources(SOURCE_DIR)) {
      mkdirSync(dirname(join(root, file)), { recursive: true });
      cpSync(join(SOURCE_DIR, file), join(root, file));
    }
    return root;
  }

  it('finds each bad line that is planted', (t) => {
    const root = copy(t);
    assert.deepEqual(faults(root), []);
    for (const [file, line, back, other] of PLANTED) {
      const planted = back ? [[file, line], [other, back]] : [[file, line]];
      const before = planted.map(([name]) => readFileSync(join(root, name)));
      for (const [name, words] of planted) appendFileSync(join(root, name), `\n${words}\n`);
      const found = faults(root);
      assert.equal(found.length, 1, `${file} with ${line} gives ${JSON.stringify(found)}`);
      assert.ok(found[0].startsWith(back ? 'a circle: ' : `${file}: `), found[0]);
      planted.forEach(([name], at) => writeFileSync(join(root, name), before[at]));
    }
    assert.deepEqual(faults(root), []);
  });

  it('finds a folder with too many rooms', (t) => {
    const root = copy(t);
    for (let at = 0; at < ROOMS_MAX; at += 1) writeFileSync(join(root, `store/read/room_${at}.c`), '\n');
    assert.match(faults(root).join('\n'), /^store\/read: \d+ rooms, and 14 is the most$/);
  });
});
