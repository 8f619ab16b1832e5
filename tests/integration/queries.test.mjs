// What a list can be asked: filter, order, selection, count; pages on whatever replica; what is refused, and what that
// teaches. The grammar and the rows that come are judged at length by tests/fault/queries.
// ctest-threads:

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { startGateway } from '../support/gateway.mjs';
import { event, scene } from '../support/scene.mjs';
import { until } from '../support/until.mjs';

const FIELDS = [
  { name: 'status', at: '/status', type: 'string' },
  { name: 'total', at: '/total', type: 'number' },
  { name: 'placed', at: '/placedAt', type: 'time' },
  { name: 'tag', at: '/tags/*', type: 'string' },
];
const ORDERS = { name: 'orders', fields: FIELDS, indexes: ['status,placed.desc', 'total', 'tag'] };
const CONFIG = { collections: [ORDERS] };
const LIST = '/v1/state/orders';

const order = (id, version, state) => event(id, version, state, { collection: 'orders' });
const day = (n) => new Date(Date.UTC(2026, 0, n)).toISOString();

// Of ten: o0, o3, o6, o9 are held, the others open; o9 has neither total nor tags.
const TEN = Array.from({ length: 10 }, (_, i) => ({
  status: i % 3 === 0 ? 'held' : 'open',
  ...(i < 9 ? { total: i * 10, tags: ['all', i % 2 ? 'odd' : 'even', 'all'] } : {}),
  placedAt: day(1 + i),
  customer: { name: `n${i}`, 'a,b': i },
}));

async function orders(t, { config = CONFIG, publish = TEN.map((state, i) => order(`o${i}`, 1, state)), ...more } = {}) {
  const s = await scene(t, { publish, gateway: { config }, ...more });
  await s.untilEqual();
  await built(s.gateway);
  return s;
}

// The indexes of a first build are made once it is whole.
function built(gateway, path = `${LIST}?status=eq.none`) {
  return until('the indexes are made', async () => (await gateway.get(path)).status === 200);
}

async function list(gateway, query, options) {
  const answer = await gateway.get(`${LIST}?${query}`, options);
  assert.equal(answer.status, 200, `${query}: ${answer.text}`);
  return { ...answer, body: JSON.parse(answer.text) };
}

const ids = async (gateway, query) => (await list(gateway, query)).body.items.map(({ id }) => id.slice(1)).join('');

// All pages, by what each says is next.
async function walk(gateway, query) {
  const pages = [];
  for (let next = query; next !== undefined; ) {
    const page = await list(gateway, next);
    pages.push(page);
    next = page.body.next && `cursor=${page.body.next}&limit=${page.body.items.length || 1}`;
  }
  return pages;
}

async function refused(gateway, query, status, type) {
  const answer = await gateway.get(`${LIST}?${query}`);
  assert.equal(answer.status, status, `${query}: ${answer.text}`);
  const body = JSON.parse(answer.text);
  assert.equal(body.type, `urn:stategate:problem:${type}`);
  return body;
}

const linked = (answer, relation) =>
  answer.headers.link?.match(new RegExp(`<([^>]*)>; rel="${relation}"`))?.[1];

describe('a list', () => {
  it('is filtered and ordered by declared fields, in the order of the index that serves', async (t) => {
    const { gateway } = await orders(t);
    assert.equal(await ids(gateway, 'status=eq.held'), '9630', 'placed.desc is what the index goes on with');
    assert.equal(await ids(gateway, `status=eq.open&placed=lt.${day(5)}`), '421');
    assert.equal(await ids(gateway, 'order=total'), '9012345678', 'null comes first');
    assert.equal(await ids(gateway, 'total=gte.10&total=lt.40'), '123');
    assert.equal(await ids(gateway, 'total=in.(70,10,10,999)'), '17');
    assert.equal(await ids(gateway, 'total=is.null'), '9');
    assert.equal(await ids(gateway, 'tag=eq.odd'), '1357');
    assert.equal(await ids(gateway, 'tag=in.(all,odd)&limit=3'), '012', 'a row comes once');
    assert.equal(await ids(gateway, 'id=gt.o6'), '789');
    assert.equal(await ids(gateway, 'id=like.o*&total=not.gt.20'), '012');
    assert.equal(await ids(gateway, 'status=eq.held&or=(total.lt.10,total.is.null)'), '90');
    assert.equal(await ids(gateway, 'and=(status.eq.held,placed.gte.2026-01-04)'.replace('04)', '04T00:00:00Z)')), '963');
  });

  it('is read page by page, with what was asked in the cursor', async (t) => {
    const { gateway } = await orders(t);
    for (const query of ['status=eq.open', 'order=total', 'tag=eq.all', 'tag=like.*', '', 'status=eq.held&total=neq.30'])
      for (const limit of [1, 2, 3, 10]) {
        const pages = await walk(gateway, `${query}${query && '&'}limit=${limit}`);
        const walked = pages.flatMap(({ body }) => body.items.map(({ id }) => id.slice(1))).join('');
        assert.equal(walked, await ids(gateway, query || 'limit=100'), `${query} by ${limit}`);
      }
  });

  it('goes on by its Link, with selection, count and demands, on another replica', async (t) => {
    const s = await orders(t);
    const other = await startGateway({ t, nats: s.nats, config: CONFIG });
    await other.untilPosition(10);
    await built(other);
    const headers = { 'min-position': 'STATE:10', prefer: 'wait=3' };
    const first = await list(s.gateway, 'status=eq.open&limit=4&select=total&count=exact', { headers });
    const next = linked(first, 'next');
    assert.match(next, /^\?limit=4&cursor=[\w-]+&select=total&count=exact&min_position=STATE%3A10&wait=3\.000$/);
    const second = await list(other, next.slice(1));
    assert.deepEqual(second.body.items.map(({ state }) => state), [{ total: 20 }, { total: 10 }]);
    assert.equal(second.body.count, 6);
    assert.equal(second.headers['preference-applied'], 'wait=3');
    assert.equal(linked(second, 'next'), undefined);
  });

  it('ends with where the changes since its first page are found', async (t) => {
    const s = await orders(t);
    const first = await list(s.gateway, 'status=eq.open&limit=4');
    assert.equal(linked(first, 'changes'), undefined);
    await s.publish([order('o20', 1, { status: 'open' })]);
    await s.gateway.untilPosition(11);
    const last = await list(s.gateway, `cursor=${first.body.next}`);
    const url = new URL(linked(last, 'changes'), s.gateway.url);
    assert.equal(url.pathname, '/v1/changes/orders');
    assert.match(url.searchParams.get('since'), /^STATE:10;epoch=\w+;rows=r[0-9a-f]{8}$/);
    assert.equal(url.searchParams.get('status'), 'eq.open');
  });

  it('gives what is selected, with the digits of the document', async (t) => {
    const publish = [
      { subject: 'state.orders.x', payload: Buffer.from('{"version":1,"state":{"total":1.50,"big":12345678901234567890,' +
        '"status":7,"tags":"none","customer":{"name":"\\u00e9\\"","list":[1.0,{"b":2,"a":1}]}}}') },
    ];
    const { gateway } = await orders(t, { publish });
    const select = 'id,version,sequence,occurred_at,total,status,tag,placed,big:/big,n:/customer/name,l:/customer/list,no:/no/x';
    const answer = await gateway.get(`${LIST}?select=${select}`);
    const state = answer.text.match(/"state":(.*)\}\]/)[1];
    assert.equal(state, '{"id":"x","version":1,"sequence":1,"occurred_at":null,"total":1.50,"status":7,"tag":[],' +
      '"placed":null,"big":12345678901234567890,"n":"é\\"","l":[1.0,{"b":2,"a":1}],"no":null}');
    assert.equal((await list(gateway, 'select=*')).body.items[0].state.status, 7);
  });

  it('is counted where that is asked for, by either way', async (t) => {
    const s = await orders(t);
    assert.equal((await list(s.gateway, 'limit=1&count=exact')).body.count, 10);
    assert.equal((await list(s.gateway, 'status=eq.open&limit=1&count=exact')).body.count, 6);
    const prefer = { headers: { prefer: 'count=exact' } };
    assert.equal((await list(s.gateway, 'tag=eq.odd&status=eq.held', prefer)).body.count, 1);
    assert.equal((await list(s.gateway, 'tag=eq.odd&status=eq.held')).body.count, undefined);
    const few = { ...CONFIG, query: { rows_max: 3 } };
    await s.gateway.restart({ config: few });
    await built(s.gateway);
    const counted = (await list(s.gateway, 'status=eq.open&limit=1&count=exact')).body.count;
    assert.deepEqual(counted, { value: 3, relation: 'gte' });
    assert.equal((await list(s.gateway, 'order=total&limit=1&count=exact')).body.count, 10, 'it is kept');
  });

  it('ends early where its budget is spent, and goes on', async (t) => {
    const { gateway } = await orders(t, { config: { ...CONFIG, query: { rows_max: 2 } } });
    const first = await list(gateway, 'order=total&status=eq.held');
    assert.deepEqual([first.body.items.map(({ id }) => id), first.body.examined], [['o9', 'o0'], 2]);
    const none = await list(gateway, `cursor=${first.body.next}`);
    assert.deepEqual([none.body.items, none.body.examined], [[], 2], 'no item, and yet there is more');
    const pages = await walk(gateway, 'order=total&status=eq.held');
    assert.equal(pages.flatMap(({ body }) => body.items.map(({ id }) => id)).join(), 'o9,o0,o3,o6');
  });

  it('has a weak tag of the collection and of what is asked', async (t) => {
    const s = await orders(t);
    const { headers } = await list(s.gateway, 'status=eq.open');
    assert.match(headers.etag, /^W\//);
    const same = await s.gateway.get(`${LIST}?status=eq.open&max_staleness=60`, { headers: { 'if-none-match': headers.etag } });
    assert.deepEqual([same.status, same.text], [304, '']);
    for (const query of ['status=eq.held', 'status=eq.open&limit=3', 'status=eq.open&select=id', 'status=eq.open&count=exact']) {
      const other = await s.gateway.get(`${LIST}?${query}`, { headers: { 'if-none-match': headers.etag } });
      assert.equal(other.status, 200, query);
    }
    const reordered = await list(s.gateway, 'total=gt.1&status=eq.open');
    assert.equal((await list(s.gateway, 'status=eq.open&total=gt.1')).headers.etag, reordered.headers.etag);
    await s.publish([order('o1', 2, { status: 'held' })]);
    await s.gateway.untilPosition(11);
    assert.equal((await s.gateway.get(`${LIST}?status=eq.open`, { headers: { 'if-none-match': headers.etag } })).status, 200);
  });

  it('waits for what is demanded, and shows the rows of that moment', async (t) => {
    const s = await orders(t);
    const waiting = list(s.gateway, 'status=eq.new&min_position=STATE:11&wait=20');
    await s.publish([order('o30', 1, { status: 'new' })]);
    assert.deepEqual((await waiting).body.items.map(({ id }) => id), ['o30']);
    const late = await s.gateway.get(`${LIST}?status=eq.new&min_position=STATE:12;epoch=aaaaaa&wait=0`);
    assert.ok([409, 504].includes(late.status), late.text);
    await refused(s.gateway, 'status=eq.new&min_version=1', 400, 'bad-request');
  });

  it('follows its rows: changed, deleted, revived', async (t) => {
    const s = await orders(t);
    await s.publish([order('o1', 2, { status: 'held', placedAt: day(20) }), order('o3', 2, { status: 'x' })]);
    await s.publish([event('o6', 2, null, { collection: 'orders', deleted: true })]);
    await s.gateway.untilPosition(13);
    assert.equal(await ids(s.gateway, 'status=eq.held'), '190');
    assert.equal(await ids(s.gateway, 'tag=eq.even'), '0248');
    await s.publish([order('o6', 3, { status: 'held', tags: ['even'], placedAt: day(30) })]);
    await s.gateway.untilPosition(14);
    assert.equal(await ids(s.gateway, 'status=eq.held'), '6190');
    assert.equal(await ids(s.gateway, 'tag=eq.even'), '02468');
  });

  it('is as before in a collection that declares nothing', async (t) => {
    const { gateway } = await orders(t);
    assert.equal((await gateway.get('/v1/state/customers?id=gt.a')).status, 404, 'nothing was applied');
    const body = JSON.parse((await gateway.get('/v1/state/customers?status=eq.1')).text);
    assert.match(body.detail, /'status' is not known/);
  });
});

describe('a cursor', () => {
  it('is refused for another question, and where it cannot be read', async (t) => {
    const { gateway } = await orders(t);
    const { next } = (await list(gateway, 'status=eq.open&total=gt.1&limit=2')).body;
    await list(gateway, `total=gt.1.0&status=eq.open&cursor=${next}`);
    await refused(gateway, `status=eq.held&cursor=${next}`, 400, 'cursor-mismatch');
    await refused(gateway, `order=total&cursor=${next}`, 400, 'cursor-mismatch');
    await refused(gateway, `cursor=${next.slice(0, -3)}`, 400, 'cursor-mismatch');
    await refused(gateway, 'cursor=nonsense', 400, 'cursor-mismatch');
    const elsewhere = await gateway.get(`/v1/state/customers?cursor=${next}`);
    assert.match(elsewhere.text, /cursor-mismatch/);
  });

  it('expires with its epoch, and with what its fields mean; then the list begins again', async (t) => {
    const s = await orders(t);
    const { next } = (await list(s.gateway, 'status=eq.open&limit=2')).body;
    const changed = { ...CONFIG, collections: [{ ...ORDERS, fields: FIELDS.map((f) => ({ ...f, at: f.at.replace('status', 'state') })) }] };
    await s.gateway.restart({ config: changed });
    const settings = await refused(s.gateway, `cursor=${next}`, 410, 'cursor-expired');
    assert.equal(settings.restart, '?limit=100&status=eq.open');
    await s.gateway.restart({ config: CONFIG });
    await built(s.gateway);
    await s.recreateStream([order('o1', 1, { status: 'open' })]);
    await until('it is another epoch', async () => (await s.gateway.get(`${LIST}?cursor=${next}`)).status === 410);
    const epoch = await refused(s.gateway, `cursor=${next}&limit=7`, 410, 'cursor-expired');
    assert.equal(epoch.restart, '?limit=7&status=eq.open');
    assert.equal(await ids(s.gateway, epoch.restart.slice(1)), '1');
  });
});

describe('what no index serves', () => {
  it('is refused, and it is said which one would', async (t) => {
    const { gateway } = await orders(t);
    const needed = {
      'status=neq.open': undefined,
      'placed=gt.2026-01-01T00:00:00Z': 'placed',
      'order=total.desc': 'total.desc',
      'order=total.nullslast': 'total.nullslast',
      'status=eq.open&order=total': 'status,total',
      'order=status,placed': 'status,placed',
    };
    for (const [query, index] of Object.entries(needed)) {
      const body = await refused(gateway, query, 400, 'not-indexed');
      assert.deepEqual(body.available, ORDERS.indexes);
      if (index) assert.equal(body.needed, index, query);
    }
  });

  it('is read row by row where the collection allows it', async (t) => {
    const { gateway } = await orders(t, { config: { collections: [{ ...ORDERS, scan: true }] } });
    assert.equal(await ids(gateway, 'status=neq.open'), '0369');
    await refused(gateway, 'order=total.desc', 400, 'not-indexed');
  });

  it('is served by an index that is declared later, without reading the stream again', async (t) => {
    const s = await orders(t);
    await refused(s.gateway, 'order=total.desc', 400, 'not-indexed');
    await s.gateway.restart({ config: { collections: [{ ...ORDERS, indexes: [...ORDERS.indexes, 'total.desc'] }] } });
    await built(s.gateway, `${LIST}?order=total.desc`);
    assert.equal(await ids(s.gateway, 'order=total.desc'), '8765432109');
    const { events } = await s.gateway.status();
    assert.equal(events?.applied ?? 0, 0, 'nothing was read from the stream');
  });
});
