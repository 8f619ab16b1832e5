// The start: how long the gateway takes to be ready with N entities, from nothing (an existing stream is read whole)
// and after a clean restart; and how much memory it then keeps, at rest and while every entity is read.
//
// usage: node bench/start.mjs [--entities N] [--rounds N] [--restarts N] [--read-seconds N] [--json FILE]

import { execFileSync } from 'node:child_process';
import { rmSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { entityPath, startGateway } from '../tests/support/gateway.mjs';
import { startNats } from '../tests/support/nats.mjs';
import { tempFolder } from '../tests/support/process.mjs';
import { customerLines, writeLines } from './ingest_cases.mjs';
import { FEED, memoryBytes, processorSeconds, spread, STATEGATE } from './machine.mjs';
import { readySeconds } from './world.mjs';

const { values: options } = parseArgs({
  options: {
    entities: { type: 'string', default: '1000000' },
    rounds: { type: 'string', default: '3' },
    restarts: { type: 'string', default: '5' },
    'read-seconds': { type: 'string', default: '60' },
    json: { type: 'string' },
  },
});
const entities = Number(options.entities);
const rounds = Number(options.rounds);
const restarts = Number(options.restarts);
const readSeconds = Number(options['read-seconds']);

const CONFIG = { streams: [{ name: 'BENCH', subject: 'bench.{collection}.{id}' }] };
const CONNECTIONS = 16;
const REST_MS = 3000; // the gateway gives memory back some time after a lot was applied
const MB = 1 << 20;

const memoryMb = (pid, name) => memoryBytes(pid, name) / MB;

function fileMb(path) {
  return statSync(path).size / MB;
}

// Reads ids in turn over several connections; gives how many answers there were. A status other than 200 is an error.
async function readAll(gateway, ids, seconds) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: CONNECTIONS });
  const end = performance.now() + seconds * 1000;
  let next = 0;
  let answers = 0;
  const one = () =>
    new Promise((done, failed) => {
      const path = entityPath('customers', ids[next++ % ids.length]);
      const request = http.get({ host: '127.0.0.1', port: gateway.port, path, agent }, (response) => {
        if (response.statusCode !== 200) failed(new Error(`${path} answers ${response.statusCode}`));
        answers += 1;
        response.resume().on('end', done);
      });
      request.on('error', failed);
    });
  const reader = async () => {
    while (performance.now() < end) await one();
  };
  await Promise.all(Array.from({ length: CONNECTIONS }, reader));
  agent.destroy();
  return answers;
}

// One build from nothing; the last one's database is kept for what follows.
async function build(nats, last) {
  const { gateway, seconds } = await readySeconds(() => startGateway({ nats, bin: STATEGATE, config: CONFIG }));
  const processor = processorSeconds([gateway.pid]);
  await pause(REST_MS);
  const memory = { rss: memoryMb(gateway.pid, 'VmRSS'), most: memoryMb(gateway.pid, 'VmHWM') };
  console.error(
    `from the stream: ready after ${seconds.toFixed(2)} s (${processor.toFixed(2)} s of processor), ` +
      `${Math.round(memory.rss)} MB resident, at most ${Math.round(memory.most)} MB`,
  );
  if (last) return { gateway, seconds, processor, memory };
  await gateway.stop();
  rmSync(gateway.folder, { recursive: true, force: true });
  return { seconds, processor, memory };
}

async function measure(nats, ids) {
  const builds = [];
  for (let i = 0; i < rounds; i++) builds.push(await build(nats, i + 1 === rounds));
  const { gateway } = builds.at(-1);
  const answersAfterBuild = await readAll(gateway, ids, readSeconds);
  const readAfterBuild = memoryMb(gateway.pid, 'VmRSS');
  const ready = [];
  for (let i = 0; i < restarts; i++) {
    await gateway.stop(); // an orderly end, which is not counted
    const { seconds } = await readySeconds(() => gateway.start());
    ready.push(seconds);
    console.error(`after a clean restart: ready after ${seconds.toFixed(3)} s`);
  }
  const restarted = memoryMb(gateway.pid, 'VmRSS');
  const answersAfterRestart = await readAll(gateway, ids, readSeconds);
  const readAfterRestart = memoryMb(gateway.pid, 'VmRSS');
  const database = fileMb(gateway.database);
  await gateway.stop();
  rmSync(gateway.folder, { recursive: true, force: true });
  const megabytes = (name, value) => ({ case: name, unit: 'MB', goal: 150, value: spread([value]) });
  return [
    { case: 'ready from an existing stream', unit: 's', goal: 10, value: spread(builds.map((b) => b.seconds)) },
    { case: 'processor time of that', unit: 's', value: spread(builds.map((b) => b.processor)) },
    { case: 'ready after a clean restart', unit: 's', goal: 0.3, value: spread(ready) },
    { case: 'resident when built', unit: 'MB', goal: 150, value: spread(builds.map((b) => b.memory.rss)) },
    { case: 'resident at most while building', unit: 'MB', value: spread(builds.map((b) => b.memory.most)) },
    { ...megabytes('resident when built and read', readAfterBuild), reads: answersAfterBuild },
    megabytes('resident after a restart', restarted),
    { ...megabytes('resident after a restart and read', readAfterRestart), reads: answersAfterRestart },
    { case: 'database file', unit: 'MB', value: spread([database]) },
  ];
}

const cleanup = [];
const folder = tempFolder({ after: (f) => cleanup.push(f) }, 'bench');
const nats = await startNats();
try {
  const file = join(folder, 'events.jsonl');
  const ids = [];
  const lines = function* noted() {
    for (const line of customerLines(entities)) {
      ids.push(JSON.parse(line).aggregateId);
      yield line;
    }
  };
  const { bytesPerEvent } = writeLines(lines(), file);
  const feed = ['--url', nats.url, '--create-stream', 'BENCH', '--subject', CONFIG.streams[0].subject];
  execFileSync(FEED, [...feed, '--collection', 'customers', file]);
  rmSync(file);
  const rows = await measure(nats, ids);
  const report = { name: 'start', unit: 's', rounds, entities, bytes_per_event: bytesPerEvent, rows };
  console.log(`Start with ${entities} entities of ${bytesPerEvent} bytes, random ids; reads for ${readSeconds} s:\n`);
  console.log('| | unit | least | median | most | goal |\n|---|---|---|---|---|---|');
  for (const { case: name, unit, goal, value } of rows) {
    const digits = unit === 's' ? 3 : 0;
    const cells = [value.min, value.median, value.max].map((v) => v.toFixed(digits));
    console.log(`| ${name} | ${unit} | ${cells.join(' | ')} | ${goal ? `<= ${goal}` : ''} |`);
  }
  if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
} finally {
  await nats.stop();
  for (const f of cleanup) await f();
}
