// The streams that ingest is measured with: events as lines of JSON, by the kind of ids and documents that they have.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { closeSync, existsSync, openSync, writeSync } from 'node:fs';

const APT_HELPER = '/usr/lib/apt/apt-helper';
const WORDS = 'amber basalt cedar delta ember fjord grove harbor inlet juniper kelp lagoon meadow nectar'.split(' ');
const HOT_IDS = 10_000;
const LARGE_EVENTS_MAX = 100_000; // 200 MB in the stream

// The same numbers in every run: mulberry32.
function random(seed) {
  let a = seed >>> 0;
  return () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return (t ^ (t >>> 14)) >>> 0;
  };
}

function hashedId(i) {
  return createHash('md5').update(String(i)).digest('hex').slice(0, 20);
}

function sequentialId(i) {
  return `c${String(i).padStart(19, '0')}`;
}

function text(next, bytes) {
  let out = '';
  while (out.length < bytes) out += `${WORDS[next() % WORDS.length]} `;
  return out.slice(0, bytes);
}

function customer(i, next, noteBytes) {
  return {
    name: `Customer ${i}`,
    street: `Some street ${i % 977}`,
    city: 'Springfield',
    note: text(next, noteBytes),
    balance: i * 0.5,
    active: i % 2 === 0,
  };
}

function line(id, version, state) {
  const occurredAt = '2026-01-31T12:00:00Z';
  return JSON.stringify({ aggregateId: id, version, type: 'customer.changed', occurredAt, state });
}

// Generators of lines.
function* customers(count, { id, noteBytes = 80 }) {
  const next = random(1);
  for (let i = 0; i < count; i++) yield line(id(i), 1, customer(i, next, noteBytes));
}

// Events of entities that `pick(random, i)` numbers, with versions that count from `version`.
export function* changes(count, { seed, version, pick }) {
  const next = random(seed);
  for (let i = 0; i < count; i++) yield line(hashedId(pick(next(), i)), version + i, customer(i, next, 80));
}

const hotCustomers = (count) => changes(count, { seed: 2, version: 1, pick: (n) => n % HOT_IDS });

function packageIndexes() {
  if (!existsSync(APT_HELPER)) return [];
  const list = execFileSync('apt-get', ['indextargets', '--format', '$(FILENAME)', 'Created-By: Packages'], {
    encoding: 'utf8',
  });
  return list.split('\n').filter((file) => file !== '' && existsSync(file));
}

// One stanza of a package index: fields of one line, or continued by lines that begin with white space.
function stanzaState(stanza) {
  const state = {};
  let field;
  for (const row of stanza.split('\n')) {
    if (/^\s/.test(row) && field) state[field] += `\n${row.trim()}`;
    else {
      const at = row.indexOf(':');
      if (at < 1) continue;
      field = row.slice(0, at);
      state[field] = row.slice(at + 1).trim();
    }
  }
  return state;
}

function* packages(count) {
  const versions = new Map();
  let left = count;
  for (const file of packageIndexes()) {
    const index = execFileSync(APT_HELPER, ['cat-file', file], { encoding: 'utf8', maxBuffer: 1 << 30 });
    for (const stanza of index.split('\n\n')) {
      const state = stanzaState(stanza);
      if (left === 0 || !state.Package) continue;
      const version = (versions.get(state.Package) ?? 0) + 1;
      versions.set(state.Package, version);
      left -= 1;
      yield line(state.Package, version, state);
    }
  }
}

export const CASES = [
  { name: 'sequential ids, 300 B', goal: 0.65, lines: (count) => customers(count, { id: sequentialId }) },
  { name: 'random ids, 300 B', goal: 0.75, lines: (count) => customers(count, { id: hashedId }) },
  { name: `hot ids (${HOT_IDS}), 300 B`, lines: (count) => hotCustomers(count) },
  {
    name: 'random ids, 2 KB',
    lines: (count) => customers(Math.min(count, LARGE_EVENTS_MAX), { id: hashedId, noteBytes: 1800 }),
  },
  { name: 'Debian package index', lines: (count) => packages(count) },
];

// Writes a case's events into `file`, one a line; gives their number and mean size.
export function writeLines(lines, file) {
  const fd = openSync(file, 'w');
  let events = 0;
  let bytes = 0;
  let block = [];
  const flush = () => {
    if (block.length > 0) bytes += writeSync(fd, `${block.join('\n')}\n`) - block.length;
    block = [];
  };
  for (const one of lines) {
    events += 1;
    if (block.push(one) === 1000) flush();
  }
  flush();
  closeSync(fd);
  return { events, bytesPerEvent: events > 0 ? Math.round(bytes / events) : 0 };
}

// Events of so many entities, for other benchmarks.
export function customerLines(count, { sequential = false } = {}) {
  return customers(count, { id: sequential ? sequentialId : hashedId });
}
