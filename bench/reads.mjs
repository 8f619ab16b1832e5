// Reads: what the gateway's answers cost in processor time, beside a bare answer with the same headers through the same
// loop, in turn, with and without a writer, and beside other servers that give such documents by HTTP.
//
// usage: node bench/reads.mjs [--rounds N] [--seconds S] [--entities N] [--connections N] [--phases default,whole,off]
//                             [--peers nginx,webdis,etcd,kv] [--no-pin] [--json FILE]
//
// A phase is a gateway with the default cache, with one that holds all entities, or with none. Before each load of a
// server the bare answer is loaded, and their ratio is taken. Needs the release build and wrk; peers need
// bench/peers, all but kv.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';

import { startNats } from '../tests/support/nats.mjs';
import { tempFolder } from '../tests/support/process.mjs';
import { load } from './load.mjs';
import { arrangeProcessors, machine, processorSeconds, READS_FLOOR, spread } from './machine.mjs';
import { startPeers } from './peers.mjs';
import { readsGoals, readsTable } from './tables.mjs';
import { commits, fillStream, pageTargets, startReader, startServer, stopReader, warm, Writer } from './world.mjs';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '2' },
    entities: { type: 'string', default: '1000000' },
    connections: { type: 'string', default: '64' },
    phases: { type: 'string', default: 'default,whole,off' },
    peers: { type: 'string', default: '' },
    'no-pin': { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const list = (text) => text.split(',').filter((word) => word !== '');
const ROUNDS = Number(options.rounds);
const SECONDS = Number(options.seconds);
const ENTITIES = Number(options.entities);
const HOT = Math.min(10_000, ENTITIES);
const CONNECTIONS = Number(options.connections);
const STALL_CONNECTIONS = [64, 128, 256, 512];
const STALL_TRIES_MAX = 6;

// The setting cache.size of each phase; null = the default.
const CACHES = { default: null, whole: `${Math.max(64, Math.ceil(ENTITIES / 700))}MiB`, off: '0' };

const processors = arrangeProcessors(!options['no-pin']);
const rows = new Map();
const say = (text) => console.error(text);

const how = { entities: ENTITIES, hot: HOT, connections: CONNECTIONS, seconds: SECONDS };

function loadOf(server, what, connections = CONNECTIONS) {
  return load(server, { ...how, connections, ...what });
}

// Loads the bare answer and then the server; notes both under one row.
async function measure(floor, server, { name, title, writer, cache, what }) {
  const key = [name, cache, writer].join(' ');
  const bare = await loadOf(floor, { kind: 'uniform' });
  const one = await loadOf(server, what);
  if (!rows.has(key)) rows.set(key, { name, title, cache, writer, rounds: [] });
  rows.get(key).rounds.push({ bare, one });
  say(`  ${key}: ${one.cpuUs.toFixed(2)} us, bare ${bare.cpuUs.toFixed(2)}: ${(bare.cpuUs / one.cpuUs).toFixed(2)}`);
}

// ---- a phase: one gateway ----

const BY_ID = [
  { name: 'uniform', title: 'by id, uniform', what: { kind: 'uniform' } },
  { name: 'skewed', title: 'by id, 90 % on 10,000 hot ids', what: { kind: 'skewed' } },
  { name: 'hot', title: 'by id, all on the hot ids', what: { kind: 'hot' } },
];

// What does not depend on the writer.
async function others(gateway, folder) {
  const tagOf = async (number) => (await gateway.get(`/v1/state/customers/c-${number}`)).headers.etag;
  const [second, last] = [await tagOf(1), await tagOf(ENTITIES - 1)];
  const etag = second.replace(/(\d+)"$/, (_, sequence) => `${sequence - 1}"`);
  assert.equal(last, etag.replace(/(\d+)"$/, (_, sequence) => `${Number(sequence) + ENTITIES - 1}"`));
  const targets = await pageTargets(gateway);
  writeFileSync(join(folder, 'targets'), targets.join('\n') + '\n');
  return [
    { name: 'unchanged', title: 'by id, 304', what: { kind: 'unchanged', text: etag } },
    { name: 'missing', title: 'by id, 404', what: { kind: 'missing', refused: true } },
    { name: 'page', title: 'a page of 100', what: { kind: 'targets', text: join(folder, 'targets') } },
  ];
}

async function group(state, phase, gateway, loads, writing) {
  const { floor, writer } = state;
  const server = { address: gateway.address, pids: [gateway.pid] };
  const [from, before] = [performance.now(), await commits(gateway)];
  if (writing) writer.begin();
  try {
    for (const one of loads)
      await measure(floor, one.server ?? server, { writer: writing, cache: one.server ? '' : phase, ...one });
  } finally {
    writer.stop();
  }
  const made = (await commits(gateway)) - before;
  if (writing) state.commitsPerSecond.push((made / (performance.now() - from)) * 1000);
}

async function runPhase(state, phase) {
  const { nats, database, folder, peers } = state;
  const gateway = await startReader({ nats, processors, database, cache: CACHES[phase] });
  try {
    await gateway.untilPosition(ENTITIES, { deadlineMs: 300_000 });
    await gateway.untilStatus('live', { deadlineMs: 30_000 });
    const byId = phase === 'default' ? BY_ID : BY_ID.slice(0, 1);
    const more = phase === 'default' ? await others(gateway, folder) : [];
    say(`cache ${phase}: reading until it is warm`);
    await warm({ address: gateway.address, pids: [gateway.pid] }, how);
    for (let round = 1; round <= ROUNDS; round++) {
      say(`cache ${phase}, round ${round} of ${ROUNDS}`);
      for (const writing of [false, true]) {
        const beside = phase === 'default' ? peers.filter((peer) => peer.beside === writing) : [];
        await group(state, phase, gateway, [...byId, ...(writing ? [] : more), ...beside], writing);
      }
    }
    if (phase === 'default') {
      state.commitCpuUs = await commitCpuUs(state, gateway);
      state.stalls = await stalls(gateway);
    }
  } finally {
    await stopReader(gateway);
  }
}

// What the writer alone costs the gateway: processor microseconds a commit. It is part of each read beside it.
async function commitCpuUs({ writer }, gateway) {
  const [used, made] = [processorSeconds([gateway.pid]), await commits(gateway)];
  writer.begin();
  await pause(SECONDS * 1000);
  writer.stop();
  return ((processorSeconds([gateway.pid]) - used) / ((await commits(gateway)) - made)) * 1e6;
}

// Every number of connections must get its answers: a loop that waits when exactly as many events arrive as it takes at
// once serves some hundreds of requests a second instead. What else the machine does slows the fewest connections just
// as much, which are measured anew at each try.
async function stalls(gateway) {
  const server = { address: gateway.address, pids: [gateway.pid] };
  const [fewest, ...others] = STALL_CONNECTIONS;
  const rate = async (connections) => (await loadOf(server, { kind: 'hot' }, connections)).perSecond;
  const rates = { [fewest]: await rate(fewest) };
  for (const connections of others) {
    let served = false;
    for (let tries = 0; tries < STALL_TRIES_MAX && !served; tries++) {
      const beside = tries === 0 ? rates[fewest] : await rate(fewest);
      rates[connections] = await rate(connections);
      served = rates[connections] > beside / 3;
    }
    const text = `${rates[connections].toFixed(0)} answers/s`;
    if (!served) throw new Error(`${connections} connections are not served: ${text}`);
    say(`${connections} connections: ${text}`);
  }
  return rates;
}

// ---- the report ----

const perCpuToBare = ({ bare, one }) => bare.cpuUs / one.cpuUs;
const rateToBare = ({ bare, one }) => one.perSecond / bare.perSecond;

function summary({ name, title, cache, writer, rounds }) {
  const of = (take) => spread(rounds.map(take));
  return {
    name,
    title,
    cache,
    writer,
    perSecond: of(({ one }) => one.perSecond),
    cpuUs: of(({ one }) => one.cpuUs),
    perCpuToBare: of(perCpuToBare),
    rateToBare: of(rateToBare),
    p50Us: of(({ one }) => one.p50Us).median,
    p99Us: of(({ one }) => one.p99Us).median,
    p999Us: of(({ one }) => one.p999Us).median,
    residentMb: of(({ one }) => one.residentBytes / 2 ** 20).max,
  };
}

function bareSummary(writer) {
  const rounds = [...rows.values()].filter((row) => row.writer === writer).flatMap((row) => row.rounds);
  const title = 'bare answer, same headers, same loop';
  return summary({ name: 'bare', title, cache: '', writer, rounds: rounds.map(({ bare }) => ({ bare, one: bare })) });
}

// Reads that are compared with the peers, which hold everything in memory.
const COMPARED = [
  { name: 'uniform', cache: 'whole' },
  { name: 'hot', cache: 'default' },
  { name: 'uniform', cache: 'default' },
];

// How the gateway's reads stand to a peer's, both beside the writer or both without: each has its ratio to the bare
// answer of its own moment, and those are compared, round by round.
function against(peer) {
  const theirs = rows.get([peer.name, '', peer.beside].join(' ')).rounds;
  const compare = (ours) => ({
    perCpu: spread(theirs.map((one, i) => perCpuToBare(ours[i]) / perCpuToBare(one))),
    cpu: spread(theirs.map((one, i) => perCpuToBare(one) / perCpuToBare(ours[i]))),
    rate: spread(theirs.map((one, i) => rateToBare(ours[i]) / rateToBare(one))),
  });
  const reads = COMPARED.map((read) => [read, rows.get([read.name, read.cache, peer.beside].join(' '))?.rounds]);
  const found = reads.filter(([, ours]) => ours).map(([read, ours]) => ({ ...read, ...compare(ours) }));
  return { name: peer.name, title: peer.title, writer: peer.beside, reads: found };
}

function makeReport({ peers, stalls: rates, ...state }) {
  const report = {
    machine: machine(),
    entities: ENTITIES,
    connections: CONNECTIONS,
    rounds: ROUNDS,
    seconds: SECONDS,
    pinned: processors.pinned,
    commitsPerSecond: spread(state.commitsPerSecond),
    commitCpuUs: state.commitCpuUs ?? null,
    rows: [bareSummary(false), bareSummary(true), ...[...rows.values()].map(summary)],
    peers: peers.map(against),
    perSecondByConnections: rates ?? {},
  };
  return { ...report, goals: readsGoals(report) };
}

async function main() {
  const folder = tempFolder(null, 'bench-reads');
  const nats = await startNats();
  say(`filling a stream with ${ENTITIES} entities`);
  await fillStream(nats, ENTITIES);
  const state = { nats, folder, database: join(folder, 'state.db'), commitsPerSecond: [] };
  processors.leave();
  state.floor = await startServer(processors, READS_FLOOR, ['127.0.0.1:0']);
  const peers = list(options.phases).includes('default') ? list(options.peers) : [];
  state.peers = await startPeers(peers, { processors, entities: ENTITIES });
  state.writer = new Writer(await nats.client(), { entities: ENTITIES, hot: HOT });
  try {
    for (const phase of list(options.phases)) await runPhase(state, phase);
    const report = makeReport(state);
    console.log(readsTable(report));
    if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 2)}\n`);
  } finally {
    for (const one of [...state.peers, state.floor, nats]) await one.stop();
  }
}

await main();
