// Declared fields beside the answers of queries: what is stored of each document, and mismatches in /metrics and
// /v1/state.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { query } from '../support/db.mjs';
import { Scrape } from '../support/prometheus.mjs';
import { Documents, envelope, idOf, THINGS } from '../support/query/documents.mjs';
import { Declaration, rowOf } from '../support/query/fields.mjs';
import { event, scene } from '../support/scene.mjs';
import { Random } from '../support/workload.mjs';

const FIELDS = [
  { name: 'status', at: '/status', type: 'string' },
  { name: 'total', at: '/total', type: 'integer' },
  { name: 'tag', at: '/tags/*', type: 'string' },
];
const CONFIG = {
  collections: [
    { name: 'orders', fields: FIELDS, indexes: ['status,total.desc', 'tag'] },
    { name: 'customers', drop: ['/secret'] },
  ],
};

const order = (id, version, state) => event(id, version, state, { collection: 'orders' });

describe('mismatches of declared fields', () => {
  it('are counted by field of what is applied, and of nothing else', async (t) => {
    const publish = [
      order('1', 1, { status: 'open', total: 1, tags: ['a', 'b'] }),
      order('1', 2, { status: 1, total: 5.5, tags: 'a' }), // three of them
      order('1', 1, { status: 2 }), // too old
      order('2', 1, { total: '7', tags: ['a', 1, null, 2] }), // two
      order('2', 2, {}, { deleted: true }),
      order('3', 1, { status: null }),
      event('1', 1, { status: 3 }), // of a collection that declares none
    ];
    const s = await scene(t, { publish, gateway: { config: CONFIG } });
    await s.untilEqual();
    const read = async () => {
      const { text } = await s.gateway.get('/metrics');
      return new Scrape(text).all('stategate_field_mismatches_total').map(({ labels, value }) => [labels, value]);
    };
    assert.deepEqual(await read(), [
      [{ collection: 'orders', field: 'status' }, 1],
      [{ collection: 'orders', field: 'total' }, 2],
      [{ collection: 'orders', field: 'tag' }, 2],
    ]);
    const { collections } = (await s.gateway.get('/v1/state')).json();
    const of = (name) => collections.find((one) => one.name === name);
    assert.deepEqual(of('orders').fields, [
      { name: 'status', type: 'string', mismatches: 1 },
      { name: 'total', type: 'integer', mismatches: 2 },
      { name: 'tag', type: 'string', mismatches: 2 },
    ]);
    assert.equal('fields' in of('customers'), false);
  });
});

// A column so that no value is lost on its way: the bytes of texts and doubles, all digits of integers.
const exactly = (type, column) => {
  if (type === 'string') return `hex(CAST(${column} AS BLOB))`;
  return type === 'number' ? `hex(ieee754_to_blob(${column}))` : `CAST(${column} AS TEXT)`;
};
const read = (type, text) => {
  if (type === 'string') return Buffer.from(text, 'hex').toString();
  if (type === 'number') return Buffer.from(text, 'hex').readDoubleBE();
  return type === 'boolean' ? text === '1' : BigInt(text);
};

// The values of all rows by id, as the tables of set 1 have them: {name: value}; of many values, those of each element.
async function storedValues(file, fields) {
  const singles = fields.map((field, k) => ({ ...field, k })).filter(({ at }) => !at.endsWith('/*'));
  const columns = singles.map(({ type, k }) => `${exactly(type, `c${k}`)} AS v${k}, c${k} IS NULL AS n${k}`);
  const rows = new Map();
  for (const row of await query(file, `SELECT id, ${columns.join()} FROM fields_1`)) {
    const values = singles.map(({ name, type, k }) => [name, row[`n${k}`] === 1 ? null : read(type, row[`v${k}`])]);
    rows.set(row.id, Object.fromEntries(values));
  }
  for (const [k, { name, type, at }] of fields.entries()) {
    if (!at.endsWith('/*')) continue;
    for (const row of rows.values()) row[name] = null;
    const sql = `SELECT id, ${exactly(type, 'value')} AS v FROM field_1_${k} ORDER BY id, value`;
    for (const { id, v } of await query(file, sql)) (rows.get(id)[name] ??= []).push(read(type, v));
  }
  return rows;
}

describe('values of declared fields', () => {
  it('are those that an independent reader takes from the same documents', async (t) => {
    const documents = new Documents(new Random(20261128));
    const declaration = new Declaration(THINGS);
    const list = Array.from({ length: 3000 }, (_, n) => ({ id: idOf(n), version: 1, state: documents.state() }));
    const publish = list.map(({ id, version, state }) => ({
      subject: `state.things.${id}`,
      payload: envelope({ version, state }),
    }));
    const s = await scene(t, { publish, gateway: { config: { collections: [declaration.settings] } } });
    await s.untilEqual();
    const stored = await storedValues(s.gateway.database, THINGS.fields);
    assert.equal(stored.size, list.length);
    const mismatches = Object.fromEntries(THINGS.fields.map(({ name }) => [name, 0]));
    for (const document of list) {
      const row = rowOf(declaration, { ...document, sequence: 0 });
      const wanted = Object.fromEntries(THINGS.fields.map(({ name }) => [name, row.values[name]]));
      assert.deepEqual(stored.get(document.id), wanted, document.state);
      for (const { name } of THINGS.fields) mismatches[name] += row.mismatches[name] > 0 ? 1 : 0;
    }
    const { collections } = (await s.gateway.get('/v1/state')).json();
    const counted = collections.find(({ name }) => name === 'things').fields.map((one) => [one.name, one.mismatches]);
    assert.deepEqual(Object.fromEntries(counted), mismatches);
    assert.ok(Object.values(mismatches).every((count) => count > 0));
  });
});
