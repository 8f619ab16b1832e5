// The database damaged beneath the real gateway, stopped, killed or running: every answer is that of the fold at the
// position it shows, or an honest 5xx; never a wrong row, a row too many or a 404 for a row that is there. In the end,
// if need be after a restart or two, all of the fold is served. tests/fault/fault_damage.c tries far more in process.
//
// COUNT damages (default 20), SEED.
// ctest-timeout: 600

import assert from 'node:assert/strict';
import { copyFileSync, existsSync, openSync, closeSync, readFileSync, rmSync, truncateSync, writeSync } from 'node:fs';
import { describe, it } from 'node:test';

import { Fold } from '../support/fold.mjs';
import { entityPath, startGateway } from '../support/gateway.mjs';
import { publishAll, startNats } from '../support/nats.mjs';
import { STATE } from '../support/scene.mjs';
import { until } from '../support/until.mjs';
import { makeEvents, Random } from '../support/workload.mjs';

const COUNT = Number(process.env.COUNT ?? 20);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const COLLECTIONS = ['customers', 'orders'];
const EVENTS_BEFORE = 1500;
const EVENTS_PER_ROUND = 60;
const STARTS_MAX = 4;
// A small limit, so that the WAL is written back often.
const CONFIG = { streams: [STATE], database_max_bytes: '4MiB', rejected: { max: 100_000 } };

// What each row was, at every position.
class Past {
  constructor() {
    this.fold = new Fold(STATE);
    this.rows = new Map(COLLECTIONS.map((name) => [name, new Map()]));
  }

  apply(events) {
    for (const event of events) {
      if (this.fold.apply(event) !== 'applied') continue;
      for (const [collection, rows] of this.fold.entities) {
        for (const [id, row] of rows) if (row.seq === event.seq) this.list(collection, id).push({ ...row });
      }
    }
  }

  list(collection, id) {
    const rows = this.rows.get(collection);
    if (!rows.has(id)) rows.set(id, []);
    return rows.get(id);
  }

  at(collection, id, position) {
    return this.list(collection, id).findLast(({ seq }) => seq <= position);
  }
}

// Asks for everything once; {equal, errors, wrong: [words]}.
async function askAll(gateway, past) {
  const found = { equal: 0, errors: 0, wrong: [] };
  const ask = async (path, check) => {
    let answer;
    try {
      answer = await gateway.get(path);
    } catch {
      found.errors++; // it has ended: nothing was answered
      return undefined;
    }
    if (answer.status >= 500) {
      found.errors++;
      return undefined;
    }
    const position = Number(/^STATE:(\d+)/.exec(answer.headers['state-position'] ?? '')?.[1] ?? NaN);
    const wrong = check(answer, position);
    if (wrong) found.wrong.push(`${path} at ${position}: ${wrong}`);
    else found.equal++;
    return answer;
  };
  for (const collection of COLLECTIONS) {
    const ids = [...past.rows.get(collection).keys(), 'never-1', 'never-2', 'never-3'];
    for (const id of ids) {
      await ask(entityPath(collection, id), (answer, position) =>
        entityDiffers(answer, past.rows.get(collection).has(id) ? past.at(collection, id, position) : undefined),
      );
    }
    let path = `/v1/state/${collection}?limit=20`;
    let after;
    while (path) {
      const answer = await ask(path, (page, position) => pageDiffers(page, past, collection, position, after));
      const { items, next } = answer?.status === 200 ? answer.json() : {};
      after = items?.at(-1)?.id;
      path = next ? `/v1/state/${collection}?limit=20&cursor=${encodeURIComponent(next)}` : undefined;
    }
  }
  return found;
}

function entityDiffers({ status, headers, text }, row) {
  if (row === undefined) return status === 404 ? undefined : `${status}, not 404`;
  const wanted = row.deleted ? 410 : 200;
  if (status !== wanted) return `${status}, not ${wanted}`;
  if (headers['state-version'] !== String(row.version))
    return `version ${headers['state-version']}, not ${row.version}`;
  return row.deleted || text === row.state ? undefined : `another state than that of version ${row.version}`;
}

// The items must be the next ones after an id (undefined: the first), up to the last if there is no further page.
function pageDiffers(answer, past, collection, position, after) {
  if (answer.status === 404) return position === 0 ? undefined : '404';
  if (answer.status !== 200) return `${answer.status}`;
  const { items, next } = answer.json();
  const wanted = [...past.rows.get(collection).keys()]
    .map((id) => ({ id, row: past.at(collection, id, position) }))
    .filter(({ id, row }) => row && !row.deleted && (after === undefined || bytesOrder(id, after) > 0))
    .sort((a, b) => bytesOrder(a.id, b.id))
    .map(({ id, row }) => ({ id, version: Number(row.version) })); // JSON.parse rounds what no float holds
  const shown = items.map(({ id, version }) => ({ id, version }));
  const part = next === undefined ? wanted : wanted.slice(0, shown.length);
  return JSON.stringify(shown) === JSON.stringify(part) ? undefined : 'other items than those of the fold';
}

function bytesOrder(a, b) {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}

const SECTOR = 512;
const PAGE = 4096;

function change(file, random, make) {
  if (!existsSync(file)) return;
  const bytes = readFileSync(file);
  if (bytes.length < 2 * PAGE) return;
  const { at, data } = make(bytes, random);
  const fd = openSync(file, 'r+');
  writeSync(fd, data, 0, data.length, at);
  closeSync(fd);
}

function flip(bytes, random) {
  const at = random.between(100, bytes.length - 1); // the header's own fields: fault_damage.c
  return { at, data: Buffer.from([bytes[at] ^ (1 << random.between(0, 7))]) };
}

function zeros(bytes, random) {
  return { at: random.between(1, Math.floor(bytes.length / SECTOR) - 1) * SECTOR, data: Buffer.alloc(SECTOR) };
}

function pageOfAnother(bytes, random) {
  const page = () => random.between(2, Math.floor(bytes.length / PAGE) - 1) * PAGE;
  const from = page();
  return { at: page(), data: bytes.subarray(from, from + PAGE) };
}

function cut(file, random) {
  if (existsSync(file)) truncateSync(file, random.between(0, readFileSync(file).length));
}

// What can be done to the files. `open`: to those of a gateway that runs, too.
const DAMAGES = [
  { name: 'bits of the file', open: true, inflict: (f, r) => change(f.database, r, flip) },
  { name: 'a sector of zeros', open: true, inflict: (f, r) => change(f.database, r, zeros) },
  { name: 'a page of another', open: true, inflict: (f, r) => change(f.database, r, pageOfAnother) },
  { name: 'bits of the WAL', open: true, inflict: (f, r) => change(f.wal, r, flip) },
  { name: 'zeros in the WAL', open: true, inflict: (f, r) => change(f.wal, r, zeros) },
  { name: 'the file cut short', open: true, inflict: (f, r) => cut(f.database, r) },
  { name: 'the WAL cut short', open: true, inflict: (f, r) => cut(f.wal, r) },
  { name: 'no -shm', open: true, inflict: (f) => rmSync(f.shm, { force: true }) },
  { name: 'no -wal', inflict: (f) => rmSync(f.wal, { force: true }) },
  { name: 'an older file', inflict: (f) => copyFileSync(f.older, f.database) },
  { name: "another gateway's file", inflict: (f) => copyFileSync(f.theirs, f.database) },
];

describe(`a database damaged ${COUNT} times (SEED=${SEED})`, () => {
  it('is never answered from wrongly, and is built again', async (t) => {
    const random = new Random(SEED);
    const events = makeEvents({
      seed: SEED,
      count: EVENTS_BEFORE + COUNT * EVENTS_PER_ROUND,
      collections: COLLECTIONS,
      ids: 60,
      subject: (collection, id) => `state.${collection}.${id}`,
    });
    const past = new Past();
    const nats = await startNats({ t });
    const client = await nats.client();
    await client.jsm.streams.add({ name: 'STATE', subjects: ['state.>'] });
    const publish = async (count) => {
      const part = events.splice(0, count);
      await publishAll(client.js, part);
      past.apply(part);
      return past.fold.position;
    };
    let head = await publish(EVENTS_BEFORE);

    const theirs = await startGateway({ t, nats, config: CONFIG });
    await theirs.untilPosition(head);
    await theirs.stop();
    const gateway = await startGateway({ t, nats, config: CONFIG });
    const file = gateway.database;
    const files = {
      database: file,
      wal: `${file}-wal`,
      shm: `${file}-shm`,
      older: `${file}.older`,
      theirs: theirs.database,
    };
    await gateway.untilPosition(head);
    await gateway.stop();
    copyFileSync(file, files.older);
    await gateway.start();

    const counts = { found: 0, harmless: 0, errors: 0, answers: 0 };
    const judge = ({ equal, errors, wrong }, what) => {
      counts.answers += equal;
      counts.errors += errors;
      assert.deepEqual(wrong.slice(0, 3), [], what);
      return errors === 0;
    };

    // Until everything is there and no read fails; the gateway ends itself when it meets damage.
    const untilWell = async (what) => {
      for (let start = 0; start < STARTS_MAX; start++) {
        if (gateway.running.exit) await gateway.start().catch(() => {});
        if (gateway.running.exit) continue;
        judge(await askAll(gateway, past), what);
        const reached = await until(
          what,
          async () => {
            if (gateway.running.exit) return 'ended';
            const status = await gateway.status('STATE').catch(() => undefined);
            return status?.status === 'live' && status.position >= head && 'live';
          },
          { deadlineMs: 30_000 },
        );
        if (reached === 'live' && judge(await askAll(gateway, past), what)) return;
        await until(`${what}: it ends itself`, () => gateway.running.exit, { deadlineMs: 10_000 });
      }
      assert.fail(`${what}: not well after ${STARTS_MAX} starts`);
    };

    // Damage that no read has met can be met by ingest at any later time, and then it ends itself.
    const appliedOrEnded = (position) =>
      until(
        `position ${position}, or it ends itself`,
        async () => gateway.running.exit || (await gateway.status('STATE')).position >= position,
        { deadlineMs: 30_000 },
      );

    const begun = () => gateway.logged('database_corrupt').length;
    for (let round = 0; round < COUNT; round++) {
      const damage = DAMAGES[round % DAMAGES.length];
      const open = damage.open && Math.floor(round / DAMAGES.length) % 2 === 1;
      const what = `round ${round}, ${damage.name}, ${open ? 'running' : 'stopped'}`;
      head = await publish(EVENTS_PER_ROUND);
      if (random.chance(0.7)) await appliedOrEnded(head);
      if (!open) await (random.chance(0.5) ? gateway.stop() : gateway.kill9());
      damage.inflict(files, random);
      await untilWell(what);
      if (begun() > 0 || gateway.logged('database_damaged').length > 0) counts.found++;
      else counts.harmless++;
      gateway.log = [];
    }

    t.diagnostic(
      `seed ${SEED}: ${COUNT} damages, ${counts.found} found and rebuilt, ${counts.harmless} harmless or caught up, ` +
        `${counts.answers} answers equal to the fold, ${counts.errors} honest errors, 0 wrong`,
    );
    if (COUNT >= 15) assert.ok(counts.found > 0, 'some damage was found');

    // The questions notice a row that is not the fold's, and one that is missing. It is another file now, without
    // damage.
    await gateway.stop();
    rmSync(files.database);
    rmSync(files.wal, { force: true });
    rmSync(files.shm, { force: true });
    await untilWell('a new database');
    const { errors, wrong } = await askAll(gateway, past);
    assert.deepEqual({ errors, wrong }, { errors: 0, wrong: [] });
    const list = past.list('customers', [...past.rows.get('customers').keys()][0]);
    const kept = list.splice(0, list.length, { ...list.at(-1), version: 77n, deleted: false, state: '{}', seq: 1 });
    assert.ok((await askAll(gateway, past)).wrong.length > 0);
    list.splice(0, list.length, ...kept);
    past.list('orders', 'never-published').push({ version: 1n, deleted: false, state: '{}', seq: 1 });
    assert.ok((await askAll(gateway, past)).wrong.length > 0);
  });
});
