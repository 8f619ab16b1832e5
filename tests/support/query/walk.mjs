// Walks over all pages of a query as clients do: by `next` alone, by `next` beside the same query, by Link; from one
// replica to the other between pages; and judges each page by itself.

import { readJson, writeJson } from '../json.mjs';
import { matching } from './expect.mjs';
import { resolve } from './values.mjs';

const LINK_BYTES_SURE = 500; // of a query and a cursor: their links fit
const TARGET_BYTES_SURE = 3000;
const LINK = /<([^>]*)>; *rel="?(\w+)"?/g;

// {next, changes, ...}: the targets of a Link header by relation.
export function linksOf(headers) {
  return Object.fromEntries([...(headers.link ?? '').matchAll(LINK)].map(([, target, rel]) => [rel, target]));
}

// What is wrong with one page, in words.
//   query, declaration   what was asked
//   byId                 id -> the row as it is, or undefined where it may not be known
//   body, limit          of the answer, and of its request
//   whole                look at the text of every item
export function judgePage({ declaration, query, byId, answer, body, limit, whole = false }) {
  if (answer.status !== 200) return [`status ${answer.status}: ${answer.text.slice(0, 200)}`];
  const links = linksOf(answer.headers);
  const found = [];
  if (!Array.isArray(body.items)) return ['no items'];
  if (body.items.length > limit) found.push(`${body.items.length} items of ${limit}`);
  found.push(...judgeLinks(links, body.next, query));
  for (const item of body.items) {
    const row = byId(item.id);
    if (row !== undefined && Number(item.version) !== Number(row.version))
      found.push(`${JSON.stringify(item.id)} has version ${item.version}, not ${row.version}`);
  }
  if (whole) found.push(...judgeItems(declaration, query, answer, byId));
  return found;
}

// A link that would be too long for a header is not there.
function judgeLinks(links, next, query) {
  const found = [];
  const optional = query.text.length + (next ?? '').length > LINK_BYTES_SURE;
  if (next === undefined && links.next !== undefined) found.push('Link goes on, the body does not');
  if (next !== undefined && links.next === undefined && !optional) found.push('the body goes on, Link does not');
  if (next !== undefined && links.next && !links.next.includes(encodeURIComponent(next)))
    found.push('Link has another cursor than the body');
  const last = next === undefined;
  if (links.changes === undefined ? last && !optional : !last)
    found.push('rel="changes" stands on the last page alone');
  return found;
}

// The texts of all items, digit by digit.
function judgeItems(declaration, query, answer, byId) {
  const { items } = Object.fromEntries(readJson(answer.body).members);
  return items.items.flatMap((item) => {
    const row = byId(item.members.get('id').value);
    if (row === undefined) return [];
    const expected = query.select === undefined ? row.state : null;
    const state = item.members.get('state');
    if (expected !== null) {
      const shown = state === undefined ? 'nothing' : writeJson(state);
      return shown === writeJson(row.read) ? [] : [`${row.id}: ${shown} instead of ${row.state}`];
    }
    return judgeSelected(declaration, query.select, item, row);
  });
}

// What a selection shows of a row: members named as asked, as the document has them; null where it has nothing, and an
// empty array where a field with many values has none.
function judgeSelected(declaration, select, item, row) {
  const shown = item.members.get('state')?.members ?? item.members;
  return select.flatMap(({ name, field, at }) => {
    if (['id', 'version'].includes(field)) return [];
    const came = shown.has(name) ? writeJson(shown.get(name)) : 'null';
    const wanted = textOf(declaration, field, at, row);
    return wanted === came ? [] : [`${row.id}: ${name} is ${came}, not ${wanted}`];
  });
}

function textOf(declaration, field, at, row) {
  const occurredAt = row.occurredAt ? JSON.stringify(row.occurredAt) : 'null';
  const built = { sequence: String(row.sequence), occurred_at: occurredAt };
  if (field !== undefined && Object.hasOwn(built, field)) return built[field];
  const pointer = at ?? declaration.byName.get(field).at.replace(/\/\*$/, '');
  const member = resolve(row.read, pointer);
  if (field !== undefined && declaration.isMany(field) && member?.kind !== 'array') return '[]';
  return member === undefined ? 'null' : writeJson(member);
}

export class Walker {
  // `replicas`: objects with get(path); `collection`: its name in the path.
  constructor({ replicas, declaration, random, pagesMax = 5000 }) {
    Object.assign(this, { replicas, declaration, random, pagesMax });
    this.path = `/v1/state/${declaration.name}`;
    this.pages = 0;
    this.early = 0; // pages that ended before their limit, and were not the last
  }

  // {ids, pages: [{ids, answer}], faults, refused}: `refused` is the answer where the first one is an error.
  //   byId     what is known of a row
  //   whole    look at the text of every item
  async walk(query, { byId = () => undefined, whole = false } = {}) {
    const { random } = this;
    const told = { ids: [], pages: [], faults: [], refused: null };
    const way = random.pick(['alone', 'beside', 'link']);
    let path = `${this.path}?${query.text}`;
    let limit = query.limit;
    for (let before; ; ) {
      const answer = await random.pick(this.replicas).get(path);
      if (told.pages.length === 0 && answer.status >= 400) return { ...told, refused: answer };
      const body = answer.status === 200 ? answer.json() : null;
      const faults = judgePage({ declaration: this.declaration, query, byId, answer, body, limit, whole });
      told.faults.push(...faults.map((fault) => `page ${told.pages.length + 1} (${path.slice(0, 300)}): ${fault}`));
      if (answer.status !== 200) return told;
      const ids = body.items.map(({ id }) => id);
      told.ids.push(...ids);
      told.pages.push({ ids, answer, body, limit });
      this.pages++;
      if (body.next === undefined) return told;
      if (ids.length < limit) this.early++;
      if (body.next === before) told.faults.push('the cursor does not move on');
      if (told.pages.length > this.pagesMax) told.faults.push(`no end after ${this.pagesMax} pages`);
      if (body.next === before || told.pages.length > this.pagesMax) return told;
      before = body.next;
      ({ path, limit } = this.onward(way, query, answer, body.next, limit));
    }
  }

  // The next request, in one of the ways that a client has.
  onward(way, query, answer, next, limit) {
    const target = linksOf(answer.headers).next;
    if (way === 'link' && target !== undefined) {
      return { path: target.startsWith('?') ? this.path + target : target, limit };
    }
    const cursor = `cursor=${encodeURIComponent(next)}`;
    const both = `${this.path}?${[query.text, cursor].filter(Boolean).join('&')}`;
    if (way === 'beside' && both.length < TARGET_BYTES_SURE) return { path: both, limit };
    const other = this.random.pick([limit, limit, 1000]);
    const parts = [`limit=${other}`, cursor];
    const select = query.text.split('&').filter((part) => /^select=/.test(part)); // the cursor does not carry it
    return { path: `${this.path}?${[...parts, ...select].join('&')}`, limit: other };
  }
}

// What is wrong with a count, which is exact or says that there are at least so many; null when nothing.
export function judgeCount(declaration, query, rows, body) {
  if (!query.count) return body.count === undefined ? null : 'a count that nobody asked for';
  const right = matching(declaration, query, rows).length;
  if (typeof body.count === 'number') return body.count === right ? null : `count ${body.count} instead of ${right}`;
  const { value, relation } = body.count ?? {};
  const fits = relation === 'gte' && Number.isInteger(value) && value <= right;
  return fits ? null : `count ${JSON.stringify(body.count)} instead of ${right}`;
}
