// Growth: what more entities do to the cost of a read and of an event, to memory and to the file.
//
// usage: node bench/growth.mjs [--sizes 10000,100000,1000000] [--rounds N] [--seconds S] [--connections N] [--no-pin]
//                              [--json FILE]
//
// 10000000 takes some 15 GB of disk and a quarter of an hour. Needs the release build and wrk.

import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

import { startNats } from '../tests/support/nats.mjs';
import { tempFolder } from '../tests/support/process.mjs';
import { load } from './load.mjs';
import {
  arrangeProcessors,
  databaseBytes,
  machine,
  processorSeconds,
  READS_FLOOR,
  residentBytes,
  spread,
} from './machine.mjs';
import { growthTable } from './tables.mjs';
import { fillStream, readySeconds, startReader, startServer, stopReader } from './world.mjs';

const { values: options } = parseArgs({
  options: {
    sizes: { type: 'string', default: '10000,100000,1000000' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    connections: { type: 'string', default: '64' },
    'no-pin': { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const ROUNDS = Number(options.rounds);
const SECONDS = Number(options.seconds);
const CONNECTIONS = Number(options.connections);
const BUILDS = 3;
const MEMORY_STREAM_MAX = 1_000_000; // entities; larger streams are kept in files
const MB = 2 ** 20;

const processors = arrangeProcessors(!options['no-pin']);
const say = (text) => console.error(text);

// Builds the rows from nothing, in a new folder. Gives the gateway, and what it took.
async function build(nats, entities) {
  const folder = tempFolder(null, 'bench-growth');
  const begun = performance.now();
  const gateway = await startReader({ nats, processors, database: join(folder, 'state.db') });
  const from = performance.now();
  await gateway.untilPosition(entities, { deadlineMs: 600_000, everyMs: 2 });
  const seconds = (performance.now() - from) / 1000;
  await gateway.untilReady({ everyMs: 2 });
  const readySeconds = (performance.now() - begun) / 1000;
  const cpuUs = (processorSeconds([gateway.pid]) / entities) * 1e6;
  const residentMb = residentBytes([gateway.pid]) / MB;
  return { gateway, folder, perSecond: entities / seconds, readySeconds, cpuUs, residentMb };
}

async function discard({ gateway, folder }) {
  await stopReader(gateway);
  rmSync(folder, { recursive: true, force: true });
}

async function builds(nats, entities) {
  const count = entities > MEMORY_STREAM_MAX ? 1 : Math.min(BUILDS, ROUNDS);
  const all = [];
  for (let i = 0; i < count; i++) {
    if (i > 0) await discard(all.at(-1));
    all.push(await build(nats, entities));
  }
  return { all, last: all.at(-1) };
}

async function restartSeconds(gateway) {
  await gateway.stop();
  return (await readySeconds(() => gateway.start())).seconds;
}

async function readRounds(floor, gateway, entities) {
  const server = { address: gateway.address, pids: [gateway.pid] };
  const what = { kind: 'uniform', entities, hot: 1, connections: CONNECTIONS, seconds: SECONDS };
  await load(server, what);
  const rounds = [];
  for (let i = 0; i < ROUNDS; i++) rounds.push({ bare: await load(floor, what), one: await load(server, what) });
  return rounds;
}

async function measure(floor, entities) {
  const file = entities > MEMORY_STREAM_MAX;
  // Room for about 500 bytes a message and some.
  const nats = await startNats({ limits: file ? { max_file: entities * 1000 } : {} });
  try {
    say(`${entities} entities: filling a stream`);
    await fillStream(nats, entities, { storage: file ? 'file' : 'memory' });
    const { all, last } = await builds(nats, entities);
    const restart = await restartSeconds(last.gateway);
    const rounds = await readRounds(floor, last.gateway, entities);
    const result = {
      entities,
      ingestPerSecond: spread(all.map(({ perSecond }) => perSecond)).median,
      ingestCpuUs: spread(all.map(({ cpuUs }) => cpuUs)).median,
      readySeconds: spread(all.map((one) => one.readySeconds)).median,
      readCpuUs: spread(rounds.map(({ one }) => one.cpuUs)),
      perCpuToBare: spread(rounds.map(({ bare, one }) => bare.cpuUs / one.cpuUs)),
      residentMbIngested: Math.max(...all.map(({ residentMb }) => residentMb)),
      residentMbRead: Math.max(...rounds.map(({ one }) => one.residentBytes)) / MB,
      databaseMb: databaseBytes(last.gateway.database) / MB,
      restartSeconds: restart,
    };
    await discard(last);
    return result;
  } finally {
    await nats.stop();
    rmSync(nats.folder, { recursive: true, force: true });
  }
}

processors.leave();
const floor = await startServer(processors, READS_FLOOR, ['127.0.0.1:0']);
try {
  const sizes = [];
  for (const size of options.sizes.split(',')) sizes.push(await measure(floor, Number(size)));
  const how = { rounds: ROUNDS, seconds: SECONDS, connections: CONNECTIONS, pinned: processors.pinned };
  const report = { machine: machine(), ...how, sizes };
  console.log(growthTable(report));
  if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
} finally {
  await floor.stop();
}
