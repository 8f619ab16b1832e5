// Replicas of one stream, while messages are written and removed at random: one whose link is cut, one whose link never
// is, and a fresh one. What each shows in the end is what the stream says, or State-Gap. See README.md.
// ctest-timeout: 600

import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';

import { NATS_SERVER, NATS_SERVER_NEWEST, startNats } from '../support/nats.mjs';
import { freePort } from '../support/ports.mjs';
import { startProxy } from '../support/proxy.mjs';
import { until } from '../support/until.mjs';
import { Random } from '../support/workload.mjs';
import { judge } from './replica_judge.mjs';
import { FORMATS, World } from './replica_world.mjs';

const COUNT = Number(process.env.COUNT ?? 20);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const STEPS = Number(process.env.STEPS ?? 25);
const AT_ONCE = 2;
const LIMITS = { kv: [1, 5], envelope: [-1, 1, 5] };

// Each kind of world in its turn. TTLs need a newer server, and one revision in a bucket. In some the replicas follow
// a mirror.
function plan(count) {
  const kinds = FORMATS.flatMap((format) => LIMITS[format].map((limit) => ({ format, limit })));
  return Array.from({ length: count }, (_, i) => {
    const kind = kinds[i % kinds.length];
    const round = Math.floor(i / kinds.length);
    const newest = round % 2 === 1;
    const mirror = newest && i % 2 === 1; // the older server's may stop for good where its origin loses messages
    const ttl = newest && (kind.format !== 'kv' || (kind.limit === 1 && !mirror)); // a mirror makes no delete markers
    return { ...kind, newest, ttl, mirror, number: i };
  });
}

// A server that is written to, and one beside it that reaches it through a proxy.
async function startServers(t, bin, newest) {
  const start = (name, leafnodes) => {
    const jetstream = (folder) => `jetstream { store_dir: "${folder}/store", domain: ${name} }`;
    const config = (folder) => `server_name: ${name}\n${jetstream(folder)}\nleafnodes { ${leafnodes} }\n`;
    return startNats({ t, bin, config });
  };
  const port = await freePort();
  const hub = await start('hub', `listen: "127.0.0.1:${port}"`);
  const between = await startProxy({ t, target: port });
  const leaf = await start('leaf', `reconnect: 1, remotes: [{ url: "nats-leaf://127.0.0.1:${between.port}" }]`);
  const [owner, edge] = [await hub.client(), await leaf.client()];
  await until('the servers are linked', () => edge.nc.request('$JS.hub.API.INFO', '', { timeout: 500 }));
  return { hub: { nats: hub, client: owner }, leaf: { nats: leaf, client: edge }, between, newest };
}

async function run(t, servers, { number, newest, ...kind }) {
  const random = new Random(SEED * 1009 + number);
  const world = await World.make({ t, servers: servers[newest ? 1 : 0], name: `w${number}`, random, ...kind });
  try {
    return await judgeWorld(world);
  } catch (error) {
    const which = JSON.stringify({ number, newest, ...kind });
    throw new Error(`${which}: ${world.said.join(' ')}: ${error.message}`, { cause: error });
  }
}

async function judgeWorld(world) {
  for (let i = 0; i < STEPS; i++) await world.step();
  await world.end();
  const violations = [...world.violations];
  let gaps = 0;
  let seen = 0;
  for (const [role, gateway] of [['cut', world.cutOff], ['steady', world.steady], ['fresh', world.fresh]]) {
    const shown = await world.ask(gateway);
    const held = await world.held();
    violations.push(...judge(world, role, shown, held));
    if (role === 'fresh') seen = tamperingsSeen(world, shown, held);
    gaps += [...shown.values()].filter(({ headers }) => headers['state-gap'] !== undefined).length;
  }
  await world.close();
  return { violations, gaps, seen, published: world.published.length, said: world.said };
}

// Wrong answers made of right ones: how many of them a judge of the fresh replica names. All, or it is none.
const TAMPERINGS = {
  'a gap where nothing is lost': (answer) => ({ ...answer, headers: { ...answer.headers, 'state-gap': '1-1' } }),
  'another version': (answer) => ({
    ...answer,
    status: 200,
    headers: { ...answer.headers, 'state-version': '999999' },
  }),
  'an internal error': (answer) => ({ ...answer, status: 500 }),
};

function tamperingsSeen(world, shown, held) {
  const tampered = Object.entries(TAMPERINGS).flatMap(([what, change]) =>
    [...shown]
      .filter(([, { headers }]) => headers['state-rejected'] === undefined)
      .map(([id, answer]) => [what, judge(world, 'fresh', new Map([[id, change(answer)]]), held)]),
  );
  assert.deepEqual(tampered.filter(([, found]) => found.length !== 1), []);
  return tampered.length;
}

describe(`${COUNT} worlds of replicas (SEED=${SEED})`, () => {
  const sums = { worlds: 0, published: 0, gaps: 0, violations: 0, tamperings: 0 };
  after(() => console.log(`replicas: SEED=${SEED} COUNT=${COUNT}: ${JSON.stringify(sums)}`));

  it('show what the stream says, or State-Gap', async (t) => {
    const servers = [await startServers(t, NATS_SERVER, false), await startServers(t, NATS_SERVER_NEWEST, true)];
    const left = plan(COUNT);
    const only = process.env.WORLD;
    const next = async () => {
      for (let one; (one = left.shift()); ) {
        if (only !== undefined && one.number !== Number(only)) continue;
        const result = await run(t, servers, one);
        sums.worlds++;
        sums.published += result.published;
        sums.gaps += result.gaps;
        sums.tamperings += result.seen;
        sums.violations += result.violations.length;
        if (process.env.VERBOSE || result.violations.length > 0)
          t.diagnostic(`${JSON.stringify(one)}: ${result.said.join(' ')}\n${result.violations.join('\n')}`);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, next));
    assert.equal(sums.violations, 0, `SEED=${SEED}`);
    assert.ok(sums.worlds > 0 && sums.tamperings > 0, 'something was judged');
  });
});
