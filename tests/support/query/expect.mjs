// What a walk over all pages must give: filter and sort of the same rows.

import { decide, withoutElements } from './access.mjs';
import { holds, passing } from './evaluate.mjs';
import { comparerOf } from './fields.mjs';

// A row comes once by a many-valued field: at the least of its elements that pass the test. Where several tests take
// the field, any of them may be the one that is walked by.
function comparersOf(declaration, walk) {
  const [key] = walk.keys;
  if (key === undefined || !declaration.isMany(key.field)) return [comparerOf(declaration, walk.keys)];
  return walk.bounds.map((bound) =>
    comparerOf(declaration, walk.keys, (row) => passing(declaration, bound, row)[0] ?? null),
  );
}

// The orders in which rows may come, the one that is wanted first. Without an order in the query it is the one of the
// index that is chosen; a tie between a declared index and the ids is nobody's promise.
export function ordersOf(declaration, query) {
  if (query.order !== undefined) return [comparerOf(declaration, query.order)];
  const seen = [query, withoutElements(declaration, query)].map((one) => decide(declaration, one).walks ?? []);
  return seen.filter((walks) => walks.length > 0).flatMap((walks) => comparersOfWalks(declaration, walks));
}

function comparersOfWalks(declaration, [best, ...others]) {
  const ties = others.filter(
    (walk) =>
      walk.equal === best.equal &&
      walk.bounds.length > 0 === best.bounds.length > 0 &&
      [walk.index.text, best.index.text].includes('id'),
  );
  return [best, ...ties].flatMap((walk) => comparersOf(declaration, walk));
}

export const matching = (declaration, query, rows) => rows.filter((row) => holds(declaration, query.filter, row));

// What is wrong with the ids that a walk gave; null when nothing.
export function judgeIds(declaration, query, rows, ids) {
  const found = matching(declaration, query, rows);
  let first;
  for (const compare of ordersOf(declaration, query)) {
    const expected = [...found].sort(compare).map(({ id }) => id);
    if (sameList(expected, ids)) return null;
    first ??= expected;
  }
  return describe(first, ids);
}

export const sameList = (a, b) => a.length === b.length && a.every((one, i) => one === b[i]);

function describe(expected, ids) {
  const [wanted, came] = [new Set(expected), new Set(ids)];
  const missing = expected.filter((id) => !came.has(id));
  const extra = ids.filter((id) => !wanted.has(id));
  const twice = ids.filter((id, i) => ids.indexOf(id) !== i);
  const at = expected.findIndex((id, i) => id !== ids[i]);
  const parts = [`${ids.length} rows instead of ${expected.length}`];
  if (missing.length > 0) parts.push(`${missing.length} are missing: ${show(missing)}`);
  if (extra.length > 0) parts.push(`${extra.length} are wrong: ${show(extra)}`);
  if (twice.length > 0) parts.push(`${twice.length} come twice: ${show(twice)}`);
  if (at >= 0) parts.push(`at ${at} ${JSON.stringify(ids[at])} instead of ${JSON.stringify(expected[at])}`);
  return parts.join('; ');
}

const show = (ids) => JSON.stringify(ids.slice(0, 3).map((id) => (id.length > 40 ? `${id.slice(0, 40)}...` : id)));
