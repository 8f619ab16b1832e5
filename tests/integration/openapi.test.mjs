// openapi.yaml says what the gateway does: it is free of lint, it is what /openapi.yaml serves, its paths are the
// route table, and real answers of every kind are as described: status, headers and body.

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { startGateway } from '../support/gateway.mjs';
import { lintOpenapi, loadOpenapi, openapiText } from '../support/openapi.mjs';
import { SOURCE_DIR, tempFolder } from '../support/process.mjs';
import { event, scene } from '../support/scene.mjs';

// The route table of the program, read from its source: the one place that decides what is dispatched.
function routeTable() {
  const source = readFileSync(join(SOURCE_DIR, 'api/router.c'), 'utf8');
  const rows = [...source.matchAll(/\[ROUTE_\w+\] = \{"([^"]+)"([^\n]*(?:\n {20,}[^\n]*)*)/g)];
  return rows.map(([, path, rest]) => ({
    path,
    params: [...(/\.params = \{([^}]*)\}/.exec(rest)?.[1] ?? '').matchAll(/"([^"]+)"/g)].map(([, name]) => name),
  }));
}

function problemTypes() {
  const source = readFileSync(join(SOURCE_DIR, 'api/problem.h'), 'utf8');
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
  ],
  '/v1/state/{collection}/{id}': [
    '/v1/state/customers/1',
    '/v1/state/customers/gone',
    '/v1/state/customers/never',
    '/v1/state/customers/rejected',
    '/v1/state/customers/%ff',
    '/v1/state/customers/1?min_version=1',
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
      },
    );
    gateway = s.gateway;
    await s.untilLive({ deadlineMs: 10_000 });
    await gateway.untilReady();
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
    assert.deepEqual([...statuses].sort(), [200, 400, 404, 410, 501, 503]);
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
