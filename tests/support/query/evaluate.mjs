// Which rows a filter lets through, by SQL's three values: true, false, and null for what is not known.
//
// A node is {kind: 'test', field, op, values, negated} or {kind: 'and' | 'or', terms, negated}; a filter is a list of
// nodes that all must hold. `values` has one value, several for `in`, none for `is.*`; of `like` it is the prefix.

import { compareOf } from './values.mjs';

const not = (value) => (value === null ? null : !value);

function and(values) {
  if (values.includes(false)) return false;
  return values.includes(null) ? null : true;
}

function or(values) {
  if (values.includes(true)) return true;
  return values.includes(null) ? null : false;
}

// One value, which is not null, under a test.
function passes(op, values, value, compare) {
  switch (op) {
    case 'eq':
    case 'in':
      return values.some((wanted) => compare(value, wanted) === 0);
    case 'neq':
    case 'isdistinct':
      return compare(value, values[0]) !== 0;
    case 'gt':
      return compare(value, values[0]) > 0;
    case 'gte':
      return compare(value, values[0]) >= 0;
    case 'lt':
      return compare(value, values[0]) < 0;
    case 'lte':
      return compare(value, values[0]) <= 0;
    case 'like':
      return value.startsWith(values[0]);
    case 'is.true':
      return value === true;
    case 'is.false':
      return value === false;
    default:
      throw new Error(`no operator ${op}`);
  }
}

// Of a field with one value: null is neither equal nor unequal to anything, but distinct from it.
function testOne(op, values, value, compare) {
  if (op === 'is.null') return value === null;
  if (op === 'is.not_null') return value !== null;
  if (value !== null) return passes(op, values, value, compare);
  if (op === 'isdistinct') return true;
  return op.startsWith('is.') ? false : null;
}

// Of a many-valued field: any element passes, or none does.
function testMany(op, values, elements, compare) {
  if (op === 'is.null') return elements === null;
  if (op === 'is.not_null') return elements !== null;
  return (elements ?? []).some((value) => passes(op, values, value, compare));
}

export function holdsNode(declaration, node, row) {
  let value;
  if (node.kind === 'test') {
    const test = declaration.isMany(node.field) ? testMany : testOne;
    const compare = compareOf(declaration.typeOf(node.field));
    value = test(node.op, node.values, row.values[node.field], compare);
  } else {
    const terms = node.terms.map((term) => holdsNode(declaration, term, row));
    value = node.kind === 'and' ? and(terms) : or(terms);
  }
  return node.negated ? not(value) : value;
}

export const holds = (declaration, filter, row) =>
  filter.every((node) => holdsNode(declaration, node, row) === true);

// The elements of a many-valued field that pass a test, ascending.
export function passing(declaration, node, row) {
  const compare = compareOf(declaration.typeOf(node.field));
  const elements = row.values[node.field] ?? [];
  if (node.op === 'is.not_null') return elements;
  return elements.filter((value) => passes(node.op, node.values, value, compare));
}
