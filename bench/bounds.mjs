// Work without an end: a gateway whose database holds deleted entities, rejected events and collections in numbers,
// beside one without them, under the same load on one loop: how long /livez and a read by id take, what the longest
// request took of the loop, and how long SIGTERM takes.
//
// usage: node bench/bounds.mjs [--tombstones N] [--rejected N] [--collections N] [--entities N] [--rounds N]
//                              [--seconds S] [--every-ms MS] [--bin FILE] [--json FILE]
//
// The defaults take about four minutes and 3 GB of disk. Exit status 1: beyond a goal.

import { execFileSync } from 'node:child_process';
import { realpathSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { startGateway } from '../tests/support/gateway.mjs';
import { startNats } from '../tests/support/nats.mjs';
import { start, tempFolder } from '../tests/support/process.mjs';
import { scrape } from '../tests/support/prometheus.mjs';
import { STATEGATE, spread } from './machine.mjs';

const FILL = join(dirname(STATEGATE), 'bench/bench_bounds');
const LOAD = fileURLToPath(new URL('bounds_load.mjs', import.meta.url));
const STREAM = { name: 'STATE', subject: 'state.{collection}.{id}' };
const SURVIVORS = 10;
const OWN_COLLECTIONS = 2; // customers and gone
const PROBE_MS = 4;
const RATIO_MAX = 2;
const LOOP_SECONDS_MAX = 0.005;
const DRAIN_SECONDS = 5;

export const FULL = { entities: 20_000, tombstones: 5_000_000, rejected: 1_000_000, collections: 100_000 };
export const BARE = { tombstones: 0, rejected: 0, collections: OWN_COLLECTIONS };

const settings = (size) => ({
  streams: [STREAM],
  collections_max: Math.max(size.collections, 1000),
  rejected: { max: Math.max(size.rejected, 1000) },
  http: { loops: 1 },
});

// "2026-01-31T12:00:00.123456789Z" in nanoseconds.
function nanoseconds(text) {
  const [, seconds, fraction = ''] = /^(.*?)(?:\.(\d+))?Z$/.exec(text);
  return BigInt(Date.parse(`${seconds}Z`)) * 1_000_000n + BigInt(fraction.padEnd(9, '0'));
}

// A gateway with a database of that size, live beside a broker whose stream begins after what the database holds.
export async function startWorld(size, { t, bin = STATEGATE, folder = tempFolder(t, 'bounds'), more = {} }) {
  const database = join(folder, 'state.db');
  const config = { ...settings(size), ...more };
  const first = await startGateway({ t, nats: 'nats://127.0.0.1:9', config, database, bin });
  await first.stop();
  const nats = await startNats({ t });
  const client = await nats.client();
  const others = size.collections - OWN_COLLECTIONS;
  const events = size.entities + size.tombstones + SURVIVORS + size.rejected + others;
  const { created } = await client.jsm.streams.add({
    name: STREAM.name,
    subjects: ['state.>'],
    storage: 'memory',
    first_seq: events + 1,
  });
  const counts = [size.entities, size.tombstones, size.rejected, others].map(String);
  const filling = [database, String(nanoseconds(created)), ...counts];
  const position = Number(execFileSync(FILL, filling, { encoding: 'utf8' }));
  if (position !== events) throw new Error(`${position} events were written, not ${events}`);
  const gateway = await startGateway({ t, nats, config, database, bin });
  await gateway.untilStatus('live', { deadlineMs: 60_000 });
  return { gateway, nats, client, folder, databaseMb: statSync(database).size / 2 ** 20 };
}

async function client(...args) {
  const running = start(process.execPath, [LOAD, ...args.map(String)]);
  const exit = await running.exited;
  if (exit.code !== 0) throw new Error(`${args}: ${running.stderr}`);
  return JSON.parse(running.stdout);
}

const percentile = (values, part) => values.toSorted((a, b) => a - b)[Math.ceil(values.length * part) - 1];

// Both clients for a while. Gives {livez, entity}: p99 in ms; and how the long ones were answered.
export async function round(world, { entities, seconds, everyMs }) {
  const { address } = world.gateway;
  const [latencies, long] = await Promise.all([
    client('probe', address, seconds, PROBE_MS, entities),
    client('long', address, seconds, everyMs),
  ]);
  return { livez: percentile(latencies.livez, 0.99), entity: percentile(latencies.entity, 0.99), long };
}

export async function longestSeconds(world) {
  return (await scrape(world.gateway, { timeoutMs: 60_000 })).value('stategate_http_loop_seconds_max');
}

// SIGTERM while the long requests go on: seconds until the process has ended.
export async function stopSeconds(world, everyMs) {
  const running = start(process.execPath, [LOAD, 'long', world.gateway.address, '600', String(everyMs)]);
  await world.gateway.get('/v1/state', { timeoutMs: 60_000 });
  const from = performance.now();
  const exit = await world.gateway.stop();
  const seconds = (performance.now() - from) / 1000;
  running.child.kill('SIGKILL');
  await running.exited;
  if (exit.code !== 0) throw new Error(`SIGTERM ended it with ${JSON.stringify(exit)}`);
  return seconds;
}

async function measure(options) {
  const size = { ...FULL, ...options.size };
  const say = (text) => console.error(text);
  const worlds = [];
  try {
    for (const one of [{ ...size, ...BARE }, size]) {
      const from = performance.now();
      worlds.push(await startWorld(one, { bin: options.bin }));
      const took = ((performance.now() - from) / 1000).toFixed(1);
      say(`${JSON.stringify(one)}: ${worlds.at(-1).databaseMb.toFixed(0)} MB, live after ${took} s`);
    }
    const how = { entities: size.entities, seconds: options.seconds, everyMs: options.everyMs };
    const rounds = [];
    for (let i = 0; i <= options.rounds; i++) {
      const [bare, full] = [await round(worlds[0], how), await round(worlds[1], how)];
      if (i > 0) rounds.push({ bare, full }); // the first one warms
      const p99 = (kind) => `${bare[kind].toFixed(2)} and ${full[kind].toFixed(2)}`;
      say(`p99 in ms, /livez ${p99('livez')}, by id ${p99('entity')}`);
    }
    say(JSON.stringify(rounds.at(-1).full.long, null, 1));
    const longest = [await longestSeconds(worlds[0]), await longestSeconds(worlds[1])];
    const stop = [await stopSeconds(worlds[0], options.everyMs), await stopSeconds(worlds[1], options.everyMs)];
    return { size, rounds, longest, stop };
  } finally {
    for (const { gateway, nats, folder } of worlds) {
      await gateway.kill9();
      await nats.stop();
      for (const one of [folder, gateway.folder, nats.folder]) rmSync(one, { recursive: true, force: true });
    }
  }
}

// Rows of [what, without, with, goal, whether it holds].
function judge({ rounds, longest, stop }) {
  const ratio = (kind) => spread(rounds.map(({ bare, full }) => full[kind] / bare[kind])).median;
  const median = (world, kind) => spread(rounds.map((one) => one[world][kind])).median;
  const latency = (kind, name) => [
    `p99 of ${name}, ms`,
    median('bare', kind).toFixed(2),
    median('full', kind).toFixed(2),
    `${ratio(kind).toFixed(2)} times, at most ${RATIO_MAX}`,
    ratio(kind) <= RATIO_MAX,
  ];
  const most = Math.max(...longest);
  const ms = (seconds) => (seconds === undefined ? 'not told' : (seconds * 1000).toFixed(2));
  return [
    latency('livez', '/livez'),
    latency('entity', 'a read by id'),
    [
      'longest request on a loop, ms of processor',
      ...longest.map(ms),
      `at most ${LOOP_SECONDS_MAX * 1000}`,
      most <= LOOP_SECONDS_MAX,
    ],
    [
      'SIGTERM, s',
      ...stop.map((seconds) => seconds.toFixed(2)),
      `at most ${DRAIN_SECONDS}`,
      Math.max(...stop) <= DRAIN_SECONDS,
    ],
  ];
}

async function main() {
  const text = (value) => ({ type: 'string', default: String(value) });
  const { values } = parseArgs({
    options: {
      tombstones: text(FULL.tombstones),
      rejected: text(FULL.rejected),
      collections: text(FULL.collections),
      entities: text(FULL.entities),
      rounds: text(5),
      seconds: text(10),
      'every-ms': text(250),
      bin: text(STATEGATE),
      json: { type: 'string' },
    },
  });
  const number = (name) => Number(values[name]);
  const size = Object.fromEntries(Object.keys(FULL).map((name) => [name, number(name)]));
  const how = { rounds: number('rounds'), seconds: number('seconds'), everyMs: number('every-ms'), bin: values.bin };
  const result = await measure({ size, ...how });
  const rows = judge(result);
  const what = `${size.tombstones} tombstones, ${size.rejected} rejected events, ${size.collections} collections`;
  console.log(`${what}; median of ${result.rounds.length} rounds:\n`);
  console.log('| | without | with | goal | |\n|---|---|---|---|---|');
  for (const row of rows) console.log(`| ${[...row.slice(0, -1), row.at(-1) ? 'holds' : 'MISSED'].join(' | ')} |`);
  if (values.json) writeFileSync(values.json, `${JSON.stringify(result, null, 2)}\n`);
  process.exitCode = rows.every((row) => row.at(-1)) ? 0 : 1;
}

if (realpathSync(process.argv[1] ?? '.') === fileURLToPath(import.meta.url)) await main();
