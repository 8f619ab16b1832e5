// Declared fields and their indexes: there when a build is served, built online when the declaration changes, removed
// when it goes; the status and the log say so.
// ctest-timeout: 180

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { query, recount } from '../support/db.mjs';
import { loadOpenapi } from '../support/openapi.mjs';
import { event, scene } from '../support/scene.mjs';
import { until } from '../support/until.mjs';

const FIELDS = [
  { name: 'n', at: '/n', type: 'integer' },
  { name: 'kind', at: '/kind', type: 'string' },
  { name: 'tag', at: '/tags/*', type: 'string' },
];
const MORE = [{ name: 'note', at: '/note', type: 'string' }, ...FIELDS];
const declared = (fields, indexes) => ({ collections: [{ name: 'customers', fields, indexes }] });

const SETS = 'SELECT number, collection, filled, indexed FROM field_sets ORDER BY number';
const INDEXES = `SELECT name FROM sqlite_schema WHERE type = 'index' AND name GLOB 'field*_[0-9]*' ORDER BY name`;

// More tags make it take longer to fill a set.
function list(count, { ids = count, from = 1, more = 0 } = {}) {
  const others = Array.from({ length: more }, (_, i) => `more-${i}`);
  return Array.from({ length: count }, (_, i) => {
    const n = from + i;
    return event(`c-${n % ids}`, n, { n, kind: `k${n % 3}`, note: `note ${n}`, tags: ['a', `t${n % 5}`, ...others] });
  });
}

const names = async (s) => (await query(s.gateway.database, INDEXES)).map(({ name }) => name);

async function restart(s, config) {
  await s.gateway.stop();
  s.gateway.config = config;
  await s.gateway.start();
}

async function untilOne(s, number) {
  await until(`set ${number} is the only one`, async () => {
    const sets = await query(s.gateway.database, SETS);
    return sets.length === 1 && sets[0].number === number && sets[0].filled === -1 && sets[0].indexed === 1;
  });
}

describe('declared fields', () => {
  it('are there with their indexes when all that the stream had is served', async (t) => {
    const s = await scene(t, { publish: list(3000), gateway: { config: declared(FIELDS, ['kind,n.desc', 'tag']) } });
    await s.untilEqual();
    await s.gateway.untilLogged('field_set_built');
    assert.deepEqual(await names(s), ['field_1_2_values', 'fields_1_1_0d']);
    assert.deepEqual(await recount(s.gateway.database), { sets: 1, rows: 3000, indexes: 2 });
    await s.publish(list(500, { ids: 700, from: 4000 }));
    await s.publish([event('c-5', 100_000, {}, { deleted: true })]);
    await s.untilEqual();
    const { rows } = await recount(s.gateway.database);
    const [{ entities }] = await query(s.gateway.database, 'SELECT entities FROM collections');
    assert.equal(rows, entities);
  });

  it('are built online from what is stored when the declaration changes, over kills, while events go on', async (t) => {
    const gateway = { config: declared(FIELDS, ['n', 'kind']) };
    const s = await scene(t, { publish: list(1000, { more: 120 }), gateway });
    await s.untilEqual();
    await s.gateway.untilLogged('field_set_built');
    await restart(s, declared(MORE, ['note', 'n', 'tag']));
    const openapi = await loadOpenapi();
    const shown = await until('the status shows how far it is', async () => {
      const { indexes } = await s.gateway.status('STATE');
      return indexes?.[0].rowsDone > 0 && indexes;
    }, { everyMs: 1 });
    assert.deepEqual(shown.map(({ index }) => index), ['note', 'n', 'tag']);
    assert.ok(shown.every(({ collection, build, rows }) => collection === 'customers' && build === 1 && rows === 1000));
    assert.deepEqual(openapi.violations('/v1/status', 'get', await s.gateway.get('/v1/status')), []);
    // What means the same is served as before; what is new is not there yet.
    const ask = (query) => s.gateway.get(`/v1/state/customers?${query}`);
    const same = await ask('n=eq.777');
    assert.deepEqual([same.status, same.json?.().items?.map(({ id }) => id)], [200, ['c-777']], same.text);
    const fresh = await ask('note=eq.note%20777');
    if ((await s.gateway.status('STATE')).indexes) {
      assert.equal(fresh.status, 503, fresh.text);
      assert.equal(fresh.json().type, 'urn:stategate:problem:index-building');
      assert.ok(Number(fresh.headers['retry-after']) >= 1);
    }
    for (let kills = 0; kills < 3; kills++) {
      await s.publish(list(200, { ids: 9000, from: 9000 + kills * 1000 }));
      await s.gateway.kill9();
      await recount(s.gateway.database);
      await s.gateway.start();
    }
    await s.untilEqual();
    await untilOne(s, 2);
    assert.deepEqual(await names(s), ['field_2_3_values', 'fields_2_0', 'fields_2_1']);
    const { rows } = await recount(s.gateway.database);
    const [{ entities }] = await query(s.gateway.database, 'SELECT entities FROM collections');
    assert.equal(rows, entities);
    assert.equal((await s.gateway.status('STATE')).indexes, undefined, 'nothing is on its way any more');
    for (const query of ['n=eq.777', 'note=eq.note%20777', 'tag=eq.t2&n=eq.777'])
      assert.deepEqual((await ask(query)).json().items.map(({ id }) => id), ['c-777'], query);
  });

  it('go with their indexes when they are not declared any more', async (t) => {
    const s = await scene(t, { publish: list(2000), gateway: { config: declared(FIELDS, ['n', 'kind', 'tag']) } });
    await s.untilEqual();
    await s.gateway.untilLogged('field_set_built');
    await restart(s, declared(FIELDS, ['kind']));
    const removed = await s.gateway.untilLogged('field_index_removed', { count: 2 });
    for (const { stream, collection, set } of removed)
      assert.deepEqual([stream, collection, set], ['STATE', 'customers', 1]);
    assert.deepEqual(await names(s), ['fields_1_1']);
    await restart(s, {});
    await until('nothing is left', async () => (await query(s.gateway.database, SETS)).length === 0);
    assert.deepEqual(await recount(s.gateway.database), { sets: 0, rows: 0, indexes: 0 });
    await s.publish(list(10, { from: 5000 }));
    await s.untilEqual();
  });

  it('are there with the build that is swapped to', async (t) => {
    const s = await scene(t, { publish: list(100), gateway: { config: declared(FIELDS, ['n', 'kind']) } });
    await s.untilEqual();
    await s.recreateStream(list(6000, { from: 1000 }));
    await s.gateway.untilLogged('build_served');
    const [{ build }] = await query(s.gateway.database, 'SELECT build FROM streams');
    assert.equal(build, 2);
    const [{ ready }] = await query(
      s.gateway.database,
      `SELECT min(f.filled = -1 AND f.indexed) AS ready FROM field_sets f JOIN collections c ON c.id = f.collection
       WHERE c.build = 2`,
    );
    assert.equal(ready, 1);
    await s.untilEqual();
    await until('the old one is swept', async () => (await query(s.gateway.database, SETS)).length === 1);
    assert.deepEqual(await recount(s.gateway.database), { sets: 1, rows: 6000, indexes: 2 });
  });
});
