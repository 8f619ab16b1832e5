// Parked reads and reads that demand: what 10,000 of them hold, how fast one or all of them wake, how soon hang-ups are
// noticed, whether they slow ingest, what reading one's own write costs, and how many probes 1,000 callers cause.
//
// usage: node bench/waits.mjs [--parked N] [--rounds N] [--writes N] [--only PART,PART] [--json FILE]
//        parts: parked, ingest, read-your-writes, probes
//
// Needs the release build. Each parked read is a connection of its own, so `ulimit -n` must exceed N by some hundreds.

import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { startGateway } from '../tests/support/gateway.mjs';
import { startNats } from '../tests/support/nats.mjs';
import { openFiles, tempFolder } from '../tests/support/process.mjs';
import { scrape } from '../tests/support/prometheus.mjs';
import { until } from '../tests/support/until.mjs';
import { openMany, parkedCount, untilParked, wakeSingles } from './connections.mjs';
import { FEED, quantile, residentBytes, STATEGATE } from './machine.mjs';

const { values: options } = parseArgs({
  options: {
    parked: { type: 'string', default: '10000' },
    rounds: { type: 'string', default: '5' },
    writes: { type: 'string', default: '4000' },
    events: { type: 'string', default: '200000' },
    only: { type: 'string', default: 'parked,ingest,read-your-writes,probes' },
    json: { type: 'string' },
  },
});
const PARKED = Number(options.parked);
const ROUNDS = Number(options.rounds);
const CONFIG = {
  streams: [{ name: 'STATE', subject: 'state.{collection}.{id}' }],
  wait: { max: '300s', parked_max: PARKED + 100, parked_max_per_client: PARKED + 100 },
  http: { connections_max: PARKED + 2000 },
};

const cleanup = [];
const t = { after: (action) => cleanup.push(action) };
const report = {};
const rows = [];

function row(what, value, limit = '') {
  rows.push(`| ${what} | ${value} | ${limit} |`);
  console.error(`${what}: ${value}`);
}

const best = (values) => Math.min(...values);
const ms = (value) => `${value.toFixed(2)} ms`;
async function world() {
  const nats = await startNats({ t });
  const client = await nats.client();
  await client.jsm.streams.add({ name: 'STATE', subjects: ['state.>'], storage: 'memory' });
  const publish = (id, version) =>
    client.js.publish(`state.customers.${id}`, `{"version":${version},"state":{"n":${version}}}`);
  await publish('warm', 1);
  return { nats, client, publish };
}

async function startLive(nats) {
  const gateway = await startGateway({ t, nats, bin: STATEGATE, config: CONFIG });
  await gateway.untilStatus('live');
  return gateway;
}

// ---- 10,000 parked ----

async function benchParked() {
  const { nats, publish } = await world();
  const gateway = await startLive(nats);
  const warm = await openMany(gateway, 200);
  const floor = await wakeSingles({ publish, connections: warm, rounds: 400, prefix: 'f' });
  row(
    'one woken among 200: publish to first byte, p50, p99',
    `${ms(quantile(floor, 0.5))}, ${ms(quantile(floor, 0.99))}`,
  );
  warm.forEach(({ socket }) => socket.destroy());
  await untilParked(gateway, 0);
  const [residentBefore, filesBefore] = [residentBytes([gateway.pid]), openFiles(gateway.pid).length];

  let connections = await openMany(gateway, PARKED);
  const single = await wakeSingles({
    publish,
    connections,
    rounds: 400,
    prefix: 'p',
    whenParked: async () => {
      await untilParked(gateway, PARKED);
      const each = (residentBytes([gateway.pid]) - residentBefore) / PARKED;
      row(`resident memory of each of ${PARKED} parked reads`, `${(each / 1024).toFixed(2)} KB`, '8 KB');
      report.eachBytes = each;
    },
  });
  row('one woken among them: publish to first byte, p50', ms(quantile(single, 0.5)));
  row(
    'one woken among them: publish to first byte, p99 (more than commit to first byte)',
    ms(quantile(single, 0.99)),
    '5 ms',
  );
  connections.forEach(({ socket }) => socket.destroy());
  const gone = performance.now();
  await untilParked(gateway, 0);
  row(`${PARKED} hang-ups reaped in`, ms(performance.now() - gone));

  await benchAllAtOnce(gateway, publish);
  await benchHangUps(gateway);
  await pause(500);
  row('descriptors afterwards', openFiles(gateway.pid).length - filesBefore, 'as before');
  row(
    'resident memory afterwards',
    `${((residentBytes([gateway.pid]) - residentBefore) / 1024 / 1024).toFixed(1)} MB more`,
    'about as before',
  );
  connections = await openMany(gateway, 1000);
  const asked = connections.map((connection, i) => connection.get(`/v1/state/customers/s-${i}?min_version=1&wait=300`));
  await untilParked(gateway, 1000);
  const exit = gateway.stop();
  const statuses = new Set((await Promise.all(asked)).map(({ status }) => status));
  row('SIGTERM with 1000 parked: their status, the exit code', `${[...statuses]}, ${(await exit).code}`, '503, 0');
  report.parked = { singleP50: quantile(single, 0.5), singleP99: quantile(single, 0.99) };
  await nats.stop();
}

async function benchAllAtOnce(gateway, publish) {
  const last = [];
  const middle = [];
  const connections = await openMany(gateway, PARKED);
  connections.forEach((connection) => (connection.alone = true));
  for (let round = 0; round < ROUNDS; round++) {
    const asked = connections.map((connection) =>
      connection.get(`/v1/state/customers/all?min_version=${round + 1}&wait=300`),
    );
    await untilParked(gateway, PARKED);
    const from = performance.now();
    await publish('all', round + 1);
    const times = (await Promise.all(asked)).map(({ at }) => at - from);
    last.push(Math.max(...times));
    middle.push(quantile(times, 0.5));
  }
  connections.forEach(({ socket }) => socket.destroy());
  await untilParked(gateway, 0);
  row(`all ${PARKED} woken at once: publish to the median first byte, best of ${ROUNDS}`, ms(best(middle)));
  row(`all ${PARKED} woken at once: publish to the last first byte, best of ${ROUNDS}`, ms(best(last)), '200 ms');
  report.allAtOnce = { last, middle };
}

async function benchHangUps(gateway) {
  const times = [];
  for (let round = 0; round < ROUNDS; round++) {
    const connections = await openMany(gateway, 1000);
    connections.forEach((connection, i) => void connection.get(`/v1/state/customers/h-${i}?min_version=1&wait=300`));
    await untilParked(gateway, 1000);
    const from = performance.now();
    connections.forEach(({ socket }) => socket.destroy());
    await until('they are gone', async () => (await parkedCount(gateway)) === 0, { everyMs: 2 });
    times.push(performance.now() - from);
  }
  row(`1000 hang-ups reaped in, worst of ${ROUNDS}`, ms(Math.max(...times)), '1 s');
  report.hangUps = times;
}

// ---- ingest beside parked reads ----

// Everything is in the stream before; the server is away while the reads are parked, and comes back.
async function ingestRound(nats, events, parked) {
  const gateway = await startGateway({ nats, bin: STATEGATE, config: CONFIG });
  try {
    const connections = await openMany(gateway, parked);
    connections.forEach((connection, i) => void connection.get(`/v1/state/others/p-${i}?min_version=1&wait=300`));
    await untilParked(gateway, parked);
    await nats.start();
    const position = async () => (await gateway.status()).position ?? 0;
    await until('it begins', async () => (await position()) > 0, { everyMs: 1, deadlineMs: 30_000 });
    const [from, begun] = [performance.now(), await position()];
    await until('all are applied', async () => (await position()) >= events, { everyMs: 5, deadlineMs: 120_000 });
    const rate = ((events - begun) / (performance.now() - from)) * 1000;
    connections.forEach(({ socket }) => socket.destroy());
    return rate;
  } finally {
    await gateway.stop();
    rmSync(gateway.folder, { recursive: true, force: true });
  }
}

async function benchIngest() {
  const events = Number(options.events);
  const nats = await startNats({ t });
  const file = join(tempFolder(t, 'bench'), 'events.jsonl');
  const line = (i) =>
    `{"aggregateId":"c-${(i * 7919) % 50_000}","version":${i + 1},"state":{"n":${i},"note":"${'x'.repeat(150)}"}}\n`;
  writeFileSync(file, Array.from({ length: events }, (_, i) => line(i)).join(''));
  execFileSync(FEED, [
    '--url',
    nats.url,
    '--create-stream',
    'STATE',
    '--subject',
    'state.{collection}.{id}',
    '--collection',
    'customers',
    file,
  ]);
  const rates = { with: [], without: [] };
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, parked] of [
      ['without', 0],
      ['with', PARKED],
    ]) {
      await nats.kill9();
      rates[name].push(await ingestRound(nats, events, parked));
    }
  }
  const ratios = rates.with.map((rate, i) => rate / rates.without[i]);
  row('ingest without parked reads, median events/s', quantile(rates.without, 0.5).toFixed(0));
  row(`ingest with ${PARKED} parked for others, median events/s`, quantile(rates.with, 0.5).toFixed(0));
  row(
    'with / without, median and best',
    `${quantile(ratios, 0.5).toFixed(2)}, ${Math.max(...ratios).toFixed(2)}`,
    '0.9',
  );
  report.ingest = { ...rates, ratios };
  await nats.stop();
}

// ---- reading one's own write ----

const FORMS = {
  'with epoch': (seq, epoch) => `Min-Position: STATE:${seq};epoch=${epoch}\r\n`,
  bare: (seq) => `Min-Position: STATE:${seq}\r\n`,
  'Max-Staleness: 0': () => 'Max-Staleness: 0\r\n',
};

async function readYourWrites(gateway, publish, form, epoch, count) {
  const acks = [];
  const reads = [];
  const idle = await openMany(gateway, 32);
  const one = async (i) => {
    const connection = idle.pop() ?? (await openMany(gateway, 1))[0];
    const sent = performance.now();
    const { seq } = await publish(`w-${i % 500}`, i + 1);
    const acked = performance.now();
    const { at, status } = await connection.get(`/v1/state/customers/w-${i % 500}`, FORMS[form](seq, epoch));
    if (status !== 200) throw new Error(`${form}: status ${status}`);
    acks.push(acked - sent);
    reads.push(at - acked);
    idle.push(connection);
  };
  const from = performance.now();
  const running = [];
  for (let i = 0; i < count; i++) {
    const waitMs = from + i - performance.now();
    if (waitMs > 0) await pause(waitMs);
    running.push(one(i));
  }
  await Promise.all(running);
  const rate = count / ((performance.now() - from) / 1000);
  idle.forEach(({ socket }) => socket.destroy());
  return { acks, reads, rate };
}

async function benchReadYourWrites() {
  const { nats, publish } = await world();
  const gateway = await startLive(nats);
  const epoch = (await gateway.status()).epoch;
  await readYourWrites(gateway, publish, 'with epoch', epoch, 500); // warm
  for (const form of Object.keys(FORMS)) {
    const { acks, reads, rate } = await readYourWrites(gateway, publish, form, epoch, Number(options.writes));
    const of = (values) => `p50 ${ms(quantile(values, 0.5))}, p99 ${ms(quantile(values, 0.99))}`;
    const times = (q) => (quantile(reads, q) / quantile(acks, q)).toFixed(1);
    row(`${form}: PubAck at ${rate.toFixed(0)} writes/s`, of(acks));
    row(
      `${form}: the read after it`,
      `${of(reads)}; ${times(0.5)} and ${times(0.99)} times the PubAck`,
      form === 'with epoch' ? '3 and 10 times' : '',
    );
    report[form] = {
      ack: [quantile(acks, 0.5), quantile(acks, 0.99)],
      read: [quantile(reads, 0.5), quantile(reads, 0.99)],
      rate,
    };
  }
  await gateway.stop();
  await nats.stop();
}

// ---- probes ----

async function benchProbes() {
  const { nats } = await world();
  const gateway = await startLive(nats);
  const connections = await openMany(gateway, 1000);
  const probes = async () => (await scrape(gateway)).sum('stategate_probes_total');
  const rounds = [];
  for (let round = 0; round < ROUNDS; round++) {
    const earlier = await probes();
    const from = performance.now();
    const answers = await Promise.all(
      connections.map((connection) => connection.get('/v1/state/customers/warm?max_staleness=0')),
    );
    const took = performance.now() - from;
    if (answers.some(({ status }) => status !== 200)) throw new Error('a read was refused');
    rounds.push({ probes: (await probes()) - earlier, took });
  }
  const { probe } = await gateway.status();
  row(
    '1000 concurrent Max-Staleness: 0: probes, and how long all of them took',
    rounds.map((r) => `${r.probes} in ${r.took.toFixed(0)} ms`).join('; '),
    'one a round trip',
  );
  row('a round trip', `${(probe.answeredAfter * 1000).toFixed(0)} ms (probes are at least 5 ms apart)`);
  report.probes = rounds;
  connections.forEach(({ socket }) => socket.destroy());
  await gateway.stop();
  await nats.stop();
}

const PARTS = {
  parked: benchParked,
  ingest: benchIngest,
  'read-your-writes': benchReadYourWrites,
  probes: benchProbes,
};
try {
  for (const part of options.only.split(',')) await PARTS[part]();
  console.log(`| | measured | limit |\n|---|---|---|\n${rows.join('\n')}`);
  if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
} finally {
  for (const action of cleanup) await action();
}
