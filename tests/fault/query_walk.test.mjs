// Random queries over random documents, on two replicas: a walk over all pages gives exactly what filter and sort of
// the same documents give; what is refused has no index that serves it. While a writer changes rows, each page is one
// snapshot, and what nobody changes comes once.
//
// COUNT queries (150 by default) from SEED over DOCUMENTS (1,000); in full COUNT=5000 DOCUMENTS=20000.
// ctest-timeout: 300

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

import { publishAll } from '../support/nats.mjs';
import { scrape } from '../support/prometheus.mjs';
import { judgeBatchItems, makeBatch } from '../support/query/batch.mjs';
import { ask } from '../support/query/ask.mjs';
import { Judge } from '../support/query/judge.mjs';
import { judgeMoving, Moving } from '../support/query/moving.mjs';
import { Queries } from '../support/query/queries.mjs';
import { Walker } from '../support/query/walk.mjs';
import { eventOf, queryWorld, rowOfEvent } from '../support/query/world.mjs';
import { Random } from '../support/workload.mjs';

const COUNT = Number(process.env.COUNT ?? 150);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const DOCUMENTS = Number(process.env.DOCUMENTS ?? (COUNT >= 5000 ? 20_000 : 1000));
const SHOWN = 5; // faults that are told in full
const RATE = 500; // events a second under which pages are walked
const WALKS_MIN = 20; // beside them, however busy the machine is

const report = (faults) => faults.slice(0, SHOWN).map((fault) => fault.slice(0, 1500)).join('\n');

describe(`queries over ${DOCUMENTS} documents (SEED=${SEED})`, () => {
  it(`${COUNT} of them give filter and sort of the documents`, async (t) => {
    const random = new Random(SEED);
    const world = await queryWorld(t, { random, count: DOCUMENTS });
    const judges = world.collections.map(({ declaration, rows }) => ({
      judge: new Judge({ replicas: world.replicas, declaration, rows, random }),
      queries: new Queries(random, declaration, rows, world.documents),
    }));
    const faults = [];
    for (let i = 0; i < COUNT; i++) {
      const { judge, queries } = judges[random.chance(0.85) ? 0 : 1];
      faults.push(...(await judge.ask(queries.query())));
    }
    for (const { judge } of judges) t.diagnostic(`${judge.declaration.name}: ${judge.words}`);
    t.diagnostic(`query walk: SEED=${SEED} COUNT=${COUNT} DOCUMENTS=${DOCUMENTS}: ${faults.length} differences`);
    assert.equal(faults.length, 0, report(faults));
    assert.ok(judges[0].judge.walker.early > 0, 'some pages ended early');
    await judgeMismatches(world);
  });

  it('batches answer in the order asked', async (t) => {
    const random = new Random(SEED + 2);
    const world = await queryWorld(t, { random, count: 300 });
    const [collection] = world.collections;
    const faults = [];
    for (let i = 0; i < COUNT / 3; i++) {
      const batch = makeBatch(random, collection);
      const fault = judgeBatchItems(collection, batch, await ask(random.pick(world.replicas), batch));
      const asked = [batch.method, batch.path, batch.body ?? ''].map((text) => text.slice(0, 300)).join(' ');
      if (fault !== null) faults.push(`${asked}: ${fault}`);
    }
    assert.equal(faults.length, 0, report(faults));
    await judgeUnmet(world);
  });

  it('each page is one snapshot while a writer changes rows', async (t) => {
    const random = new Random(SEED + 1);
    const world = await queryWorld(t, { random, count: Math.min(1000, DOCUMENTS) });
    const [{ declaration, rows, deleted }] = world.collections;
    const moving = new Moving(declaration, rows);
    for (const id of deleted.keys()) moving.versions.set(id, []);
    const writing = write(world, moving);
    const walker = new Walker({ replicas: world.replicas.slice(0, 1), declaration, random });
    const queries = new Queries(random, declaration, rows, world.documents);
    const walks = [];
    const until = performance.now() + Math.max(3000, COUNT * 10);
    while (performance.now() < until || walks.length < WALKS_MIN) {
      const query = queries.query();
      query.limit = random.pick([7, 50, 100]);
      query.text = queries.write(query);
      const walk = await walker.walk(query);
      if (walk.refused === null) walks.push({ query, walk });
      else assert.equal(walk.refused.status, 400, walk.refused.text);
    }
    const written = await writing.stop();
    const faults = walks.flatMap(({ query, walk }) => {
      const wrong = [...walk.faults, ...judgeMoving(moving, query, walk.pages)];
      return wrong.map((fault) => `${query.text}: ${fault}`);
    });
    const pages = walks.reduce((sum, { walk }) => sum + walk.pages.length, 0);
    t.diagnostic(`${walks.length} walks over ${pages} pages beside ${written} events: ${faults.length} differences`);
    assert.equal(faults.length, 0, report(faults));
    assert.ok(pages > walks.length && written > RATE, 'pages were walked while rows changed');
  });
});

// One minimum version that is not there fails the whole, and names its id.
async function judgeUnmet({ replicas: [gateway], collections: [{ declaration, rows }] }) {
  const ids = [rows[0].id, { id: rows[1].id, minVersion: Number(rows[1].version) + 1 }];
  const headers = { 'Content-Type': 'application/json' };
  const path = `/v1/state/${declaration.name}?wait=0`;
  const { status, text } = await ask(gateway, { path, method: 'POST', headers, body: JSON.stringify({ ids }) });
  assert.equal(status, 504, text);
  assert.ok(text.includes(JSON.stringify(rows[1].id)) && !text.includes(JSON.stringify(rows[0].id)), text);
}

// Changes every third entity again and again, and tells `moving`, until stopped.
function write(world, moving) {
  const [{ declaration, rows, deleted }] = world.collections;
  const ids = [...rows.map(({ id }) => id), ...deleted.keys()].filter((_, i) => i % 3 === 0);
  for (const id of ids) moving.touched.add(id);
  let [version, stopped, written] = [1000, false, 0];
  const begun = performance.now();
  const run = async () => {
    while (!stopped) {
      const due = Math.floor(((performance.now() - begun) / 1000) * RATE) - written;
      const events = Array.from({ length: Math.min(due, RATE) }, () =>
        eventOf(world, declaration.name, world.random.pick(ids), version++),
      );
      await publishAll(world.client.js, events);
      for (const event of events)
        moving.add(event.id, event.seq, event.deleted ? null : rowOfEvent(declaration, event));
      written += events.length;
      await pause(20);
    }
    return written;
  };
  const done = run();
  return {
    stop: () => {
      stopped = true;
      return done;
    },
  };
}

// The replica that read the last events alone counts what is no value in them, of fields with one value.
async function judgeMismatches({ replicas: [, fresh], collections }) {
  const metrics = await scrape(fresh);
  for (const { declaration, rows } of collections) {
    for (const name of [...declaration.byName.keys()].filter((one) => !declaration.isMany(one))) {
      const expected = rows.reduce((sum, row) => sum + row.mismatches[name], 0);
      const labels = { collection: declaration.name, field: name };
      assert.equal(metrics.value('stategate_field_mismatches_total', labels) ?? 0, expected, `mismatches of ${name}`);
    }
  }
}
