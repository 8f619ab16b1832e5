// openapi.yaml says what the gateway does: it is free of lint, it is what /openapi.yaml serves, its paths are the
// route table, and real answers of every kind are as described: status, headers and body.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { startGateway } from '../support/gateway.mjs';
import { lintOpenapi, loadOpenapi, openapiText } from '../support/openapi.mjs';
import { SOURCE_DIR, tempFolder } from '../support/process.mjs';
import { event, scene } from '../support/scene.mjs';
import { until } from '../support/until.mjs';

const ENTITY = '/v1/state/{collection}/{id}';
const FIELD = { name: 'a', at: '/a', type: 'integer' };
const READS = ['/v1/state', '/v1/state/{collection}', ENTITY, '/v1/rejected'];

// The route table of the program, read from its source: the one place that decides what is dispatched.
function routeTable() {
  const source = readFileSync(join(SOURCE_DIR, 'api/routes/router.c'), 'utf8');
  const rows = [...source.matchAll(/\[ROUTE_\w+\] = \{PATH_\d\(([^)]+)\)([^\n]*(?:\n {20,}[^\n]*)*)/g)];
  const header = readFileSync(join(SOURCE_DIR, 'api/request/demands.h'), 'utf8');
  const demands = /^#define DEMANDS_PARAMS (.*)$/m.exec(header)[1];
  const queries = readFileSync(join(SOURCE_DIR, 'api/request/query.h'), 'utf8');
  const query = /^#define QUERY_PARAMS (.*)$/m.exec(queries)[1];
  return rows.map(([, segments, rest]) => {
    const path = [...segments.matchAll(/"([^"]+)"/g)].map(([, segment]) => `/${segment}`).join('');
    const list = (/\.params = \{([^}]*)\}/.exec(rest)?.[1] ?? '')
      .replace('DEMANDS_PARAMS', demands)
      .replace('QUERY_PARAMS', `${query}, "fields"`); // which stands for all of a collection
    const params = [...list.matchAll(/"([^"]+)"/g)].map(([, name]) => name);
    // The table knows it on every read, only to refuse it by name where no entity is meant.
    return { path, params: params.filter((name) => name !== 'min_version' || path === ENTITY) };
  });
}

function problemTypes() {
  const source = readFileSync(join(SOURCE_DIR, 'api/http/problem.h'), 'utf8');
  return [...source.matchAll(/X\(PROBLEM_\w+, (\d+), "([^"]+)"/g)].map(([, status, type]) => ({ status, type }));
}

const EXAMPLES = {
  '/v1/state': ['/v1/state'],
  '/v1/state/{collection}': [
    '/v1/state/customers',
    '/v1/state/customers?limit=1',
    '/v1/state/never',
    '/v1/state/customers?limit=0',
    '/v1/state/%ff',
    '/v1/state/customers?wait=1',
    '/v1/state/customers?min_version=1',
    '/v1/state/customers?a=gte.1&count=exact&select=a,n:/name&limit=1',
    '/v1/state/customers?a=lt.9&order=a.desc',
    '/v1/state/customers?order=a&limit=1',
    '/v1/state/customers?id=in.(1,gone,never)',
    '/v1/state/customers?cursor=x',
  ],
  '/v1/state/{collection}/{id}': [
    '/v1/state/customers/1',
    '/v1/state/customers/gone',
    '/v1/state/customers/never',
    '/v1/state/customers/rejected',
    '/v1/state/customers/%ff',
    '/v1/state/customers/1?min_version=1&wait=0',
  ],
  '/v1/rejected': [
    '/v1/rejected',
    '/v1/rejected?limit=1',
    '/v1/rejected?stream=STATE&collection=customers',
    '/v1/rejected?limit=x',
  ],
  '/v1/status': ['/v1/status', '/v1/status?x=1'],
  '/livez': ['/livez', '/livez?x=1'],
  '/readyz': ['/readyz', '/readyz?max_staleness=0', '/readyz?max_staleness=10', '/readyz?max_staleness=x'],
  '/metrics': ['/metrics', '/metrics?x=1'],
  '/openapi.yaml': ['/openapi.yaml', '/openapi.yaml?x=1'],
};

// [path, request, headers, answer]: of a stream that follows.
const DEMANDS = [
  ...READS.flatMap((path) => {
    const [example] = EXAMPLES[path];
    return [
      [path, example, { 'Max-Staleness': '0', Prefer: 'wait=5' }, '200'],
      [path, `${example}?min_position=STATE:1&wait=2.5`, {}, '200'],
      [path, example, { 'Min-Position': 'STATE:1;epoch=aaaaaa' }, '409 epoch-mismatch'],
      [path, example, { 'Min-Position': 'NOBODY:1' }, '409 unknown-stream'],
      [path, `${example}?min_position=STATE:999999&wait=5`, {}, '409 position-beyond-head'],
      [path, `${example}?min_position=STATE:999999&wait=0`, {}, '504 position-not-reached'],
      [path, example, { 'Max-Staleness': '0', Prefer: 'wait=0' }, '504 too-stale'],
    ];
  }),
  ['/v1/rejected', '/v1/rejected?stream=NOBODY', {}, '409 unknown-stream'],
  [ENTITY, '/v1/state/customers/1', { 'Min-Version': '1' }, '200'],
  [ENTITY, '/v1/state/customers/1?max_staleness=0&wait=5', { 'If-None-Match': '*' }, '304'],
  [ENTITY, '/v1/state/customers/1?max_staleness=0&wait=5', { 'If-None-Match': '"' }, '400 bad-request'],
  [ENTITY, '/v1/state/customers/never?max_staleness=0&wait=5', {}, '404 not-found'],
  [ENTITY, '/v1/state/customers/gone?min_version=2&max_staleness=0&wait=5', {}, '410 deleted'],
  [ENTITY, '/v1/state/customers/rejected?min_version=9&wait=5', {}, '422 version-rejected'],
  [ENTITY, '/v1/state/customers/1?min_version=9&wait=0.125', {}, '504 version-not-reached'],
  [ENTITY, '/v1/state/customers/never?min_version=9&wait=0', {}, '504 version-not-reached'],
  ['/v1/state/{collection}', '/v1/state/customers?max_staleness=0&wait=5', { 'If-None-Match': '*' }, '304'],
  ['/v1/state/{collection}', '/v1/state/never?max_staleness=0&wait=5', {}, '404 not-found'],
];

// What is refused before the path is looked at: [status, how the request begins, its headers, its Host].
const LONG = (bytes) => 'a'.repeat(bytes);
const REFUSED = [
  [405, (path) => `PUT ${path} HTTP/1.1`, ''],
  [413, (path) => `GET ${path} HTTP/1.1`, 'Content-Length: 3\r\n'],
  [414, (path) => `GET ${path}?x=${LONG(6144)} HTTP/1.1`, ''],
  [417, (path) => `GET ${path} HTTP/1.1`, 'Expect: x\r\n'],
  [421, (path) => `GET ${path} HTTP/1.1`, 'X: y\r\n', 'evil.example'],
  [431, (path) => `GET ${path} HTTP/1.1`, `X-Long: ${LONG(7168)}\r\n`],
  [505, (path) => `GET ${path} HTTP/1.2`, ''],
];

// One request in raw bytes, and the answer to it, after which the gateway closes.
function exchange(port, line, headers, host = 'localhost') {
  return new Promise((done, fail) => {
    let raw = '';
    const socket = connect(port, '127.0.0.1', () => socket.write(`${line}\r\nHost: ${host}\r\n${headers}\r\n`));
    socket.setTimeout(5000, () => socket.destroy(new Error(`no end of the answer to ${line.slice(0, 80)}`)));
    socket.on('data', (data) => (raw += data));
    socket.on('error', fail);
    socket.on('close', () => {
      const [head, text = ''] = raw.split('\r\n\r\n');
      const [first, ...fields] = head.split('\r\n');
      const pairs = fields
        .map((field) => /^([^:]+):(.*)$/.exec(field))
        .map(([, name, value]) => [name.toLowerCase(), value.trim()]);
      done({
        status: Number(first.split(' ')[1]),
        headers: Object.fromEntries(pairs),
        text,
        json: () => JSON.parse(text),
      });
    });
  });
}

describe('openapi.yaml', () => {
  let document;
  let s;
  let gateway;

  before(async () => {
    document = await loadOpenapi();
    s = await scene(
      { after() {} },
      {
        publish: [
          event('1', 1, { a: 1 }, { occurredAt: '2026-01-31T12:00:00Z' }),
          event('2', 1),
          event('gone', 1),
          event('gone', 2, undefined, { deleted: true }),
          { subject: 'state.customers.rejected', payload: Buffer.from('{"version":9,"state":1}') },
          { subject: 'state.customers.rejected', payload: Buffer.from('?') },
        ],
        gateway: { config: { collections: [{ name: 'customers', fields: [FIELD], indexes: ['a'] }] } },
      },
    );
    gateway = s.gateway;
    await s.untilLive({ deadlineMs: 10_000 });
    await gateway.untilReady();
    await until('the index is made', async () => (await gateway.get('/v1/state/customers?a=eq.1')).status === 200);
  });

  after(async () => {
    await gateway?.kill9();
    await s?.nats.stop();
  });

  it('is free of lint', async () => {
    assert.deepEqual(await lintOpenapi(), []);
  });

  it('is linted by something that finds faults', async (t) => {
    const file = join(tempFolder(t, 'openapi'), 'openapi.yaml');
    writeFileSync(file, openapiText().replace(/^ {6}responses:$/m, '      answers:'));
    assert.notDeepEqual(await lintOpenapi(file), []);
  });

  it('is what the gateway serves', async () => {
    const answer = await gateway.get('/openapi.yaml');
    assert.equal(answer.text, openapiText());
  });

  it('is an OpenAPI 3.1 document of this version', async () => {
    assert.match(document.parsed.openapi, /^3\.1\./);
  });

  it('has the paths of the route table, and no other', () => {
    const table = routeTable();
    assert.ok(table.length >= 9, 'the table was found in the source');
    assert.deepEqual([...document.paths].sort(), table.map(({ path }) => path).sort());
  });

  it('has the parameters of the route table, and no other', () => {
    for (const { path, params } of routeTable()) {
      const { parameters } = document.operation(path, 'GET');
      const described = parameters.filter((parameter) => parameter.in === 'query').map(({ name }) => name);
      assert.deepEqual(described.sort(), [...params].sort(), path);
    }
  });

  it('names every type of problem', () => {
    const types = problemTypes().map(({ type }) => `urn:stategate:problem:${type}`);
    assert.ok(types.length >= 5, 'the list was found in the source');
    assert.deepEqual(document.parsed.components.schemas.Problem.properties.type.enum, types);
  });

  it('describes real answers on every path', async () => {
    assert.deepEqual(Object.keys(EXAMPLES).sort(), [...document.paths].sort());
    const statuses = new Set();
    for (const [path, examples] of Object.entries(EXAMPLES)) {
      for (const example of examples) {
        const answer = await gateway.get(example);
        statuses.add(answer.status);
        assert.deepEqual(document.violations(path, 'GET', answer), [], `GET ${example} gave ${answer.status}`);
      }
    }
    assert.deepEqual([...statuses].sort(), [200, 400, 404, 410, 503]);
  });

  it('describes the answers to demands, each kind of them', async () => {
    const seen = new Set();
    for (const [path, target, headers, expected] of DEMANDS) {
      const what = `${target} ${JSON.stringify(headers)}`;
      const answer = await gateway.get(target, { headers });
      const type = answer.status >= 400 ? ` ${answer.json().type.split(':').at(-1)}` : '';
      assert.equal(`${answer.status}${type}`, expected, `${what}: ${answer.text}`);
      assert.deepEqual(document.violations(path, 'GET', answer), [], what);
      for (const name of Object.keys(answer.headers)) seen.add(`${answer.status} ${name}`);
      const head = await gateway.get(target, { headers, method: 'HEAD' });
      assert.equal(head.status, answer.status, what);
      assert.deepEqual(document.violations(path, 'HEAD', head), [], `HEAD ${what}`);
    }
    for (const status of [200, 304, 404, 410, 504]) {
      for (const name of ['preference-applied', 'server-timing']) {
        assert.ok(seen.has(`${status} ${name}`), `${status} ${name}`);
      }
    }
  });

  it('describes the refusals that come before the path is looked at, on every path', async () => {
    for (const [path, [example]] of Object.entries(EXAMPLES)) {
      for (const [status, line, headers, host] of REFUSED) {
        const answer = await exchange(gateway.port, line(example), headers, host);
        assert.equal(answer.status, status, `${example}: ${answer.text}`);
        assert.match(answer.headers['content-type'], /^application\/problem\+json/);
        for (const method of ['GET', 'HEAD', 'OPTIONS']) {
          assert.deepEqual(document.violations(path, method, answer), [], `${status} of ${method} ${example}`);
        }
      }
    }
  });

  it('has demands where they mean something, and nowhere else', () => {
    const fields = ['Min-Position', 'Max-Staleness', 'Prefer'];
    const every = ['Min-Version', ...fields];
    for (const path of document.paths) {
      const { parameters } = document.operation(path, 'GET');
      const names = parameters.filter((parameter) => parameter.in === 'header').map(({ name }) => name);
      const expected = path === ENTITY ? every : READS.includes(path) ? fields : [];
      assert.deepEqual(names.filter((name) => every.includes(name)).sort(), [...expected].sort(), path);
    }
  });

  it('describes 304, HEAD and OPTIONS', async () => {
    for (const [path, [example]] of Object.entries(EXAMPLES)) {
      const { etag } = (await gateway.get(example)).headers;
      if (etag !== undefined) {
        const unchanged = await gateway.get(example, { headers: { 'If-None-Match': etag } });
        assert.equal(unchanged.status, 304);
        assert.deepEqual(document.violations(path, 'GET', unchanged), [], `304 of ${example}`);
      }
      for (const method of ['HEAD', 'OPTIONS']) {
        if (document.operation(path, method) === undefined) continue;
        assert.deepEqual(
          document.violations(path, method, await gateway.get(example, { method })),
          [],
          `${method} ${example}`,
        );
      }
    }
  });

  it('describes the answers of a gateway that knows nothing yet', async (t) => {
    const lonely = await startGateway({ t, nats: 'nats://127.0.0.1:9' });
    for (const [path, examples] of Object.entries(EXAMPLES)) {
      for (const example of examples) {
        const answer = await lonely.get(example);
        assert.deepEqual(document.violations(path, 'GET', answer), [], `GET ${example} gave ${answer.status}`);
      }
    }
    for (const path of READS) {
      for (const demand of ['min_position=STATE:1', 'max_staleness=0', 'max_staleness=0.5']) {
        const target = `${EXAMPLES[path][0]}?${demand}&wait=0`;
        const answer = await lonely.get(target);
        assert.equal(answer.status, 503, target);
        assert.match(answer.json().type, /:(starting|replica-disconnected)$/);
        assert.deepEqual(document.violations(path, 'GET', answer), [], target);
      }
    }
  });

  it('is compared by something that finds faults', async () => {
    const answer = await gateway.get('/v1/state/customers');
    const changed = (body, headers = answer.headers, status = 200) =>
      document.violations('/v1/state/{collection}', 'GET', {
        ...answer,
        status,
        headers,
        text: JSON.stringify(body),
        json: () => body,
      });
    const page = answer.json();
    assert.deepEqual(changed(page), []);
    assert.notDeepEqual(changed({ ...page, items: 'none' }), []);
    assert.notDeepEqual(changed({ ...page, items: [{ ...page.items[0], version: 'one' }] }), []);
    assert.notDeepEqual(changed(page, { ...answer.headers, 'state-status': 'sleepy' }), []);
    assert.notDeepEqual(changed(page, { ...answer.headers, 'state-secret': '1' }), []);
    assert.notDeepEqual(changed(page, answer.headers, 418), []);
    const { 'state-position': _, ...without } = answer.headers;
    assert.notDeepEqual(changed(page, without), []);
  });
});
