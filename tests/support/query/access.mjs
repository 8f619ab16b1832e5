// Is a query accepted, and in what order do its rows come: decided from the declaration alone, by the contract's words.
//
// An index serves a query if its first columns take equalities, then at most one takes a range, a list or a prefix, and
// what remains gives the order. What it does not serve is looked at row by row.

import { parseKeys, sameKey } from './fields.mjs';

const COLUMNS_MAX = 4; // of an index
const EQUALITIES = ['eq', 'is.null', 'is.true', 'is.false'];
const RANGES = ['gt', 'gte', 'lt', 'lte', 'in', 'like', 'is.not_null'];

// The tests that all must hold: those at the top, and those in an `and` there.
export function conjuncts(filter) {
  return filter.flatMap((node) => {
    if (node.kind === 'test') return node.negated ? [] : [node];
    return node.kind === 'and' && !node.negated ? conjuncts(node.terms) : [];
  });
}

const takes = (tests, field, ops) => tests.filter((test) => test.field === field && ops.includes(test.op));

// How an index would be walked: its leading equalities, the tests of the one column behind them, and the order in which
// rows come, without the id at its end.
function walkOf(index, place, tests) {
  const { columns } = index;
  const free = columns.findIndex(({ field }) => takes(tests, field, EQUALITIES).length === 0);
  const equal = free === -1 ? columns.length : free;
  const bounds = equal < columns.length ? takes(tests, columns[equal].field, RANGES) : [];
  const keys = columns.slice(equal).filter(({ field }) => field !== 'id');
  return { index, place, equal, bounds, keys, served: equal > 0 || bounds.length > 0 };
}

const BY_ID = { text: 'id', columns: parseKeys('id') };

// Those first that are chosen first: the ids where a test names some, then with the most equalities, then with a range,
// then the shortest, then as declared.
function compareWalks(a, b) {
  const named = ({ index, equal, bounds }) =>
    index === BY_ID && (equal > 0 || bounds.some(({ op }) => op === 'in')) ? 0 : 1;
  const range = (walk) => (walk.bounds.length > 0 ? 0 : 1);
  return (
    named(a) - named(b) ||
    b.equal - a.equal ||
    range(a) - range(b) ||
    a.index.columns.length - b.index.columns.length ||
    a.place - b.place
  );
}

// {accepted: true, walks, keys}: the walks that may serve it, the one to be chosen first; or {accepted: false, why}.
//   query  {filter, order (keys without the id; undefined = none was asked for)}
export function decide(declaration, query) {
  const tests = conjuncts(query.filter);
  const declared = declaration.indexes.map((index, place) => walkOf(index, place, tests));
  const walks = [...declared, walkOf(BY_ID, declared.length, tests)].sort(compareWalks);
  const hasTests = query.filter.length > 0;
  if (query.order === undefined) {
    const serving = walks.filter(({ served }) => served);
    if (serving.length > 0) return accept(serving);
    if (!hasTests || declaration.scan) return accept(walks.filter(({ index }) => index === BY_ID));
    return { accepted: false, why: 'no index serves a test' };
  }
  const inOrder = walks.filter((walk) => gives(walk, query.order));
  if (inOrder.length === 0) return { accepted: false, why: 'no index gives the order' };
  const useful = inOrder.some(({ served, index }) => served || index !== BY_ID);
  if (hasTests && !useful && !declaration.scan) return { accepted: false, why: 'only the ids give the order' };
  return accept(inOrder);
}

const accept = (walks) => ({ accepted: true, walks });

// Do the rows come in the order that was asked for, then by id: behind all of the equalities, or behind some of them?
function gives({ index, equal }, order) {
  const columns = index.columns.filter(({ field }) => field !== 'id');
  const behind = columns.length - order.length; // columns that must have one value
  return behind >= 0 && behind <= equal && order.every((key, i) => sameKey(key, columns[behind + i]));
}

// What the contract leaves open: whether a query is accepted that a reader who looks closer sees is served. A key or a
// column that has one value, or the side of nulls where there are none, changes nothing in the order; nor does a list
// of one value, or a repeated key. An index of elements may or may not know of rows without any.
export function isOpen(declaration, query) {
  const tests = conjuncts(query.filter);
  const order = query.order ?? [];
  const constant = ({ field }) =>
    takes(tests, field, EQUALITIES).length > 0 || takes(tests, field, ['in']).some(({ values }) => values.length === 1);
  const notNull = ({ field }) => takes(tests, field, RANGES).length > 0;
  const otherSide = (key) => declaration.indexes.some(({ columns }) => columns.some((one) => differInNulls(one, key)));
  const repeated = order.some((key, i) => order.slice(0, i).some(({ field }) => field === key.field));
  const ofOne = tests.some(({ op, values }) => op === 'in' && new Set(values).size === 1);
  const columnsLeft = ({ columns }) => columns.filter((column) => !constant(column));
  const left = { ...declaration, indexes: declaration.indexes.map((one) => ({ ...one, columns: columnsLeft(one) })) };
  return (
    (query.order !== undefined && decide(left, query).accepted) ||
    repeated ||
    ofOne ||
    order.some(constant) ||
    order.some((key) => notNull(key) && otherSide(key)) ||
    tests.some(({ field, op }) => field === 'id' && op.startsWith('is.')) || // no id is null
    order.some(({ field }) => field === 'id')
  );
}

const differInNulls = (a, b) =>
  a.field === b.field && a.descending === b.descending && a.nullsLast !== b.nullsLast;

// The same query as one sees it by whom no index serves is.null and is.not_null of fields with many values, and of ids.
export function withoutElements(declaration, query) {
  const isEmpty = ({ field, op }) => /^is\.(not_)?null$/.test(op) && (field === 'id' || declaration.isMany(field));
  const without = (nodes) =>
    nodes.map((node) => {
      if (node.kind !== 'test') return { ...node, terms: without(node.terms) };
      return isEmpty(node) ? { ...node, negated: true } : node;
    });
  return { ...query, filter: without(query.filter) };
}

// May `needed`, which a refusal named, serve the query? Empty: none can.
export function wouldServe(declaration, query, needed) {
  if (needed === '') {
    const seen = withoutElements(declaration, query);
    return !decide({ ...declaration, indexes: everyIndex(declaration, seen) }, seen).accepted;
  }
  const columns = parseKeys(needed);
  if (columns === null || columns.length > COLUMNS_MAX) return false;
  if (columns.some(({ field }) => !declaration.byName.has(field))) return false;
  const many = columns.some(({ field }) => declaration.isMany(field));
  if (many && (columns.length > 1 || columns[0].descending)) return false;
  const constant = ({ field }) => takes(conjuncts(query.filter), field, EQUALITIES).length > 0;
  const order = query.order?.filter((key) => !constant(key));
  return [query, { ...query, order }].some((one) => decide(declaration.with(needed), one).accepted);
}

// The indexes that could be declared for a query: each of its fields alone, and each of its equalities before the
// order.
function everyIndex(declaration, query) {
  const tests = conjuncts(query.filter).filter(({ field }) => declaration.byName.has(field));
  const order = query.order ?? [];
  const known = order.every(({ field }) => declaration.byName.has(field) && !declaration.isMany(field));
  const alone = tests.map(({ field }) => [{ field, descending: false, nullsLast: false }]);
  const equal = tests.filter(({ op, field }) => EQUALITIES.includes(op) && !declaration.isMany(field));
  const before = equal.map(({ field }) => ({ field, descending: false, nullsLast: false }));
  const all = known && order.length > 0 ? [order, ...before.map((key) => [key, ...order])] : [];
  const columns = query.order === undefined ? alone : [...all, ...(order.length === 0 ? alone : [])];
  const made = columns.filter(({ length }) => length <= COLUMNS_MAX).map((one) => ({ columns: one }));
  return [...declaration.indexes, ...made];
}
