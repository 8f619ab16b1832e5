// What two builds are compared in. A part runs both of them on the same stream and gives rows: {what, unit, pairs}, and
// perhaps what is wanted of them (judgeRow of compare.mjs).

import { execFileSync } from 'node:child_process';
import { rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { startNats } from '../tests/support/nats.mjs';
import { tempFolder } from '../tests/support/process.mjs';
import { openMany, untilParked, wakeSingles } from './connections.mjs';
import { changes, customerLines, writeLines } from './ingest_cases.mjs';
import { measure } from './instructions.mjs';
import { load } from './load.mjs';
import { FEED, processorSeconds, quantile, threadSeconds } from './machine.mjs';
import { writeAndRead } from './visible.mjs';
import {
  fillStream,
  pageTargets,
  readySeconds,
  startFollower,
  startReader,
  stopReader,
  STREAM,
  SUBJECT,
  warm,
  Writer,
} from './world.mjs';

const CONNECTIONS = 64;
const HOT_MAX = 10_000;
const WAITING = 200; // connections, each waiting for an entity of its own
const COMMITS_PER_SECOND = 250;
const COMMIT_SECONDS = 4; // of a round, times `seconds`
const INGEST_SHARE = 0.25; // of the entities: events of a round, so that each has its share of writing the WAL back
const WRITES_PER_ROUND = 500;

const NAMES = ['base', 'now'];

// Runs `measure(name)` for each build in turn, every time the other one first; a pair for each round.
async function inTurn(rounds, measure) {
  const pairs = [];
  for (let round = 0; round < rounds; round++) {
    const pair = {};
    for (const name of round % 2 === 0 ? NAMES : [...NAMES].reverse()) pair[name] = await measure(name, round);
    pairs.push(pair);
  }
  return pairs;
}

const pairsOf = (pairs, take) => pairs.map(({ base, now }) => ({ base: take(base), now: take(now) }));
const byName = (make) => Object.fromEntries(NAMES.map((name) => [name, make(name)]));

// Starts nats-server and, with `start(nats, binary, name)`, a gateway of each build; gives what `work` gives.
async function withBuilds({ builds, nats: options = {}, fill, start }, work) {
  const nats = await startNats(options);
  const gateways = {};
  try {
    await fill(nats);
    for (const name of NAMES) gateways[name] = await start(nats, builds[name], name);
    return await work(nats, gateways);
  } finally {
    for (const gateway of Object.values(gateways)) await stopReader(gateway);
    await nats.stop();
  }
}

async function untilApplied(gateways, position) {
  for (const gateway of Object.values(gateways)) {
    await gateway.untilPosition(position, { deadlineMs: 240_000, everyMs: 5 });
    await gateway.untilStatus('live', { deadlineMs: 30_000 });
  }
}

// ---- reads ----

// Of a cache and with or without a writer: what is loaded. A page's targets differ, since cursors do.
const READS = [
  { cache: null, writing: false, what: 'by id, hot', kind: 'hot' },
  { cache: null, writing: true, what: 'by id, hot, beside a writer', kind: 'hot' },
  { cache: null, writing: false, what: 'by id, uniform, default cache', kind: 'uniform' },
  { cache: null, writing: true, what: 'by id, uniform, default cache, beside a writer', kind: 'uniform' },
  { cache: null, writing: false, what: 'a page of 100', kind: 'targets' },
  { cache: '0', writing: false, what: 'by id, uniform, no cache', kind: 'uniform' },
];

async function compareReads({ builds, rounds, seconds, entities, processors, say }) {
  const rows = [];
  const folder = tempFolder(null, 'bench-compare');
  for (const cache of [null, '0']) {
    const fill = (nats) => fillStream(nats, entities);
    const start = (nats, stategate, name) =>
      startReader({ nats, processors, stategate, database: join(folder, `${name}-${cache}.db`), cache });
    await withBuilds({ builds, fill, start }, async (nats, gateways) => {
      await untilApplied(gateways, entities);
      processors.leave();
      const hot = Math.min(HOT_MAX, entities);
      const how = { entities, hot, connections: CONNECTIONS, seconds };
      const servers = byName((name) => ({ address: gateways[name].address, pids: [gateways[name].pid] }));
      const pages = {};
      for (const name of NAMES) {
        pages[name] = join(folder, `${name}.targets`);
        writeFileSync(pages[name], `${(await pageTargets(gateways[name])).join('\n')}\n`);
        await warm(servers[name], how);
      }
      const writer = new Writer(await nats.client(), { entities, hot });
      for (const { what, kind, writing } of READS.filter((one) => one.cache === cache)) {
        if (writing) writer.begin();
        const text = (name) => (kind === 'targets' ? pages[name] : '');
        const pairs = await inTurn(rounds, (name) => load(servers[name], { ...how, kind, text: text(name) }));
        if (writing) writer.stop();
        say(`${what}: ${pairs.length} rounds`);
        rows.push({ what, unit: 'CPU us a read', pairs: pairsOf(pairs, ({ cpuUs }) => cpuUs) });
      }
    });
  }
  return rows;
}

// ---- ingest ----

const INGEST = [
  { what: 'new ids', least: 0.9 },
  { what: 'hot ids', least: 0.7, pick: (random) => random % HOT_MAX },
  { what: 'random ids', least: 0.6, pick: (random, entities) => random % entities },
];

function publishLines(nats, lines, more = []) {
  const folder = tempFolder(null, 'bench-compare');
  const file = join(folder, 'events.jsonl');
  const { events } = writeLines(lines, file);
  execFileSync(FEED, ['--url', nats.url, ...more, '--subject', SUBJECT, '--collection', 'customers', file]);
  rmSync(folder, { recursive: true });
  return events;
}

const createStream = ['--create-stream', STREAM, '--storage', 'memory'];

async function compareIngest({ builds, rounds, entities, say }) {
  const fill = (nats) => publishLines(nats, customerLines(entities), createStream);
  const start = (nats, bin) => startFollower({ nats, bin });
  return withBuilds({ builds, fill, start }, async (nats, gateways) => {
    let position = entities;
    await untilApplied(gateways, position);
    // Both apply the same events at the same time.
    const round = async ({ pick }) => {
      const count = Math.max(100, Math.floor(entities * INGEST_SHARE));
      const used = byName((name) => processorSeconds([gateways[name].pid]));
      const fresh = pick ?? ((_, __, i) => position + i);
      const events = changes(count, { seed: position, version: position + 1, pick: (n, i) => fresh(n, entities, i) });
      position += publishLines(nats, events);
      await untilApplied(gateways, position);
      return byName((name) => ((processorSeconds([gateways[name].pid]) - used[name]) / count) * 1e6);
    };
    const rows = [];
    for (const one of INGEST) {
      const pairs = [];
      await round(one); // warms what it touches
      while (pairs.length < rounds) pairs.push(await round(one));
      say(`${one.what}: ${pairs.length} rounds`);
      rows.push({ what: `${one.what}, 300 B`, unit: 'CPU us an event', least: one.least, pairs });
    }
    return rows;
  });
}

// ---- start ----

async function compareStart({ builds, rounds, entities, say }) {
  const nats = await startNats();
  try {
    publishLines(nats, customerLines(entities), createStream);
    const measure = async (name, round) => {
      const built = await readySeconds(() => startFollower({ nats, bin: builds[name] }));
      const cpu = processorSeconds([built.gateway.pid]);
      await built.gateway.stop(); // an orderly end, which is not counted
      const again = await readySeconds(() => built.gateway.start());
      await stopReader(built.gateway);
      const seconds = `${built.seconds.toFixed(2)} s, again ${again.seconds.toFixed(3)} s`;
      say(`round ${round + 1}, ${name}: ready after ${seconds}`);
      return { built: built.seconds, cpu, again: again.seconds };
    };
    const pairs = await inTurn(rounds, measure);
    return [
      { what: 'ready from an existing stream', unit: 's', pairs: pairsOf(pairs, ({ built }) => built) },
      { what: 'processor time of that', unit: 's', pairs: pairsOf(pairs, ({ cpu }) => cpu) },
      { what: 'ready after a clean restart', unit: 's', pairs: pairsOf(pairs, ({ again }) => again) },
    ];
  } finally {
    await nats.stop();
  }
}

// ---- waits and publish to visible ----

const startLive = async (nats, bin) => {
  const gateway = await startFollower({ nats, bin });
  await gateway.untilStatus('live', { deadlineMs: 30_000 });
  return gateway;
};

async function compareWaits({ builds, rounds, say }) {
  const fill = (nats) => fillStream(nats, 1000);
  return withBuilds({ builds, fill, start: startLive }, async (nats, gateways) => {
    const { js } = await nats.client();
    const publish = (id, version) =>
      js.publish(`state.customers.${id}`, `{"version":${version},"state":{"n":${version}}}`, { timeout: 30_000 });
    const measure = async (name, round) => {
      const gateway = gateways[name];
      const connections = await openMany(gateway, WAITING);
      let used;
      const whenParked = async () => {
        await untilParked(gateway, WAITING);
        used = processorSeconds([gateway.pid]);
      };
      const prefix = `${name}-${round}`;
      const times = await wakeSingles({ publish, connections, rounds: WAITING, prefix, whenParked });
      const cpuUs = ((processorSeconds([gateway.pid]) - used) / WAITING) * 1e6;
      connections.forEach(({ socket }) => socket.destroy());
      await untilParked(gateway, 0);
      return { p50: quantile(times, 0.5), cpuUs };
    };
    const pairs = await inTurn(rounds, measure);
    say(`waits: ${pairs.length} rounds of ${WAITING}`);
    return [
      { what: 'one woken among 200: publish to first byte, p50', unit: 'ms', pairs: pairsOf(pairs, ({ p50 }) => p50) },
      { what: 'one woken among 200', unit: 'CPU us', pairs: pairsOf(pairs, ({ cpuUs }) => cpuUs) },
    ];
  });
}

async function compareVisible({ builds, rounds, entities, processors, say }) {
  const fill = (nats) => fillStream(nats, entities);
  const start = async (nats, stategate) => {
    const [bin, args] = processors.alone(stategate);
    return startFollower({ nats, bin, args });
  };
  const options = { through: processors.alone };
  return withBuilds({ builds, nats: options, fill, start }, async (nats, gateways) => {
    await untilApplied(gateways, entities);
    processors.leave();
    const targets = byName((name) => `http:${gateways[name].port}`);
    const pairs = [];
    for (let round = 0; round < rounds; round++) {
      const order = round % 2 === 0 ? NAMES : [...NAMES].reverse();
      const how = { writes: WRITES_PER_ROUND, rate: 250, entities, targets: order.map((name) => targets[name]) };
      const found = writeAndRead(nats, how);
      pairs.push(byName((name) => found[targets[name]].read));
    }
    say(`publish to visible: ${pairs.length} rounds of ${WRITES_PER_ROUND}`);
    const at = (q) => pairsOf(pairs, (times) => quantile(times, q));
    const what = (q) => `read after the own write, with its position: ${q}`;
    return [
      { what: what('p50'), unit: 'ms', pairs: at(0.5) },
      { what: what('p99'), unit: 'ms', pairs: at(0.99) },
    ];
  });
}

// ---- a commit of one event ----

// By thread name, added up: threads of one name are one row.
function secondsByThread(gateway) {
  const sums = new Map();
  for (const { name, seconds } of threadSeconds(gateway.pid)) sums.set(name, (sums.get(name) ?? 0) + seconds);
  return sums;
}

// The threads that cost something, the dearest first: "projector 210, nats 90".
function threadsText(before, after, events) {
  const costs = [...after].map(([name, seconds]) => [name, ((seconds - (before.get(name) ?? 0)) / events) * 1e6]);
  const dear = costs.filter(([, us]) => us >= 1).sort(([, a], [, b]) => b - a);
  return dear.map(([name, us]) => `${name} ${us.toFixed(0)}`).join(', ');
}

async function compareCommit({ builds, rounds, seconds, entities, say }) {
  const fill = (nats) => fillStream(nats, entities);
  return withBuilds({ builds, fill, start: startLive }, async (nats, gateways) => {
    await untilApplied(gateways, entities);
    const hot = Math.min(HOT_MAX, entities);
    const writer = new Writer(await nats.client(), { entities, hot, perSecond: COMMITS_PER_SECOND });
    const pairs = [];
    const threads = byName((name) => secondsByThread(gateways[name]));
    const begun = writer.count;
    while (pairs.length < rounds) {
      const [used, before] = [byName((name) => processorSeconds([gateways[name].pid])), writer.count];
      writer.begin();
      await pause(COMMIT_SECONDS * seconds * 1000);
      writer.stop();
      await untilApplied(gateways, entities + writer.count);
      const events = writer.count - before;
      pairs.push(byName((name) => ((processorSeconds([gateways[name].pid]) - used[name]) / events) * 1e6));
    }
    const events = writer.count - begun;
    const by = byName((name) => threadsText(threads[name], secondsByThread(gateways[name]), events));
    for (const name of NAMES) say(`a commit of one event, ${name}, us by thread: ${by[name]}`);
    const what = `a commit of one event, ${COMMITS_PER_SECOND} a second`;
    return [{ what, unit: 'CPU us', most: 0.7, pairs, threads: by }];
  });
}

// ---- instructions, which are exact ----

const INSTRUCTIONS_MOST = 1.02;
const PAGE_MOST = 0.7;

async function compareInstructions({ builds, say }) {
  const counted = byName((name) => {
    say(`counting the instructions of ${name}`);
    return measure(join(dirname(builds[name]), 'bench/bench_instructions'));
  });
  if (counted.base.key !== counted.now.key)
    throw new Error(`figures of ${counted.base.key} and of ${counted.now.key} cannot be compared`);
  const both = Object.keys(counted.now.figures).filter((what) => what in counted.base.figures);
  return both.map((what) => ({
    what,
    unit: 'instructions',
    most: what === 'page of 100' ? PAGE_MOST : INSTRUCTIONS_MOST,
    pairs: [byName((name) => counted[name].figures[what])],
  }));
}

export const PARTS = {
  instructions: compareInstructions,
  reads: compareReads,
  ingest: compareIngest,
  start: compareStart,
  waits: compareWaits,
  visible: compareVisible,
  commit: compareCommit,
};
