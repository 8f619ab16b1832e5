// Ingest: how fast the gateway builds its rows from a stream that is there already, beside receiving alone (a
// subscriber that counts) and beside what one process reaches with only JSON and SQLite from memory. In turn, in one
// run, for several kinds of ids and documents. Everything runs on the same processors, the broker included.
//
// usage: node bench/ingest.mjs [--events N] [--rounds N] [--case TEXT] [--storage memory|file] [--json FILE]

import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { startGateway } from '../tests/support/gateway.mjs';
import { startNats } from '../tests/support/nats.mjs';
import { tempFolder } from '../tests/support/process.mjs';
import { until } from '../tests/support/until.mjs';
import { CASES, writeLines } from './ingest_cases.mjs';
import { benchProgram, FEED, processorSeconds, spread, STATEGATE } from './machine.mjs';

const { values: options } = parseArgs({
  options: {
    events: { type: 'string', default: '300000' },
    rounds: { type: 'string', default: '5' },
    case: { type: 'string', default: '' },
    storage: { type: 'string', default: 'memory' },
    json: { type: 'string' },
  },
});
const eventsMax = Number(options.events);
const rounds = Number(options.rounds);

const FLOOR = benchProgram('bench_ingest_floor');
const RECEIVE = benchProgram('bench_ingest_receive');
const STREAM = 'BENCH';
const SUBJECT = 'bench.{collection}.{id}';

async function gatewayRound(nats, events) {
  const config = { streams: [{ name: STREAM, subject: SUBJECT }] };
  const brokerBefore = processorSeconds([nats.pid]);
  const gateway = await startGateway({ nats, bin: STATEGATE, config });
  const from = performance.now();
  try {
    await gateway.untilPosition(events, { deadlineMs: 240_000, everyMs: 10 });
    const seconds = (performance.now() - from) / 1000;
    return {
      perSecond: events / seconds,
      cpuUs: (processorSeconds([gateway.pid]) / events) * 1e6,
      brokerUs: ((processorSeconds([nats.pid]) - brokerBefore) / events) * 1e6,
    };
  } finally {
    await gateway.stop();
    rmSync(gateway.folder, { recursive: true, force: true });
  }
}

// A program of ours that prints "N events/s, N us of processor an event".
function programRound(file, args) {
  const text = execFileSync(file, args, { encoding: 'utf8' });
  const found = /([\d.]+) events\/s.*?([\d.]+) us/s.exec(text);
  if (!found) throw new Error(`${file} printed no rate: ${text}`);
  return { perSecond: Number(found[1]), cpuUs: Number(found[2]) };
}

async function deleteStream(nats) {
  const client = await nats.client();
  await client.jsm.streams.delete(STREAM);
  await client.close();
}

async function caseRounds(nats, { name }, file, events) {
  const results = [];
  for (let i = 0; i < rounds; i++) {
    const floor = programRound(FLOOR, ['--events', String(events), '--file', file]);
    const gateway = await gatewayRound(nats, events);
    const receive = programRound(RECEIVE, [nats.url, STREAM, SUBJECT.replace(/\{\w+\}.*/, '>'), String(events)]);
    results.push({ floor, gateway, receive });
    const rate = (r) => `${Math.round(r.perSecond)}/s`;
    console.error(
      `${name}, round ${i + 1}: gateway ${rate(gateway)}, receiving ${rate(receive)}, JSON + SQLite ${rate(floor)}`,
    );
  }
  return results;
}

async function measure(nats, folder, one) {
  const file = join(folder, 'events.jsonl');
  const { events, bytesPerEvent } = writeLines(one.lines(eventsMax), file);
  if (events === 0) {
    console.error(`${one.name}: left out, there is none on this machine`);
    return { case: one.name, skipped: 'there is none on this machine' };
  }
  const feed = ['--url', nats.url, '--create-stream', STREAM, '--storage', options.storage];
  execFileSync(FEED, [...feed, '--subject', SUBJECT, '--collection', 'customers', file]);
  const results = await caseRounds(nats, one, file, events);
  await deleteStream(nats);
  const of = (pick) => spread(results.map(pick));
  return {
    case: one.name,
    events,
    bytes_per_event: bytesPerEvent,
    ...(one.goal ? { goal: one.goal } : {}),
    gateway: of((r) => r.gateway.perSecond),
    receive: of((r) => r.receive.perSecond),
    floor: of((r) => r.floor.perSecond),
    ratio: of((r) => r.gateway.perSecond / r.floor.perSecond),
    ratio_receive: of((r) => r.gateway.perSecond / r.receive.perSecond),
    cpu_us: {
      gateway: of((r) => r.gateway.cpuUs),
      receive: of((r) => r.receive.cpuUs),
      floor: of((r) => r.floor.cpuUs),
      broker: of((r) => r.gateway.brokerUs),
      ratio: of((r) => r.gateway.cpuUs / r.floor.cpuUs),
    },
  };
}

const HEAD = [
  'events',
  'gateway, thousand/s',
  'receiving alone',
  'JSON + SQLite alone',
  'gateway / JSON + SQLite',
  'gateway / receiving',
  'CPU us: gateway',
  'JSON + SQLite',
  'broker',
];

function table(rows) {
  const cell = (s, digits) => `${s.median.toFixed(digits)} (${s.min.toFixed(digits)}-${s.max.toFixed(digits)})`;
  const thousand = (s) => cell({ min: s.min / 1e3, median: s.median / 1e3, max: s.max / 1e3 }, 0);
  console.log(`| ${HEAD.join(' | ')} |`);
  console.log(`|${'---|'.repeat(HEAD.length)}`);
  for (const r of rows) {
    if (r.skipped) {
      console.log(`| ${r.case} | left out: ${r.skipped} | | | | | | | |`);
      continue;
    }
    const cells = [
      `${r.case}: ${r.events} of ${r.bytes_per_event} B`,
      thousand(r.gateway),
      thousand(r.receive),
      thousand(r.floor),
      cell(r.ratio, 2),
      cell(r.ratio_receive, 2),
      cell(r.cpu_us.gateway, 1),
      cell(r.cpu_us.floor, 1),
      cell(r.cpu_us.broker, 1),
    ];
    console.log(`| ${cells.join(' | ')} |`);
  }
}

const cleanup = [];
const folder = tempFolder({ after: (f) => cleanup.push(f) }, 'bench');
const nats = await startNats();
try {
  const rows = [];
  for (const one of CASES) {
    if (one.name.includes(options.case)) rows.push(await measure(nats, folder, one));
  }
  const report = { name: 'ingest', unit: 'events/s', rounds, storage: options.storage, rows };
  console.log(`Ingest from a ${options.storage} stream, ${rounds} rounds in turn, median (least-most):\n`);
  table(rows);
  if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
} finally {
  await nats.stop();
  for (const f of cleanup) await f();
}
