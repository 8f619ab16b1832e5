// Instructions per read and per event, counted by callgrind, against a baseline that is kept in the repository. See
// bench/instructions.
//
// A baseline is kept for each key: compiler, C library, SQLite, yyjson, processor. Figures of one key can be compared;
// those of another key differ for reasons that are not this project's. A baseline has the figures of some commit, which
// --update replaces, and limits, which it leaves: what must not be exceeded, however small each step was.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
export const BASELINE = join(ROOT, 'bench/instructions.json');
const TOLERANCE = 0.05;

// What a key does not tell must not differ: the C library and OpenSSL choose code by the processor's features.
const PLAIN_PROCESSOR = {
  GLIBC_TUNABLES: 'glibc.cpu.hwcaps=-AVX_Fast_Unaligned_Load,-AVX2,-AVX,-ERMS,-FSRM,-SSE4_2,-SSSE3,-BMI2',
  OPENSSL_ia32cap: '0',
};

// Counts: {key, figures: {case: instructions each time}}.
export function measure(bin) {
  if (!existsSync(bin)) throw new Error(`${bin} is missing: build the release preset`);
  const folder = mkdtempSync(join(tmpdir(), 'stategate-instructions-'));
  try {
    return count(bin, folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function count(bin, folder) {
  const lines = underCallgrind(bin, folder).trim().split('\n').map((line) => line.split('\t'));
  const key = lines.find(([kind]) => kind === 'key')?.[1];
  const cases = lines.filter(([kind]) => kind === 'case');
  if (key === undefined || cases.length === 0) throw new Error(`${bin} counts nothing`);
  const counted = dumps(folder);
  const figures = {};
  for (const [, name, times] of cases) {
    if (!counted.has(name)) throw new Error(`'${name}' was not counted: was ${bin} built where valgrind is missing?`);
    figures[name] = Math.round(counted.get(name) / Number(times));
  }
  return { key, figures };
}

function underCallgrind(bin, folder) {
  const options = ['--tool=callgrind', '--instr-atstart=no', `--callgrind-out-file=${join(folder, 'out')}`];
  const env = { ...process.env, ...PLAIN_PROCESSOR };
  mkdirSync(join(folder, 'store'));
  try {
    return execFileSync('valgrind', [...options, bin, join(folder, 'store')], { encoding: 'utf8', env, stdio: 'pipe' });
  } catch (error) {
    if (error.code === 'ENOENT') throw new Error('valgrind is missing: run scripts/setup');
    throw error;
  }
}

// callgrind's files: one for each case, which is named in the line of its trigger.
function dumps(folder) {
  const counted = new Map();
  for (const file of readdirSync(folder).filter((name) => name.startsWith('out.'))) {
    const text = readFileSync(join(folder, file), 'utf8');
    const name = /^desc: Trigger: Client Request: (.*)$/m.exec(text)?.[1];
    const total = /^totals: (\d+)$/m.exec(text)?.[1];
    if (name !== undefined && total !== undefined) counted.set(name, Number(total));
  }
  return counted;
}

// One row per case. `verdict`: grew, fell (both beyond the tolerance), same, new (not in the baseline), gone.
function compare(now, { figures = {}, limits = {} }) {
  const names = new Set([now, figures, limits].flatMap((part) => Object.keys(part)));
  return [...names].map((name) => {
    const row = { name, now: now[name], before: figures[name], limit: limits[name] };
    row.exceeds = row.now > row.limit; // false without a limit
    if (row.now === undefined) return { ...row, verdict: 'gone' };
    if (row.before === undefined) return { ...row, verdict: 'new' };
    row.ratio = row.now / row.before;
    return { ...row, verdict: row.ratio > 1 + TOLERANCE ? 'grew' : row.ratio < 1 - TOLERANCE ? 'fell' : 'same' };
  });
}

function table(rows) {
  const width = Math.max(...rows.map(({ name }) => name.length));
  const line = (name, ...columns) => [name.padEnd(width), ...columns].join(' ').trimEnd();
  const number = (value = '-') => String(value).padStart(10);
  const change = (ratio) => (ratio === undefined ? '' : `${((ratio - 1) * 100).toFixed(1)} %`).padStart(9);
  const word = ({ verdict, exceeds }) =>
    (verdict === 'same' ? '' : ` ${verdict}`) + (exceeds ? ' beyond its limit' : '');
  const head = line('instructions for each', number('now'), number('limit'), number('baseline'));
  const body = rows.map((row) =>
    line(row.name, number(row.now), number(row.limit), number(row.before), change(row.ratio), word(row)),
  );
  return [head, ...body].join('\n');
}

function write(file, baselines, key, figures) {
  const all = { ...baselines, [key]: { figures, limits: baselines[key]?.limits ?? {} } };
  const sorted = Object.fromEntries(Object.entries(all).sort(([a], [b]) => (a < b ? -1 : 1)));
  writeFileSync(file, `${JSON.stringify(sorted, null, 2)}\n`);
}

// Prints what there is to say; the exit status.
function judge({ key, figures }, { update, baseline: file }) {
  const baselines = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : {};
  const known = baselines[key];
  const rows = compare(figures, known ?? {});
  console.log(`${key}\n\n${table(rows)}\n`);
  if (update) {
    write(file, baselines, key, figures);
    console.log(`instructions: the baseline of this key is written to ${file}`);
    return 0;
  }
  if (known === undefined) {
    console.log('instructions: NO BASELINE for this compiler and these libraries, so nothing was compared.');
    console.log('Add one from a commit that is known to be good: bench/instructions --update');
    return 0;
  }
  return conclude(rows);
}

// Says which rows are other than they should be; the exit status.
function conclude(rows) {
  const say = (text) => console.log(`instructions: ${text}`);
  const named = (choose) => rows.filter(choose).map(({ name }) => `'${name}'`).join(', ');
  const is = (word) => named(({ verdict }) => verdict === word);
  const failures = {
    'no longer counted': is('gone'),
    'grew by more than 5 %': is('grew'),
    'beyond its limit': named(({ exceeds }) => exceeds),
  };
  if (is('fell')) say(`fell by more than 5 %: ${is('fell')}. Keep it: bench/instructions --update`);
  if (is('new')) say(`not in the baseline: ${is('new')}. Add it: bench/instructions --update`);
  const failed = Object.entries(failures).filter(([, names]) => names !== '');
  for (const [what, names] of failed) say(`FAILED: ${what}: ${names}`);
  if (failed.length === 0) say('ok: nothing grew by more than 5 %, and nothing is beyond its limit');
  return failed.length === 0 ? 0 : 1;
}

function main() {
  const { values: options } = parseArgs({
    options: {
      update: { type: 'boolean', default: false },
      bin: { type: 'string', default: join(ROOT, 'build/release/bench/bench_instructions') },
      baseline: { type: 'string', default: BASELINE },
      figures: { type: 'string' },
      save: { type: 'string' },
    },
  });
  try {
    const counted = options.figures ? JSON.parse(readFileSync(options.figures, 'utf8')) : measure(options.bin);
    if (options.save) writeFileSync(options.save, JSON.stringify(counted));
    process.exitCode = judge(counted, options);
  } catch (error) {
    console.error(`instructions: ${error.message}`);
    process.exitCode = 2;
  }
}

if (realpathSync(process.argv[1] ?? '.') === fileURLToPath(import.meta.url)) main();
