// Seeded events that cannot be applied, of every kind, among good ones: for the envelope with the id in the subject and
// in the event, for a key-value bucket, and for a stream that takes two collections only. Most payloads and ids bear a
// mark, so that a test can see where they turn up.

import { headers as makeHeaders } from '@nats-io/nats-core';

import { makeEvents, Random } from './workload.mjs';

export const MARK = 'pay1oad-mark';
export const ID_MARK = 'ident-mark';

export const OUTSIDE = 'state.only'; // of STATE, and of no collection

export const STREAMS = [
  { name: 'STATE', subject: 'state.{collection}.{id}', collectionsMax: 2 },
  { name: 'THINGS', subject: 'things.events', collection: 'things' },
  { name: 'LISTED', subject: 'listed.{collection}.{id}', collections: ['red', 'blue'] },
  { name: 'KV_settings', subject: '$KV.settings.{id}', collection: 'settings', format: 'kv' },
];
export const SUBJECTS = {
  STATE: ['state.>'],
  THINGS: ['things.>'],
  LISTED: ['listed.>'],
  KV_settings: ['$KV.settings.>'],
};
export const COLLECTIONS = ['customers', 'orders', 'things', 'red', 'blue', 'settings'];

// One event of each collection, so that there is room for no other.
export function preludes() {
  const body = `{"version":1,"state":{"note":"${MARK}"}}`;
  return {
    STATE: ['state.customers.first', 'state.orders.first'].map((subject) => message(subject, body)),
    THINGS: [message('things.events', `{"aggregateId":"first",${body.slice(1)}`)],
    LISTED: ['listed.red.first', 'listed.blue.first'].map((subject) => message(subject, body)),
    KV_settings: [message('$KV.settings.first', body)],
  };
}

const message = (subject, payload) => ({
  subject,
  payload: typeof payload === 'string' ? Buffer.from(payload) : payload,
});
const nested = (levels) => '['.repeat(levels) + ']'.repeat(levels);
const LONG = 'x'.repeat(513);

// Events of all streams: {STATE: [...], ...}, `count` in all. `large`: some beyond 8 MiB too.
export function makePoison({ seed, count, large = 1 }) {
  const share = (part) => Math.round(count * part);
  const random = new Random(seed);
  const state = withMarks(
    makeEvents({
      seed,
      count: share(0.3),
      collections: ['customers', 'orders'],
      ids: 60,
      subject: (collection, id) => `state.${collection}.${id}`,
      poison: 0.4,
    }),
  );
  const things = withMarks(
    makeEvents({
      seed: seed + 1,
      count: share(0.2),
      collections: ['things'],
      ids: 120,
      fixed: 'things.events',
      poison: 0.4,
    }),
  );
  const made = {
    STATE: [
      ...state,
      ...times(share(0.15), () => mutated(random, random.pick(state))),
      ...times(share(0.1), () => odd(random)),
    ],
    THINGS: [...things, ...times(share(0.1), () => mutated(random, random.pick(things)))],
    LISTED: times(share(0.05), () => listed(random)),
    KV_settings: times(share(0.1), (i) => kv(random, i)),
  };
  for (const list of Object.values(made)) shuffle(list, random);
  insertEvenly(made.STATE, times(large, tooLarge));
  insertEvenly(
    made.KV_settings,
    times(large, (i) => ({ ...tooLarge(i), subject: '$KV.settings.big' })),
  );
  return made;
}

const times = (count, make) => Array.from({ length: count }, (_, i) => make(i));

function insertEvenly(list, more) {
  const every = list.length / (more.length + 1);
  for (const [i, event] of more.entries()) list.splice(Math.floor((i + 1) * every) + i, 0, event);
}

function shuffle(list, random) {
  for (let i = list.length - 1; i > 0; i--) {
    const j = random.between(0, i);
    [list[i], list[j]] = [list[j], list[i]];
  }
}

// The mark in every payload that has a note (the workload's ids bear none).
function withMarks(events) {
  for (const event of events) {
    const text = event.payload.toString('latin1');
    if (text.includes('"note":"')) event.payload = Buffer.from(text.replace('"note":"', `"note":"${MARK}`), 'latin1');
  }
  return events;
}

// One change of the bytes of a payload: what it is then, only the fold can say.
function mutated(random, { subject, payload }) {
  const bytes = Buffer.from(payload);
  if (bytes.length === 0) return { subject, payload: Buffer.from([random.between(0, 255)]) };
  const at = random.between(0, bytes.length - 1);
  const [before, behind] = [bytes.subarray(0, at), bytes.subarray(at)];
  const piece = random.pick([
    () => Buffer.from([random.between(0, 255)]),
    () => Buffer.from([0]),
    () => Buffer.from('\ufeff'),
    () =>
      Buffer.from(
        random.pick(['"', '\\', '{', '}', '[', ']', ',', ':', '\\u', '\\ud800', '1e400', 'null', '-', '.', ' ']),
      ),
    () => Buffer.from(random.pick(['c0af', 'eda080', 'f4908080', 'ff', 'e282', '80', 'f0808080']), 'hex'),
  ])();
  const changed = random.pick([
    () => Buffer.concat([before, piece, behind]),
    () => Buffer.concat([before, piece, behind.subarray(1)]),
    () => before,
    () => behind,
    () => Buffer.concat([before, behind.subarray(random.between(1, 3))]),
    () => Buffer.concat([before, Buffer.from([behind[0] ^ (1 << random.between(0, 7))]), behind.subarray(1)]),
  ])();
  return { subject, payload: changed };
}

// Kinds that the workload lacks: [reason or null (not poison), text]
const GOOD = `"state":{"note":"${MARK}"}`;
const ODD = [
  ['bad-version', `{"version":1e400,${GOOD}}`],
  ['bad-version', `{"version":-0,${GOOD}}`],
  ['bad-version', `{"version":1E0,${GOOD}}`],
  ['bad-version', `{"version":true,${GOOD}}`],
  ['bad-version', `{"version":[1],${GOOD}}`],
  ['bad-version', `{"version":{"n":1},${GOOD}}`],
  ['bad-version', `{"version":18446744073709551617,${GOOD}}`],
  ['bad-version', `{"version":${'9'.repeat(5000)},${GOOD}}`],
  ['bad-json', `{"version":01,${GOOD}}`],
  ['bad-json', `{"version":Infinity,${GOOD}}`],
  ['bad-json', `{"version":0x10,${GOOD}}`],
  ['bad-json', `{"version":1,${GOOD}}\0`],
  ['bad-json', `\0{"version":1,${GOOD}}`],
  ['bad-json', `{"version":1,${GOOD}}{"version":2,${GOOD}}`],
  ['bad-json', `/* */{"version":1,${GOOD}}`],
  ['bad-json', `{"version":1,"state":{"a":"\u0001"}}`],
  ['bad-json', Buffer.from(`{"version":1,${GOOD}}`, 'utf16le')],
  ['bad-json', `{"version":1,"state":{"a":"\\ud83d"}}`],
  ['bad-json', `{"version":1,"state":{"a":"\\ud83d\\u0041"}}`],
  ['bad-json', `${'['.repeat(60)}`],
  ['bad-json', '\ufeff'],
  ['missing-version', '{}'],
  ['missing-version', `{"Version":1,${GOOD}}`],
  ['missing-state', '{"version":1,"State":{}}'],
  ['bad-type', 'true'],
  ['bad-type', '1'],
  ['bad-type', `[{"version":1,${GOOD}}]`],
  ['bad-type', `{"version":1,${GOOD},"patch":{"a":1}}`],
  ['bad-type', `{"version":1,${GOOD},"patch":5}`],
  ['bad-type', `{"version":1,${GOOD},"deleted":1}`],
  ['bad-type', `{"version":1,${GOOD},"schemaVersion":1.5}`],
  ['bad-type', `{"version":1,${GOOD},"messageId":{}}`],
  ['bad-type', `{"version":1,${GOOD},"occurredAt":1700000000}`],
  ['bad-type', `{"version":1,${GOOD},"occurredAt":"2026-02-29T24:00:00Z"}`],
  ['bad-type', `{"version":1,"deleted":true,"state":"gone"}`],
  ['bad-type', `{"aggregateId":{},"version":1,${GOOD}}`],
  ['bad-id', `{"aggregateId":"","version":1,${GOOD}}`],
  ['bad-id', `{"aggregateId":"..","version":1,${GOOD}}`],
  ['id-mismatch', `{"aggregateId":"${ID_MARK}-other","version":1,${GOOD}}`],
  ['too-large', `{"version":1,${GOOD},"type":"${LONG}"}`],
  ['too-deep', `{"version":1,"state":{"a":${nested(63)}}}`],
  ['too-deep', `{"version":1,"state":{"a":${nested(50_000)}}}`],
  ['too-deep', `{"version":1,${GOOD},"unknown":${nested(64)}}`],
  ['duplicate-member', `{"version":1,"state":{"a":[{"b":1,"b":1}]}}`],
  ['duplicate-member', `{"version":1,${GOOD},"deleted":null,"deleted":null}`],
  [null, `{"version":1,"state":{"a":${nested(62)}}}`],
  [null, `{"version":1,"state":{"n":1e400,"m":-1E-400,"d":${'7'.repeat(5000)},"z":-0.0,"note":"${MARK}"}}`],
  [null, `{"version":1,"state":{"a\\u0000b":"\\u0000","":"","note":"${MARK}"}}`],
  [null, `{"version":9223372036854775807,${GOOD}}`],
  [null, `{"version":2,"deleted":true,"state":null,"patch":null,"unknown":[1e999,{}]}`],
];

// To entities of their own, so that versions matter.
function odd(random) {
  const dice = random.next();
  if (dice < 0.06) return message(`state.c${random.between(1, 1e6)}.1`, `{"version":1,${GOOD}}`);
  if (dice < 0.08) return message(OUTSIDE, `{"version":1,${GOOD}}`);
  if (dice < 0.1) return message(`state.customers.${LONG}`, `{"version":1,${GOOD}}`);
  if (dice < 0.12) return message(`state.${'k'.repeat(129)}.1`, `{"version":1,${GOOD}}`);
  if (dice < 0.14) return message(`state.customers.nobody-${random.between(1, 1e6)}`, '');
  const [expect, payload] = random.pick(ODD);
  return { ...message(`state.customers.${ID_MARK}-${random.between(1, 40)}`, payload), expect: expect ?? undefined };
}

function listed(random) {
  const collection = random.pick(['red', 'blue', 'green', 'k'.repeat(129), 'ключ']);
  const version = random.pick(['1', '2', '3', '0', '"1"']);
  return message(
    `listed.${collection}.${ID_MARK}-${random.between(1, 9)}`,
    `{"version":${version},"state":{"r":${random.between(1, 3)}}}`,
  );
}

const VALUES = [
  '{}',
  '[]',
  'null',
  'true',
  '0',
  '-0.0',
  '1e400',
  '""',
  '"text"',
  '[1,{"a":null}]',
  ` { "note" : "${MARK}" } `,
  nested(64),
];
const BAD_VALUES = [
  '',
  ' ',
  'text',
  '{',
  '{"a":1,"a":2}',
  '[1,]',
  '01',
  '"\\ud800"',
  '\ufeff{}',
  nested(65),
  nested(20_000),
  '{}\0',
  '"\u0001"',
  "{'a':1}",
  'NaN',
];
const OPERATIONS = [
  { 'KV-Operation': 'DEL' },
  { 'KV-Operation': 'PURGE' },
  { 'Nats-Marker-Reason': 'MaxAge' },
  { 'KV-Operation': 'PUT' },
  { 'KV-Operation': 'del' },
  { 'KV-Operation': '' },
  { 'X-Other': 'x' },
];

function kv(random, i) {
  const key = random.chance(0.95)
    ? `${ID_MARK}-${random.between(1, 60)}`
    : random.pick([LONG, 'a.b.c', '日本', `k=${i}/x`]);
  const value = random.pick(random.chance(0.5) ? VALUES : BAD_VALUES);
  const made = message(`$KV.settings.${key}`, random.chance(0.2) ? mutated(random, message('', value)).payload : value);
  if (!random.chance(0.3)) return made;
  const operation = makeHeaders();
  for (const [name, text] of Object.entries(random.pick(OPERATIONS))) operation.set(name, text);
  return { ...made, headers: operation };
}

export function tooLarge(i) {
  const text = `{"version":1,"state":{"note":"${MARK}"}}`;
  return { ...message(`state.customers.${ID_MARK}-big-${i}`, text.padEnd(8 * 1024 * 1024 + 1)), expect: 'too-large' };
}
