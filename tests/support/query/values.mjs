// The values of declared fields, exact: what a member of a document, or a text in a query, means by its type, and how
// two of them compare. Written from the contract alone, so that the gateway is checked by something else.
//
// A string is a string, an integer a BigInt, a number a number, a boolean a boolean, a time a BigInt (nanoseconds since
// 1970); null is null; of a many-valued field it is an array: ascending, each once, null where there is none.

export const TEXT_BYTES_MAX = 512;
export const ELEMENTS_MAX = 256;
const INTEGER_MIN = -(1n << 63n);
const INTEGER_MAX = (1n << 63n) - 1n;

// Not a value of the type, and not null.
export class Mismatch extends Error {}

const INTEGER = /^-?(?:0|[1-9]\d*)$/;
const NUMBER = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;
const TIME = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d+))?(?:([Zz])|([+-])(\d\d):(\d\d))$/;
const NS_PER_S = 1_000_000_000n;

const fail = (type, text) => {
  throw new Mismatch(`no ${type}: ${JSON.stringify(text)}`);
};

export function parseString(text) {
  return Buffer.byteLength(text) <= TEXT_BYTES_MAX ? text : fail('string', text);
}

export function parseInteger(text) {
  if (!INTEGER.test(text)) fail('integer', text);
  const value = BigInt(text);
  return value >= INTEGER_MIN && value <= INTEGER_MAX ? value : fail('integer', text);
}

export function parseNumber(text) {
  const value = NUMBER.test(text) ? Number(text) : NaN;
  return Number.isFinite(value) ? value + 0 : fail('number', text); // -0 is 0
}

const isLeap = (year) => year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0);
const daysOf = (year, month) => (month === 2 ? (isLeap(year) ? 29 : 28) : [4, 6, 9, 11].includes(month) ? 30 : 31);

// RFC 3339. A leap second is the first second of the next minute.
export function parseTime(text) {
  const found = TIME.exec(text) ?? fail('time', text);
  const [year, month, day, hour, minute, second] = found.slice(1, 7).map(Number);
  const [fraction, zulu, sign] = [found[7] ?? '', found[8], found[9]];
  const [offsetHour, offsetMinute] = zulu ? [0, 0] : [Number(found[10]), Number(found[11])];
  const bad =
    month < 1 || month > 12 || day < 1 || day > daysOf(year, month) || hour > 23 || minute > 59 || second > 60;
  if (bad || offsetHour > 23 || offsetMinute > 59 || fraction.length > 9) fail('time', text);
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day); // Date.UTC reads the years below 100 as of another century
  const clock = hour * 3600 + minute * 60 + second - (sign === '-' ? -60 : 60) * (offsetHour * 60 + offsetMinute);
  const seconds = BigInt(date.getTime() / 1000) + BigInt(clock);
  const ns = seconds * NS_PER_S + BigInt(fraction.padEnd(9, '0') || 0);
  return ns >= INTEGER_MIN && ns <= INTEGER_MAX ? ns : fail('time', text);
}

// The value of a text in a query. Throws Mismatch.
export function fromQuery(type, text) {
  switch (type) {
    case 'string':
      return parseString(text);
    case 'integer':
      return parseInteger(text);
    case 'number':
      return parseNumber(text);
    case 'boolean':
      return text === 'true' || (text === 'false' ? false : fail('boolean', text));
    default:
      return parseTime(text.replace(/ (?=\d\d:\d\d$)/, '+')); // what a URL made of a plus
  }
}

// The value of one member of a document, as support/json.mjs reads it; null where it is missing or null.
export function fromMember(type, member) {
  if (member === undefined || member.kind === 'null') return null;
  switch (type) {
    case 'string':
      return member.kind === 'string' ? parseString(member.value) : fail(type, member.kind);
    case 'integer':
      return member.kind === 'number' ? parseInteger(member.raw) : fail(type, member.kind);
    case 'number':
      return member.kind === 'number' ? parseNumber(member.raw) : fail(type, member.kind);
    case 'boolean':
      return ['true', 'false'].includes(member.kind) ? member.kind === 'true' : fail(type, member.kind);
    default:
      return member.kind === 'string' ? parseTime(member.value) : fail(type, member.kind);
  }
}

// What a JSON pointer (RFC 6901) points to; undefined where there is nothing.
export function resolve(document, pointer) {
  let at = document;
  for (const part of pointer.split('/').slice(1)) {
    const name = part.replaceAll('~1', '/').replaceAll('~0', '~');
    if (at?.kind === 'object') at = at.members.get(name);
    else if (at?.kind === 'array' && /^(?:0|[1-9]\d*)$/.test(name)) at = at.items[Number(name)];
    else return undefined;
  }
  return at;
}

// {value, mismatches} of a field {at, type} of a document. Of a many-valued one (its pointer ends in a star) each
// element that is no value counts, and so do an array of too many and a member that is no array.
export function extract(field, document) {
  const many = field.at.endsWith('/*');
  const member = resolve(document, many ? field.at.slice(0, -2) : field.at);
  if (!many) return takeOne(field.type, member);
  if (member === undefined || member.kind === 'null') return { value: null, mismatches: 0 };
  if (member.kind !== 'array' || member.items.length > ELEMENTS_MAX) return { value: null, mismatches: 1 };
  const taken = member.items.map((item) => takeOne(field.type, item));
  const values = taken.map(({ value }) => value).filter((value) => value !== null);
  const mismatches = taken.reduce((sum, one) => sum + one.mismatches, 0);
  const sorted = values.sort(compareOf(field.type)).filter((value, i, all) => i === 0 || value !== all[i - 1]);
  return { value: sorted.length > 0 ? sorted : null, mismatches };
}

function takeOne(type, member) {
  try {
    return { value: fromMember(type, member), mismatches: 0 };
  } catch (error) {
    if (!(error instanceof Mismatch)) throw error;
    return { value: null, mismatches: 1 };
  }
}

// ---- comparing, of two that are not null

// UTF-16 puts the code points beyond 0xffff before the last ones below it; UTF-8 does not.
const inOrderOfBytes = (unit) => (unit < 0xd800 ? unit : unit >= 0xe000 ? unit - 0x800 : unit + 0x2000);

export function compareStrings(a, b) {
  const shorter = Math.min(a.length, b.length);
  for (let i = 0; i < shorter; i++) {
    const [one, other] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (one !== other) return inOrderOfBytes(one) - inOrderOfBytes(other);
  }
  return a.length - b.length;
}

export const comparePlain = (a, b) => (a < b ? -1 : a > b ? 1 : 0);

export const compareOf = (type) => (type === 'string' ? compareStrings : comparePlain);
