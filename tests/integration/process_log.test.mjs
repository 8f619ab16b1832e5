// Standard error that nobody reads, or that is not there: the gateway goes on, says what it dropped, and ends.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { startGateway } from '../support/gateway.mjs';
import { startNats } from '../support/nats.mjs';
import { freePort } from '../support/ports.mjs';
import { end, program, tempFolder } from '../support/process.mjs';
import { scrape } from '../support/prometheus.mjs';
import { startProxy } from '../support/proxy.mjs';
import { event, scene } from '../support/scene.mjs';
import { until } from '../support/until.mjs';

// The sanitizers of the other build have handlers of their own.
const RELEASE = program('STATEGATE_RELEASE_BIN', 'build/release/stategate');
const RING_BYTES = 128 * 1024; // LOG_RING_BYTES

// A pipe without a reader: {fd, fill(), read()}.
function deafPipe(t) {
  const path = join(tempFolder(t, 'pipe'), 'stderr');
  execFileSync('mkfifo', [path]);
  const fd = openSync(path, constants.O_RDWR); // both ends: it is never closed on either side
  const own = openSync(path, constants.O_RDWR | constants.O_NONBLOCK);
  t.after(() => [fd, own].forEach(closeSync));
  return {
    fd,
    fill() {
      const bytes = Buffer.alloc(4096, '.');
      bytes[4095] = 10;
      for (let size = bytes.length; size > 0; size = size > 1 ? Math.floor(size / 2) : 0) {
        try {
          for (;;) writeSync(own, bytes, bytes.length - size, size);
        } catch (error) {
          if (error.code !== 'EAGAIN') throw error;
        }
      }
    },
    read() {
      const bytes = Buffer.alloc(65_536);
      try {
        return bytes.toString('utf8', 0, readSync(own, bytes));
      } catch (error) {
        if (error.code !== 'EAGAIN') throw error;
        return '';
      }
    },
  };
}

// Streams with long names behind a proxy: each cut makes a few hundred bytes of log for each of them.
const NAMES = Array.from({ length: 24 }, (_, i) => `${'N'.repeat(240)}-${i}`);
const STREAMS = NAMES.map((name, i) => ({ name, subject: `s${i}.{id}`, collection: `c${i}` }));

async function world(t) {
  const nats = await startNats({ t });
  const client = await nats.client();
  for (const { name } of STREAMS)
    await client.jsm.streams.add({ name, subjects: [`s${NAMES.indexOf(name)}.>`], storage: 'memory' });
  const proxy = await startProxy({ t, target: nats.port });
  const pipe = deafPipe(t);
  const gateway = await startGateway({
    t,
    nats: `nats://127.0.0.1:${proxy.port}`,
    listen: `127.0.0.1:${await freePort()}`,
    config: { streams: STREAMS },
    stderr: pipe.fd,
  });
  const dropped = async () => (await scrape(gateway)).value('stategate_log_dropped_total');
  return { client, proxy, pipe, gateway, dropped };
}

describe('standard error that nobody reads', () => {
  it('stops nothing: events are applied, drops are counted, and SIGTERM ends it', async (t) => {
    const { client, proxy, pipe, gateway, dropped } = await world(t);
    await gateway.untilReady();
    pipe.fill();
    const publish = async (n) => {
      for (let i = 0; i < STREAMS.length; i++)
        await client.js.publish(`s${i}.x`, JSON.stringify({ version: n, state: { n } }));
      await until(`version ${n} of all streams`, async () => {
        const { streams } = (await gateway.get('/v1/status')).json();
        return streams.every(({ position, status }) => position >= n && status === 'live');
      });
    };
    let round = 1;
    await publish(round);
    // Enough lines for the ring, and more.
    await until(
      'lines are dropped',
      async () => {
        proxy.cut();
        await publish((round += 1));
        return (await dropped()) > 0;
      },
      { deadlineMs: 60_000, hard: true },
    );
    const lines = await dropped();
    const started = performance.now();
    assert.deepEqual(await gateway.stop(), { code: 0, signal: null });
    const took = performance.now() - started;
    assert.ok(took < 5000, `it ended after ${took} ms; ${lines} lines were dropped in ${round} rounds`);
  });

  it('gets the lines in order once somebody reads, and how many are missing', async (t) => {
    const { proxy, pipe, gateway, dropped } = await world(t);
    await gateway.untilReady();
    pipe.fill();
    let cuts = 0;
    await until(
      'lines are dropped',
      async () => {
        proxy.cut();
        cuts += 1;
        await gateway.untilReady();
        await gateway.untilStatus('live', { stream: NAMES[0] });
        return (await dropped()) > 0;
      },
      { deadlineMs: 60_000, everyMs: 200, hard: true },
    );
    let text = '';
    const told = () =>
      [...text.matchAll(/"event":"log_dropped","lines":(\d+)/g)].reduce((sum, [, n]) => sum + Number(n), 0);
    await until('all that were dropped are told of', async () => {
      text += pipe.read();
      return told() > 0 && told() === (await dropped());
    });
    const lines = text.split('\n').filter((line) => line.startsWith('{'));
    const entries = lines.map((line) => JSON.parse(line)); // each is whole
    for (const name of NAMES) {
      const times = entries.filter(({ stream }) => stream === name).map(({ time }) => time);
      assert.ok(times.length > 1 && times.every((time, i) => i === 0 || times[i - 1] <= time), `in order: ${times}`);
    }
    assert.ok(lines.join('\n').length > RING_BYTES * 0.9, `${lines.length} lines were kept`);
    assert.ok(cuts > 1);
  });
});

describe('what is logged at the end', () => {
  it('is written before the process ends', async (t) => {
    const s = await scene(t, { publish: [event('1', 1)] });
    await s.untilLive();
    await s.gateway.stop();
    assert.equal(s.gateway.log.at(-1).event, 'stopped');
  });

  it('is written, and the process still dies by the signal that it met', async (t) => {
    const s = await scene(t, { publish: [event('1', 1)], gateway: { bin: RELEASE } });
    await s.untilLive();
    await s.nats.stop();
    await s.gateway.untilLogged('stream_interrupted');
    assert.deepEqual(await end(s.gateway.running, 'SIGABRT'), { code: null, signal: 'SIGABRT' });
  });

  it('is written when the start fails', async (t) => {
    const refused = await startGateway({ t, nats: 'nats://127.0.0.1:9', database: '/nowhere/x.db', expectExit: true });
    assert.equal(refused.code, 1);
    assert.equal(refused.log.at(-1).event, 'start_failed');
  });
});
