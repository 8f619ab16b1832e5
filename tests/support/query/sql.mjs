// A filter and an order as SQL over a table of SQLite, to hold the judges against an engine that others wrote: its
// three values, its comparisons, its nulls.

import { compareOf } from './values.mjs';

const hex = (text) => `CAST(x'${Buffer.from(text).toString('hex')}' AS TEXT)`;

// A value as a literal. Whole numbers go through text: SQLite reads the least of them as a double otherwise.
export function literal(type, value) {
  if (value === null) return 'NULL';
  if (type === 'string') return hex(value);
  if (type === 'boolean') return value ? '1' : '0';
  return `CAST('${value}' AS ${type === 'number' ? 'REAL' : 'INTEGER'})`;
}

const SIGNS = { eq: '=', neq: '<>', gt: '>', gte: '>=', lt: '<', lte: '<=', isdistinct: 'IS NOT' };
const IS = { 'is.null': 'IS NULL', 'is.not_null': 'IS NOT NULL', 'is.true': 'IS 1', 'is.false': 'IS 0' };

function testOf(column, type, { op, values }) {
  if (op in IS) return `${column} ${IS[op]}`;
  const texts = values.map((value) => literal(type, value));
  if (op === 'in') return `${column} IN (${texts.join()})`;
  if (op === 'like') return `substr(${column}, 1, ${[...values[0]].length}) = ${texts[0]}`;
  return `${column} ${SIGNS[op]} ${texts[0]}`;
}

function nodeSql(declaration, node) {
  const not = node.negated ? 'NOT ' : '';
  if (node.kind !== 'test') {
    const terms = node.terms.map((term) => nodeSql(declaration, term));
    return `${not}(${terms.join(node.kind === 'and' ? ' AND ' : ' OR ')})`;
  }
  const type = declaration.typeOf(node.field);
  if (!declaration.isMany(node.field)) return `${not}(${testOf(`"${node.field}"`, type, node)})`;
  const from = `SELECT 1 FROM many WHERE many.row = number AND field = '${node.field}'`;
  if (node.op === 'is.null') return `${not}(NOT EXISTS (${from}))`;
  return `${not}(EXISTS (${from} AND ${testOf('value', type, node)}))`;
}

export function selectSql(declaration, { filter, order = [] }) {
  const where = filter.map((node) => nodeSql(declaration, node));
  const keys = order.map(
    ({ field, descending, nullsLast }) =>
      `"${field}" ${descending ? 'DESC' : 'ASC'} NULLS ${nullsLast ? 'LAST' : 'FIRST'}`,
  );
  return (
    `SELECT json_group_array(id) AS ids FROM (SELECT id FROM rows` +
    `${where.length > 0 ? ` WHERE ${where.join(' AND ')}` : ''} ORDER BY ${[...keys, 'id'].join()});`
  );
}

const COLUMNS = { string: 'TEXT', number: 'REAL', boolean: 'INTEGER', integer: 'INTEGER', time: 'INTEGER' };

// The statements that make the tables, one with many values apart.
export function tablesSql(declaration, rows) {
  const names = ['id', 'version', 'sequence', 'occurred_at', ...declaration.byName.keys()];
  const plain = names.filter((name) => !declaration.isMany(name));
  const columns = plain.map((name) => `"${name}" ${COLUMNS[declaration.typeOf(name)]}`);
  const literalOf = (row) => (name) => literal(declaration.typeOf(name), row.values[name]);
  const valuesOf = (row, number) => [number, ...plain.map(literalOf(row))];
  const many = names.filter((name) => declaration.isMany(name));
  const elements = (row, number) =>
    many.flatMap((name) => {
      const type = declaration.typeOf(name);
      const values = [...(row.values[name] ?? [])].sort(compareOf(type));
      return values.map((value) => `INSERT INTO many VALUES (${number}, '${name}', ${literal(type, value)});`);
    });
  return [
    `CREATE TABLE rows (number INTEGER PRIMARY KEY, ${columns.join()});`,
    'CREATE TABLE many (row INTEGER, field TEXT, value);',
    'CREATE INDEX many_by_row ON many (row, field);',
    ...rows.map((row, i) => `INSERT INTO rows VALUES (${valuesOf(row, i).join()});`),
    ...rows.flatMap(elements),
  ];
}
