// What signals do: SIGTERM ends the process in every state, after the time that it may serve on; others do not kill it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { describe, it } from 'node:test';

import { cleanEnvironment, startGateway } from '../support/gateway.mjs';
import { end, signal, start } from '../support/process.mjs';
import { event, events, scene } from '../support/scene.mjs';
import { throughout, until } from '../support/until.mjs';

const NOWHERE = 'nats://127.0.0.1:9';

// Servers that accept connections and never say a word.
async function deadServers(t, count) {
  const sockets = [];
  const servers = Array.from({ length: count }, () =>
    createServer((socket) => sockets.push(socket.on('error', () => {}))),
  );
  t.after(() => [...servers.map((server) => server.close()), ...sockets.map((socket) => socket.destroy())]);
  for (const server of servers) await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { url: servers.map((server) => `nats://127.0.0.1:${server.address().port}`).join(','), sockets };
}

// The connections of its own are closed after each answer, so that each needs a new one.
const fresh = (gateway, path) => gateway.get(path, { headers: { Connection: 'close' } });

describe('signals that are not meant to end it', () => {
  it('do not', async (t) => {
    const s = await scene(t, { publish: events(3) });
    await s.untilLive();
    const { pid } = s.gateway;
    const timers = ['ALRM', 'VTALRM', 'PROF'];
    const others = ['IO', 'PIPE', 'XFSZ', 'PWR', 'STKFLT', 'RTMIN', 'RTMAX', 'WINCH', 'CHLD'];
    const ignored = ['HUP', 'USR1', 'USR2', ...timers, ...others];
    for (const name of ignored) execFileSync('/bin/bash', ['-c', `kill -s ${name} ${pid}`]);
    const reported = await s.gateway.untilLogged('signal_ignored', { count: 2 });
    assert.deepEqual(reported.map((line) => line.signal).sort(), ['SIGHUP', 'SIGUSR1']);
    await s.publish(events(3, { from: 4 }));
    await s.untilLive();
    assert.deepEqual(await s.gateway.stop(), { code: 0, signal: null });
  });
});

describe('shutdown.delay', () => {
  const config = { shutdown: { delay: '3s' } };

  it('is not ready at once, and new connections are accepted and answered, waits too, until it is over', async (t) => {
    const s = await scene(t, { publish: events(3), gateway: { config: { ...config, listen_ops: '127.0.0.1:0' } } });
    await s.gateway.untilReady();
    const began = performance.now();
    signal(s.gateway.running.child, 'SIGTERM');
    await until('it is not ready', async () => (await fresh(s.gateway, '/readyz')).status === 503, {
      deadlineMs: 1000,
    });
    assert.match((await fresh(s.gateway, '/readyz')).text, /^no the process is stopping$/m);
    assert.equal((await s.gateway.get('/readyz', { address: s.gateway.opsAddress })).status, 503);
    const waits = s.gateway.get('/v1/state/customers/late?min_version=1&wait=2');
    await until('it waits', async () => /^stategate_waits_parked 1$/m.test((await fresh(s.gateway, '/metrics')).text));
    await s.publish([event('late', 1)]);
    assert.equal((await waits).status, 200);
    while (performance.now() - began < 2500)
      assert.equal((await fresh(s.gateway, '/v1/state/customers/c-1')).status, 200);
    assert.deepEqual(await s.gateway.running.exited, { code: 0, signal: null });
    const took = performance.now() - began;
    assert.ok(took >= 2990, `it ended after ${took} ms`);
  });

  it('is ended by a second SIGTERM', async (t) => {
    const gateway = await startGateway({ t, nats: NOWHERE, config: { shutdown: { delay: '1h' } } });
    signal(gateway.running.child, 'SIGTERM');
    assert.equal((await gateway.untilLogged('stopping')).length, 1);
    await throughout('it serves', 500, async () => (await fresh(gateway, '/livez')).status === 200);
    assert.deepEqual(await gateway.stop(), { code: 0, signal: null });
  });
});

describe('shutdown.drain', () => {
  it('bounds how long a request that came may take', async (t) => {
    const gateway = await startGateway({ t, nats: NOWHERE, config: { shutdown: { drain: '300ms' } } });
    const text = 'GET /livez HTTP/1.1\r\nHost: localhost\r\n'; // and no end
    const [host, port] = gateway.address.split(':');
    const socket = createConnection(Number(port), host).on('error', () => {});
    socket.write(text);
    for (let i = 0; i < 20; i++) await gateway.get('/livez');
    const began = performance.now();
    assert.deepEqual(await gateway.stop(), { code: 0, signal: null });
    const took = performance.now() - began;
    assert.ok(took >= 290 && took < 4000, `it ended after ${took} ms`);
  });
});

describe('SIGTERM', () => {
  it('during an outage waits for no dead server', async (t) => {
    const { url, sockets } = await deadServers(t, 4);
    const gateway = await startGateway({ t, nats: url });
    await until('it connects to one', () => sockets.length > 0);
    const began = performance.now();
    assert.deepEqual(await gateway.stop(), { code: 0, signal: null });
    const took = performance.now() - began;
    assert.ok(took < 1500, `it ended after ${took} ms`);
    assert.equal(gateway.log.at(-1).event, 'stopped');
  });

  it('while a broker that was there hangs leaves a database in order', async (t) => {
    const s = await scene(t, { publish: events(200) });
    await s.untilLive();
    signal(s.nats.running.child, 'SIGSTOP');
    await s.gateway.untilStatus('disconnected');
    const began = performance.now();
    assert.deepEqual(await s.gateway.stop(), { code: 0, signal: null });
    const took = performance.now() - began;
    signal(s.nats.running.child, 'SIGCONT');
    assert.ok(took < 1500, `it ended after ${took} ms`);
    await s.gateway.start();
    await s.untilLive();
    assert.equal((await s.gateway.untilLogged('database_open'))[0].state, 'existing');
  });

  it('while the start hangs in a file ends it', async (t) => {
    const s = await scene(t, { publish: events(20) });
    await s.untilLive();
    await s.gateway.stop();
    rmSync(`${s.gateway.database}-wal`, { force: true });
    execFileSync('mkfifo', [`${s.gateway.database}-wal`]); // whoever opens it waits for a writer
    const running = start(s.gateway.bin, s.gateway.commandLine(), { env: cleanEnvironment() });
    t.after(() => end(running, 'SIGKILL'));
    const waits = () => readFileSync(`/proc/${running.pid}/wchan`, 'utf8') === 'wait_for_partner';
    await until('it hangs', waits, { deadlineMs: 5000 });
    assert.deepEqual(await end(running, 'SIGTERM', 4000), { code: 0, signal: null });
    assert.match(running.stderr, /"event":"stopping","signal":"SIGTERM","during":"the start"/);
  });
});
