// Streams that cannot be followed, whether they are so from the start or were edited while they were followed: refused
// with the reason, and followed again once that is mended.
// ctest-timeout: 300

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { startGateway } from '../support/gateway.mjs';
import { createBucket, NATS_SERVER, NATS_SERVER_NEWEST, startNats } from '../support/nats.mjs';
import { event, events, scene } from '../support/scene.mjs';
import { throughout, until } from '../support/until.mjs';

const SECOND = 1e9; // in the nanoseconds of NATS
const WITHIN = { deadlineMs: 10_000 };

// Refused with this reason, said in status and log, and nothing is proved any more.
async function refused(gateway, reason) {
  await gateway.untilStatus('disconnected', WITHIN);
  await until(
    'the reason is told',
    async () => {
      const { lastError } = await gateway.status();
      if (!reason.test(lastError ?? '')) throw new Error(`it is ${JSON.stringify(lastError)}`);
      return true;
    },
    WITHIN,
  );
  await gateway.untilLogged('stream_interrupted', { where: ({ error }) => reason.test(error), ...WITHIN });
}

// An edit of the stream makes it unusable for a gateway that follows it; the way back is noticed too.
async function editedAndBack(gateway, client, name, { edit, back, reason }) {
  await gateway.untilStatus('live', WITHIN);
  await client.jsm.streams.update(name, edit);
  await refused(gateway, reason);
  await throughout('it stays so', 300, async () => (await gateway.status()).status === 'disconnected');
  await client.jsm.streams.update(name, back);
  await gateway.untilStatus('live', WITHIN);
  await until('the reason is gone', async () => !(await gateway.status()).lastError, WITHIN);
}

async function bucketScene(t, bin, options) {
  const nats = await startNats({ t, bin });
  const client = await nats.client();
  const kv = await createBucket(client, 'settings', options);
  await kv.put('a', '"1"');
  const config = { streams: [{ name: 'KV_settings', collection: 'settings', format: 'kv' }] };
  return { client, kv, gateway: await startGateway({ t, nats, config }) };
}

for (const [version, bin] of Object.entries({
  'the server of the distribution': NATS_SERVER,
  'the newest server': NATS_SERVER_NEWEST,
})) {
  describe(`edited while it is followed, on ${version}:`, () => {
    it('a bucket whose entries expire without markers', async (t) => {
      const { client, gateway } = await bucketScene(t, bin, { history: 1 });
      await editedAndBack(gateway, client, 'KV_settings', {
        edit: { max_age: 3600 * SECOND, duplicate_window: 2 * SECOND },
        back: { max_age: 0, duplicate_window: 2 * SECOND },
        reason: /entries expire without delete markers/,
      });
    });

    it('subjects that the template cannot match', async (t) => {
      const s = await scene(t, { nats: { bin }, publish: events(3) });
      await editedAndBack(s.gateway, s.client, 'STATE', {
        edit: { subjects: ['statement.>', 'noise.*'] },
        back: { subjects: ['state.>'] },
        reason: /none of its subjects \(statement\.>, noise\.\*\) can match the template's filter state\.\*\.>/,
      });
      await s.publish([event('c-1', 9)]);
      await s.untilLive();
    });
  });

  describe(`from the start, on ${version}:`, () => {
    it('a template that can match none of its subjects', async (t) => {
      const s = await scene(t, { nats: { bin }, stream: { subjects: ['states.>'] } });
      await refused(s.gateway, /none of its subjects \(states\.>\) can match the template's filter state\.\*\.>/);
      assert.equal((await s.gateway.get('/readyz')).status, 503);
      await s.client.jsm.streams.update('STATE', { subjects: ['states.>', 'state.>'] });
      await s.publish([event('c-1', 1)]);
      await s.untilLive();
    });

    it('an allowed consumer that may be idle for 5 s only is no reason', async (t) => {
      const s = await scene(t, {
        nats: { bin },
        publish: events(3),
        stream: { consumer_limits: { inactive_threshold: 5 * SECOND } },
      });
      await s.untilLive();
      const { config } = await s.client.jsm.consumers.list('STATE').next().then(([first]) => first);
      assert.equal(config.inactive_threshold, 5 * SECOND);
    });
  });
}

describe('with the newest server', () => {
  // Its retention can be edited.
  it('a stream whose retention becomes interest is refused, and followed again', async (t) => {
    const s = await scene(t, { nats: { bin: NATS_SERVER_NEWEST }, publish: events(3) });
    await editedAndBack(s.gateway, s.client, 'STATE', {
      edit: { retention: 'interest' },
      back: { retention: 'limits' },
      reason: /its retention is not "limits"/,
    });
  });

  it('a bucket with time to live of single entries is refused while it keeps more than one revision', async (t) => {
    const { client, kv, gateway } = await bucketScene(t, NATS_SERVER_NEWEST, { history: 1, markerTTL: 60_000 });
    await editedAndBack(gateway, client, 'KV_settings', {
      edit: { max_msgs_per_subject: 5 },
      back: { max_msgs_per_subject: 1 },
      reason: /keeps more than one revision of a key/,
    });
    const revision = await kv.put('a', '"2"');
    await gateway.untilPosition(revision);
  });
});
