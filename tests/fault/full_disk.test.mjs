// A disk that fills up while events flow, and has room again: ingest stops, reads go on and say so, staleness grows,
// demands that cannot be met are refused, and it resumes by itself, equal to the fold. In mid-run, at every stop and
// go, what is stored is the fold of the stream up to the stored position. COUNT is how often the disk fills up.
// ctest-timeout: 600

import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { appendFileSync, chmodSync, openSync, rmSync, statSync, statfsSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { differences, query, snapshot } from '../support/db.mjs';
import { Fold } from '../support/fold.mjs';
import { cleanEnvironment, startGateway, STATEGATE } from '../support/gateway.mjs';
import { bulky, bulkyScene, growDisk, haltedAndReadable, NO_SMALL_DISK, smallDisk } from '../support/halted.mjs';
import { signal, tempFolder } from '../support/process.mjs';
import { scrape } from '../support/prometheus.mjs';
import { event, scene, STATE } from '../support/scene.mjs';
import { until } from '../support/until.mjs';
import { makeEvents, Random } from '../support/workload.mjs';

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const COUNT = Number(process.env.COUNT ?? 2);
const MIB = 1024 * 1024;
const DISK_MIB = 12;

const freeBytes = (disk) => {
  const { bavail, bsize } = statfsSync(disk);
  return bavail * bsize;
};

// What was published, in the order of the stream; folds go forward only.
class Published {
  constructor(s) {
    this.s = s;
    this.all = [];
    this.fold = new Fold(STATE);
  }

  async publish(list) {
    this.all.push(...(await this.s.publish(list)));
  }

  // What differs between the file and the fold up to the position that the file itself claims.
  async differences(gateway) {
    const shown = await snapshot(gateway.database);
    const position = Number(shown.streams[0].position);
    assert.ok(position >= this.fold.position, `the position fell back to ${position}`);
    while (this.fold.position < position) this.fold.apply(this.all[this.fold.position]);
    return differences(shown, 'STATE', this.fold);
  }

  async check(gateway) {
    assert.deepEqual(await this.differences(gateway), []);
  }
}

// A demand that a halted stream cannot meet.
async function refusedAsHalted(gateway, demand) {
  const answer = await gateway.get(`/v1/state/customers/b-1?${demand}&wait=0.3`);
  assert.equal(answer.status, 503, answer.text);
  assert.match(answer.json().type, /halted$/);
  assert.ok(Number(answer.headers['retry-after']) >= 1);
  assert.equal(answer.headers['state-status'], 'halted');
}

async function stalenessGrows(gateway) {
  const seconds = async () => Number((await gateway.get('/v1/state/customers/b-1')).headers['state-staleness']);
  const first = await seconds();
  assert.ok(first >= 0, 'staleness was known before, and stays known');
  await until('staleness grows', async () => (await seconds()) >= first + 1);
}

async function owedWhileHalted(gateway, head) {
  await haltedAndReadable(gateway);
  await refusedAsHalted(gateway, 'max_staleness=0');
  await refusedAsHalted(gateway, `min_position=STATE:${head}`);
  await stalenessGrows(gateway);
  assert.equal((await gateway.get('/readyz')).status, 200); // not lost: reads are as good as they can be
}

// Leaves room for a few pages only, publishes until nothing can be stored, and gives what to remove.
async function fillUp(published, gateway, disk, random) {
  const ballast = join(disk, 'ballast');
  writeFileSync(ballast, Buffer.alloc(Math.max(0, freeBytes(disk) - random.between(200, 900) * 1024)));
  // A WAL that was written back is written anew from its beginning: the disk fills up once it is as long as it was.
  for (let batch = 0; (await gateway.status()).status !== 'halted'; batch++) {
    assert.ok(batch < 1000, 'it is never full');
    await published.publish(bulky(50, published.all.length + 1));
    await published.check(gateway); // in mid-run
  }
  return ballast;
}

describe(`a full disk (SEED=${SEED}, ${COUNT} times)`, () => {
  it('stops ingest while reads go on, and lets it resume when there is room', async (t) => {
    const disk = smallDisk(t, DISK_MIB);
    if (disk === null) return t.skip(NO_SMALL_DISK);
    const random = new Random(SEED);
    const subject = (collection, id) => `state.${collection}.${id}`;
    const s = await scene(t, { gateway: null });
    const published = new Published(s);
    await published.publish(makeEvents({ seed: SEED, count: 1500, collections: ['customers'], ids: 200, subject }));
    await published.publish([event('b-1', 1)]);
    const config = { rejected: { max: 100_000 } };
    s.gateway = await startGateway({ t, nats: s.nats, config, database: join(disk, 'state.db') });
    await s.untilLive({ deadlineMs: 20_000 });
    const { pid } = s.gateway;
    // The checks find fault with a gateway that is not halted, and with an event that is missing.
    await assert.rejects(() => refusedAsHalted(s.gateway, 'max_staleness=30'), assert.AssertionError);
    await published.check(s.gateway);
    published.fold.apply({ ...bulky(1, 0)[0], seq: published.fold.position });
    published.fold.position--;
    published.fold.apply({ ...bulky(1, 0)[0], seq: published.fold.position + 1 });
    assert.notDeepEqual(await published.differences(s.gateway), []);
    published.fold = new Fold(STATE);

    for (let round = 0; round < COUNT; round++) {
      const ballast = await fillUp(published, s.gateway, disk, random);
      await owedWhileHalted(s.gateway, published.all.length);
      await published.check(s.gateway);
      rmSync(ballast);
      growDisk(disk, DISK_MIB * (round + 2)); // what was stored meanwhile stays
      await s.untilLive({ deadlineMs: 20_000 });
      await published.check(s.gateway);
    }
    assert.equal(s.gateway.pid, pid);
    assert.deepEqual(await query(s.gateway.database, 'PRAGMA integrity_check'), [{ integrity_check: 'ok' }]);
    await s.gateway.stop(); // then all of its log has come
    const halts = s.gateway.logged('ingest_halted').length;
    assert.ok(halts >= COUNT);
    assert.equal(s.gateway.logged('ingest_resumed').length, halts);
    const { length } = published.all;
    t.diagnostic(`seed ${SEED}, filled ${COUNT} times, ${halts} halts, ${length} events: equal to the fold`);
  });

  it('does not keep it from ending in order, nor from starting', async (t) => {
    const disk = smallDisk(t, 4);
    if (disk === null) return t.skip(NO_SMALL_DISK);
    const small = bulky(10);
    const s = await scene(t, { nats: { config: 'max_payload: 8MB' }, publish: small, gateway: null });
    s.gateway = await startGateway({ t, nats: s.nats, database: join(disk, 'state.db') });
    await s.gateway.untilPosition(small.length);
    await s.publish([event('b-11', 1, { text: 'x'.repeat(5 * MIB) })]); // more than the disk
    await haltedAndReadable(s.gateway);
    assert.equal((await s.gateway.stop()).code, 0);
    await s.gateway.start();
    await haltedAndReadable(s.gateway);
    growDisk(disk, 64);
    await s.untilLive({ deadlineMs: 20_000 });
  });
});

// Not a byte of room is left, and the WAL, which could be written again from its beginning, is gone.
async function stopAndFill(gateway, disk) {
  assert.equal((await gateway.stop()).code, 0);
  for (const bytes of [MIB, 4096]) {
    const block = Buffer.alloc(bytes);
    try {
      for (;;) appendFileSync(join(disk, 'ballast'), block);
    } catch ({ code }) {
      assert.equal(code, 'ENOSPC');
    }
  }
  assert.equal(freeBytes(disk), 0);
}

describe('a start on a disk without any room', () => {
  const config = { streams: [{ name: 'STATE', subject: 'state.{collection}.{id}' }] };

  it('serves what is there, says that it is halted, and goes on when there is room', async (t) => {
    const disk = smallDisk(t, 8);
    if (disk === null) return t.skip(NO_SMALL_DISK);
    const s = await scene(t, { publish: bulky(50), gateway: null });
    s.gateway = await startGateway({ t, nats: s.nats, config, database: join(disk, 'state.db') });
    await s.gateway.untilPosition(50);
    for (const killed of [false, true]) {
      await stopAndFill(s.gateway, disk);
      await s.gateway.start();
      assert.equal((await s.gateway.untilLogged('database_full')).length, 1);
      assert.equal((await s.gateway.get('/v1/state/customers/b-50')).status, 200, 'before anything is published');
      const [{ seq }] = await s.publish([event('b-1', killed ? 3 : 2)]);
      await haltedAndReadable(s.gateway);
      await refusedAsHalted(s.gateway, `min_position=STATE:${seq}`);
      if (killed) {
        await s.gateway.kill9();
        await s.gateway.start();
        await haltedAndReadable(s.gateway);
      }
      rmSync(join(disk, 'ballast'));
      await s.untilLive({ deadlineMs: 20_000 });
      await s.gateway.untilPosition(seq);
      assert.equal((await s.gateway.get('/v1/state/customers/b-1')).headers['state-version'], killed ? '3' : '2');
      assert.deepEqual(
        await query(s.gateway.database, 'SELECT clean FROM meta'),
        [{ clean: 0 }],
        'it is known that it runs',
      );
    }
  });

  it('is refused where that would show rows that the settings want no more', async (t) => {
    const disk = smallDisk(t, 8);
    if (disk === null) return t.skip(NO_SMALL_DISK);
    const s = await scene(t, { publish: bulky(50), gateway: null });
    s.gateway = await startGateway({ t, nats: s.nats, config, database: join(disk, 'state.db') });
    await s.gateway.untilPosition(50);
    await stopAndFill(s.gateway, disk);
    const drop = { ...config, collections: [{ name: 'customers', drop: ['/text'] }] };
    await assert.rejects(
      startGateway({ t, nats: s.nats, config: drop, database: join(disk, 'state.db') }),
      /the disk is full/,
    );
    const other = { streams: [{ name: 'OTHER', subject: 'other.{collection}.{id}' }] };
    await assert.rejects(
      startGateway({ t, nats: s.nats, config: other, database: join(disk, 'state.db') }),
      /the disk is full/,
    );
    rmSync(join(disk, 'ballast'));
    await s.gateway.start();
    await s.untilLive({ deadlineMs: 20_000 });
  });
});

// The status of the answer and of the stream, once everything up to this position is applied.
function waiting(gateway, agent, position) {
  const [host, port] = gateway.address.split(':');
  const path = `/v1/state/customers/b-1?min_position=STATE:${position}&wait=30`;
  return new Promise((done, failed) => {
    http
      .get({ host, port, path, agent }, (response) => {
        response.resume().on('end', () => done(`${response.statusCode} ${response.headers['state-status']}`));
      })
      .on('error', failed);
  });
}

describe('files that may not grow (RLIMIT_FSIZE)', () => {
  it('halt ingest, and it resumes when the limit is lifted', async (t) => {
    const folder = tempFolder(t, 'limited');
    const limited = join(folder, 'stategate');
    writeFileSync(limited, `#!/bin/sh\nexec prlimit --fsize=${2 * MIB}:unlimited -- '${STATEGATE}' "$@"\n`);
    chmodSync(limited, 0o755);
    const s = await bulkyScene(t, 5000, { bin: limited });
    await haltedAndReadable(s.gateway);
    await refusedAsHalted(s.gateway, 'min_position=STATE:5000');
    const { pid } = s.gateway;
    // Whoever waits for an event behind the halt is woken by it, and must not read that it lasts.
    const agent = new http.Agent({ maxSockets: 200 });
    const { position } = await s.gateway.status();
    const step = (5000 - position) / 200;
    const waits = Array.from({ length: 200 }, (_, i) =>
      waiting(s.gateway, agent, Math.ceil(position + step * (i + 1))),
    );
    await until('they wait', async () => (await scrape(s.gateway)).value('stategate_waits_parked') > 0);
    assert.equal(spawnSync('prlimit', ['--pid', String(pid), '--fsize=unlimited:unlimited']).status, 0);
    const statuses = await Promise.all(waits);
    agent.destroy();
    assert.deepEqual([...new Set(statuses)].filter((one) => !/^200 (live|catching-up)$/.test(one)), []);
    await s.untilLive({ deadlineMs: 20_000 });
    assert.equal(s.gateway.pid, pid);
  });
});

describe('a write-ahead log that cannot be written back', () => {
  it('is logged once, counted, and keeps nothing from being applied; so is its recovery', async (t) => {
    const folder = tempFolder(t, 'unwritten');
    const limited = join(folder, 'stategate');
    // The file is longer already than any file may grow; the log has room.
    writeFileSync(limited, `#!/bin/sh\nexec prlimit --fsize=${16 * MIB}:unlimited -- '${STATEGATE}' "$@"\n`);
    chmodSync(limited, 0o755);
    const s = await bulkyScene(t, 20_000, {});
    await s.untilLive({ deadlineMs: 60_000 });
    await s.gateway.stop();
    assert.ok(statSync(s.gateway.database).size > 17 * MIB, `${statSync(s.gateway.database).size} bytes`);
    s.gateway.bin = limited;
    await s.gateway.start();
    const failures = async () => (await scrape(s.gateway)).value('stategate_checkpoint_failures_total');
    assert.equal(await failures(), 0);
    let last = 20_000;
    const more = async () => {
      await s.publish(bulky(500, last + 1));
      last += 500;
      await s.gateway.untilPosition(last);
    };
    await until('it fails', async () => (await more(), (await failures()) > 1), { hard: true, everyMs: 300 });
    assert.equal((await s.gateway.untilLogged('checkpoint_failing')).length, 1);
    assert.equal((await s.gateway.status()).status, 'live', 'all is applied');
    assert.equal(spawnSync('prlimit', ['--pid', String(s.gateway.pid), '--fsize=unlimited:unlimited']).status, 0);
    await until('it recovers', async () => (await more(), s.gateway.logged('checkpoint_recovered').length === 1), {
      hard: true,
      everyMs: 300,
    });
    assert.equal(s.gateway.logged('checkpoint_failing').length, 1);
    await s.untilLive({ deadlineMs: 20_000 });
  });
});

describe('a log that cannot be written (/dev/full)', () => {
  it('does not keep it from following and answering', async (t) => {
    const folder = tempFolder(t, 'devfull');
    const s = await scene(t, { publish: bulky(50), gateway: null });
    const socketPath = join(folder, 'socket');
    const args = ['--listen', `unix:${socketPath}`, '--database', join(folder, 'state.db'), '--nats-url', s.nats.url];
    const full = openSync('/dev/full', 'w');
    const child = spawn(STATEGATE, args, { env: cleanEnvironment(), stdio: ['ignore', full, full] });
    t.after(() => signal(child, 'SIGKILL'));
    const ended = new Promise((done) => child.once('exit', (code) => done(code)));
    const get = (path) =>
      new Promise((done, failed) => {
        const request = http.get({ socketPath, path }, (response) => {
          response.resume().on('end', () => done(response.statusCode));
        });
        request.on('error', failed);
      });
    await until('it answers', async () => (await get('/v1/state/customers/b-50')) === 200, { deadlineMs: 20_000 });
    signal(child, 'SIGTERM');
    assert.equal(await ended, 0);
  });
});
