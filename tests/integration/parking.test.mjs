// Parked reads: woken by what they wait for and by nothing else, refused at their deadline, noticed when they hang up,
// bounded, and answered when the gateway stops.
// ctest-timeout: 240
// ctest-threads:

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

import { startGateway } from '../support/gateway.mjs';
import { openFiles } from '../support/process.mjs';
import { scrape } from '../support/prometheus.mjs';
import { startProxy } from '../support/proxy.mjs';
import { STATE, event, events, scene } from '../support/scene.mjs';
import { throughout, timed, until } from '../support/until.mjs';

const C1 = '/v1/state/customers/c-1';

async function live(t, { publish = [event('c-1', 1)], config } = {}) {
  const s = await scene(t, { publish, gateway: config ? { config } : {} });
  await s.gateway.untilStatus('live');
  return s;
}

const parkedCount = async (gateway) => (await scrape(gateway)).value('stategate_waits_parked');

// Waits until exactly so many are parked, as the metrics show.
const untilParked = (gateway, count, options) =>
  until(`${count} are parked`, async () => (await parkedCount(gateway)) === count, options);

const typeOf = (answer) =>
  `${answer.status} ${answer.status >= 400 ? answer.json().type.split(':').at(-1) : answer.headers['state-version']}`;

// A raw connection that sends one request, so that it can be dropped at will.
function rawGet(gateway, path) {
  return new Promise((done, failed) => {
    const socket = createConnection(gateway.port, '127.0.0.1', () => {
      socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
      done(socket);
    });
    socket.on('error', failed);
  });
}

const rawMany = (gateway, count, path) =>
  Promise.all(Array.from({ length: count }, (_, i) => rawGet(gateway, path(i))));

describe('parked reads', () => {
  it('are woken by the commit that meets them, at once', async (t) => {
    const s = await live(t);
    const times = [];
    for (let version = 2; version < 22; version++) {
      const asked = s.gateway.get(`${C1}?min_version=${version}&wait=10`);
      await untilParked(s.gateway, 1, { everyMs: 2 });
      const { ms, result } = await timed(async () => {
        await s.publish([event('c-1', version)]);
        return asked;
      });
      assert.equal(typeOf(result), `200 ${version}`);
      times.push(ms);
    }
    times.sort((a, b) => a - b);
    assert.ok(times[10] < 60, `half of them took more than ${times[10].toFixed(1)} ms`);
  });

  it('are each woken by its own entity, among many', async (t) => {
    const count = 600;
    const s = await live(t);
    const asked = Array.from({ length: count }, (_, i) =>
      s.gateway.get(`/v1/state/customers/p-${i}?min_version=2&wait=20`, { timeoutMs: 25_000 }),
    );
    await untilParked(s.gateway, count);
    let answeredCount = 0;
    asked.forEach((one) => one.then(() => answeredCount++));
    const half = (from) => Array.from({ length: count / 2 }, (_, i) => event(`p-${from + i}`, 2));
    await s.publish(half(0));
    await until('the first half has its answers', () => answeredCount === count / 2, { everyMs: 5 });
    assert.equal(await parkedCount(s.gateway), count / 2, 'the others wait on');
    await s.publish(half(count / 2));
    for (const answer of await Promise.all(asked)) assert.equal(typeOf(answer), '200 2');
    await untilParked(s.gateway, 0);
  });

  it('are all answered, as many at once as a loop keeps memory of for the next ones, and more', async (t) => {
    const kept = 1024; // EXCHANGES_KEPT_MAX of api/http/connection.c
    const config = { streams: [{ name: 'STATE', subject: 'state.{collection}.{id}' }], http: { loops: 1 } };
    const s = await live(t, { config });
    // One more is under way meanwhile: the scrape that counts them.
    for (const [round, count] of [kept - 1, kept, kept + 200, kept + 200].entries()) {
      const version = round + 2;
      const path = `${C1}?min_version=${version}&wait=30`;
      const asked = Array.from({ length: count }, () => s.gateway.get(path, { timeoutMs: 35_000 }));
      await untilParked(s.gateway, count, { deadlineMs: 20_000 });
      await s.publish([event('c-1', version)]);
      for (const answer of await Promise.all(asked)) assert.equal(typeOf(answer), `200 ${version}`);
    }
    assert.equal((await s.gateway.stop()).code, 0, s.gateway.stderr); // a sanitizer has found nothing
  });

  it('are each woken by its own position, bare or with its epoch, and by a proof', async (t) => {
    const s = await scene(t, { publish: [event('c-1', 1)], gateway: null });
    const proxy = await startProxy({ t, target: s.nats.port });
    const gateway = await startGateway({ t, nats: proxy.url });
    await gateway.untilStatus('live');
    const epoch = /epoch=(\w+)/.exec((await gateway.get('/v1/state')).headers['state-position'])[1];
    proxy.stall(); // the gateway knows nothing of what is published now
    await s.publish(events(30, { from: 2 }));
    const demands = Array.from(
      { length: 30 },
      (_, i) =>
        [`min_position=STATE:${i + 2}`, `min_position=STATE:${i + 2}%3Bepoch=${epoch}`, 'max_staleness=0'][i % 3],
    );
    const asked = demands.map((demand) => gateway.get(`${C1}?${demand}&wait=20`, { timeoutMs: 25_000 }));
    await untilParked(gateway, 30);
    proxy.flow();
    for (const [i, answer] of (await Promise.all(asked)).entries()) {
      assert.equal(answer.status, 200, `${demands[i]}: ${answer.text}`);
      const { position } = /:(?<position>\d+);/.exec(answer.headers['state-position']).groups;
      assert.ok(Number(position) >= (i % 3 === 2 ? 31 : i + 2), `${demands[i]}: ${position}`);
    }
  });

  it('are not answered before their deadline, nor later than half a second after it', async (t) => {
    const s = await live(t);
    let going = true;
    const noise = (async () => {
      for (let version = 2; going; version++) await s.publish([event('c-2', version)]);
    })();
    const waits = Array.from({ length: 60 }, (_, i) => 0.1 + (i % 12) * 0.2);
    const results = await Promise.all(
      waits.map(async (wait) => ({
        wait,
        ...(await timed(() => s.gateway.get(`${C1}?min_version=2&wait=${wait.toFixed(1)}`))),
      })),
    ).finally(() => (going = false));
    await noise;
    for (const { wait, ms, result } of results) {
      assert.equal(typeOf(result), '504 version-not-reached');
      assert.ok(ms >= wait * 1000 - 2 && ms <= wait * 1000 + 500, `${ms.toFixed(1)} ms instead of ${wait} s`);
    }
  });

  it('keep their deadline when what they wait for comes in part', async (t) => {
    const s = await live(t);
    const { ms, result } = await timed(async () => {
      const asked = s.gateway.get(`${C1}?min_version=3&max_staleness=0&wait=1`);
      await pause(300);
      await s.publish([event('c-1', 2)]);
      return asked;
    });
    assert.equal(typeOf(result), '504 version-not-reached');
    assert.equal(result.headers['state-version'], '2');
    assert.ok(ms >= 998 && ms < 1500, `${ms} ms`);
  });

  it('end with 422 when the version that they wait for is rejected', async (t) => {
    const s = await live(t);
    const asked = s.gateway.get(`${C1}?min_version=2&wait=20`, { timeoutMs: 25_000 });
    const other = s.gateway.get(`${C1}?min_version=3&wait=20`, { timeoutMs: 25_000 });
    await untilParked(s.gateway, 2);
    await s.publish([{ subject: 'state.customers.c-1', payload: Buffer.from('{"version":2,"state":[]}') }]);
    assert.equal(typeOf(await asked), '422 version-rejected');
    assert.equal(await parkedCount(s.gateway), 1);
    await s.publish([event('c-1', 3)]);
    assert.equal(typeOf(await other), '200 3');
  });

  it('end with 410 when a tombstone meets them', async (t) => {
    const s = await live(t);
    const asked = s.gateway.get(`${C1}?min_version=2&wait=20`, { timeoutMs: 25_000 });
    await untilParked(s.gateway, 1);
    await s.publish([event('c-1', 2, null, { deleted: true })]);
    const answer = await asked;
    assert.equal(typeOf(answer), '410 deleted');
    assert.equal(answer.headers['state-version'], '2');
  });

  it('that hang up are noticed within a second, and leave nothing behind', async (t) => {
    const s = await live(t);
    await untilParked(s.gateway, 0);
    const files = openFiles(s.gateway.pid).length;
    for (let round = 0; round < 3; round++) {
      const sockets = await rawMany(s.gateway, 300, (i) => `/v1/state/customers/h-${i}?min_version=1&wait=30`);
      await untilParked(s.gateway, 300);
      sockets.forEach((socket) => (round === 1 ? socket.resetAndDestroy() : socket.destroy()));
      await untilParked(s.gateway, 0, { deadlineMs: 1000, everyMs: 20 });
    }
    await until('descriptors are back', () => openFiles(s.gateway.pid).length <= files + 2, { deadlineMs: 2000 });
    assert.equal(typeOf(await s.gateway.get(`${C1}?min_version=1`)), '200 1');
  });

  it('that only close their sending side still get their answer, or are let go, and never stay', async (t) => {
    const s = await live(t);
    const socket = await rawGet(s.gateway, `${C1}?min_version=2&wait=1`);
    await untilParked(s.gateway, 1);
    socket.end();
    await untilParked(s.gateway, 0, { deadlineMs: 2000 });
  });

  it('beyond the limits are refused at once', async (t) => {
    const config = { streams: [{ name: 'STATE', subject: 'state.{collection}.{id}' }], wait: { parked_max: 20 } };
    const s = await live(t, { config });
    const sockets = await rawMany(s.gateway, 20, (i) => `/v1/state/customers/l-${i}?min_version=1&wait=30`);
    await untilParked(s.gateway, 20);
    const { ms, result } = await timed(() => s.gateway.get(`${C1}?min_version=9&wait=10`));
    assert.equal(typeOf(result), '503 too-many-waits');
    assert.match(result.headers['retry-after'], /^[1-9]\d*$/);
    assert.equal(result.headers['cache-control'], 'no-store');
    assert.ok(ms < 500, `${ms} ms`);
    assert.equal(typeOf(await s.gateway.get(`${C1}?min_version=1`)), '200 1', 'what is met does not wait');
    sockets.forEach((socket) => socket.destroy());
    await untilParked(s.gateway, 0);
    assert.equal(typeOf(await s.gateway.get(`${C1}?min_version=9&wait=0.1`)), '504 version-not-reached');
  });

  it('beyond the limit of one client are refused, and others are not', async (t) => {
    const config = {
      streams: [{ name: 'STATE', subject: 'state.{collection}.{id}' }],
      wait: { parked_max_per_client: 5 },
    };
    const s = await live(t, { config });
    const from = (localAddress, i) =>
      new Promise((done, failed) => {
        const socket = createConnection({ port: s.gateway.port, host: '127.0.0.1', localAddress }, () => {
          socket.write(`GET /v1/state/customers/m-${i}?min_version=1&wait=2 HTTP/1.1\r\nHost: localhost\r\n\r\n`);
        });
        socket.on('error', failed);
        socket.once('data', (bytes) => (socket.destroy(), done(bytes.toString('latin1').split(' ')[1])));
      });
    const first = Array.from({ length: 5 }, (_, i) => from('127.0.0.1', i));
    await untilParked(s.gateway, 5);
    assert.equal(await from('127.0.0.1', 5), '503');
    const other = from('127.0.0.2', 6);
    await untilParked(s.gateway, 6);
    assert.equal(await other, '504');
    assert.deepEqual(await Promise.all(first), Array(5).fill('504'));
  });

  it('get 503 when the gateway is told to end, which it does', async (t) => {
    const s = await live(t);
    const asked = Array.from({ length: 200 }, (_, i) =>
      s.gateway.get(`/v1/state/customers/s-${i}?min_version=1&wait=30`, { timeoutMs: 35_000 }),
    );
    await untilParked(s.gateway, 200);
    s.gateway.running.child.kill('SIGTERM');
    for (const answer of await Promise.all(asked)) {
      assert.equal(answer.status, 503, answer.text);
      assert.match(answer.headers['retry-after'], /^[1-9]\d*$/);
    }
    const exit = await s.gateway.running.exited;
    assert.equal(exit.code, 0, s.gateway.stderr);
  });

  it('hold no read transaction: the WAL begins anew', async (t) => {
    // So small a database has a WAL of 64 pages: a snapshot that is held would let it grow.
    const config = { streams: [STATE], database_max_bytes: '1MiB' };
    const s = await live(t, { config });
    const wal = `${s.gateway.database}-wal`;
    const salts = () => readFileSync(wal).subarray(16, 24).toString('hex');
    const sockets = await rawMany(s.gateway, 50, (i) => `/v1/state/customers/w-${i}?min_version=1&wait=30`);
    await untilParked(s.gateway, 50);
    const before = salts();
    for (let from = 10; salts() === before; from += 20) {
      assert.ok(from < 2000, 'the WAL grows, and does not begin anew');
      await s.publish(events(20, { from }));
      await s.untilEqual();
    }
    assert.equal(await parkedCount(s.gateway), 50);
    sockets.forEach((socket) => socket.destroy());
  });

  it('cost nothing while they wait: no polling', async (t) => {
    const s = await live(t);
    const sockets = await rawMany(s.gateway, 500, (i) => `/v1/state/customers/q-${i}?min_version=1&wait=30`);
    await untilParked(s.gateway, 500);
    const cpu = async () => (await scrape(s.gateway)).value('process_cpu_seconds_total');
    await pause(300);
    const earlier = await cpu();
    await throughout('they stay parked', 2000, async () => (await parkedCount(s.gateway)) === 500, { everyMs: 1000 });
    const used = (await cpu()) - earlier;
    assert.ok(used < 0.3, `${used} s of processor in 2 s`);
    sockets.forEach((socket) => socket.destroy());
  });

  it('are let go by a broker that was lost and is back: nothing is missed', async (t) => {
    const s = await live(t);
    const asked = s.gateway.get(`${C1}?min_version=2&wait=25`, { timeoutMs: 30_000 });
    const fresh = s.gateway.get(`${C1}?min_version=2&max_staleness=0&wait=25`, { timeoutMs: 30_000 });
    await untilParked(s.gateway, 2);
    await s.nats.restart();
    await until('published', () => s.publish([event('c-1', 2)]));
    assert.equal(typeOf(await asked), '200 2');
    assert.equal(typeOf(await fresh), '200 2');
  });
});
