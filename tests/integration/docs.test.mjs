// The documents name what exists: the paths, parameters, headers, statuses, problems, settings, variables, flags,
// commands, limits, metrics, results and reasons in them are those of the program; the rights they list suffice; links
// lead somewhere. And README keeps its size. (What they show of a terminal is played by docs_blocks, their client code
// by docs_clients.)

import assert from 'node:assert/strict';
import { existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import openapi from '@redocly/openapi-core';

import { cleanEnvironment, startGateway, STATEGATE } from '../support/gateway.mjs';
import { blocks, brokenLinks, codes, documents, read, rows } from '../support/markdown.mjs';
import { publishAll, startNats } from '../support/nats.mjs';
import { loadOpenapi } from '../support/openapi.mjs';
import { program, run, SOURCE_DIR, tempFolder } from '../support/process.mjs';
import { scrape } from '../support/prometheus.mjs';
import { events } from '../support/scene.mjs';

const FEED = program('STATEGATE_FEED_BIN', 'build/dev/stategate-feed');

// What README may take of a reader's time.
const README_LINES_MAX = 180;
const README_COLUMNS_MAX = 110;
const README_BYTES_MAX = 14 * 1024;
const FIRST_COMMAND_BEFORE = 30;

// Where each kind of table stands; together they are the reference.
const PAGES = ['events', 'http', 'limits', 'metrics', 'running', 'settings'];
const REFERENCE = ['README.md', ...PAGES.map((name) => `docs/${name}.md`)];

const named = (text, head) => rows(text, head).flatMap(([first]) => codes(first));

// ---- what the program has

// Every key of the example file, those that are commented out included: streams[].name.
function settingKeys() {
  const flat = (value, path) => {
    if (value === null || typeof value !== 'object') return [path];
    const inner = ([key, one]) => flat(one, Array.isArray(value) ? `${path}[]` : path === '' ? key : `${path}.${key}`);
    return [path, ...Object.entries(value).flatMap(inner)];
  };
  const text = read('deploy/stategate.yaml').replace(/^( *)# (collections: \[)/m, '$1$2');
  return flat(openapi.parseYaml(text), '');
}

function constants() {
  const inFolder = (folder) =>
    readdirSync(join(SOURCE_DIR, folder), { recursive: true }).map((name) => `${folder}/${name}`);
  const headers = ['core', 'store', 'api', 'projector'].flatMap(inFolder).filter((name) => name.endsWith('.h'));
  const pattern = /^#define (\w+) \(?(\d+)u?(?: << (\d+)\))?(?=\s)/gm;
  const defined = headers.flatMap((file) => [...read(file).matchAll(pattern)]);
  return new Map(defined.map(([, name, number, shift]) => [name, Number(number) * 2 ** Number(shift ?? 0)]));
}

// "8 MiB", "30 s", "512 bytes", "64"; times in milliseconds.
function quantity(text) {
  const [, number, unit] = /^(\d+)(?: (MiB|s|bytes))?$/.exec(text) ?? [];
  return Number(number) * ({ MiB: 2 ** 20, s: 1000 }[unit] ?? 1);
}

// The words of a list in core/domain/event.h.
function vocabulary(list) {
  const [, body] = new RegExp(`#define ${list}\\(X\\)([\\s\\S]*?)\\n\\n`).exec(read('core/domain/event.h'));
  return [...body.matchAll(/X\(\w+, "([^"]+)"\)/g)].map(([, word]) => word);
}

// What the running program says of its metrics: {name, type, labels}. A histogram's `le` is not a label of ours.
async function metrics(gateway) {
  const { types, samples } = await scrape(gateway);
  const families = [...types].filter(([name]) => name.startsWith('stategate_'));
  return families.map(([name, type]) => {
    const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : [''];
    const own = samples.filter((sample) => suffixes.some((suffix) => sample.name === name + suffix));
    const labels = new Set(own.flatMap((sample) => Object.keys(sample.labels)));
    labels.delete('le');
    return { name, type, labels: [...labels].sort().join(), absent: own.length === 0 };
  });
}

async function facts(gateway) {
  const document = await loadOpenapi();
  const operations = document.paths.map((path) => document.operation(path, 'GET'));
  const responses = operations.flatMap((operation) => Object.values(operation.responses));
  const headers = responses.flatMap((response) => Object.keys(response.headers ?? {}));
  const query = ({ parameters }) => parameters.filter((one) => one.in === 'query').map(({ name }) => name);
  const env = cleanEnvironment();
  const problems = [...read('api/http/problem.h').matchAll(/X\(PROBLEM_\w+, (\d+), "([^"]+)"/g)];
  const families = await metrics(gateway);
  return {
    paths: new Map(document.paths.map((path, i) => [path, query(operations[i]).sort().join()])),
    headers: new Set([...headers, 'Allow']),
    statuses: document.parsed.components.schemas.StreamStatus.enum,
    problems: new Map(problems.map(([, status, type]) => [type, status])),
    settings: settingKeys(),
    help: (await run(STATEGATE, ['--help'], { env })).stdout,
    feedHelp: (await run(FEED, ['--help'], { env })).stdout,
    metrics: new Map(families.map(({ name, ...one }) => [name, one])),
    constants: constants(),
    results: vocabulary('EVENT_RESULTS'),
    reasons: vocabulary('EVENT_REASONS').filter((word) => word !== 'none'),
  };
}

// ---- what the reference says that is not so, in words

const missing = (from, names, words) => [...names].filter((one) => !from.includes(one)).map(words);
const sets = (what, said, actual) => [
  ...missing([...actual], said, (one) => `${what} ${one} does not exist`),
  ...missing([...said], actual, (one) => `${what} ${one} is not named`),
];
// Of what both have: the values are the same.
const differ = (what, said, actual) =>
  [...said]
    .filter(([key, value]) => actual.has(key) && actual.get(key) !== value)
    .map(([key, value]) => `${what} ${key} is not ${value}`);

function wrongSettings(text, has) {
  const isPath = (code) => /^[a-z]+(\[\])?\.[a-z_.]+$/.test(code) && has.settings.includes(code.split(/[[.]/)[0]);
  const keys = [...named(text, 'key'), ...named(text, 'setting'), ...codes(text).filter(isPath)];
  const variables = text.match(/\bSTATEGATE_[A-Z_]+\b/g);
  const line = (flag) => has.help.split('\n').find((one) => one.includes(`${flag} `)) ?? '';
  const pairs = rows(text, 'key').map(([, variable, flag]) => [codes(variable)[0], codes(flag)[0]]);
  const crossed = pairs.filter(([variable, flag]) => flag && !line(flag).includes(variable));
  return [
    ...missing(has.settings, keys, (key) => `setting ${key} does not exist`),
    ...missing(has.help.split(/[\s,.]+/), variables, (one) => `variable ${one} does not exist`),
    ...crossed.map(([variable, flag]) => `${flag} does not stand for ${variable}`),
  ];
}

// Type and labels of each metric; one without samples at the moment shows no labels.
function wrongMetrics(text, has) {
  const each = ([names, type, labels]) => codes(names).map((name) => [name, type, labels]);
  const cells = rows(text, 'metric').flatMap(each);
  const known = cells.filter(([name]) => has.metrics.has(name));
  const labelsOf = (labels) => codes(labels).sort().join();
  return [
    ...sets('metric', cells.map(([name]) => name), [...has.metrics.keys()]),
    ...known
      .filter(([name, type]) => has.metrics.get(name).type !== type)
      .map(([name, type]) => `metric ${name} is not a ${type}`),
    ...known
      .filter(([name, , labels]) => !has.metrics.get(name).absent && has.metrics.get(name).labels !== labelsOf(labels))
      .map(([name, , labels]) => `metric ${name} has the labels ${has.metrics.get(name).labels}, not ${labels}`),
  ];
}

function wrongCommands(text, has) {
  const shown = (body) => [...body.matchAll(/^\$ (.*(?:[|\\]\n.*)*)$/gm)].map(([, command]) => command);
  const commands = blocks(text).flatMap(({ language, body }) =>
    language === 'console' ? shown(body) : language === 'sh' ? body.replace(/\\\n/g, ' ').split('\n') : [],
  );
  const programs = commands.map((line) => line.trim().split(' ')[0]).filter((word) => /^\w[\w.-]*\//.test(word));
  const inText = codes(text).filter((code) => /^(scripts|tests|deploy|bench)\/[\w/.-]+$/.test(code));
  const exists = (file) => file.startsWith('build/release/stategate') || existsSync(join(SOURCE_DIR, file));
  const flags = (name, help) => {
    const given = commands.join('\n').match(new RegExp(`build/release/${name} [^|\n]*`, 'g')) ?? [];
    const used = given.join('\n').match(/ --[a-z-]+/g) ?? [];
    return missing(help.match(/ --[a-z-]+/g), used, (flag) => `${name}${flag} does not exist`);
  };
  return [
    ...[...programs, ...inText].filter((file) => !exists(file)).map((file) => `${file} does not exist`),
    ...flags('stategate', has.help),
    ...flags('stategate-feed', has.feedHelp),
  ];
}

function wrong(text, has) {
  const table = (head, value) => new Map(rows(text, head).map((cells) => [codes(cells[0])[0], value(cells)]));
  const paths = table('path', ([, , parameters]) => codes(parameters).sort().join());
  const problems = table('type', ([, status]) => status);
  const limits = table('limit', ([, value]) => quantity(value));
  return [
    ...sets('path', [...paths.keys()], [...has.paths.keys()]),
    ...differ('the parameters of', paths, has.paths),
    ...sets('header', named(text, 'header'), has.headers),
    ...sets('status', named(text, 'status'), has.statuses),
    ...sets('problem', [...problems.keys()], [...has.problems.keys()]),
    ...differ('problem', problems, has.problems),
    ...wrongSettings(text, has),
    ...wrongMetrics(text, has),
    ...sets('result', named(text, 'result'), has.results),
    ...sets('reason', named(text, 'reason'), has.reasons),
    ...missing([...has.constants.keys()], limits.keys(), (name) => `limit ${name} does not exist`),
    ...differ('limit', limits, has.constants),
    ...wrongCommands(text, has),
  ];
}

// ---- README's size

function tooLarge(text) {
  const lines = text.split('\n');
  const wide = lines.findIndex((line) => [...line].length > README_COLUMNS_MAX);
  const command = lines.findIndex((line) => line.startsWith('scripts/demo')) + 1;
  return [
    ...(lines.length - 1 > README_LINES_MAX ? [`${lines.length - 1} lines`] : []),
    ...(wide >= 0 ? [`line ${wide + 1} has ${[...lines[wide]].length} columns`] : []),
    ...(Buffer.byteLength(text) > README_BYTES_MAX ? [`${Buffer.byteLength(text)} bytes`] : []),
    ...(command === 0 || command >= FIRST_COMMAND_BEFORE ? [`the first command is on line ${command}`] : []),
  ];
}

// ---- the tests

describe('the reference', () => {
  const text = REFERENCE.map(read).join('\n');
  let nats;
  let gateway;
  let has;

  // As the section on privileges has it: users by the configuration that stands there.
  before(async () => {
    const rights = blocks(text).find(({ body }) => body.includes('authorization')).body;
    const passwords = { OWNER_PASSWORD: 'owner-secret', GATEWAY_PASSWORD: 'gateway-secret' };
    nats = await startNats({ config: rights.replace(/\$([A-Z]+_PASSWORD)/g, (_, name) => `"${passwords[name]}"`) });
    const client = await nats.client({ user: 'owner', pass: passwords.OWNER_PASSWORD });
    await client.jsm.streams.add({ name: 'STATE', subjects: ['state.>'] });
    await publishAll(client.js, events(2000));
    const folder = tempFolder(undefined, 'docs');
    const password_file = join(folder, 'password');
    writeFileSync(password_file, `${passwords.GATEWAY_PASSWORD}\n`, { mode: 0o600 });
    gateway = await startGateway({ config: { nats: { url: nats.url, user: 'stategate', password_file } } });
    await gateway.untilPosition(2000);
    await gateway.get('/v1/state/customers/c-1?min_version=999999&wait=0.01'); // a wait to be counted
    has = await facts(gateway);
  });

  after(async () => {
    await gateway?.kill9();
    await nats?.stop();
  });

  it('names what exists, and all of it where it gives a table', () => {
    assert.deepEqual(wrong(text, has), []);
  });

  it('names commands that work', async () => {
    const env = cleanEnvironment();
    const address = ['--listen', gateway.address];
    for (const command of named(text, 'command')) {
      const [, ...args] = command.split(' ');
      if (args.length === 0) continue; // serves: that is the gateway of this test
      if (!args[0].startsWith('-')) args.push(...address);
      const { code, stderr } = await run(STATEGATE, args, { env });
      assert.equal(code, 0, `${command}: ${stderr}`);
    }
    const check = ['check-config', '--config', join(SOURCE_DIR, 'deploy/stategate.yaml')];
    assert.equal((await run(STATEGATE, check, { env })).code, 0);
  });

  it('names the rights that suffice, in its table as in its configuration', async () => {
    const { body } = blocks(text).find((block) => block.body.includes('authorization'));
    const subjects = rows(text, 'right').map(([, subject]) => codes(subject)[0]);
    assert.deepEqual([...body.matchAll(/"([^"]+)"/g)].map(([, subject]) => subject), subjects);
    await gateway.untilStatus('live');
    assert.equal((await gateway.status()).lastError ?? '', '');
    assert.doesNotMatch(nats.log, /violation/i);
  });

  it('is checked by something that finds faults', () => {
    const planted = [
      ['| `/livez` |', '| `/alivez` |'],
      ['`limit`, `cursor`, `stream`, `collection`, `min_position`', '`limit`, `cursor`, `stream`, `min_position`'],
      ['| `State-Lag` |', '| `State-Lags` |'],
      ['| `catching-up` |', '| `late` |'],
      ['| `uri-too-long` | 414 |', '| `uri-too-long` | 415 |'],
      ['| `rejected.max` |', '| `rejected.most` |'],
      ['longer than `wait.max`', 'longer than `wait.most`'],
      ['`STATEGATE_LISTEN_OPS`', '`STATEGATE_LISTEN_OP`'],
      ['`--nats-url` |', '`--database` |'],
      ['`stategate_wal_bytes`', '`stategate_wal_size`'],
      ['`stategate_events_total` | counter |', '`stategate_events_total` | gauge |'],
      ['`stategate_events_total` | counter | `stream`, `result`', '`stategate_events_total` | counter | `stream`'],
      ['| `EVENT_DEPTH_MAX` | 64 |', '| `EVENT_DEPTH_MAX` | 65 |'],
      ['| 8 MiB | a message', '| 8 s | a message'],
      ['| `stale` |', '| `old` |'],
      ['| `missing-base` |', '| `missing-ground` |'],
      ['\nscripts/test ', '\nscripts/tests '],
      ['`tests/image/run`', '`tests/image/build`'],
      [' --collection customers\n', ' --collections customers\n'],
      ['stategate check-config --config', 'stategate check-config --configuration'],
    ];
    const before = wrong(text, has).length;
    for (const [so, notSo] of planted) {
      assert.ok(text.includes(so), `${so} stands in it`);
      assert.ok(wrong(text.replace(so, notSo), has).length > before, notSo);
    }
  });
});

describe('README', () => {
  const text = read('README.md');

  it(`has at most ${README_LINES_MAX} lines of ${README_COLUMNS_MAX} columns, and its first command soon`, () => {
    assert.deepEqual(tooLarge(text), []);
  });

  it('that has grown is noticed', () => {
    const lines = text.split('\n');
    const filled = (count) => [...lines.slice(0, -1), ...Array.from({ length: count }, () => ''), ''].join('\n');
    const left = README_LINES_MAX - (lines.length - 1);
    assert.deepEqual(tooLarge(filled(left)), [], 'at the limit');
    assert.equal(tooLarge(filled(left + 1)).length, 1, 'a line beyond it');
    const wide = (columns) => text.replace('\n\n', `\n${'é'.repeat(columns)}\n`);
    assert.deepEqual(tooLarge(wide(README_COLUMNS_MAX)), [], 'as wide as it may be');
    assert.equal(tooLarge(wide(README_COLUMNS_MAX + 1)).length, 1, 'wider');
    const room = README_BYTES_MAX - Buffer.byteLength(text);
    const filler = (bytes) => `${'x'.repeat(99)}\n`.repeat(bytes / 100) + 'x'.repeat(bytes % 100);
    const padded = (bytes) => text.replace('\n\n', `\n${filler(bytes)}\n`);
    assert.ok(!tooLarge(padded(room)).join().includes('bytes'), 'all bytes that it may have');
    assert.ok(tooLarge(padded(room + 1)).join().includes('bytes'), 'one more');
const late = text.replace('\n\n', '\n'.repeat(FIRST_COMMAND_BEFORE));
    assert.ok(tooLarge(late).join().includes('first command'), 'the first command comes late');
  });
});

// The folders that the build of the image needs and its Dockerfile does not copy.
function notCopied(dockerfile, cmake) {
  const copied = [...dockerfile.matchAll(/^COPY (\w+) \1$/gm)].map(([, folder]) => folder);
  const built = [...cmake.matchAll(/^\s*add_subdirectory\((\w+)\)/gm)].map(([, folder]) => folder);
  assert.ok(built.includes('core') && built.includes('server'), 'the folders of the program');
  return built.filter((folder) => !['tests', 'bench'].includes(folder) && !copied.includes(folder));
}

// What the Dockerfile copies from the source and .dockerignore, which lets through what it names alone, keeps away.
function keptAway(dockerfile, ignore) {
  const named = [...ignore.matchAll(/^!(.+)$/gm)].map(([, path]) => path);
  const sources = [...dockerfile.matchAll(/^COPY (?!--)(.+) \S+$/gm)].flatMap(([, list]) => list.split(' '));
  assert.ok(/^\*$/m.test(ignore) && sources.length > 5, 'nothing by default, and much is copied');
  return sources.filter((source) => !named.includes(source));
}

describe('Dockerfile', () => {
  it('copies every folder that is built, and one that is not copied is noticed', () => {
    const [dockerfile, cmake] = [read('Dockerfile'), read('CMakeLists.txt')];
    assert.deepEqual(notCopied(dockerfile, cmake), []);
    assert.deepEqual(notCopied(dockerfile.replace('COPY store store\n', ''), cmake), ['store']);
  });

  it('is given all that it copies, and what .dockerignore keeps away is noticed', () => {
    const [dockerfile, ignore] = [read('Dockerfile'), read('.dockerignore')];
    assert.deepEqual(keptAway(dockerfile, ignore), []);
    assert.deepEqual(keptAway(dockerfile, ignore.replace('!store\n', '')), ['store']);
  });
});

// The files and folders of the source that a document names and that are not there.
function lostPaths(text) {
  const paths = codes(text).filter((code) =>
    /^(core|store|projector|api|server|feed|docs|tests)\/[\w/.-]+$/.test(code),
  );
  const there = (path) => ['', '.h', '.c', '.mjs'].some((ending) => existsSync(join(SOURCE_DIR, path + ending)));
  return paths.filter((path) => !there(path));
}

describe('ARCHITECTURE', () => {
  it('names files and folders that are there, as docs/design does, and one that is not is noticed', () => {
    const text = read('ARCHITECTURE.md');
    const design = documents().filter((file) => file.startsWith('docs/design/'));
    for (const file of design) assert.deepEqual(lostPaths(read(file)), [], file);
    assert.deepEqual(lostPaths(text), []);
    assert.deepEqual(lostPaths(text.replace('`projector/shape`', '`projector/shapes`')), ['projector/shapes']);
  });
});

// Words that the project no longer uses for what they stood for, and turns of phrase that no native uses.
const RETIRED = [
  /\b(another|new|earlier|later|other|present|its) (life|lives)\b/i,
  /\b(life|lives) of (the|a) stream\b/i,
  /\bread model\b/i,
  /\binner pages?\b/i,
  /\bleaves? word\b/i,
  /\bin the lot\b/i,
  /\bleast rights\b/i,
  /\bcomes? of it\b/i,
  /\bfor want of\b/i,
  /\bfigures hang on\b/i,
  /\b(is|are) told\b/i,
];
const retired = (text) => RETIRED.filter((word) => word.test(text.replace(/\s+/g, ' '))).map(String);

describe('words', () => {
  for (const file of [...documents(), 'openapi.yaml', 'api/http/problem.h']) {
    it(`of ${file} are those of the field`, () => assert.deepEqual(retired(read(file)), []));
  }

  it('that are retired are found', () => {
    assert.equal(retired('It is another\nlife of the stream.').length, 2);
    assert.equal(retired('The read model is told.').length, 2);
    assert.deepEqual(retired('A new incarnation is published.'), []);
  });
});

describe('links', () => {
  for (const file of documents()) {
    it(`of ${file} lead somewhere`, () => assert.deepEqual(brokenLinks(file, read(file)), []));
  }

  it('that are broken are found', () => {
    for (const link of ['[a](no-such-file)', '[a](#no-such-heading)', '[a](README.md#no-such-heading)']) {
      assert.equal(brokenLinks('README.md', link).length, 1, link);
    }
  });
});
