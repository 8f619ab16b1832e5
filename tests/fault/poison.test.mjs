// Events that cannot be applied, of every kind, among good ones: the position reaches the end, each is rejected with
// the reason that an independent fold gives, the good ones are all applied, reads are right in mid-run, the rejected
// events that are kept stay within their limit, memory stays flat, and the log tells nothing of payloads and ids.
//
// COUNT events (10,000 by default) from SEED.
// ctest-timeout: 600

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { copyDatabase, differences, query, snapshot } from '../support/db.mjs';
import { Fold } from '../support/fold.mjs';
import { entityPath, startGateway } from '../support/gateway.mjs';
import { frugalEnvironment, inMegabytes, MEGABYTE, residentBytes } from '../support/memory.mjs';
import { publishAll, startNats } from '../support/nats.mjs';
import {
  COLLECTIONS,
  ID_MARK,
  makePoison,
  MARK,
  OUTSIDE,
  preludes,
  STREAMS,
  SUBJECTS,
  tooLarge,
} from '../support/poison.mjs';
import { Scrape } from '../support/prometheus.mjs';
import { Random } from '../support/workload.mjs';

const COUNT = Number(process.env.COUNT ?? 10_000);
const ALL_KEPT = 1_000_000; // rejected events, the most that can be set: all of them are compared
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const STEPS = 10; // looks in mid-run
const GROWTH_BYTES_MAX = 16 * MEGABYTE; // of the gateway in the second half: pages of a database that grows, mostly
const BURST_BYTES_MAX = 64 * MEGABYTE; // for events of 8 MiB, several on the way at once

// A fold that remembers what each entity was at each sequence.
class History extends Fold {
  constructor(mapping) {
    super(mapping);
    this.states = new Map(); // "collection/id" -> [{seq, version, deleted, state}]
  }

  change(event, message) {
    const result = super.change(event, message);
    if (result !== 'applied') return result;
    const key = `${event.collection}/${event.id}`;
    if (!this.states.has(key)) this.states.set(key, []);
    this.states.get(key).push({ ...this.entities.get(event.collection).get(event.id) });
    return result;
  }

  at(collection, id, position) {
    return this.states.get(`${collection}/${id}`)?.findLast(({ seq }) => seq <= position);
  }
}

// What is wrong with an answer to a read of an entity, by its own State-Position; null = nothing.
function wrongRead({ stream, collection, id, answer }, history) {
  const found = new RegExp(`(?:^|, )${stream}:(\\d+);epoch=`).exec(answer.headers['state-position'] ?? '');
  if (found === null) return `no position of ${stream}`;
  const row = history.at(collection, id, Number(found[1]));
  const status = row === undefined ? 404 : row.deleted ? 410 : 200;
  if (answer.status !== status) return `${id} at ${found[1]}: ${answer.status} instead of ${status}`;
  if (row !== undefined && answer.headers['state-version'] !== String(row.version))
    return `${id} at ${found[1]}: version ${answer.headers['state-version']} instead of ${row.version}`;
  return status === 200 && answer.text !== row.state ? `${id} at ${found[1]}: another document` : null;
}

// Where marks of payloads and ids stand in a text.
const leaks = (text) => text.split('\n').filter((line) => line.includes(MARK) || line.includes(ID_MARK));

async function setUp(t, rejectedMax) {
  const nats = await startNats({ t, config: 'max_payload: 16MB' });
  const client = await nats.client();
  const histories = {};
  for (const mapping of STREAMS) {
    await client.jsm.streams.add({ name: mapping.name, subjects: SUBJECTS[mapping.name] });
    histories[mapping.name] = new History(mapping);
  }
  const streams = STREAMS.map(({ collectionsMax, ...stream }) => stream);
  const config = {
    streams,
    collections_max: COLLECTIONS.length,
    rejected: { max: rejectedMax },
    cache: { size: '4MiB' },
    log: { level: 'debug' },
  };
  const gateway = await startGateway({ t, nats, config, env: frugalEnvironment() });
  const world = { t, nats, client, gateway, histories, published: [], reads: [] };
  await publish(world, preludes());
  await atHead(world);
  return world;
}

async function publish({ client, histories, published }, lists) {
  await Promise.all(
    Object.entries(lists).map(async ([stream, list]) => {
      await publishAll(client.js, list, { inFlight: 100 });
      histories[stream].applyAll(list);
      published.push(...list.map(({ seq, subject, expect }) => ({ stream, seq, subject, expect })));
    }),
  );
}

async function atHead({ gateway, histories }) {
  for (const [stream, { position }] of Object.entries(histories))
    await gateway.untilPosition(position, { stream, deadlineMs: 60_000 });
}

// Reads while events flow; judged when all is known.
async function readAlong(world, isOver, random) {
  const { gateway, reads, histories } = world;
  while (!isOver()) {
    const stream = random.pick(Object.keys(histories));
    const collection = random.pick([...histories[stream].entities.keys(), 'customers']);
    const rows = [...(histories[stream].entities.get(collection)?.keys() ?? [])];
    const id = rows.length > 0 && random.chance(0.95) ? random.pick(rows) : 'nobody';
    if (stream !== ownerOf(collection)) continue;
    const answer = await gateway.get(entityPath(collection, id)).catch((error) => {
      const { exit } = gateway.running;
      throw new Error(
        `${collection}/${id}: ${error.message}; gateway ${JSON.stringify({ exit, log: gateway.log.slice(-3) })}`,
      );
    });
    reads.push({ stream, collection, id, answer });
  }
}

function ownerOf(collection) {
  if (collection === 'settings') return 'KV_settings';
  if (collection === 'things') return 'THINGS';
  return ['red', 'blue'].includes(collection) ? 'LISTED' : 'STATE';
}

async function compare({ gateway, histories }, { rejected = true } = {}) {
  const shown = await snapshot(gateway.database);
  return Object.entries(histories).flatMap(([stream, fold]) =>
    differences(shown, stream, fold, { rejected }).map((text) => `${stream}: ${text}`),
  );
}

const slice = (lists, step) =>
  Object.fromEntries(
    Object.entries(lists).map(([stream, list]) => {
      const at = (i) => Math.floor((list.length * i) / STEPS);
      return [stream, list.slice(at(step), at(step + 1))];
    }),
  );

// Publishes in steps and looks after each: `look(step)`.
async function flow(world, lists, look) {
  const random = new Random(SEED + 9);
  let over = false;
  const reader = readAlong(world, () => over, random);
  reader.catch(() => {}); // it is awaited in the end
  try {
    for (let step = 0; step < STEPS; step++) {
      await publish(world, slice(lists, step));
      await atHead(world);
      await look(step);
    }
  } finally {
    over = true;
    await reader;
  }
}

// Every entity once more, as things stand in the end; then all reads are judged.
async function judgeReads({ gateway, reads, histories }) {
  for (const [stream, fold] of Object.entries(histories)) {
    for (const [collection, rows] of fold.entities) {
      for (const id of rows.keys()) {
        reads.push({ stream, collection, id, answer: await gateway.get(entityPath(collection, id)) });
      }
    }
  }
  const wrong = reads.map((read) => wrongRead(read, histories[read.stream])).filter((text) => text !== null);
  assert.deepEqual(wrong.slice(0, 10), []);
  return reads.length;
}

// What the generator says of an event and what the fold found are two opinions: they must agree.
function judgeExpectations({ published, histories }) {
  const reasons = new Map();
  for (const [stream, fold] of Object.entries(histories))
    for (const { sequence, reason } of fold.rejected) reasons.set(`${stream} ${sequence}`, reason);
  for (const { stream, seq, expect } of published)
    if (expect !== undefined) assert.equal(reasons.get(`${stream} ${seq}`), expect, `${stream} ${seq}`);
}

function countReasons(histories) {
  const counts = {};
  for (const fold of Object.values(histories))
    for (const { reason } of fold.rejected) counts[reason] = (counts[reason] ?? 0) + 1;
  return counts;
}

async function judgeMetrics({ gateway, histories, published }) {
  // The consumer's filter leaves them out.
  const undelivered = published.filter(({ subject }) => subject === OUTSIDE).length;

  const scrape = new Scrape((await gateway.get('/metrics')).text);
  for (const [stream, fold] of Object.entries(histories)) {
    for (const [result, count] of Object.entries(fold.counts)) {
      if (result === 'redelivered') continue;
      const seen = stream === 'STATE' && result === 'ignored' ? count - undelivered : count;
      assert.equal(scrape.value('stategate_events_total', { stream, result }) ?? 0, seen, `${stream} ${result}`);
    }
  }
}

// All pages of /v1/rejected.
async function allRejected(gateway) {
  const items = [];
  let next = '';
  do {
    const page = (await gateway.get(`/v1/rejected?limit=500${next && `&cursor=${next}`}`)).json();
    items.push(...page.items);
    next = page.next ?? '';
  } while (next !== '');
  return items;
}

describe(`poison (SEED=${SEED})`, () => {
  it('is rejected, each with its reason, and everything else is applied', async (t) => {
    const world = await setUp(t, ALL_KEPT);
    const lists = makePoison({ seed: SEED, count: COUNT });
    await flow(world, lists, async (step) => {
      if (step % 3 === 1) assert.deepEqual(await compare(world), [], `in mid-run, step ${step}`);
    });
    assert.deepEqual(await compare(world), []);
    judgeExpectations(world);
    await judgeMetrics(world);
    const rejected = Object.values(world.histories).flatMap((fold) => fold.rejected);
    assert.equal((await allRejected(world.gateway)).length, rejected.length);
    assert.deepEqual(leaks(world.gateway.stderr), []);
    assert.ok(!world.gateway.log.some(({ level }) => level === 'error'));
    const read = await judgeReads(world);
    const applied = Object.values(world.histories).reduce((sum, { counts }) => sum + counts.applied, 0);
    t.diagnostic(
      `seed ${SEED}: ${world.published.length} events, ${applied} applied, ${rejected.length} rejected ` +
        `${JSON.stringify(countReasons(world.histories))}; ${read} reads in mid-run: all as the fold`,
    );
    assert.ok(rejected.length > 0.3 * COUNT, `${rejected.length}`);
  });

  it('is kept within its limit, and costs no memory', async (t) => {
    const max = 50;
    const world = await setUp(t, max);
    const sizes = [];
    await publish(world, burst()); // room for so much is kept
    await atHead(world);
    await flow(world, makePoison({ seed: SEED + 1, count: COUNT, large: 0 }), async () => {
      sizes.push(residentBytes(world.gateway.pid));
      const items = await allRejected(world.gateway);
      assert.ok(items.length <= max, `${items.length} rejected events are kept`);
      assert.deepEqual(await compare(world, { rejected: false }), []);
      for (const [stream, { rejected }] of Object.entries(world.histories)) {
        const kept = items.filter((item) => item.stream === stream).map(({ sequence }) => sequence);
        const newest = rejected.slice(rejected.length - kept.length).map(({ sequence }) => sequence);
        assert.deepEqual(kept.reverse(), newest, `the newest of ${stream} are kept`);
      }
    });
    await publish(world, burst());
    await atHead(world);
    const last = residentBytes(world.gateway.pid);
    const read = await judgeReads(world);
    t.diagnostic(
      `seed ${SEED + 1}: ${world.published.length} events, rejected.max ${max}; ${read} reads; ` +
        `resident after each tenth: ${sizes.map(inMegabytes).join(', ')}; ` +
        `after 8 MiB events again ${inMegabytes(last)}`,
    );
    assert.equal(grownTooMuch(sizes), null);
    assert.ok(last - Math.max(...sizes) < BURST_BYTES_MAX, inMegabytes(last));
    assert.deepEqual(leaks(world.gateway.stderr), []);
  });

  it('is noticed when it is not handled so', async (t) => {
    const world = await setUp(t, ALL_KEPT);
    await publish(world, makePoison({ seed: 7, count: 400, large: 0 }));
    await atHead(world);
    const good = { ...world, gateway: { database: copyDatabase(t, world.gateway.database) } };
    assert.deepEqual(await compare(good), []);
    for (const [fault, sql] of Object.entries({
      'a rejected event that is missing': 'DELETE FROM rejected WHERE number = (SELECT min(number) FROM rejected)',
      'another reason': "UPDATE rejected SET reason = 'bad-type' WHERE reason = 'bad-json'",
      'another hash':
        'UPDATE rejected SET payload_sha256 = zeroblob(32) WHERE number = (SELECT max(number) FROM rejected)',
      'a good event that was dropped': 'DELETE FROM entities WHERE rowid = (SELECT max(rowid) FROM entities)',
      'poison that was applied':
        'UPDATE entities SET version = version + 1 WHERE rowid = (SELECT min(rowid) FROM entities)',
      'a position that stands still': "UPDATE streams SET position = position - 1 WHERE name = 'KV_settings'",
    })) {
      const database = copyDatabase(t, world.gateway.database);
      await query(database, sql, { write: true });
      assert.notDeepEqual(await compare({ ...world, gateway: { database } }), [], `not noticed: ${fault}`);
    }
    const answer = await world.gateway.get('/v1/state/customers/first');
    const read = { stream: 'STATE', collection: 'customers', id: 'first', answer };
    assert.equal(wrongRead(read, world.histories.STATE), null);
    for (const change of [
      { status: 404 },
      { text: '{}' },
      { headers: { ...answer.headers, 'state-version': '9' } },
      { headers: {} },
    ])
      assert.notEqual(wrongRead({ ...read, answer: { ...answer, ...change } }, world.histories.STATE), null);
    assert.equal(leaks(`{"event":"x","subject":"state.customers.${ID_MARK}-1"}\n`).length, 1);
    assert.notEqual(grownTooMuch([40, 50, 60, 70, 80, 90].map((size) => size * MEGABYTE)), null);
  });
});

const burst = () => ({
  STATE: [tooLarge(1), tooLarge(2), tooLarge(3)],
  KV_settings: [1, 2, 3].map((i) => ({ ...tooLarge(i), subject: '$KV.settings.big' })),
});

// Memory: the most of the second half against the most of the first.
function grownTooMuch(sizes) {
  const half = Math.ceil(sizes.length / 2);
  const [first, second] = [Math.max(...sizes.slice(0, half)), Math.max(...sizes.slice(half))];
  return second - first > GROWTH_BYTES_MAX ? `${inMegabytes(first)}, then ${inMegabytes(second)}` : null;
}
