// Seeded events as a careless world sends them: versions out of order and repeated, tombstones, conflicts, poison of
// many kinds, numbers that no float holds, and ids of every shape.

const VERSION_MAX = (1n << 63n) - 1n;
const PAYLOAD_BYTES_MAX = 8 * 1024 * 1024;

// A small seeded generator of random numbers (mulberry32).
export class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }

  // 0 <= x < 1
  next() {
    this.state = (this.state + 0x6d2b79f5) >>> 0;
    let t = this.state;
    t = Math.imul(t ^ (t >>> 15), t | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  }

  // An integer, both ends included.
  between(low, high) {
    return low + Math.floor(this.next() * (high - low + 1));
  }

  pick(list) {
    return list[this.between(0, list.length - 1)];
  }

  chance(probability) {
    return this.next() < probability;
  }
}

// Ids that a subject can carry as its last tokens.
const SUBJECT_IDS = [
  (n) => `c-${n}`,
  (n) => `${n}`,
  (n) => `Zürich-${n}`,
  (n) => `ключ-${n}`,
  (n) => `日本-${n}`,
  (n) => `🦀${n}`,
  (n) => `a/b/${n}`,
  (n) => `100%25-${n}`,
  (n) => `%2F${n}`,
  (n) => `eu.west.${n}`,
  (n) => `a.b.c.d.${n}`,
  (n) => `q?x=${n}&y=#z`,
  (n) => `"quoted"${n}\\`,
  (n) => `e\u0301${n}`,
  (n) => `${'x'.repeat(60)}${n}`,
];

// Ids that none can: they come in the event.
const EVENT_IDS = [
  ...SUBJECT_IDS,
  (n) => `with space ${n}`,
  (n) => ` ${n} `,
  (n) => `tab\t${n}`,
  (n) => `line\nbreak ${n}`,
  (n) => `*${n}`,
  (n) => `> ${n}`,
  (n) => `.${n}`,
  (n) => `${n}.`,
  (n) => `a..${n}`,
  (n) => `...${n}`,
  (n) => `/${n}/`,
  (n) => `\u0001\u001f\u007f${n}`,
  (n) => `\u2028${n}`,
  (n) => `${'ü'.repeat(250)}${n}`.slice(0, 256).padEnd(256, 'ü'), // at the limit of 512 bytes, or near it
  (n) => '-'.repeat(512 - `${n}`.length) + n,
];

const NUMBERS = [
  '1e400',
  '0.10',
  '-0',
  '-0.0',
  '1E+2',
  '9007199254740993',
  '18446744073709551616',
  '-9223372036854775809',
  '3.14159265358979323846264338327950288',
  '0e0',
  '1.0',
  '1e-400',
  '123456789012345678901234567890',
];
const STRINGS = [
  '""',
  '"plain"',
  '"\\u00e9t\\u00E9"',
  '"a\\/b"',
  '"\\ud83e\\udd80"',
  '"\\u0000\\u001f\\u007f"',
  '"\\b\\f\\n\\r\\t"',
  '"\\"\\\\"',
  '"ünïcödé 日本"',
  '"\\u2028\\u2029"',
  '"<&>"',
];

// Events for one stream.
//   seed, count
//   collections    names (one, where the template has no {collection})
//   ids            ids per collection
//   subject        (collection, id) -> subject; or `fixed`, one subject: the id is in the event alone
//   poison         share of events that cannot be applied
// Gives [{subject, payload, expect?}]; `expect` is the reason of a poisonous one.
export function makeEvents({ seed, count, collections, ids, subject, fixed, poison = 0.02, large = false }) {
  const random = new Random(seed);
  const maker = new Maker({ random, collections, ids, subject, fixed });
  const events = [];
  while (events.length < count) {
    events.push(random.chance(poison) ? maker.poison() : maker.event());
  }
  shuffleNearby(events, random);
  if (large) events.splice(count >> 1, 1, maker.tooLarge());
  return events;
}

// Out of order, as by several publishers: each event may change places with one of the next few.
function shuffleNearby(events, random) {
  for (let i = 0; i < events.length; i++) {
    if (!random.chance(0.3)) continue;
    const j = Math.min(events.length - 1, i + random.between(1, 12));
    [events[i], events[j]] = [events[j], events[i]];
  }
}

class Maker {
  constructor(options) {
    Object.assign(this, options);
    this.shapes = this.fixed ? EVENT_IDS : SUBJECT_IDS;
    this.last = new Map(); // entity -> {version, text}
    this.kinds = poisonKinds(this.fixed !== undefined);
    this.nextKind = 0;
  }

  entity() {
    const collection = this.random.pick(this.collections);
    const n = this.random.between(1, this.ids);
    return { collection, id: this.shapes[n % this.shapes.length](n) };
  }

  address({ collection, id }) {
    return this.fixed ?? this.subject(collection, id);
  }

  message(entity, text) {
    return { subject: this.address(entity), payload: Buffer.from(text) };
  }

  event() {
    const entity = this.entity();
    const key = `${entity.collection} ${entity.id}`;
    const known = this.last.get(key);
    const dice = this.random.next();
    if (known === undefined || dice < 0.74) return this.newer(entity, key, known, dice);
    if (dice < 0.84) return this.message(entity, this.text(entity, this.older(known.version)));
    if (dice < 0.94) return this.message(entity, known.text);
    if (dice < 0.98) return this.message(entity, this.text(entity, known.version)); // other content: a conflict
    if (this.fixed) return this.message(entity, this.tombstone(entity, known.version));
    return { subject: this.address(entity), payload: Buffer.alloc(0) };
  }

  newer(entity, key, known, dice) {
    const version = this.following(known);
    const text = dice < 0.07 ? this.tombstone(entity, version) : this.text(entity, version);
    this.last.set(key, { version, text });
    return this.message(entity, text);
  }

  following(known) {
    if (known === undefined) {
      if (this.random.chance(0.02)) return VERSION_MAX - BigInt(this.random.between(0, 3));
      return this.random.chance(0.05) ? (1n << 53n) + 1n : BigInt(this.random.between(1, 3));
    }
    const version = known.version + BigInt(this.random.chance(0.1) ? this.random.between(2, 9) : 1);
    return version > VERSION_MAX ? VERSION_MAX : version;
  }

  older(version) {
    return version > 1n ? version - BigInt(this.random.between(1, Number(version > 9n ? 9n : version - 1n))) : 1n;
  }

  // The envelope, members in varying order with white space here and there.
  text(entity, version) {
    const members = [`"version":${version}`, `"state":${this.state(entity)}`, ...this.optional()];
    if (this.fixed || this.random.chance(0.5)) members.push(`"aggregateId": ${this.idText(entity.id)}`);
    return this.object(members);
  }

  tombstone(entity, version) {
    const members = [`"version" : ${version}`, '"deleted":true'];
    if (this.random.chance(0.3)) members.push(`"state":${this.state(entity)}`);
    if (this.fixed || this.random.chance(0.5)) members.push(`"aggregateId":${this.idText(entity.id)}`);
    return this.object(members);
  }

  optional() {
    const members = [];
    if (this.random.chance(0.7))
      members.push(`"occurredAt":"2026-0${this.random.between(1, 9)}-1${this.random.between(0, 9)}T12:00:00.123Z"`);
    if (this.random.chance(0.3)) members.push('"type":"thing.changed"', '"schemaVersion": 3');
    if (this.random.chance(0.2))
      members.push(`"messageId":"m-${this.random.between(1, 1e9)}"`, '"correlationId":"flow \\u2192"');
    if (this.random.chance(0.1)) members.push('"patch":null', '"causationId":null');
    if (this.random.chance(0.1)) members.push('"deleted":false', '"unknown":{"kept":[false,1e999]}');
    return members;
  }

  // An integer id may be written as a number.
  idText(id) {
    return /^[1-9]\d*$/.test(id) && this.random.chance(0.5) ? id : JSON.stringify(id);
  }

  object(members) {
    const space = this.random.pick(['', '', ' ', '\n  ', '\t', '\r\n']);
    const start = this.random.between(0, members.length - 1);
    const turned = [...members.slice(start), ...members.slice(0, start)];
    return `{${space}${turned.join(`,${space}`)}${space}}${space}`;
  }

  state(entity) {
    const random = this.random;
    return this.object([
      `"id":${JSON.stringify(entity.id)}`,
      `"amount" : ${random.pick(NUMBERS)}`,
      `"n":${random.between(1, 1e9)}`,
      `"text":${random.pick(STRINGS)}`,
      `"list": [ ${random.pick(NUMBERS)}, true , null,{ } , [ ] ]`,
      `"note":"${'.'.repeat(random.between(0, 120))}"`,
    ]);
  }

  // Each kind in turn, so that none is missed.
  poison() {
    const [expect, make] = this.kinds[this.nextKind++ % this.kinds.length];
    const entity = this.entity();
    return { subject: this.address(entity), ...make(entity, this), expect };
  }

  tooLarge() {
    const entity = this.entity();
    const text = this.object([`"aggregateId":${JSON.stringify(entity.id)}`, '"version":1', '"state":{}']);
    return { ...this.message(entity, text.padEnd(PAYLOAD_BYTES_MAX + 1)), expect: 'too-large' };
  }
}

const payload = (text) => ({ payload: typeof text === 'string' ? Buffer.from(text) : text });
const nested = (levels) => '['.repeat(levels) + ']'.repeat(levels);

// [reason, (entity, maker) -> {payload, subject?}]. Each is wrong in one way only.
function poisonKinds(idInEvent) {
  const body = (rest) => (entity) => payload(`{"aggregateId":${JSON.stringify(entity.id)},${rest}}`);
  const bytes =
    (hex, rest = '"version":999999999') =>
    (entity) => {
      const head = Buffer.from(`{"aggregateId":${JSON.stringify(entity.id)},${rest},"state":{"a":"`);
      return payload(Buffer.concat([head, Buffer.from(hex, 'hex'), Buffer.from('"}}')]));
    };
  const good = '"version":999999999,"state":{}';
  return [
    ['bad-json', () => payload('hello')],
    ['bad-json', body('"version":999999999,"state":{"a":')],
    ['bad-json', (entity) => payload(`{"aggregateId":${JSON.stringify(entity.id)},${good}} x`)],
    ['bad-json', body('"version":999999999,"state":{"a":01}')],
    ['bad-json', body('"version":999999999,"state":{"a":NaN}')],
    ['bad-json', body('"version":999999999,"state":{"a":+1}')],
    ['bad-json', body('"version":999999999,"state":{"a":.5}')],
    ['bad-json', body('"version":999999999,"state":{"a":1,}')],
    ['bad-json', body('"version":999999999,"state":{\'a\':1}')],
    ['bad-json', body('"version":999999999,"state":{"a":"\\ud800"}')],
    ['bad-json', body('"version":999999999,"state":{"a":"\\udc00\\ud800"}')],
    ['bad-json', body('"version":999999999,"state":{"\\ud800":1}')],
    ['bad-json', body('"version":999999999,"state":{"a":"\\x41"}')],
    ['bad-json', body('"version":999999999,"state":{"a":"raw\nbreak"}')],
    ['bad-json', bytes('ff')],
    ['bad-json', bytes('c080')],
    ['bad-json', bytes('eda080')],
    ['bad-json', bytes('f4908080')],
    ['bad-json', (entity) => payload(`\ufeff{"aggregateId":${JSON.stringify(entity.id)},${good}}`)],
    ['bad-json', () => payload(' \n ')],
    ['duplicate-member', body(`"version":999999999,${good}`)],
    ['duplicate-member', body('"version":999999999,"state":{"a":1,"b":{"x":1,"x":1}}')],
    ['duplicate-member', body('"version":999999999,"state":{"a":1,"\\u0061":2}')],
    ['duplicate-member', body(`${good},"unknown":1,"unknown":2`)],
    ['bad-type', () => payload('[]')],
    ['bad-type', () => payload('"state"')],
    ['bad-type', () => payload('null')],
    ['bad-type', body('"version":999999999,"state":[]')],
    ['bad-type', body('"version":999999999,"state":"text"')],
    ['bad-type', body('"version":999999999,"deleted":"yes"')],
    ['bad-type', body(`${good},"type":5`)],
    ['bad-type', body(`${good},"schemaVersion":"5"`)],
    ['bad-type', body(`${good},"occurredAt":"yesterday"`)],
    ['bad-type', body(`${good},"occurredAt":"2026-13-01T00:00:00Z"`)],
    ['bad-type', () => payload(`{"aggregateId":true,${good}}`)],
    ['bad-type', () => payload(`{"aggregateId":1.0,${good}}`)],
    ['bad-type', body(`${good},"patch":{}`)],
    ['missing-version', body('"state":{}')],
    ['missing-version', body('"version":null,"state":{}')],
    ['bad-version', body('"version":0,"state":{}')],
    ['bad-version', body('"version":-1,"state":{}')],
    ['bad-version', body('"version":1.0,"state":{}')],
    ['bad-version', body('"version":1e3,"state":{}')],
    ['bad-version', body('"version":"7","state":{}')],
    ['bad-version', body('"version":9223372036854775808,"state":{}')],
    ['bad-version', body('"version":99999999999999999999999,"state":{}')],
    ['missing-state', body('"version":999999999')],
    ['missing-state', body('"version":999999999,"deleted":false')],
    ['missing-state', body('"version":999999999,"state":null')],
    ['unsupported', body('"version":999999999,"patch":{"a":1}')],
    ['too-large', body(`${good},"correlationId":"${'x'.repeat(513)}"`)],
    ['too-deep', body(`"version":999999999,"state":{"a":${nested(63)}}`)],
    ['too-deep', body(`"version":999999999,"state":{"a":${nested(5000)}}`)],
    ...(idInEvent ? EVENT_ID_POISON : SUBJECT_ID_POISON),
  ];
}

const STATE = '"version":1,"state":{}';
const EVENT_ID_POISON = [
  ['missing-id', () => payload(`{${STATE}}`)],
  ['missing-id', () => payload(`{"aggregateId":null,${STATE}}`)],
  ['missing-id', () => payload('')],
  ['bad-id', () => payload(`{"aggregateId":"",${STATE}}`)],
  ['bad-id', () => payload(`{"aggregateId":".",${STATE}}`)],
  ['bad-id', () => payload(`{"aggregateId":"..",${STATE}}`)],
  ['bad-id', () => payload(`{"aggregateId":"nul\\u0000",${STATE}}`)],
  ['bad-id', () => payload(`{"aggregateId":"${'y'.repeat(513)}",${STATE}}`)],
];
const SUBJECT_ID_POISON = [
  ['id-mismatch', (entity) => payload(`{"aggregateId":${JSON.stringify(`${entity.id}x`)},${STATE}}`)],
  ['id-mismatch', () => payload(`{"aggregateId":4711471147114711,${STATE}}`)],
  [
    'bad-id',
    (entity, maker) => ({ ...payload(`{${STATE}}`), subject: maker.subject(entity.collection, 'z'.repeat(513)) }),
  ],
  [
    'bad-collection',
    (entity, maker) => ({ ...payload(`{${STATE}}`), subject: maker.subject('k'.repeat(129), entity.id) }),
  ],
];
