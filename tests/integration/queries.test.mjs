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
    assert.equal(await ids(gateway, `status=eq.open&placed=lt.${day(5)}`), '21');
    assert.equal(await ids(gateway, 'order=total'), '9012345678', 'null comes first');
    assert.equal(await ids(gateway, 'total=gte.10&total=lt.40'), '123');
    assert.equal(await ids(gateway, 'total=in.(70,10,10,999)'), '17');
    assert.equal(await ids(gateway, 'total=is.null'), '9');
    assert.equal(await ids(gateway, 'tag=eq.odd'), '1357');
    assert.equal(await ids(gateway, 'tag=in.(all,odd)&limit=3'), '012', 'a row comes once');
    assert.equal(await ids(gateway, 'id=gt.o6'), '789');
    assert.equal(await ids(gateway, 'id=like.o*&total=not.gt.20'), '012');
    assert.equal(await ids(gateway, 'status=eq.held&or=(total.lt.10,total.is.null)'), '90');
    assert.equal(await ids(gateway, 'and=(status.eq.held,placed.gte.2026-01-04T00:00:00Z)'), '963');
  });

  it('is read page by page, with what was asked in the cursor', async (t) => {
    const { gateway } = await orders(t);
    const queries = ['status=eq.open', 'order=total', 'tag=eq.all', 'tag=like.*', '', 'status=eq.held&total=neq.30'];
    for (const query of queries)
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
    const body =
      '{"version":1,"state":{"total":1.50,"big":12345678901234567890,"status":7,"tags":"none",' +
      '"customer":{"name":"\\u00e9\\"","list":[1.0,{"b":2,"a":1}]}}}';
    const publish = [{ subject: 'state.orders.x', payload: Buffer.from(body) }];
    const { gateway } = await orders(t, { publish });
    const declared = 'id,version,sequence,occurred_at,total,status,tag,placed';
    const select = `${declared},big:/big,n:/customer/name,l:/customer/list,no:/no/x`;
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
  });

  it('ends early where its budget is spent, and goes on', async (t) => {
    // Of 250 the last by its total is the only one that is held.
    const publish = Array.from({ length: 250 }, (_, i) =>
      order(`o${i}`, 1, { status: i === 249 ? 'held' : 'open', total: i, placedAt: day(i) }),
    );
    const { gateway } = await orders(t, { publish, config: { ...CONFIG, query: { rows_max: 100 } } });
    const query = 'order=total&or=(status.eq.held,total.eq.3)&count=exact';
    const first = await list(gateway, query);
    assert.deepEqual(first.body.count, { value: 1, relation: 'gte' });
    assert.deepEqual([first.body.items.map(({ id }) => id), first.body.examined], [['o3'], 100]);
    const second = await list(gateway, `cursor=${first.body.next}`);
    assert.deepEqual([second.body.items, second.body.examined], [[], 100], 'no item, and yet there is more');
    const last = await list(gateway, `cursor=${second.body.next}`);
    assert.deepEqual(last.body.items.map(({ id }) => id), ['o249']);
    assert.deepEqual([last.body.examined, last.body.next], [undefined, undefined]);
    const counted = await list(gateway, 'status=eq.open&limit=1&count=exact');
    assert.deepEqual(counted.body.count, { value: 100, relation: 'gte' });
    assert.equal((await list(gateway, 'order=total&limit=1&count=exact')).body.count, 250, 'it is kept');
  });

  it('has a weak tag of the collection and of what is asked', async (t) => {
    const s = await orders(t);
    const { headers } = await list(s.gateway, 'status=eq.open');
    assert.match(headers.etag, /^W\//);
    const again = (query) => s.gateway.get(`${LIST}?${query}`, { headers: { 'if-none-match': headers.etag } });
    const same = await again('status=eq.open&max_staleness=60');
    assert.deepEqual([same.status, same.text], [304, '']);
    assert.equal((await again('status=eq.held')).status, 200);
    for (const other of ['limit=3', 'select=id', 'count=exact'])
      assert.equal((await again(`status=eq.open&${other}`)).status, 200, other);
    const reordered = await list(s.gateway, 'total=gt.1&status=eq.open');
    assert.equal((await list(s.gateway, 'status=eq.open&total=gt.1')).headers.etag, reordered.headers.etag);
    await s.publish([order('o1', 2, { status: 'held' })]);
    await s.gateway.untilPosition(11);
    assert.equal((await again('status=eq.open')).status, 200);
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
    const fields = FIELDS.map((field) => ({ ...field, at: field.at.replace('status', 'state') }));
    await s.gateway.restart({ config: { collections: [{ ...ORDERS, fields }] } });
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
      'status=eq.open&order=total,placed': 'status,total,placed',
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

describe('a batch', () => {
  // What is asked by a body.
  async function ask(gateway, body, { method = 'QUERY', query = '', headers = {} } = {}) {
    const answer = await fetch(`${gateway.url}${LIST}${query}`, {
      method,
      headers: { 'content-type': 'application/json', ...headers },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
    return { status: answer.status, headers: answer.headers, body: JSON.parse((await answer.text()) || 'null') };
  }

  const kind = ({ id, status, version }) => `${id}:${status ?? 200}:${version ?? '-'}`;
  const kinds = ({ items }) => items.map(kind).join();

  async function scattered(t) {
    const s = await orders(t);
    await s.publish([event('o2', 5, null, { collection: 'orders', deleted: true })]);
    await s.gateway.untilPosition(11);
    return s;
  }

  it('gives its ids in the order asked for, each with what there is of it', async (t) => {
    const s = await scattered(t);
    const wanted = 'o3:200:1,none:404:-,o2:410:5,o1:200:1,o3:200:1';
    const get = await list(s.gateway, 'id=in.(o3,none,o2,o1,o3)');
    assert.equal(kinds(get.body), wanted);
    for (const method of ['QUERY', 'POST']) {
      const asked = { ids: ['o3', 'none', 'o2', 'o1', 'o3'], select: ['id', 'n:/customer/a,b'] };
      const answer = await ask(s.gateway, asked, { method });
      assert.equal(answer.status, 200);
      assert.equal(kinds(answer.body), wanted);
      assert.deepEqual(answer.body.items[0].state, { id: 'o3', n: 3 });
      assert.equal(answer.headers.get('etag') === null, method === 'POST');
      assert.match(answer.headers.get('state-position'), /^STATE:11;/);
      assert.equal(answer.headers.get('accept-query'), 'application/json');
    }
  });

  it('leaves out what does not pass its filter', async (t) => {
    const { gateway } = await scattered(t);
    const ids = ['o4', 'o3', 'none', 'o2', 'o0', 'o9'];
    const answer = await ask(gateway, { ids, filter: 'status=eq.held&total=gte.0' });
    assert.equal(kinds(answer.body), 'o3:200:1,none:404:-,o2:410:5,o0:200:1');
    const list = await gateway.get(`${LIST}?id=in.(o4,o3,none,o2)&status=eq.held`);
    assert.equal(kinds(list.json()), 'o3:200:1', 'beside another test it is a filter');
  });

  it('waits for the versions of single ids, and fails as a whole', async (t) => {
    const s = await scattered(t);
    const demanded = { o3: 2, o2: 5, new: 1 };
    const ids = ['o1', ...Object.entries(demanded).map(([id, minVersion]) => ({ id, minVersion }))];
    const late = await ask(s.gateway, { ids }, { query: '?wait=0' });
    assert.deepEqual([late.status, late.body.unmet], [504, ['o3', 'new']]);
    assert.equal(late.body.type, 'urn:stategate:problem:version-not-reached');
    const waiting = ask(s.gateway, { ids }, { query: '?wait=20' });
    await s.publish([order('new', 1, { status: 'open' })]);
    await s.publish([order('o3', 2, { status: 'open' })]);
    assert.equal(kinds((await waiting).body), 'o1:200:1,o3:200:2,o2:410:5,new:200:1');
    await s.client.js.publish('state.orders.o4', Buffer.from('{"version":7,"state":1}'));
    await s.gateway.untilPosition(14);
    const rejected = await ask(s.gateway, { ids: ['o1', { id: 'o5', minVersion: 9 }, { id: 'o4', minVersion: 7 }] });
    assert.deepEqual([rejected.status, rejected.body.unmet], [422, ['o5', 'o4']]);
  });

  it('is refused with a sentence that names what is wrong', async (t) => {
    const { gateway } = await orders(t);
    const many = Array.from({ length: 1001 }, (_, i) => `o${i}`);
    for (const [body, says] of [
      ['{', /no JSON/],
      [{ ids: [] }, /at least one/],
      [{ ids: many }, /1001 ids: at most 1000/],
      [{ ids: ['o1'], filter: 'nothing=eq.1' }, /'nothing' is not known/],
      [{ ids: ['o1'], filter: 'status=is.open' }, /status/],
      [{ ids: ['o1'], select: ['nothing'] }, /no field 'nothing'/],
      [{ ids: [{ id: 'o1', minVersion: 1 }, { id: 'o1', minVersion: 2 }] }, /two minimum versions/],
    ]) {
      const answer = await ask(gateway, body);
      assert.equal(answer.status, 400, JSON.stringify(answer.body));
      assert.match(answer.body.detail, says);
    }
    const beside = await ask(gateway, { ids: ['o1'] }, { query: '?status=eq.held' });
    assert.match(beside.body.detail, /Beside a body the parameter 'status' has no meaning/);
    assert.equal((await ask(gateway, { ids: many.slice(1) })).body.items.length, 1000);
    const large = await ask(gateway, { ids: ['o1', ' '.repeat(65_536)] });
    assert.equal(large.status, 413);
    const form = await ask(gateway, 'ids=o1', { headers: { 'content-type': 'application/x-www-form-urlencoded' } });
    assert.equal(form.status, 415);
  });

  it('is as large as a page may be, and no larger', async (t) => {
    const text = 'x'.repeat(700_000);
    const publish = Array.from({ length: 14 }, (_, i) => order(`o${i}`, 1, { text }));
    const { gateway } = await orders(t, { publish });
    const ids = (count) => ({ ids: Array.from({ length: count }, (_, i) => `o${i}`) });
    assert.equal((await ask(gateway, ids(11))).body.items.length, 11);
    const beyond = await ask(gateway, ids(14));
    assert.equal(beyond.status, 400);
    assert.match(beyond.body.detail, /the first \d+ of these ids have more than 8388608 bytes/i);
  });
});
