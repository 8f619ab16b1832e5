// Makes the kept database of an older schema version, and the JetStream store that it was made from. Run once, with a
// gateway of that version; what it made lies beside it:
//
//   STATEGATE_BIN=<gateway of schema version 2> node tests/unit/store/kept/make.mjs
//
// version-2.db.gz   the gateway's file after an orderly stop
// version-2.json.gz what the sqlite3 command read from it then: an independent dump to compare with
// version-2.tar.gz  the folder of nats-server (2.10), so that the streams have the incarnation that the file knows
//
// Three streams: STATE (three collections; live rows, tombstones of every kind, revived rows, rejected events with and
// without an id, a conflict, a gap), KV_settings (a bucket with a deleted and a purged key) and GROW (recreated; its
// next build has rows and is not whole).
// What is in it is never made again: the tests read these files, and a change of them would be a change of history.

import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';

import { Kvm } from '@nats-io/kv';

import { query } from '../../../support/db.mjs';
import { startGateway } from '../../../support/gateway.mjs';
import { publishAll, startNats } from '../../../support/nats.mjs';
import { startProxy } from '../../../support/proxy.mjs';
import { tempFolder } from '../../../support/process.mjs';
import { until } from '../../../support/until.mjs';
import { STREAMS } from './streams.mjs';

const folder = dirname(fileURLToPath(import.meta.url));
const json = (value) => Buffer.from(JSON.stringify(value));
const state = (collection, id, body) => ({ subject: `state.${collection}.${id}`, payload: json(body) });

function stateEvents() {
  const list = [];
  for (let i = 1; i <= 800; i++)
    list.push(
      state('customers', `c-${i}`, {
        version: i,
        state: { name: `customer ${i}`, note: 'é'.repeat(i % 30), big: 2 ** 52 + i },
        occurredAt: `2026-03-${String((i % 28) + 1).padStart(2, '0')}T10:00:00.${i}Z`,
        type: 'CustomerChanged',
        schemaVersion: i % 3,
        messageId: `m-${i}`,
        correlationId: `corr-${i}`,
        causationId: `cause-${i}`,
      }),
    );
  for (let i = 1; i <= 60; i++) list.push(state('orders', `o-${i}`, { version: 1, state: { lines: [i, { n: i }] } }));
  for (let i = 5; i <= 800; i += 5)
    list.push(
      state('customers', `c-${i}`, { version: i + 1000, deleted: true, type: 'CustomerDeleted', messageId: `d-${i}` }),
    );
  for (let i = 10; i <= 800; i += 20)
    list.push(state('customers', `c-${i}`, { version: i + 2000, state: { name: `back ${i}` } }));
  for (let i = 1; i <= 12; i++) list.push({ subject: `state.orders.o-${i * 4}`, payload: Buffer.alloc(0) });
  list.push(state('orders', 'never-alive', { version: 7, deleted: true, occurredAt: '2026-04-01T00:00:00Z' }));
  list.push(state('orders', 'o-1', { version: 1, state: { other: 'content' } }));
  list.push({ subject: 'state.orders.o-2', payload: Buffer.from('{"version":') });
  list.push(state('orders', 'o-3', { version: 'two', state: {} }));
  list.push(state('orders', 'o-4', { version: 1, state: { stale: true } }));
  list.push({ subject: 'state.nobody.x', payload: json({ version: 1, state: {} }) });
  list.push(state('customers', 'large', { version: 1, state: { text: 'abcdefghij'.repeat(1500) } }));
  return list;
}

async function main() {
  const home = tempFolder(undefined, 'kept');
  const storeDir = join(home, 'jetstream');
  const nats = await startNats({ storeDir });
  const { jsm, js, nc } = await nats.client();
  await jsm.streams.add({ name: 'STATE', subjects: ['state.>'] });
  await jsm.streams.add({ name: 'GROW', subjects: ['grow.>'] });
  const bucket = await new Kvm(nc).create('settings', { history: 5 });
  await publishAll(js, stateEvents());
  const grown = (count, first) =>
    Array.from({ length: count }, (_, i) => ({
      subject: `grow.g-${i % 90}`,
      payload: json({ version: first + i, ...(i % 7 === 3 ? { deleted: true } : { state: { n: first + i } }) }),
    }));
  await publishAll(js, grown(200, 1));
  for (let i = 1; i <= 20; i++) await bucket.put(`key.${i}`, JSON.stringify({ value: i }));
  await bucket.put('key.3', '[1,2,3]');
  await bucket.delete('key.4');
  await bucket.purge('key.5');
  await bucket.put('key.6', 'not JSON');

  const proxy = await startProxy({ target: nats.port });
  const config = {
    streams: STREAMS,
    collections: [{ name: 'addresses', drop: ['/street'] }],
    rejected: { payload: true },
  };
  const gateway = await startGateway({ nats: proxy.url, config });
  for (const { name } of STREAMS) await gateway.untilStatus('live', { stream: name, deadlineMs: 20_000 });
  await gateway.stop();

  // A gap: what was published meanwhile is purged before it was read, but for the end of it.
  await publishAll(
    js,
    Array.from({ length: 30 }, (_, i) =>
      state('addresses', `a-${i}`, { version: i + 1, state: { street: 'x', city: i } }),
    ),
  );
  const { state: now } = await jsm.streams.info('STATE');
  await jsm.streams.purge('STATE', { seq: now.last_seq - 9 });
  await gateway.start();
  await gateway.untilStatus('live', { stream: 'STATE', deadlineMs: 20_000 });

  // Another incarnation of GROW, which comes so slowly that the gateway can be stopped on the way.
  await gateway.stop();
  await jsm.streams.delete('GROW');
  await until('GROW is created', () => jsm.streams.add({ name: 'GROW', subjects: ['grow.>'] }));
  await publishAll(js, grown(4000, 10_000));
  proxy.bytesPerSecond = 120_000;
  await gateway.start();
  await until(
    'the next build of GROW has rows',
    async () => {
      const { rebuild } = await gateway.status('GROW');
      return rebuild?.position > 300 && rebuild.position < rebuild.target;
    },
    { deadlineMs: 60_000, everyMs: 5 },
  );
  await until('STATE is live', async () => (await gateway.status('STATE')).status === 'live', { deadlineMs: 60_000 });
  await gateway.stop();
  proxy.bytesPerSecond = 0;
  await nats.stop();
  await proxy.close();

  const tables = ['streams', 'growing', 'collections', 'entities', 'rejected'];
  const dump = { schema: await query(gateway.database, 'PRAGMA user_version') };
  for (const table of tables) {
    const columns = (await query(gateway.database, `PRAGMA table_info(${table})`)).map(({ name }) => name);
    const texts = columns.map((name) =>
      name === 'payload' || name === 'payload_sha256' ? `hex(${name}) AS ${name}` : `CAST(${name} AS TEXT) AS ${name}`,
    );
    dump[table] = await query(gateway.database, `SELECT ${texts.join(', ')} FROM ${table} ORDER BY 1`);
  }
  writeFileSync(join(folder, 'version-2.json.gz'), gzipSync(JSON.stringify(dump), { level: 9 }));
  writeFileSync(join(folder, 'version-2.db.gz'), gzipSync(readFileSync(gateway.database), { level: 9 }));
  execFileSync('tar', ['-C', home, '-czf', join(folder, 'version-2.tar.gz'), 'jetstream']);
  for (const table of tables) console.log(table, dump[table].length);
  console.log(dump.streams, dump.growing, dump.collections);
  rmSync(home, { recursive: true });
}

await main();
