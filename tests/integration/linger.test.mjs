// A connection that the gateway ends: its client gets all answers before it, whatever it is still sending.
// ctest-threads:

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, it } from 'node:test';

import { openSockets } from '../support/memory.mjs';
import { scrape } from '../support/prometheus.mjs';
import { readAnswers } from '../support/raw_http.mjs';
import { scene } from '../support/scene.mjs';
import { timed, until } from '../support/until.mjs';

const LARGE = 'GET /openapi.yaml HTTP/1.1\r\nHost: localhost\r\n\r\n';
const LARGE_ONES = { route: '/openapi.yaml', code: '200' };
const POST = 'POST /v1/state HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\n';
const REFUSED = {
  'a method with a body': [POST, 405],
  'what is not HTTP': ['GET / HTTP/1.1\r\nHost : localhost\r\n\r\n', 400],
};
const MIB = 1 << 20;
const REST = 'x'.repeat(100_000); // more than the gateway reads, and no more than the kernel takes at once
const ONE_LOOP = { gateway: { config: { http: { loops: 1 } } } };

// Sends it all without reading anything; gives the socket.
async function send(t, port, bytes, options = {}) {
  const socket = connect({ port, host: '127.0.0.1', ...options });
  t.after(() => socket.destroy());
  socket.pause();
  await new Promise((done) => socket.once('connect', done));
  socket.write(bytes);
  return socket;
}

// The connections that the gateway counts, besides the one that asks.
const connections = async (gateway) =>
  (await scrape(gateway)).value('stategate_http_connections', { listener: 'main' }) - 1;

const requests = async (gateway, labels) => (await scrape(gateway)).sum('stategate_http_requests_total', labels);

describe('a client that is refused while it is sending', () => {
  for (const [what, [request, status]] of Object.entries(REFUSED)) {
    it(`gets all its answers: ${what}`, async (t) => {
      const { gateway } = await scene(t, ONE_LOOP);
      const socket = await send(t, gateway.port, LARGE.repeat(2) + request + REST);
      await until('those before it are answered', async () => (await requests(gateway, LARGE_ONES)) === 2);
      await until('it has been ended', async () => (await connections(gateway)) === 0);
      const chunks = [];
      let failed = null;
      socket.on('data', (chunk) => chunks.push(chunk));
      socket.on('error', (error) => (failed = error));
      const over = new Promise((done) => socket.once('close', done));
      socket.resume();
      await over;
      const { answers, rest } = readAnswers(Buffer.concat(chunks));
      assert.deepEqual([answers.map((answer) => answer.status), rest.length, failed], [[200, 200, status], 0, null]);
    });
  }

  it('is not waited for: a second later its descriptor is free, and a stop takes no longer', async (t) => {
    const config = { http: { loops: 1 }, shutdown: { drain: '60s' } };
    const { gateway } = await scene(t, { gateway: { config } });
    await gateway.untilStatus('live');
    const before = openSockets(gateway.pid);
    for (let i = 0; i < 100; i++) await send(t, gateway.port, REFUSED['what is not HTTP'][0]);
    await until('none lingers', () => openSockets(gateway.pid) <= before, { deadlineMs: 10_000 });
    await send(t, gateway.port, POST);
    const { ms, result } = await timed(() => gateway.stop());
    assert.equal(result.code, 0);
    assert.ok(ms < 20_000, `${ms} ms`); // shutdown.drain is longer
  });

  it('leaves its place to others', async (t) => {
    const { gateway } = await scene(t, { gateway: { config: { http: { loops: 1, connections_max: 20 } } } });
    await gateway.untilStatus('live');
    const before = openSockets(gateway.pid);
    for (let i = 0; i < 15; i++) await send(t, gateway.port, POST);
    await until('they are refused', async () => (await requests(gateway, { code: '405' })) === 15);
    await until('they have been ended', async () => (await connections(gateway)) === 0);
    // With the one that asks.
    for (let i = 0; i < 19; i++) await send(t, gateway.port, 'GET / HTTP/1.1\r\n');
    await until('there is no room', async () => (await connections(gateway)) === 19);
    assert.equal(openSockets(gateway.pid), before + 19);
  });

  it('does not count for its client any more', async (t) => {
    const config = { listen_ops: '127.0.0.1:0', http: { loops: 1, connections_max_per_client: 1 } };
    const { gateway } = await scene(t, { gateway: { config } });
    await send(t, gateway.port, POST);
    const metrics = () => scrape(gateway, { address: gateway.opsAddress });
    const ended = async () => {
      const m = await metrics();
      const refused = m.sum('stategate_http_requests_total', { code: '405' });
      return refused === 1 && m.value('stategate_http_connections', { listener: 'main' }) === 0;
    };
    await until('it has been ended', ended);
    assert.equal((await gateway.get('/livez')).status, 200);
  });

  it('may send 8 MiB, and no more', async (t) => {
    const { gateway } = await scene(t, ONE_LOOP);
    // The end of what it gets is not yet that of what it sends.
    const socket = await send(t, gateway.port, REFUSED['what is not HTTP'][0], { allowHalfOpen: true });
    socket.on('error', () => {});
    socket.resume();
    const more = () => {
      while (!socket.destroyed && socket.write(REST));
    };
    socket.on('drain', more);
    more();
    await until('it is cut off', () => socket.destroyed, { everyMs: 1 });
    const sent = socket.bytesWritten;
    assert.ok(sent > 8 * MIB && sent < 80 * MIB, `${sent} bytes`); // with what the kernel holds
    assert.equal((await gateway.get('/livez')).status, 200);
  });
});
