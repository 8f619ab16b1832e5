// What /metrics promises: promtool finds nothing to complain about, the counters agree with what happened, and what is
// unknown is absent.
// ctest-threads:

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';

import { snapshot } from '../support/db.mjs';
import { startGateway } from '../support/gateway.mjs';
import { program } from '../support/process.mjs';
import { scrape, Scrape } from '../support/prometheus.mjs';
import { scene } from '../support/scene.mjs';
import { until } from '../support/until.mjs';
import { makeEvents } from '../support/workload.mjs';

const PROMTOOL = program('PROMTOOL_BIN', '.deps/bin/promtool');
const STATE = { stream: 'STATE' };

function promtool(text) {
  const { status, stdout, stderr } = spawnSync(PROMTOOL, ['check', 'metrics'], { input: text, encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
}

describe('metrics', () => {
  let s;
  let gateway;

  before(async () => {
    assert.ok(existsSync(PROMTOOL), `no promtool at ${PROMTOOL}`);
    const subject = (collection, id) => `state.${collection}.${id}`;
    const publish = makeEvents({ seed: 5, count: 3000, collections: ['customers', 'or"ders\\x'], ids: 200, subject });
    s = await scene({ after() {} }, { publish });
    gateway = s.gateway;
    await s.untilLive({ deadlineMs: 15_000 });
    for (const path of [
      '/v1/state',
      '/v1/state/customers',
      '/v1/state/customers/c-1',
      '/nowhere',
      '/v1/status',
      '/livez',
      '/v1/state/customers/%zz',
    ]) {
      await gateway.get(path);
    }
    await gateway.get('/v1/state', { method: 'OPTIONS' });
    await gateway.get('/v1/state', { method: 'DELETE' });
  });

  after(async () => {
    await gateway?.kill9();
    await s?.nats.stop();
  });

  it('pass promtool check metrics', async () => {
    promtool((await gateway.get('/metrics')).text);
  });

  it('tell one and the same start, at each scrape', async () => {
    const starts = new Set();
    for (let i = 0; i < 50; i++) starts.add((await scrape(gateway)).value('process_start_time_seconds'));
    assert.equal(starts.size, 1, [...starts].join());
    const [start] = starts;
    assert.ok(start <= Date.now() / 1000 && start > Date.now() / 1000 - 300, `${start}`);
  });

  it('count the events as they came out', async () => {
    const m = await scrape(gateway);
    for (const [result, count] of Object.entries(s.fold.counts)) {
      if (result !== 'redelivered')
        assert.equal(m.value('stategate_events_total', { ...STATE, result }) ?? 0, count, result);
    }
    const reasons = {};
    for (const { reason } of s.fold.rejected) reasons[reason] = (reasons[reason] ?? 0) + 1;
    for (const [reason, count] of Object.entries(reasons)) {
      if (reason !== 'conflict') assert.equal(m.value('stategate_rejected_total', { ...STATE, reason }), count, reason);
    }
  });

  it('tell rows and tombstones by collection', async () => {
    const m = await scrape(gateway);
    for (const collection of s.fold.collections()) {
      assert.equal(m.value('stategate_entities', { collection }), s.fold.live(collection).length);
    }
    assert.ok(m.sum('stategate_tombstones_total') > 0);
    assert.equal((await snapshot(gateway.database)).collections.length, m.all('stategate_entities').length);
  });

  it('tell where each stream is', async () => {
    const m = await until('a scrape with lag 0', async () => {
      const one = await scrape(gateway);
      return one.value('stategate_stream_lag', STATE) === 0 && one;
    });
    assert.equal(m.value('stategate_stream_applied_sequence', STATE), s.fold.position);
    assert.equal(m.value('stategate_stream_head_sequence', STATE), s.fold.position);
    const staleness = m.value('stategate_stream_staleness_seconds', STATE);
    assert.ok(staleness >= 0 && staleness < 5);
    const confirmed = m.value('stategate_stream_confirmed_timestamp_seconds', STATE);
    assert.ok(Math.abs(Date.now() / 1000 - confirmed) < 5 + staleness);
    const statuses = m.all('stategate_stream_status', STATE);
    assert.deepEqual(
      statuses.filter(({ value }) => value === 1).map(({ labels }) => labels.status),
      ['live'],
    );
    assert.deepEqual(
      new Set(statuses.map(({ labels }) => labels.status)),
      new Set(['live', 'catching-up', 'starting', 'rebuilding', 'disconnected', 'halted']),
    );
    assert.equal(m.value('stategate_stream_gaps_total', STATE), 0);
    assert.equal(m.value('stategate_stream_epoch_changes_total', STATE), 0);
  });

  it('count the requests by route, method and code, never by id', async () => {
    const before = await scrape(gateway);
    for (let i = 0; i < 7; i++) await gateway.get(`/v1/state/customers/never-${i}`);
    const m = await scrape(gateway);
    const labels = { route: '/v1/state/{collection}/{id}', method: 'GET', code: '404' };
    assert.equal(
      m.value('stategate_http_requests_total', labels) - (before.value('stategate_http_requests_total', labels) ?? 0),
      7,
    );
    assert.equal(m.sum('stategate_http_requests_total', { method: 'OPTIONS', code: '204' }), 1);
    assert.equal(m.sum('stategate_http_requests_total', { code: '405' }), 1);
    assert.equal(m.sum('stategate_http_requests_total', { code: '400' }), 1);
    const routes = new Set(m.all('stategate_http_requests_total').map(({ labels: { route } }) => route));
    assert.ok(
      [...routes].every((route) => !route.includes('never')),
      [...routes].join(' '),
    );
    assert.ok(m.value('stategate_http_connections', { listener: 'main' }) >= 1);
    assert.ok(m.sum('stategate_http_request_seconds_count', { route: labels.route }) >= 8);
  });

  it('have histograms whose buckets add up', async () => {
    const m = await scrape(gateway);
    for (const name of [
      'stategate_event_visible_seconds',
      'stategate_apply_batch_events',
      'stategate_apply_seconds',
      'stategate_http_request_seconds',
    ]) {
      assert.equal(m.types.get(name), 'histogram', name);
      for (const { labels, value } of m.all(`${name}_count`)) {
        const buckets = m.all(`${name}_bucket`, labels);
        assert.equal(buckets.at(-1).labels.le, '+Inf');
        assert.equal(buckets.at(-1).value, value);
        buckets.forEach((bucket, i) => assert.ok(i === 0 || bucket.value >= buckets[i - 1].value));
      }
    }
    assert.equal(m.sum('stategate_apply_batch_events_sum'), s.fold.position);
  });

  it('tell what runs and what it uses', async () => {
    const m = await scrape(gateway);
    assert.equal(m.all('stategate_build_info').length, 1);
    assert.equal(m.all('stategate_build_info')[0].value, 1);
    assert.ok(m.value('stategate_database_bytes') > 4096);
    assert.ok(m.value('stategate_wal_bytes') >= 0);
    assert.ok(m.value('stategate_cache_bytes') > 0);
    assert.ok(m.value('stategate_cache_misses_total') >= m.value('stategate_cache_rows'));
    for (const name of [
      'process_cpu_seconds_total',
      'process_resident_memory_bytes',
      'process_open_fds',
      'process_start_time_seconds',
    ]) {
      assert.ok(m.value(name) > 0, name);
    }
    assert.ok(m.sum('stategate_probes_total', { ...STATE, result: 'proved' }) > 0);
  });

  it('are absent where nothing is known, and pass promtool then too', async (t) => {
    const lonely = await startGateway({ t, nats: 'nats://127.0.0.1:9' });
    await lonely.untilStatus('disconnected');
    const { text } = await lonely.get('/metrics');
    promtool(text);
    const m = new Scrape(text);
    for (const name of ['staleness_seconds', 'lag', 'head_sequence', 'confirmed_timestamp_seconds']) {
      assert.equal(m.value(`stategate_stream_${name}`, STATE), undefined, name);
    }
    assert.equal(m.value('stategate_stream_status', { ...STATE, status: 'disconnected' }), 1);
  });
});
