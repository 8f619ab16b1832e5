// What the newest server itself puts into a stream: messages that it publishes later, and markers of what has expired.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { headers } from '@nats-io/transport-node';

import { startGateway } from '../support/gateway.mjs';
import { createBucket, NATS_SERVER_NEWEST, startNats } from '../support/nats.mjs';
import { scrape } from '../support/prometheus.mjs';
import { throughout, until } from '../support/until.mjs';

const SECOND = 1e9; // in the nanoseconds of NATS
const WITHIN = { deadlineMs: 15_000 };

async function streamScene(t, stream, mapping) {
  const nats = await startNats({ t, bin: NATS_SERVER_NEWEST });
  const client = await nats.client();
  await client.jsm.streams.add(stream);
  const gateway = await startGateway({ t, nats, config: { streams: [mapping] } });
  await gateway.untilStatus('live', WITHIN);
  return { client, gateway };
}

// Publishes a message that the server is to publish to `target` in three to four seconds.
function schedule(client, subject, target, payload) {
  const at = headers();
  at.set('Nats-Schedule', `@at ${new Date(Date.now() + 4000).toISOString().replace(/\.\d+Z$/, 'Z')}`);
  at.set('Nats-Schedule-Target', target);
  return client.js.publish(subject, payload, { headers: at });
}

describe('a message that is scheduled', () => {
  for (const [format, subject, payload, version] of [
    ['envelope', 'prices.>', (price) => `{"aggregateId":"42","version":${price},"state":{"price":${price}}}`, 99],
    ['kv', 'prices.{id}', (price) => `{"price":${price}}`, undefined],
  ]) {
    it(`is no state until the server publishes it, in the format ${format}`, async (t) => {
      const { client, gateway } = await streamScene(
        t,
        {
          name: 'PRICES',
          subjects: ['prices.>'],
          max_msgs_per_subject: 1,
          allow_msg_schedules: true,
          allow_rollup_hdrs: true,
        },
        { name: 'PRICES', subject, format, collection: 'prices' },
      );
      const id = format === 'kv' ? 'now' : '42';
      const read = () => gateway.get(`/v1/state/prices/${id}`);
      await client.js.publish('prices.now', payload(10));
      const { seq } = await schedule(client, 'prices.later', 'prices.now', payload(99));
      await gateway.untilPosition(seq);
      await throughout('the price is the old one before that', 1000, async () => {
        const { price } = (await read()).json();
        const published = (await client.jsm.streams.info('PRICES')).state.last_seq > seq;
        return price === 10 || published;
      });
      assert.equal((await gateway.get('/v1/state/prices/later')).status, 404);
      const answer = await until('the server publishes it', async () => {
        const got = await read();
        return got.json().price === 99 && got;
      }, WITHIN);
      if (version) assert.equal(answer.headers['state-version'], String(version));
      const m = await scrape(gateway);
      assert.equal(m.value('stategate_events_total', { stream: 'PRICES', result: 'ignored' }), 1);
    });
  }
});

describe('a delete marker', () => {
  const marked = {
    max_age: 1 * SECOND,
    allow_msg_ttl: true,
    subject_delete_marker_ttl: 60 * SECOND,
    allow_rollup_hdrs: true,
  };

  it('of an entity that expired is a tombstone in the format envelope, at the version that it has', async (t) => {
    const { client, gateway } = await streamScene(
      t,
      { name: 'STATE', subjects: ['state.>'], ...marked },
      { name: 'STATE', subject: 'state.{collection}.{id}' },
    );
    await client.js.publish('state.c.1', '{"version":7,"state":{"a":1}}');
    await gateway.untilPosition(1);
    const gone = await until('it is deleted', async () => {
      const answer = await gateway.get('/v1/state/c/1');
      return answer.status === 410 && answer;
    }, WITHIN);
    assert.equal(gone.headers['state-version'], '7');
    await client.js.publish('state.c.1', '{"version":8,"state":{"a":2}}');
    await until('a higher version revives it', async () => (await gateway.get('/v1/state/c/1')).status === 200, WITHIN);
  });

  it('of a key that expired is one in the format kv', async (t) => {
    const nats = await startNats({ t, bin: NATS_SERVER_NEWEST });
    const client = await nats.client();
    const kv = await createBucket(client, 'locks', { history: 1, markerTTL: 60_000 });
    const config = { streams: [{ name: 'KV_locks', collection: 'locks', format: 'kv' }] };
    const gateway = await startGateway({ t, nats, config });
    const revision = await kv.create('leader', '"a"', '1s');
    await gateway.untilPosition(revision);
    const gone = await until('it is deleted', async () => {
      const answer = await gateway.get('/v1/state/locks/leader');
      return answer.status === 410 && answer;
    }, WITHIN);
    assert.equal(gone.headers['state-version'], String(revision + 1));
  });
});
