// What may happen to a stream (restarts, purges, trims, other incarnations, older copies, absence): in the end rows,
// position, gap and status are what docs/promises.md says of a stream that is not what it was. That takes a few seconds,
// and longer on a busy machine.
// ctest-timeout: 600
// ctest-serial

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { cpSync, rmSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { snapshot } from '../support/db.mjs';
import { startGateway } from '../support/gateway.mjs';
import { NATS_SERVER, NATS_SERVER_NEWEST, publishAll, startNats } from '../support/nats.mjs';
import { freePort } from '../support/ports.mjs';
import { signal, tempFolder } from '../support/process.mjs';
import { startProxy } from '../support/proxy.mjs';
import { event, events, scene } from '../support/scene.mjs';
import { restoreStream, snapshotStream } from '../support/stream_snapshot.mjs';
import { throughout, until } from '../support/until.mjs';

const WITHIN = { deadlineMs: 20_000 };

async function row(gateway, stream = 'STATE') {
  return (await snapshot(gateway.database)).streams.find(({ name }) => name === stream);
}

async function counter(gateway, name) {
  const { text } = await gateway.get('/metrics');
  const line = text.split('\n').find((candidate) => candidate.startsWith(`${name}{stream="STATE"}`));
  return line === undefined ? undefined : Number(line.split(' ').at(-1));
}

async function proofs(gateway) {
  const { text } = await gateway.get('/metrics');
  return Number(/^stategate_probes_total\{stream="STATE",result="proved"\} (\d+)$/m.exec(text)?.[1] ?? 0);
}

function toldGaps(gateway) {
  return until(
    'a gap is told',
    async () => {
      const { gaps = [] } = await gateway.status();
      return gaps.length > 0 && gaps;
    },
    WITHIN,
  );
}

// Events 51..110 are published while the gateway stands still, and all before 101 purged while flow control holds most
// of them back: what it was sent of them, then a hole, then the rest. Gives the events.
async function trimmedUnderWay(s) {
  const more = Array.from({ length: 60 }, (_, i) => event(`big-${i}`, 1, { x: 'x'.repeat(200_000) }));
  signal(s.gateway.running.child, 'SIGSTOP');
  await publishAll(s.client.js, more);
  await s.client.jsm.streams.purge('STATE', { seq: 101 });
  signal(s.gateway.running.child, 'SIGCONT');
  return more;
}

// A message whose subject is these bytes: what no client library sends.
async function publishRaw(port, subject) {
  const socket = createConnection(port, '127.0.0.1');
  try {
    await once(socket, 'data'); // the server speaks first
    socket.write(
      Buffer.concat([Buffer.from('CONNECT {"verbose":false}\r\nPUB '), subject, Buffer.from(' 2\r\n{}\r\nPING\r\n')]),
    );
    const [answer] = await once(socket, 'data');
    assert.match(answer.toString('latin1'), /PONG/);
  } finally {
    socket.destroy();
  }
}

// A scene whose gateway has applied `count` events and is live.
async function following(t, count = 100, options = {}) {
  const made = await scene(t, { publish: events(count), ...options });
  await made.untilLive({ deadlineMs: 15_000 });
  await made.gateway.untilReady();
  return made;
}

for (const [version, bin] of Object.entries({
  'the server of the distribution': NATS_SERVER,
  'the newest server': NATS_SERVER_NEWEST,
})) {
  describe(`with ${version}`, () => {
    it('follows a server that was restarted, without loss and in the same incarnation', async (t) => {
      const s = await following(t, 100, { nats: { bin } });
      const before = await row(s.gateway);
      await s.nats.restart();
      await s.publish(events(50, { from: 101 }));
      await s.untilLive(WITHIN);
      const after = await row(s.gateway);
      assert.equal(after.epoch, before.epoch);
      assert.equal(after.build, before.build);
      assert.deepEqual((await s.gateway.status()).gaps ?? [], []);
    });

    it('follows a server that was killed, and reads go on meanwhile', async (t) => {
      const s = await following(t, 100, { nats: { bin } });
      await s.nats.kill9();
      assert.equal((await s.gateway.get('/v1/state/customers/c-1')).status, 200);
      await s.nats.start();
      await s.publish(events(50, { from: 101 }));
      await s.untilLive(WITHIN);
    });

    // The look at the message at the position takes the one place for a moment, once the former consumer has left it.
    it('follows a stream that allows one consumer, also from a position with messages after it', async (t) => {
      const s = await following(t, 10, { nats: { bin }, stream: { max_consumers: 1 } });
      await s.gateway.stop();
      await s.publish(events(10, { from: 11 }));
      await s.gateway.start();
      await s.untilLive({ deadlineMs: 40_000 });
      assert.deepEqual((await s.gateway.status()).gaps ?? [], []);
    });

    it('makes a new consumer where its own was deleted', async (t) => {
      const s = await following(t, 100, { nats: { bin } });
      for await (const { name } of s.client.jsm.consumers.list('STATE'))
        await s.client.jsm.consumers.delete('STATE', name);
      await s.publish(events(50, { from: 101 }));
      await s.untilLive(WITHIN);
    });

    it('keeps the rows of a purged stream, reaches its head, and goes on', async (t) => {
      const s = await following(t, 100, { nats: { bin } });
      await s.client.jsm.streams.purge('STATE');
      await s.untilLive(WITHIN);
      assert.deepEqual((await s.gateway.status()).gaps ?? [], []);
      await s.publish(events(10, { from: 101 }));
      await s.untilLive(WITHIN);
      assert.deepEqual((await s.gateway.status()).gaps ?? [], []);
    });

    for (const [what, count] of Object.entries({ fewer: 7, more: 150, 'as many': 100 })) {
      it(`rebuilds from a stream that was deleted and recreated with ${what} messages`, async (t) => {
        const s = await following(t, 100, { nats: { bin } });
        const before = await row(s.gateway);
        await s.recreateStream(events(count, { ids: 9, from: 1000 }));
        await s.untilLive(WITHIN);
        await s.gateway.untilReady(WITHIN);
        const after = await row(s.gateway);
        assert.notEqual(after.epoch, before.epoch);
        assert.equal(after.build, before.build + 1);
        const other = await startGateway({ t, nats: s.nats });
        await other.untilStatus('live', WITHIN);
        assert.equal(after.epoch, (await other.status()).epoch, 'every replica calls this incarnation the same');
        assert.equal(await counter(s.gateway, 'stategate_stream_epoch_changes_total'), 1);
      });
    }

    it('knows the message at its position by a subject that is not UTF-8', async (t) => {
      const s = await following(t, 3, { nats: { bin } });
      await publishRaw(s.nats.port, Buffer.from('state.customers.\xff\xe2\x82x\xed\xa0\x80\xc3\xa4', 'latin1'));
      await s.gateway.untilPosition(4);
      const before = await row(s.gateway);
      await s.gateway.restart();
      await s.gateway.untilStatus('live');
      await s.nats.restart();
      await s.publish([event('c-1', 9)]);
      await s.gateway.untilPosition(5);
      await s.gateway.untilStatus('live');
      const after = await row(s.gateway);
      assert.equal(after.epoch, before.epoch);
      assert.equal(after.build, before.build);
    });

    it('rebuilds from a stream that was recreated while the gateway was away', async (t) => {
      const s = await following(t, 100, { nats: { bin } });
      const before = await row(s.gateway);
      await s.gateway.stop();
      await s.recreateStream(events(150, { ids: 9, from: 1000 }));
      await s.gateway.start();
      await s.untilLive(WITHIN);
      assert.notEqual((await row(s.gateway)).epoch, before.epoch);
    });

    it('has the epoch of its creation also where it is recreated between two questions', async (t) => {
      const nats = await startNats({ t, bin });
      const proxy = await startProxy({ t, target: nats.port });
      const s = await scene(t, { nats, publish: events(20), gateway: { nats: proxy.url } });
      await s.gateway.untilPosition(20);
      await proxy.stall();
      await s.publish(events(5, { from: 21 })); // so that the message at the position is looked at
      const asked = new Promise((done) => {
        proxy.watch = (bytes) => {
          if (!bytes.includes('CONSUMER.CREATE.STATE') && !bytes.includes('STREAM.MSG.GET.STATE')) return;
          proxy.watch = null;
          proxy.mode = 'stall';
          done();
        };
      });
      await proxy.cut();
      await proxy.flow();
      await asked;
      await s.recreateStream(events(30, { from: 1000 }));
      await proxy.flow();
      await s.untilEqual();
      const epochs = (await s.gateway.untilLogged('epoch_changed')).map(({ reason, epoch }) => [reason, epoch.length]);
      assert.deepEqual(epochs, [['another creation time', 6]]);
    });

    it('names what was trimmed beyond its position while it was away', async (t) => {
      const s = await following(t, 50, { nats: { bin } });
      await s.gateway.stop();
      const missed = events(50, { ids: 10, from: 51 });
      await s.publish([]);
      const { js, jsm } = s.client;
      for (const { subject, payload } of missed) await js.publish(subject, payload);
      await jsm.streams.purge('STATE', { seq: 81 });
      missed.forEach((message, i) => (message.seq = 51 + i));
      s.fold.applyAll(missed.slice(30));
      await s.gateway.start();
      await s.untilLive(WITHIN);
      assert.deepEqual((await s.gateway.status()).gaps, [{ first: 51, last: 80 }]);
      assert.equal(await counter(s.gateway, 'stategate_stream_gaps_total'), 1);
      const stale = await s.gateway.get('/v1/state/customers/c-15');
      assert.equal(stale.headers['state-gap'], '51-80');
      const rewritten = await s.gateway.get('/v1/state/customers/c-5');
      assert.equal(rewritten.status, 200);
      assert.equal(rewritten.headers['state-gap'], undefined);
      const unseen = await s.gateway.get('/v1/state/customers/never');
      assert.equal(unseen.headers['state-gap'], '51-80');
    });
  });
}

describe('a stream that loses its end', () => {
  it('keeps rows whose messages were deleted after they were applied', async (t) => {
    const s = await following(t, 100);
    const before = await row(s.gateway);
    for (let seq = 91; seq <= 100; seq++) await s.client.jsm.streams.deleteMessage('STATE', seq);
    await s.gateway.restart();
    await s.untilLive(WITHIN);
    assert.equal((await row(s.gateway)).epoch, before.epoch);
    await s.publish(events(10, { from: 101 }));
    await s.untilLive(WITHIN);
  });

  it('reaches a head beyond the last message that is left', async (t) => {
    const s = await following(t, 50);
    await s.gateway.stop();
    const more = events(50, { from: 51 });
    for (const { subject, payload } of more) await s.client.js.publish(subject, payload);
    for (let seq = 91; seq <= 100; seq++) await s.client.jsm.streams.deleteMessage('STATE', seq);
    more.forEach((message, i) => (message.seq = 51 + i));
    s.fold.applyAll(more.slice(0, 40));
    s.fold.position = 100;
    await s.gateway.start();
    await s.untilLive(WITHIN);
    await s.gateway.untilReady(WITHIN);
    assert.equal((await s.gateway.status()).lag, 0);
  });

  it('reaches the head of a stream that was purged before it came', async (t) => {
    const s = await scene(t, { publish: events(30), gateway: null });
    await s.client.jsm.streams.purge('STATE');
    s.gateway = await startGateway({ t, nats: s.nats });
    await s.gateway.untilPosition(30, WITHIN);
    await s.gateway.untilReady(WITHIN);
    // A build from position 0 begins at the first sequence there is: nothing was lost to this replica.
    assert.deepEqual((await s.gateway.status()).gaps ?? [], []);
  });

  it('reaches a head that its filter does not match', async (t) => {
    const s = await scene(t, { stream: { subjects: ['state.>', 'other.>'] }, publish: events(10) });
    for (let i = 0; i < 20; i++) await s.client.js.publish('other.things', 'x');
    const status = await s.gateway.untilPosition(30, WITHIN);
    assert.equal(status.position, 30);
    await s.gateway.untilStatus('live', WITHIN);
    assert.equal((await s.gateway.status()).lag, 0);
    s.fold.position = 30;
    await s.publish(events(5, { from: 11 }));
    await s.untilLive(WITHIN);
  });
});

describe('a stream restored from an older copy', () => {
  // Where a copy of what the server stores now is; the server was down for it.
  async function storeCopied(t, s) {
    const copy = join(tempFolder(t, 'store'), 'copy');
    await s.nats.closeClients();
    await s.nats.stop();
    cpSync(s.nats.storeDir, copy, { recursive: true });
    await s.nats.start();
    s.client = await s.nats.client();
    return copy;
  }

  // The server is down afterwards.
  async function storePutBack(s, copy) {
    await s.nats.stop();
    rmSync(s.nats.storeDir, { recursive: true });
    cpSync(copy, s.nats.storeDir, { recursive: true });
  }

  // The gateway is at 100, the stream back at 60, in the same creation time.
  async function rolledBack(t, { while: during }) {
    const s = await scene(t, { publish: events(60) });
    await s.untilLive({ deadlineMs: 15_000 });
    const store = await storeCopied(t, s);
    await s.publish(events(40, { from: 61 }));
    await s.untilLive({ deadlineMs: 15_000 });
    const before = await row(s.gateway);
    await s.nats.closeClients();
    if (during === 'away') await s.gateway.stop();
    await storePutBack(s, store);
    s.fold = new s.fold.constructor(s.mapping);
    events(60).forEach((message, i) => s.fold.apply({ ...message, seq: i + 1 }));
    return { s, before };
  }

  async function rebuilt(s, before) {
    await s.untilLive(WITHIN);
    const after = await row(s.gateway);
    assert.notEqual(after.epoch, before.epoch);
    assert.ok(
      after.epoch.startsWith(before.epoch) && /^[a-z][a-z0-9]{5,11}$/.test(after.epoch),
      `epoch ${after.epoch}`,
    );
    assert.equal(after.build, before.build + 1);
    await s.publish(events(5, { from: 3000 }));
    await s.untilLive(WITHIN);
    assert.equal((await row(s.gateway)).epoch, after.epoch);
  }

  it('is rebuilt', async (t) => {
    const { s, before } = await rolledBack(t, { while: 'running' });
    await s.nats.start();
    s.client = await s.nats.client();
    await rebuilt(s, before);
  });

  it('is rebuilt by a gateway that was away', async (t) => {
    const { s, before } = await rolledBack(t, { while: 'away' });
    await s.nats.start();
    s.client = await s.nats.client();
    await s.gateway.start();
    await rebuilt(s, before);
  });

  for (const [where, count] of Object.entries({ past: 60, 'exactly to': 40 })) {
    it(`is rebuilt although it has grown ${where} the position with other messages`, async (t) => {
      const { s, before } = await rolledBack(t, { while: 'away' });
      await s.nats.start();
      s.client = await s.nats.client();
      await s.publish(events(count, { ids: 7, from: 5000 }));
      await s.gateway.start();
      await rebuilt(s, before);
    });
  }

  it('is rebuilt although the message at the position is gone', async (t) => {
    const { s, before } = await rolledBack(t, { while: 'away' });
    await s.nats.start();
    s.client = await s.nats.client();
    await s.publish(events(50, { ids: 7, from: 5000 }));
    await s.client.jsm.streams.deleteMessage('STATE', 100);
    await s.gateway.start();
    const after = await until('it is another incarnation', async () => {
      const found = await s.gateway.status();
      return found.epoch !== before.epoch && found.status === 'live' && found;
    }, WITHIN);
    assert.equal(after.position, 110);
  });

  // The connection stays, and the stream is gone for less than its consumer's heartbeat.
  it('shows nothing that was undone to who wants it as fresh as now', async (t) => {
    const s = await scene(t, { publish: events(10) });
    await s.untilLive(WITHIN);
    const { nc, jsm, js } = s.client;
    const subject = 'state.customers.undone';
    const copy = await snapshotStream(nc, 'STATE');
    await js.publish(subject, '{"version":1,"state":{"undone":true}}');
    await s.gateway.untilPosition(11, WITHIN);
    await jsm.streams.delete('STATE');
    await restoreStream(nc, 'STATE', copy);
    assert.equal((await js.publish('state.customers.other', '{"version":1,"state":{}}')).seq, 11);
    const answer = await until('it is as fresh as now', async () => {
      const got = await s.gateway.get('/v1/state/customers/undone?max_staleness=0&wait=5');
      return got.status < 500 && got;
    }, { deadlineMs: 15_000 });
    assert.equal(answer.status, 404, answer.text);
    assert.equal((await s.gateway.get('/v1/state/customers/other')).status, 200);
  });

  // It is at 5, behind a message that takes a minute to arrive. Then the stream ends earlier than it did, but not
  // before what was applied.
  it('refuses at once who waits for what was lost, and goes on', async (t) => {
    const MB = 1024 * 1024;
    const large = 'max_payload: 16777216\nmax_pending: 67108864\nwrite_deadline: "600s"\n';
    const s = await scene(t, { nats: { config: large }, publish: events(5), gateway: null });
    const proxy = await startProxy({ t, target: s.nats.port });
    s.gateway = await startGateway({ t, nats: proxy.url });
    await s.gateway.untilPosition(5, WITHIN);
    proxy.bytesPerSecond = 125_000;
    const body = JSON.stringify({ version: 1, state: { pad: 'x'.repeat(8 * MB) } });
    await s.client.js.publish('state.customers.large', body, { timeout: 60_000 });
    await s.client.js.publish('state.customers.c-1', '{"version":100,"state":{}}');
    const store = await storeCopied(t, s);
    for (let version = 101; version <= 103; version++)
      await s.client.js.publish('state.customers.c-1', JSON.stringify({ version, state: {} }));
    await until('the end is known', async () => (await s.gateway.status()).head === 10, WITHIN);
    const { epoch } = await s.gateway.status();
    const from = performance.now();
    const waits = s.gateway.get('/v1/state/customers/c-1?min_position=STATE:9&wait=60', { timeoutMs: 90_000 });
    await until('it waits', async () => /^stategate_waits_parked 1$/m.test((await s.gateway.get('/metrics')).text));
    const asked = await proofs(s.gateway);
    await until('it was found on its way', async () => (await proofs(s.gateway)) >= asked + 2, WITHIN);
    await s.nats.closeClients();
    await storePutBack(s, store);
    await s.nats.start();
    s.client = await s.nats.client();
    const answer = await waits;
    assert.equal(
      `${answer.status} ${answer.json().type}`,
      '409 urn:stategate:problem:position-beyond-head',
      answer.text,
    );
    assert.ok(performance.now() - from < 25_000, `after ${performance.now() - from} ms`);
    await until('it is logged', () => s.gateway.logged('head_fell').length > 0);
    assert.equal((await s.gateway.status()).position, 5);
    proxy.bytesPerSecond = 0;
    await s.gateway.untilPosition(7, { deadlineMs: 90_000 });
    await s.gateway.untilStatus('live', WITHIN);
    const after = await s.gateway.status();
    assert.deepEqual({ epoch: after.epoch, head: after.head }, { epoch, head: 7 });
    const fresh = await s.gateway.get('/v1/state/customers/c-1?max_staleness=0');
    assert.equal(`${fresh.status} ${fresh.headers['state-version']}`, '200 100');
  });

  it('is rebuilt although a message that is not for it stands at the position', async (t) => {
    const { s, before } = await rolledBack(t, { while: 'away' });
    await s.nats.start();
    s.client = await s.nats.client();
    await s.publish(events(39, { ids: 7, from: 5000 }));
    assert.equal((await s.client.js.publish('state.other', 'x')).seq, 100);
    await s.publish(events(20, { ids: 7, from: 6000 }));
    await s.gateway.start();
    await rebuilt(s, before);
  });

  it('is rebuilt although it grows past the position while it is looked at', async (t) => {
    const { s, before } = await rolledBack(t, { while: 'running' });
    const asked = await proofs(s.gateway);
    await s.nats.start();
    s.client = await s.nats.client();
    await until('it was seen at 60', async () => (await proofs(s.gateway)) >= asked + 2, WITHIN);
    await s.publish(events(60, { ids: 7, from: 5000 }));
    await rebuilt(s, before);
  });

  it('keeps its epoch over a restart of the gateway', async (t) => {
    const { s, before } = await rolledBack(t, { while: 'running' });
    await s.nats.start();
    s.client = await s.nats.client();
    await rebuilt(s, before);
    const { epoch, build } = await row(s.gateway);
    await s.gateway.restart();
    await s.untilLive(WITHIN);
    const after = await row(s.gateway);
    assert.deepEqual({ epoch: after.epoch, build: after.build }, { epoch, build });
  });
});

describe('a stream with gaps', () => {
  it('names what was purged between the position and the next message', async (t) => {
    const s = await following(t, 50);
    await s.gateway.stop();
    for (const { subject, payload } of events(50, { from: 51 })) await s.client.js.publish(subject, payload);
    await s.client.jsm.streams.purge('STATE');
    await s.gateway.start();
    s.fold.position = 100;
    await s.untilLive(WITHIN);
    assert.deepEqual((await s.gateway.status()).gaps, [{ first: 51, last: 100 }]);
    assert.equal(await counter(s.gateway, 'stategate_stream_gaps_total'), 1, 'however often it is seen');
  });

  it('names what was trimmed while the consumer lagged', async (t) => {
    const s = await following(t, 50);
    const more = await trimmedUnderWay(s);
    const [gap] = await toldGaps(s.gateway);
    assert.equal(gap.last, 100);
    assert.ok(gap.first > 51, 'some were on their way');
    s.fold.applyAll(more.filter(({ seq }) => seq < gap.first || seq > gap.last));
    await s.untilLive(WITHIN);
  });

  it('names it although the connection was lost before the stream was asked', async (t) => {
    const streams = [{ name: 'STATE', subject: 'state.{collection}.{id}' }];
    const s = await following(t, 50, { gateway: { config: { streams, probe: { idle: '1m' } } } });
    await trimmedUnderWay(s);
    await until(
      'the last event',
      async () => (await s.gateway.get('/v1/state/customers/big-59')).status === 200,
      WITHIN,
    );
    assert.deepEqual((await s.gateway.status()).gaps ?? [], []);
    await s.nats.restart();
    const [gap] = await toldGaps(s.gateway);
    assert.equal(gap.last, 100);
  });

  it('tells no gap where it was proved, before the trim, that nothing matched', async (t) => {
    const s = await following(t, 10, { stream: { subjects: ['state.>', 'other.>'], max_msgs: 50 } });
    for (const head of [40, 70, 100]) {
      for (let i = 0; i < 30; i++) await s.client.js.publish('other.things', 'x');
      await s.gateway.untilPosition(head, WITHIN);
    }
    s.fold.position = 100;
    await s.publish(events(5, { from: 11 }));
    await s.untilLive(WITHIN);
    assert.ok((await s.info()).state.first_seq > 50);
    const proof = (await s.gateway.status()).probe;
    await until('the next proof', async () => (await s.gateway.status()).probe.askedAt !== proof.askedAt, WITHIN);
    assert.deepEqual((await s.gateway.status()).gaps ?? [], []);
  });

  it('is no gap where each subject keeps its last message and nothing else is limited', async (t) => {
    const s = await following(t, 50, { stream: { max_msgs_per_subject: 1 } });
    await s.gateway.stop();
    await s.publish(events(60, { ids: 20, from: 51 })); // each of the 20 subjects again: the first sequence moves
    assert.ok((await s.info()).state.first_seq > 51);
    await s.gateway.start();
    await s.untilLive(WITHIN);
    assert.deepEqual((await s.gateway.status()).gaps ?? [], []);
  });

  it('is rebuilt where the settings ask for it', async (t) => {
    const gateway = { config: { streams: [{ name: 'STATE', subject: 'state.{collection}.{id}', on_gap: 'rebuild' }] } };
    const s = await following(t, 50, { gateway });
    const before = await row(s.gateway);
    await s.gateway.stop();
    const more = events(50, { ids: 5, from: 51 });
    for (const { subject, payload } of more) await s.client.js.publish(subject, payload);
    await s.client.jsm.streams.purge('STATE', { seq: 81 });
    more.forEach((message, i) => (message.seq = 51 + i));
    s.fold = new s.fold.constructor(s.mapping).applyAll(more.slice(30));
    await s.gateway.start();
    await s.untilLive(WITHIN);
    assert.equal((await row(s.gateway)).build, before.build + 1);
  });

  it('is rebuilt from its beginning where they ask for it and the consumer lagged', async (t) => {
    const gateway = { config: { streams: [{ name: 'STATE', subject: 'state.{collection}.{id}', on_gap: 'rebuild' }] } };
    const s = await following(t, 50, { gateway });
    const before = await row(s.gateway);
    const more = await trimmedUnderWay(s);
    s.fold = new s.fold.constructor(s.mapping).applyAll(more.filter(({ seq }) => seq > 100));
    await s.untilLive(WITHIN);
    await s.gateway.untilReady(WITHIN);
    assert.equal((await row(s.gateway)).build, before.build + 1);
    await s.publish(events(5, { from: 1000 }));
    await s.untilLive(WITHIN);
  });
});

describe('a broker that is not there', () => {
  it('is waited for from the start, and the gateway answers meanwhile', async (t) => {
    const port = await freePort();
    const gateway = await startGateway({ t, nats: `nats://127.0.0.1:${port}` });
    assert.equal((await gateway.get('/livez')).status, 200);
    assert.equal((await gateway.get('/readyz')).status, 503);
    await gateway.untilStatus('disconnected', WITHIN);
    assert.ok((await gateway.status()).lastError);
    const nats = await startNats({ t, port });
    const s = await scene(t, { nats, publish: events(20), gateway: null });
    s.gateway = gateway;
    await s.untilLive(WITHIN);
    await gateway.untilReady(WITHIN);
  });

  it('is disconnected after three seconds, ages honestly, and comes back', async (t) => {
    const s = await following(t, 20);
    const start = performance.now();
    await s.nats.kill9();
    await s.gateway.untilStatus('disconnected', { deadlineMs: 3800 });
    assert.ok(performance.now() - start < 3800);
    let last = 0;
    await throughout(
      'reads go on and staleness grows',
      Math.max(0, 6000 - (performance.now() - start)),
      async () => {
        const answer = await s.gateway.get('/v1/state/customers/c-1');
        const staleness = Number(answer.headers['state-staleness']);
        const grew = staleness > last;
        last = staleness;
        return answer.status === 200 && grew && answer.headers['state-status'] === 'disconnected';
      },
      { everyMs: 100 },
    );
    assert.ok(last > 4.5, `staleness ${last}`);
    assert.equal((await s.gateway.get('/readyz')).status, 200, 'it stays ready');
    assert.equal((await s.gateway.get('/readyz?max_staleness=2')).status, 503, 'unless more is asked for');
    await s.nats.start();
    await s.publish(events(10, { from: 21 }));
    await s.untilLive(WITHIN);
  });

  it('serves what it has when it is started during an outage, with what is unknown absent', async (t) => {
    const s = await following(t, 20);
    await s.nats.stop();
    await s.gateway.restart();
    const answer = await s.gateway.get('/v1/state/customers/c-1');
    assert.equal(answer.status, 200);
    for (const header of ['state-staleness', 'state-lag', 'age'])
      assert.equal(answer.headers[header], undefined, header);
    assert.match(answer.headers['state-position'], /^STATE:20;epoch=[a-z][a-z0-9]+$/);
    assert.equal((await s.gateway.get('/readyz')).status, 503);
    await s.nats.start();
    await s.untilLive(WITHIN);
  });
});

describe('a stream that cannot be followed', () => {
  it('is waited for until it exists', async (t) => {
    const s = await scene(t, { stream: null });
    const status = await s.gateway.untilStatus('disconnected', WITHIN);
    assert.match(
      (await until('the error', async () => (await s.gateway.status()).lastError, WITHIN)) ?? status.lastError,
      /STATE|stream/,
    );
    assert.equal((await s.gateway.get('/readyz')).status, 503);
    await s.createStream();
    await s.publish(events(20));
    await s.untilLive(WITHIN);
    await s.gateway.untilReady(WITHIN);
  });

  for (const retention of ['workqueue', 'interest']) {
    it(`is refused with a clear message where retention is ${retention}`, async (t) => {
      const s = await scene(t, { stream: { retention }, publish: retention === 'workqueue' ? events(5) : [] });
      await s.gateway.untilStatus('disconnected', WITHIN);
      const message = await until('the error', async () => (await s.gateway.status()).lastError, WITHIN);
      assert.match(message, /retention|limits/i);
      assert.equal((await s.gateway.get('/readyz')).status, 503);
      if (retention === 'workqueue')
        assert.equal((await s.info()).state.messages, 5, 'nothing was taken from the queue');
    });
  }

  it('keeps its rows when it is deleted, and is followed again when it is back', async (t) => {
    const s = await following(t, 20);
    await s.client.jsm.streams.delete('STATE');
    await s.gateway.untilStatus('disconnected', WITHIN);
    assert.equal((await s.gateway.get('/v1/state/customers/c-1')).status, 200);
    await s.createStream();
    s.fold = new s.fold.constructor(s.mapping);
    await s.publish(events(3, { from: 900 }));
    await s.untilLive(WITHIN);
  });
});
