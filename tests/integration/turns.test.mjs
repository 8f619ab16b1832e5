// Lists that take long are made off the HTTP loops, and clients take turns: a client that asks for many at once keeps
// neither another client's list waiting, nor reads by id. Counted in the greedy client's answers, not in time.
// ctest-timeout: 120

import assert from 'node:assert/strict';
import http from 'node:http';
import { describe, it } from 'node:test';

import { scrape } from '../support/prometheus.mjs';
import { event, scene } from '../support/scene.mjs';
import { until } from '../support/until.mjs';

const LARGE = '/v1/state/customers?limit=1000'; // more than a loop makes: CALL_LOOP_BYTES_MAX
const ENTITY = '/v1/state/customers/c-0';
const ENTITIES = 150;
const GREEDY_CONNECTIONS = 8;
const POLITE_READS = 40;

const median = (values) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];

// One client: an address of the loopback. get(path) gives the status.
function client(t, port, localAddress, connections) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: connections });
  t.after(() => agent.destroy());
  return (path) =>
    new Promise((done, fail) => {
      const request = http.get({ port, host: '127.0.0.1', localAddress, agent, path }, (answer) => {
        answer.resume();
        answer.on('error', fail);
        answer.on('end', () => done(answer.statusCode));
      });
      request.on('error', fail);
    });
}

// The greedy client's answers so far, until `stop`.
function greedily(get) {
  const greedy = { answers: 0, refused: 0, stopped: false };
  const worker = async () => {
    while (!greedy.stopped) {
      const status = await get(LARGE);
      greedy[status === 200 ? 'answers' : 'refused']++;
    }
  };
  greedy.over = Promise.all(Array.from({ length: GREEDY_CONNECTIONS }, worker));
  greedy.stop = async () => {
    greedy.stopped = true;
    await greedy.over;
  };
  return greedy;
}

// How many answers the greedy client got during each of these reads.
async function meanwhile(greedy, get, path) {
  const counts = [];
  for (let i = 0; i < POLITE_READS; i++) {
    const before = greedy.answers;
    assert.equal(await get(path), 200);
    counts.push(greedy.answers - before);
  }
  return counts;
}

describe('a client that asks for eight large lists at once', () => {
  it('keeps nobody else waiting', async (t) => {
    const state = { pad: 'x'.repeat(8000) };
    const publish = Array.from({ length: ENTITIES }, (_, i) => event(`c-${i}`, 1, state));
    const config = { http: { loops: 1 }, query: { threads: 1, queue_time: '1m' } };
    const s = await scene(t, { publish, gateway: { config } });
    await s.gateway.untilPosition(ENTITIES);
    const polite = client(t, s.gateway.port, '127.0.0.2', 1);
    const greedy = greedily(client(t, s.gateway.port, '127.0.0.1', GREEDY_CONNECTIONS));
    try {
      await until('it is at it', () => greedy.answers > GREEDY_CONNECTIONS);
      const lists = await meanwhile(greedy, polite, LARGE);
      const entities = await meanwhile(greedy, polite, ENTITY);
      t.diagnostic(`the greedy client's answers during a list: ${lists}; during a read by id: ${entities}`);
      // One is being made, one may come before, one is on its way.
      assert.ok(median(lists) <= 3, `${lists}`);
      assert.ok(median(entities) <= 1, `${entities}`);
    } finally {
      await greedy.stop();
    }
    assert.equal(greedy.refused, 0);
    const metrics = await scrape(s.gateway);
    assert.ok(metrics.value('stategate_query_seconds_count') >= POLITE_READS);
    assert.equal(metrics.value('stategate_query_queued'), 0);
    assert.equal(metrics.sum('stategate_query_refused_total'), 0);
  });

  it('is refused what finds no room, and the other one is not', async (t) => {
    const state = { pad: 'x'.repeat(8000) };
    const publish = Array.from({ length: ENTITIES }, (_, i) => event(`c-${i}`, 1, state));
    const config = { http: { loops: 1 }, query: { threads: 1, queued_max: 4, queue_time: '1m' } };
    const s = await scene(t, { publish, gateway: { config } });
    await s.gateway.untilPosition(ENTITIES);
    const polite = client(t, s.gateway.port, '127.0.0.2', 1);
    const greedy = greedily(client(t, s.gateway.port, '127.0.0.1', GREEDY_CONNECTIONS));
    try {
      await until('it is refused', () => greedy.refused > 0);
      for (let i = 0; i < POLITE_READS; i++) assert.equal(await polite(LARGE), 200);
    } finally {
      await greedy.stop();
    }
    const metrics = await scrape(s.gateway);
    assert.equal(metrics.value('stategate_query_refused_total', { reason: 'queue-full' }), greedy.refused);
    assert.equal(metrics.sum('stategate_query_refused_total'), greedy.refused);
    assert.equal(metrics.sum('stategate_http_requests_total', { code: '503' }), greedy.refused);
  });
});
