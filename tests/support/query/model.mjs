// A gateway that is none: it answers queries from rows in memory, by the same rules as the judges. Bugs are planted in
// it, to prove that the judges see them; and tests that only ask can be written against it.

import http from 'node:http';

import { conjuncts, decide, wouldServe } from './access.mjs';
import { matching, ordersOf } from './expect.mjs';
import { comparerOf } from './fields.mjs';
import { parseQuery, Refused } from './parse.mjs';
import { comparePlain, compareStrings, resolve } from './values.mjs';
import { writeJson } from '../json.mjs';

// The bugs that a store might have.
export const PLANTS = [
  'null boundary', // what is unknown in SQL ends the walk: nothing is greater than null
  'tie without id', // rows whose keys equal those of the cursor are skipped
  'stale index entry', // a row is found by a value that it had
  'cursor bound to a row number', // which is another one on another replica
  'nulls on the other side',
  'float keys', // integers beyond 2^53 are compared as doubles
  'order of UTF-16',
  'negation of null', // not of unknown is true
  'a row twice', // by each of its elements
  'an unlimited residual', // tests that the index does not serve are forgotten
];

const position = (sequence) => `STATE:${sequence};epoch=model1`;

export class Model {
  // `numbers`: id -> the row's number on this replica
  constructor({ declarations, rows, numbers = new Map(), plant, rowsMax = Infinity }) {
    Object.assign(this, { rows, numbers, plant, rowsMax });
    this.declarations = new Map(declarations.map((one) => [one.name, one]));
    this.byId = new Map(rows.map((row) => [row.id, row]));
    this.lists = new Map();
  }

  async get(path, { headers = {}, method = 'GET' } = {}) {
    if (method !== 'GET') return reply(405, { status: 405, detail: 'read only' });
    const [, collection, text = ''] = /^\/v1\/state\/([^/?]+)(?:\?(.*))?$/s.exec(path) ?? [];
    const declaration = this.declarations.get(collection);
    if (declaration === undefined) return reply(404, { status: 404 });
    try {
      const counted = /\bcount=exact\b/.test(headers.prefer ?? '');
      return this.page(declaration, text, counted);
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      return reply(400, { type: 'urn:stategate:problem:bad-request', status: 400, detail: error.message });
    }
  }

  page(declaration, text, counted) {
    const asked = parseQuery(declaration, text);
    asked.count ||= counted;
    const cursor = asked.cursor === undefined ? null : readCursor(asked.cursor);
    const bare = cursor === null ? bareText(text) : cursor.text;
    const query = { ...parseQuery(declaration, bare), limit: asked.limit, select: asked.select };
    const decision = decide(declaration, query);
    if (!decision.accepted) return reply(400, notIndexed(declaration, query));
    const list = this.listOf(declaration, query, bare);
    const from = cursor === null ? 0 : this.placeAfter(declaration, query, list, cursor);
    const to = Math.min(from + query.limit, from + this.rowsMax, list.length);
    const rows = list.slice(from, to);
    const next = to < list.length ? this.cursorOf(bare, list[to - 1]) : undefined;
    const body = {
      items: rows.map((row) => itemOf(declaration, query, row)),
      ...(next && { next }),
      ...(asked.count && { count: matching(declaration, query, this.rows).length }),
    };
    const target = next && `?limit=${query.limit}&${this.selectOf(asked)}cursor=${encodeURIComponent(next)}`;
    const link = next ? `<${target}>; rel="next"` : `</v1/changes/${declaration.name}?since=0>; rel="changes"`;
    return reply(200, writeBody(body), { link, 'state-position': position(this.rows.length) });
  }

  selectOf({ select }) {
    if (select === undefined) return '';
    const texts = select.map(({ name, field, at }) => (field ? name : `${name}:${at}`));
    return `select=${encodeURIComponent(texts.join())}&`;
  }

  // The rows that are found, in order; or what a bug makes of them.
  listOf(declaration, query, text) {
    const name = `${declaration.name}?${text}`;
    if (!this.lists.has(name)) {
      const list = this.broken(declaration, query).sort(this.ordersOf(declaration, query)[0]);
      this.lists.set(name, this.plant === 'a row twice' ? twice(declaration, query, list) : list);
    }
    return this.lists.get(name);
  }

  broken(declaration, query) {
    const right = matching(declaration, query, this.rows);
    if (this.plant === 'negation of null') {
      const without = query.filter.filter(({ negated }) => !negated);
      const nulls = matching(declaration, { filter: without }, this.rows).filter((row) =>
        query.filter.some(({ negated, field }) => negated && row.values[field] === null),
      );
      return [...new Set([...right, ...nulls])];
    }
    if (this.plant === 'an unlimited residual' && query.filter.length > 1)
      return matching(declaration, { filter: query.filter.slice(0, 1) }, this.rows);
    const stale = this.rows.find(({ id }) => id === this.staleId);
    if (this.plant === 'stale index entry' && stale && query.filter.length > 0 && !right.includes(stale))
      return [...right, stale];
    return right;
  }

  get staleId() {
    return this.rows[Math.floor(this.rows.length / 2)].id;
  }

  ordersOf(declaration, query) {
    const plain = ordersOf(declaration, query);
    const keys = query.order ?? decide(declaration, query).walks[0].keys;
    if (keys.some(({ field }) => declaration.isMany(field))) return plain;
    if (this.plant === 'nulls on the other side')
      return [comparerOf(declaration, keys.map((key) => ({ ...key, nullsLast: !key.nullsLast })))];
    if (this.plant === 'float keys') return [byPlain(keys, asFloat)];
    if (this.plant === 'order of UTF-16') return [byPlain(keys, (value) => value, comparePlain)];
    return plain;
  }

  cursorOf(text, { id }) {
    return Buffer.from(JSON.stringify({ text, id, number: this.numbers.get(id) })).toString('base64url');
  }

  placeAfter(declaration, query, list, cursor) {
    const [compare] = this.ordersOf(declaration, query);
    const numbered = this.plant === 'cursor bound to a row number';
    const id = numbered ? [...this.numbers].find(([, number]) => number === cursor.number)[0] : cursor.id;
    const after = this.byId.get(id);
    const keys = query.order ?? decide(declaration, query).walks[0].keys;
    if (this.plant === 'tie without id')
      return past(list, (row) => sameKeys(keys, row, after) || compare(row, after) <= 0);
    if (this.plant === 'null boundary' && keys.some(({ field }) => after.values[field] === null)) return list.length;
    if (this.plant === 'a row twice') return list.lastIndexOf(after) + 1;
    return past(list, (row) => compare(row, after) <= 0);
  }
}

// Filter and order of a request, which a cursor carries.
const bareText = (text) =>
  text
    .split('&')
    .filter((part) => !/^(limit|cursor|select|count|wait|min_position|max_staleness)=/.test(part))
    .join('&');

function past(list, before) {
  const at = list.findIndex((row) => !before(row));
  return at === -1 ? list.length : at;
}

const sameKeys = (keys, a, b) => keys.length > 0 && keys.every(({ field }) => a.values[field] === b.values[field]);

const asFloat = (value) => (typeof value === 'bigint' ? Number(value) : value);

// Compares by what JavaScript makes of the values; nulls as they are to be, the id last.
function byPlain(keys, valueOf, compareTexts = compareStrings) {
  return (a, b) => {
    for (const { field, descending, nullsLast } of keys) {
      const [one, other] = [valueOf(a.values[field]), valueOf(b.values[field])];
      if (one === other) continue;
      if (one === null || other === null) return (one === null) === nullsLast ? 1 : -1;
      const order = (typeof one === 'string' ? compareTexts : comparePlain)(one, other);
      return descending ? -order : order;
    }
    return compareTexts(a.id, b.id);
  };
}

// Each row as often as it has elements in the field that it is found by.
function twice(declaration, query, list) {
  const many = query.filter.find(({ field, op }) => field && declaration.isMany(field) && !/^eq|^is|neq/.test(op));
  const times = (row) => ((row.values[many.field] ?? []).length > 1 ? 2 : 1);
  return many === undefined ? list : list.flatMap((row) => Array(times(row)).fill(row));
}

function itemOf(declaration, { select }, row) {
  const { id, version } = row;
  if (select === undefined) return { id, version, state: new Raw(row.state) };
  const values = select.map(({ name, field, at }) => {
    if (['id', 'version', 'sequence'].includes(field)) return [name, row[field]];
    if (field === 'occurred_at') return [name, row.occurredAt];
    const member = resolve(row.read, at ?? declaration.byName.get(field).at.replace(/\/\*$/, ''));
    if (field !== undefined && declaration.isMany(field) && member?.kind !== 'array') return [name, []];
    return [name, member === undefined ? null : new Raw(writeJson(member))];
  });
  return { id, version, state: Object.fromEntries(values) };
}

// Text that is JSON already.
class Raw {
  constructor(text) {
    this.text = text;
  }
}

function writeBody(value) {
  if (value instanceof Raw) return value.text;
  if (Array.isArray(value)) return `[${value.map(writeBody).join()}]`;
  if (value === null || typeof value !== 'object') return JSON.stringify(value);
  return `{${Object.entries(value).map(([name, one]) => `${JSON.stringify(name)}:${writeBody(one)}`).join()}}`;
}

// The first index that would serve: one of a test's field, or the order's.
function notIndexed(declaration, query) {
  const tests = conjuncts(query.filter).map(({ field }) => field);
  const order = (query.order ?? []).map(({ field, descending, nullsLast }) => {
    const side = nullsLast === descending ? '' : nullsLast ? '.nullslast' : '.nullsfirst';
    return field + (descending ? '.desc' : '') + side;
  });
  const texts = [...tests, ...tests.map((field) => [field, ...order].join()), order.join()];
  const needed = texts.find((text) => text !== '' && wouldServe(declaration, query, text)) ?? '';
  const [type, detail] = ['urn:stategate:problem:not-indexed', 'no index serves it'];
  return { type, status: 400, detail, available: declaration.indexTexts, needed };
}

function readCursor(text) {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString());
  } catch {
    throw new Refused('cursor', 'cannot be read');
  }
}

function reply(status, body, headers = {}) {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  return { status, headers, text, body: Buffer.from(text), json: () => JSON.parse(text) };
}

// The model behind HTTP. Gives {url, close()}.
export async function serveModel(model) {
  const server = http.createServer(async (request, response) => {
    const { status, headers, text } = await model.get(request.url, request);
    response.writeHead(status, { 'Content-Type': 'application/json', ...headers }).end(text);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { url: `http://127.0.0.1:${server.address().port}`, close: () => server.close() };
}
