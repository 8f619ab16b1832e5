// A declaration of fields and indexes as the settings have it, taken apart; and the rows of a collection with their
// values, as an independent reader of the documents sees them.

import { readJson } from '../json.mjs';
import { compareOf, extract, Mismatch, parseTime } from './values.mjs';

// Every collection has these; none stands in an index but the id, which ends each.
export const BUILT_IN = { id: 'string', version: 'integer', sequence: 'integer', occurred_at: 'time' };

// Names that no field may have: routes use them, or will.
export const RESERVED = [
  ...['and', 'or', 'not', 'select', 'order', 'limit', 'cursor', 'since', 'wait', 'stream', 'count', 'q', 'facet'],
  ...['expand', 'at', 'as_of', 'min_version', 'min_position', 'max_staleness', 'after_message', 'after_correlation'],
  'collection',
];

// "status,placed.desc.nullsfirst": [{field, descending, nullsLast}]. Null where it is no such list. Nulls are first
// ascending and last descending, unless told.
export function parseKeys(text) {
  const keys = [];
  for (const part of text.split(',')) {
    const found = /^([a-z_][a-z0-9_]{0,62})(?:\.(asc|desc))?(?:\.(nullsfirst|nullslast))?$/.exec(part);
    if (found === null) return null;
    const descending = found[2] === 'desc';
    keys.push({ field: found[1], descending, nullsLast: found[3] ? found[3] === 'nullslast' : descending });
  }
  return keys;
}

export const sameKey = (a, b) =>
  a.field === b.field && a.descending === b.descending && a.nullsLast === b.nullsLast;

export class Declaration {
  // {name, fields: [{name, at, type}], indexes: [text], scan}
  constructor({ name, fields, indexes, scan = false }) {
    Object.assign(this, { name, fields, indexTexts: indexes, scan });
    this.byName = new Map(fields.map((field) => [field.name, field]));
    this.indexes = indexes.map((text) => ({ text, columns: parseKeys(text) }));
  }

  // The type of a field, declared or built in; undefined where there is none.
  typeOf(name) {
    return this.byName.get(name)?.type ?? BUILT_IN[name];
  }

  isMany(name) {
    return this.byName.get(name)?.at.endsWith('/*') ?? false;
  }

  // The same with one index more.
  with(text) {
    return new Declaration({ ...this, indexes: [...this.indexTexts, text] });
  }

  // What stands in the settings of the gateway.
  get settings() {
    const { name, fields, indexTexts, scan } = this;
    return { name, fields, indexes: indexTexts, ...(scan && { scan }) };
  }
}

const occurredAt = (text) => {
  try {
    return text === null ? null : parseTime(text);
  } catch (error) {
    if (error instanceof Mismatch) return null;
    throw error;
  }
};

// The row of a document {id, version, sequence, occurredAt (as written, or null), state (JSON text)}: the document, its
// `values` by name, and `mismatches` by name.
export function rowOf(declaration, document) {
  const { id, version, sequence } = document;
  const read = readJson(Buffer.from(document.state));
  const values = {
    id,
    version: BigInt(version),
    sequence: BigInt(sequence),
    occurred_at: occurredAt(document.occurredAt ?? null),
  };
  const mismatches = {};
  for (const field of declaration.fields) {
    const taken = extract(field, read);
    values[field.name] = taken.value;
    mismatches[field.name] = taken.mismatches;
  }
  return { ...document, read, values, mismatches };
}

// Compares two rows by keys, and then by id. Of a many-valued key `valueOf` says which element counts.
export function comparerOf(declaration, keys, valueOf = (row, field) => row.values[field]) {
  const parts = keys.map((key) => ({ ...key, compare: compareOf(declaration.typeOf(key.field)) }));
  const byId = compareOf('string');
  return (a, b) => {
    for (const { field, descending, nullsLast, compare } of parts) {
      const [one, other] = [valueOf(a, field), valueOf(b, field)];
      if (one === null || other === null) {
        if (one === other) continue;
        return (one === null) === nullsLast ? 1 : -1;
      }
      const order = compare(one, other);
      if (order !== 0) return descending ? -order : order;
    }
    return byId(a.id, b.id);
  };
}
