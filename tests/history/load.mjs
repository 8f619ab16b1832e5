// A recorded history in memory: what was really published and when it was acknowledged, incarnation by incarnation,
// against which the rules judge each answer. Reads are not kept: they come one by one, in the order in which they
// ended.

import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';

// Calls `visit` with each recorded object.
export async function eachLine(file, visit) {
  const lines = createInterface({ input: createReadStream(file), crlfDelay: Infinity });
  let number = 0;
  for await (const text of lines) {
    number++;
    if (text !== '') visit(JSON.parse(text), number);
  }
}

// The last index whose key is at most `x` (or below it, if `strict`); -1 = none. Ascending keys.
export function lastAtMost(list, key, x, strict = false) {
  let low = 0;
  let high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    const k = key(list[middle]);
    if (strict ? k < x : k <= x) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

export class History {
  constructor() {
    this.incarnations = new Map(); // incarnation -> Incarnation
    this.epochs = new Map(); // epoch -> incarnation, as the states themselves say
    this.attempts = new Map(); // "incarnation collection id version" -> write
    this.gateways = [];
    this.stalls = []; // [from, to]: an answer may be late because something stood still
    this.faults = {};
    this.problems = [];
    this.settled = false;
  }

  static async load(file) {
    const history = new History();
    await eachLine(file, (line) => history.add(line));
    for (const incarnation of history.incarnations.values()) incarnation.finish();
    history.stalls.sort((a, b) => a[0] - b[0]);
    return history;
  }

  incarnation(l) {
    if (!this.incarnations.has(l)) this.incarnations.set(l, new Incarnation(l));
    return this.incarnations.get(l);
  }

  add(line) {
    switch (line.t) {
      case 'incarnation':
        this.incarnation(line.l).created = line.s;
        break;
      case 'end':
        Object.assign(this.incarnation(line.l), { deleted: line.s, gone: line.e });
        break;
      case 'w':
        this.addWrite(line);
        break;
      case 'log':
        this.incarnation(line.l).log.set(line.q, line);
        break;
      case 'dumped':
        this.incarnation(line.l).dumped = line.q;
        break;
      case 'gateway':
        this.gateways[line.g] = line;
        break;
      case 'stall':
        this.stalls.push([line.s, line.e]);
        break;
      case 'fault':
        this.addFault(line);
        break;
      case 'settled':
        this.settled = true;
        break;
      case 'r':
        this.bindEpoch(line);
        break;
      default:
        this.problems.push(`a line of an unknown kind: ${line.t}`);
    }
  }

  addWrite(line) {
    if (line.id !== undefined) this.attempts.set(`${line.l} ${line.c} ${line.id} ${line.v}`, line);
    if (line.q !== undefined) this.incarnation(line.l).acks.push(line);
  }

  addFault(line) {
    this.faults[line.kind] = (this.faults[line.kind] ?? 0) + 1;
    if (line.kind === 'gateway-stop') this.stalls.push([line.s, line.e]);
  }

  // A state says which incarnation it was written in; so the answer's epoch is that incarnation's.
  bindEpoch(line) {
    const text = line.b ?? line.items?.[0]?.[2];
    const found = text && line.pos?.e && /"incarnation":(\d+)/.exec(text);
    if (!found) return;
    const l = Number(found[1]);
    const known = this.epochs.get(line.pos.e);
    if (known !== undefined && known !== l)
      this.problems.push(`epoch ${line.pos.e} shows states of incarnations ${known} and ${l}`);
    this.epochs.set(line.pos.e, l);
  }

  attempt(l, c, id, v) {
    return this.attempts.get(`${l} ${c} ${id} ${v}`);
  }

  // Did an incarnation after `l` acknowledge a write before `x`?
  laterAck(l, x) {
    for (const [other, incarnation] of this.incarnations)
      if (other > l && incarnation.floor(x) > 0) return incarnation.ackBefore(x);
    return null;
  }

  // Milliseconds of [from, to] in which something stood still.
  stalled(from, to) {
    let sum = 0;
    for (let i = lastAtMost(this.stalls, ([s]) => s, to); i >= 0 && i > -1; i--) {
      const [s, e] = this.stalls[i];
      sum += Math.max(0, Math.min(e, to) - Math.max(s, from));
      if (s < from - 60_000) break;
    }
    return sum;
  }
}

// One incarnation of the stream.
class Incarnation {
  constructor(l) {
    this.l = l;
    this.created = -Infinity;
    this.deleted = Infinity; // asked to be
    this.gone = Infinity; // and that was answered
    this.acks = []; // writes, ascending by the time of the acknowledgement; `top` = the largest sequence so far
    this.log = new Map(); // sequence -> what is stored there
    this.dumped = 0; // the log is complete up to here
    this.entities = new Map(); // "collection id" -> [{q, v, k}], only what changes the row
    this.ids = new Map(); // collection -> [id]
  }

  finish() {
    this.acks.sort((a, b) => a.e - b.e);
    let top = 0;
    for (const ack of this.acks) {
      top = Math.max(top, ack.q);
      ack.top = top;
      if (!this.log.has(ack.q) && ack.id !== undefined) this.log.set(ack.q, ack);
    }
    for (const entry of [...this.log.values()].sort((a, b) => a.q - b.q)) this.apply(entry);
  }

  apply({ q, c, id, v, k }) {
    if (k !== 's' && k !== 'd') return;
    const key = `${c} ${id}`;
    if (!this.entities.has(key)) {
      this.entities.set(key, []);
      this.ids.set(c, [...(this.ids.get(c) ?? []), id]);
    }
    const changes = this.entities.get(key);
    if (changes.length === 0 || changes.at(-1).v < v) changes.push({ q, v, k });
  }

  // The row of an entity when everything up to sequence `q` is applied; undefined = never seen.
  row(c, id, q) {
    const changes = this.entities.get(`${c} ${id}`) ?? [];
    return changes[lastAtMost(changes, (change) => change.q, q)];
  }

  // The sequence at which an entity reached version `v`; undefined = never.
  reached(c, id, v) {
    const changes = this.entities.get(`${c} ${id}`) ?? [];
    return changes[lastAtMost(changes, (change) => change.v, v, true) + 1]?.q;
  }

  // The largest sequence that was acknowledged before `x`; 0 = none.
  floor(x) {
    return this.ackBefore(x)?.top ?? 0;
  }

  ackBefore(x) {
    return this.acks[lastAtMost(this.acks, (ack) => ack.e, x, true)];
  }
}
