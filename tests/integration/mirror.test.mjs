// Streams that mirror another, or have sources: whose subjects they hold.
// ctest-timeout: 300

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { startGateway } from '../support/gateway.mjs';
import { createBucket, NATS_SERVER, NATS_SERVER_NEWEST, startNats } from '../support/nats.mjs';
import { until } from '../support/until.mjs';

const WITHIN = { deadlineMs: 15_000 };

for (const [version, bin] of Object.entries({
  'the server of the distribution': NATS_SERVER,
  'the newest server': NATS_SERVER_NEWEST,
})) {
  describe(`a template that matches nothing of a mirror, on ${version}`, () => {
    for (const [how, config] of [
      ['a mirror', { mirror: { name: 'KV_origin' } }],
      ['a stream with sources', { sources: [{ name: 'KV_origin' }] }],
    ]) {
      it(`is told of ${how}, also after a restart, until a message matches`, async (t) => {
        const nats = await startNats({ t, bin });
        const client = await nats.client();
        const kv = await createBucket(client, 'origin', { history: 1 });
        await kv.put('k', '"v"');
        await client.jsm.streams.add({ name: 'KV_edge', max_msgs_per_subject: 1, ...config });
        await until('it has the message', async () => (await client.jsm.streams.info('KV_edge')).state.last_seq === 1);
        const streams = [{ name: 'KV_edge', format: 'kv', collection: 'c' }];
        const gateway = await startGateway({ t, nats, config: { streams } });
        const reason = /none of its messages matches the template's filter \$KV\.edge\.>/;
        const told = async () => {
          await until('it is told', async () => reason.test((await gateway.status()).lastError), WITHIN);
          assert.equal(gateway.logged('stream_warning').filter(({ error }) => reason.test(error)).length, 1);
          await gateway.untilStatus('live', WITHIN);
        };
        await told();
        await gateway.restart();
        await told();
        // The right one.
        streams[0].subject = '$KV.origin.{id}';
        await gateway.restart({ config: { streams } });
        await gateway.untilStatus('live', WITHIN);
        await gateway.untilPosition(1);
        assert.equal((await gateway.get('/v1/state/c/k')).text, '"v"');
        assert.equal((await gateway.status()).lastError, undefined);
      });
    }
  });
}
