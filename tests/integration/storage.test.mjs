// What the gateway does when its database reaches its limit, is taken, damaged, foreign, or of the future.

import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, it } from 'node:test';

import { query } from '../support/db.mjs';
import { startGateway } from '../support/gateway.mjs';
import { bulky, bulkyScene, haltedAndReadable } from '../support/halted.mjs';
import { publishAll } from '../support/nats.mjs';
import { tempFolder } from '../support/process.mjs';
import { event, events, scene } from '../support/scene.mjs';

const MIB = 1024 * 1024;

describe('a database that reaches its limit', () => {
  it('halts ingest, reads go on, and a higher limit lets it resume', async (t) => {
    const limit = (size) => ({ database_max_bytes: size });
    const s = await bulkyScene(t, 20_000, { config: limit('8MiB') });
    await haltedAndReadable(s.gateway);
    const files = ['', '-wal'].map((suffix) => s.gateway.database + suffix).filter((file) => existsSync(file));
    const bytes = files.reduce((sum, file) => sum + statSync(file).size, 0);
    assert.ok(statSync(s.gateway.database).size <= 8 * MIB, `${bytes} bytes`);
    await s.gateway.restart({ config: limit('200MiB') });
    await s.untilLive({ deadlineMs: 30_000 });
  });

  it('stays halted over a new connection, as long as nothing could be stored', async (t) => {
    const s = await scene(t, { publish: bulky(10), gateway: { config: { database_max_bytes: '1MiB' } } });
    await s.untilLive();
    await publishAll(s.client.js, [event('b-11', 1, { text: 'x'.repeat(1_040_000) })]);
    await haltedAndReadable(s.gateway);
    const sessions = await s.gateway.untilLogged('stream_connected');
    await s.nats.restart();
    await s.gateway.untilLogged('stream_connected', { count: sessions.length + 1, deadlineMs: 5000 });
    await s.gateway.untilStatus('halted');
    await haltedAndReadable(s.gateway);
    assert.deepEqual(s.gateway.logged('ingest_resumed'), []);
  });
});

describe('a database that is in use', () => {
  it('is refused to a second gateway, which says so, and the first goes on', async (t) => {
    const s = await scene(t, { publish: events(10) });
    await s.untilLive();
    const second = await startGateway({ t, nats: s.nats, database: s.gateway.database, expectExit: true });
    assert.equal(second.code, 1);
    assert.match(second.stderr, /another|in use|locked/i);
    assert.ok(second.stderr.includes(s.gateway.database));
    await s.publish(events(10, { from: 11 }));
    await s.untilLive();
  });

  it('is free again after a kill', async (t) => {
    const s = await scene(t, { publish: events(10) });
    await s.untilLive();
    await s.gateway.kill9();
    await s.gateway.start();
    await s.untilLive();
  });
});

describe('a damaged database', () => {
  const damages = {
    'cut short': (file) => {
      const bytes = readFileSync(file);
      writeFileSync(file, bytes.subarray(0, Math.floor(bytes.length / 2)));
    },
    'overwritten at its head': (file) => {
      const fd = openSync(file, 'r+');
      writeSync(fd, Buffer.alloc(100, 0x5a), 0, 100, 0);
      closeSync(fd);
    },
    'of garbage': (file) => writeFileSync(file, Buffer.alloc(50_000, 'garbage ')),
  };
  for (const [damage, inflict] of Object.entries(damages)) {
    it(`${damage} is moved aside, reported, and rebuilt from the stream`, async (t) => {
      const s = await scene(t, { publish: bulky(300) });
      await s.untilLive();
      await s.gateway.stop();
      inflict(s.gateway.database);
      await s.gateway.start();
      await s.untilLive({ deadlineMs: 10_000 });
      const aside = readdirSync(dirname(s.gateway.database)).filter((name) =>
        name.startsWith(`${basename(s.gateway.database)}.corrupt-`),
      );
      assert.equal(aside.filter((name) => !/-(wal|shm)$/.test(name)).length, 1);
      assert.equal((await s.gateway.untilLogged('database_corrupt')).length, 1);
    });
  }
});

describe('a database that is not ours to touch', () => {
  async function untouched(t, gateway, pattern) {
    const before = readFileSync(gateway.database);
    const refused = await startGateway({ t, nats: 'nats://127.0.0.1:9', database: gateway.database, expectExit: true });
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, pattern);
    assert.deepEqual(readFileSync(gateway.database), before);
  }

  it('of a newer schema is refused, with both versions named, and not altered', async (t) => {
    const s = await scene(t, { publish: events(10) });
    await s.untilLive();
    await s.gateway.stop();
    const [{ user_version: own }] = await query(s.gateway.database, 'PRAGMA user_version');
    await query(s.gateway.database, `PRAGMA user_version = ${own + 41}`, { write: true });
    await untouched(t, s.gateway, new RegExp(`${own + 41}[^]*${own}|${own}[^]*${own + 41}`));
  });

  it('of another program is refused, and not altered', async (t) => {
    const database = join(tempFolder(t, 'foreign'), 'photos.db');
    await query(database, 'CREATE TABLE photos (name TEXT); INSERT INTO photos VALUES (1)', { write: true });
    await untouched(t, { database }, /another program|not a stategate/);
  });
});

describe('settings that shape the rows', () => {
  it('rebuild them when they change', async (t) => {
    const s = await scene(t, { publish: [event('1', 1, { a: 1, secret: 2 })] });
    await s.untilLive();
    const etag = (await s.gateway.get('/v1/state/customers/1')).headers.etag;
    await s.gateway.restart({ config: { collections: [{ name: 'customers', drop: ['/secret'] }] } });
    await s.gateway.untilStatus('live');
    const answer = await s.gateway.get('/v1/state/customers/1');
    assert.equal(answer.text, '{"a":1}');
    assert.notEqual(answer.headers.etag, etag);
    await s.gateway.untilReady();
  });

  it('take a collection from the stream without a list when another stream lists it', async (t) => {
    const open = { name: 'STATE', subject: 'state.{collection}.{id}' };
    const other = { name: 'OTHER', subject: 'other.{collection}.{id}', collections: ['customers'] };
    const s = await scene(t, { publish: [event('1', 1, { of: 'STATE' })], gateway: { config: { streams: [open] } } });
    await s.untilLive();
    await s.client.jsm.streams.add({ name: 'OTHER', subjects: ['other.>'], storage: 'memory' });
    await publishAll(s.client.js, [{ ...event('1', 1, { of: 'OTHER' }), subject: 'other.customers.1' }]);
    await s.gateway.restart({ config: { streams: [open, other] } });
    await s.gateway.untilReady();
    const answer = await s.gateway.get('/v1/state/customers/1?min_position=OTHER:1');
    assert.equal(`${answer.status} ${answer.text}`, '200 {"of":"OTHER"}');
    assert.match(answer.headers['state-position'], /^OTHER:1;/);
    const { collections } = (await s.gateway.get('/v1/state')).json();
    assert.deepEqual(
      collections.map(({ name, stream }) => `${stream} ${name}`),
      ['OTHER customers'],
    );
  });
});
