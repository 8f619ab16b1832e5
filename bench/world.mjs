// What reads are measured in: a stream with entities c-0, c-1, ... of about 300 bytes in the collection customers, a
// gateway that follows it, and a writer.

import { closeSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';

import { startGateway } from '../tests/support/gateway.mjs';
import { end, start, tempFolder } from '../tests/support/process.mjs';
import { scrape } from '../tests/support/prometheus.mjs';
import { until } from '../tests/support/until.mjs';
import { load } from './load.mjs';
import { FEED, STATEGATE } from './machine.mjs';

export const STREAM = 'STATE';
export const SUBJECT = 'state.{collection}.{id}';
const STATE_BYTES = 300;
const PAGE_TARGETS = 100;

// A state of 300 bytes, whatever the numbers.
export function stateText(number, version) {
  const facts = `"number":${number},"changes":${version},"name":"Customer ${number}"`;
  const open = `{${facts},"city":"Springfield","tier":"gold","active":true,"balance":1234.50,"note":"`;
  return `${open}${'n'.repeat(STATE_BYTES - open.length - 2)}"}`;
}

function eventText(number, version) {
  const state = stateText(number, version);
  return `{"aggregateId":"c-${number}","version":${version},"occurredAt":"2026-01-31T12:00:00.123Z","state":${state}}`;
}

// Fills a new stream with the first version of each entity.
export async function fillStream(nats, entities, { storage = 'memory' } = {}) {
  const folder = tempFolder(null, 'bench-events');
  const file = join(folder, 'events.jsonl');
  const fd = openSync(file, 'w');
  for (let i = 0; i < entities; i += 1000) {
    const count = Math.min(1000, entities - i);
    writeSync(fd, Array.from({ length: count }, (_, k) => `${eventText(i + k, 1)}\n`).join(''));
  }
  closeSync(fd);
  const creating = ['--create-stream', STREAM, '--storage', storage, '--subject', SUBJECT];
  const feed = start(FEED, ['--url', nats.url, ...creating, '--collection', 'customers', file]);
  const exit = await feed.exited;
  rmSync(folder, { recursive: true });
  if (exit.code !== 0) throw new Error(`the stream was not filled: ${feed.stderr}`);
}

// A gateway that follows the stream, with the settings of an installation but for those in `more`.
export async function startFollower({ nats, bin, args, database, more = {} }) {
  const config = { streams: [{ name: STREAM, subject: SUBJECT }], ...more };
  return startGateway({ nats, bin, args, database, config });
}

// The same with one loop, on a processor of its own if there is one. `cache` is the setting cache.size; null = the
// default.
export async function startReader({ nats, processors, database, cache = null, stategate = STATEGATE }) {
  const [bin, args] = processors.alone(stategate);
  const more = { http: { loops: 1 }, ...(cache === null ? {} : { cache: { size: cache } }) };
  return startFollower({ nats, bin, args, database, more });
}

export async function stopReader(gateway) {
  await gateway.stop();
  rmSync(gateway.folder, { recursive: true, force: true });
}

// From just before a gateway's process is made until /readyz says 200: {gateway, seconds}.
export async function readySeconds(start) {
  const from = performance.now();
  const gateway = await start();
  await gateway.untilReady({ deadlineMs: 240_000, everyMs: 2 });
  return { gateway, seconds: (performance.now() - from) / 1000 };
}

// Until every entity was read once: what can be in memory is there, and it is known where the rest lies.
export async function warm(server, how) {
  for (let done = 0; done < how.entities * 1.02;)
    done += (await load(server, { ...how, kind: 'sweep', text: done })).requests;
}

// The targets of pages of 100, with cursors where they begin.
export async function pageTargets(gateway) {
  const targets = ['/v1/state/customers?limit=100'];
  while (targets.length < PAGE_TARGETS) {
    const { next } = (await gateway.get(targets.at(-1))).json();
    if (next === undefined) break;
    targets.push(`/v1/state/customers?limit=100&cursor=${encodeURIComponent(next)}`);
  }
  return targets;
}

// Any other program that says on its first line of output where it listens.
export async function startServer(processors, program, args) {
  const running = start(...processors.alone(program, args));
  await until(`${program} listens`, () => running.stdout.includes('\n') || running.exit, { everyMs: 5 });
  if (running.exit) throw new Error(`${program} ended: ${running.stderr}`);
  return { address: running.stdout.trim(), pids: [running.pid], stop: () => end(running) };
}

// Publishes new versions of the even entities, `perSecond` a second, one at a time, so that each is a commit of its
// own; every other one is a hot entity.
export class Writer {
  constructor(client, { entities, hot, perSecond = 100 }) {
    Object.assign(this, { client, entities, hot, perSecond });
    this.versions = new Map();
    this.count = 0;
    this.timer = null;
    this.failure = null;
  }

  // The hot ids are those of load.lua.
  pick() {
    const any = (count) => Math.floor(Math.random() * count);
    if (this.count % 2 === 0) return Math.floor(any(this.entities) / 2) * 2;
    return Math.floor(any(this.hot) / 2) * 2 * Math.floor(this.entities / this.hot);
  }

  publish() {
    this.count += 1;
    const number = this.pick();
    const version = (this.versions.get(number) ?? 1) + 1;
    this.versions.set(number, version);
    this.client.js
      .publish(`state.customers.c-${number}`, eventText(number, version), { timeout: 30_000 })
      .catch((error) => (this.failure ??= error));
  }

  begin() {
    const [from, before] = [performance.now(), this.count];
    this.timer = setInterval(() => {
      const due = before + ((performance.now() - from) / 1000) * this.perSecond;
      if (this.count < due) this.publish();
    }, 2);
  }

  stop() {
    clearInterval(this.timer);
    if (this.failure) throw this.failure;
  }
}

// How many commits a gateway has made.
export async function commits(gateway) {
  return (await scrape(gateway)).sum('stategate_apply_batch_events_count');
}
