// The database's files: reached through links, taken by two, removed while they are open, and looked at from outside.

import assert from 'node:assert/strict';
import {
  closeSync,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { describe, it } from 'node:test';

import { query } from '../support/db.mjs';
import { cleanEnvironment, startGateway, STATEGATE } from '../support/gateway.mjs';
import { freePort } from '../support/ports.mjs';
import { end, run, start, tempFolder } from '../support/process.mjs';
import { events, scene } from '../support/scene.mjs';
import { until } from '../support/until.mjs';

// A folder with `real/` in it, and a link beside it that leads to real/state.db, which is not there yet.
function linked(t) {
  const folder = tempFolder(t, 'linked');
  mkdirSync(join(folder, 'real'));
  symlinkSync('real/state.db', join(folder, 'one'));
  symlinkSync('one', join(folder, 'link.db'));
  return { folder, real: join(folder, 'real', 'state.db'), link: join(folder, 'link.db') };
}

const linkedScene = (t, { real, link }, publish) =>
  scene(t, { publish, gateway: null }).then(async (s) => {
    s.gateway = await startGateway({ t, nats: s.nats, database: link });
    s.gateway.untilRows = async (count) =>
      until(`${count} rows`, async () => (await s.gateway.status()).entities === count || null);
    assert.ok(existsSync(real), 'the file is created where the link leads');
    return s;
  });

describe('a database that is a symbolic link', () => {
  it('is opened again and again, and all that belongs to it lies beside the real file', async (t) => {
    const at = linked(t);
    const s = await linkedScene(t, at, events(40));
    await s.gateway.untilRows(20);
    assert.deepEqual(readdirSync(at.folder).sort(), ['link.db', 'one', 'real']);
    assert.deepEqual(readdirSync(dirname(at.real)).sort(), ['state.db', 'state.db-wal', 'state.db.lock']);
    await s.client.jsm.streams.purge('STATE');
    for (const how of ['stop', 'kill9', 'stop']) {
      await s.gateway[how]();
      await s.gateway.start();
      await s.gateway.untilRows(20); // those of the first run: the stream is empty
      assert.equal((await s.gateway.untilLogged('database_open'))[0].state, 'existing');
    }
  });

  it('and is damaged is moved aside beside the real file, and the link still leads to the new one', async (t) => {
    const at = linked(t);
    const s = await linkedScene(t, at, events(40));
    await s.gateway.untilRows(20);
    await s.gateway.stop();
    const fd = openSync(at.real, 'r+');
    writeSync(fd, Buffer.alloc(100, 0x5a), 0, 100, 0);
    closeSync(fd);
    await s.gateway.start();
    await s.gateway.untilRows(20);
    assert.deepEqual(readdirSync(at.folder).sort(), ['link.db', 'one', 'real']);
    assert.equal(readdirSync(dirname(at.real)).filter((name) => name.startsWith('state.db.corrupt-')).length, 1);
    assert.equal(readlinkSync(at.link), 'one');
  });
});

describe('a second gateway on one database', () => {
  const ways = {
    'through a symbolic link': (database) => (symlinkSync(database, `${database}.link`), `${database}.link`),
    'through a hard link': (database) => (linkSync(database, `${database}.hard`), `${database}.hard`),
    'through another path': (database) =>
      join(dirname(database), '..', basename(dirname(database)), basename(database)),
    'after the lock file was removed': (database) => (rmSync(`${database}.lock`), database),
  };
  for (const [way, make] of Object.entries(ways)) {
    it(`${way} is refused, and the first goes on with the same file`, async (t) => {
      const s = await scene(t, { publish: events(40) });
      await s.untilLive();
      const database = make(s.gateway.database);
      const second = await startGateway({ t, nats: s.nats, database, expectExit: true });
      assert.equal(second.code, 1, second.stderr);
      assert.match(second.log.at(-1).error, /another process/);
      assert.equal(second.log.at(-1).status, 'locked');
      await s.publish(events(40, { from: 41 }));
      await s.gateway.untilPosition(80);
      const beside = readdirSync(dirname(s.gateway.database));
      assert.deepEqual(beside.filter((name) => /corrupt|suspect/.test(name)), []);
      assert.deepEqual(await s.gateway.stop(), { code: 0, signal: null });
    });
  }
});

describe('files that are removed while they are open', () => {
  const ways = {
    'the database': (database) => rmSync(database),
    'its write-ahead log': (database) => rmSync(`${database}-wal`),
    'both, another database in their place': (database) => {
      rmSync(`${database}-wal`);
      writeFileSync(`${database}.new`, readFileSync(database));
      renameSync(`${database}.new`, database);
    },
    'the folder': (database) => rmSync(dirname(database), { recursive: true }),
  };
  for (const [what, remove] of Object.entries(ways)) {
    it(`${what}: the gateway ends with an error that names it, and the next start is whole`, async (t) => {
      const folder = tempFolder(t, 'removed');
      const database = join(folder, 'data', 'state.db');
      mkdirSync(dirname(database));
      const s = await scene(t, { publish: events(40), gateway: { database } });
      await s.untilLive();
      remove(database);
      const gone = await until('it ends', () => s.gateway.running.exit, { deadlineMs: 10_000 });
      assert.deepEqual(gone, { code: 1, signal: null });
      const [lost] = s.gateway.logged('database_lost');
      assert.ok(lost.file.startsWith(database), JSON.stringify(lost));
      mkdirSync(dirname(database), { recursive: true });
      await s.publish(events(10, { from: 41 }));
      await s.gateway.start();
      await s.untilLive();
    });
  }
});

describe('a look from outside', () => {
  it('at an open database is refused and changes nothing; at a copy it shows the rows', async (t) => {
    const s = await scene(t, { publish: events(40) });
    await s.untilLive();
    const { database } = s.gateway;
    for (const sql of ['SELECT count(*) FROM entities', 'PRAGMA wal_checkpoint(TRUNCATE)', 'VACUUM'])
      assert.match((await run('sqlite3', [database, sql])).stderr, /locked/, sql);
    await s.publish(events(40, { from: 41 }));
    await s.untilLive();
    assert.equal((await query(database, 'SELECT count(*) AS n FROM entities'))[0].n, 20);
    await s.gateway.kill9();
    await s.gateway.start();
    await s.untilLive();
    assert.equal((await s.gateway.untilLogged('database_open'))[0].state, 'existing');
  });
});

describe('standard descriptors that are closed', () => {
  for (const closed of ['2>&-', '0<&- 1>&- 2>&-']) {
    it(`${closed}: are /dev/null, and no file of the gateway`, async (t) => {
      const folder = tempFolder(t, 'closed');
      const database = join(folder, 'state.db');
      const listen = `127.0.0.1:${await freePort()}`;
      const args = ['-c', `exec "$0" "$@" ${closed}`, STATEGATE, '--database', database, '--listen', listen];
      const running = start('/bin/sh', [...args, '--nats-url', 'nats://127.0.0.1:9'], { env: cleanEnvironment() });
      t.after(() => end(running, 'SIGKILL'));
      await until('it listens', async () => (await fetch(`http://${listen}/livez`)).status === 200);
      const shut = closed.match(/\d/g);
      for (const fd of shut) assert.equal(readlinkSync(`/proc/${running.pid}/fd/${fd}`), '/dev/null', fd);
      await until(
        'it has logged',
        async () => (await (await fetch(`http://${listen}/v1/status`)).json()).streams[0].lastError,
      );
      assert.deepEqual(await end(running), { code: 0, signal: null });
      assert.equal(readFileSync(`${database}.lock`, 'utf8'), `${running.pid}\n`);
    });
  }
});
