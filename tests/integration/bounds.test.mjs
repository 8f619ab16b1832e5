// Work without an end, in small: deleted entities, rejected events and collections in numbers keep no request on a
// loop for long. bench/bounds.mjs does the same with millions, and compares latencies.
// ctest-serial

import assert from 'node:assert/strict';
import { it } from 'node:test';

import { longestSeconds, round, startWorld, stopSeconds } from '../../bench/bounds.mjs';
import { LONG } from '../../bench/bounds_load.mjs';
import { program } from '../support/process.mjs';
import { scrape } from '../support/prometheus.mjs';
import { threadNames } from '../support/threads.mjs';

const RELEASE = program('STATEGATE_RELEASE_BIN', 'build/release/stategate');
const SIZE = { entities: 2000, tombstones: 20_000, rejected: 20_000, collections: 20_000 };
const LOOP_SECONDS_MAX = 0.005;

it('no request takes a loop for more than 5 ms of processor time', async (t) => {
  const world = await startWorld(SIZE, { t, bin: RELEASE });
  const { gateway, client } = world;
  const { long } = await round(world, { entities: SIZE.entities, seconds: 2, everyMs: 100 });
  for (const path of LONG) assert.deepEqual(Object.keys(long[path].answers), ['200'], path);

  const { collections } = (await gateway.get('/v1/state')).json();
  assert.equal(collections.length, SIZE.collections);
  assert.deepEqual(
    collections.map(({ name }) => name),
    collections.map(({ name }) => name).toSorted(),
  );
  const stream = await gateway.status();
  assert.equal(stream.rejected, SIZE.rejected);
  assert.equal(stream.entities, SIZE.entities + 10 + SIZE.collections - 2);
  assert.equal((await scrape(gateway)).all('stategate_entities').length, SIZE.collections);
  const seldom = (await gateway.get('/v1/rejected?collection=seldom')).json();
  assert.deepEqual(
    seldom.items.map(({ id }) => id),
    ['r-0'],
  );
  const gone = (await gateway.get('/v1/state/gone')).json();
  assert.equal(gone.items.length, 10);

  assert.ok([...threadNames(gateway.pid).values()].includes('job'), 'what takes long is made by a job');
  // Reads go on beside commits, which change what is cached as little as they can.
  await client.js.publish('state.customers.c-1', '{"aggregateId":"c-1","version":2,"state":{"n":2}}');
  await gateway.get('/v1/state/customers/c-1?min_version=2&wait=5');
  const longest = await longestSeconds(world);
  assert.ok(longest > 0 && longest <= LOOP_SECONDS_MAX, `${longest} s of a loop for one request`);
  assert.ok((await stopSeconds(world, 20)) < 5, 'SIGTERM in its drain');
});

it('probes on the second address wait for nobody', async (t) => {
  const more = { listen_ops: '127.0.0.1:0' };
  const world = await startWorld({ ...SIZE, tombstones: 0, rejected: 0 }, { t, bin: RELEASE, more });
  const { gateway } = world;
  assert.ok([...threadNames(gateway.pid).values()].includes('http:ops'));
  const address = gateway.opsAddress;
  for (let i = 0; i < 3; i++) {
    const [metrics, alive] = await Promise.all([
      gateway.get('/metrics', { address }),
      gateway.get('/livez', { address }),
    ]);
    assert.equal(metrics.status, 200);
    assert.equal(metrics.text.match(/^stategate_entities\{/gm).length, SIZE.collections);
    assert.equal(alive.status, 200);
  }
  // Two jobs' threads: those of the second address have one of their own.
  await gateway.get('/v1/state');
  assert.equal([...threadNames(gateway.pid).values()].filter((name) => name === 'job').length, 2);
});
