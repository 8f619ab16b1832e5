// Messages that are large, or a link that is slow: no body is fetched only to be compared, bytes that arrive are a sign
// that the broker is there, and proofs go on beside them.
// ctest-timeout: 600
// ctest-serial

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { startGateway } from '../support/gateway.mjs';
import { NATS_SERVER, NATS_SERVER_NEWEST, startNats } from '../support/nats.mjs';
import { startProxy } from '../support/proxy.mjs';
import { EPOCH, event, scene } from '../support/scene.mjs';
import { throughout, until } from '../support/until.mjs';

const MB = 1024 * 1024;
// By default the server hangs up on a client that has not taken all in 10 s.
const LARGE = 'max_payload: 33554432\nmax_pending: 134217728\nwrite_deadline: "600s"\n';

const padded = (id, version, bytes) => event(id, version, { pad: 'x'.repeat(bytes) });

for (const [version, bin] of Object.entries({
  'the server of the distribution': NATS_SERVER,
  'the newest server': NATS_SERVER_NEWEST,
})) {
  describe(`large messages on ${version}`, () => {
    for (const [where, after] of [
      ['the last', 0],
      ['one with others after it', 3],
    ]) {
      it(`13 MB at the position, ${where}, is known at a restart without its body`, async (t) => {
        const nats = await startNats({ t, bin, config: LARGE });
        const proxy = await startProxy({ t, target: nats.port });
        const s = await scene(t, { nats, publish: [event('c-1', 1)], gateway: null });
        s.gateway = await startGateway({ t, nats: proxy.url });
        await s.client.js.publish('state.customers.c-2', padded('c-2', 1, 13 * MB).payload, { timeout: 60_000 });
        const before = await s.gateway.untilPosition(2);
        await s.gateway.stop();
        for (let i = 0; i < after; i++) await s.client.js.publish('state.customers.c-1', event('c-1', 2 + i).payload);
        const bytes = proxy.bytes;
        await s.gateway.start();
        await s.gateway.untilPosition(2 + after, { deadlineMs: 10_000 });
        const { epoch } = await s.gateway.untilStatus('live', { deadlineMs: 10_000 });
        assert.match(epoch, new RegExp(`^${EPOCH}$`));
        assert.equal(epoch, before.epoch);
        assert.ok(proxy.bytes - bytes < MB, `${proxy.bytes - bytes} bytes`);
      });
    }

    it('8 MiB over a link of 1 Mbit/s is followed, and proofs go on', async (t) => {
      const nats = await startNats({ t, bin, config: LARGE });
      const proxy = await startProxy({ t, target: nats.port });
      const s = await scene(t, { nats, publish: [event('c-1', 1)], gateway: null });
      s.gateway = await startGateway({ t, nats: proxy.url });
      await s.gateway.untilStatus('live');
      proxy.bytesPerSecond = 125_000;
      const { payload } = padded('c-2', 1, 8 * MB - 200);
      const { seq } = await s.client.js.publish('state.customers.c-2', payload, { timeout: 60_000 });
      await until('the head is proved', async () => (await s.gateway.status()).head === seq, { deadlineMs: 5000 });
      await throughout('proofs go on until it is there', 60_000, async () => {
        const status = await s.gateway.status();
        if (status.position === seq) return true;
        if (status.status === 'disconnected') throw new Error(JSON.stringify(status));
        return status.head === seq;
      });
      await s.gateway.untilPosition(seq, { deadlineMs: 60_000 });
      assert.equal((await s.gateway.get('/v1/state/customers/c-2')).status, 200);
      assert.deepEqual(s.gateway.logged('stream_interrupted'), []);
      await s.gateway.untilStatus('live', { deadlineMs: 10_000 });
    });
  });
}
