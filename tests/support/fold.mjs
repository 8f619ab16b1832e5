// The independent fold: what the rows, the position and the rejected events must be after given messages. Written from
// what docs/events.md and openapi.yaml say of events, not from the gateway's code.

import { createHash } from 'node:crypto';

import { Poison, readJson, writeJson } from './json.mjs';

const ID_BYTES_MAX = 512;
const COLLECTION_BYTES_MAX = 128;
const TEXT_BYTES_MAX = 512;
const PAYLOAD_BYTES_MAX = 8 * 1024 * 1024;
const VERSION_MAX = (1n << 63n) - 1n;
const DAY = /\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])/.source;
const TIME = /(?:[01]\d|2[0-3]):[0-5]\d:(?:[0-5]\d|60)(?:\.\d+)?(?:[Zz]|[+-](?:[01]\d|2[0-3]):[0-5]\d)/.source;
const RFC3339 = new RegExp(`^${DAY}[Tt]${TIME}$`);

// The state of one stream. `mapping` is the stream's own part of the configuration: {subject, collection?,
// collections?, format?, collectionsMax? (how many it may have)}. Each message is {seq, subject, payload (bytes),
// headers? (nats headers)}.
export class Fold {
  constructor(mapping) {
    this.mapping = mapping;
    this.position = 0;
    this.entities = new Map(); // collection -> id -> {version (BigInt), deleted, state, seq, occurredAt}
    this.rejected = [];
    this.counts = { applied: 0, redelivered: 0, duplicate: 0, conflict: 0, stale: 0, rejected: 0, ignored: 0 };
  }

  applyAll(messages) {
    for (const message of messages) this.apply(message);
    return this;
  }

  apply(message) {
    const result = this.result(message);
    this.counts[result]++;
    this.position = Math.max(this.position, message.seq);
    return result;
  }

  result(message) {
    if (message.seq <= this.position) return 'redelivered';
    try {
      const event = decode(this.mapping, message);
      return event === null ? 'ignored' : this.change(event, message);
    } catch (poison) {
      if (!(poison instanceof Poison)) throw poison;
      this.reject(message, poison.reason, poison.known, poison.reasons);
      return 'rejected';
    }
  }

  change(event, message) {
    this.checkRoom(event);
    const rows = this.rows(event.collection);
    const stored = rows.get(event.id);
    if (event.erase) return this.erase(rows, event, stored, message);
    if (stored !== undefined && event.version < stored.version) return 'stale';
    if (stored !== undefined && event.version === stored.version) return this.same(event, stored, message);
    const { version, deleted, state, occurredAt } = event;
    rows.set(event.id, { version, deleted, state, occurredAt, seq: message.seq });
    return 'applied';
  }

  checkRoom(event) {
    const known = this.collections();
    if (event.erase || known.length < (this.mapping.collectionsMax ?? Infinity)) return;
    if (!known.includes(event.collection)) throw new Poison('too-many-collections', event);
  }

  same(event, stored, message) {
    if (event.deleted === stored.deleted && event.state === stored.state) return 'duplicate';
    this.reject(message, 'conflict', event);
    return 'conflict';
  }

  // An empty message: deleted, at the version that is stored.
  erase(rows, event, stored, message) {
    if (stored === undefined) return 'ignored';
    if (stored.deleted) return 'duplicate';
    rows.set(event.id, { version: stored.version, deleted: true, state: null, occurredAt: null, seq: message.seq });
    return 'applied';
  }

  reject(message, reason, known, reasons = [reason]) {
    this.rejected.push({
      sequence: message.seq,
      subject: Buffer.from(message.subject).subarray(0, TEXT_BYTES_MAX).toString(),
      reason,
      reasons, // any of them will do
      collection: known.collection,
      id: known.id,
      version: known.version,
      payloadBytes: message.payload.length,
      sha256: createHash('sha256').update(message.payload).digest('hex'),
    });
  }

  rows(collection) {
    if (!this.entities.has(collection)) this.entities.set(collection, new Map());
    return this.entities.get(collection);
  }

  // Collections with at least one row.
  collections() {
    return [...this.entities].filter(([, rows]) => rows.size > 0).map(([name]) => name);
  }

  live(collection) {
    return [...this.rows(collection)].filter(([, row]) => !row.deleted);
  }
}

// An event, or null where the subject fits no collection of the stream. Throws Poison.
function decode(mapping, message) {
  const match = matchSubject(mapping.subject, message.subject);
  if (match === null) return null;
  const collection = mapping.collection ?? match.collection;
  if (mapping.collections && !mapping.collections.includes(collection)) return null;
  if (Buffer.byteLength(collection) > COLLECTION_BYTES_MAX) throw new Poison('bad-collection');
  const known = { collection };
  try {
    if (match.id !== undefined) known.id = checkId(match.id);
    return mapping.format === 'kv' ? decodeKv(known, message) : decodeEnvelope(known, message);
  } catch (poison) {
    if (poison instanceof Poison) poison.known = known;
    throw poison;
  }
}

// `known` is filled on the way, so that a rejected event carries what could be read.
function decodeEnvelope(known, { payload }) {
  if (payload.length > PAYLOAD_BYTES_MAX) throw new Poison('too-large');
  if (payload.length === 0) {
    if (known.id === undefined) throw new Poison('missing-id');
    return { ...known, erase: true };
  }
  const document = readJson(payload);
  if (document.kind !== 'object') throw new Poison('bad-type');
  const member = (name) => {
    const value = document.members.get(name);
    return value === undefined || value.kind === 'null' ? undefined : value;
  };
  const event = { occurredAt: null };
  const all = [
    () => (known.id = takeId(known.id, member('aggregateId'))),
    () => (known.version = takeVersion(member('version'))),
    ...TEXTS.map((name) => () => takeText(member(name))),
    () => takeSchemaVersion(member('schemaVersion')),
    () => (event.occurredAt = takeTime(member('occurredAt'))),
    () => Object.assign(event, takeState(member)),
  ].map(poisonOf);
  throwFirst(all.filter((poison) => poison !== null));
  return { ...known, ...event };
}

// What is wrong in several ways may be rejected for any of them.
function poisonOf(check) {
  try {
    check();
    return null;
  } catch (poison) {
    if (poison instanceof Poison) return poison;
    throw poison;
  }
}

function throwFirst(poisons) {
  if (poisons.length === 0) return;
  poisons[0].reasons = poisons.map(({ reason }) => reason);
  throw poisons[0];
}

function takeId(fromSubject, value) {
  if (value === undefined) {
    if (fromSubject === undefined) throw new Poison('missing-id');
    return fromSubject;
  }
  const isInteger = value.kind === 'number' && /^-?\d+$/.test(value.raw);
  if (value.kind !== 'string' && !isInteger) throw new Poison('bad-type');
  const id = checkId(isInteger ? value.raw : value.value);
  if (fromSubject !== undefined && fromSubject !== id) throw new Poison('id-mismatch');
  return id;
}

function checkId(id) {
  const bad = id === '' || id === '.' || id === '..' || id.includes('\0') || Buffer.byteLength(id) > ID_BYTES_MAX;
  if (bad) throw new Poison('bad-id');
  return id;
}

function takeVersion(value) {
  if (value === undefined) throw new Poison('missing-version');
  if (value.kind !== 'number' || !/^[1-9]\d*$/.test(value.raw)) throw new Poison('bad-version');
  const version = BigInt(value.raw);
  if (version > VERSION_MAX) throw new Poison('bad-version');
  return version;
}

const TEXTS = ['type', 'messageId', 'correlationId', 'causationId'];

function takeText(value) {
  if (value === undefined) return;
  if (value.kind !== 'string') throw new Poison('bad-type');
  if (Buffer.byteLength(value.value) > TEXT_BYTES_MAX) throw new Poison('too-large');
}

function takeSchemaVersion(value) {
  if (value !== undefined && !(value.kind === 'number' && /^-?\d+$/.test(value.raw))) throw new Poison('bad-type');
}

function takeTime(value) {
  takeText(value);
  if (value !== undefined && !RFC3339.test(value.value)) throw new Poison('bad-type');
  return value?.value ?? null;
}

function takeState(member) {
  const [state, patch, deleted] = [member('state'), member('patch'), member('deleted')];
  if (deleted !== undefined && deleted.kind !== 'true' && deleted.kind !== 'false') throw new Poison('bad-type');
  if (state !== undefined && state.kind !== 'object') throw new Poison('bad-type');
  if (state !== undefined && patch !== undefined) throw new Poison('bad-type');
  if (deleted?.kind === 'true') return { deleted: true, state: null };
  if (patch !== undefined) throw new Poison('unsupported');
  if (state === undefined) throw new Poison('missing-state');
  return { deleted: false, state: writeJson(state) };
}

function decodeKv(known, { payload, seq, headers }) {
  known.version = BigInt(seq);
  const operation = headers?.get('KV-Operation') ?? '';
  const marker = headers?.get('Nats-Marker-Reason') ?? '';
  if (operation === 'DEL' || operation === 'PURGE' || marker !== '') {
    return { ...known, deleted: true, state: null, occurredAt: null };
  }
  if (payload.length > PAYLOAD_BYTES_MAX) throw new Poison('too-large');
  return { ...known, deleted: false, state: writeJson(readJson(payload)), occurredAt: null };
}

// {collection?, id?}, or null. `{id}` as the last part takes all tokens that remain.
function matchSubject(template, subject) {
  const parts = template.split('.');
  const tokens = subject.split('.');
  if (tokens.includes('')) return null;
  const found = {};
  for (const [i, part] of parts.entries()) {
    const last = i === parts.length - 1;
    if (tokens[i] === undefined) return null;
    if (part === '>' && last) return found;
    if (part === '{id}' && last) return { ...found, id: tokens.slice(i).join('.') };
    if (part === '{id}') found.id = tokens[i];
    else if (part === '{collection}') found.collection = tokens[i];
    else if (part !== '*' && part !== tokens[i]) return null;
  }
  return tokens.length === parts.length ? found : null;
}
