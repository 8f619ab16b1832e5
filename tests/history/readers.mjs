// Readers: each asks one gateway after another, with every kind of demand, and records what it asked and what it was
// told.

import { setTimeout as pause } from 'node:timers/promises';

import { COLLECTIONS, STREAM } from './world.mjs';
import { ENTITIES_PER_COLLECTION } from './writers.mjs';

const WAITS = [undefined, 0, 0.05, 0.2, 0.5, 1, 2.5];
const WAIT_DEFAULT_S = 5;
const POSITION = new RegExp(`^${STREAM}:(\\d+)(?:;epoch=([a-z0-9]+))?$`);

function parsePosition(text) {
  const found = POSITION.exec(text ?? '');
  return found === null ? null : { q: Number(found[1]), e: found[2] ?? null };
}

const KINDS = [
  ['nothing', 15],
  ['carried', 30],
  ['version', 12],
  ['position', 12],
  ['bare', 12],
  ['fresh', 12],
  ['young', 8],
  ['ahead', 10],
  ['rejected', 2],
  ['several', 12],
];
const KINDS_TOTAL = KINDS.reduce((sum, [, weight]) => sum + weight, 0);

export class Reader {
  constructor({ world, recorder, random, index, onDone, everyMs = 0 }) {
    Object.assign(this, { world, recorder, random, index, onDone, everyMs });
    this.carried = null; // {q, e}: the last State-Position
    this.etags = new Map(); // path -> ETag
  }

  async run(going) {
    while (going()) {
      const g = this.random.between(0, this.world.gateways.length - 1);
      if (this.world.gateways[g].address === '') await pause(5);
      else await this.read(g, this.compose());
      if (this.everyMs > 0) await pause(this.random.next() * 2 * this.everyMs);
    }
  }

  kind() {
    let dice = this.random.next() * KINDS_TOTAL;
    for (const [name, weight] of KINDS) {
      dice -= weight;
      if (dice < 0) return name;
    }
    return 'nothing';
  }

  // One request: {c, id (none: the whole collection), d: demands, w: wait}
  compose() {
    const { random } = this;
    const request = { c: random.pick(COLLECTIONS), id: `e-${random.between(0, ENTITIES_PER_COLLECTION - 1)}`, d: {} };
    if (random.chance(0.12)) delete request.id;
    this.demand(request, this.kind());
    request.w = random.pick(WAITS);
    return request;
  }

  demand(request, kind) {
    const { random, world } = this;
    const write = world.acked.length > 0 ? random.pick(world.acked.slice(-16)) : null;
    const { d } = request;
    if (kind === 'carried' && this.carried !== null) Object.assign(d, { p: this.carried, carried: true });
    if (kind === 'version' && write?.id) this.ofWrite(request, write, write.v);
    if (kind === 'position' && write) d.p = this.withEpoch(write);
    if (kind === 'bare' && write) d.p = { q: write.q, e: null };
    if (kind === 'fresh') d.m = 0;
    if (kind === 'young') d.m = random.pick([0.01, 0.1, 0.5, 1.5, 3]);
    if (kind === 'ahead' && write) this.ahead(request, write);
    if (kind === 'rejected') this.rejected(request);
    if (kind === 'several') {
      this.demand(request, random.pick(['version', 'carried', 'ahead']));
      if (d.p === undefined) this.demand(request, random.pick(['position', 'bare']));
      this.demand(request, random.pick(['fresh', 'young']));
    }
  }

  ofWrite(request, write, v) {
    Object.assign(request, { c: write.c, id: write.id });
    request.d.v = v;
  }

  // The epoch of a write, as far as answers have shown it; without one, the bare form.
  withEpoch(write) {
    for (const [e, incarnation] of this.world.epochs) if (incarnation === write.l) return { q: write.q, e };
    return { q: write.q, e: null };
  }

  // Something that is not there yet, and may come.
  ahead(request, write) {
    const { random, world } = this;
    if (write.id && random.chance(0.5)) this.ofWrite(request, write, write.v + random.between(1, 2));
    else request.d.p = { ...this.withEpoch(write), q: world.lastAcked + random.between(1, 3) };
  }

  rejected(request) {
    const poison = this.world.acked.filter(({ k }) => k === 'p').at(-1);
    if (poison) this.ofWrite(request, poison, poison.v);
  }

  target({ c, id, d, w }) {
    const headers = {};
    const query = [];
    const say = (header, parameter, value) => {
      if (this.random.chance(0.5)) headers[header] = value;
      else query.push(`${parameter}=${encodeURIComponent(value)}`);
    };
    if (d.v !== undefined) say('Min-Version', 'min_version', String(d.v));
    if (d.p) say('Min-Position', 'min_position', `${STREAM}:${d.p.q}${d.p.e ? `;epoch=${d.p.e}` : ''}`);
    if (d.m !== undefined) say('Max-Staleness', 'max_staleness', String(d.m));
    if (w !== undefined) {
      if (this.random.chance(0.5) && Number.isInteger(w)) headers.Prefer = `wait=${w}`;
      else query.push(`wait=${w}`);
    }
    if (id === undefined) query.push('limit=1000');
    const base = `/v1/state/${c}${id === undefined ? '' : `/${id}`}`;
    if (this.etags.has(base) && this.random.chance(0.15)) headers['If-None-Match'] = this.etags.get(base);
    return { base, path: query.length > 0 ? `${base}?${query.join('&')}` : base, headers };
  }

  async read(g, request, more = {}) {
    const gateway = this.world.gateways[g];
    const { base, path, headers } = this.target(request);
    const line = { t: 'r', g, i: this.index, ...request, ...more, s: this.recorder.now() };
    const timeoutMs = (request.w ?? WAIT_DEFAULT_S) * 1000 + 5000;
    try {
      const answer = await gateway.get(path, { headers, timeoutMs });
      line.e = this.recorder.now();
      this.note(line, answer, base);
    } catch (error) {
      line.e = this.recorder.now();
      line.err = (error.code ?? error.message).slice(0, 80);
      await pause(5);
    }
    this.recorder.add(line);
    this.onDone?.(line);
    return line;
  }

  note(line, { status, headers, text }, base) {
    line.st = status;
    line.pos = parsePosition(headers['state-position']);
    for (const [key, name] of [
      ['v', 'state-version'],
      ['sl', 'state-staleness'],
      ['lag', 'state-lag'],
    ])
      if (headers[name] !== undefined) line[`r${key}`] = Number(headers[name]);
    line.word = headers['state-status'];
    const parked = /wait;dur=([\d.]+)/.exec(headers['server-timing'] ?? '');
    if (parked) line.parked = Number(parked[1]);
    if (status === 200) this.noteBody(line, text, headers.etag, base);
    else if (status >= 400) line.type = /"type":"[^"]*?([a-z-]+)"/.exec(text)?.[1];
    if (status === 200 || status === 304 || status === 404 || status === 410)
      this.carried = line.pos?.e ? line.pos : null;
    else if (status === 409) this.carried = null;
  }

  noteBody(line, text, etag, base) {
    if (line.id !== undefined) line.b = text;
    else line.items = JSON.parse(text).items.map(({ id, version, state }) => [id, version, JSON.stringify(state)]);
    this.etags.set(base, etag);
    const incarnation = /"incarnation":(\d+)/.exec(text)?.[1];
    if (incarnation && line.pos?.e) this.world.epochs.set(line.pos.e, Number(incarnation));
  }
}
