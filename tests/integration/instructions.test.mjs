// What a read and an event cost in instructions has not grown; and the check would notice if it had.
// ctest-timeout: 180

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { test } from 'node:test';

import { BASELINE } from '../../bench/instructions.mjs';
import { SOURCE_DIR, program, tempFolder } from '../support/process.mjs';

const PROGRAM = join(dirname(program('STATEGATE_RELEASE_BIN', 'build/release/stategate')), 'bench/bench_instructions');

function instructions(...args) {
  const { status, stdout, stderr } = spawnSync(join(SOURCE_DIR, 'bench/instructions'), args, { encoding: 'utf8' });
  return { status, out: stdout + stderr };
}

test('no_read_and_no_event_costs_more_instructions_than_the_baseline', async (t) => {
  const folder = tempFolder(t, 'instructions');
  const counted = join(folder, 'counted.json');
  const measured = instructions('--bin', PROGRAM, '--save', counted);
  t.diagnostic(measured.out);
  assert.equal(measured.status, 0, measured.out);
  const { key, figures } = JSON.parse(readFileSync(counted, 'utf8'));

  await t.test('an_event_costs_the_same_however_many_collections_there_are', () => {
    const few = figures['event, alone, 10 collections'];
    const many = figures['event, alone, 10,000 collections'];
    // What is left lies in SQLite: its own index of the write-ahead log is a little longer.
    assert.ok(many < few * 1.05, `${few} instructions with 10 collections, ${many} with 10,000`);
  });

  // What the same figures say against a baseline that is `percent` lower, and these limits.
  const against = (percent, change = () => {}, limits = {}) => {
    const file = join(folder, 'baseline.json');
    const lower = Object.fromEntries(Object.entries(figures).map(([name, n]) => [name, n * (1 - percent / 100)]));
    change(lower);
    writeFileSync(file, JSON.stringify({ [key]: { figures: lower, limits } }));
    return instructions('--figures', counted, '--baseline', file);
  };

  await t.test('growth_beyond_5_percent_fails', () => {
    const grown = against(6);
    assert.equal(grown.status, 1, grown.out);
    for (const name of Object.keys(figures)) assert.match(grown.out, new RegExp(`FAILED: grew .*'${name}'`));
  });
  await t.test('one_case_that_grew_is_named', () => {
    const grown = against(0, (baseline) => (baseline.decode *= 0.94));
    assert.equal(grown.status, 1, grown.out);
    assert.match(grown.out, /FAILED: grew by more than 5 %: 'decode'\n/);
  });
  await t.test('growth_within_5_percent_passes', () => {
    const within = against(4);
    assert.equal(within.status, 0, within.out);
  });
  await t.test('a_limit_holds_whatever_the_baseline_says', () => {
    const at = against(0, undefined, { decode: figures.decode });
    assert.equal(at.status, 0, at.out);
    const beyond = against(0, undefined, { decode: figures.decode - 1, read: figures.read + 1 });
    assert.equal(beyond.status, 1, beyond.out);
    assert.match(beyond.out, /FAILED: beyond its limit: 'decode'\n/);
    const gone = against(0, undefined, { 'another read': 1000 });
    assert.equal(gone.status, 1, gone.out);
    assert.match(gone.out, /FAILED: no longer counted: 'another read'/);
  });
  await t.test('what_fell_is_mentioned', () => {
    const fell = against(-6);
    assert.equal(fell.status, 0, fell.out);
    assert.match(fell.out, /fell by more than 5 %: .*--update/);
  });
  await t.test('a_case_that_is_no_longer_counted_fails', () => {
    const gone = against(0, (baseline) => (baseline['another read'] = 1000));
    assert.equal(gone.status, 1, gone.out);
    assert.match(gone.out, /FAILED: no longer counted: 'another read'/);
  });
  await t.test('an_unknown_key_is_said_and_can_be_added', () => {
    const file = join(folder, 'others.json');
    const other = { 'another compiler': { figures: { decode: 1 }, limits: { decode: 2 } } };
    writeFileSync(file, JSON.stringify(other));
    const unknown = instructions('--figures', counted, '--baseline', file);
    assert.equal(unknown.status, 0, unknown.out);
    assert.match(unknown.out, /NO BASELINE/);
    assert.equal(instructions('--figures', counted, '--baseline', file, '--update').status, 0);
    const written = JSON.parse(readFileSync(file, 'utf8'));
    assert.deepEqual(written, { ...other, [key]: { figures, limits: {} } });
  });
  await t.test('an_update_leaves_the_limits', () => {
    const file = join(folder, 'limits.json');
    writeFileSync(file, JSON.stringify({ [key]: { figures: { decode: 1 }, limits: { decode: 2 } } }));
    assert.equal(instructions('--figures', counted, '--baseline', file, '--update').status, 0);
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), { [key]: { figures, limits: { decode: 2 } } });
  });
});

test('the_baseline_is_kept_in_the_repository', () => {
  assert.ok(existsSync(BASELINE));
  for (const [key, { figures, limits }] of Object.entries(JSON.parse(readFileSync(BASELINE, 'utf8')))) {
    assert.match(key, /^(gcc|clang) [^,]+, glibc [\d.]+, sqlite [\d.]+, yyjson [\d.]+, \w+$/);
    for (const counts of [figures, limits])
      for (const [name, count] of Object.entries(counts)) assert.ok(Number.isInteger(count) && count > 0, name);
    const bounded = Object.keys(figures).filter((name) => /read|event|page|query|count|fields/.test(name));
    assert.deepEqual(Object.keys(limits).sort(), bounded.sort(), 'each read, each event and each query has a limit');
  }
});
