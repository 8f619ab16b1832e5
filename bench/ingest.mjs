// Ingest: how fast the gateway builds its rows from a stream that is there already, beside what one process reaches with
// only JSON and SQLite from memory, in turn, in one run. Random ids, events of about 300 bytes.
//
// usage: node bench/ingest.mjs [--events N] [--rounds N] [--storage memory|file] [--json FILE]

import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { closeSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { startGateway } from '../tests/support/gateway.mjs';
import { startNats } from '../tests/support/nats.mjs';
import { program, tempFolder } from '../tests/support/process.mjs';
import { until } from '../tests/support/until.mjs';

const { values: options } = parseArgs({
  options: {
    events: { type: 'string', default: '300000' },
    rounds: { type: 'string', default: '5' },
    storage: { type: 'string', default: 'memory' },
    json: { type: 'string' },
  },
});
const events = Number(options.events);
const rounds = Number(options.rounds);

const STATEGATE = program('STATEGATE_RELEASE_BIN', 'build/release/stategate');
const FEED = program('STATEGATE_RELEASE_FEED_BIN', 'build/release/stategate-feed');
const FLOOR = program('STATEGATE_BENCH_FLOOR', 'build/release/bench/bench_ingest_floor');
const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));

function randomId(i) {
  return createHash('md5').update(String(i)).digest('hex').slice(0, 20);
}

function event(i) {
  const state = { name: `Customer ${i}`, street: `Some street ${i % 977}`, city: 'Springfield', note: 'x'.repeat(80), balance: i * 0.5, active: i % 2 === 0 };
  return JSON.stringify({ aggregateId: randomId(i), version: 1, type: 'customer.changed', occurredAt: '2026-01-31T12:00:00Z', state });
}

function writeEvents(file) {
  const fd = openSync(file, 'w');
  let bytes = 0;
  for (let i = 0; i < events; i += 1000) {
    const lines = Array.from({ length: Math.min(1000, events - i) }, (_, k) => event(i + k)).join('\n') + '\n';
    bytes += writeSync(fd, lines);
  }
  closeSync(fd);
  return bytes / events;
}

// Processor seconds of a process, its threads included.
function processorSeconds(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
}

async function position(gateway) {
  const status = (await gateway.get('/v1/status')).json();
  return status.streams[0].position ?? 0;
}

async function gatewayRound(nats) {
  const gateway = await startGateway({ nats, bin: STATEGATE, config: { streams: [{ name: 'BENCH', subject: 'bench.{collection}.{id}' }] } });
  const from = process.hrtime.bigint();
  try {
    await until('all events are applied', async () => (await position(gateway)) >= events, { deadlineMs: 120_000, everyMs: 10 });
    const seconds = Number(process.hrtime.bigint() - from) / 1e9;
    return { perSecond: events / seconds, cpuUs: (processorSeconds(gateway.pid) / events) * 1e6 };
  } finally {
    await gateway.stop();
    rmSync(gateway.folder, { recursive: true, force: true });
  }
}

function floorRound() {
  const text = execFileSync(FLOOR, ['--events', String(events), '--ids', 'random'], { encoding: 'utf8' });
  const found = /([\d.]+) events\/s.*?([\d.]+) us/s.exec(text);
  if (!found) throw new Error(`${FLOOR} printed no rate: ${text}`);
  return { perSecond: Number(found[1]), cpuUs: Number(found[2]) };
}

function spread(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return { min: sorted[0], median: sorted[Math.floor(sorted.length / 2)], max: sorted.at(-1) };
}

function row(name, s, digits) {
  return `| ${name} | ${s.min.toFixed(digits)} | ${s.median.toFixed(digits)} | ${s.max.toFixed(digits)} |`;
}

const cleanup = [];
const folder = tempFolder({ after: (f) => cleanup.push(f) }, 'bench');
const nats = await startNats();
try {
  const file = join(folder, 'events.jsonl');
  const bytes = writeEvents(file);
  execFileSync(FEED, ['--url', nats.url, '--create-stream', 'BENCH', '--storage', options.storage, '--subject', 'bench.{collection}.{id}', '--collection', 'customers', file]);
  const results = [];
  for (let i = 0; i < rounds; i++) {
    const floor = floorRound();
    const gateway = await gatewayRound(nats);
    results.push({ floor, gateway, ratio: gateway.perSecond / floor.perSecond });
    console.error(`round ${i + 1}: floor ${Math.round(floor.perSecond)}/s, gateway ${Math.round(gateway.perSecond)}/s`);
  }
  const report = {
    events,
    bytesPerEvent: Math.round(bytes),
    storage: options.storage,
    rounds,
    floorPerSecond: spread(results.map((r) => r.floor.perSecond)),
    gatewayPerSecond: spread(results.map((r) => r.gateway.perSecond)),
    ratio: spread(results.map((r) => r.ratio)),
    floorCpuUs: spread(results.map((r) => r.floor.cpuUs)),
    gatewayCpuUs: spread(results.map((r) => r.gateway.cpuUs)),
  };
  console.log(`Ingest of ${events} events of ${report.bytesPerEvent} bytes, random ids, ${options.storage} stream, ${rounds} rounds in turn:\n`);
  console.log('| | min | median | max |\n|---|---|---|---|');
  console.log(row('JSON + SQLite from memory, events/s', report.floorPerSecond, 0));
  console.log(row('gateway from the stream, events/s', report.gatewayPerSecond, 0));
  console.log(row('gateway / JSON + SQLite', report.ratio, 2));
  console.log(row('JSON + SQLite, CPU us per event', report.floorCpuUs, 2));
  console.log(row('gateway, CPU us per event', report.gatewayCpuUs, 2));
  if (options.json) writeFileSync(options.json, JSON.stringify(report, null, 2) + '\n');
} finally {
  await nats.stop();
  for (const f of cleanup) await f();
}
