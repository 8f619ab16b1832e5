// Replicas of one stream, while messages are written and removed at random: one whose link is cut, one whose link never
// is, and a fresh one. What each shows in the end is what the stream says, or State-Gap. See README.md.
// ctest-timeout: 600

import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';

import { NATS_SERVER, NATS_SERVER_NEWEST, startNats } from '../support/nats.mjs';
import { Random } from '../support/workload.mjs';
import { judge } from './replica_judge.mjs';
import { FORMATS, World } from './replica_world.mjs';

const COUNT = Number(process.env.COUNT ?? 20);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const STEPS = Number(process.env.STEPS ?? 25);
const AT_ONCE = 2;
const LIMITS = { kv: [1, 5], envelope: [-1, 1, 5] };

// Each kind of world in its turn. TTLs need a newer server, and one revision in a bucket.
function plan(count) {
  const kinds = FORMATS.flatMap((format) => LIMITS[format].map((limit) => ({ format, limit })));
  return Array.from({ length: count }, (_, i) => {
    const kind = kinds[i % kinds.length];
    const newest = Math.floor(i / kinds.length) % 2 === 1;
    return { ...kind, newest, ttl: newest && (kind.format !== 'kv' || kind.limit === 1), number: i };
  });
}

async function run(t, servers, { number, newest, ...kind }) {
  const random = new Random(SEED * 1009 + number);
  const { nats, client } = servers[newest ? 1 : 0];
  const world = await World.make({ t, nats, client, name: `w${number}`, random, ...kind });
  for (let i = 0; i < STEPS; i++) await world.step();
  await world.end();
  const violations = [];
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
    const servers = [];
    for (const bin of [NATS_SERVER, NATS_SERVER_NEWEST]) {
      const nats = await startNats({ t, bin });
      servers.push({ nats, client: await nats.client() });
    }
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
