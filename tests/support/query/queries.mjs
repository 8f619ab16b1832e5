// Random queries over the whole grammar, as what they mean and as they are written: every operator, both ways to quote,
// trees, repeated fields, orders, selections, counts.

import { BUILT_IN } from './fields.mjs';
import { fromMember, fromQuery, Mismatch } from './values.mjs';
import { readJson } from '../json.mjs';

const OPERATORS = {
  string: ['eq', 'neq', 'gt', 'gte', 'lt', 'lte', 'isdistinct', 'in', 'like', 'is.null', 'is.not_null'],
  boolean: ['eq', 'neq', 'gte', 'isdistinct', 'in', 'is.null', 'is.not_null', 'is.true', 'is.false'],
};
OPERATORS.integer = OPERATORS.string.filter((op) => op !== 'like');
OPERATORS.number = OPERATORS.integer;
OPERATORS.time = OPERATORS.integer;

const PAGES_MAX = 300; // of most walks
const NEGATED = 0.2;
const BYTES_MAX = 700; // of all values of a filter: as text it may have 1,024

const sizeOf = (nodes) =>
  nodes.reduce(
    (sum, { terms, texts = [] }) => sum + 20 + (terms ? sizeOf(terms) : Buffer.byteLength(texts.join('"",'))),
    0,
  );

export class Queries {
  // `rows`: whose values are asked for; `documents` makes others.
  constructor(random, declaration, rows, documents) {
    Object.assign(this, { random, declaration, rows, documents });
    this.names = [...declaration.byName.keys(), ...declaration.byName.keys(), ...Object.keys(BUILT_IN)];
  }

  // {filter, order, select, limit, count}, and `text`, what stands behind the question mark.
  query() {
    const { random } = this;
    let query = this.meaning();
    while (sizeOf(query.filter) > BYTES_MAX) query = this.meaning();
    const least = Math.ceil(this.rows.length / PAGES_MAX);
    const few = least < 10 && random.chance(0.01);
    query.limit = few ? 1 : Math.min(1000, random.pick([least, 7 * least, 100, 333, 1000, 1000]));
    query.count = random.chance(0.1);
    query.select = random.chance(0.2) ? this.selection() : undefined;
    return { ...query, text: this.write(query) };
  }

  meaning() {
    const { random } = this;
    const index = random.chance(0.7) ? random.pick(this.declaration.indexes) : null;
    if (index !== null && random.chance(0.05)) return this.wholeOrder(index);
    const filter = index === null ? this.tests(random.between(0, 3)) : this.filterFor(index);
    return { filter, order: this.orderFor(index, filter) };
  }

  // The order of all columns, one of which has one value.
  wholeOrder({ columns }) {
    const { field } = this.random.pick(columns);
    const filter = [this.test(field, this.equality(field), false)];
    return { filter, order: this.declaration.isMany(field) ? undefined : columns.map((key) => ({ ...key })) };
  }

  // Tests that this index serves, and others beside them.
  filterFor({ columns }) {
    const { random } = this;
    const filter = [];
    const equal = random.between(0, columns.length);
    for (const { field } of columns.slice(0, equal)) filter.push(this.test(field, this.equality(field), false));
    const next = columns[equal];
    if (next && random.chance(0.6)) {
      const ops = ['gt', 'gte', 'lt', 'lte', 'in', 'is.not_null'].filter((op) => this.has(next.field, op));
      filter.push(this.test(next.field, random.pick(ops), false));
      if (random.chance(0.4)) filter.push(this.test(next.field, random.pick(ops), false));
    }
    if (random.chance(0.5)) filter.push(...this.tests(random.between(1, 2)));
    if (random.chance(0.1) && filter.length > 1) return [{ kind: 'and', negated: false, terms: filter }];
    return filter.sort(() => random.next() - 0.5);
  }

  equality(field) {
    const boolean = this.declaration.typeOf(field) === 'boolean';
    return this.random.pick(['eq', 'eq', 'eq', 'is.null', ...(boolean ? ['is.true', 'is.false'] : [])]);
  }

  has(field, op) {
    return OPERATORS[this.declaration.typeOf(field)].includes(op);
  }

  tests(count) {
    return Array.from({ length: count }, () => (this.random.chance(0.3) ? this.tree(1) : this.anyTest()));
  }

  // No deeper than 3: one more may come where trees are merged, see mergeTwice.
  tree(depth) {
    const { random } = this;
    const deeper = () => depth < 3 && random.chance(0.25);
    const term = () => (deeper() ? this.tree(depth + 1) : this.anyTest());
    const terms = Array.from({ length: random.between(1, 3) }, term);
    return { kind: random.pick(['and', 'or', 'or']), negated: random.chance(NEGATED), terms };
  }

  anyTest() {
    const field = this.random.pick(this.names);
    const op = this.random.pick(OPERATORS[this.declaration.typeOf(field)]);
    return this.test(field, op, this.random.chance(NEGATED));
  }

  test(field, op, negated) {
    const test = { kind: 'test', field, op, negated, values: [] };
    if (op.startsWith('is.')) return test;
    const count = op !== 'in' ? 1 : this.random.chance(0.02) ? 20 : this.random.between(1, 4);
    const drawn = Array.from({ length: count }, () => this.value(field, op));
    test.texts = drawn.map(({ text }) => text);
    test.values = drawn.map(({ value }) => value);
    return test;
  }

  // A value of the field as it is written in a query, and what it means: one that some row has, or another.
  value(field, op) {
    const { random } = this;
    const type = this.declaration.typeOf(field);
    const held = random.chance(0.7) ? random.pick(this.rows).values[field] : null;
    const drawn = Array.isArray(held) ? random.pick(held) : held;
    const one = String(drawn).includes('\0') ? null : drawn; // a target cannot hold it
    if (op === 'like') return this.prefix(one);
    const text = one === null ? this.other(type) : this.textOf(type, one);
    return { text, value: fromQuery(type, text) };
  }

  other(type) {
    for (;;) {
      const member = readJson(Buffer.from(this.documents.value(type)));
      try {
        const value = fromMember(type, member);
        if (!String(value).includes('\0')) return member.value ?? member.raw ?? member.kind;
      } catch (error) {
        if (!(error instanceof Mismatch)) throw error;
      }
    }
  }

  prefix(text) {
    const whole = [...(text ?? this.other('string'))];
    const value = whole.slice(0, this.random.between(0, Math.min(3, whole.length))).join('').replaceAll('*', '');
    return { text: `${value}*`, value };
  }

  // Another way to write the same value.
  textOf(type, value) {
    const { random } = this;
    if (type !== 'time') return String(value);
    const offset = random.pick([0, 0, 60, -345, 1439]);
    const seconds = value / 1_000_000_000n - (value % 1_000_000_000n < 0n ? 1n : 0n);
    const decimals = String(value - seconds * 1_000_000_000n).padStart(9, '0');
    const local = new Date(Number(seconds) * 1000 + offset * 60_000).toISOString().slice(0, 19);
    const two = (number) => String(Math.floor(Math.abs(number))).padStart(2, '0');
    const zone = offset === 0 ? 'Z' : `${offset < 0 ? '-' : '+'}${two(offset / 60)}:${two(Math.abs(offset) % 60)}`;
    return `${local}${decimals === '000000000' && random.chance(0.7) ? '' : `.${decimals}`}${zone}`;
  }

  // An order that the index gives, one that is near it, or none.
  orderFor(index, filter) {
    const { random } = this;
    const drawn = random.next();
    if (drawn < 0.4) return undefined;
    if (index === null || drawn < 0.5) {
      const names = [...this.declaration.byName.keys()].filter((name) => !this.declaration.isMany(name));
      return random.chance(0.3) ? [] : [this.key(random.pick(names))];
    }
    const fixed = new Set(filter.filter(({ op }) => /^eq|null$|true|false/.test(op ?? '')).map(({ field }) => field));
    const free = index.columns.findIndex(({ field }) => !fixed.has(field));
    const keys = free === -1 ? [] : index.columns.slice(free).map((key) => ({ ...key }));
    if (keys.some(({ field }) => this.declaration.isMany(field))) return undefined;
    if (random.chance(0.1) && keys.length > 0) keys[0].descending = !keys[0].descending;
    if (random.chance(0.1) && keys.length > 0) keys[0].nullsLast = !keys[0].nullsLast;
    if (random.chance(0.1)) keys.pop();
    return keys;
  }

  key(field) {
    const descending = this.random.chance(0.5);
    return { field, descending, nullsLast: this.random.chance(0.8) ? descending : !descending };
  }

  selection() {
    const { random } = this;
    const names = Array.from({ length: random.between(1, 4) }, () => random.pick(this.names));
    const picked = [...new Set(names)].map((name) => ({ name, field: name }));
    if (random.chance(0.4)) picked.push({ name: 'zip_code', at: '/address/zip' }, { name: 'second', at: '/tags/1' });
    return picked;
  }

  // ---- as it is written

  write(query) {
    const { random } = this;
    const parts = query.filter.map((node) =>
      node.kind === 'test'
        ? [node.field, this.writeTest(node, node.field in BUILT_IN ? ',)' : '')]
        : [`${node.negated ? 'not.' : ''}${node.kind}`, this.writeTerms(node)],
    );
    // Only a declared field may be repeated: what else comes twice goes into an `and`.
    const texts = this.mergeTwice(parts);
    if (query.order !== undefined) texts.push(['order', this.writeOrder(query.order)]);
    if (query.select !== undefined) texts.push(['select', this.writeSelect(query.select)]);
    if (query.count) texts.push(['count', 'exact']);
    if (query.limit !== 100 || random.chance(0.2)) texts.push(['limit', String(query.limit)]);
    return texts
      .sort(() => random.next() - 0.5)
      .map(([name, value]) => `${name}=${this.encode(value)}`)
      .join('&');
  }

  mergeTwice(parts) {
    const seen = new Set();
    const more = [];
    const once = parts.filter(([name, value]) => {
      if (this.declaration.byName.has(name) || !seen.has(name)) return seen.add(name);
      more.push(`${name}${name in BUILT_IN ? '.' : ''}${value}`);
      return false;
    });
    if (more.length === 0) return once;
    const place = once.find(([name]) => name === 'and');
    if (place) place[1] = `${place[1].slice(0, -1)},${more.join()})`;
    else once.push(['and', `(${more.join()})`]);
    return once;
  }

  writeTerms(node) {
    const terms = node.terms.map((term) =>
      term.kind === 'test'
        ? `${term.field}.${this.writeTest(term, ',)')}`
        : `${term.negated ? 'not.' : ''}${term.kind}${this.writeTerms(term)}`,
    );
    return `(${terms.join()})`;
  }

  writeTest({ op, negated, texts }, ends) {
    const not = negated ? 'not.' : '';
    if (op.startsWith('is.')) return `${not}${op}`;
    if (op === 'in') return `${not}in.(${texts.map((text) => this.writeValue(text, ',)')).join()})`;
    return `${not}${op}.${this.writeValue(texts[0], ends)}`;
  }

  // Bare where that is possible, sometimes; else quoted.
  writeValue(text, ends) {
    const ended = text === '' ? ends !== '' : [...ends].some((end) => text.includes(end));
    if (!text.startsWith('"') && !ended && this.random.chance(0.7)) return text;
    return `"${text.replace(/["\\]/g, '\\$&')}"`;
  }

  writeOrder(keys) {
    const { random } = this;
    const parts = keys.map(({ field, descending, nullsLast }) => {
      const way = descending ? '.desc' : random.chance(0.3) ? '.asc' : '';
      const side = nullsLast === descending && random.chance(0.7) ? '' : nullsLast ? '.nullslast' : '.nullsfirst';
      return field + way + side;
    });
    if (parts.length === 0 || random.chance(0.1)) parts.push('id');
    return parts.join();
  }

  writeSelect(picked) {
    return picked.map(({ name, field, at }) => (field ? name : `${name}:${at}`)).join();
  }

  encode(text) {
    const { random } = this;
    const whole = encodeURIComponent(text);
    if (random.chance(0.5)) return random.chance(0.5) ? whole.replaceAll('%20', '+') : whole;
    // As people type it: what a target may hold stays, and a zone's plus becomes a space.
    const typed = whole.replace(/%(2C|28|29|3A|2F|40|24)/g, (code) => decodeURIComponent(code));
    return random.chance(0.5) ? typed.replace(/%2B(?=\d\d:\d\d)/g, '+') : typed;
  }
}
