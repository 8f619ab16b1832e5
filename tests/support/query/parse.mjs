// A reader of the query grammar, written from the contract: the target of a request as a query, or why it is refused.

import { parseKeys } from './fields.mjs';
import { fromQuery, Mismatch } from './values.mjs';

export const TERMS_MAX = 32;
export const DEPTH_MAX = 4;
export const VALUES_MAX = 1000;
export const LIMIT_MAX = 1000;
const ORDER_MAX = 4;

// The answer is 400. `about`: what a problem names.
export class Refused extends Error {
  constructor(about, message) {
    super(message ?? `refused: ${about}`);
    this.about = about;
  }
}

const OPERATORS = ['eq', 'neq', 'gt', 'gte', 'lt', 'lte', 'isdistinct', 'in', 'is', 'like'];
const IS = ['null', 'not_null', 'true', 'false'];
const DEMANDS = ['min_position', 'max_staleness', 'wait'];

// A percent-encoded text; a plus is a space.
function decode(text) {
  if (text.includes('%00')) throw new Refused(text, 'a target holds no NUL');
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch {
    throw new Refused(text, 'not percent-encoded UTF-8');
  }
}

// Reads terms from one text.
class Reader {
  constructor(declaration, text, budget) {
    Object.assign(this, { declaration, text, budget, at: 0 });
  }

  get rest() {
    return this.text.slice(this.at);
  }

  take(prefix) {
    if (!this.text.startsWith(prefix, this.at)) return false;
    this.at += prefix.length;
    return true;
  }

  want(character) {
    if (!this.take(character)) throw new Refused(this.text, `${character} is missing at ${this.at}`);
  }

  wantEnd() {
    if (this.at !== this.text.length) throw new Refused(this.text, `nothing may follow at ${this.at}`);
  }

  // A value: quoted, or bare up to one of `ends`.
  value(ends) {
    if (this.text[this.at] === '"') return this.quoted();
    const from = this.at;
    while (this.at < this.text.length && !ends.includes(this.text[this.at])) this.at++;
    return this.text.slice(from, this.at);
  }

  quoted() {
    let value = '';
    for (this.at++; ; this.at++) {
      let next = this.text[this.at];
      if (next === undefined) throw new Refused(this.text, 'a quote does not end');
      if (next === '"') break;
      if (next === '\\') {
        next = this.text[++this.at];
        if (next !== '"' && next !== '\\') throw new Refused(this.text, 'a backslash stands before neither " nor \\');
      }
      value += next;
    }
    this.at++;
    return value;
  }

  // "(" term *("," term) ")" of `and` and `or`.
  terms(kind, negated, depth) {
    if (depth > DEPTH_MAX) throw new Refused(this.text, 'too deep');
    const terms = [];
    this.want('(');
    do terms.push(this.term(depth));
    while (this.take(','));
    this.want(')');
    return { kind, negated, terms };
  }

  term(depth) {
    const tree = /^(not\.)?(and|or)\(/.exec(this.rest);
    if (tree !== null) {
      this.at += tree[0].length - 1;
      return this.terms(tree[2], tree[1] !== undefined, depth + 1);
    }
    const name = /^([a-z_][a-z0-9_]*)\./.exec(this.rest);
    if (name === null) throw new Refused(this.rest, 'no term');
    this.at += name[0].length;
    return this.test(name[1], ',)');
  }

  // ["not."] test, of a field.
  test(field, ends) {
    const type = this.declaration.typeOf(field);
    if (type === undefined) throw new Refused(field, `${field} is no field`);
    if (++this.budget.terms > TERMS_MAX) throw new Refused(field, 'too many terms');
    const negated = this.take('not.');
    const op = /^[^.]*/.exec(this.rest)[0];
    if (!OPERATORS.includes(op)) throw new Refused(op, `${op} is no operator`);
    this.at += op.length;
    this.want('.');
    const test = { kind: 'test', field, negated };
    if (op === 'in') return { ...test, op, values: this.list(type) };
    const text = this.value(ends);
    if (op === 'is') return { ...test, op: this.is(type, text), values: [] };
    if (op === 'like') return { ...test, op, values: [this.prefix(type, text)] };
    return { ...test, op, values: [this.typed(type, text)] };
  }

  list(type) {
    const values = [];
    this.want('(');
    if (this.text[this.at] === ')') throw new Refused('in', 'a list has a value at least');
    do values.push(this.typed(type, this.value(',)')));
    while (this.take(','));
    this.want(')');
    this.budget.values += values.length;
    if (this.budget.values > VALUES_MAX) throw new Refused('in', 'too many values');
    return values;
  }

  is(type, text) {
    if (!IS.includes(text)) throw new Refused(text, `is.${text} is no test`);
    if (/^(true|false)$/.test(text) && type !== 'boolean') throw new Refused(text, 'only a boolean is true or false');
    return `is.${text}`;
  }

  prefix(type, text) {
    if (type !== 'string') throw new Refused('like', 'like takes strings alone');
    if (!text.endsWith('*')) throw new Refused(text, 'like wants a star at the end');
    return this.typed('string', text.slice(0, -1));
  }

  typed(type, text) {
    try {
      return fromQuery(type, text);
    } catch (error) {
      if (error instanceof Mismatch) throw new Refused(text, error.message);
      throw error;
    }
  }
}

function parseOrder(declaration, text) {
  const keys = parseKeys(text) ?? refuse('order', 'no list of keys');
  for (const { field } of keys) {
    if (declaration.typeOf(field) === undefined) throw new Refused(field, `${field} is no field`);
    if (declaration.isMany(field)) throw new Refused(field, 'no order by a field with many values');
  }
  const last = keys.at(-1);
  if (last.field === 'id' && !last.descending && !last.nullsLast) keys.pop();
  if (keys.length > ORDER_MAX) throw new Refused('order', 'too many keys');
  return keys;
}

const refuse = (about, message) => {
  throw new Refused(about, message);
};

// [{name, at (a pointer), field}] of id,total,customer:/customer/name.
function parseSelect(declaration, text) {
  if (text === '*') return undefined; // as PostgREST's clients ask for the whole
  const picked = text.split(',').map((part) => {
    const named = /^([a-zA-Z_][a-zA-Z0-9_]{0,62}):((?:\/(?:[^~]|~[01])*)+)$/s.exec(part);
    if (named !== null) return { name: named[1], at: named[2] };
    return declaration.typeOf(part) ? { name: part, field: part } : refuse(part, `${part} is no field`);
  });
  const names = picked.map(({ name }) => name);
  return new Set(names).size === names.length ? picked : refuse('select', 'a name is repeated');
}

function parseLimit(text) {
  const limit = /^[1-9]\d{0,3}$/.test(text) ? Number(text) : 0;
  return limit >= 1 && limit <= LIMIT_MAX ? limit : refuse('limit', 'limit is 1 to 1000');
}

// The query {filter, order, select, limit, cursor, count} that the text behind a question mark means. Throws Refused.
export function parseQuery(declaration, text) {
  const query = { filter: [], order: undefined, select: undefined, limit: 100, cursor: undefined, count: false };
  const seen = new Set();
  const budget = { terms: 0, values: 0 };
  for (const pair of text === '' ? [] : text.split('&')) {
    const equals = pair.indexOf('=');
    const name = decode(equals < 0 ? pair : pair.slice(0, equals));
    const value = equals < 0 ? '' : decode(pair.slice(equals + 1));
    if (!declaration.byName.has(name) && seen.has(name)) throw new Refused(name, `${name} is repeated`);
    seen.add(name);
    takeParameter(declaration, query, name, value, budget);
  }
  return query;
}

function takeParameter(declaration, query, name, value, budget) {
  const reader = new Reader(declaration, value, budget);
  const tree = /^(not\.)?(and|or)$/.exec(name);
  if (tree !== null) {
    query.filter.push(reader.terms(tree[2], tree[1] !== undefined, 1));
    reader.wantEnd();
  } else if (declaration.typeOf(name) !== undefined) {
    query.filter.push(reader.test(name, ''));
    reader.wantEnd();
  } else if (name === 'order') query.order = parseOrder(declaration, value);
  else if (name === 'select') query.select = parseSelect(declaration, value);
  else if (name === 'limit') query.limit = parseLimit(value);
  else if (name === 'cursor') query.cursor = value;
  else if (name === 'count') query.count = value === 'exact' || refuse('count', 'count is exact');
  else if (!DEMANDS.includes(name)) throw new Refused(name, `${name} is no field and no parameter`);
}
