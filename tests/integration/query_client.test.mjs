// PostgREST's own client against the gateway: every method that builds a request, with what docs/asking.md says of it.
// The code that makes the client fit is the document's.

import assert from 'node:assert/strict';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { pathToFileURL } from 'node:url';

import { PostgrestClient, PostgrestFilterBuilder, PostgrestTransformBuilder } from '@supabase/postgrest-js';

import { startGateway } from '../support/gateway.mjs';
import { blocks, codes, read, rows } from '../support/markdown.mjs';
import { publishAll, startNats } from '../support/nats.mjs';
import { SOURCE_DIR, tempFolder } from '../support/process.mjs';

const PAGE = 'docs/asking.md';

const ORDERS = {
  a: {
    ...{ status: 'open', total: 12.5, placedAt: '2026-01-02T10:00:00Z', paid: true },
    ...{ tags: ['red', 'big'], note: 'a, (b)' },
  },
  b: { status: 'open', total: 7, placedAt: '2026-01-03T10:00:00+01:00', paid: false, tags: ['red'], note: 'say "so"' },
  c: { status: 'held', total: 7, placedAt: '2026-01-01T10:00:00Z', paid: null, tags: [], note: '1+1 & 2' },
  d: { status: 'shipped', total: null, placedAt: null, tags: ['big', 'blue'], note: '"quoted"' },
};
const FIELDS = [
  { name: 'status', at: '/status', type: 'string' },
  { name: 'total', at: '/total', type: 'number' },
  { name: 'placed', at: '/placedAt', type: 'time' },
  { name: 'paid', at: '/paid', type: 'boolean' },
  { name: 'tag', at: '/tags/*', type: 'string' },
  { name: 'note', at: '/note', type: 'string' },
];
const INDEXES = ['status,placed.desc', 'total', 'total.desc', 'total.nullslast', 'placed', 'paid', 'tag', 'note'];

// What each method gives: the ids, sorted where there is no order; or the status of a refusal.
const orders = (db) => db.from('orders');
const all = (db) => orders(db).select();
const WORKS = {
  select: [
    [all, 'a b c d'],
    [(db) => orders(db).select('*'), 'a b c d'],
    [(db) => orders(db).select('status, total'), 'a b c d'],
    [(db) => orders(db).select('note', { count: 'exact' }).eq('status', 'open'), 'a b'],
  ],
  eq: [
    [(db) => all(db).eq('status', 'open'), 'a b'],
    [(db) => all(db).eq('total', 7), 'b c'],
    [(db) => all(db).eq('tag', 'red'), 'a b'],
    [(db) => all(db).eq('note', 'a, (b)'), 'a'],
    [(db) => all(db).eq('note', '1+1 & 2'), 'c'],
    [(db) => all(db).eq('paid', true), 'a'],
    [(db) => all(db).eq('id', 'd'), 'd'],
  ],
  neq: [[(db) => all(db).neq('status', 'open').order('total'), 'd c']],
  gt: [[(db) => all(db).gt('total', 7), 'a']],
  gte: [
    [(db) => all(db).gte('total', 7).order('total'), 'b c a'],
    [(db) => all(db).gte('placed', '2026-01-02T11:00:00+01:00'), 'a b'],
    [(db) => all(db).gte('placed', new Date('2026-01-02T10:00:00Z').toISOString()), 'a b'],
  ],
  lt: [[(db) => all(db).lt('total', 12.5).gt('total', 1), 'b c']],
  lte: [[(db) => all(db).lte('total', 12.5), 'a b c']],
  like: [[(db) => all(db).like('status', 'o*'), 'a b']],
  is: [
    [(db) => all(db).is('total', null), 'd'],
    [(db) => all(db).is('paid', false).gte('total', 0), 'b'],
  ],
  isDistinct: [[(db) => all(db).isDistinct('paid', true).order('total'), 'd b c']],
  in: [
    [(db) => all(db).in('status', ['open', 'held']), 'a b c'],
    [(db) => all(db).in('note', ['a, (b)', '1+1 & 2']), 'a c'],
    [(db) => all(db).in('id', ['a', 'd']), 'a d'],
  ],
  notIn: [[(db) => all(db).notIn('status', ['open', 'held']).gte('note', ''), 'd']],
  match: [[(db) => all(db).match({ status: 'open', total: 7 }), 'b']],
  not: [
    [(db) => all(db).not('total', 'is', null).order('total'), 'b c a'],
    [(db) => all(db).not('status', 'eq', 'open').gte('total', 0), 'c'],
  ],
  or: [[(db) => all(db).or('status.eq.held,total.gt.10').order('total'), 'c a']],
  filter: [[(db) => all(db).filter('total', 'gte', 7), 'a b c']],
  order: [
    [(db) => all(db).eq('status', 'open').order('placed', { ascending: false }), 'b a'],
    [(db) => all(db).order('total', { nullsFirst: false }), 'b c a d'],
    [(db) => all(db).order('total', { ascending: false }), 'a b c d'],
    [(db) => all(db).order('total').order('id'), 'd b c a'],
  ],
  limit: [[(db) => all(db).order('total').limit(2), 'd b']],
  range: [[(db) => all(db).order('total').range(0, 1), 'd b']],
  maybeSingle: [[(db) => all(db).eq('note', 'a, (b)').maybeSingle(), 'a']],
  throwOnError: [[(db) => all(db).eq('status', 'held').throwOnError(), 'c']],
  setHeader: [[(db) => all(db).eq('status', 'held').setHeader('Max-Staleness', '10'), 'c']],
  retry: [[(db) => all(db).eq('status', 'held').retry(false), 'c']],
  abortSignal: [[(db) => all(db).eq('status', 'held').abortSignal(AbortSignal.timeout(10_000)), 'c']],
};

const only = (build, status = 400) => [[build, status]];
const REFUSED = {
  likeAllOf: only((db) => all(db).likeAllOf('status', ['o*', 'op*'])),
  likeAnyOf: only((db) => all(db).likeAnyOf('status', ['o*', 'h*'])),
  ilike: only((db) => all(db).ilike('status', 'O*')),
  ilikeAllOf: only((db) => all(db).ilikeAllOf('status', ['O*'])),
  ilikeAnyOf: only((db) => all(db).ilikeAnyOf('status', ['O*'])),
  regexMatch: only((db) => all(db).regexMatch('status', '^o')),
  regexIMatch: only((db) => all(db).regexIMatch('status', '^O')),
  contains: only((db) => all(db).contains('tag', ['red'])),
  containedBy: only((db) => all(db).containedBy('tag', ['red', 'big'])),
  overlaps: only((db) => all(db).overlaps('tag', ['red'])),
  rangeGt: only((db) => all(db).rangeGt('total', '[1,2]')),
  rangeGte: only((db) => all(db).rangeGte('total', '[1,2]')),
  rangeLt: only((db) => all(db).rangeLt('total', '[1,2]')),
  rangeLte: only((db) => all(db).rangeLte('total', '[1,2]')),
  rangeAdjacent: only((db) => all(db).rangeAdjacent('total', '[1,2]')),
  textSearch: only((db) => all(db).textSearch('note', 'say')),
  insert: only((db) => orders(db).insert({ status: 'open' }), 'refused'),
  upsert: only((db) => orders(db).upsert({ status: 'open' }), 'refused'),
  update: only((db) => orders(db).update({ status: 'open' }).eq('id', 'a'), 'refused'),
  delete: only((db) => orders(db).delete().eq('id', 'a'), 'refused'),
  rpc: only((db) => db.rpc('sum', {}), 'refused'),
};
// They ask for another form of answer, which no list has, or change nothing but types.
const WITHOUT = [
  ...['csv', 'geojson', 'explain', 'rollback', 'maxAffected', 'single', 'stripNulls', 'returns', 'overrideTypes'],
];

const methodsOf = (...classes) => {
  const names = classes.flatMap((one) => Object.getOwnPropertyNames(one.prototype));
  return [...new Set(names)].filter((name) => !['constructor', 'then', 'processResponse'].includes(name));
};

describe("PostgREST's client", () => {
  let nats;
  let gateway;
  let db;

  before(async () => {
    nats = await startNats();
    const client = await nats.client();
    await client.jsm.streams.add({ name: 'STATE', subjects: ['state.>'] });
    const events = Object.entries(ORDERS).map(([id, state]) => ({
      subject: `state.orders.${id}`,
      payload: Buffer.from(JSON.stringify({ version: 1, state })),
    }));
    await publishAll(client.js, events);
    const collections = [{ name: 'orders', fields: FIELDS, indexes: INDEXES }];
    gateway = await startGateway({ nats, config: { collections } });
    await gateway.untilPosition(events.length);
    await gateway.untilReady();
    db = new PostgrestClient(`${gateway.url}/v1/state`, { fetch: await documented(), retry: false });
  });

  after(async () => {
    await gateway?.kill9();
    await nats?.stop();
  });

  // The function of the document that fits the answers.
  async function documented() {
    const block = blocks(read(PAGE)).find(({ body }) => body.includes('function asPostgrest'));
    const folder = tempFolder(null, 'docs-client');
    symlinkSync(join(SOURCE_DIR, 'tests/node_modules'), join(folder, 'node_modules'));
    const file = join(folder, 'client.mjs');
    writeFileSync(file, `${block.body}\nexport { asPostgrest };\n`);
    return (await import(pathToFileURL(file))).asPostgrest;
  }

  for (const [method, uses] of Object.entries(WORKS)) {
    it(`${method} works`, async () => {
      for (const [build, ids] of uses) {
        const builder = build(db);
        const ordered = builder.url.searchParams.has('order');
        const { data, error, status } = await builder;
        assert.equal(error, null, `${builder.url.search} ${status} ${JSON.stringify(error)}`);
        const came = [data].flat().map(({ id }) => id);
        assert.equal((ordered ? came : came.sort()).join(' '), ids, builder.url.search);
      }
    });
  }

  it('rows are the fields of the documents, beside id and version', async () => {
    const { data } = await all(db).eq('id', 'a');
    assert.deepEqual(data, [{ id: 'a', version: 1, ...ORDERS.a }]);
    const { data: few, count } = await orders(db).select('total,by:/tags/1', { count: 'exact' }).eq('status', 'open');
    assert.deepEqual([...few].sort((x, y) => x.total - y.total), [
      { id: 'b', version: 1, total: 7, by: null },
      { id: 'a', version: 1, total: 12.5, by: 'big' },
    ]);
    assert.equal(count, 2);
  });

  it('what it is refused is said in its own form', async () => {
    const { data, error, status } = await all(db).eq('never', 1);
    assert.deepEqual([data, status], [null, 400]);
    assert.match(error.message, /never/);
    assert.match(error.code, /^urn:stategate:problem:/);
    const { error: unserved } = await all(db).neq('note', 'x');
    assert.match(unserved.code, /not-indexed$/);
    const { error: twice } = await all(db).or('status.eq.held').or('total.gt.10').gte('total', 0);
    assert.match(twice.message, /or/);
  });

  for (const [method, uses] of Object.entries(REFUSED)) {
    it(`${method} is refused`, async () => {
      for (const [build, wanted] of uses) {
        const { data, error, status } = await build(db);
        assert.ok(error !== null && data === null, `${status}`);
        if (wanted === 'refused') assert.ok(status >= 400 && status < 500, String(status));
        else assert.equal(status, wanted, JSON.stringify(error));
      }
    });
  }

  it(`${PAGE} says of every method whether it works`, () => {
    const table = rows(read(PAGE), 'method').flatMap(([names, works]) => codes(names).map((name) => [name, works]));
    const said = (word) => table.filter(([, works]) => works === word).map(([name]) => name.replace(/\(.*/, '')).sort();
    assert.deepEqual(said('yes'), Object.keys(WORKS).sort());
    assert.deepEqual(said('no'), [...Object.keys(REFUSED), ...WITHOUT].sort());
    const builders = methodsOf(PostgrestFilterBuilder, PostgrestTransformBuilder);
    const known = table.map(([name]) => name);
    assert.deepEqual(builders.filter((name) => !known.includes(name)), []);
  });
});
