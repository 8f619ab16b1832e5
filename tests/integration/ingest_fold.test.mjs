// 100,000 events of two streams, with everything wrong that a careless world sends, give exactly the rows and the
// rejected events that an independent fold of the same events gives.
// ctest-timeout: 600

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { differences, snapshot } from '../support/db.mjs';
import { Fold } from '../support/fold.mjs';
import { entityPath, startGateway } from '../support/gateway.mjs';
import { readJson, writeJson } from '../support/json.mjs';
import { publishAll, startNats } from '../support/nats.mjs';
import { makeEvents } from '../support/workload.mjs';

const SEED = Number(process.env.SEED ?? 20260131);
const COUNT = Number(process.env.EVENTS ?? 100_000);
const COLLECTIONS = ['customers', 'orders', 'Größen'];

const STATE = { name: 'STATE', subject: 'state.{collection}.{id}' };
const THINGS = { name: 'THINGS', subject: 'things.events', collection: 'things' };

describe(`a stream of ${COUNT} events (seed ${SEED})`, () => {
  let nats;
  let gateway;
  const folds = { STATE: new Fold(STATE), THINGS: new Fold(THINGS) };

  before(async () => {
    nats = await startNats({ config: 'max_payload: 16MB' });
    const { js, jsm } = await nats.client();
    await jsm.streams.add({ name: 'STATE', subjects: ['state.>'] });
    await jsm.streams.add({ name: 'THINGS', subjects: ['things.>'] });
    const count = COUNT / 2;
    const subject = (collection, id) => `state.${collection}.${id}`;
    const state = makeEvents({ seed: SEED, count, collections: COLLECTIONS, ids: 2000, subject, large: true });
    const things = makeEvents({
      seed: SEED + 1,
      count,
      collections: ['things'],
      ids: 3000,
      fixed: 'things.events',
      large: true,
    });

    // A part is there before the gateway; the rest comes while it works.
    const early = Math.floor(count * 0.4);
    await publishAll(js, state.slice(0, early));
    await publishAll(js, things.slice(0, early));
    gateway = await startGateway({ nats, config: { streams: [STATE, THINGS], rejected: { max: 100_000 } } });
    await Promise.all([publishAll(js, state.slice(early)), publishAll(js, things.slice(early))]);
    for (const [name, list] of Object.entries({ STATE: state, THINGS: things })) {
      list.sort((a, b) => a.seq - b.seq);
      folds[name].applyAll(list);
    }
    await gateway.untilPosition(folds.STATE.position, { stream: 'STATE', deadlineMs: 120_000 });
    await gateway.untilPosition(folds.THINGS.position, { stream: 'THINGS', deadlineMs: 120_000 });

    // What the workload says of itself, and what the fold found, are two opinions: they must agree.
    for (const [name, list] of Object.entries({ STATE: state, THINGS: things })) {
      const reasons = new Map(folds[name].rejected.map((entry) => [entry.sequence, entry.reason]));
      for (const { seq, expect } of list) {
        if (expect !== undefined || reasons.get(seq) !== 'conflict') assert.equal(reasons.get(seq), expect);
      }
    }
  });

  after(async () => {
    await gateway?.kill9();
    await nats?.stop();
  });

  it('holds events of every outcome', () => {
    for (const fold of Object.values(folds)) {
      for (const result of ['applied', 'duplicate', 'conflict', 'stale', 'rejected']) {
        assert.ok(fold.counts[result] > COUNT / 1000, `${result}: ${fold.counts[result]}`);
      }
    }
    assert.ok(folds.STATE.entities.size >= COLLECTIONS.length);
  });

  it('gives every row, version, state, position and rejected event of the fold', async () => {
    const shown = await snapshot(gateway.database);
    assert.deepEqual(differences(shown, 'STATE', folds.STATE), []);
    assert.deepEqual(differences(shown, 'THINGS', folds.THINGS), []);
  });

  it('answers every id by its percent-encoded path', async () => {
    const entities = [];
    for (const fold of Object.values(folds)) {
      for (const [collection, rows] of fold.entities) {
        for (const [id, row] of rows) entities.push([collection, id, row]);
      }
    }
    assert.ok(entities.length > 5000);
    const workers = Array.from({ length: 16 }, async () => {
      for (let next = entities.pop(); next !== undefined; next = entities.pop()) await checkEntity(gateway, ...next);
    });
    await Promise.all(workers);
  });

  it('lists every collection in pages, by bytes of the id, without tombstones', async () => {
    const all = [...COLLECTIONS.map((name) => [folds.STATE, name]), [folds.THINGS, 'things']];
    for (const [fold, collection] of all) {
      const items = await readPages(gateway, `/v1/state/${encodeURIComponent(collection)}?limit=333`);
      const expected = fold
        .live(collection)
        .sort(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
        .map(([id, row]) => [id, String(row.version), row.state]);
      assert.deepEqual(items, expected);
    }
  });

  it('lists the rejected events, newest first', async () => {
    for (const [name, fold] of Object.entries(folds)) {
      const found = [];
      let path = `/v1/rejected?stream=${name}&limit=1000`;
      while (path) {
        const page = (await gateway.get(path)).json();
        found.push(...page.items.map(({ sequence, reason, payloadSha256 }) => [sequence, reason, payloadSha256]));
        path = page.next && `/v1/rejected?stream=${name}&limit=1000&cursor=${page.next}`;
      }
      assert.deepEqual(
        found.reverse(),
        fold.rejected.map(({ sequence, reason, sha256 }) => [sequence, reason, sha256]),
      );
    }
  });

  it('counts what the fold counts', async () => {
    for (const [name, fold] of Object.entries(folds)) {
      const status = await gateway.status(name);
      assert.equal(status.conflicts, fold.counts.conflict);
      assert.equal(status.rejected, fold.counts.rejected + fold.counts.conflict);
      assert.equal(status.position, fold.position);
    }
    const { collections } = (await gateway.get('/v1/state')).json();
    for (const { name, stream, entities } of collections) assert.equal(entities, folds[stream].live(name).length);
  });
});

async function checkEntity(gateway, collection, id, row) {
  const answer = await gateway.get(entityPath(collection, id));
  const where = `${collection}/${JSON.stringify(id)}`;
  assert.equal(answer.status, row.deleted ? 410 : 200, where);
  assert.equal(answer.headers['state-version'], String(row.version), where);
  if (!row.deleted) assert.equal(answer.text, row.state, where);
}

// [id, version, state] of all pages, following both `next` and Link, which must agree.
async function readPages(gateway, first) {
  const items = [];
  let path = first;
  while (path) {
    const answer = await gateway.get(path);
    assert.equal(answer.status, 200, answer.text);
    const page = readJson(answer.body).members;
    for (const { members } of page.get('items').items) {
      items.push([members.get('id').value, members.get('version').raw, writeJson(members.get('state'))]);
    }
    const next = page.get('next')?.value;
    const link = /^<([^>]+)>; *rel="next"$/.exec(answer.headers.link ?? '')?.[1];
    assert.equal(link === undefined, next === undefined);
    if (link !== undefined) assert.equal(new URL(link, 'http://x').searchParams.get('cursor'), next);
    path = link && new URL(link, `http://x${path}`).pathname + new URL(link, `http://x${path}`).search;
  }
  return items;
}
