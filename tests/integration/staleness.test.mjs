// Staleness is never understated: not while the server stands still, not while the connection is cut, not by a
// reconnect alone, and not by a wall clock that jumps.
// ctest-serial

import assert from 'node:assert/strict';
import { createConnection, createServer } from 'node:net';
import { describe, it } from 'node:test';

import { startGateway } from '../support/gateway.mjs';
import { scrape } from '../support/prometheus.mjs';
import { event, events, scene } from '../support/scene.mjs';
import { throughout, until } from '../support/until.mjs';
import { wallClock } from '../support/wallclock.mjs';

const WITHIN = { deadlineMs: 5000 };

async function read(gateway, path = '/v1/state/customers/c-1') {
  const asked = performance.now();
  const { headers, status } = await gateway.get(path);
  const answered = performance.now();
  const known = headers['state-staleness'] !== undefined;
  return {
    asked,
    answered,
    status,
    known,
    staleness: Number(headers['state-staleness']),
    word: headers['state-status'],
    lag: headers['state-lag'],
  };
}

// A TCP relay between gateway and server that can stall (bytes wait) or be cut.
async function relay(t, target) {
  const pairs = new Set();
  let stalled = false;
  const server = createServer((near) => {
    const far = createConnection(target, '127.0.0.1');
    const pair = [near, far];
    pairs.add(pair);
    near.pipe(far).pipe(near);
    for (const socket of pair) {
      socket.on('error', () => {});
      socket.on('close', () => pair.forEach((other) => other.destroy()) ?? pairs.delete(pair));
      if (stalled) socket.pause();
    }
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const each = (action) => pairs.forEach((pair) => pair.forEach(action));
  t.after(() => {
    each((socket) => socket.destroy());
    server.close();
  });
  return {
    url: `nats://127.0.0.1:${server.address().port}`,
    stall() {
      stalled = true;
      each((socket) => socket.unpipe() && socket.pause());
    },
    cut: () => each((socket) => socket.destroy()),
    flow() {
      stalled = false;
      this.cut();
    },
  };
}

describe('staleness', () => {
  it('of a quiet stream stays small: idle probes prove it again and again', async (t) => {
    const s = await scene(t, { publish: events(10) });
    await s.untilLive();
    await throughout('it is live and fresh', 4000, async () => {
      const { word, staleness, lag } = await read(s.gateway);
      return word === 'live' && staleness <= 2.5 && lag === '0';
    });
  });

  it('grows while the server stands still, by the seconds that pass, and reads go on', async (t) => {
    const s = await scene(t, { publish: events(10) });
    await s.untilLive();
    const stopped = performance.now();
    s.nats.pause();
    let disconnectedAfter;
    let last = 0;
    await throughout('never younger than the stop', 5500, async () => {
      const answer = await read(s.gateway);
      // A proof was asked for before the stop at the latest, give or take the question that was on its way.
      const least = (answer.asked - stopped) / 1000 - 0.05;
      assert.ok(answer.known && answer.staleness >= least, `${answer.staleness} s shown, ${least} s passed`);
      assert.ok(answer.staleness >= last - 0.001, 'it does not shrink');
      last = answer.staleness;
      if (answer.word === 'disconnected') disconnectedAfter ??= answer.answered - stopped;
      return answer.status === 200;
    });
    assert.ok(disconnectedAfter > 1500 && disconnectedAfter < 3800, `disconnected after ${disconnectedAfter} ms`);
    assert.equal((await read(s.gateway)).word, 'disconnected');
    s.nats.resume();
    await s.gateway.untilStatus('live', WITHIN);
    await until('fresh again', async () => (await read(s.gateway)).staleness < 2, WITHIN);
  });

  it('tells nothing newer than what is applied: events published meanwhile are not claimed', async (t) => {
    const s = await scene(t, { publish: events(10) });
    const link = await relay(t, s.nats.port);
    const gateway = await startGateway({ t, nats: link.url });
    await gateway.untilStatus('live', WITHIN);
    link.stall();
    const published = performance.now();
    await s.publish([event('c-1', 1000, { late: true })]);
    await throughout('the old row is shown with an age that admits it', 4500, async () => {
      const answer = await gateway.get('/v1/state/customers/c-1');
      const age = (performance.now() - published) / 1000;
      // Shown without the event, it must be at least as old as the event is (which was asked for before).
      return answer.headers['state-version'] === '1000' || Number(answer.headers['state-staleness']) >= age - 0.1;
    });
    link.flow();
    await until(
      'the event',
      async () => (await gateway.get('/v1/state/customers/c-1')).headers['state-version'] === '1000',
      WITHIN,
    );
    await gateway.untilStatus('live', WITHIN);
  });

  it('is not reset by a connection alone: a reconnect proves nothing', async (t) => {
    const s = await scene(t, { publish: events(10) });
    const link = await relay(t, s.nats.port);
    const gateway = await startGateway({ t, nats: link.url });
    await gateway.untilStatus('live', WITHIN);
    link.stall();
    const start = performance.now();
    await gateway.untilStatus('disconnected', { deadlineMs: 4000 });
    link.cut(); // connects again, to a relay that passes nothing
    await throughout('it goes on growing', 2500, async () => {
      const { staleness } = await read(gateway);
      return staleness >= (performance.now() - start) / 1000 - 0.1;
    });
    link.flow();
    await gateway.untilStatus('live', WITHIN);
  });

  it('is unknown while the applier is behind every head that was ever seen, whatever the probes say', async (t) => {
    const count = 60_000;
    const s = await scene(t, { publish: events(count, { ids: count }), gateway: null });
    s.gateway = await startGateway({ t, nats: s.nats });
    let behind = 0;
    await until(
      'it has caught up',
      async () => {
        const { status, staleness, lag, position, head } = await s.gateway.status();
        if (lag !== undefined) assert.equal(lag, Math.max(0, head - position));
        if (position < count) {
          behind++;
          assert.equal(staleness, undefined, `at ${position} of ${count}`);
          assert.notEqual(status, 'live');
        }
        return position === count && status === 'live';
      },
      { deadlineMs: 30_000, everyMs: 5, hard: true },
    );
    assert.ok(behind > 3, `seen behind ${behind} times`);
  });

  it('is unknown until something is proved, and stays so without a broker', async (t) => {
    const gateway = await startGateway({ t, nats: 'nats://127.0.0.1:9' });
    await throughout('nothing is claimed', 1500, async () => {
      const { headers } = await gateway.get('/v1/state');
      const { streams } = (await gateway.get('/v1/status')).json();
      return (
        !('state-staleness' in headers) &&
        !('state-lag' in headers) &&
        !('age' in headers) &&
        !('staleness' in streams[0]) &&
        !('lag' in streams[0])
      );
    });
  });

  it('does not follow the wall clock, which may jump', async (t) => {
    const clock = await wallClock(t);
    const s = await scene(t, { publish: events(10), gateway: { env: clock.env } });
    await s.untilLive();
    let from = 11;
    for (const seconds of [3600, 0, 86_400, 0]) {
      clock.move(seconds);
      await until(
        'the gateway sees the other time',
        async () => {
          const seen = Date.parse((await s.gateway.get('/livez')).headers.date);
          return Math.abs(seen - Date.now() - seconds * 1000) < 5000;
        },
        WITHIN,
      );
      await throughout('staleness counts the seconds that pass', 1500, async () => {
        const { known, staleness, word } = await read(s.gateway);
        return known && staleness < 4 && word === 'live';
      });
      await s.publish(events(10, { from }));
      from += 10;
      await s.untilLive();
    }
    assert.ok((await scrape(s.gateway)).value('stategate_stream_staleness_seconds', { stream: 'STATE' }) < 4);
  });
});
