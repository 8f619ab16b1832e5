// Histories of concurrent reads and writes under faults, judged by the checker; and the checker itself, judged by
// histories in which exactly one promise is broken.
// ctest-timeout: 420
// ctest-serial
// ctest-threads: OPERATIONS=5000

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { campaign } from '../history/campaign.mjs';
import { check } from '../history/check.mjs';
import { RULES } from '../history/rules.mjs';
import { STATEGATE } from '../support/gateway.mjs';
import { tempFolder } from '../support/process.mjs';

const OPERATIONS = Number(process.env.OPERATIONS ?? 50_000);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);

// ---- a small history that keeps every promise: two incarnations, one gateway ----

const state = (incarnation, n) => `{"incarnation":${incarnation},"n":${n}}`;
const write = (l, v, q, at, more = {}) => ({
  t: 'w',
  l,
  c: 'accounts',
  id: 'e-0',
  v,
  k: 's',
  b: state(l, v),
  s: at - 2,
  e: at,
  q,
  ...more,
});
const log = (l, v, q, k = 's') => ({ t: 'log', l, q, c: 'accounts', id: 'e-0', v, k });
const read = (s, e, more = {}) => ({
  t: 'r',
  g: 0,
  i: 0,
  c: 'accounts',
  id: 'e-0',
  d: {},
  s,
  e,
  st: 200,
  word: 'live',
  rlag: 0,
  ...more,
});
const shows = (l, v, q, e) => ({ rv: v, b: state(l, v), pos: { q, e } });
const refused = (st, type, more) => ({ st, type, pos: { q: 3, e: 'aone' }, ...more });

function history(...reads) {
  return [
    { t: 'gateway', g: 0, trust: 2000 },
    { t: 'incarnation', l: 1, s: 0, e: 5 },
    write(1, 1, 1, 100),
    write(1, 2, 2, 200),
    write(1, 3, 3, 300, { k: 'p', b: undefined }),
    read(310, 312, { ...shows(1, 2, 3, 'aone'), rsl: 0.002 }),
    log(1, 1, 1),
    log(1, 2, 2),
    log(1, 3, 3, 'p'),
    { t: 'dumped', l: 1, q: 3 },
    { t: 'end', l: 1, s: 10_000, e: 10_010 },
    { t: 'incarnation', l: 2, s: 10_011, e: 10_015 },
    write(2, 4, 1, 10_100),
    read(10_200, 10_202, { i: 1, ...shows(2, 4, 1, 'btwo'), rsl: 0.01 }),
    log(2, 4, 1),
    { t: 'dumped', l: 2, q: 1 },
    ...reads,
    { t: 'settled', s: 30_000 },
  ];
}

async function judged(t, lines) {
  const file = join(tempFolder(t, 'history'), 'history.jsonl');
  writeFileSync(file, `${lines.map((line) => JSON.stringify(line)).join('\n')}\n`);
  return check(file);
}

const GOOD = {
  'an old answer that admits its age': read(350, 352, { ...shows(1, 2, 3, 'aone'), rsl: 0.9 }),
  'a demand met after a wait': read(320, 700, {
    d: { v: 2, p: { q: 3, e: 'aone' }, m: 0 },
    ...shows(1, 2, 3, 'aone'),
    rsl: 0.003,
  }),
  'an age in the time after a wait': read(100, 900, { ...shows(1, 2, 3, 'aone'), rsl: 0.1, parked: 798 }),
  'a refusal at the deadline': read(320, 830, { d: { v: 9 }, w: 0.5, ...refused(504, 'version-not-reached') }),
  'the old incarnation, admitted': read(10_150, 10_152, { ...shows(1, 2, 3, 'aone'), rsl: 0.3 }),
  'an old epoch, refused': read(10_150, 10_152, { d: { p: { q: 1, e: 'aone' } }, ...refused(409, 'epoch-mismatch') }),
  'an old epoch, not known to be old in time': read(10_150, 11_152, {
    d: { p: { q: 1, e: 'aone' } },
    w: 1,
    ...refused(504, 'position-not-reached'),
    pos: { q: 1, e: 'btwo' },
  }),
  'a rejected version': read(320, 322, { d: { v: 3 }, ...refused(422, 'version-rejected') }),
  'late, while the gateway was stopped': read(320, 2000, { d: { v: 2 }, w: 0, ...shows(1, 2, 3, 'aone') }),
};

// rule -> reads that break it, and it alone or with those named beside it
const BAD = {
  minVersion: [
    read(320, 322, { d: { v: 3 }, ...shows(1, 2, 3, 'aone') }),
    read(90, 92, { d: { v: 1 }, st: 404, type: 'not-found', pos: { q: 0, e: 'aone' } }),
  ],
  minPosition: [
    read(320, 322, { d: { p: { q: 4, e: 'aone' } }, ...shows(1, 2, 3, 'aone') }),
    read(10_300, 10_302, { d: { p: { q: 1, e: 'aone' } }, ...shows(2, 4, 1, 'btwo') }),
    read(320, 322, { d: { p: { q: 1, e: null } }, st: 404, pos: null }),
  ],
  barePosition: [read(12_500, 12_502, { d: { p: { q: 1, e: null } }, ...shows(1, 2, 3, 'aone') })],
  maxStaleness: [
    read(10_300, 10_302, { d: { m: 0 }, ...shows(2, 4, 1, 'btwo') }),
    read(10_300, 10_302, { d: { m: 0.1 }, ...shows(2, 4, 1, 'btwo'), rsl: 0.2 }),
    read(400, 402, { d: { m: 0.05 }, ...shows(1, 2, 2, 'aone'), rsl: 0.05 }),
    read(10_300, 10_302, { d: { m: 0 }, ...shows(1, 2, 3, 'aone'), rsl: 0.001 }),
  ],
  staleness: [
    read(350, 352, { ...shows(1, 2, 2, 'aone'), rsl: 0.01 }),
    read(10_300, 10_302, { ...shows(1, 2, 3, 'aone'), rsl: 0.1 }),
    read(250, 900, { ...shows(1, 2, 2, 'aone'), rsl: 0.1, parked: 640 }),
  ],
  lag: [read(320, 322, { ...shows(1, 2, 3, 'aone'), rsl: 5, rlag: 7 })],
  entity: [
    read(320, 322, { ...shows(1, 1, 3, 'aone') }),
    read(320, 322, { ...shows(1, 2, 1, 'aone') }),
    read(320, 322, { ...shows(1, 2, 3, 'aone'), b: state(1, 7) }),
    read(320, 322, { st: 404, pos: { q: 2, e: 'aone' } }),
    read(320, 322, { st: 410, rv: 2, pos: { q: 2, e: 'aone' } }),
  ],
  page: [
    read(320, 322, { id: undefined, items: [['e-0', 1, state(1, 1)]], pos: { q: 3, e: 'aone' } }),
    read(320, 322, { id: undefined, items: [], pos: { q: 3, e: 'aone' } }),
    read(320, 322, {
      id: undefined,
      items: [
        ['e-0', 2, state(1, 2)],
        ['e-9', 1, state(1, 1)],
      ],
      pos: { q: 3, e: 'aone' },
    }),
  ],
  neverBack: [read(320, 322, { ...shows(1, 2, 2, 'aone') })],
  carried: [read(311, 322, { d: { p: { q: 1, e: 'aone' }, carried: true }, ...shows(1, 2, 2, 'aone') })],
  expectedStatus: [
    read(320, 322, { st: 500, type: 'storage' }),
    read(320, 322, { final: true, d: { m: 0 }, w: 0, st: 504, type: 'too-stale' }),
    read(320, 322, { st: 503, type: 'too-many-waits' }),
  ],
  conflict: [
    read(320, 322, { d: { p: { q: 3, e: 'aone' } }, ...refused(409, 'epoch-mismatch') }),
    read(320, 322, { d: { p: { q: 3, e: null } }, ...refused(409, 'position-beyond-head') }),
    read(320, 322, { d: { p: { q: 3, e: 'aone' } }, ...refused(409, 'unknown-stream') }),
  ],
  rejectedVersion: [read(320, 322, { d: { v: 2 }, ...refused(422, 'version-rejected') })],
  tooEarly: [read(320, 400, { d: { v: 9 }, w: 0.5, ...refused(504, 'version-not-reached') })],
  tooLate: [read(3000, 4500, { d: { v: 9 }, w: 0.5, ...refused(504, 'version-not-reached') })],
  notWoken: [
    read(320, 1325, { d: { p: { q: 3, e: 'aone' } }, w: 1, ...refused(504, 'position-not-reached') }),
    read(320, 1325, { d: { v: 2 }, w: 1, ...refused(504, 'version-not-reached') }),
    read(320, 1325, { d: { v: 2 }, w: 2, ...shows(1, 2, 3, 'aone'), parked: 1004 }),
  ],
  history: [read(10_250, 10_252, { ...shows(1, 2, 1, 'btwo') })],
};

describe('the checker', () => {
  it('finds nothing in a history that keeps every promise', async (t) => {
    const stall = { t: 'fault', kind: 'gateway-stop', s: 400, e: 1900 };
    for (const [name, answer] of Object.entries(GOOD)) {
      const { violations, reads } = await judged(t, history(stall, answer));
      assert.deepEqual(
        violations.map(({ rule, wrong }) => `${rule}: ${wrong}`),
        [],
        name,
      );
      assert.equal(reads, 3);
    }
  });

  it('has a history for every rule', () => {
    assert.deepEqual(Object.keys(BAD).sort(), [...Object.keys(RULES), 'history'].sort());
  });

  for (const [rule, reads] of Object.entries(BAD)) {
    it(`notices a broken promise: ${rule}`, async (t) => {
      for (const answer of reads) {
        const { byRule } = await judged(t, history(answer));
        assert.ok(byRule[rule] > 0, `${JSON.stringify(answer)}: ${JSON.stringify(byRule)}`);
      }
    });
  }
});

// ---- real histories ----

// Each demand must have been met, and each kind of refusal seen, or the history shows less than it seems to.
function assertTelling(report, share) {
  for (const demand of ['version', 'position', 'carried', 'bare', 'fresh', 'young'])
    assert.ok(report.met[demand] > share, `${demand} was met ${report.met[demand] ?? 0} times`);
  for (const status of [
    '200',
    '304',
    '404 not-found',
    '410 deleted',
    '422 version-rejected',
    '504 version-not-reached',
  ])
    assert.ok(report.statuses[status] > 0, `no ${status}: ${JSON.stringify(report.statuses)}`);
}

async function prove(t, options) {
  const file = join(tempFolder(t, 'history'), 'history.jsonl');
  const result = await campaign({ t, file, seed: SEED, bin: STATEGATE, ...options });
  const report = await check(file);
  t.diagnostic(`SEED=${SEED}, ${result.operations} operations in ${result.seconds.toFixed(0)} s`);
  t.diagnostic(`faults that happened: ${JSON.stringify(result.faults)}`);
  t.diagnostic(`answers: ${JSON.stringify(report.statuses)}; met: ${JSON.stringify(report.met)}`);
  const found = report.violations
    .slice(0, 5)
    .map(({ rule, line, wrong, read: r }) => `${rule} (line ${line}): ${wrong} ${JSON.stringify(r)}`);
  assert.deepEqual(found, [], `${report.violations.length} violations, SEED=${SEED}: ${JSON.stringify(report.byRule)}`);
  assert.ok(report.history.settled, 'the history is complete');
  return { ...result, report };
}

describe('histories under faults', () => {
  it(`of ${OPERATIONS} operations, two gateways and one server, keep every promise`, async (t) => {
    const { operations, faults, report } = await prove(t, { operations: OPERATIONS, secondsMax: 150, readEveryMs: 12 });
    assert.ok(operations >= Math.min(OPERATIONS, 20_000), `${operations} operations`);
    assert.ok(Object.keys(faults).length >= 11, `faults that happened: ${JSON.stringify(faults)}`);
    assert.ok(report.statuses['409 epoch-mismatch'] > 0, 'a position of another incarnation was refused');
    assertTelling(report, 50);
  });
});
