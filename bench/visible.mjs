// Publish to visible: how long a read that demands the position of its own, just acknowledged write takes, beside a
// kvStore_Get after a kvStore_Put on the same nats-server, in turn, so many times a second each.
//
// usage: node bench/visible.mjs [--runs N] [--writes N] [--rate N] [--entities N] [--no-pin] [--json FILE]
//
// A run is WRITES of each. Gateway and nats-server share one processor, and the client has the others, as if it were
// another machine; with --no-pin it is often woken on the processor of the server that answers it. Needs the release
// build.

import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { startNats } from '../tests/support/nats.mjs';
import { arrangeProcessors, benchProgram, machine, quantile, STATEGATE } from './machine.mjs';
import { BUCKET, fillBucket } from './peers.mjs';
import { visibleGoals, visibleTable } from './tables.mjs';
import { fillStream, startFollower, stopReader } from './world.mjs';

const VISIBLE = benchProgram('bench_visible');

// Writes and reads targets in turn; {TARGET: {publish: [ms], read: [ms], stale}}. A target is kv:BUCKET or http:PORT.
export function writeAndRead(nats, { writes, rate, entities, targets }) {
  const args = [nats.url, writes, rate, entities, ...targets].map(String);
  const text = execFileSync(VISIBLE, args, { encoding: 'utf8', maxBuffer: 1 << 28 });
  const found = Object.fromEntries(targets.map((target) => [target, { publish: [], read: [], stale: 0 }]));
  for (const [kind, target, first, second] of text.trimEnd().split('\n').map((line) => line.split('\t'))) {
    if (kind === 'stale') {
      found[target].stale = Number(first);
      continue;
    }
    found[target].publish.push(first / 1e6);
    found[target].read.push(second / 1e6);
  }
  return found;
}

// Quantiles of one target, in milliseconds.
function summary({ publish, read, stale }) {
  const of = (values) => ({ p50: quantile(values, 0.5), p99: quantile(values, 0.99), worst: Math.max(...values) });
  const whole = publish.map((ms, i) => ms + read[i]);
  return { publish: of(publish), read: of(read), whole: of(whole), stale };
}

async function run(nats, gateway, options) {
  const gatewayTarget = `http:${gateway.port}`;
  const bucketTarget = `kv:${BUCKET}`;
  const found = writeAndRead(nats, { ...options, targets: [gatewayTarget, bucketTarget] });
  const made = { gateway: summary(found[gatewayTarget]), bucket: summary(found[bucketTarget]) };
  const text = ({ p50, p99, worst }) => `p50 ${p50.toFixed(2)}, p99 ${p99.toFixed(2)}, worst ${worst.toFixed(2)} ms`;
  console.error(`gateway: ${text(made.gateway.read)}; kvStore_Get: ${text(made.bucket.read)}`);
  return made;
}

async function main() {
  const { values } = parseArgs({
    options: {
      runs: { type: 'string', default: '5' },
      writes: { type: 'string', default: '2000' },
      rate: { type: 'string', default: '500' },
      entities: { type: 'string', default: '100000' },
      'no-pin': { type: 'boolean', default: false },
      json: { type: 'string' },
    },
  });
  const [writes, rate, entities] = [values.writes, values.rate, values.entities].map(Number);
  const processors = arrangeProcessors(!values['no-pin']);
  const nats = await startNats({ through: processors.alone });
  processors.leave();
  let gateway;
  try {
    await fillStream(nats, entities);
    await fillBucket(await nats.client(), entities);
    const [bin, args] = processors.alone(STATEGATE);
    gateway = await startFollower({ nats, bin, args });
    await gateway.untilPosition(entities, { deadlineMs: 120_000 });
    await gateway.untilStatus('live', { deadlineMs: 30_000 });
    writeAndRead(nats, { writes: 200, rate, entities, targets: [`http:${gateway.port}`, `kv:${BUCKET}`] }); // warm
    const runs = [];
    for (let i = 0; i < Number(values.runs); i++) runs.push(await run(nats, gateway, { writes, rate, entities }));
    const report = { machine: machine(), writes, rate, entities, pinned: processors.pinned, runs };
    report.goals = visibleGoals(report);
    console.log(visibleTable(report));
    if (values.json) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
  } finally {
    if (gateway) await stopReader(gateway);
    await nats.stop();
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
