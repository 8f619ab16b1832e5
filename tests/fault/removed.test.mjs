// Many keys that expire, many overwrites while the gateway lags, many keys of which one goes without a word: fresh
// answers stay quick, no gap is told that is none, and the stream's subjects are not listed again and again.
//   COUNT   keys that expire, 200 a second (4,000). From 100,000 on the others are as many as a campaign wants:
//           1,000,000 overwrites and 1,000,000 keys.
//
// ctest-timeout: 600
// ctest-serial

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { startGateway, STATEGATE } from '../support/gateway.mjs';
import { percentile } from '../support/http_load.mjs';
import { createBucket, NATS_SERVER_NEWEST, publishAll, startNats } from '../support/nats.mjs';
import { program } from '../support/process.mjs';
import { scrape } from '../support/prometheus.mjs';
import { startProxy } from '../support/proxy.mjs';
import { event, STATE } from '../support/scene.mjs';
import { until } from '../support/until.mjs';

const COUNT = Number(process.env.COUNT ?? 4000);
const LONG = COUNT >= 100_000;
// What is timed in full is the program that people run.
const BIN = LONG ? program('STATEGATE_RELEASE_BIN', 'build/release/stategate') : STATEGATE;
const EXPIRIES_PER_SECOND = 200;
const OVERWRITES = LONG ? 1_000_000 : 300_000;
const OVERWRITTEN = 1900;
const IDS = 2000; // those that nobody overwrites may be what is missing, and so are looked for
const KEYS = LONG ? 1_000_000 : 50_000;
const IN_A_ROW = 20; // answers without a pause between them
const SLOW_MS = 1000;
const SLOW_SHARE = 0.01; // of the time as well: the quick answers are so many that a stall is a small share of them
const SETTLED_WITHIN_MS = 10_000;
const REST_MS = 5000;

const BUCKET = { name: 'KV_settings', subject: '$KV.settings.{id}', collection: 'settings', format: 'kv' };

const follow = (t, nats, streams) =>
  startGateway({ t, nats, bin: BIN, config: { streams, log: { level: 'debug' } } });
const listings = (gateway) => gateway.logged('subjects_listed').length;

// As fresh as now. A deadline that passes, or a broker that is slow, is no answer, and is asked again.
async function fresh(gateway, path) {
  return until('a fresh answer', async () => {
    const headers = { 'max-staleness': '0', prefer: 'wait=10' };
    const answer = await gateway.get(path, { headers, timeoutMs: 15_000 });
    if (answer.status >= 500) throw new Error(`${answer.status} ${answer.text}`);
    return answer;
  });
}

// Publishes without waiting for each message to be stored.
async function publishFast(client, count, message) {
  for (let i = 0; i < count; i++) {
    const { subject, payload } = message(i);
    client.nc.publish(subject, payload);
    if (i % 10_000 === 0) await client.nc.flush();
  }
  await client.nc.flush();
}

const storedMessages = async (client, stream) => (await client.jsm.streams.info(stream)).state.messages;

describe(`${COUNT} keys that expire`, () => {
  it('leave fresh answers quick, and few listings, while their markers expire as well', async (t) => {
    const nats = await startNats({ t, bin: NATS_SERVER_NEWEST });
    const client = await nats.client();
    const kv = await createBucket(client, 'settings', { history: 1, markerTTL: 2000 });
    const gateway = await follow(t, nats.url, [BUCKET]);
    await kv.put('stays', '1');
    // None expires before all are there.
    const first = 2 + Math.floor(COUNT / 2000);
    const make = (i) => kv.create(`k${i}`, '1', `${first + Math.floor(i / EXPIRIES_PER_SECOND)}s`);
    for (let i = 0; i < COUNT; i += 100) await Promise.all(Array.from({ length: 100 }, (_, j) => make(i + j)));
    const began = performance.now();
    const waits = [];
    await until(
      'all have expired, and their markers',
      async () => {
        for (let i = 0; i < IN_A_ROW; i++) {
          const sent = performance.now();
          const answer = await gateway.get('/v1/state/settings/stays', {
            headers: { 'max-staleness': '0', prefer: 'wait=5' },
          });
          waits.push(performance.now() - sent);
          assert.equal(answer.status, 200, answer.text);
        }
        return (await storedMessages(client, 'KV_settings')) === 1;
      },
      { deadlineMs: 60_000 + (COUNT / EXPIRIES_PER_SECOND) * 2000, everyMs: 10, hard: true },
    );
    const seconds = (performance.now() - began) / 1000;
    const listed = listings(gateway);
    const p99 = percentile(waits, 0.99);
    const slow = waits.filter((ms) => ms >= SLOW_MS);
    const slowSeconds = slow.reduce((sum, ms) => sum + ms, 0) / 1000;
    t.diagnostic(
      `${COUNT} keys in ${seconds.toFixed(0)} s: ${waits.length} answers, ` +
        `p99 ${p99.toFixed(0)} ms, ${slow.length} of ${SLOW_MS} ms or more, which are ` +
        `${slowSeconds.toFixed(1)} s; ${listed} listings`,
    );
    assert.ok(p99 < SLOW_MS, `${p99} ms`);
    assert.ok(slowSeconds <= 5 + seconds * SLOW_SHARE, `${slowSeconds} s of ${seconds} s`);
    assert.ok(listed <= seconds + 1, `${listed} listings in ${seconds} s`);
    for (let i = 0; i < COUNT; i += 397)
      assert.equal((await fresh(gateway, `/v1/state/settings/k${i}`)).status, 410);
    await client.jsm.streams.purge('KV_settings', { filter: '$KV.settings.stays' });
    assert.equal((await fresh(gateway, '/v1/state/settings/stays')).status, 410);
  });
});

describe(`${OVERWRITES} overwrites`, () => {
  it('while the consumer lags make no gap, few listings, and T moves on within 2 s of catching up', async (t) => {
    const nats = await startNats({ t });
    const proxy = await startProxy({ t, target: nats.port });
    const client = await nats.client();
    await client.jsm.streams.add({ name: 'STATE', subjects: ['state.>'], max_msgs_per_subject: 1 });
    await publishAll(client.js, Array.from({ length: IDS }, (_, i) => event(`c-${i}`, 1)));
    const gateway = await follow(t, `nats://127.0.0.1:${proxy.port}`, [STATE]);
    await gateway.untilPosition(IDS);
    await proxy.stall();
    await publishFast(client, OVERWRITES, (i) => event(`c-${i % OVERWRITTEN}`, 2 + i));
    await proxy.cut();
    await proxy.flow();
    const back = performance.now();
    const path = `/v1/state/customers/c-${(OVERWRITES - 1) % OVERWRITTEN}`;
    await until('caught up', async () => {
      const answer = await gateway.get(path);
      return answer.headers['state-version'] === String(OVERWRITES + 1);
    });
    const { state } = await client.jsm.streams.info('STATE');
    const caughtUp = performance.now();
    const answer = await fresh(gateway, path);
    const provedMs = performance.now() - caughtUp;
    const seconds = (performance.now() - back) / 1000;
    const listed = listings(gateway);
    const applied = (await scrape(gateway)).sum('stategate_events_total', { result: 'applied' });
    t.diagnostic(`${OVERWRITES} overwrites: T moved ${provedMs.toFixed(0)} ms after catching up, ${listed} listings`);
    assert.ok(applied < IDS + OVERWRITES / 2, `it lagged: ${applied} events were applied`);
    assert.ok(provedMs < 2000, `${provedMs} ms`);
    assert.ok(listed <= seconds + 1, `${listed} listings in ${seconds} s`);
    assert.equal(answer.headers['state-position'].split(';')[0], `STATE:${state.last_seq}`);
    for (let i = 0; i < IDS; i += 19)
      assert.equal((await gateway.get(`/v1/state/customers/c-${i}`)).headers['state-gap'], undefined);
    assert.deepEqual((await gateway.status()).gaps, []);
  });
});

describe(`${KEYS} keys`, () => {
  const path = (i) => `/v1/state/settings/k${i}`;

  it(`of which one goes without a marker are compared within ${SETTLED_WITHIN_MS} ms, beside reads`, async (t) => {
    const nats = await startNats({ t, bin: NATS_SERVER_NEWEST });
    const client = await nats.client();
    await createBucket(client, 'settings', { history: 1, storage: 'memory' });
    const payload = Buffer.from('1');
    await publishFast(client, KEYS, (i) => ({ subject: `$KV.settings.k${i}`, payload }));
    const gateway = await follow(t, nats.url, [BUCKET]);
    await gateway.untilPosition(KEYS, { deadlineMs: 240_000 });
    assert.equal((await fresh(gateway, path(7))).status, 200);

    const listedBefore = listings(gateway);
    const waits = [];
    let over = false;
    const reading = (async () => {
      for (let i = 0; !over; i = (i + 7919) % KEYS) {
        const sent = performance.now();
        const answer = await gateway.get(path(i === 7 ? 8 : i));
        waits.push(performance.now() - sent);
        assert.equal(answer.status, 200, answer.text);
      }
    })();
    const began = performance.now();
    let answer;
    try {
      await client.jsm.streams.purge('KV_settings', { filter: '$KV.settings.k7' });
      answer = await fresh(gateway, path(7));
    } finally {
      over = true;
    }
    const settledMs = performance.now() - began;
    await reading;
    await until('it is logged that they were listed', () => listings(gateway) > listedBefore);
    const listed = listings(gateway) - listedBefore;
    t.diagnostic(
      `${KEYS} keys: settled after ${settledMs.toFixed(0)} ms, ${listed} listings, ` +
        `${waits.length} reads beside it, p99 ${percentile(waits, 0.99).toFixed(1)} ms`,
    );
    assert.equal(answer.status, 410);
    assert.ok(settledMs < SETTLED_WITHIN_MS, `${settledMs} ms`);
    assert.ok(listed <= settledMs / 1000 + 1, `${listed} listings`);

    // Nothing differs now, and to know it costs no question besides the probes.
    const asked = async () => (await client.jsm.getAccountInfo()).api.total;
    const probes = async () => (await scrape(gateway)).sum('stategate_probes_total');
    const [askedBefore, probesBefore] = [await asked(), await probes()];
    const restBegan = performance.now();
    await until('it has rested', () => performance.now() - restBegan > REST_MS);
    const [askedAfter, probesAfter] = [await asked(), await probes()];
    const more = askedAfter - askedBefore - 1; // one of which is ours
    t.diagnostic(`at rest: ${more} requests to the API, ${probesAfter - probesBefore} probes`);
    assert.ok(probesAfter > probesBefore, 'it was probed');
    assert.ok(more <= probesAfter - probesBefore + 1, `${more} requests, ${probesAfter - probesBefore} probes`);
    assert.equal(listings(gateway), listedBefore + listed);
  });
});
