// A gateway killed at random moments, during ingest and while it starts, leaves a database whose rows and position
// agree: with the fold of the stream up to that position, in the file as the kill left it, and in mid-run after the
// restart. What collections declare changes now and then: rows, fields and indexes agree with a recount as well.
// ctest-timeout: 900

import assert from 'node:assert/strict';
import { rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { after, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

import { copyDatabase, differences, query, recount, snapshot } from '../support/db.mjs';
import { Fold } from '../support/fold.mjs';
import { startGateway } from '../support/gateway.mjs';
import { publishAll, startNats } from '../support/nats.mjs';
import { until } from '../support/until.mjs';
import { makeEvents, Random } from '../support/workload.mjs';

const COUNT = Number(process.env.COUNT ?? 200);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const EVENTS_PER_KILL = 500;
const ROUND = 100; // kills of one database; the next round begins anew, so that no campaign is too long to be folded

const STATE = { name: 'STATE', subject: 'state.{collection}.{id}' };
const THINGS = { name: 'THINGS', subject: 'things.events', collection: 'things' };
// What the collections declare, one after the other: indexes come and go, fields change their type, none is declared.
const AMOUNT = { name: 'amount', at: '/amount', type: 'number' };
const DECLARED = [
  {
    fields: [
      AMOUNT,
      { name: 'n', at: '/n', type: 'integer' },
      { name: 'text', at: '/text', type: 'string' },
      { name: 'item', at: '/list/*', type: 'number' },
    ],
    indexes: ['text,amount.desc', 'n', 'item'],
  },
  {
    fields: [
      AMOUNT,
      { name: 'n', at: '/n', type: 'integer' },
      { name: 'text', at: '/text', type: 'string' },
      { name: 'item', at: '/list/*', type: 'number' },
    ],
    indexes: ['n'],
  },
  {
    fields: [{ name: 'note', at: '/note', type: 'string' }, AMOUNT, { name: 'yes', at: '/list/*', type: 'boolean' }],
    indexes: ['amount.desc.nullsfirst,note', 'yes'],
  },
  {},
];
const CONFIG = configOf(0);

function configOf(declared) {
  const collections = ['customers', 'orders', 'things'].map((name, i) => ({
    name,
    ...DECLARED[(declared + i) % DECLARED.length],
  }));
  return { streams: [STATE, THINGS], collections, rejected: { max: 100_000 } };
}

function workload(seed, count) {
  const subject = (collection, id) => `state.${collection}.${id}`;
  return {
    STATE: makeEvents({ seed, count, collections: ['customers', 'orders'], ids: 400, subject }),
    THINGS: makeEvents({ seed: seed + 1, count, collections: ['things'], ids: 600, fixed: 'things.events' }),
  };
}

async function createStreams(client) {
  await client.jsm.streams.add({ name: 'STATE', subjects: ['state.>'] });
  await client.jsm.streams.add({ name: 'THINGS', subjects: ['things.>'] });
}

// Folds go forward only, so they are asked about positions in the order of time.
class Oracle {
  constructor(events) {
    this.events = events;
    this.folds = { STATE: new Fold(STATE), THINGS: new Fold(THINGS) };
  }

  // Compares a database with the fold up to the positions that the database itself claims.
  async check(file, what) {
    const shown = await snapshot(file);
    const found = [];
    for (const { name, position } of shown.streams) {
      if (Number(position) < this.folds[name].position) found.push(`${name} fell back to ${position}`);
      else found.push(...differences(shown, name, this.foldTo(name, Number(position)), { limit: 3 }));
    }
    assert.deepEqual(found, [], what);
    this.recounted = await recount(file);
    return shown.streams.map(({ position }) => Number(position));
  }

  foldTo(name, position) {
    const fold = this.folds[name];
    while (fold.position < position) {
      const next = this.events[name][fold.position];
      assert.ok(next?.seq === fold.position + 1, `position ${position} is beyond what was published`);
      fold.apply(next);
    }
    return fold;
  }
}

// Most of a kill is waiting, so two rounds go on at once.
describe(`kill -9 at ${COUNT} random moments (SEED=${SEED})`, { concurrency: 2 }, () => {
  const seen = { kills: 0, positions: 0, starts: 0, midRun: 0, rounds: 0, rows: 0 };
  for (let from = 0; from < COUNT; from += ROUND) {
    const kills = Math.min(ROUND, COUNT - from);
    it(`never separates rows and position, ${from + 1} to ${from + kills}`, async (t) => {
      await round(t, SEED + from, kills, seen);
    });
  }

  after(() => {
    const whole = seen.rounds === Math.ceil(COUNT / ROUND) ? '0 violations' : `only ${seen.rounds} rounds went well`;
    console.log(
      `kill9: SEED=${SEED} COUNT=${COUNT}: ${seen.kills} kills, ${seen.starts} of them while it started, ` +
        `${seen.midRun} comparisons in mid-run, ${seen.positions} different positions, ` +
        `${seen.rows} rows of fields counted again; ${whole}`,
    );
  });
});

async function round(t, seed, kills, seen) {
  const random = new Random(seed);
  const half = Math.ceil((EVENTS_PER_KILL * kills) / 2);
  const events = workload(seed, half);
  const oracle = new Oracle(events);
  const nats = await startNats({ t });
  const client = await nats.client();
  await createStreams(client);
  const gateway = await startGateway({ t, nats, config: CONFIG });

  // One part of the events flows during each run of the gateway.
  const share = (name, cycle) => {
    const list = events[name];
    return list.slice(Math.floor((list.length * cycle) / kills), Math.floor((list.length * (cycle + 1)) / kills));
  };
  const positions = new Set();
  for (let cycle = 0; cycle < kills; cycle++) {
    const flowing = Promise.all([
      publishAll(client.js, share('STATE', cycle)),
      publishAll(client.js, share('THINGS', cycle)),
    ]);
    const midRun = cycle % 4 === 3;
    if (midRun) await until('it listens', () => gateway.address !== '', { deadlineMs: 20_000, everyMs: 2 });
    await pause(random.between(0, midRun ? 150 : 400));
    if (midRun) {
      await flowing;
      await oracle.check(gateway.database, `in the middle of run ${cycle}, SEED=${SEED}`);
      seen.midRun++;
    }
    if (gateway.address === '') seen.starts++;
    await gateway.kill9();
    seen.kills++;
    // What has been published is folded only up to the position: acknowledgements may still be on their way.
    await flowing;
    const copy = copyDatabase(t, gateway.database);
    const [state] = await oracle.check(copy, `after kill ${cycle}, SEED=${SEED}`);
    rmSync(dirname(copy), { recursive: true });
    positions.add(state);
    seen.rows += oracle.recounted.rows;
    if (cycle % 5 === 4) gateway.config = configOf((cycle + 1) / 5);
    gateway.spawn();
  }

  await until(
    'everything is applied',
    async () => {
      if (gateway.running.exit) throw new Error(gateway.running.stderr);
      const rows = await query(gateway.database, 'SELECT position FROM streams');
      return rows.every(({ position }) => position === half);
    },
    { deadlineMs: 60_000, everyMs: 100 },
  );
  // And all that is declared is there in the end.
  const wanted = gateway.config.collections.filter(({ fields }) => fields).length;
  await until('the sets are built', async () => {
    const rows = await query(gateway.database, 'SELECT collection, filled, indexed FROM field_sets');
    return rows.length === wanted && rows.every((row) => row.collection > 0 && row.filled === -1 && row.indexed === 1);
  });
  await oracle.check(gateway.database, 'in the end');
  assert.equal(oracle.recounted.sets, wanted);
  await gateway.kill9();
  seen.rounds++;
  seen.positions += positions.size;
  assert.ok(positions.size >= Math.min(10, kills / 4), 'the kills came at different moments of the stream');
}

describe('a row that was separated from its position', () => {
  it('is noticed by the checker when it does happen', async (t) => {
    const events = workload(SEED + 7, 1000);
    const nats = await startNats({ t });
    const client = await nats.client();
    await createStreams(client);
    await publishAll(client.js, events.STATE);
    await publishAll(client.js, events.THINGS);
    const config = { ...CONFIG, collections: [{ name: 'customers', ...DECLARED[0] }] }; // set 1 is theirs
    const gateway = await startGateway({ t, nats, config });
    await gateway.untilPosition(1000, { stream: 'STATE' });
    await gateway.untilPosition(1000, { stream: 'THINGS' });
    await gateway.kill9();
    // One more event that changes a row: published to nobody, known to the fold.
    const [extra] = workload(1, 1).STATE;
    extra.payload = Buffer.from('{"version":9223372036854775807,"state":{"planted":true}}');
    extra.subject = 'state.customers.planted';
    extra.seq = 1001;
    events.STATE.push(extra);

    const check = async (sql) => {
      const copy = copyDatabase(t, gateway.database);
      if (sql) await query(copy, sql, { write: true });
      return new Oracle(events).check(copy, 'planted');
    };
    await check(null);
    const faults = {
      'a position without its row': "UPDATE streams SET position = 1001 WHERE name = 'STATE'",
      'a row without its position': `UPDATE streams SET position = (
         SELECT max(e.sequence) - 1 FROM entities e JOIN collections c ON c.id = e.collection
          WHERE c.stream = streams.id
       ) WHERE name = 'STATE'`,
      'a row of an older version':
        'UPDATE entities SET version = version - 1 WHERE rowid = (SELECT min(rowid) FROM entities WHERE version > 1)',
      'a row that is missing': 'DELETE FROM entities WHERE rowid = (SELECT max(rowid) FROM entities)',
      'a digit that changed': `UPDATE entities SET state = replace(state, '0.10', '0.1')
         WHERE rowid = (SELECT rowid FROM entities WHERE state LIKE '%0.10%' LIMIT 1)`,
      'a rejected event that is missing': 'DELETE FROM rejected WHERE number = (SELECT max(number) FROM rejected)',
      'a field that is wrong': 'UPDATE fields_1 SET c1 = c1 + 1 WHERE number = (SELECT min(number) FROM fields_1)',
      'a row of fields that is missing':
        'DELETE FROM fields_1 WHERE number = (SELECT max(number) FROM fields_1 WHERE c1 IS NOT NULL)',
      'a row of fields of nobody': "INSERT INTO fields_1 (number, id) VALUES (1000000, 'nobody')",
      'an element that is missing': 'DELETE FROM field_1_3 WHERE number = (SELECT max(number) FROM field_1_3)',
      'an index that is missing': 'DROP INDEX fields_1_1',
      'a count that is wrong':
        'UPDATE collections SET entities = entities + 1 WHERE id = (SELECT min(id) FROM collections)',
    };
    for (const [fault, sql] of Object.entries(faults)) {
      await assert.rejects(() => check(sql), assert.AssertionError, `not noticed: ${fault}`);
    }
  });
});
