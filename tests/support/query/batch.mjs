// Batches: several ids in one request, answered in the order asked, from one snapshot.

import { holds } from './evaluate.mjs';
import { parseQuery } from './parse.mjs';
import { readJson, writeJson } from '../json.mjs';

const quoted = (id) => `"${id.replace(/["\\]/g, '\\$&')}"`;
const FILTERS = ['status=eq.open', 'total=gt.1&units=is.not_null', 'or=(tag.eq.open,open.is.true)', 'version=lt.20'];

// A random batch over rows and deleted ids: {ids: [{id, minVersion}], select, filter, path, method, headers, body}.
export function makeBatch(random, { declaration, rows, deleted }) {
  const method = random.pick(['GET', 'POST', 'QUERY']);
  const count = method === 'GET' ? random.between(1, 12) : random.pick([1, 3, 40, 1000]);
  const ids = Array.from({ length: count }, (_, i) => pickId(random, rows, deleted, i));
  if (random.chance(0.3)) ids.push(ids[0]); // asked twice, answered twice
  const asked = ids.slice(0, 1000).map((id) => ({ id, ...(method !== 'GET' && minimum(random, rows, id)) }));
  const select = random.chance(0.3) ? 'id,total,zip_code:/address/zip' : undefined;
  const filter = method !== 'GET' && random.chance(0.3) ? random.pick(FILTERS) : undefined;
  return { ids: sameMinimum(asked), select, filter, ...request(declaration, method, { ids: asked, select, filter }) };
}

function pickId(random, rows, deleted, i) {
  const drawn = random.next();
  if (drawn < 0.1) return `never-${i}`;
  return drawn < 0.3 && deleted.size > 0 ? random.pick([...deleted.keys()]) : random.pick(rows).id;
}

// One that holds, for some.
function minimum(random, rows, id) {
  const row = random.chance(0.2) ? rows.find((one) => one.id === id) : undefined;
  return row && { minVersion: Number(row.version) };
}

// One id has one minimum version, wherever it stands.
function sameMinimum(asked) {
  const of = new Map(asked.filter(({ minVersion }) => minVersion !== undefined).map((one) => [one.id, one.minVersion]));
  for (const one of asked) if (of.has(one.id)) one.minVersion = of.get(one.id);
  return asked;
}

function request(declaration, method, { ids, select, filter }) {
  const path = `/v1/state/${declaration.name}`;
  if (method === 'GET') {
    const more = select === undefined ? '' : `&select=${encodeURIComponent(select)}`;
    return { method, path: `${path}?id=in.(${ids.map(({ id }) => encodeURIComponent(quoted(id))).join()})${more}` };
  }
  const texts = ids.map(({ id, minVersion }) => (minVersion === undefined ? id : { id, minVersion }));
  const body = JSON.stringify({ ids: texts, select: select?.split(','), filter });
  return { method, path, headers: { 'Content-Type': 'application/json' }, body };
}

// What each id is to give; null where it may be left out or not.
export function expectedOf({ declaration, rows, deleted }, { ids, select, filter }) {
  const byId = new Map(rows.map((row) => [row.id, row]));
  const query = filter === undefined ? null : parseQuery(declaration, filter);
  return ids.flatMap(({ id }) => {
    const row = byId.get(id);
    const passes = row !== undefined && (query === null || holds(declaration, query.filter, row));
    if (row !== undefined) return passes ? [{ id, text: itemText(row, select), sure: true }] : [];
    const rest = deleted.has(id) ? `"status":410,"version":${deleted.get(id)}` : '"status":404';
    return [{ id, text: `{"id":${JSON.stringify(id)},${rest}}`, sure: query === null }];
  });
}

function itemText(row, select) {
  const zip = row.read.members.get('address')?.members?.get('zip');
  const total = row.read.members.get('total');
  const [totalText, zipText] = [total, zip].map((one) => (one === undefined ? 'null' : writeJson(one)));
  const id = JSON.stringify(row.id);
  const state = select === undefined ? writeJson(row.read) : `{"id":${id},"total":${totalText},"zip_code":${zipText}}`;
  return `{"id":${id},"version":${row.version},"state":${state}}`;
}

// What is wrong with the answer to a batch; null when nothing.
export function judgeBatchItems(collection, batch, { status, body, text }) {
  if (status !== 200) return `status ${status}: ${text.slice(0, 300)}`;
  const items = readJson(body).members.get('items')?.items;
  if (items === undefined) return `no items: ${text.slice(0, 300)}`;
  const came = items.map((item) => {
    item.members.delete('occurredAt');
    return writeJson(item);
  });
  let at = 0;
  for (const { id, text: written, sure } of expectedOf(collection, batch)) {
    const wanted = writeJson(readJson(Buffer.from(written)));
    if (came[at] === wanted) at++;
    else if (sure) return `${JSON.stringify(id)}: ${came[at]?.slice(0, 300)} instead of ${wanted.slice(0, 300)}`;
  }
  return at === came.length ? null : `${came.length - at} items too many: ${came[at].slice(0, 300)}`;
}
