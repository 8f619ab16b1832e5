// A JSON reader that never turns a number into a float, sees duplicate members, and writes canonical text: the tests'
// own, so that the gateway's library is checked by something else.

export class Poison extends Error {
  constructor(reason, known = {}) {
    super(reason);
    this.reason = reason;
    this.known = known; // collection, id, version: what was read before
  }
}

const DEPTH_MAX = 64;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const SPACE = /[ \t\n\r]*/y;
const PLAIN = /[^"\\\u0000-\u001f]*/y;
const HEX4 = /[0-9a-fA-F]{4}/y;
const LITERALS = ['true', 'false', 'null'];
const SHORT_ESCAPES = { '"': '"', '\\': '\\', '/': '/', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t' };

// Reads one value and nothing after it. Throws Poison: bad-json, duplicate-member, too-deep.
// Gives {kind: 'object', members: Map} | {kind: 'array', items} | {kind: 'string', value} | {kind: 'number', raw} |
// {kind: 'true' | 'false' | 'null'}.
export function readJson(bytes) {
  let text;
  try {
    text = utf8.decode(bytes);
  } catch {
    throw new Poison('bad-json');
  }
  try {
    return new Reader(text).whole();
  } catch (poison) {
    // What is no JSON at all is that first.
    if (poison.reason !== 'bad-json' && !isJson(text)) throw new Poison('bad-json');
    throw poison;
  }
}

function isJson(text) {
  try {
    JSON.parse(text);
    new Reader(text, { tolerant: true }).whole(); // lone surrogates too
  } catch (error) {
    return error instanceof RangeError; // nested too deep for this reader
  }
  return true;
}

class Reader {
  // `tolerant`: of duplicate members and depth.
  constructor(text, { tolerant = false } = {}) {
    this.text = text;
    this.tolerant = tolerant;
    this.at = 0;
  }

  whole() {
    const value = this.value(1);
    this.match(SPACE);
    if (this.at !== this.text.length) throw new Poison('bad-json');
    return value;
  }

  match(pattern) {
    pattern.lastIndex = this.at;
    const found = pattern.exec(this.text);
    if (found === null) throw new Poison('bad-json');
    this.at = pattern.lastIndex;
    return found[0];
  }

  // The next character that is no white space, not taken.
  peek() {
    this.match(SPACE);
    return this.text[this.at];
  }

  take(character) {
    if (this.peek() !== character) throw new Poison('bad-json');
    this.at++;
  }

  value(depth) {
    const first = this.peek();
    if (first === '{' || first === '[') {
      if (depth > DEPTH_MAX && !this.tolerant) throw new Poison('too-deep');
      return first === '{' ? this.object(depth) : this.array(depth);
    }
    if (first === '"') return { kind: 'string', value: this.string() };
    const literal = LITERALS.find((word) => this.text.startsWith(word, this.at));
    if (literal === undefined) return { kind: 'number', raw: this.match(NUMBER) };
    this.at += literal.length;
    return { kind: literal };
  }

  object(depth) {
    const members = new Map();
    this.take('{');
    if (this.peek() === '}') return this.close({ kind: 'object', members });
    for (;;) {
      if (this.peek() !== '"') throw new Poison('bad-json');
      const name = this.string();
      if (members.has(name) && !this.tolerant) throw new Poison('duplicate-member');
      this.take(':');
      members.set(name, this.value(depth + 1));
      if (this.peek() === '}') return this.close({ kind: 'object', members });
      this.take(',');
    }
  }

  array(depth) {
    const items = [];
    this.take('[');
    if (this.peek() === ']') return this.close({ kind: 'array', items });
    for (;;) {
      items.push(this.value(depth + 1));
      if (this.peek() === ']') return this.close({ kind: 'array', items });
      this.take(',');
    }
  }

  close(value) {
    this.at++;
    return value;
  }

  string() {
    this.at++;
    let value = '';
    for (;;) {
      value += this.match(PLAIN);
      const next = this.text[this.at++];
      if (next === '"') return value;
      if (next !== '\\') throw new Poison('bad-json');
      value += this.escape();
    }
  }

  escape() {
    const letter = this.text[this.at++];
    if (letter !== 'u') {
      if (!Object.hasOwn(SHORT_ESCAPES, letter ?? '')) throw new Poison('bad-json');
      return SHORT_ESCAPES[letter];
    }
    const unit = parseInt(this.match(HEX4), 16);
    if (unit >= 0xdc00 && unit <= 0xdfff) throw new Poison('bad-json');
    if (unit < 0xd800 || unit > 0xdbff) return String.fromCharCode(unit);
    if (!this.text.startsWith('\\u', this.at)) throw new Poison('bad-json');
    this.at += 2;
    const low = parseInt(this.match(HEX4), 16);
    if (low < 0xdc00 || low > 0xdfff) throw new Poison('bad-json');
    return String.fromCharCode(unit, low);
  }
}

const WRITTEN_ESCAPES = { '"': '\\"', '\\': '\\\\', '\b': '\\b', '\f': '\\f', '\n': '\\n', '\r': '\\r', '\t': '\\t' };

// A string as the gateway keeps it: only what must be escaped is, in the short form where there is one, else \u00XX
// with upper-case digits; everything else, `/` and U+007F and beyond included, stands as itself.
function writeString(value) {
  return `"${value.replace(/["\\\u0000-\u001f]/g, escapeOne)}"`;
}

function escapeOne(character) {
  const short = WRITTEN_ESCAPES[character];
  return short ?? `\\u${character.charCodeAt(0).toString(16).toUpperCase().padStart(4, '0')}`;
}

// The text that the gateway keeps: no white space, members in their order, numbers as written, strings by writeString.
export function writeJson(value) {
  switch (value.kind) {
    case 'object':
      return `{${[...value.members].map(([name, member]) => `${writeString(name)}:${writeJson(member)}`).join(',')}}`;
    case 'array':
      return `[${value.items.map(writeJson).join(',')}]`;
    case 'string':
      return writeString(value.value);
    case 'number':
      return value.raw;
    default:
      return value.kind;
  }
}
