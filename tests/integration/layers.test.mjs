// The folders read as a sentence: server runs projector and api over core. What a file includes never says otherwise,
// and each foreign library is known in one place only.

import assert from 'node:assert/strict';
import { appendFileSync, cpSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';

import { SOURCE_DIR, tempFolder } from '../support/process.mjs';

const FOLDERS = {
  core: ['core'],
  projector: ['projector', 'core'],
  api: ['api', 'core'],
  server: ['server', 'projector', 'api', 'core'],
  feed: ['feed', 'core'],
};
const LIBRARIES = {
  nats: /^(projector\/link\w*\.[ch]|feed\/\w+\.[ch])$/,
  microhttpd: /^api\/http\w*\.[ch]$/,
  sqlite3: /^core\/model\w*\.[ch]$/,
  cyaml: /^server\/config\w*\.[ch]$/,
};

function sources(root) {
  const inFolder = (folder) => readdirSync(join(root, folder), { recursive: true }).map((name) => `${folder}/${name}`);
  return Object.keys(FOLDERS).flatMap(inFolder).filter((name) => /\.[ch]$/.test(name));
}

function includes(text) {
  const spliced = text.replaceAll('\\\n', '');
  return [...spliced.matchAll(/^[ \t]*#[ \t]*include\b[ \t]*([^\n]*)/gm)].map(([, rest]) => rest);
}

// What is wrong with one include of `file`, in words; null when nothing.
function fault(file, what) {
  const [, open, name] = /^([<"])([^>"]+)[>"]/.exec(what) ?? [];
  if (name === undefined) return `its include is neither "..." nor <...>: ${what}`;
  if (name.split('/').includes('..')) return `${name} is not written from the root`;
  const library = name.split(/[/.]/)[0];
  if (LIBRARIES[library] && !LIBRARIES[library].test(file)) return `${name} is known elsewhere`;
  const folder = file.split('/')[0];
  const [into, ...below] = name.split('/');
  const ours = below.length > 0 && into in FOLDERS;
  if (!ours) return open === '"' ? `${name} is not written from the root` : null;
  return FOLDERS[folder].includes(into) ? null : `${folder} does not know ${name}`;
}

function faults(root) {
  return sources(root).flatMap((file) =>
    includes(readFileSync(join(root, file), 'utf8'))
      .map((what) => fault(file, what))
      .filter((words) => words !== null)
      .map((words) => `${file}: ${words}`),
  );
}

describe('includes', () => {
  it('point one way', () => {
    assert.ok(sources(SOURCE_DIR).length > 100, 'the sources were found');
    assert.deepEqual(faults(SOURCE_DIR), []);
  });

  it('of the foreign libraries stand where they are allowed, so that the patterns mean something', () => {
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
    ['core/buffer.c', '#include "projector/queue.h"'],
    ['core/buffer.h', '#include "api/api.h"'],
    ['core/clock.c', '#include "server/config.h"'],
    ['projector/queue.c', '#include "api/response.h"'],
    ['projector/decode.h', '# include "server/gateway.h"'],
    ['api/page.c', '#include "projector/projector.h"'],
    ['api/turn.h', '#include <projector/source.h>'],
    ['api/turn.c', '#include "feed/ack.h"'],
    ['feed/ack.c', '#include "projector/link.h"'],
    ['feed/lines.c', '#include "server/config.h"'],
    ['api/state.c', '#include "../projector/queue.h"'],
    ['api/render.c', '#include "turn.h"'],
    ['api/rejected.c', '#include \\\n "projector/queue.h"'],
    ['api/ops.c', '#define WHERE "projector/queue.h"\n#include WHERE'],
    ['projector/jetstream.c', '#include <nats/nats.h>'],
    ['projector/source.c', '  #  include <nats.h>'],
    ['api/status.c', '#include <microhttpd.h>'],
    ['api/cursor.c', '#include <sqlite3.h>'],
    ['core/log.c', '#include <sqlite3.h>'],
    ['server/gateway.c', '#include <cyaml/cyaml.h>'],
  ];

  it('finds each bad line that is planted', (t) => {
    const root = tempFolder(t, 'layers');
    for (const file of sources(SOURCE_DIR)) {
      mkdirSync(dirname(join(root, file)), { recursive: true });
      cpSync(join(SOURCE_DIR, file), join(root, file));
    }
    assert.deepEqual(faults(root), []);
    for (const [file, line] of PLANTED) {
      const before = readFileSync(join(root, file));
      appendFileSync(join(root, file), `\n${line}\n`);
      const found = faults(root);
      assert.equal(found.length, 1, `${file} with ${line} gives ${JSON.stringify(found)}`);
      assert.ok(found[0].startsWith(`${file}: `), found[0]);
      writeFileSync(join(root, file), before);
    }
    assert.deepEqual(faults(root), []);
  });
});
