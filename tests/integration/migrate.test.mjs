// A database of an older schema version is opened by the program of today: nothing is replayed from the stream, all
// that was there is there afterwards, and everything goes on from its position.
// ctest-timeout: 120

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';

import { query } from '../support/db.mjs';
import { startGateway } from '../support/gateway.mjs';
import { publishAll, startNats } from '../support/nats.mjs';
import { run, SOURCE_DIR, tempFolder } from '../support/process.mjs';
import { until } from '../support/until.mjs';
import { STREAMS } from '../unit/store/kept/streams.mjs';

const KEPT = join(SOURCE_DIR, 'tests/unit/store/kept');
const CONFIG = {
  streams: STREAMS,
  collections: [{ name: 'addresses', drop: ['/street'] }],
  rejected: { payload: true },
};
const dump = JSON.parse(gunzipSync(readFileSync(join(KEPT, 'version-2.json.gz'))));

function keptDatabase(t) {
  const file = join(tempFolder(t, 'kept'), 'state.db');
  writeFileSync(file, gunzipSync(readFileSync(join(KEPT, 'version-2.db.gz'))));
  return file;
}

// nats-server with the streams in the incarnation that the file knows.
async function keptStreams(t) {
  const home = tempFolder(t, 'kept-streams');
  const { code, stderr } = await run('tar', ['-C', home, '-xzf', join(KEPT, 'version-2.tar.gz')]);
  assert.equal(code, 0, stderr);
  return startNats({ t, storeDir: join(home, 'jetstream') });
}

// The rows of a table as text, like those of the dump.
async function table(file, name, columns) {
  const texts = columns.map((column) =>
    column.startsWith('payload') && column !== 'payload_bytes'
      ? `hex(${column}) AS ${column}`
      : `CAST(${column} AS TEXT) AS ${column}`,
  );
  return query(file, `SELECT ${texts.join(', ')} FROM ${name} ORDER BY 1`);
}

const columnsOf = (rows, without = []) => Object.keys(rows[0]).filter((column) => !without.includes(column));
const only = (rows, columns) => rows.map((row) => Object.fromEntries(columns.map((column) => [column, row[column]])));
const byId = (a, b) => (a.collection + a.id < b.collection + b.id ? -1 : 1);

// Everything in the file but what a start changes: which streams are attached, and how their settings are named.
async function assertSame(file) {
  const build = columnsOf(dump.streams, ['attached', 'fingerprint']);
  assert.deepEqual(await table(file, 'streams', build), only(dump.streams, build));
  assert.deepEqual(await table(file, 'next_build', columnsOf(dump.growing)), dump.growing);
  assert.deepEqual(await table(file, 'collections', columnsOf(dump.collections)), dump.collections);
  assert.deepEqual(await table(file, 'rejected', columnsOf(dump.rejected)), dump.rejected);
  const kept = columnsOf(dump.entities, ['number', 'deleted', 'state']);
  const rows = [
    ...(await table(file, 'entities', [...kept, 'deleted', 'state'])),
    ...(await table(file, 'tombstones', kept)).map((row) => ({ ...row, deleted: '1', state: null })),
  ];
  const wanted = only(dump.entities, [...kept, 'deleted', 'state']);
  assert.ok(wanted.length > 1000 && wanted.filter(({ deleted }) => deleted === '1').length > 100);
  assert.deepEqual(rows.sort(byId), wanted.sort(byId));
}

describe('a database of schema version 2', () => {
  it('has all that was in it, and is read, without a broker', async (t) => {
    const database = keptDatabase(t);
    const gateway = await startGateway({ t, nats: 'nats://127.0.0.1:9', database, config: CONFIG });
    const [migrated] = await gateway.untilLogged('database_migrated');
    const [{ from, to, bytes }] = gateway.logged('database_migrating'); // the line before
    assert.deepEqual([from, to, bytes], [2, 4, gunzipSync(readFileSync(join(KEPT, 'version-2.db.gz'))).length]);
    assert.ok(
      migrated.from === 2 && migrated.bytes >= bytes && migrated.ms >= 0 && migrated.ms < 60_000,
      JSON.stringify(migrated),
    );
    assert.deepEqual(gateway.logged('rebuild_began'), []);
    await assertSame(database);
    const { id: customers } = dump.collections.find(({ name }) => name === 'customers');
    const alive = dump.entities.filter(({ deleted, collection }) => deleted === '0' && collection === customers);
    const page = (await gateway.get('/v1/state/customers?limit=1000')).json();
    assert.equal(page.items.length, alive.length);
    const one = await gateway.get('/v1/state/customers/c-1');
    assert.equal(one.status, 200);
    assert.equal(one.text, alive.find(({ id }) => id === 'c-1').state);
    const gone = await gateway.get('/v1/state/customers/c-5');
    assert.equal(`${gone.status} ${gone.headers['state-version']}`, '410 1005');
    assert.equal((await gateway.get('/v1/state/customers/c-10')).headers['state-version'], '2010');
    assert.match(one.headers['state-gap'], /^1080-1099$/);
    await gateway.restart();
    assert.deepEqual(gateway.logged('database_migrated'), [], 'once is enough');
    await assertSame(database);
  });

  it('goes on from its positions: no rebuild, no new epoch, and what comes next is applied', async (t) => {
    const database = keptDatabase(t);
    const nats = await keptStreams(t);
    const gateway = await startGateway({ t, nats, database, config: CONFIG });
    const before = Object.fromEntries(dump.streams.map((row) => [row.name, row]));
    for (const name of ['STATE', 'KV_settings']) {
      const status = await gateway.untilStatus('live', { stream: name, deadlineMs: 20_000 });
      assert.equal(status.epoch, before[name].epoch);
      assert.equal(String(status.position), before[name].position);
      assert.equal(status.build, 1);
    }
    const whole = await until('the next build of GROW is whole', async () => {
      const status = await gateway.status('GROW');
      return status.status === 'live' && status.build === 2 && status;
    }, { deadlineMs: 20_000 });
    assert.equal(whole.epoch, dump.growing[0].epoch);
    assert.equal(whole.position, 4000);
    const continued = await gateway.untilLogged('rebuild_continues');
    assert.equal(continued.length, 1);
    assert.equal(String(continued[0].position), dump.growing[0].position, 'it goes on from where it was');
    for (const event of ['rebuild_began', 'epoch_changed']) assert.deepEqual(gateway.logged(event), []);
    const { text } = await gateway.get('/metrics');
    // What comes again after a session that ended in the middle is skipped.
    const lines = text.split('\n').filter((line) => !line.includes('result="redelivered"'));
    const events = lines
      .map((line) => /^stategate_events_total\{.*stream="([^"]+)".*\} (\d+)$/.exec(line))
      .filter(Boolean);
    const count = (name) => events.reduce((sum, [, stream, n]) => sum + (stream === name ? Number(n) : 0), 0);
    assert.deepEqual([count('STATE'), count('KV_settings')], [0, 0], 'nothing was replayed');
    assert.ok(count('GROW') > 0 && count('GROW') <= 4000 - Number(dump.growing[0].position));

    // A stale version against a tombstone loses, a higher one revives, and a deletion moves a row.
    const json = (value) => Buffer.from(JSON.stringify(value));
    const { js } = await nats.client();
    const list = await publishAll(js, [
      { subject: 'state.customers.c-5', payload: json({ version: 1005, state: { stale: true } }) },
      { subject: 'state.customers.c-15', payload: json({ version: 1016, state: { back: true } }) },
      { subject: 'state.customers.c-1', payload: json({ version: 2, deleted: true }) },
    ]);
    await gateway.untilPosition(list.at(-1).seq, { stream: 'STATE' });
    const status = async (id) => (await gateway.get(`/v1/state/customers/${id}`)).status;
    assert.deepEqual([await status('c-5'), await status('c-15'), await status('c-1')], [410, 200, 410]);
  });

  it('is set aside where it is damaged, and built anew: a bad old file stops no start', async (t) => {
    const database = keptDatabase(t);
    const nats = await keptStreams(t);
    const bytes = readFileSync(database);
    const text = Buffer.from(dump.entities.find(({ deleted }) => deleted === '0').state);
    const at = bytes.indexOf(text);
    assert.ok(at > 0);
    bytes[at + 2] ^= 1;
    writeFileSync(database, bytes);
    const gateway = await startGateway({ t, nats, database, config: CONFIG });
    const [corrupt, ...others] = await gateway.untilLogged('database_corrupt');
    assert.match(corrupt.moved_to, /state\.db\.corrupt-/);
    assert.deepEqual(others, []);
    assert.deepEqual(gateway.logged('database_migrated'), []);
    for (const name of ['STATE', 'KV_settings']) {
      const status = await gateway.untilStatus('live', { stream: name, deadlineMs: 20_000 });
      assert.equal(String(status.position), dump.streams.find((row) => row.name === name).position);
    }
    for (const { id, name } of dump.collections.filter(({ name }) => ['addresses', 'settings'].includes(name))) {
      for (const row of dump.entities.filter(({ collection }) => collection === id)) {
        const answer = await gateway.get(`/v1/state/${name}/${encodeURIComponent(row.id)}`);
        assert.equal(answer.status, row.deleted === '1' ? 410 : 200);
        assert.equal(answer.headers['state-version'], row.version);
        if (row.deleted === '0') assert.equal(answer.text, row.state);
      }
    }
    assert.equal((await gateway.get('/v1/state/customers/c-1')).status, 404, 'the stream has it no more');
    await gateway.restart();
    assert.deepEqual(gateway.logged('database_corrupt'), [], 'once is enough');
  });
});
