// A gateway with declared fields is killed at random moments, in ingest, while it starts, and while indexes are built
// or removed: after each restart every index gives all rows in its order, every count is right, and the file is sound.
//
// COUNT kills (10 by default) from SEED; in full COUNT=200.
// ctest-timeout: 300

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

import { copyDatabase, query as sql } from '../support/db.mjs';
import { startGateway } from '../support/gateway.mjs';
import { publishAll, startNats } from '../support/nats.mjs';
import { Documents, idOf, THINGS } from '../support/query/documents.mjs';
import { Declaration } from '../support/query/fields.mjs';
import { Judge } from '../support/query/judge.mjs';
import { Moving } from '../support/query/moving.mjs';
import { Queries } from '../support/query/queries.mjs';
import { eventOf, rowOfEvent } from '../support/query/world.mjs';
import { until } from '../support/until.mjs';
import { Random } from '../support/workload.mjs';

const COUNT = Number(process.env.COUNT ?? 10);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const IDS = 600;
const EVENTS_PER_KILL = 500;
const QUERIES = 6; // after each restart, beside one for each index

// Every row by an index, with a count of them.
function wholeBy(declaration, { text, columns }) {
  const [{ field }] = columns;
  const none = { filter: [], order: undefined, select: undefined, limit: 1000, count: true };
  if (!declaration.isMany(field)) return { ...none, order: columns, text: `order=${text}&limit=1000&count=exact` };
  const least = { string: '', integer: -(1n << 63n), time: 0n }[declaration.typeOf(field)];
  const value = declaration.typeOf(field) === 'time' ? '1970-01-01T00:00:00Z' : String(least);
  const filter = [{ kind: 'test', field, op: 'gte', negated: false, values: [least], texts: [value] }];
  return { ...none, filter, text: `${field}=gte.${encodeURIComponent(value)}&limit=1000&count=exact` };
}

// Some of the indexes, so that the others are built and removed again and again.
function someIndexes(random) {
  const kept = THINGS.indexes.filter(() => random.chance(0.7));
  return new Declaration({ ...THINGS, indexes: kept.length > 0 ? kept : THINGS.indexes });
}

async function sound(t, gateway) {
  const rows = await sql(copyDatabase(t, gateway.database), 'PRAGMA integrity_check');
  assert.deepEqual(rows, [{ integrity_check: 'ok' }]);
}

// Everything that was published is applied, and no index is being built.
async function settle(gateway, declaration, sequence) {
  await gateway.untilPosition(sequence, { deadlineMs: 60_000 });
  await until(
    'every index answers',
    async () => {
      for (const index of declaration.indexes) {
        const answer = await gateway.get(`/v1/state/things?${wholeBy(declaration, index).text}`);
        if (answer.status === 503) return false;
      }
      return true;
    },
    { deadlineMs: 60_000 },
  );
}

async function judgeAll(gateway, declaration, moving, random, documents) {
  const rows = moving.rowsAt(Infinity);
  const judge = new Judge({ replicas: [gateway], declaration, rows, random });
  const queries = new Queries(random, declaration, rows, documents);
  const faults = [];
  for (const index of declaration.indexes) faults.push(...(await judge.ask(wholeBy(declaration, index))));
  for (let i = 0; i < QUERIES; i++) faults.push(...(await judge.ask(queries.query())));
  const all = await gateway.get('/v1/state/things?limit=1&count=exact');
  if (all.json().count !== rows.length) faults.push(`${all.json().count} rows are counted, there are ${rows.length}`);
  return faults;
}

describe(`kill -9 with declared fields, ${COUNT} times (SEED=${SEED})`, () => {
  it('leaves rows, fields, indexes and counts that agree', async (t) => {
    const random = new Random(SEED);
    const documents = new Documents(random);
    const nats = await startNats({ t });
    const client = await nats.client();
    await client.jsm.streams.add({ name: 'STATE', subjects: ['state.>'] });
    let declaration = new Declaration(THINGS);
    const moving = new Moving(declaration, []);
    const config = () => ({ collections: [declaration.settings] });
    const gateway = await startGateway({ t, nats, config: config() });
    let [version, last, starts, walks] = [1, 0, 0, 0];
    for (let kill = 0; kill < COUNT; kill++) {
      const ids = Array.from({ length: EVENTS_PER_KILL }, () => idOf(random.between(0, IDS - 1)));
      const events = ids.map((id) => eventOf({ random, documents }, 'things', id, version++));
      const flowing = publishAll(client.js, events);
      await pause(random.between(0, 300));
      if (gateway.address === '') starts++;
      await gateway.kill9();
      await flowing;
      for (const event of events)
        moving.add(event.id, event.seq, event.deleted ? null : rowOfEvent(declaration, event));
      last = events.at(-1).seq;
      await sound(t, gateway);
      declaration = someIndexes(random);
      gateway.config = config();
      if (random.chance(0.5)) {
        gateway.spawn(); // and is killed again before long, whatever it does then
        continue;
      }
      await gateway.start();
      await settle(gateway, declaration, last);
      const faults = await judgeAll(gateway, declaration, moving, random, documents);
      assert.deepEqual(faults.slice(0, 5), [], `after kill ${kill + 1}, SEED=${SEED}`);
      walks++;
    }
    await gateway.kill9();
    await gateway.start();
    await settle(gateway, declaration, last);
    assert.deepEqual((await judgeAll(gateway, declaration, moving, random, documents)).slice(0, 5), []);
    t.diagnostic(
      `query kill9: SEED=${SEED} COUNT=${COUNT}: ${COUNT} kills, ${starts} of them while it started, all indexes ` +
        `walked ${walks + 1} times: 0 violations`,
    );
  });
});
