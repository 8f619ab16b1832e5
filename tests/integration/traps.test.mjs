// Traps of the broker and of its client library that need a real server: each of these once lost messages, or went
// unnoticed, somewhere.
// ctest-timeout: 600
// ctest-serial

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

import { Fold } from '../support/fold.mjs';
import { startGateway } from '../support/gateway.mjs';
import { NATS_SERVER, NATS_SERVER_NEWEST, publishAll, startNats } from '../support/nats.mjs';
import { signal } from '../support/process.mjs';
import { scrape } from '../support/prometheus.mjs';
import { EPOCH, event, events, scene, untilEqual } from '../support/scene.mjs';
import { throughout, until } from '../support/until.mjs';

const BACKLOG = Number(process.env.BACKLOG ?? 480_000);

describe('a long backlog', () => {
  it(`of ${BACKLOG} small messages is applied without the loss of one`, async (t) => {
    const nats = await startNats({ t });
    const { js, jsm, nc } = await nats.client();
    await jsm.streams.add({ name: 'STATE', subjects: ['state.>'], storage: 'memory' });
    const ids = 50_000;
    for (let from = 0; from < BACKLOG; from += 10_000) {
      for (let i = from; i < Math.min(BACKLOG, from + 10_000) - 1; i++) {
        nc.publish(`state.small.${i % ids}`, `{"version":${1 + Math.floor(i / ids)},"state":{"i":${i}}}`);
      }
      const last = Math.min(BACKLOG, from + 10_000) - 1;
      await js.publish(`state.small.${last % ids}`, `{"version":${1 + Math.floor(last / ids)},"state":{"i":${last}}}`);
    }
    assert.equal((await jsm.streams.info('STATE')).state.last_seq, BACKLOG);
    const gateway = await startGateway({ t, nats });
    // A consumer that is slow: it stands still for a while, several times, while the server sends.
    for (let i = 0; i < 3; i++) {
      await gateway.untilPosition(1 + i * 10_000, { deadlineMs: 60_000 });
      signal(gateway.running.child, 'SIGSTOP');
      await new Promise((done) => setTimeout(done, 400));
      signal(gateway.running.child, 'SIGCONT');
    }
    await gateway.untilPosition(BACKLOG, { deadlineMs: 120_000 });
    const m = await scrape(gateway);
    const applied = m.value('stategate_events_total', { stream: 'STATE', result: 'applied' });
    assert.equal(applied, BACKLOG, 'each was applied, once');
    // Nothing had to be fetched again: what the client library drops at a limit of its own would be.
    assert.deepEqual(gateway.logged('stream_interrupted'), []);
    const fold = new Fold({ subject: 'state.{collection}.{id}' });
    const rows = fold.rows('small');
    for (let i = Math.max(0, BACKLOG - ids); i < BACKLOG; i++) {
      rows.set(String(i % ids), {
        version: BigInt(1 + Math.floor(i / ids)),
        deleted: false,
        state: `{"i":${i}}`,
        occurredAt: null,
        seq: i + 1,
      });
    }
    fold.position = BACKLOG;
    await untilEqual(gateway, 'STATE', fold);
  });

  it('of large messages is applied too, and memory stays bounded', async (t) => {
    const nats = await startNats({ t });
    const { js, jsm } = await nats.client();
    await jsm.streams.add({ name: 'STATE', subjects: ['state.>'] });
    const text = 'y'.repeat(200_000);
    const list = Array.from({ length: 1500 }, (_, i) => event(`big-${i % 10}`, i + 1, { i, text }));
    await publishAll(js, list, { inFlight: 50 });
    const gateway = await startGateway({ t, nats });
    await gateway.untilPosition(1500, { deadlineMs: 60_000 });
    const m = await scrape(gateway);
    assert.equal(m.value('stategate_events_total', { stream: 'STATE', result: 'applied' }), 1500);
    // 300 MB went through. Sanitizers keep freed memory for a while, so this is generous.
    assert.ok(m.value('process_resident_memory_bytes') < 700e6, `${m.value('process_resident_memory_bytes')} bytes`);
  });
});

describe('a gateway that stands still', () => {
  it('for longer than heartbeats and flow control allow loses nothing', async (t) => {
    const s = await scene(t, { publish: events(100) });
    await s.untilLive();
    signal(s.gateway.running.child, 'SIGSTOP');
    await s.publish(events(5000, { ids: 100, from: 101 }));
    await new Promise((done) => setTimeout(done, 4500));
    signal(s.gateway.running.child, 'SIGCONT');
    await s.untilLive();
  });
});

for (const [version, bin] of Object.entries({
  'the server of the distribution': NATS_SERVER,
  'the newest server': NATS_SERVER_NEWEST,
})) {
  describe(`sequences with holes, on ${version}`, () => {
    it('by compaction are followed, without a gap being told', async (t) => {
      const s = await scene(t, { nats: { bin }, stream: { max_msgs_per_subject: 1 }, gateway: null });
      await s.publish(events(500, { ids: 7 }));
      s.gateway = await startGateway({ t, nats: s.nats });
      await s.gateway.untilPosition(500, { deadlineMs: 10_000 });
      s.fold.position = 500;
      await s.untilLive();
      await s.publish(events(500, { ids: 7, from: 501 }));
      await s.untilLive();
      assert.deepEqual((await s.gateway.status()).gaps ?? [], []);
    });

    it('by deleted messages are followed', async (t) => {
      const s = await scene(t, { nats: { bin }, gateway: null });
      const list = events(100, { ids: 100 });
      await publishAll(s.client.js, list);
      for (let seq = 11; seq <= 90; seq += 2) await s.client.jsm.streams.deleteMessage('STATE', seq);
      s.fold.applyAll(list.filter(({ seq }) => seq < 11 || seq > 90 || seq % 2 === 0));
      s.gateway = await startGateway({ t, nats: s.nats });
      await s.untilLive();
    });

    it('by a filter are followed', async (t) => {
      const s = await scene(t, { nats: { bin }, stream: { subjects: ['state.>', 'noise.>'] } });
      for (let i = 1; i <= 50; i++) {
        await s.client.js.publish('noise.x', 'x');
        await s.publish([event('c', i)]);
      }
      await s.untilLive();
    });
  });
}

describe('a start in the middle', () => {
  it('after a reset before the first message goes on from the position, not from the beginning', async (t) => {
    const s = await scene(t, { publish: events(1000) });
    await s.untilLive();
    await s.gateway.stop();
    // The stream is empty after the position: the consumer gets nothing until the server has been restarted under it.
    await s.gateway.start();
    await s.gateway.untilStatus('live');
    await s.nats.restart();
    await s.publish(events(10, { from: 1001 }));
    await s.untilLive();
    const m = await scrape(s.gateway);
    assert.equal(m.value('stategate_events_total', { stream: 'STATE', result: 'applied' }), 10);
    assert.equal(m.value('stategate_events_total', { stream: 'STATE', result: 'redelivered' }) ?? 0, 0);
  });
});

describe('names of streams that are no tokens', () => {
  for (const [name, shown] of Object.entries({
    '2024-orders': '"2024-orders:3"',
    'a,b': '"a,b:3"',
    'a;x': '"a;x:3"',
    'has"quote': '"has\\"quote:3"',
    Größen: '%"Gr%c3%b6%c3%9fen:3"',
    'plain-NAME_1': 'plain-NAME_1:3',
  })) {
    it(`${name} stands in State-Position as ${shown}`, async (t) => {
      const config = { streams: [{ name, subject: 'state.{collection}.{id}' }] };
      const mapping = { name, subject: 'state.{collection}.{id}' };
      const s = await scene(t, { publish: events(3), mapping, gateway: { config } });
      await s.untilLive();
      const answer = await s.gateway.get('/v1/state/customers/c-1');
      const pattern = new RegExp(`^(.*);epoch=${EPOCH}$`);
      assert.equal(pattern.exec(answer.headers['state-position'])?.[1], shown);
    });
  }
});

describe('a consumer that is taken away again and again', () => {
  it('loses nothing and repeats nothing', async (t) => {
    const s = await scene(t, { publish: events(100) });
    await s.untilLive();
    let flowing = true;
    const flow = (async () => {
      for (let from = 101; flowing; from += 20) {
        await s.publish(events(20, { ids: 50, from }));
        await pause(20); // no faster than a slow machine applies them
      }
    })();
    try {
      for (let i = 0; i < 10; i++) {
        const before = (await s.gateway.status()).position;
        for await (const { name } of s.client.jsm.consumers.list('STATE'))
          await s.client.jsm.consumers.delete('STATE', name).catch(() => {});
        await until('it goes on', async () => (await s.gateway.status()).position > before + 100);
      }
    } finally {
      flowing = false;
      await flow;
    }
    await s.untilLive();
    const m = await scrape(s.gateway);
    assert.equal(m.value('stategate_events_total', { stream: 'STATE', result: 'applied' }), s.fold.counts.applied);
  });
});

describe('too many collections', () => {
  it('are rejected beyond the limit, and those that are there go on', async (t) => {
    const s = await scene(t, { gateway: { config: { collections_max: 3 } } });
    const names = ['a', 'b', 'c', 'd', 'e'];
    for (const collection of names) await s.client.js.publish(`state.${collection}.1`, event('1', 1).payload);
    await s.client.js.publish('state.a.1', event('1', 2).payload);
    await s.gateway.untilPosition(6);
    const { collections } = (await s.gateway.get('/v1/state')).json();
    assert.deepEqual(
      collections.map(({ name }) => name),
      ['a', 'b', 'c'],
    );
    const { items } = (await s.gateway.get('/v1/rejected')).json();
    assert.deepEqual(
      items.map(({ reason, collection }) => [reason, collection]),
      [
        ['too-many-collections', 'e'],
        ['too-many-collections', 'd'],
      ],
    );
    assert.equal((await s.gateway.get('/v1/state/a/1')).headers['state-version'], '2');
    await throughout('it is live', 500, async () => (await s.gateway.status()).status === 'live');
  });

  it('of rejected events push the oldest out', async (t) => {
    const s = await scene(t, { gateway: { config: { rejected: { max: 10 } } } });
    await s.publish(Array.from({ length: 25 }, (_, i) => ({ subject: `state.c.${i}`, payload: Buffer.from('?') })));
    await s.gateway.untilPosition(25);
    const { items } = (await s.gateway.get('/v1/rejected')).json();
    assert.deepEqual(
      items.map(({ sequence }) => sequence),
      [25, 24, 23, 22, 21, 20, 19, 18, 17, 16],
    );
    assert.equal((await scrape(s.gateway)).sum('stategate_rejected_total', { stream: 'STATE' }), 25);
  });
});
