// Random documents for declared fields: every third value is missing, null or of another type; the others are drawn
// from few values, so that many are equal, or from the neighbours of limits. They are made as JSON text, since
// JavaScript's numbers do not hold what stands in it.

import { Declaration } from './fields.mjs';

// The collection that is asked: each type, with one value and with many, escapes in pointers, an index of each kind.
export const THINGS = {
  name: 'things',
  fields: [
    { name: 'status', at: '/status', type: 'string' },
    { name: 'total', at: '/total', type: 'number' },
    { name: 'units', at: '/units', type: 'integer' },
    { name: 'open', at: '/open', type: 'boolean' },
    { name: 'placed', at: '/placedAt', type: 'time' },
    { name: 'city', at: '/address/city', type: 'string' },
    { name: 'odd', at: '/a~1b/~0c/1', type: 'string' },
    { name: 'tag', at: '/tags/*', type: 'string' },
    { name: 'code', at: '/codes/*', type: 'integer' },
    { name: 'seen', at: '/log/seen/*', type: 'time' },
  ],
  indexes: [
    'status,placed.desc',
    'status,total',
    'total',
    'total.desc.nullsfirst',
    'units.desc',
    'placed.nullslast',
    'open,units',
    'city,status,total.desc,placed',
    'city.desc',
    'tag',
    'code',
    'seen',
    'odd',
  ],
};

// The same documents, where queries that no index serves are allowed.
export const SCANNED = { ...THINGS, name: 'scanned', indexes: ['status', 'units'], scan: true };

export const declarations = () => [new Declaration(THINGS), new Declaration(SCANNED)];

const quoted = (text) => JSON.stringify(text);

// Values of each type as JSON text; those of `wild` are at limits, those of `few` meet often.
const VALUES = {
  string: {
    few: [
      ...['open', 'held', 'shipped', 'Zürich', 'zurich', 'é', 'e\u0301', '', ' '],
      ...['a,b', 'a)b', '(a)', '"', '\\', 'a"b\\'],
    ],
    wild: [
      'null', 'true', '*', 'a*', '%', 'not.eq.x', '42', '日本', '🦀', '\ue000', '\uffff', '\u{10ffff}', '\u007f', '\u2028',
      'x'.repeat(512), 'x'.repeat(511), 'ü'.repeat(256), `${'x'.repeat(511)}\u0001`, 'tab\there', 'a\0b', 'line\nbreak',
    ],
  },
  integer: {
    few: ['0', '1', '2', '3', '-1', '10', '-0'],
    wild: [
      '9007199254740991', '9007199254740992', '9007199254740993', '-9007199254740993', '9223372036854775807',
      '9223372036854775806', '-9223372036854775808', '-9223372036854775807', '4611686018427387905',
    ],
  },
  number: {
    few: ['0', '1', '2.5', '-1', '0.1', '10', '1e1', '10.0', '-0.0'],
    wild: [
      '9007199254740992', '9007199254740993', '9223372036854775807', '9223372036854775808', '18446744073709551616',
      '1e308', '-1.7976931348623157e308', '5e-324', '1e-400', '0.30000000000000004', '0.3',
      '123456789012345678901234567890',
    ],
  },
  boolean: { few: ['true', 'false'], wild: ['true', 'false'] },
  time: {
    few: ['2026-01-31T12:00:00Z', '2026-01-31T13:00:00+01:00', '2026-01-31T12:00:00.5Z', '2024-02-29T23:59:60Z'],
    wild: [
      '2026-01-31T12:00:00.123456789Z', '2026-01-31T12:00:00.12345678-05:45', '1970-01-01T00:00:00Z',
      '1969-12-31t23:59:59z',
      '1677-09-21T00:12:43.145224192Z', '1677-09-21T00:12:43.145224193Z', '2262-04-11T23:47:16.854775807Z',
      '2262-04-11T23:47:16.85477580Z', '2025-12-31T23:59:59.999999999+23:59', '2000-02-29T00:00:00-23:59',
    ],
  },
};

// What is none of the type, as JSON text.
const MISTYPED = {
  string: ['1', 'true', '[]', '{}', '["a"]', quoted('x'.repeat(513)), quoted(`${'ü'.repeat(256)}x`)],
  integer: ['5.0', '1e3', '"5"', 'true', '9223372036854775808', '-9223372036854775809', '1.5', '[1]', '{}'],
  number: ['"1"', 'false', '1e309', '-1e400', '[]', '{"a":1}'],
  boolean: ['0', '1', '"true"', '[]', '{}'],
  time: [
    ...['"2026-01-31"', '"2026-01-31T12:00:00"', '"2026-02-30T12:00:00Z"', '"2026-01-31T12:00:00.1234567890Z"', '1'],
    ...['"1677-09-21T00:12:43.145224191Z"', '"2262-04-11T23:47:16.854775808Z"', '"0001-01-01T00:00:00Z"', '{}'],
  ],
};

const SHARE_NOTHING = 0.15; // missing or null
const SHARE_MISTYPED = 0.15;
const ELEMENTS_MAX = 256;

export class Documents {
  constructor(random) {
    this.random = random;
  }

  // A value of the type, as JSON text.
  value(type) {
    const { random } = this;
    const { few, wild } = VALUES[type];
    const text = random.chance(0.75) ? random.pick(few) : random.pick(wild);
    if (type === 'string') return quoted(text);
    if (type === 'time') return quoted(random.chance(0.3) ? this.time() : text);
    if (type === 'integer' && random.chance(0.2)) return String(random.between(-50, 50));
    if (type === 'number' && random.chance(0.2)) return String(random.between(-1000, 1000) / 8);
    return text;
  }

  time() {
    const { random } = this;
    const two = (low, high) => String(random.between(low, high)).padStart(2, '0');
    const decimals = random.between(0, 9);
    const digits = String(random.between(0, 999_999_999)).padStart(9, '0').slice(0, decimals);
    const fraction = decimals === 0 ? '' : `.${digits}`;
    const zone = random.pick(['Z', '+00:00', '-00:00', `+${two(0, 23)}:${two(0, 59)}`, `-${two(0, 12)}:30`]);
    return `20${two(24, 27)}-${two(1, 12)}-${two(1, 28)}T${two(0, 23)}:${two(0, 59)}:${two(0, 59)}${fraction}${zone}`;
  }

  // A member of the type; undefined = missing.
  member(type) {
    const { random } = this;
    const drawn = random.next();
    if (drawn < SHARE_NOTHING) return random.chance(0.5) ? 'null' : undefined;
    return drawn < SHARE_NOTHING + SHARE_MISTYPED ? random.pick(MISTYPED[type]) : this.value(type);
  }

  // An array with duplicates, nulls and other types in between; or none, or no array.
  array(type) {
    const { random } = this;
    const drawn = random.next();
    if (drawn < 0.15) return random.pick(['null', undefined, '[]', '[null]']);
    if (drawn < 0.2) return random.pick(['{}', '1', '"a"', 'true']);
    if (drawn < 0.21) return `[${Array(ELEMENTS_MAX + random.between(0, 1)).fill(this.value(type)).join()}]`;
    const items = Array.from({ length: random.between(1, 6) }, () => this.member(type) ?? 'null');
    if (random.chance(0.3)) items.push(items[0], random.pick(items));
    return `[${items.join()}]`;
  }

  // The text of a state.
  state() {
    const { random } = this;
    const seen = this.array('time');
    const members = {
      status: this.member('string'),
      total: this.member('number'),
      units: this.member('integer'),
      open: this.member('boolean'),
      placedAt: this.member('time'),
      address: random.pick([
        ...Array(8).fill(object({ zip: '"8001"', city: this.member('string') })),
        ...['null', '"Zürich"', '[]', undefined],
      ]),
      'a/b': random.chance(0.9) ? `{"~c":["no",${this.member('string') ?? 'null'},"x"]}` : '{"~c":["no"]}',
      tags: this.array('string'),
      codes: this.array('integer'),
      log: random.chance(0.9) ? object({ seen }) : seen,
    };
    return object(members);
  }
}

function object(members) {
  const present = Object.entries(members).filter(([, value]) => value !== undefined);
  return `{${present.map(([name, value]) => `${quoted(name)}:${value}`).join()}}`;
}

// An id, different for each `n`, in an order that is not that of the numbers.
export function idOf(n) {
  const spread = ((n * 2654435761) >>> 0).toString(36).padStart(7, '0');
  return [`c-${spread}`, spread, `Zü-${spread}`, `🦀${spread}`, `\uffee${spread}`, 'k'.repeat(60) + spread][n % 6];
}

// An envelope of an event; `state` is JSON text.
export function envelope({ version, state, occurredAt, deleted }) {
  const time = occurredAt === undefined ? '' : `,"occurredAt":${quoted(occurredAt)}`;
  const rest = deleted ? ',"deleted":true' : `${time},"state":${state}`;
  return Buffer.from(`{"version":${version}${rest}}`);
}
