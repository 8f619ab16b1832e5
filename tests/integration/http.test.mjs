// What HTTP promises: every route, header, condition, page and refusal, with real data.
// ctest-threads:

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { after, before, describe, it } from 'node:test';

import { publishAll } from '../support/nats.mjs';
import { EPOCH, event, scene, STATE_POSITION } from '../support/scene.mjs';
import { until } from '../support/until.mjs';

const SECONDS = /^\d+\.\d{3}$/;

function assertProblem(answer, status, type) {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.headers['content-type'], /^application\/problem\+json/);
  assert.equal(answer.headers['cache-control'], 'no-store');
  const problem = answer.json();
  assert.equal(problem.status, status);
  assert.ok(problem.type.endsWith(type), problem.type);
  assert.ok(problem.title.length > 0 && problem.detail.length > 0);
  return problem;
}

// What every read says of itself.
function assertReadHeaders(answer) {
  assert.match(answer.headers['state-position'], STATE_POSITION);
  assert.match(answer.headers['state-staleness'], SECONDS);
  assert.match(answer.headers['state-lag'], /^\d+$/);
  assert.equal(answer.headers['state-status'], 'live');
  assert.equal(answer.headers.age, String(Math.ceil(Number(answer.headers['state-staleness']))));
}

describe('reads', () => {
  let s;
  let gateway;
  let client;

  before(async () => {
    s = await scene(
      { after() {} },
      {
        publish: [
          event('42', 7, { name: 'Ada', amount: 0.1 }, { occurredAt: '2026-01-31T12:00:00.987Z' }),
          event('gone', 1),
          event('gone', 2, undefined, { deleted: true }),
          event('empty', 3),
          { subject: 'state.customers.empty', payload: Buffer.alloc(0) },
          ...Array.from({ length: 25 }, (_, i) =>
            event(`p-${String(i).padStart(2, '0')}`, 1, { i }, { collection: 'pages' }),
          ),
          event('only', 1, undefined, { collection: 'withered', deleted: true }),
          event('eu.west.1', 5, { dots: true }),
          { subject: 'state.customers.a/b', payload: Buffer.from('{"version":1,"state":{"slash":true}}') },
          event('r-known', 42),
          { subject: 'state.customers.r-known', payload: Buffer.from('{"version":43,"state":"text"}') },
          event('r-unknown', 42),
          { subject: 'state.customers.r-unknown', payload: Buffer.from('not json') },
          event('r-over', 42),
          { subject: 'state.customers.r-over', payload: Buffer.from('{"version":43,"state":"text"}') },
          event('r-over', 44),
          { subject: 'state.customers.r-never', payload: Buffer.from('{"version":9,"state":"text"}') },
          event('r-conflict', 1, { a: 1 }),
          event('r-conflict', 1, { a: 2 }),
        ],
      },
    );
    ({ gateway, client } = s);
    await s.untilLive({ deadlineMs: 10_000 });
    await gateway.untilReady();
  });

  after(async () => {
    await gateway?.kill9();
    await s?.nats.stop();
  });

  const get = (path, options) => gateway.get(path, options);

  it('an entity is its state document, with facts in headers', async () => {
    const answer = await get('/v1/state/customers/42');
    assert.equal(answer.status, 200);
    assert.equal(answer.text, '{"name":"Ada","amount":0.1}');
    assert.match(answer.headers['content-type'], /^application\/json/);
    assert.equal(answer.headers['state-version'], '7');
    assert.match(answer.headers.etag, new RegExp(`^"${EPOCH}\\.r[0-9a-f]{8}\\.[1-9]\\d*"$`));
    assert.equal(answer.headers['last-modified'], 'Sat, 31 Jan 2026 12:00:00 GMT');
    assert.equal(answer.headers['cache-control'], 'no-cache');
    assert.equal(answer.headers['state-rejected'], undefined);
    assert.equal(answer.headers['state-gap'], undefined);
    assertReadHeaders(answer);
  });

  it('an id is one percent-encoded path segment', async () => {
    for (const path of ['eu.west.1', 'a%2Fb', 'a%2fb', '%34%32']) {
      assert.equal((await get(`/v1/state/customers/${path}`)).status, 200, path);
    }
    assert.equal((await get('/v1/state/customers/a/b')).status, 404);
    assert.equal((await get('/v1/state/%63ustomers/42')).status, 200);
  });

  it('a deleted entity is 410 with its version and without ETag', async () => {
    for (const [id, version] of [
      ['gone', '2'],
      ['empty', '3'],
    ]) {
      const answer = await get(`/v1/state/customers/${id}`);
      assertProblem(answer, 410, 'deleted');
      assert.equal(answer.headers['state-version'], version);
      assert.equal(answer.headers.etag, undefined);
      assertReadHeaders(answer);
    }
  });

  it('an entity never seen is 404, which rests on a position too', async () => {
    for (const path of ['/v1/state/customers/never', '/v1/state/nothing/never', '/v1/state/nothing']) {
      const answer = await get(path);
      assertProblem(answer, 404, 'not-found');
      assert.equal(answer.headers['state-version'], undefined);
      assert.equal(answer.headers.etag, undefined);
      assertReadHeaders(answer);
    }
    for (const path of [
      '/',
      '/v1',
      '/v1/',
      '/v1/state/',
      '/v1/state/customers/',
      '/v2/state',
      '/v1/state/customers/42/',
    ]) {
      assertProblem(await get(path), 404, 'not-found');
    }
  });

  it('If-None-Match gives 304 for the tag, a list that holds it, and *', async () => {
    const { etag } = (await get('/v1/state/customers/42')).headers;
    for (const value of [etag, `W/${etag}`, `"other", ${etag}`, `"a,b" , W/"x",${etag}`, '*']) {
      const answer = await get('/v1/state/customers/42', { headers: { 'If-None-Match': value } });
      assert.equal(answer.status, 304, value);
      assert.equal(answer.text, '');
      assert.equal(answer.headers.etag, etag);
      assert.equal(answer.headers['state-version'], '7');
      assertReadHeaders(answer);
    }
    for (const value of ['"other"', '"k.r00000000.1"', `"${etag.slice(1, -2)}8"`]) {
      const answer = await get('/v1/state/customers/42', { headers: { 'If-None-Match': value } });
      assert.equal(answer.status, 200, value);
    }
    assert.equal((await get('/v1/state/customers/never', { headers: { 'If-None-Match': '*' } })).status, 404);
    assert.equal((await get('/v1/state/customers/gone', { headers: { 'If-None-Match': '*' } })).status, 410);
  });

  it('the tag changes with the entity', async () => {
    await publishAll(client.js, [event('changing', 1)]);
    const { seq } = await client.js.publish('state.customers.changing', event('changing', 2).payload);
    await gateway.untilPosition(seq);
    const { etag } = (await get('/v1/state/customers/changing')).headers;
    const next = await client.js.publish('state.customers.changing', event('changing', 3).payload);
    await gateway.untilPosition(next.seq);
    const answer = await get('/v1/state/customers/changing', { headers: { 'If-None-Match': etag } });
    assert.equal(answer.status, 200);
    assert.notEqual(answer.headers.etag, etag);
  });

  it('HEAD is GET without the body', async () => {
    for (const path of [
      '/v1/state/customers/42',
      '/v1/state',
      '/v1/state/pages',
      '/v1/state/customers/never',
      '/v1/status',
      '/livez',
      '/metrics',
    ]) {
      const [whole, head] = [await get(path), await get(path, { method: 'HEAD' })];
      assert.equal(head.status, whole.status, path);
      assert.equal(head.text, '', path);
      assert.deepEqual(Object.keys(head.headers).sort(), Object.keys(whole.headers).sort(), path);
      if (path === '/v1/state/customers/42')
        assert.equal(head.headers['content-length'], whole.headers['content-length']);
    }
  });

  it('OPTIONS names the methods, others are refused with them', async () => {
    for (const path of [
      '/v1/state',
      '/v1/state/customers',
      '/v1/state/customers/42',
      '/v1/status',
      '/v1/rejected',
      '/livez',
      '/readyz',
      '/metrics',
      '/openapi.yaml',
    ]) {
      const options = await get(path, { method: 'OPTIONS' });
      assert.equal(options.status, 204, path);
      const list = path === '/v1/state/customers';
      const methods = ['GET', 'HEAD', 'OPTIONS', ...(list ? ['POST', 'QUERY'] : [])];
      assert.deepEqual(options.headers.allow.split(/, */).sort(), methods, path);
      assert.equal(options.headers['accept-query'], list ? 'application/json' : undefined, path);
      for (const method of ['PUT', 'DELETE', 'PATCH', 'TRACE']) {
        const answer = await get(path, { method });
        assert.equal(answer.status, 405, `${method} ${path}`);
        assert.deepEqual(answer.headers.allow.split(/, */).sort(), methods);
      }
    }
    assert.equal(
      (await get('/v1/state/customers/42', { method: 'POST', headers: { 'Content-Length': '0' } })).status,
      405,
    );
  });

  it('a page holds what is live, and the next one follows', async () => {
    const seen = [];
    let path = '/v1/state/pages?limit=10';
    for (let pages = 0; path !== undefined; pages++) {
      assert.ok(pages < 3);
      const answer = await get(path);
      assert.equal(answer.status, 200);
      assertReadHeaders(answer);
      const page = answer.json();
      assert.equal(page.collection, 'pages');
      assert.match(String(page.position), /\d/);
      seen.push(...page.items);
      assert.equal('next' in page, seen.length < 25);
      const [, link, rel] = /^<([^>]+)>; rel="(\w+)"$/.exec(answer.headers.link);
      assert.equal(rel, seen.length < 25 ? 'next' : 'changes');
      path = rel === 'next' ? `/v1/state/pages${link}` : undefined;
    }
    assert.deepEqual(
      seen.map(({ id, version, state }) => [id, version, state.i]),
      Array.from({ length: 25 }, (_, i) => [`p-${String(i).padStart(2, '0')}`, 1, i]),
    );
  });

  it('a page is 304 while its collection is unchanged', async () => {
    const { etag } = (await get('/v1/state/pages?limit=10')).headers;
    assert.match(etag, new RegExp(`^W/"${EPOCH}\\.r[0-9a-f]{8}\\.\\d+\\.25\\.0\\.q[0-9a-f]{8}"$`));
    const again = await get('/v1/state/pages?limit=10', { headers: { 'If-None-Match': etag } });
    assert.equal(again.status, 304);
    const { seq } = await client.js.publish('state.pages.p-00', event('p-00', 2, { i: 0 }).payload);
    await gateway.untilPosition(seq);
    assert.equal((await get('/v1/state/pages?limit=10', { headers: { 'If-None-Match': etag } })).status, 200);
  });

  it('a page of one collection tells occurredAt only where it is known', async () => {
    const { items } = (await get('/v1/state/customers?limit=1000')).json();
    assert.deepEqual(
      items.map(({ id }) => id),
      [...items.map(({ id }) => id)].sort(),
    );
    assert.ok(!items.some(({ id }) => id === 'gone' || id === 'empty'));
    assert.equal(items.find(({ id }) => id === '42').occurredAt, '2026-01-31T12:00:00.987Z');
    assert.ok(!('occurredAt' in items.find(({ id }) => id === 'eu.west.1')));
  });

  it('a collection with tombstones only is an empty page', async () => {
    const answer = await get('/v1/state/withered');
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.json().items, []);
  });

  it('the limit is 1 to 1000, a hundred by default', async () => {
    for (const limit of ['1', '1000']) assert.equal((await get(`/v1/state/pages?limit=${limit}`)).status, 200);
    for (const limit of ['0', '1001', '-1', '1.0', 'ten', '', '%31%30x', '+5', '99999999999999999999']) {
      const problem = assertProblem(await get(`/v1/state/pages?limit=${limit}`), 400, 'bad-request');
      assert.match(problem.detail, /limit/);
    }
  });

  it('parameters that are unknown, repeated or malformed are 400 and named', async () => {
    for (const [path, name, type = 'bad-request'] of [
      ['/v1/state?foo=1', 'foo'],
      ['/v1/state/customers/42?limit=1', 'limit'],
      ['/v1/state/pages?limit=1&limit=1', 'limit'],
      ['/v1/state/pages?Limit=1', 'Limit'],
      ['/v1/state/pages?cursor=nonsense', 'cursor', 'cursor-mismatch'],
      ['/v1/state/pages?cursor=', 'cursor', 'cursor-mismatch'],
      ['/v1/status?x', 'x'],
      ['/v1/rejected?stream=STATE&stream=STATE', 'stream'],
      ['/livez?verbose=1', 'verbose'],
      ['/readyz?max_staleness=soon', 'max_staleness'],
      ['/readyz?max_staleness=1.0001', 'max_staleness'],
      ['/readyz?max_staleness=-1', 'max_staleness'],
    ]) {
      const problem = assertProblem(await get(path), 400, type);
      assert.ok(problem.detail.includes(name), `${path}: ${problem.detail}`);
    }
  });

  it('ids and collections that no event can have are 400', async () => {
    for (const path of [
      '/v1/state/customers/..',
      '/v1/state/customers/%2e',
      '/v1/state/./42',
      '/v1/state/customers/%ff',
      '/v1/state/customers/%00',
      '/v1/state/customers/%zz',
      '/v1/state/customers/%2',
      `/v1/state/customers/${'x'.repeat(513)}`,
      `/v1/state/${'x'.repeat(129)}`,
    ]) {
      assertProblem(await get(path), 400, 'bad-request');
    }
    assert.equal((await get(`/v1/state/customers/${'x'.repeat(512)}`)).status, 404);
    assert.equal((await get(`/v1/state/customers/${'%C3%BC'.repeat(256)}`)).status, 404);
  });

  it('a demand is kept on every read of state, or refused, never ignored', async () => {
    const position = (await get('/v1/state/customers/42')).headers['state-position'];
    const entity = '/v1/state/customers/42';
    for (const path of [entity, '/v1/state/customers', '/v1/state', '/v1/rejected']) {
      const forms = (headers, parameter) => [get(path, { headers }), get(`${path}?${parameter}`)];
      for (const answer of await Promise.all([
        ...forms({ 'Min-Position': position }, `min_position=${encodeURIComponent(position)}`),
        ...forms({ 'Max-Staleness': '0' }, 'max_staleness=0'),
        ...forms({ Prefer: 'wait=1' }, 'wait=1'), // alone it demands nothing
      ])) {
        assert.equal(answer.status, 200, `${path}: ${answer.text}`);
      }
      for (const answer of await Promise.all(forms({ 'Min-Version': '7' }, 'min_version=7'))) {
        if (path === entity) assert.equal(answer.status, 200, answer.text);
        else assert.match(assertProblem(answer, 400, 'bad-request').detail, /min.version/i);
      }
      assertProblem(await get(`${path}?min_position=STATE:999999&wait=0`), 504, 'position-not-reached');
      assertProblem(await get(`${path}?max_staleness=0&wait=0`), 504, 'too-stale');
    }
    for (const demand of ['Min-Version', 'Min-Position', 'Max-Staleness']) {
      const value = demand === 'Min-Position' ? position : '1';
      const refused = assertProblem(await get('/v1/status', { headers: { [demand]: value } }), 400, 'bad-request');
      assert.ok(refused.detail.includes(demand), refused.detail);
      const parameter = demand.toLowerCase().replace('-', '_');
      const answer = await get(`/v1/status?${parameter}=${encodeURIComponent(value)}`);
      assert.ok(assertProblem(answer, 400, 'bad-request').detail.includes(parameter));
    }
    assertProblem(await get('/v1/status?wait=1'), 400, 'bad-request');
    assert.equal((await get('/v1/status', { headers: { Prefer: 'wait=1' } })).status, 200);
  });

  it('an unmet demand is 504 instead of 200, 304, 404 and 410, and says what is missing', async () => {
    const { etag } = (await get('/v1/state/customers/42')).headers;
    for (const [id, version, headers] of [
      ['42', 7, {}],
      ['42', 7, { 'If-None-Match': etag }],
      ['never', undefined, {}],
      ['gone', 2, {}],
    ]) {
      const answer = await get(`/v1/state/customers/${id}?min_version=99&wait=0`, { headers });
      const problem = assertProblem(answer, 504, 'version-not-reached');
      assert.match(answer.headers['retry-after'], /^[1-9]\d*$/);
      assert.equal(answer.headers['preference-applied'], 'wait=0');
      assert.equal(answer.headers['state-version'], version && String(version));
      assert.equal(answer.headers.etag, undefined);
      assertReadHeaders(answer);
      assert.equal(problem.required, 99);
      assert.equal(problem.current, version);
      assert.equal(problem.position, answer.headers['state-position']);
      assert.equal(problem.waited, 0);
    }
  });

  it('a rejected event above the version shown is told, until a higher one is applied', async () => {
    const rejected = async (id) => (await get(`/v1/state/customers/${id}`)).headers['state-rejected'];
    assert.equal(await rejected('r-known'), '43');
    assert.equal(await rejected('r-unknown'), '?');
    assert.equal(await rejected('r-over'), undefined);
    assert.equal(await rejected('r-never'), '9');
    assert.equal(await rejected('r-conflict'), undefined);
    assert.equal((await get('/v1/state/customers/r-never')).status, 404);
    const { seq } = await client.js.publish('state.customers.r-unknown', event('r-unknown', 43).payload);
    await gateway.untilPosition(seq);
    assert.equal(await rejected('r-unknown'), undefined);
  });

  it('/v1/state lists the collections', async () => {
    const answer = await get('/v1/state');
    assert.equal(answer.status, 200);
    assertReadHeaders(answer);
    const { collections } = answer.json();
    assert.deepEqual(
      collections.map(({ name }) => name),
      ['customers', 'pages', 'withered'],
    );
    const pages = collections.find(({ name }) => name === 'pages');
    assert.equal(pages.entities, 25);
    assert.equal(pages.stream, 'STATE');
    assert.equal(collections.find(({ name }) => name === 'withered').entities, 0);
  });

  it('/v1/rejected names what was rejected and why, without payload', async () => {
    const answer = await get('/v1/rejected');
    assertReadHeaders(answer);
    const { items } = answer.json();
    const sequences = items.map(({ sequence }) => sequence);
    assert.deepEqual(
      sequences,
      [...sequences].sort((a, b) => b - a),
    );
    assert.ok(items.every((item) => !('payload' in item)));
    const known = items.find(({ id }) => id === 'r-known');
    assert.equal(known.stream, 'STATE');
    assert.equal(known.subject, 'state.customers.r-known');
    assert.equal(known.collection, 'customers');
    assert.equal(known.version, 43);
    assert.equal(known.reason, 'bad-type');
    assert.equal(known.payloadBytes, 29);
    assert.match(known.payloadSha256, /^[0-9a-f]{64}$/);
    assert.ok(!Number.isNaN(Date.parse(known.time)));
    const unknown = items.find(({ id }) => id === 'r-unknown');
    assert.ok(!('version' in unknown));
    assert.equal(items.find(({ id }) => id === 'r-conflict').reason, 'conflict');
    assert.deepEqual((await get('/v1/rejected?collection=pages')).json().items, []);
    for (const path of [
      '/v1/rejected?stream=STATES',
      '/v1/rejected?stream=STATES&collection=pages&min_position=STATE:1',
    ]) {
      const typo = await get(path);
      assert.equal(`${typo.status} ${typo.json().type}`, '409 urn:stategate:problem:unknown-stream', path);
      assert.match(typo.json().detail, /STATES/);
    }
    assert.equal((await get('/v1/rejected?stream=STATES&limit=x')).status, 400, 'what is malformed is said first');
    const first = (await get('/v1/rejected?limit=1')).json();
    assert.equal(first.items.length, 1);
    const second = (await get(`/v1/rejected?limit=1&cursor=${first.next}`)).json();
    assert.equal(second.items[0].sequence, sequences[1]);
  });

  it('/v1/status tells each stream', async () => {
    // The head is the newest proved one: a probe later it is that of the events which this file published last.
    const answer = await until('a proof of the last events', async () => {
      const latest = await get('/v1/status');
      const [{ head, position }] = latest.json().streams;
      return head === position && latest;
    });
    assertReadHeaders(answer);
    const { streams, status } = answer.json();
    assert.equal(status, 'live');
    const [stream] = streams;
    assert.equal(stream.name, 'STATE');
    assert.equal(stream.status, 'live');
    assert.equal(stream.position, Number(STATE_POSITION.exec(answer.headers['state-position'])[1]));
    assert.match(stream.epoch, new RegExp(`^${EPOCH}$`));
    assert.equal(stream.build, 1);
    assert.equal(stream.lag, 0);
    assert.ok(stream.staleness >= 0 && stream.staleness < 5);
    assert.equal(stream.rejected, 5);
    assert.equal(stream.conflicts, 1);
    assert.ok(stream.probe.head <= stream.head);
    assert.equal(stream.probe.epoch, stream.epoch);
  });

  it('the probes and the contract answer as such', async () => {
    const live = await get('/livez');
    assert.equal(live.status, 200);
    assert.match(live.headers['content-type'], /^text\/plain/);
    const ready = await get('/readyz');
    assert.equal(ready.status, 200);
    assert.match(ready.text, /STATE/);
    assert.equal((await get('/readyz?max_staleness=10')).status, 200);
    assert.equal((await get('/readyz?max_staleness=0')).status, 503);
    assert.match((await get('/metrics')).headers['content-type'], /^text\/plain; version=0\.0\.4/);
    assert.equal((await get('/openapi.yaml')).status, 200);
  });

  it('a connection is kept for many requests', async () => {
    const socket = createConnection(gateway.port, '127.0.0.1');
    let text = '';
    socket.on('data', (data) => (text += data));
    for (let i = 1; i <= 5; i++) {
      socket.write('GET /livez HTTP/1.1\r\nHost: localhost\r\n\r\n');
      await until('the answer', () => text.split('HTTP/1.1 200').length === i + 1);
    }
    socket.destroy();
  });
});

describe('a Cookie', () => {
  it('is a header field like any other, however many there are in it', async (t) => {
    const s = await scene(t, { publish: [event('1', 1)] });
    await s.gateway.untilPosition(1);
    const cookies = (count) => Array.from({ length: count }, (_, i) => `a=${i % 10}`).join('; ');
    const ask = (count) => s.gateway.get('/v1/state/customers/1', { headers: { Cookie: cookies(count) } });
    assert.equal((await ask(1300)).status, 200, '6.5 kB');
    const refused = await ask(1600);
    assert.equal(refused.status, 431, '8 kB');
    assert.equal(refused.headers['content-type'], 'application/problem+json');
  });
});

describe('ownership', () => {
  it('a collection that no template can produce is 404 at once, and rests on all streams', async (t) => {
    const config = { streams: [{ name: 'STATE', subject: 'state.{collection}.{id}', collections: ['customers'] }] };
    const s = await scene(t, {
      publish: [event('1', 1), event('1', 1, {}, { collection: 'foreign' })],
      gateway: { config },
    });
    await s.gateway.untilPosition(2);
    await s.gateway.untilStatus('live');
    const answer = await s.gateway.get('/v1/state/foreign/1');
    assertProblem(answer, 404, 'not-found');
    assert.match(answer.headers['state-position'], STATE_POSITION);
    const { collections } = (await s.gateway.get('/v1/state')).json();
    assert.deepEqual(
      collections.map(({ name }) => name),
      ['customers'],
    );
  });

  it('members that the settings drop are never there', async (t) => {
    const config = {
      collections: [{ name: 'customers', drop: ['/ssn', '/card/number'] }],
      rejected: { payload: true },
    };
    const s = await scene(t, {
      publish: [
        event('1', 1, { name: 'Ada', ssn: 'SECRET-1', card: { number: 'SECRET-2', brand: 'v' } }),
        { subject: 'state.customers.1', payload: Buffer.from('{"version":"x","state":{"ssn":"SECRET-3"}}') },
      ],
      gateway: { config },
    });
    await s.gateway.untilPosition(2);
    assert.equal((await s.gateway.get('/v1/state/customers/1')).text, '{"name":"Ada","card":{"brand":"v"}}');
    assert.doesNotMatch((await s.gateway.get('/v1/rejected')).text, /payload"|SECRET/);
    await s.gateway.stop();
    assert.ok(!readFileSync(s.gateway.database).includes('SECRET'));
    assert.doesNotMatch(s.gateway.stderr, /SECRET/);
  });
});
