// Bounds of tombstones: the oldest deletions are forgotten, by number and by age; the floor says up to where; what is
// known of a bucket stays right.
// ctest-timeout: 300

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { headers } from '@nats-io/transport-node';

import { query } from '../support/db.mjs';
import { startGateway } from '../support/gateway.mjs';
import { createBucket, NATS_SERVER, NATS_SERVER_NEWEST, startNats } from '../support/nats.mjs';
import { event, scene, STATE } from '../support/scene.mjs';
import { throughout, until } from '../support/until.mjs';

const SECOND = 1e9; // in the nanoseconds of NATS
const WITHIN = { deadlineMs: 20_000 };

const deletion = (id, version) => event(id, version, undefined, { deleted: true });
const configured = (tombstones, more = {}) => ({
  streams: [STATE],
  collections: [{ name: 'customers', tombstones, ...more }],
});
const BUCKET = { name: 'KV_settings', collection: 'settings', format: 'kv' };

async function collection(gateway, name = 'customers') {
  const { collections } = (await gateway.get('/v1/state')).json();
  return collections.find((one) => one.name === name);
}

const untilTombstones = (gateway, count, name) =>
  until(
    `${count} tombstones`,
    async () => {
      const found = await collection(gateway, name);
      if (found?.tombstones !== count) throw new Error(JSON.stringify(found));
      return found;
    },
    WITHIN,
  );

// What the file counts is what is in it.
async function assertCounted(gateway) {
  const rows = await query(
    gateway.database,
    `SELECT c.name FROM collections c WHERE
       c.tombstones <> (SELECT count(*) FROM tombstones t WHERE t.collection = c.id) OR
       c.gone <> (SELECT count(*) FROM tombstones t WHERE t.collection = c.id AND t.gone = 1) OR
       c.floor >= (SELECT coalesce(min(sequence), 9e18) FROM tombstones t WHERE t.collection = c.id)`,
  );
  assert.deepEqual(rows, []);
}

const status = async (gateway, id, more = '', name = 'customers') =>
  (await gateway.get(`/v1/state/${name}/${id}${more}`)).status;

describe('tombstones beyond max', () => {
  it('are removed, the oldest first; a read of one is a 404, and the floor says up to where', async (t) => {
    const s = await scene(t, { gateway: { config: configured({ max: 10 }) } });
    const { gateway } = s;
    await s.publish([event('alive', 1), ...Array.from({ length: 10 }, (_, i) => deletion(`d-${i}`, 5))]);
    await gateway.untilPosition(11);
    assert.deepEqual(await untilTombstones(gateway, 10), {
      name: 'customers',
      stream: 'STATE',
      entities: 1,
      position: 11,
      tombstones: 10,
      floor: 0,
    });
    assert.equal(await status(gateway, 'd-0'), 410);
    await s.publish(Array.from({ length: 15 }, (_, i) => deletion(`d-${10 + i}`, 5)));
    await gateway.untilPosition(26);
    assert.equal((await untilTombstones(gateway, 10)).floor, 16);
    assert.equal(await status(gateway, 'd-15'), 410);
    const absent = await gateway.get('/v1/state/customers/d-14');
    assert.equal(absent.status, 404);
    assert.equal(absent.json().type, 'urn:stategate:problem:not-found');
    assert.match(absent.headers['state-position'], /^STATE:26;epoch=/);
    assert.equal(absent.headers['state-version'], undefined);
    assert.ok(Number(absent.headers['state-staleness']) < 60);
    // A version that was met by the tombstone cannot be shown any more; one that is kept still meets it.
    const waited = await gateway.get('/v1/state/customers/d-14?min_version=5&wait=0.2');
    assert.equal(`${waited.status} ${waited.json().type}`, '504 urn:stategate:problem:version-not-reached');
    assert.equal(await status(gateway, 'd-15', '?min_version=5&wait=0.2'), 410);
    assert.equal(await status(gateway, 'd-14', '?min_position=STATE:26&wait=5'), 404);
    // What is stale for a tombstone creates the entity again where it was removed.
    await s.publish([event('d-14', 3), event('d-15', 3)]);
    await gateway.untilPosition(28);
    assert.equal(await status(gateway, 'd-14'), 200);
    assert.equal(await status(gateway, 'd-15'), 410);
    await assertCounted(gateway);
    // Neither a restart nor a kill brings any back.
    await gateway.kill9();
    await gateway.start();
    await gateway.untilPosition(28);
    const after = await untilTombstones(gateway, 10);
    assert.equal(after.floor, 16);
    assert.equal(after.entities, 2);
  });

  it('and those of a build that reads them again, which has a floor of its own', async (t) => {
    const s = await scene(t, { gateway: { config: configured({ max: 5 }) } });
    const { gateway } = s;
    await s.publish(Array.from({ length: 40 }, (_, i) => deletion(`d-${i}`, 5)));
    await gateway.untilPosition(40);
    assert.equal((await untilTombstones(gateway, 5)).floor, 35);
    // Other settings of the rows: all are read anew.
    await gateway.restart({ config: configured({ max: 7 }, { drop: ['/secret'] }) });
    await gateway.untilPosition(40);
    assert.equal((await untilTombstones(gateway, 7)).floor, 33);
    // Another incarnation: beside the old rows.
    const { epoch } = await gateway.status();
    await s.recreateStream(Array.from({ length: 20 }, (_, i) => deletion(`e-${i}`, 1)));
    await until('the new rows are served', async () => (await gateway.status()).epoch !== epoch, WITHIN);
    await gateway.untilPosition(20);
    assert.equal((await untilTombstones(gateway, 7)).floor, 13);
    assert.equal(await status(gateway, 'd-39'), 404);
    assert.equal(await status(gateway, 'e-19'), 410);
    await assertCounted(gateway);
  });
});

describe('tombstones older than keep', () => {
  it('are removed, also when nothing else comes, and not before', async (t) => {
    const s = await scene(t, {
      stream: { duplicate_window: SECOND },
      gateway: { config: configured({ keep: '3s' }) },
    });
    const { gateway } = s;
    await gateway.untilStatus('live', WITHIN);
    await s.publish([event('alive', 1), deletion('d-1', 2)]);
    const published = performance.now();
    await gateway.untilPosition(2);
    await throughout('it is kept', 2500, async () => (await status(gateway, 'd-1')) === 410 || published + 3000 < performance.now());
    assert.equal((await untilTombstones(gateway, 0)).floor, 2);
    assert.ok(performance.now() - published >= 3000);
    assert.equal(await status(gateway, 'd-1'), 404);
    assert.equal(await status(gateway, 'alive'), 200);
    await assertCounted(gateway);
  });

  it('grow no older while the broker cannot be reached', async (t) => {
    const s = await scene(t, {
      stream: { duplicate_window: SECOND },
      gateway: { config: configured({ keep: '2s' }) },
    });
    const { gateway, nats } = s;
    await s.publish([deletion('d-1', 2)]);
    await gateway.untilPosition(1);
    await nats.stop();
    await throughout('it is kept', 4000, async () => (await status(gateway, 'd-1')) === 410);
    await nats.start();
    assert.equal((await untilTombstones(gateway, 0)).floor, 1);
  });

  for (const [version, bin] of Object.entries({
    'the server of the distribution': NATS_SERVER,
    'the newest server': NATS_SERVER_NEWEST,
  })) {
    it(`cannot be removed within the duplicate window, which the stream tells (${version})`, async (t) => {
      const reason =
        /tombstones of customers are kept for 60\.000 s \(collections\[\]\.tombstones\.keep\), shorter than its duplicate window of 120\.000 s/;
      const s = await scene(t, { nats: { bin }, gateway: { config: configured({ keep: '1m' }) } }); // 2m: the default
      const { gateway, client } = s;
      const refused = () =>
        until(
          'the reason is told',
          async () => {
            const { status, lastError } = await gateway.status();
            if (status !== 'disconnected' || !reason.test(lastError ?? '')) throw new Error(`${status}: ${lastError}`);
            return true;
          },
          WITHIN,
        );
      await refused();
      assert.equal((await gateway.get('/readyz')).status, 503);
      await client.jsm.streams.update('STATE', { duplicate_window: 60 * SECOND }); // as long as they are kept
      await s.publish([deletion('d-1', 2)]);
      await gateway.untilStatus('live', WITHIN);
      await client.jsm.streams.update('STATE', { duplicate_window: 120 * SECOND });
      await refused(); // while it is followed
      assert.equal(await status(gateway, 'd-1'), 410);
      await client.jsm.streams.update('STATE', { duplicate_window: SECOND });
      await gateway.untilStatus('live', WITHIN);
      await until('the reason is gone', async () => !(await gateway.status()).lastError, WITHIN);
    });
  }
});

// The bucket's word counts: as many keys are known as it has, whatever was forgotten.
describe('a bucket', () => {
  for (const [version, bin] of Object.entries({
    'the server of the distribution': NATS_SERVER,
    'the newest server': NATS_SERVER_NEWEST,
  })) {
    it(`is proved beside markers of what was forgotten, and what leaves it is noticed (${version})`, async (t) => {
      const nats = await startNats({ t, bin });
      const client = await nats.client();
      const kv = await createBucket(client, 'settings', { history: 1 });
      const config = { streams: [BUCKET], collections: [{ name: 'settings', tombstones: { max: 3 } }] };
      const gateway = await startGateway({ t, nats, config });
      const fresh = async () =>
        assert.equal((await gateway.get('/v1/state/settings/a?max_staleness=0&wait=10')).status, 200);
      let last = await kv.put('a', '1');
      for (let i = 0; i < 10; i++) {
        await kv.put(`k-${i}`, '1');
        await kv.delete(`k-${i}`);
      }
      last = (await client.jsm.streams.info('KV_settings')).state.last_seq;
      await gateway.untilPosition(last);
      await untilTombstones(gateway, 3, 'settings');
      assert.equal(await status(gateway, 'k-6', '', 'settings'), 404);
      assert.equal(await status(gateway, 'k-7', '', 'settings'), 410);
      await fresh();
      // Its marker goes, and so does a key: both without a message. Neither hides the other.
      await client.jsm.streams.purge('KV_settings', { filter: '$KV.settings.k-1' });
      await client.jsm.streams.purge('KV_settings', { filter: '$KV.settings.a' });
      await until('a is gone', async () => (await status(gateway, 'a', '?max_staleness=0', 'settings')) === 410, WITHIN);
      await kv.put('a', '2');
      await fresh();
      // A forgotten one is back, while a key goes.
      await kv.put('b', '1');
      await kv.put('k-2', '"back"');
      await client.jsm.streams.purge('KV_settings', { filter: '$KV.settings.b' });
      await until('b is gone', async () => (await status(gateway, 'b', '?max_staleness=0', 'settings')) === 410, WITHIN);
      assert.equal(await status(gateway, 'k-2', '', 'settings'), 200);
      await fresh();
      await assertCounted(gateway);
    });
  }

  // Scene of one marker that is forgotten, and one tombstone.
  async function forgottenOne(t, more = {}) {
    const nats = await startNats({ t });
    const client = await nats.client();
    const kv = await createBucket(client, 'settings', { history: 1 });
    const collections = [{ name: 'settings', tombstones: { max: 1 } }];
    const gateway = await startGateway({ t, nats, config: { streams: [BUCKET], collections, ...more } });
    for (const key of ['a', 'c', 'k-0', 'k-1']) await kv.put(key, '1');
    await kv.delete('k-0');
    await kv.delete('k-1');
    await gateway.untilPosition(6);
    assert.equal((await untilTombstones(gateway, 1, 'settings')).floor, 5);
    return { client, kv, gateway };
  }

  it('has a marker that was forgotten before a start, which hides no key that went meanwhile', async (t) => {
    const { client, gateway } = await forgottenOne(t);
    await gateway.stop();
    await client.jsm.streams.purge('KV_settings', { filter: '$KV.settings.c' }); // as many subjects as keys are known
    await gateway.start();
    await until('c is gone', async () => (await status(gateway, 'c', '?max_staleness=0', 'settings')) === 410, WITHIN);
    assert.equal(await status(gateway, 'a', '?max_staleness=0&wait=10', 'settings'), 200);
  });

  it('is listed once for what was forgotten, and not again for each that follows', async (t) => {
    const { kv, gateway } = await forgottenOne(t, { log: { level: 'debug' } });
    const proved = () => status(gateway, 'a', '?max_staleness=0&wait=10', 'settings');
    await kv.put('k-0', '2'); // more keys than there are: it is listed
    assert.equal(await proved(), 200);
    await gateway.untilLogged('subjects_listed');
    const before = gateway.logged('subjects_listed').length;
    for (let i = 2; i < 6; i++) {
      await kv.put(`k-${i}`, '1');
      await kv.delete(`k-${i}`);
      await gateway.untilPosition(await kv.put('a', `${i}`));
      assert.equal(await proved(), 200);
      await untilTombstones(gateway, 1, 'settings');
      assert.equal(await proved(), 200);
    }
    await gateway.stop();
    assert.equal(gateway.logged('subjects_listed').length, before);
  });

  it('whose markers expire is proved, and one that was forgotten before that hides no key afterwards', async (t) => {
    const nats = await startNats({ t, bin: NATS_SERVER_NEWEST });
    const client = await nats.client();
    await createBucket(client, 'settings', { history: 1 });
    await client.jsm.streams.update('KV_settings', { allow_msg_ttl: true, subject_delete_marker_ttl: 2 * SECOND });
    const config = { streams: [BUCKET], collections: [{ name: 'settings', tombstones: { max: 1 } }] };
    const gateway = await startGateway({ t, nats, config });
    const brief = headers();
    brief.set('Nats-TTL', '3s');
    brief.set('KV-Operation', 'PURGE');
    await client.js.publish('$KV.settings.a', '1');
    for (const key of ['k-0', 'k-1']) await client.js.publish(`$KV.settings.${key}`, '1');
    for (const key of ['k-0', 'k-1']) await client.js.publish(`$KV.settings.${key}`, '', { headers: brief });
    assert.equal((await untilTombstones(gateway, 1, 'settings')).floor, 4);
    await until(
      'the markers are gone',
      async () => (await client.jsm.streams.info('KV_settings')).state.num_subjects === 1,
      WITHIN,
    );
    for (const key of ['a', 'b', 'c']) {
      const path = `/v1/state/settings/${key}?max_staleness=0&wait=15`;
      if (key !== 'a') await client.js.publish(`$KV.settings.${key}`, '1');
      assert.equal((await gateway.get(path, { timeoutMs: 20_000 })).status, 200);
      await client.jsm.streams.purge('KV_settings', { filter: `$KV.settings.${key}` });
      await until(`${key} is gone`, async () => (await gateway.get(path, { timeoutMs: 20_000 })).status === 410, WITHIN);
    }
  });
});
