// What is removed from a stream before the gateway has read it is never passed over in silence: the answer is what the
// stream says, or State-Gap.
// ctest-threads:

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { startGateway } from '../support/gateway.mjs';
import { createBucket, NATS_SERVER, NATS_SERVER_NEWEST, publishAll, startNats } from '../support/nats.mjs';
import { startProxy } from '../support/proxy.mjs';
import { event } from '../support/scene.mjs';
import { until } from '../support/until.mjs';

const BUCKET = { name: 'KV_settings', subject: '$KV.settings.{id}', collection: 'settings', format: 'kv' };
const STATE = { name: 'STATE', subject: 'state.{collection}.{id}' };

const SERVERS = { 'the server of the distribution': NATS_SERVER, 'the newest server': NATS_SERVER_NEWEST };

// A server, a gateway behind a proxy, and what reads ask of it.
async function linked(t, mapping, { bin = NATS_SERVER, streams } = {}) {
  const nats = await startNats({ t, bin });
  const proxy = await startProxy({ t, target: nats.port });
  const client = await nats.client();
  const follow = (url = `nats://127.0.0.1:${proxy.port}`) =>
    startGateway({ t, nats: url, config: { streams: streams ?? [mapping] } });
  const made = { nats, proxy, client, follow };
  // With the link cut `action` happens; then the link is back.
  made.away = async (action) => {
    await proxy.stall();
    await action();
    await proxy.cut();
    await proxy.flow();
  };
  return made;
}

// As fresh as now: the answer counts, however long it took.
function fresh(gateway, collection, id, headers = {}) {
  return until('a fresh answer', async () => {
    const answer = await gateway.get(`/v1/state/${collection}/${id}`, {
      headers: { 'max-staleness': '0', prefer: 'wait=10', ...headers },
      timeoutMs: 15_000,
    });
    if (answer.status >= 500) throw new Error(`${answer.status} ${answer.text}`);
    return answer;
  });
}

for (const [server, bin] of Object.entries(SERVERS)) {
  describe(`a bucket of ${server}`, () => {
    async function bucket(t, options = { history: 1 }) {
      const s = await linked(t, BUCKET, { bin });
      s.kv = await createBucket(s.client, 'settings', options);
      await s.kv.put('old', '"kept"');
      s.y = await s.kv.put('y', '"alive"');
      s.gateway = await s.follow();
      await s.gateway.untilPosition(s.y);
      return s;
    }

    async function assertGone(s, version, headers) {
      const answer = await fresh(s.gateway, 'settings', 'y', headers);
      assert.equal(answer.status, 410, answer.text);
      assert.equal(answer.headers['state-version'], String(version));
      assert.equal(answer.headers['state-gap'], undefined);
      const kept = await fresh(s.gateway, 'settings', 'old');
      assert.equal(kept.text, '"kept"');
      assert.equal(kept.headers['state-gap'], undefined);
      const page = await s.gateway.get('/v1/state/settings');
      assert.ok(!page.json().items.some(({ id }) => id === 'y'));
    }

    it('shows no value of a key that was deleted and compacted while the link was cut', async (t) => {
      const s = await bucket(t);
      let z;
      await s.away(async () => {
        await s.kv.delete('y');
        await s.kv.purgeDeletes(1);
        z = await s.kv.put('z', '"new"');
      });
      await assertGone(s, s.y, { 'min-position': `KV_settings:${z}` });
      assert.equal((await fresh(s.gateway, 'settings', 'z')).text, '"new"');
      // It comes back with its next revision.
      const again = await s.kv.put('y', '"again"');
      const answer = await fresh(s.gateway, 'settings', 'y', { 'min-position': `KV_settings:${again}` });
      assert.equal(answer.text, '"again"');
    });

    it('nor while the gateway was stopped', async (t) => {
      const s = await bucket(t);
      await s.gateway.stop();
      await s.kv.delete('y');
      await s.kv.purgeDeletes(1);
      await s.kv.put('z', '"new"');
      await s.gateway.start();
      await assertGone(s, s.y);
    });

    it('nor of one that was purged without a marker, with nothing published after it', async (t) => {
      const s = await bucket(t);
      const list = await s.gateway.get('/v1/state/settings');
      await s.client.jsm.streams.purge('KV_settings', { filter: '$KV.settings.y' });
      await assertGone(s, s.y);
      const other = await s.gateway.get('/v1/state/settings', { headers: { 'if-none-match': list.headers.etag } });
      assert.equal(other.status, 200, 'the page is another one');
    });

    it('nor of one whose only message was deleted', async (t) => {
      const s = await bucket(t);
      await s.client.jsm.streams.deleteMessage('KV_settings', s.y);
      await assertGone(s, s.y);
    });

    it('shows what it says where the newest revision was deleted unread', async (t) => {
      const s = await bucket(t, { history: 5 });
      let newest;
      await s.kv.put('y', '"second"');
      await s.away(async () => {
        newest = await s.kv.put('y', '"third"');
        await s.kv.put('z', '1');
        await s.client.jsm.streams.deleteMessage('KV_settings', newest);
      });
      const answer = await fresh(s.gateway, 'settings', 'y');
      assert.equal(answer.text, '"second"', 'what the bucket says');
    });

    it('shows a gap where an older revision was found to be back', async (t) => {
      const s = await bucket(t, { history: 5 });
      await s.kv.put('y', '"second"');
      const third = await s.kv.put('y', '"third"');
      assert.equal((await fresh(s.gateway, 'settings', 'y')).text, '"third"');
      await s.away(async () => {
        await s.client.jsm.streams.deleteMessage('KV_settings', third);
        await s.client.jsm.streams.purge('KV_settings', { filter: '$KV.settings.old' }); // so that it looks
        await s.kv.put('z', '1');
      });
      assert.equal((await fresh(s.gateway, 'settings', 'old')).status, 410);
      const answer = await fresh(s.gateway, 'settings', 'y');
      assert.equal(answer.text, '"third"');
      assert.equal(answer.headers['state-gap'], `${third}-${third}`, 'what is shown is not in the bucket any more');
      const page = await s.gateway.get('/v1/state/settings');
      assert.equal(page.headers['state-gap'], `${third}-${third}`);
      await s.kv.put('y', '"fourth"');
      await s.gateway.untilPosition(third + 2);
      assert.equal((await fresh(s.gateway, 'settings', 'y')).headers['state-gap'], undefined);
    });

    it('also where the newest of all came last', async (t) => {
      const s = await bucket(t, { history: 5 });
      const second = await s.kv.put('y', '"second"');
      assert.equal((await fresh(s.gateway, 'settings', 'y')).text, '"second"');
      await s.client.jsm.streams.deleteMessage('KV_settings', second);
      await s.client.jsm.streams.purge('KV_settings', { filter: '$KV.settings.old' });
      assert.equal((await fresh(s.gateway, 'settings', 'old')).status, 410);
      assert.equal((await fresh(s.gateway, 'settings', 'y')).headers['state-gap'], `${second}-${second}`);
      const [line] = await s.gateway.untilLogged('gap_found');
      assert.deepEqual([line.first, line.last, line.entities], [second, second, 1]);
    });

    it('is not told to differ by keys of which every value was refused', async (t) => {
      const s = await bucket(t);
      await s.kv.put('bad', 'no JSON');
      const last = await s.kv.put('other', '1');
      const answer = await fresh(s.gateway, 'settings', 'other', { 'min-position': `KV_settings:${last}` });
      assert.equal(answer.status, 200);
      await s.client.jsm.streams.purge('KV_settings', { filter: '$KV.settings.y' });
      await assertGone(s, s.y);
    });
  });

  describe(`a stream of ${server}`, () => {
    async function stream(t, settings, list = [event('a', 1), event('b', 1), event('c', 1)]) {
      const s = await linked(t, STATE, { bin });
      await s.client.jsm.streams.add({ name: 'STATE', subjects: ['state.>'], ...settings });
      s.publish = (more) => publishAll(s.client.js, more);
      await s.publish(list);
      s.gateway = await s.follow();
      await s.gateway.untilPosition(list.length);
      return s;
    }

    const gap = async (s, id) => (await fresh(s.gateway, 'customers', id)).headers['state-gap'];

    it('that keeps one message a subject: the entity whose newest event was purged unread has a gap', async (t) => {
      const s = await stream(t, { max_msgs_per_subject: 1 });
      await s.away(async () => {
        await s.publish([event('b', 2)]);
        await s.client.jsm.streams.purge('STATE', { filter: 'state.customers.b' });
        await s.publish([event('c', 2)]);
      });
      const lost = await fresh(s.gateway, 'customers', 'b', { 'min-position': 'STATE:5' });
      assert.equal(lost.headers['state-version'], '1');
      assert.equal(lost.headers['state-gap'], '3-4');
      assert.equal(await gap(s, 'a'), undefined);
      assert.equal((await fresh(s.gateway, 'customers', 'c')).headers['state-version'], '2');
      assert.equal(await gap(s, 'c'), undefined);
      const page = await s.gateway.get('/v1/state/customers');
      assert.equal(page.headers['state-gap'], '3-4');
      await s.gateway.restart();
      assert.equal(await gap(s, 'b'), '3-4');
      await s.publish([event('b', 3)]);
      const healed = await fresh(s.gateway, 'customers', 'b', { 'min-position': 'STATE:6' });
      assert.equal(healed.headers['state-version'], '3');
      assert.equal(healed.headers['state-gap'], undefined);
    });

    it('that keeps one message a subject: what newer ones superseded is no gap', async (t) => {
      const s = await stream(t, { max_msgs_per_subject: 1 });
      await s.away(() => s.publish(Array.from({ length: 60 }, (_, i) => event('abc'[i % 3], i + 2))));
      for (const id of 'abc') assert.equal(await gap(s, id), undefined);
      assert.deepEqual((await s.gateway.status()).gaps, []);
      assert.equal((await s.gateway.status()).position, 63);
    });

    it('that keeps all: a message that was deleted unread is a gap', async (t) => {
      const s = await stream(t, {});
      await s.away(async () => {
        await s.publish([event('b', 2), event('b', 3), event('c', 2)]);
        await s.client.jsm.streams.deleteMessage('STATE', 5);
      });
      const b = await fresh(s.gateway, 'customers', 'b', { 'min-position': 'STATE:6' });
      assert.equal(b.headers['state-version'], '2');
      assert.equal(b.headers['state-gap'], '5-5');
      assert.equal(await gap(s, 'c'), undefined);
      assert.deepEqual((await s.gateway.status()).gaps, [{ first: 5, last: 5 }]);
    });

    it('that keeps five a subject: what is missing is a gap', async (t) => {
      const s = await stream(t, { max_msgs_per_subject: 5 });
      await s.away(async () => {
        await s.publish([event('b', 2)]);
        await s.client.jsm.streams.purge('STATE', { filter: 'state.customers.b' });
        await s.publish([event('c', 2)]);
      });
      assert.equal(await gap(s, 'a'), '4-4');
      assert.equal(await gap(s, 'b'), '4-4');
      assert.equal(await gap(s, 'c'), undefined);
    });

    it('with other subjects besides: what they leave out is settled as soon as somebody waits', async (t) => {
      const s = await stream(t, {});
      const other = { subject: 'state.lonely', payload: Buffer.from('{}') };
      for (let i = 0; i < 5; i++) {
        const began = performance.now();
        const [, last] = await s.publish([other, event('a', 2 + i)]);
        const answer = await s.gateway.get('/v1/state/customers/a', {
          headers: { 'min-position': `STATE:${last.seq}` },
        });
        assert.equal(answer.status, 200);
        assert.equal(answer.headers['state-gap'], undefined);
        assert.ok(performance.now() - began < 900, 'not with the next idle probe');
      }
      assert.deepEqual((await s.gateway.status()).gaps, []);
    });

    it('built when messages were missing already has no gap', async (t) => {
      const list = Array.from({ length: 40 }, (_, i) => event('abc'[i % 3], i + 1));
      const s = await linked(t, STATE, { bin });
      for (const settings of [{}, { max_msgs_per_subject: 5 }]) {
        await s.client.jsm.streams.add({ name: 'STATE', subjects: ['state.>'], ...settings });
        await publishAll(s.client.js, list);
        for (const sequence of [30, 34, 39])
          await s.client.jsm.streams.deleteMessage('STATE', sequence).catch(() => {});
        const gateway = await s.follow();
        for (const id of 'abc') {
          const answer = await fresh(gateway, 'customers', id);
          assert.equal(answer.status, 200);
          assert.equal(answer.headers['state-gap'], undefined, JSON.stringify(settings));
        }
        assert.deepEqual((await gateway.status()).gaps, []);
        await gateway.stop();
        await until('the stream is gone', () => s.client.jsm.streams.delete('STATE'));
      }
    });

    it('built when messages were missing already has no gap, also while it is written', async (t) => {
      const s = await linked(t, STATE, { bin });
      await s.client.jsm.streams.add({ name: 'STATE', subjects: ['state.>'] });
      const other = { subject: 'state.lonely', payload: Buffer.from('{}') };
      await publishAll(
        s.client.js,
        Array.from({ length: 40 }, (_, i) => (i % 4 === 3 ? other : event('abc'[i % 3], i + 1))),
      );
      for (const sequence of [3, 12, 30]) await s.client.jsm.streams.deleteMessage('STATE', sequence);
      let version = 100;
      let writing = true;
      const writer = (async () => {
        while (writing) await publishAll(s.client.js, [event('a', version++), other]);
      })();
      const gateway = await s.follow();
      for (const id of 'abc') assert.equal((await fresh(gateway, 'customers', id)).headers['state-gap'], undefined);
      assert.deepEqual((await gateway.status()).gaps, []);
      writing = false;
      await writer;
    });

    it('that allows one consumer is followed on, and says why nothing newer is proved', async (t) => {
      const s = await stream(t, { max_msgs_per_subject: 1, max_consumers: 1 });
      await s.away(async () => {
        await s.publish([event('b', 2)]);
        await s.client.jsm.streams.purge('STATE', { filter: 'state.customers.b' });
        await s.publish([event('c', 2)]);
      });
      await until('the reason is shown', async () => /consumer/.test((await s.gateway.status()).lastError ?? ''));
      await s.publish([event('a', 2)]);
      await until('it goes on', async () => {
        const { headers } = await s.gateway.get('/v1/state/customers/a');
        return headers['state-version'] === '2';
      });
      for (const demand of [{ 'max-staleness': '0' }, { 'min-position': 'STATE:5' }]) {
        const strict = await s.gateway.get('/v1/state/customers/a', { headers: { ...demand, prefer: 'wait=1' } });
        assert.ok(strict.status >= 500, `${JSON.stringify(demand)}: ${strict.status}`);
      }
    });

    it('a hole that was not settled yet is settled by the next process', async (t) => {
      const s = await stream(t, {});
      await s.away(async () => {
        await s.publish([event('b', 2), event('c', 2)]);
        await s.client.jsm.streams.deleteMessage('STATE', 4);
      });
      await until(
        'the event after it is applied',
        async () => (await s.gateway.get('/v1/state/customers/c')).headers['state-version'] === '2',
        { everyMs: 1 },
      );
      await s.gateway.kill9();
      await s.gateway.start();
      assert.equal(await gap(s, 'b'), '4-4');
    });
  });
}
