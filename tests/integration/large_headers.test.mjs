// Headers of messages take memory as well, and short ones many times their length once they are read. However many
// there are, what waits to be applied stays within 64 MiB of a stream.
// ctest-timeout: 300
// ctest-serial

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { headers } from '@nats-io/nats-core';

import { startGateway } from '../support/gateway.mjs';
import { inMegabytes, residentBytes } from '../support/memory.mjs';
import { NATS_SERVER, NATS_SERVER_NEWEST, startNats } from '../support/nats.mjs';
import { program } from '../support/process.mjs';
import { scrape } from '../support/prometheus.mjs';
import { event, scene } from '../support/scene.mjs';
import { throughout, until } from '../support/until.mjs';

const RELEASE = program('STATEGATE_RELEASE_BIN', 'build/release/stategate'); // no sanitizer's memory is counted
const MIB = 1024 * 1024;
const LIMIT = 64 * MIB; // QUEUE_BYTES_MAX, and as much in the connection

// As many short ones as fit into so many bytes; JetStream takes 64 KiB.
function shortHeaders(limit) {
  const made = headers();
  let bytes = 'NATS/1.0\r\n\r\n'.length;
  for (let i = 0; ; i++) {
    const name = `a${i.toString(36)}`;
    bytes += name.length + ': b\r\n'.length;
    if (bytes > limit) return made;
    made.append(name, 'b');
  }
}

// What is published: more than is to wait at a time.
const KINDS = {
  '1,024 messages with the most and the shortest headers': { count: 1024, headerBytes: 65_000 },
  '100,000 messages with a few short headers': { count: 100_000, headerBytes: 250 },
  '1,500 messages of 64 KiB': { count: 1500, headerBytes: 0, pad: 65_000 },
};

async function publish(s, { count, headerBytes, pad = 0 }) {
  const options = { headers: headerBytes > 0 ? shortHeaders(headerBytes) : undefined, timeout: 60_000 };
  const state = pad > 0 ? { pad: 'x'.repeat(pad) } : undefined;
  for (let first = 0; first < count; first += 500) {
    const batch = Array.from({ length: Math.min(500, count - first) }, (_, i) => event(`h-${first + i}`, 1, state));
    await Promise.all(batch.map(({ subject, payload }) => s.client.js.publish(subject, payload, options)));
  }
}

const queueBytes = async (gateway) =>
  (await scrape(gateway)).value('stategate_stream_queue_bytes', { stream: 'STATE' });

const SETTLED_MS = 6000; // all that may wait is there by then

for (const [version, bin] of Object.entries({
  'the server of the distribution': NATS_SERVER,
  'the newest server': NATS_SERVER_NEWEST,
})) {
  describe(`of a stream of ${version}`, () => {
    for (const [what, kind] of Object.entries(KINDS)) {
      it(`${what} wait within 64 MiB while nothing can be stored, and go on`, async (t) => {
        const nats = await startNats({ t, bin });
        const s = await scene(t, { nats, publish: [event('c-1', 1)], gateway: null });
        s.gateway = await startGateway({ t, nats, bin: RELEASE, config: { database_max_bytes: '1MiB' } });
        await s.gateway.untilPosition(1);
        const bulky = event('c-2', 1, { pad: 'x'.repeat(1_040_000) });
        await s.client.js.publish(bulky.subject, bulky.payload);
        await s.gateway.untilStatus('halted', { deadlineMs: 10_000 });
        const before = residentBytes(s.gateway.pid);
        await publish(s, kind);
        const most = { queue: 0, resident: 0 };
        await throughout('it waits', SETTLED_MS, async () => {
          most.queue = Math.max(most.queue, (await queueBytes(s.gateway)) ?? 0);
          most.resident = Math.max(most.resident, residentBytes(s.gateway.pid) - before);
          return true;
        });
        t.diagnostic(`queue ${inMegabytes(most.queue)}, resident ${inMegabytes(most.resident)} more`);
        assert.ok(most.resident <= LIMIT, `${inMegabytes(most.resident)} more are resident`);
        assert.ok(most.queue > 0 && most.queue <= LIMIT, `the queue held ${inMegabytes(most.queue)}`);
        await s.gateway.restart({ config: { database_max_bytes: '1GiB' } });
        await s.gateway.untilPosition(2 + kind.count, { deadlineMs: 60_000 });
        await until('nothing waits', async () => (await queueBytes(s.gateway)) === 0);
      });
    }
  });
}
