// The documents name what exists: the paths, parameters, headers, statuses, problems, settings, variables, flags,
// commands, limits and metrics of README are those of the program; its rights suffice; links lead somewhere.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import openapi from '@redocly/openapi-core';

import { cleanEnvironment, startGateway, STATEGATE } from '../support/gateway.mjs';
import { publishAll, startNats } from '../support/nats.mjs';
import { loadOpenapi } from '../support/openapi.mjs';
import { program, run, SOURCE_DIR, tempFolder } from '../support/process.mjs';
import { scrape } from '../support/prometheus.mjs';
import { events } from '../support/scene.mjs';

const FEED = program('STATEGATE_FEED_BIN', 'build/dev/stategate-feed');
const DOCUMENTS = [
  ...['README.md', 'ARCHITECTURE.md', 'CHANGELOG.md', 'SECURITY.md', 'docs/positions.md'],
  ...['tests/fault/README.md', 'tests/history/README.md'],
];
const read = (file) => readFileSync(join(SOURCE_DIR, file), 'utf8');

// ---- Markdown

const codes = (text) => [...text.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code);
const blocks = (text, language) =>
  [...text.matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].filter(([, name]) => name === language).map(([, , body]) => body);

// The rows of every table whose head begins with `head`, as lists of cells.
function rows(text, head) {
  const found = [];
  let inside = false;
  for (const line of text.split('\n')) {
    const cells = line.startsWith('|') ? line.slice(1, -1).split('|').map((cell) => cell.trim()) : null;
    if (cells === null) inside = false;
    else if (inside && !/^-+$/.test(cells[0])) found.push(cells);
    else if (cells[0] === head) inside = true;
  }
  assert.ok(found.length > 0, `a table of ${head}`);
  return found;
}
const named = (text, head) => rows(text, head).flatMap(([first]) => codes(first));

// GitHub's anchor of a heading.
const anchor = (heading) => heading.toLowerCase().replace(/[^\w\- ]/g, '').replaceAll(' ', '-');

function brokenLinks(file, text) {
  const anchors = (of) => [...of.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchor(heading));
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target)
    .filter((target) => !target.startsWith('https://'))
    .filter((target) => {
      const [path, fragment] = target.split('#');
      const to = path === '' ? join(SOURCE_DIR, file) : join(SOURCE_DIR, dirname(file), path);
      if (!existsSync(to)) return true;
      return fragment !== undefined && !anchors(path === '' ? text : readFileSync(to, 'utf8')).includes(fragment);
    });
}

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
  const inFolder = (folder) => readdirSync(join(SOURCE_DIR, folder), { recursive: true }).map((name) => `${folder}/${name}`);
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

async function facts(gateway) {
  const document = await loadOpenapi();
  const operations = document.paths.map((path) => document.operation(path, 'GET'));
  const responses = operations.flatMap((operation) => Object.values(operation.responses));
  const headers = responses.flatMap((response) => Object.keys(response.headers ?? {}));
  const query = ({ parameters }) => parameters.filter((one) => one.in === 'query').map(({ name }) => name);
  const env = cleanEnvironment();
  const problems = [...read('api/http/problem.h').matchAll(/X\(PROBLEM_\w+, (\d+), "([^"]+)"/g)];
  const families = [...(await scrape(gateway)).types.keys()];
  return {
    paths: new Map(document.paths.map((path, i) => [path, query(operations[i]).sort().join()])),
    headers: new Set([...headers, 'Allow']),
    statuses: document.parsed.components.schemas.StreamStatus.enum,
    problems: new Map(problems.map(([, status, type]) => [type, status])),
    settings: settingKeys(),
    help: (await run(STATEGATE, ['--help'], { env })).stdout,
    feedHelp: (await run(FEED, ['--help'], { env })).stdout,
    metrics: families.filter((name) => name.startsWith('stategate_')),
    constants: constants(),
  };
}

// ---- what README says that is not so, in words

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

function wrongCommands(text, has) {
  const lines = blocks(text, 'sh').flatMap((body) => body.split('\n')).map((line) => line.trim());
  const programs = lines.map((line) => line.split(' ')[0]).filter((word) => word.includes('/'));
  const inText = codes(text).filter((code) => /^(scripts|tests|deploy)\/[\w/.-]+$/.test(code));
  const exists = (file) => file.startsWith('build/release/stategate') || existsSync(join(SOURCE_DIR, file));
  const flags = (name, help) => {
    const given = lines.filter((line) => line.startsWith(`build/release/${name} `)).join('\n');
    return missing(help.match(/ --[a-z-]+/g), given.match(/ --[a-z-]+/g), (flag) => `${name}${flag} does not exist`);
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
    ...sets('metric', named(text, 'metric'), has.metrics),
    ...missing([...has.constants.keys()], limits.keys(), (name) => `limit ${name} does not exist`),
    ...differ('limit', limits, has.constants),
    ...wrongCommands(text, has),
  ];
}

// ---- the tests

describe('README', () => {
  const text = read('README.md');
  let nats;
  let gateway;
  let has;

  // As the section on rights has it: users by the configuration that stands there.
  before(async () => {
    const [rights] = blocks(text, 'text').filter((body) => body.includes('authorization'));
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
    has = await facts(gateway);
  });

  after(async () => {
    await gateway?.kill9();
    await nats?.stop();
  });

  it('has its first command before line 30', () => {
    const line = text.split('\n').findIndex((one) => one.startsWith('scripts/demo')) + 1;
    assert.ok(line > 0 && line < 30, `it is on line ${line}`);
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
    const [conf] = blocks(text, 'text').filter((body) => body.includes('authorization'));
    const subjects = rows(text, 'right').map(([, subject]) => codes(subject)[0]);
    assert.deepEqual([...conf.matchAll(/"([^"]+)"/g)].map(([, subject]) => subject), subjects);
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
      ['(`probe.idle`)', '(`probe.idly`)'],
      ['`STATEGATE_LISTEN_OPS`', '`STATEGATE_LISTEN_OP`'],
      ['`--nats-url` |', '`--database` |'],
      ['`stategate_wal_bytes`', '`stategate_wal_size`'],
      ['| `EVENT_DEPTH_MAX` | 64 |', '| `EVENT_DEPTH_MAX` | 65 |'],
      ['| 8 MiB | a message', '| 8 s | a message'],
      ['\nscripts/test ', '\nscripts/tests '],
      ['`tests/image/run`', '`tests/image/build`'],
      [' --collection customers\n', ' --collections customers\n'],
    ];
    const before = wrong(text, has).length;
    for (const [so, notSo] of planted) {
      assert.ok(text.includes(so), `${so} stands in it`);
      assert.ok(wrong(text.replace(so, notSo), has).length > before, notSo);
    }
  });
});

describe('links', () => {
  for (const file of DOCUMENTS) {
    it(`of ${file} lead somewhere`, () => assert.deepEqual(brokenLinks(file, read(file)), []));
  }

  it('that are broken are found', () => {
    for (const link of ['[a](no-such-file)', '[a](#no-such-heading)', '[a](README.md#no-such-heading)']) {
      assert.equal(brokenLinks('README.md', link).length, 1, link);
    }
  });
});
