// What the gateway's SQLite file says, read by the sqlite3 command in one snapshot, and compared with the fold.
//
// No other process can open the database of a gateway that runs. What is asked of it is asked of a copy, which is made
// while the gateway is stopped by a signal for a moment.

import assert from 'node:assert/strict';
import { copyFileSync, existsSync, readFileSync, readdirSync, realpathSync, rmSync } from 'node:fs';
import { basename, join } from 'node:path';

import { openFiles, program, run, tempFolder } from './process.mjs';
import { until } from './until.mjs';

// Versions and sequences may exceed what a float holds: they come as text.
const SNAPSHOT = `
BEGIN;
SELECT 'stream' AS t, name, CAST(position AS TEXT) AS position, build, epoch
  FROM streams ORDER BY id;
SELECT 'collection' AS t, s.name AS stream, c.name, c.entities, c.tombstones,
       CAST(max(c.position, (SELECT coalesce(max(sequence), 0) FROM entities WHERE collection = c.id)) AS TEXT)
         AS position
  FROM collections c JOIN streams s ON s.id = c.stream AND s.build = c.build;
SELECT 'entity' AS t, s.name AS stream, c.name AS collection, e.id, CAST(e.version AS TEXT) AS version, e.deleted,
       e.state, CAST(e.sequence AS TEXT) AS sequence, e.occurred_at AS occurredAt
  FROM (SELECT collection, id, version, deleted, state, sequence, occurred_at FROM entities
        UNION ALL SELECT collection, id, version, 1, NULL, sequence, occurred_at FROM tombstones) e
  JOIN collections c ON c.id = e.collection JOIN streams s ON s.id = c.stream AND s.build = c.build;
SELECT 'rejected' AS t, s.name AS stream, CAST(r.sequence AS TEXT) AS sequence, r.subject, r.collection,
       r.id, CAST(r.version AS TEXT) AS version, r.reason, r.payload_bytes AS payloadBytes,
       lower(hex(r.payload_sha256)) AS sha256
  FROM rejected r JOIN streams s ON s.id = r.stream AND s.build = r.build ORDER BY r.number;
COMMIT;
`;

// Runs SQL on a file (read only unless told) and gives all rows of all statements.
export async function query(file, sql, { write = false } = {}) {
  const pid = write ? null : holder(file);
  if (pid === null) {
    try {
      return await queryFile(file, sql, write);
    } catch (error) {
      // A gateway that starts has taken it meanwhile.
      if (write || holder(file) === null) throw error;
      return query(file, sql);
    }
  }
  const folder = tempFolder(null, 'snapshot');
  try {
    return await queryFile(await copyRunning(pid, file, folder), sql, write);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const INTEGRITY = program('STATEGATE_INTEGRITY_BIN', 'build/dev/tests/integrity');

// Counts the tables of declared fields again, from states and declarations (tests/integrity); throws where they are
// not as they must be. Gives {sets, rows, indexes}.
export async function recount(file) {
  const pid = holder(file);
  const folder = pid === null ? null : tempFolder(null, 'recount');
  try {
    const copy = folder === null ? file : await copyRunning(pid, file, folder);
    const { code, stdout, stderr } = await run(INTEGRITY, [copy]);
    assert.equal(code, 0, `recount of ${file}: ${stderr}`);
    return JSON.parse(stdout);
  } finally {
    if (folder !== null) rmSync(folder, { recursive: true, force: true });
  }
}

// The process that has a database open, or is about to; null when none has.
function holder(file) {
  const lock = `${file}.lock`;
  if (!existsSync(lock)) return null;
  const pid = Number(readFileSync(lock, 'utf8'));
  try {
    return pid > 0 && openFiles(pid).includes(realpathSync(lock)) ? pid : null;
  } catch {
    return null; // it ended
  }
}

function threadStates(pid) {
  return readdirSync(`/proc/${pid}/task`).map((tid) =>
    readFileSync(`/proc/${pid}/task/${tid}/stat`, 'utf8').replace(/^.*\) /s, '').charAt(0),
  );
}

// Copies the database and its WAL between two system calls of the process. Both are then what a kill would leave.
async function copyRunning(pid, file, folder) {
  const stopped = () => threadStates(pid).every((state) => state === 'T');
  const before = stopped(); // by a test
  process.kill(pid, 'SIGSTOP');
  try {
    await until('the gateway stops for its copy', stopped, { everyMs: 1 });
    return copyInto(folder, file);
  } finally {
    if (!before) process.kill(pid, 'SIGCONT');
  }
}

function copyInto(folder, file) {
  const copy = join(folder, basename(file));
  copyFileSync(file, copy);
  if (existsSync(`${file}-wal`)) copyFileSync(`${file}-wal`, `${copy}-wal`);
  return copy;
}

async function queryFile(file, sql, write) {
  const mode = write ? [] : ['-readonly'];
  const { code, stdout, stderr } = await run('sqlite3', [...mode, '-json', '-cmd', '.timeout 5000', file, sql]);
  if (code !== 0 || stderr !== '') throw new Error(`sqlite3 on ${file}: ${stderr || `exit ${code}`}`);
  if (stdout.trim() === '') return [];
  // One array per statement; a line break within a string is escaped, so the seams are unmistakable.
  return JSON.parse(stdout.replaceAll('}]\n[{', '},\n{'));
}

// {streams, collections, entities, rejected} of the served builds.
export async function snapshot(file) {
  const rows = await query(file, SNAPSHOT);
  const of = (t) => rows.filter((row) => row.t === t);
  return { streams: of('stream'), collections: of('collection'), entities: of('entity'), rejected: of('rejected') };
}

// The database file and its WAL as they lie there, copied to another folder (for a gateway that does not run: a kill
// just happened); the path of the copy.
export function copyDatabase(t, file) {
  return copyInto(tempFolder(t, 'copy'), file);
}

// What differs between a snapshot and the fold of a stream, in words; [] when nothing does. The fold must have been
// brought to the snapshot's position. At most `limit` differences are named.
export function differences(shown, stream, fold, { limit = 10, rejected = true } = {}) {
  const found = [];
  const note = (text) => found.push(text);
  const row = shown.streams.find(({ name }) => name === stream);
  if (row === undefined) return [`no row of stream ${stream}`];
  if (Number(row.position) !== fold.position) note(`position ${row.position}, fold ${fold.position}`);
  compareEntities(
    shown.entities.filter((entity) => entity.stream === stream),
    fold,
    note,
  );
  compareCollections(
    shown.collections.filter((collection) => collection.stream === stream),
    fold,
    note,
  );
  if (rejected)
    compareRejected(
      shown.rejected.filter((entry) => entry.stream === stream),
      fold.rejected,
      note,
    );
  return found.slice(0, limit);
}

function compareEntities(entities, fold, note) {
  let expected = 0;
  for (const rows of fold.entities.values()) expected += rows.size;
  if (entities.length !== expected) note(`${entities.length} rows, fold ${expected}`);
  const seen = new Set();
  for (const entity of entities) {
    const name = `${entity.collection}/${JSON.stringify(entity.id)}`;
    if (seen.has(name)) note(`${name} twice`);
    seen.add(name);
    const row = fold.entities.get(entity.collection)?.get(entity.id);
    if (row === undefined) note(`${name} is not in the fold`);
    else compareRow(name, entity, row, note);
  }
  for (const [collection, rows] of fold.entities) {
    for (const id of rows.keys()) {
      if (!seen.has(`${collection}/${JSON.stringify(id)}`)) note(`${collection}/${JSON.stringify(id)} is missing`);
    }
  }
}

function compareRow(name, entity, row, note) {
  if (entity.version !== String(row.version)) note(`${name} version ${entity.version}, fold ${row.version}`);
  if ((entity.deleted !== 0) !== row.deleted) note(`${name} deleted ${entity.deleted}, fold ${row.deleted}`);
  if (entity.state !== row.state) note(`${name} state ${entity.state}, fold ${row.state}`);
  if (entity.sequence !== String(row.seq)) note(`${name} written by ${entity.sequence}, fold ${row.seq}`);
  if (!row.deleted && entity.occurredAt !== row.occurredAt)
    note(`${name} at ${entity.occurredAt}, fold ${row.occurredAt}`);
}

function compareCollections(collections, fold, note) {
  for (const { name, entities, tombstones } of collections) {
    const live = fold.live(name).length;
    const dead = (fold.entities.get(name)?.size ?? 0) - live;
    if (tombstones !== dead) note(`collection ${name} counts ${tombstones} tombstones, fold ${dead}`);
    if (entities !== live) note(`collection ${name} counts ${entities}, fold ${live}`);
  }
  for (const name of fold.collections()) {
    if (!collections.some((collection) => collection.name === name)) note(`collection ${name} is missing`);
  }
}

function compareRejected(entries, expected, note) {
  if (entries.length !== expected.length) note(`${entries.length} rejected, fold ${expected.length}`);
  for (const [i, want] of expected.entries()) {
    const have = entries[i];
    if (have === undefined) return;
    if (!want.reasons.includes(have.reason))
      note(`rejected ${want.sequence}: reason ${have.reason}, fold ${want.reasons}`);
    for (const key of ['sequence', 'subject', 'payloadBytes', 'sha256']) {
      if (String(have[key]) !== String(want[key])) {
        note(`rejected ${want.sequence} (${want.reason}): ${key} ${have[key]}, fold ${want[key]}`);
      }
    }
    compareKnown(have, want, note);
  }
}

// What has no place in a rejected event, since its absence or form is the very reason.
const UNKNOWN = { 'missing-id': 'id', 'missing-version': 'version', 'bad-version': 'version' };

// What is told of a rejected event must be what the fold could read of it; the collection must be told.
function compareKnown(have, want, note) {
  for (const key of ['collection', 'id', 'version']) {
    const wanted = want[key] === undefined ? null : String(want[key]);
    if (wanted === null && UNKNOWN[want.reason] !== key) continue; // the gateway may read on where the fold gave up
    if (have[key] !== null && have[key] !== wanted)
      note(`rejected ${want.sequence} (${want.reason}): ${key} ${have[key]}, fold ${wanted}`);
    if (key === 'collection' && have[key] !== wanted)
      note(`rejected ${want.sequence}: collection ${have[key]}, fold ${wanted}`);
  }
}
