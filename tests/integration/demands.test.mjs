// What a caller can demand of a read, in each form, and each answer to it.
// ctest-timeout: 240
// ctest-threads:

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

import { startGateway } from '../support/gateway.mjs';
import { scrape } from '../support/prometheus.mjs';
import { startProxy } from '../support/proxy.mjs';
import { event, scene } from '../support/scene.mjs';
import { throughout, until } from '../support/until.mjs';

const C1 = '/v1/state/customers/c-1';
const NAMED = '2024-orders'; // a stream whose name is no token
const CONFIG = {
  streams: [
    { name: 'STATE', subject: 'state.{collection}.{id}', collections: ['customers', 'gone'] },
    { name: NAMED, subject: 'named.{id}', collection: 'named' },
  ],
};
const STREAMS = { subjects: ['state.>', 'beside.>'] };

// A scene that several tests share.
function shared(make) {
  const cleanup = [];
  const holder = {};
  before(async () => Object.assign(holder, await make({ after: (action) => cleanup.push(action) })));
  after(async () => {
    for (const action of cleanup) await action();
  });
  return holder;
}

async function plainScene(t) {
  const s = await scene(t, {
    stream: STREAMS,
    gateway: null,
    publish: [event('c-1', 1), event('c-1', 2), event('c-2', 1)],
  });
  await s.client.jsm.streams.add({ name: NAMED, subjects: ['named.>'] });
  await s.client.js.publish('named.x', '{"version":1,"state":{}}');
  s.gateway = await startGateway({ t, nats: s.nats, config: CONFIG });
  await s.gateway.untilPosition(3, { stream: 'STATE' });
  await s.gateway.untilPosition(1, { stream: NAMED });
  await s.gateway.untilStatus('live', { stream: NAMED });
  await s.gateway.untilStatus('live', { stream: 'STATE' });
  const get = (path, headers) => s.gateway.get(path, { headers });
  return { s, get, publish: (...list) => s.publish(list) };
}

const timedGet = async (gateway, path, options) => {
  const from = performance.now();
  const answer = await gateway.get(path, options);
  return { ...answer, ms: performance.now() - from };
};

function assertProblem(answer, status, type, what = '') {
  assert.equal(
    `${answer.status} ${answer.status >= 400 ? answer.json().type : ''}`,
    `${status} urn:stategate:problem:${type}`,
    what,
  );
  assert.match(answer.headers['content-type'], /^application\/problem\+json/);
  assert.equal(answer.headers['cache-control'], 'no-store');
  assert.equal(answer.json().status, status);
  if (status === 503 || status === 504) assert.match(answer.headers['retry-after'] ?? '', /^[1-9]\d*$/, what);
}

describe('demands: forms', () => {
  const x = shared(plainScene);

  it('are taken from headers and from parameters alike', async () => {
    const position = (await x.get(C1)).headers['state-position'];
    const own = position.split(';')[1];
    const good = [
      ['', { 'Min-Version': '2' }],
      ['min_version=2', {}],
      ['', { 'Min-Position': position }],
      [`min_position=${encodeURIComponent(position)}`, {}],
      ['', { 'Min-Position': 'STATE:2' }],
      ['min_position=STATE:2', {}],
      ['', { 'Min-Position': `STATE:2;${own}` }],
      ['', { 'Min-Position': '"STATE:2"' }],
      ['', { 'Min-Position': `"STATE:2";${own}` }],
      ['', { 'Min-Position': `STATE:2 , "${NAMED}:1"` }],
      ['', { 'Min-Position': ['STATE:2', `"${NAMED}:1"`] }],
      ['', { 'Min-Position': `"${NAMED}:1"` }],
      ['', { 'Min-Position': 'STATE:0' }],
      ['', { 'Max-Staleness': '0' }],
      ['max_staleness=0', {}],
      ['', { 'Max-Staleness': '0.5' }],
      ['max_staleness=1.250', {}],
      ['max_staleness=1000', {}],
      ['wait=2.5&min_version=2', {}],
      ['', { Prefer: 'wait=5', 'Min-Version': '2' }],
      ['min_version=2', { 'Min-Position': 'STATE:3', 'Max-Staleness': '0', Prefer: 'wait=5' }],
    ];
    for (const [query, headers] of good) {
      const answer = await x.get(query ? `${C1}?${query}` : C1, headers);
      const what = `${query} ${JSON.stringify(headers)}: ${answer.text}`;
      assert.equal(answer.status, 200, what);
      assert.equal(answer.headers['state-version'], '2', what);
    }
  });

  it('are taken from the State-Position of every kind of answer, verbatim', async () => {
    const paths = [
      C1,
      '/v1/state/customers',
      '/v1/state',
      '/v1/status',
      '/v1/state/named/x',
      '/v1/state/customers/never',
    ];
    for (const path of paths) {
      const position = (await x.get(path)).headers['state-position'];
      assert.ok(position, path);
      assert.equal((await x.get(C1, { 'Min-Position': position })).status, 200, `${path}: ${position}`);
      const all = await x.get(`${C1}?min_position=${encodeURIComponent(position)}`);
      assert.equal(all.status, 200, `${path}: ${position}`);
      const named = (text) => [...text.matchAll(/"?([\w-]+):\d+"?;/g)].map(([, name]) => name);
      for (const name of named(position))
        assert.ok(named(all.headers['state-position']).includes(name), `${name} was named`);
    }
  });

  it('that are parameters win over headers', async () => {
    assert.equal((await x.get(`${C1}?min_version=2`, { 'Min-Version': '99' })).status, 200);
    assert.equal((await x.get(`${C1}?min_position=STATE:1`, { 'Min-Position': 'NOBODY:1' })).status, 200);
    assert.equal((await x.get(`${C1}?min_version=99&wait=0`, { 'Min-Version': '1', Prefer: 'wait=20' })).status, 504);
    assert.equal((await x.get(`${C1}?max_staleness=100&wait=0`, { 'Max-Staleness': '0' })).status, 200);
  });

  it('say in Preference-Applied how long they would have waited', async () => {
    const applied = async (query, headers) => (await x.get(`${C1}?${query}`, headers)).headers['preference-applied'];
    assert.equal(await applied('min_version=2', { Prefer: 'wait=5' }), 'wait=5');
    assert.equal(await applied('min_version=2&wait=2.5'), 'wait=2.5');
    assert.equal(await applied('min_version=2&wait=1000'), 'wait=30', 'the maximum');
    assert.equal(await applied('min_version=2&wait=0'), 'wait=0');
    assert.equal(await applied('min_version=2', { Prefer: 'respond-async, wait=3' }), 'wait=3');
    assert.equal(await applied('min_version=2', { Prefer: ['respond-async', 'wait=3'] }), 'wait=3');
  });

  it('ignore a Prefer that is not understood', async () => {
    for (const Prefer of ['wait=soon', 'respond-async', 'wait', 'wait=-1', 'handling=strict', '']) {
      assert.equal((await x.get(C1, { Prefer, 'Min-Version': '2' })).status, 200, Prefer);
    }
  });

  it('that are malformed are refused, by name', async () => {
    const bad = [
      ...['-1', '1.0', 'abc', '+1', '1 2', '0x1', '1e3', '9223372036854775808', '"1"'].map((v) => [
        'min_version',
        'Min-Version',
        v,
      ]),
      ...[
        'STATE',
        'STATE:',
        'STATE:x',
        ':1',
        'STATE:-1',
        'STATE:1.0',
        'STATE:1,',
        'STATE:1, STATE:2',
        'STATE:1, "STATE:1"',
        'STATE:18446744073709551616',
        '"STATE:1',
        'STATE:1;',
        'STATE:1;epoch=',
        'STATE 1',
        '2024-orders:1',
        '(STATE:1)',
        '5',
      ].map((v) => ['min_position', 'Min-Position', v]),
      ...['-1', '1s', '0.1234', '1e3', 'NaN', 'inf', '+1', '1,5', '1 '.repeat(2)].map((v) => [
        'max_staleness',
        'Max-Staleness',
        v,
      ]),
    ];
    for (const [parameter, header, value] of bad) {
      const byParameter = await x.get(`${C1}?${parameter}=${encodeURIComponent(value)}`);
      assertProblem(byParameter, 400, 'bad-request', `${parameter}=${value}`);
      assert.ok(byParameter.json().detail.toLowerCase().includes(parameter), byParameter.json().detail);
      const byHeader = await x.get(C1, { [header]: value });
      assertProblem(byHeader, 400, 'bad-request', `${header}: ${value}`);
      assert.ok(byHeader.json().detail.includes(header), byHeader.json().detail);
    }
    for (const wait of ['-1', '1.0001', 'abc', '5s', '']) {
      const answer = await x.get(`${C1}?wait=${wait}`);
      assertProblem(answer, 400, 'bad-request', `wait=${wait}`);
      assert.match(answer.json().detail, /wait/);
    }
    for (const empty of ['min_version=', 'min_position=', 'max_staleness='])
      assertProblem(await x.get(`${C1}?${empty}`), 400, 'bad-request', empty);
  });

  it('that are repeated are refused', async () => {
    for (const name of ['min_version=1', 'min_position=STATE:1', 'max_staleness=1', 'wait=1'])
      assertProblem(await x.get(`${C1}?${name}&${name}`), 400, 'bad-request', name);
    for (const headers of [{ 'Min-Version': ['1', '1'] }, { 'Max-Staleness': ['1', '1'] }, { 'Min-Version': '1, 2' }])
      assertProblem(await x.get(C1, headers), 400, 'bad-request', JSON.stringify(headers));
    assertProblem(
      await x.get(C1, { 'Min-Position': ['STATE:1', 'STATE:2'] }),
      400,
      'bad-request',
      'one stream on two lines',
    );
  });

  it('that have no meaning where they stand are refused', async () => {
    for (const path of ['/v1/state', '/v1/state/customers', '/v1/status']) {
      const byHeader = await x.get(path, { 'Min-Version': '1' });
      assertProblem(byHeader, 400, 'bad-request', path);
      assert.match(byHeader.json().detail, /Min-Version/);
      assertProblem(await x.get(`${path}?min_version=1`), 400, 'bad-request', path);
    }
  });

  it('hold for lists and pages too, and each page of a cursor says its position', async () => {
    for (const path of ['/v1/state', '/v1/state/customers', '/v1/state/customers?limit=1']) {
      const join = path.includes('?') ? '&' : '?';
      assert.equal((await x.get(`${path}${join}max_staleness=0`)).status, 200, path);
      assert.equal((await x.get(`${path}${join}min_position=STATE:3`)).status, 200, path);
      assertProblem(await x.get(`${path}${join}min_position=STATE:999999&wait=0`), 504, 'position-not-reached', path);
    }
    const first = await x.get('/v1/state/customers?limit=1');
    await x.publish(event('c-9', 1));
    await x.get(`${C1}?max_staleness=0`);
    const next = `/v1/state/customers${/<(.*)>/.exec(first.headers.link)[1]}`;
    const second = await x.get(next);
    const sequence = (answer) => Number(/STATE:(\d+)/.exec(answer.json().position)[1]);
    assert.equal(second.json().position, second.headers['state-position']);
    assert.ok(sequence(second) > sequence(first), `${sequence(first)}, then ${sequence(second)}`);
    const carried = await x.get(next, {
      'Min-Position': second.headers['state-position'],
    });
    assert.equal(carried.status, 200);
  });
});

describe('demands: answers', () => {
  const x = shared(plainScene);

  it('504 at the deadline, with what was required and what is there', async () => {
    const answer = await timedGet(x.s.gateway, `${C1}?min_version=99&wait=0.4`);
    assertProblem(answer, 504, 'version-not-reached');
    assert.ok(answer.ms >= 398 && answer.ms < 900, `${answer.ms} ms`);
    const { required, current, position, waited } = answer.json();
    assert.match(JSON.stringify(required), /99/);
    assert.match(JSON.stringify(current), /2/);
    assert.match(JSON.stringify(position), /STATE:\d+;epoch=/);
    assert.ok(Number(waited) >= 0.39 && Number(waited) < 0.9, `waited ${waited}`);
    assert.equal(answer.headers['state-version'], '2');
    for (const name of ['state-position', 'state-staleness', 'state-status', 'state-lag'])
      assert.ok(answer.headers[name] !== undefined, name);
    assert.equal(answer.headers.etag, undefined);
  });

  it('504 for each kind of demand, at once without a budget', async () => {
    for (const [query, type] of [
      ['min_version=99', 'version-not-reached'],
      ['min_position=STATE:999', 'position-not-reached'],
      ['max_staleness=0', 'too-stale'],
    ]) {
      const answer = await timedGet(x.s.gateway, `${C1}?${query}&wait=0`);
      assertProblem(answer, 504, type);
      assert.ok(answer.ms < 300, `${query} took ${answer.ms} ms`);
    }
  });

  it('waits for an entity and for a collection that do not exist yet', async () => {
    for (const [id, collection] of [
      ['new', 'customers'],
      ['new', 'gone'],
    ]) {
      const asked = timedGet(x.s.gateway, `/v1/state/${collection}/${id}?min_version=1&wait=10`);
      await pause(150);
      await x.publish(event(id, 1, { here: true }, { collection }));
      const answer = await asked;
      assert.equal(answer.status, 200, answer.text);
      assert.ok(answer.ms >= 145 && answer.ms < 2000, `${answer.ms} ms`);
      assert.match(answer.headers['server-timing'] ?? '', /wait;dur=\d/);
    }
  });

  it('404 at once for a collection that no template can produce', async () => {
    for (const query of ['min_version=1', 'max_staleness=0', 'min_position=STATE:999']) {
      const answer = await timedGet(x.s.gateway, `/v1/state/nonsense/c-1?${query}&wait=10`);
      if (query.startsWith('min_version')) assertProblem(answer, 404, 'not-found', query);
      assert.ok(answer.ms < 1000, `${query} took ${answer.ms} ms`);
    }
  });

  it('404 and 410 meet positions and staleness; a tombstone at or above the version meets it', async () => {
    const [published] = await x.publish(event('dead', 5, null, { deleted: true }));
    const at = `STATE:${published.seq}`;
    for (const demand of [
      `min_version=5`,
      'min_version=4',
      `min_position=${at}`,
      'max_staleness=0',
      `min_version=5&min_position=${at}&max_staleness=0`,
    ]) {
      const answer = await x.get(`/v1/state/customers/dead?${demand}`);
      assertProblem(answer, 410, 'deleted', demand);
      assert.equal(answer.headers['state-version'], '5');
      assert.ok(answer.headers['state-position']);
    }
    assertProblem(await x.get('/v1/state/customers/dead?min_version=6&wait=0'), 504, 'version-not-reached');
    for (const demand of [`min_position=${at}`, 'max_staleness=0']) {
      const answer = await x.get(`/v1/state/customers/nobody?${demand}`);
      assertProblem(answer, 404, 'not-found', demand);
      assert.ok(answer.headers['state-position'] && answer.headers['state-staleness'] !== undefined);
    }
  });

  it('304 only when the demands are met', async () => {
    const { etag } = (await x.get(C1)).headers;
    const unchanged = await x.get(`${C1}?max_staleness=0&min_version=2`, { 'If-None-Match': etag });
    assert.equal(unchanged.status, 304);
    assert.equal(unchanged.headers['state-version'], '2');
    assertProblem(await x.get(`${C1}?min_version=99&wait=0`, { 'If-None-Match': etag }), 504, 'version-not-reached');
  });

  it('409 at once: another epoch, an unknown stream, a position beyond the head', async () => {
    for (const [position, type] of [
      ['STATE:1;epoch=zzzzzz', 'epoch-mismatch'],
      ['NOBODY:1', 'unknown-stream'],
      ['STATE:999999', 'position-beyond-head'],
    ]) {
      const answer = await timedGet(x.s.gateway, `${C1}?wait=10`, { headers: { 'Min-Position': position } });
      assertProblem(answer, 409, type, position);
      assert.ok(answer.ms < 2500, `${position} took ${answer.ms} ms`);
    }
    const { headers } = await x.get(C1);
    const epoch = /epoch=(\w+)/.exec(headers['state-position'])[1];
    assertProblem(
      await x.get(`${C1}?wait=10`, { 'Min-Position': `STATE:999999;epoch=${epoch}` }),
      409,
      'position-beyond-head',
    );
  });

  it('422 at once for a version that was rejected, until a higher one is there', async () => {
    const [bad] = await x.publish({ subject: 'state.customers.r-1', payload: Buffer.from('{"version":3,"state":[]}') });
    await x.s.gateway.untilPosition(bad.seq, { stream: 'STATE' });
    const answer = await timedGet(x.s.gateway, '/v1/state/customers/r-1?min_version=3&wait=10');
    assertProblem(answer, 422, 'version-rejected');
    assert.ok(answer.ms < 500, `${answer.ms} ms`);
    assertProblem(await x.get('/v1/state/customers/r-1?min_version=4&wait=0'), 504, 'version-not-reached');
    await x.publish(event('r-1', 4));
    assert.equal((await x.get('/v1/state/customers/r-1?min_version=4')).status, 200);
    assert.equal((await x.get('/v1/state/customers/r-1?min_version=3')).headers['state-version'], '4');
  });

  it('names the first of 400, 409, 422, 504', async () => {
    await x.publish({ subject: 'state.customers.r-2', payload: Buffer.from('{"version":3,"state":[]}') });
    await x.get(`${C1}?max_staleness=0`);
    const path = '/v1/state/customers/r-2';
    assertProblem(await x.get(`${path}?min_version=3&min_position=NOBODY:1&wait=x`), 400, 'bad-request');
    assertProblem(
      await x.get(`${path}?min_version=3&min_position=NOBODY:1&max_staleness=0&wait=0`),
      409,
      'unknown-stream',
    );
    assertProblem(await x.get(`${path}?min_version=3&max_staleness=0&wait=0`), 422, 'version-rejected');
  });

  it('answers HEAD as GET, without the body', async () => {
    for (const [path, status] of [
      [`${C1}?min_version=2`, 200],
      [`${C1}?min_version=99&wait=0.1`, 504],
    ]) {
      const answer = await x.s.gateway.get(path, { method: 'HEAD' });
      assert.equal(answer.status, status);
      assert.equal(answer.text, '');
      assert.ok(answer.headers['state-position']);
    }
  });

  it('reads what was written, by each form, every time', async () => {
    for (let version = 10; version < 60; version++) {
      const [{ seq }] = await x.publish(event('mine', version));
      const demand = [`min_version=${version}`, `min_position=STATE:${seq}`, 'max_staleness=0'][version % 3];
      const answer = await x.get(`/v1/state/customers/mine?${demand}`);
      assert.equal(`${answer.status} ${answer.headers['state-version']}`, `200 ${version}`, demand);
    }
  });

  it('does not wait for ever for a write beside the filter, a purge, or a deleted tail', async () => {
    const within = async (what, path) => {
      const answer = await timedGet(x.s.gateway, path);
      assert.ok(answer.status < 400 || answer.status === 404, `${what}: ${answer.text}`);
      assert.ok(answer.ms < 3000, `${what} took ${answer.ms} ms`);
    };
    const { seq } = await x.s.client.js.publish('beside.it', '{}');
    await within('a position beside the filter', `${C1}?min_position=STATE:${seq}&wait=10`);
    await x.s.client.js.publish('beside.it', '{}');
    await within('staleness beside the filter', `${C1}?max_staleness=0&wait=10`);
    const [last] = await x.publish(event('tail', 1));
    await x.s.client.jsm.streams.deleteMessage('STATE', last.seq);
    await within('a deleted tail', `${C1}?max_staleness=0&min_position=STATE:${last.seq}&wait=10`);
    const [purged] = await x.publish(event('tail', 2));
    await x.s.client.jsm.streams.purge('STATE');
    await within('a purge', `${C1}?max_staleness=0&min_position=STATE:${purged.seq}&wait=10`);
    assert.equal((await x.get(C1)).status, 200, 'a purge is no tombstone');
  });

  it('counts waits and probes', async () => {
    const earlier = await scrape(x.s.gateway);
    await x.get(`${C1}?min_version=99&wait=0.1`);
    await x.get(`${C1}?max_staleness=0`);
    const later = await scrape(x.s.gateway);
    const name = 'stategate_wait_seconds_count';
    assert.equal(later.types.get('stategate_wait_seconds'), 'histogram');
    assert.ok(later.sum(name) >= earlier.sum(name) + 1, 'a wait was counted');
    assert.equal(later.value('stategate_waits_parked'), 0);
    assert.ok(
      later.sum('stategate_probes_total', { stream: 'STATE' }) >
        earlier.sum('stategate_probes_total', { stream: 'STATE' }),
    );
    assert.ok(later.all('stategate_stream_epoch_changes_total', { stream: 'STATE' }).length === 1);
  });
});

describe('demands: probes', () => {
  async function behindProxy(t, options = {}) {
    const s = await scene(t, { publish: [event('c-1', 1)], gateway: null });
    const proxy = await startProxy({ t, target: s.nats.port });
    const gateway = await startGateway({ t, nats: proxy.url, ...options });
    await gateway.untilStatus('live');
    const probes = async () => (await scrape(gateway)).sum('stategate_probes_total', { stream: 'STATE' });
    return { s, proxy, gateway, probes };
  }

  it('are shared: 300 reads that want them cause one a round trip', async (t) => {
    const { proxy, gateway, probes } = await behindProxy(t);
    proxy.delayMs = 100;
    await pause(300); // what was asked before has its answer
    const earlier = await probes();
    const from = performance.now();
    const answers = await Promise.all(Array.from({ length: 300 }, () => gateway.get(`${C1}?max_staleness=0`)));
    const rounds = (performance.now() - from) / 200 + 1;
    assert.ok(answers.every(({ status }) => status === 200));
    const count = (await probes()) - earlier;
    assert.ok(count >= 1 && count <= Math.ceil(rounds) + 2, `${count} probes in ${rounds.toFixed(1)} round trips`);
  });

  it('are not made beyond the idle rate when nobody wants one', async (t) => {
    const { gateway, probes } = await behindProxy(t);
    await gateway.get(`${C1}?max_staleness=0`);
    const earlier = await probes();
    const from = performance.now();
    await throughout(
      'reads that demand little',
      2500,
      async () => (await gateway.get(`${C1}?max_staleness=60`)).status === 200,
    );
    const seconds = (performance.now() - from) / 1000;
    const count = (await probes()) - earlier;
    assert.ok(count <= seconds + 2, `${count} probes in ${seconds.toFixed(1)} s`);
  });

  it('that were sent before the request never meet 0', async (t) => {
    const { s, proxy, gateway } = await behindProxy(t);
    proxy.delayMs = 60;
    for (let version = 2; version < 12; version++) {
      await s.publish([event('c-1', version)]);
      const answer = await gateway.get(`${C1}?max_staleness=0`);
      assert.equal(answer.headers['state-version'], String(version));
    }
  });

  it('of several streams are on their way together', async (t) => {
    const COUNT = 6;
    const names = Array.from({ length: COUNT }, (_, i) => `S${i}`);
    const s = await scene(t, { stream: null, gateway: null });
    for (const name of names) {
      await s.client.jsm.streams.add({ name, subjects: [`${name}.>`] });
      await s.client.js.publish(`${name}.x`, '{"version":1,"state":{}}');
    }
    const proxy = await startProxy({ t, target: s.nats.port });
    const streams = names.map((name) => ({ name, subject: `${name}.{id}`, collection: name.toLowerCase() }));
    // Only what a read wants is asked, and no epoch is believed that was shown before it came.
    const config = { streams, probe: { idle: '1m', epoch_trust: '0s' } };
    const gateway = await startGateway({ t, nats: proxy.url, config });
    for (const name of names) await gateway.untilPosition(1, { stream: name });
    await gateway.untilReady();
    const ROUND_TRIP_MS = 300;
    proxy.delayMs = ROUND_TRIP_MS / 2;
    for (const demand of ['max_staleness=0', `min_position=${names.map((name) => `${name}:1`).join(',')}`]) {
      const answer = await timedGet(gateway, `/v1/state?${demand}&wait=20`);
      assert.equal(answer.status, 200, answer.text);
      assert.ok(answer.ms < (COUNT / 2) * ROUND_TRIP_MS, `${demand} took ${answer.ms} ms`);
    }
  });

  it('that do not come: too stale is refused, at the deadline, and data is never given instead', async (t) => {
    const { proxy, gateway } = await behindProxy(t);
    proxy.stall();
    const early = await timedGet(gateway, `${C1}?max_staleness=0&wait=1`);
    assert.ok(early.ms >= 998 && early.ms < 1500, `${early.ms} ms`);
    assertProblem(early, 504, 'too-stale');
    await gateway.untilStatus('disconnected');
    const late = await timedGet(gateway, `${C1}?max_staleness=0.5&wait=0.3`);
    assertProblem(late, 503, 'replica-disconnected');
    assert.ok(late.ms >= 298 && late.ms < 800, `${late.ms} ms`);
    assert.equal((await gateway.get(C1)).status, 200, 'a caller that accepts stale data is served');
    assert.equal((await gateway.get(`${C1}?min_version=1`)).status, 200, 'and so is one whose demand is met');
    proxy.flow();
    await until('fresh again', async () => (await gateway.get(`${C1}?max_staleness=0&wait=1`)).status === 200);
  });
});

describe('demands: several incarnations', () => {
  it('without an epoch mean the present incarnation, with one that incarnation alone', async (t) => {
    // A probe of the old incarnation, after the read has come, would refuse it as beyond the head: there is none.
    const config = { streams: [{ name: 'STATE', subject: 'state.{collection}.{id}' }], probe: { idle: '1m' } };
    const s = await scene(t, { publish: [event('c-1', 1), event('c-1', 2), event('c-1', 3)], gateway: { config } });
    await s.untilLive();
    const old = (await s.gateway.get(C1)).headers['state-position'];
    await s.client.jsm.streams.delete('STATE');
    const parked = s.gateway.get(`${C1}?wait=20`, {
      headers: { 'Min-Position': old.replace(':3;', ':4;') },
      timeoutMs: 30_000,
    });
    await s.createStream();
    await s.publish([event('c-1', 4)]);
    const bare = await s.gateway.get(`${C1}?min_position=STATE:1&min_version=4&wait=15`, { timeoutMs: 20_000 });
    assert.equal(`${bare.status} ${bare.headers['state-version']}`, '200 4', bare.text);
    assertProblem(await s.gateway.get(C1, { headers: { 'Min-Position': old } }), 409, 'epoch-mismatch');
    assertProblem(await parked, 409, 'epoch-mismatch', 'parked when the incarnation ended');
    const over = await s.gateway.get(`${C1}?wait=0`, { headers: { 'Min-Position': old } });
    assertProblem(over, 409, 'epoch-mismatch', 'known to be over: nobody is asked');
    assert.ok((await scrape(s.gateway)).value('stategate_stream_epoch_changes_total', { stream: 'STATE' }) >= 1);
  });

  it('are served by the old rows until the new ones take their place', async (t) => {
    const s = await scene(t, { publish: [event('c-1', 1), event('c-1', 2)] });
    await s.untilLive();
    const old = (await s.gateway.get(C1)).headers['state-position'];
    await s.client.jsm.streams.delete('STATE');
    await s.createStream();
    await s.gateway.untilStatus('rebuilding');
    const read = await s.gateway.get(C1, { headers: { 'Min-Position': old } });
    assert.equal(`${read.status} ${read.headers['state-version']} ${read.headers['state-status']}`, '200 2 rebuilding');
    assert.equal(read.headers['state-position'], old);
    await s.client.js.publish('state.customers.c-1', '{"version":3,"state":{}}');
    const swapped = await until('the swap', async () => {
      const answer = await s.gateway.get(C1);
      return answer.headers['state-version'] === '3' && answer;
    });
    assert.notEqual(swapped.headers['state-position'].split('epoch=')[1], old.split('epoch=')[1]);
    assertProblem(await s.gateway.get(C1, { headers: { 'Min-Position': old } }), 409, 'epoch-mismatch');
  });

  it('of a gateway that never met its server are refused, and never met', async (t) => {
    const gateway = await startGateway({ t, nats: 'nats://127.0.0.1:9' });
    for (const query of ['min_version=1', 'min_position=STATE:1', 'max_staleness=0']) {
      const answer = await timedGet(gateway, `${C1}?${query}&wait=0.2`);
      assert.equal(answer.status, 503, answer.text);
      assert.match(answer.json().type, /:(starting|replica-disconnected)$/);
      assert.ok(answer.ms >= 198 && answer.ms < 700, `${query}: ${answer.ms} ms`);
    }
  });
});

describe('demands: two gateways', () => {
  it('give reads that never go back, by a State-Position taken from one to the other', async (t) => {
    const s = await scene(t, { publish: [event('c-1', 1)], gateway: null });
    const gateways = [await startGateway({ t, nats: s.nats }), await startGateway({ t, nats: s.nats })];
    for (const gateway of gateways) await gateway.untilStatus('live');
    let position;
    let last = 0;
    for (let version = 2; version < 80; version++) {
      await s.client.js.publish('state.customers.c-1', `{"version":${version},"state":{}}`);
      const answer = await gateways[version % 2].get(C1, { headers: position ? { 'Min-Position': position } : {} });
      assert.equal(answer.status, 200, answer.text);
      const shown = Number(answer.headers['state-version']);
      assert.ok(shown >= last, `${shown} after ${last}`);
      [position, last] = [answer.headers['state-position'], shown];
    }
  });
});
