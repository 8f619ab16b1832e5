// What PostgREST's own specifications of And/Or, Query, Range and JSON operators ask of it, as data: documents,
// requests in our grammar, and what comes back. What does not apply here stands at the end, with the reason.
//
// Ids are texts here, so that a number that is compared is a field of its own, `n`.

const numbered = (texts) => Object.fromEntries(texts.map((text, i) => [String(i + 1), text]));

// name: {fields, indexes, documents: id -> JSON text}. All of them allow queries that no index serves.
export const COLLECTIONS = {
  trees: {
    fields: { n: '/n integer', name: '/name string', arr: '/arr/* integer' },
    indexes: ['n'],
    documents: numbered([
      '{"n":1,"name":"tree 1","arr":[1]}',
      '{"n":2,"name":"tree 2","arr":[1,2]}',
      '{"n":3,"name":"tree 3","arr":[1,2,3]}',
      '{"n":4,"name":null,"arr":null}',
    ]),
  },
  leaves: {
    fields: {
      n: '/n integer', name: '/name string', deep: '/j/a/b string', flat: '/j/b string',
      and_start: '/and_start string', or_start: '/or_start string',
    },
    indexes: [],
    documents: numbered([
      '{"n":1,"name":"leaf 1"}',
      '{"n":2,"name":"leaf 2"}',
      '{"n":3,"name":"leaf 3"}',
      '{"n":4,"name":"(branch,leaf,4)","j":{"a":{"b":"foo"}}}',
      '{"n":5,"name":"(branch,leaf,5)","j":{"b":"bar"}}',
    ]),
  },
  items: {
    fields: { n: '/n integer' },
    indexes: ['n', 'n.desc'],
    documents: numbered(Array.from({ length: 15 }, (_, i) => `{"n":${i + 1}}`)),
  },
  sparse: {
    fields: { a: '/a string', b: '/b integer' },
    indexes: ['a', 'a.nullslast', 'a.desc.nullsfirst', 'a.desc'],
    documents: { none: '{"a":null,"b":null}', one: '{"a":"1","b":0}', two: '{"a":"2","b":0}' },
  },
  pairs: {
    fields: { k: '/k string', extra: '/extra string' },
    indexes: ['k'],
    documents: { lower: '{"k":"pqqp","extra":"u"}', upper: '{"k":"pQQp","extra":"v"}' },
  },
  chores: {
    fields: { done: '/done boolean' },
    indexes: ['done'],
    documents: numbered(['{"name":"sweep","done":true}', '{"name":"wash","done":false}', '{"name":"dry","done":null}']),
  },
  projects: {
    fields: { n: '/n integer', name: '/name string', client: '/client integer' },
    indexes: ['client.desc,n.desc', 'n.desc', 'n'],
    documents: numbered([
      '{"n":1,"name":"Seven","client":1}',
      '{"n":2,"name":"Ten","client":1}',
      '{"n":3,"name":"Pocket","client":2}',
      '{"n":4,"name":"Desk","client":2}',
      '{"n":5,"name":"Alone","client":null}',
    ]),
  },
  people: {
    fields: { name: '/name string' },
    indexes: ['name'],
    documents: numbered(
      ['Moore, Ann', 'Abbot, Mary', 'Frost, Joe', 'David Brown', 'Larry Green', 'Agent Seven(007)'].concat(
        ['"', 'Twice"Quoted"Name"', '\\', '/\\Back/\\Slash/\\'],
      ).map((name) => JSON.stringify({ name })),
    ),
  },
  blanks: { fields: { text: '/text string' }, indexes: ['text'], documents: numbered(['{"text":""}', '{"text":"x"}']) },
  dues: {
    fields: { n: '/n integer', due: '/due time', label: '/label string' },
    indexes: ['n', 'due', 'label'],
    documents: numbered([
      '{"n":1,"due":"2018-01-02T00:00:00Z","label":"000000"}',
      '{"n":2,"due":"2018-01-03T00:00:00Z","label":"000100"}',
      '{"n":3,"due":"2018-01-01T14:12:34.123456Z","label":"01E240"}',
      '{"n":4}',
    ]),
  },
  shapes: {
    fields: { n: '/n integer', bar: '/settings/foo/bar string' },
    indexes: ['n'],
    documents: numbered([1, 2, 3].map((n) => `{"n":${n},"name":"s${n}","settings":{"foo":{"int":1,"bar":"baz"}}}`)),
  },
  lists: {
    fields: {
      first: '/data/0 integer', second_third: '/data/1/2 integer', second_b: '/data/1/b string',
      second_b_second: '/data/1/b/1 integer', strange: '/data/!@#$%^&_d/!@#$%^&_e integer',
    },
    indexes: ['first', 'second_third', 'second_b', 'second_b_second', 'strange'],
    documents: numbered([
      '{"data":[1,2,3]}', '{"data":[4,5,6]}', '{"data":[[9,8,7],[11,12,13]]}', '{"data":[[[5,6],7,8]]}',
      '{"data":[{"a":"A"},{"b":"B"}]}', '{"data":[{"a":[1,2,3]},{"b":[4,5]}]}', '{"data":{"c":[1,2,3],"d":[4,5]}}',
      '{"data":{"c":[{"d":[4,5,6,7,8]}]}}', '{"data":[{"0xy1":[1,{"23-xy-45":[2,{"xy-6":[3]}]}]}]}',
      '{"data":{"!@#$%^&_a":[{"!@#$%^&_b":1},{"!@#$%^&_c":[2]}],"!@#$%^&_d":{"!@#$%^&_e":3}}}',
    ]),
  },
  tables: {
    fields: { number: '/data/id integer', bar: '/data/foo/bar string' },
    indexes: ['number', 'bar'],
    documents: { one: '{"data":{"foo":{"bar":"baz"},"id":1}}', three: '{"data":{"id":3}}', zero: '{"data":{"id":0}}' },
  },
  complex: {
    fields: { i: '/num/i number' },
    indexes: ['i', 'i.desc'],
    documents: { a: '{"num":{"r":0.5,"i":0.5}}', b: '{"num":{"r":0.6,"i":0.6}}' },
  },
  grids: {
    fields: {
      first: '/numbers/0 integer', second: '/numbers/1 integer', corner: '/grid/0/0 integer',
      middle: '/grid/1/1 integer', last: '/grid/2/2 integer',
    },
    indexes: ['first', 'first.desc', 'second', 'corner.desc', 'middle', 'last'],
    documents: {
      0: '{"numbers":[1,2,3],"grid":[[1,2,3],[4,5,6],[7,8,9]]}',
      1: '{"numbers":[11,12,13],"grid":[[11,12,13],[14,15,16],[17,18,19]]}',
    },
  },
};

// A case is [name, request, result]. The result is the ids, in their order where the request has one; a status; or
// {id: what is selected of it}.
const ids = (text) => text.split(' ').filter(Boolean);
const upTo = (last) => Array.from({ length: last }, (_, i) => String(i + 1));
const down = (list) => [...list].reverse();

const AND_OR = [
  ['or', 'trees?or=(n.eq.1,n.eq.2)', ids('1 2')],
  ['not or', 'trees?not.or=(n.eq.1,n.eq.2)', ids('3 4')],
  ['or beside a plain filter', 'trees?or=(n.eq.1,n.eq.2)&name=eq.tree 1', ids('1')],
  ['and within or', 'trees?or=(and(name.eq.tree 2,n.eq.2),and(name.eq.tree 1,n.eq.1))', ids('1 2')],
  ['not and within or', 'trees?or=(not.and(name.eq.tree 2,n.eq.2),not.and(name.eq.tree 1,n.eq.1))', upTo(4)],
  ['and beside or', 'trees?and=(n.eq.1,name.eq.tree 1)&or=(n.eq.1,n.eq.2)', ids('1')],
  ['eq and neq', 'trees?and=(n.eq.1,n.neq.2)', ids('1')],
  ['lt and gt', 'trees?or=(n.lt.2,n.gt.3)', ids('1 4')],
  ['lte and gte', 'trees?or=(n.lte.2,n.gte.3)', upTo(4)],
  ['in', 'trees?or=(n.in.(1,2),n.in.(3,4))', upTo(4)],
  ['is', 'trees?and=(name.is.null,arr.is.null)', ids('4')],
  ['isdistinct', 'trees?and=(n.gte.2,name.isdistinct.tree 2)', ids('3 4')],
  ['eq and like negated', 'trees?and=(arr.not.eq.3,and(n.not.eq.2,name.not.like.tree 3*))', ids('1')],
  ['in and is negated', 'trees?and=(n.not.in.(1,3),and(name.not.is.null))', ids('2')],
  ['lt and gte negated', 'trees?and=(arr.eq.2,or(n.not.lt.1,n.not.gte.3))', ids('2 3')],
  ['gt and lte negated', 'trees?and=(name.is.not_null,or(n.not.gt.4,n.not.lte.1))', ids('1 2 3')],
  ['isdistinct negated', 'trees?and=(n.not.eq.2,name.not.isdistinct.tree 3)', ids('3')],
  ['quoted values', 'leaves?or=(name.eq."(branch,leaf,4)",name.eq."(branch,leaf,5)")', ids('4 5')],
  ['like of a quoted value', 'leaves?or=(name.like."(branch,leaf,4*",name.like."leaf 1*")', ids('1 4')],
  ['in of quoted values', 'leaves?or=(n.in.("1","2"),n.in.("3","4"))', upTo(4)],
  ['no condition', 'trees?or=()', 400],
  ['or of one', 'trees?or=(n.eq.1)', ids('1')],
  ['and of one', 'trees?and=(n.eq.1)', ids('1')],
  ['or of three', 'leaves?or=(n.eq.1,n.eq.2,n.eq.3)', upTo(3)],
  ['and of three lists', 'leaves?and=(n.in.(1,2),n.in.(3,1),n.in.(1,4))', ids('1')],
  ['or of four', 'leaves?or=(n.eq.1,n.eq.2,and(n.in.(1,3),n.in.(2,3)),n.eq.4)', upTo(4)],
  ['and of four', 'leaves?and=(n.eq.1,not.or(n.eq.2,n.eq.3),n.in.(1,4),or(n.eq.1,n.eq.4))', ids('1')],
  ['names that begin with and, or', 'leaves?or=(and_start.eq.x,or_start.eq.x)', []],
];

const SETTINGS = { foo: { int: 1, bar: 'baz' } };
const QUERY = [
  ['a collection that is not there', 'nowhere', 404],
  ['a path that is none', 'items/second/third', 404],
  ['eq', 'items?n=eq.5', ids('5')],
  ['not eq', 'items?n=not.eq.5&order=n', upTo(15).filter((n) => n !== '5')],
  ['like and not eq', 'pairs?k=like.pq*&extra=not.eq.u', []],
  ['not lt', 'items?n=not.lt.14&order=n.asc', ids('14 15')],
  ['not gt', 'items?n=not.gt.2&order=n.asc', ids('1 2')],
  ['in', 'items?n=in.(1,3,5)', ids('1 3 5')],
  ['not in', 'items?n=not.in.(2,4,6,7,8,9,10,11,12,13,14,15)', ids('1 3 5')],
  ['not is null', 'sparse?a=not.is.null', ids('one two')],
  ['is not_null', 'sparse?a=is.not_null', ids('one two')],
  ['is null, of a text', 'sparse?a=is.null', ids('none')],
  ['is null, of a number', 'sparse?b=is.null', ids('none')],
  ['not is not_null', 'sparse?a=not.is.not_null', ids('none')],
  ['is true', 'chores?done=is.true', ids('1')],
  ['is false', 'chores?done=is.false', ids('2')],
  ['is nil', 'chores?done=is.nil', 400],
  ['is ok', 'chores?done=is.ok', 400],
  ['like', 'pairs?k=like.pq*', ids('lower')],
  ['not like', 'pairs?k=not.like.pq*', ids('upper')],
  ['isdistinct', 'sparse?a=isdistinct.2', ids('none one')],
  ['not isdistinct', 'sparse?a=not.isdistinct.2', ids('two')],
  ['all of a row', 'shapes?n=eq.3', { 3: '{"n":3,"name":"s3","settings":{"foo":{"int":1,"bar":"baz"}}}' }],
  ['one column', 'shapes?select=n', { 1: { n: 1 }, 2: { n: 2 }, 3: { n: 3 } }],
  ['another name for a column', 'shapes?n=eq.1&select=mine:/n', { 1: { mine: 1 } }],
  ['a column that is an object', 'shapes?n=eq.1&select=settings:/settings', { 1: { settings: SETTINGS } }],
  ['order, ascending', 'items?n=lte.2&order=n.asc', ids('1 2')],
  ['order, descending', 'items?n=lte.2&order=n.desc', ids('2 1')],
  ['order, nulls first', 'sparse?order=a.nullsfirst', ids('none one two')],
  ['order, ascending, nulls last', 'sparse?order=a.asc.nullslast', ids('one two none')],
  ['order, descending, nulls first', 'sparse?order=a.desc.nullsfirst', ids('none two one')],
  ['order, descending, nulls last', 'sparse?order=a.desc.nullslast', ids('two one none')],
  ['order by two', 'projects?select=client,n,name&order=client.desc.nullslast,n.desc', ids('4 3 2 1 5')],
  ['order without a direction', 'items?n=lte.2&order=n', ids('1 2')],
  ['order alone', 'items?order=n.asc', upTo(15)],
  ['order that cannot be read', 'items?order=n.asc.nullslasttt', 400],
  ['no operator', 'items?n=0', 400],
  ['a column that is not there', 'dues?select=n,banana', 400],
  ['in of a quoted value', 'people?name=in.("Moore, Ann")', ids('1')],
  ['in of three', 'people?name=in.("Moore, Ann","Abbot, Mary","Frost, Joe")', ids('1 2 3')],
  ['not in of three', 'people?name=not.in.("Moore, Ann","Abbot, Mary","Frost, Joe")', ids('4 5 6 7 8 9 10')],
  ['in, one quoted', 'people?name=in.(David Brown,"Moore, Ann")', ids('1 4')],
  ['not in, two quoted', 'people?name=not.in.("Moore, Ann",Larry Green,"Frost, Joe")', ids('2 4 6 7 8 9 10')],
  ['parentheses in quotes', 'people?name=in.("Agent Seven(007)")', ids('6')],
  ['an escaped quote', 'people?name=in.("Twice\\"Quoted\\"Name\\"")', ids('8')],
  ['an escaped backslash', 'people?name=in.("\\\\")', ids('9')],
  ['more of them', 'people?name=in.("/\\\\Back/\\\\Slash/\\\\")', ids('10')],
  ['quotes within a bare value', 'people?name=in.(Twice"Quoted"Name")', ids('8')],
  ['a bare backslash', 'people?name=in.(\\)', ids('9')],
  ['more of them, bare', 'people?name=in.(/\\Back/\\Slash/\\)', ids('10')],
  ['an integer that is a space', 'items?n=in.( ,3,4)', 400],
  ['in, of another table', 'projects?n=in.(1,2,3)', ids('1 2 3')],
  ['select, order, limit', 'projects?select=n,name&order=n.desc&limit=3', ids('5 4 3')],
  ['an empty value', 'blanks?text=eq.', ids('1')],
  ['a column twice', 'dues?n=gt.2&n=lt.5', ids('3 4')],
  ['a time that is none', 'dues?due=eq.Z', 400],
  ['eq of a label', 'dues?label=eq.000100', ids('2')],
  ['in of labels', 'dues?label=in.(000100,01E240)', ids('2 3')],
  ['not in of labels', 'dues?label=not.in.(000000,01E240)', ids('2')],
];

const RANGE = [
  ['everything', 'items?select=n&order=n.asc', upTo(15)],
  ['everything, unasked', 'items', upTo(15)],
  ['nothing', 'items?n=eq.0', []],
  ['one, in order', 'items?n=eq.1&order=n', ids('1')],
  ['limit', 'items?select=n&order=n.asc&limit=3', ids('1 2 3')],
  ['a limit beyond the end', 'items?n=gt.10&order=n&limit=100', ids('11 12 13 14 15')],
  ['a limit of one', 'items?order=n&limit=1', ids('1')],
  ['the last ones', 'items?n=gt.8&select=n&order=n', ids('9 10 11 12 13 14 15')],
  ['below a bound', 'projects?select=n&n=lt.3', ids('1 2')],
  ['limit with nulls last', 'sparse?order=a.asc.nullslast&limit=1', ids('one')],
];

const of = (ids_, name, values) => Object.fromEntries(ids_.map((id, i) => [id, { [name]: values[i] }]));
const FOUR = 'a:/numbers/0,b:/numbers/1,c:/grid/0/0,d:/grid/1/2';
const DEEP = 'deep:/data/0/0xy1/1/23-xy-45/1/xy-6/0';
const STRANGE = 'strange_e:/data/!@#$%^&_d/!@#$%^&_e';

const JSON_OPERATORS = [
  ['one level', 'shapes?n=eq.1&select=foo:/settings/foo', { 1: SETTINGS }],
  ['two levels', 'shapes?n=eq.1&select=bar:/settings/foo/bar', { 1: { bar: 'baz' } }],
  ['two levels, a number', 'shapes?n=eq.1&select=int:/settings/foo/int', { 1: { int: 1 } }],
  ['a field of two levels', 'shapes?n=eq.1&select=bar', { 1: { bar: 'baz' } }],
  ['a name of special characters', `lists?id=eq.10&select=${STRANGE}`, { 10: { strange_e: 3 } }],
  ['an index', 'lists?id=in.(1,2)&select=x:/data/0', of(['1', '2'], 'x', [1, 4])],
  ['two indexes', 'lists?id=eq.2&select=x:/data/0,y:/data/1', { 2: { x: 4, y: 5 } }],
  ['an index in an index', 'lists?id=in.(3,4)&select=x:/data/0/1', of(['3', '4'], 'x', [8, 7])],
  ['three indexes', 'lists?id=in.(3,4)&select=x:/data/0/0/1', of(['3', '4'], 'x', [null, 6])],
  ['an object in an array', 'lists?id=in.(5,6)&select=a:/data/0/a', of(['5', '6'], 'a', ['A', [1, 2, 3]])],
  ['an element of it', 'lists?id=in.(5,6)&select=a:/data/0/a/2', of(['5', '6'], 'a', [null, 3])],
  ['an array in an object', 'lists?id=in.(7,8)&select=c:/data/c/0', of(['7', '8'], 'c', [1, { d: [4, 5, 6, 7, 8] }])],
  ['deeper', 'lists?id=in.(7,8)&select=d:/data/c/0/d/4', of(['7', '8'], 'd', [null, 8])],
  ['names that look like numbers', `lists?id=eq.9&select=${DEEP}`, { 9: { deep: 3 } }],
  ['the end is an array', 'lists?id=eq.7&select=c:/data/c', { 7: { c: [1, 2, 3] } }],
  ['the end is a list of objects', 'lists?id=eq.8&select=d:/data/c/0/d', { 8: { d: [4, 5, 6, 7, 8] } }],
  ['a number in an object', 'complex?select=i', { a: { i: 0.5 }, b: { i: 0.6 } }],
  ['four of arrays', `grids?id=eq.1&select=${FOUR}`, { 1: { a: 11, b: 12, c: 11, d: 16 } }],
  ['a filter two levels down', 'tables?bar=eq.baz', ids('one')],
  ['that nothing passes', 'tables?bar=eq.fake', []],
  ['negated', 'tables?bar=not.eq.baz', []],
  ['a filter one level down', 'tables?number=eq.1', ids('one')],
  ['in and, or', 'leaves?or=(deep.eq.foo,flat.eq.bar)', ids('4 5')],
  ['by a name of special characters', 'lists?strange=eq.3', ids('10')],
  ['by an index', 'lists?first=eq.1', ids('1')],
  ['by an index in an index', 'lists?second_third=eq.13', ids('3')],
  ['by an object in an array', 'lists?second_b=eq.B', ids('5')],
  ['by an element of it', 'lists?second_b_second=eq.5', ids('6')],
  ['by a number in an object', 'complex?i=gt.0.5', ids('b')],
  ['by an item', 'grids?first=eq.1', ids('0')],
  ['by an item of another', 'grids?first=eq.11', ids('1')],
  ['by an item of a grid', 'grids?middle=eq.5', ids('0')],
  ['by the last of a grid', 'grids?last=eq.19', ids('1')],
  ['order one level down', 'tables?order=number.asc', ids('zero one three')],
  ['order two levels down', 'tables?order=bar.nullsfirst', ids('three zero one')],
  ['order by a number in an object', 'complex?order=i.asc', ids('a b')],
  ['the same, descending', 'complex?order=i.desc', ids('b a')],
  ['order by an item, descending', 'grids?order=first.desc', ids('1 0')],
  ['order by an item', 'grids?order=second.asc', ids('0 1')],
  ['order by an item of a grid, descending', 'grids?order=corner.desc', ids('1 0')],
  ['order by an item of a grid', 'grids?order=last.asc', ids('0 1')],
];

const named = (spec, cases) => cases.map(([name, request, result]) => ({ spec, name, request, result }));
export const CASES = [
  ...named('And/Or', AND_OR),
  ...named('Query', QUERY),
  ...named('Range', RANGE),
  ...named('JSON', JSON_OPERATORS),
];

// [specification, what it asks, why it does not apply].
export const NOT_HERE = [
  ['And/Or', 'filters on embedded resources', 'there are no relations between collections'],
  ['And/Or', 'like with a star in front, ilike', 'no index serves what is within a text, or without regard to case'],
  ['And/Or', 'full text search', 'there is none'],
  ['And/Or', 'cs, cd, ov, and eq or lt of whole arrays', 'a test on many values holds if any of them passes'],
  ['And/Or', 'range types and their operators', 'JSON has no ranges'],
  ['And/Or', 'white space between terms', 'the grammar has none: a space is part of a bare value'],
  ['And/Or', 'filters of POST, PATCH and DELETE', 'the gateway is read only'],
  ['Query', 'is.unknown, and words in upper case', 'missing and null are one, and the grammar has lower case alone'],
  ['Query', 'match, imatch', 'no regular expressions: no index serves them'],
  ['Query', 'casts', 'a field has the type that is declared'],
  ['Query', 'computed columns, views, partitions, embedding', 'there are none'],
  ['Query', 'columns with spaces, dots or dollars, quoted', 'the name of a field is [a-z_][a-z0-9_]*'],
  ['Query', 'a column called count', 'a reserved name: the gateway does not start with it'],
  ['Query', 'in.() without a value', 'a list has at least one'],
  ['Query', 'a lone quote as a bare value', 'what begins with a quote is quoted'],
  ['Query', 'any escaped character in quotes', 'only \\" and \\\\ are escapes'],
  ['Query', 'any and all', 'in is eq(any); the others are and, or'],
  ['Query', 'CSV, Content-Location, Content-Profile', 'an answer is JSON; there are no schemas'],
  ['Range', 'offset, the Range header, 206 and 416', 'pages go on from a cursor, never from a number'],
  ['Range', 'limit=0, and a limit below 0', 'limit is 1 to 1000; else 400, not 416'],
  ['Range', 'planned and estimated counts', 'a count is exact, or says that there are at least so many'],
  ['Range', 'arguments of functions', 'there are no functions'],
  ['JSON', 'the arrows of a path', 'a declared field or a JSON pointer stands for them'],
  ['JSON', 'negative indexes', 'a JSON pointer has none'],
  ['JSON', 'eq of an object', 'a field has one of five types; an object is none'],
  ['JSON', 'PATCH of a column', 'the gateway is read only'],
];
