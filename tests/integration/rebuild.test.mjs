// Rebuild without a hole: while the rows are built anew, reads see either everything of the old build or everything of
// the new one, over kills and further incarnations in the middle; other streams go on; nothing old is left behind.
// ctest-timeout: 600
// ctest-serial

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { query } from '../support/db.mjs';
import { startNats } from '../support/nats.mjs';
import { loadOpenapi } from '../support/openapi.mjs';
import { signal } from '../support/process.mjs';
import { event, events, scene } from '../support/scene.mjs';
import { until } from '../support/until.mjs';

const WITHIN = { deadlineMs: 60_000 };
const OLD = { count: 2000, ids: 500 };
// So many that a rebuild lasts for long enough to be watched and interrupted.
const NEW = { count: 60_000, ids: 900, from: 100_000 };

async function following(t, options = {}) {
  const s = await scene(t, { publish: events(OLD.count, { ids: OLD.ids }), ...options });
  await s.untilLive({ deadlineMs: 15_000 });
  await s.gateway.untilReady();
  return s;
}

// The stream in another incarnation, unseen by the gateway until all of it is there.
async function recreateUnseen(s, list) {
  signal(s.gateway.running.child, 'SIGSTOP');
  await s.recreateStream(list);
  signal(s.gateway.running.child, 'SIGCONT');
}

// One page with its headers, and one status: each comes from one snapshot and must be of one build.
async function sample(s, builds) {
  const page = await s.gateway.get('/v1/state/customers?limit=1000');
  assert.equal(page.status, 200, page.text);
  const [, position, epoch] = /STATE:(\d+);epoch=([a-z0-9]+)/.exec(page.headers['state-position']);
  const build = builds.find((candidate) => candidate.epoch === epoch) ?? builds.at(-1);
  const { items } = page.json();
  assert.equal(items.length, build.entities, `entities in epoch ${epoch}`);
  assert.ok(Number(position) >= build.position, `position ${position} in epoch ${epoch}`);
  const strange = items.filter(({ version }) => version < build.from || version >= build.from + build.count);
  assert.deepEqual(strange, [], `versions in epoch ${epoch}`);
  const status = await s.gateway.status('STATE');
  const shown = builds.find((candidate) => candidate.epoch === status.epoch) ?? builds.at(-1);
  assert.equal(status.entities, shown.entities, 'entities in the status');
  if (status.rebuild && status.rebuild.epoch !== status.epoch) {
    assert.ok(['rebuilding', 'disconnected', 'halted'].includes(status.status), status.status);
    assert.equal(status.staleness, undefined, 'rows of another incarnation are as stale as nobody knows');
    assert.equal(status.lag, undefined);
  }
  return { build, status, headers: page.headers };
}

function buildOf({ count, ids, from = 1 }, epoch) {
  return { epoch, entities: ids, position: count, from, count };
}

async function leftovers(gateway) {
  const [{ n }] = await query(
    gateway.database,
    `SELECT (SELECT count(*) FROM (SELECT collection FROM entities UNION ALL SELECT collection FROM tombstones) e
       WHERE NOT EXISTS (SELECT 1 FROM collections c JOIN streams s
       ON s.id = c.stream AND s.build = c.build WHERE c.id = e.collection))
     + (SELECT count(*) FROM collections c JOIN streams s ON s.id = c.stream WHERE c.build <> s.build)
     + (SELECT count(*) FROM rejected r JOIN streams s ON s.id = r.stream WHERE r.build <> s.build)
     + (SELECT count(*) FROM next_build) AS n`,
  );
  return n;
}

async function epochChanges(gateway) {
  const { text } = await gateway.get('/metrics');
  return Number(/^stategate_stream_epoch_changes_total\{stream="STATE"\} (\d+)$/m.exec(text)[1]);
}

describe('while a recreated stream is read', () => {
  it('reads see the old rows or the new ones, never a mixture, and the replica stays ready', async (t) => {
    const s = await following(t);
    const document = await loadOpenapi();
    const { epoch, build } = await s.gateway.status();
    const builds = [buildOf(OLD, epoch), buildOf(NEW)];
    await recreateUnseen(s, events(NEW.count, NEW));
    const seen = { old: 0, new: 0, between: 0 };
    let rebuilding = false; // at the status before: page and status are two snapshots
    for (let end = false; !end; ) {
      const { build: shown, status, headers } = await sample(s, builds);
      assert.equal((await s.gateway.get('/readyz')).status, 200, 'it was ready, and reads go on');
      const { rebuild } = status;
      seen[shown === builds[0] ? 'old' : 'new']++;
      if (rebuild) {
        assert.equal(rebuild.build, build + 1);
        assert.equal(rebuild.target, NEW.count);
        seen.between += rebuild.position > 0 && rebuild.position < rebuild.target;
        const violations = document.violations('/v1/status', 'GET', await s.gateway.get('/v1/status'));
        assert.deepEqual(violations, []);
      }
      if (shown === builds[0] && rebuilding) assert.equal(headers['state-staleness'], undefined);
      rebuilding = rebuild !== undefined;
      end = status.status === 'live' && shown !== builds[0];
    }
    assert.ok(seen.old > 0 && seen.new > 0 && seen.between > 0, JSON.stringify(seen));
    await s.untilEqual(WITHIN);
    assert.equal((await s.gateway.status()).rebuild, undefined);
    assert.equal(await epochChanges(s.gateway), 1);
    await until('the old rows are swept', async () => (await leftovers(s.gateway)) === 0, WITHIN);
  });

  it('goes on over kills and another incarnation in the middle, while another stream is applied', async (t) => {
    const streams = [
      { name: 'STATE', subject: 'state.{collection}.{id}', collections: ['customers'] },
      { name: 'OTHER', subject: 'other.{id}', collection: 'others' },
    ];
    const nats = await startNats({ t });
    await (await nats.client()).jsm.streams.add({ name: 'OTHER', subjects: ['other.>'] });
    const s = await following(t, { nats, gateway: { config: { streams } } });
    const { epoch } = await s.gateway.status('STATE');
    const last = { count: 30_000, ids: 700, from: 500_000 };
    const builds = [buildOf(OLD, epoch), buildOf(last)];
    const between = () =>
      until(
        'the next build is written',
        async () => {
          const { status } = await sample(s, builds);
          return status.rebuild?.position > 0 && status;
        },
        { ...WITHIN, everyMs: 1 },
      );
    await recreateUnseen(s, events(NEW.count, NEW));
    const next = await between();
    await s.gateway.kill9();
    await s.gateway.start();
    assert.equal((await sample(s, builds)).build, builds[0]);
    const [continued] = await s.gateway.untilLogged('rebuild_continues');
    assert.ok(continued.position >= next.rebuild.position, 'what was written is there');
    assert.equal((await s.gateway.get('/readyz')).status, 503, 'not before the served build is whole');
    await between();
    await recreateUnseen(s, events(last.count, last));
    await until('the other incarnation is found', async () => {
      const { rebuild, ...status } = await s.gateway.status('STATE');
      return status.epoch === epoch && rebuild?.target === last.count;
    }, { ...WITHIN, everyMs: 1 });
    let published = 0;
    for (let live = false; !live; ) {
      const { seq } = await s.client.js.publish('other.x', event('x', ++published).payload);
      await s.gateway.untilPosition(seq, { stream: 'OTHER', deadlineMs: 2000, everyMs: 1 });
      const { status } = await sample(s, builds);
      live = status.status === 'live' && status.epoch !== epoch;
    }
    assert.ok(published > 3, `the other stream went on: ${published}`);
    await s.untilEqual(WITHIN);
    await s.gateway.untilReady(WITHIN);
    await until('old and abandoned rows are swept', async () => (await leftovers(s.gateway)) === 0, WITHIN);
  });
});

describe('a stream that is recreated empty', () => {
  it('keeps its rows and its readiness until the first event is applied, over a restart', async (t) => {
    const s = await following(t);
    const { epoch } = await s.gateway.status();
    await s.recreateStream([]);
    const waiting = async () => {
      const status = await s.gateway.untilStatus('rebuilding', WITHIN);
      assert.equal(status.epoch, epoch);
      assert.equal(status.entities, OLD.ids);
      assert.equal(status.rebuild.target, 0);
      await s.gateway.untilReady(WITHIN);
    };
    await waiting();
    await s.gateway.restart();
    await waiting();
    await s.publish([event('first', 1)]);
    await s.untilLive(WITHIN);
    assert.equal((await s.gateway.status()).entities, 1);
  });

  it('is served empty at once where the settings ask for it', async (t) => {
    const s = await following(t, { gateway: { config: { rebuild: { empty: 'swap' } } } });
    await s.recreateStream([]);
    await s.untilLive(WITHIN);
    assert.equal((await s.gateway.status()).entities, 0);
    assert.equal((await s.gateway.get('/v1/state/customers/c-1')).status, 404);
  });
});

describe('a rebuild after a gap', () => {
  it('serves the old rows on, in the same epoch, until the new ones are there', async (t) => {
    const config = { streams: [{ name: 'STATE', subject: 'state.{collection}.{id}', on_gap: 'rebuild' }] };
    const s = await following(t, { gateway: { config } });
    const before = await s.gateway.status();
    await s.gateway.stop();
    const more = await s.publish(events(NEW.count, NEW));
    await s.client.jsm.streams.purge('STATE', { seq: OLD.count + 10 });
    await s.gateway.start();
    s.fold = new s.fold.constructor(s.mapping).applyAll(more.slice(9));
    let served = 0;
    await until('the new build is served', async () => {
      const status = await s.gateway.status();
      assert.equal(status.epoch, before.epoch);
      if (status.build !== before.build) return true;
      assert.ok(status.entities >= OLD.ids);
      served += status.rebuild !== undefined;
      return false;
    }, { ...WITHIN, everyMs: 1, hard: true });
    assert.ok(served > 0, 'the old rows were seen to be served');
    await s.untilLive(WITHIN);
    assert.equal((await s.gateway.status()).build, before.build + 1);
  });
});
