// The soak's judge tells what leaks from what is only noisy; and a soak of some seconds, so that the command stays
// whole.
// ctest-timeout: 180

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { describe, it } from 'node:test';

import { STATEGATE } from '../support/gateway.mjs';
import { program } from '../support/process.mjs';
import { Random } from '../support/workload.mjs';
import { summary } from './broker_campaign.mjs';
import { judgeSeries, LIMITS, WAL_BYTES_MAX } from './soak_judge.mjs';
import { soak } from './soak_run.mjs';

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const SECONDS = Number(process.env.SECONDS ?? 12);
const RELEASE = program('STATEGATE_RELEASE_BIN', 'build/release/stategate');
const MIB = 1024 * 1024;
const MINUTES = 10;

// One value a second.
function series(value) {
  const random = new Random(SEED);
  const noise = (size) => (random.next() - 0.5) * 2 * size;
  return Array.from({ length: MINUTES * 60 }, (_, at) => ({ at, value: value(at, noise) }));
}

const FLAT = {
  residentBytes: {
    'that never changes': () => 80 * MIB,
    'with noise': (_, noise) => 80 * MIB + noise(15 * MIB),
    'that grows while it starts': (at, noise) => Math.min(80, 20 + at) * MIB + noise(MIB),
    'as a saw': (at, noise) => (60 + (at % 25)) * MIB + noise(MIB),
    'with spikes': (at) => (at % 50 === 0 ? 400 : 80) * MIB,
    'that falls': (at) => (100 - at / 20) * MIB,
  },
  descriptors: { 'that come and go': (at, noise) => Math.round(60 + noise(25)) },
  threads: { 'as many as ever': () => 14 },
  databaseBytes: { 'in steps, early': (at) => Math.min(4, Math.floor(at / 50)) * 8 * MIB },
  walBytes: { 'below its limit': (at) => (at % 100) * MIB },
};
const LEAKING = {
  residentBytes: {
    'by 50 KiB a second, under noise': (at, noise) => 80 * MIB + at * 50 * 1024 + noise(10 * MIB),
    'as a saw whose feet rise': (at) => (60 + (at % 25)) * MIB + at * 70 * 1024,
    'by 8 MiB a minute, in steps': (at) => (80 + 8 * Math.floor(at / 60)) * MIB,
  },
  descriptors: { 'one in 20 s': (at, noise) => Math.round(60 + at / 20 + noise(15)) },
  threads: { 'one a minute': (at) => 14 + Math.floor(at / 60) },
  databaseBytes: { 'by 100 KiB a second': (at) => 20 * MIB + at * 100 * 1024 },
  walBytes: { 'once beyond its limit': (at) => (at === 100 ? WAL_BYTES_MAX + 1 : MIB) },
};

describe('the judge of a soak', () => {
  for (const [name, kinds] of Object.entries(FLAT))
    for (const [kind, value] of Object.entries(kinds))
      it(`calls ${name} ${kind} flat`, () => assert.ok(judgeSeries(name, series(value)).ok));
  for (const [name, kinds] of Object.entries(LEAKING))
    for (const [kind, value] of Object.entries(kinds))
      it(`notices ${name} that leak ${kind}`, () => assert.ok(!judgeSeries(name, series(value)).ok));

  it('has a limit for all that is measured', () => {
    assert.deepEqual(Object.keys(LIMITS), Object.keys(LEAKING));
  });
});

describe(`a soak of ${SECONDS} seconds (SEED=${SEED})`, () => {
  it('has no violation, and measures', async (t) => {
    const bin = existsSync(RELEASE) ? RELEASE : STATEGATE;
    const result = await soak({ t, seconds: SECONDS, seed: SEED, rate: 1000, bin });
    assert.deepEqual(result.violations, []);
    // Too short to judge growth by.
    assert.ok(result.samples.length >= SECONDS / 2 && result.compared > 0);
    for (const { name, middle } of result.verdicts) assert.ok(middle >= 0, name);
    t.diagnostic(`soak: SEED=${SEED}: ${summary([result.campaign]).line}; clients ${JSON.stringify(result.crowd)}`);
  });
});
