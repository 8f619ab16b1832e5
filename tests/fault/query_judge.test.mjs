// The judges of queries, judged: what they hold for right is what SQLite and the contract say, and of each wrong answer
// they say so. No gateway takes part; query_walk.test.mjs has them judge a real one.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { readJson } from '../support/json.mjs';
import { run, tempFolder } from '../support/process.mjs';
import { decide, wouldServe } from '../support/query/access.mjs';
import { expectedOf, judgeBatchItems, makeBatch } from '../support/query/batch.mjs';
import { declarations, Documents, idOf, THINGS } from '../support/query/documents.mjs';
import { matching } from '../support/query/expect.mjs';
import { comparerOf, Declaration, parseKeys, rowOf } from '../support/query/fields.mjs';
import { Hostile } from '../support/query/hostile.mjs';
import { judgeAnswer } from '../support/query/hostile_judge.mjs';
import { Judge, verdict } from '../support/query/judge.mjs';
import { Model, PLANTS } from '../support/query/model.mjs';
import { judgeMoving, Moving } from '../support/query/moving.mjs';
import { parseQuery, Refused } from '../support/query/parse.mjs';
import { Queries } from '../support/query/queries.mjs';
import { selectSql, tablesSql } from '../support/query/sql.mjs';
import { compareStrings, extract, fromQuery, Mismatch } from '../support/query/values.mjs';
import { Walker } from '../support/query/walk.mjs';
import { Random } from '../support/workload.mjs';

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const ROWS = 200;
const QUERIES = 100;

function world(seed, count = ROWS) {
  const random = new Random(seed);
  const documents = new Documents(random);
  const [declaration] = declarations();
  const occurredAt = (i) => (i % 3 === 0 ? null : documents.time());
  const rows = Array.from({ length: count }, (_, i) => {
    const [version, sequence, state] = [i + 1, i + 1, documents.state()];
    return rowOf(declaration, { id: idOf(i), version, sequence, occurredAt: occurredAt(i), state });
  });
  return { random, documents, declaration, rows, queries: new Queries(random, declaration, rows, documents) };
}

const member = (text) => readJson(Buffer.from(text));
const take = (type, text) => extract({ at: '/a', type }, member(`{"a":${text}}`));

describe('the values of fields', () => {
  it('are exact, and nothing of another type is one', () => {
    const right = [
      ['integer', '9223372036854775807', 9223372036854775807n],
      ['integer', '-9223372036854775808', -9223372036854775808n],
      ['integer', '9007199254740993', 9007199254740993n],
      ['number', '9007199254740993', 9007199254740992],
      ['number', '1e-400', 0],
      ['boolean', 'true', true],
      ['string', `"${'ü'.repeat(256)}"`, 'ü'.repeat(256)],
      ['time', '"1970-01-01T00:00:00.000000001Z"', 1n],
      ['time', '"1969-12-31T23:59:59.999999999Z"', -1n],
      ['time', '"2026-01-31T13:00:00+01:00"', 1769860800000000000n],
      ['time', '"2016-12-31T23:59:60Z"', 1483228800000000000n],
      ['time', '"2262-04-11T23:47:16.854775807Z"', 9223372036854775807n],
      ['time', '"1677-09-21T00:12:43.145224192Z"', -9223372036854775808n],
    ];
    for (const [type, text, value] of right) assert.deepEqual(take(type, text), { value, mismatches: 0 }, text);
    const wrong = [
      ...['5.0', '1e3', '9223372036854775808', '-9223372036854775809', '"5"'].map((text) => ['integer', text]),
      ...['1e309', '"1"', 'true'].map((text) => ['number', text]),
      ...[`"${'ü'.repeat(256)}x"`, '1', '{}'].map((text) => ['string', text]),
      ...['"2262-04-11T23:47:16.854775808Z"', '"1677-09-21T00:12:43.145224191Z"'].map((text) => ['time', text]),
      ...['"2026-02-29T00:00:00Z"', '"2026-01-01T00:00:00.1234567890Z"', '"2026-01-01"'].map((text) => ['time', text]),
    ];
    for (const [type, text] of wrong) assert.deepEqual(take(type, text), { value: null, mismatches: 1 }, text);
    assert.deepEqual(take('string', 'null'), { value: null, mismatches: 0 });
    assert.equal(fromQuery('time', '2026-01-31T13:00:00 01:00'), 1769860800000000000n);
    assert.throws(() => fromQuery('integer', '1e3'), Mismatch);
  });

  it('of an array are each once, ascending, without nulls', () => {
    const field = { at: '/a/*', type: 'integer' };
    const of = (text) => extract(field, member(`{"a":${text}}`));
    assert.deepEqual(of('[3,1,"x",null,3,1.5,-2]'), { value: [-2n, 1n, 3n], mismatches: 2 });
    assert.deepEqual(of('[null]'), { value: null, mismatches: 0 });
    assert.deepEqual(of('{}'), { value: null, mismatches: 1 });
    assert.equal(of(`[${Array(256).fill(1)}]`).value.length, 1);
    assert.deepEqual(of(`[${Array(257).fill(1)}]`), { value: null, mismatches: 1 });
  });

  it('strings compare by their bytes', () => {
    const texts = ['', 'a', 'ab', 'b', 'é', 'e\u0301', '\ue000', '\uffff', '🦀', '\u{10ffff}', '\0', 'a\0b', '\ud7ff'];
    for (const a of texts)
      for (const b of texts)
        assert.equal(Math.sign(compareStrings(a, b)), Buffer.compare(Buffer.from(a), Buffer.from(b)), `${a} ${b}`);
  });
});

describe(`filter and order (SEED=${SEED})`, () => {
  it('are those of SQLite', async (t) => {
    const { declaration, rows, queries } = world(SEED, 400);
    const asked = Array.from({ length: 300 }, () => queries.meaning());
    const file = join(tempFolder(t, 'sql'), 'check.sql');
    const statements = asked.map((query) => selectSql(declaration, query));
    writeFileSync(file, ['BEGIN;', ...tablesSql(declaration, rows), 'COMMIT;', ...statements].join('\n'));
    const args = ['-batch', '-list', '-noheader', ':memory:', `.read '${file}'`];
    const { stdout, stderr, code } = await run('sqlite3', args);
    assert.equal(`${code}${stderr}`, '0');
    const answers = stdout.trimEnd().split('\n').map((line) => JSON.parse(line));
    assert.equal(answers.length, asked.length);
    for (const [i, query] of asked.entries()) {
      const ours = matching(declaration, query, rows).sort(comparerOf(declaration, query.order ?? []));
      assert.deepEqual(ours.map(({ id }) => id), answers[i], statements[i]);
    }
    assert.ok(answers.filter((ids) => ids.length > 0 && ids.length < rows.length).length > 100, 'most tell rows apart');
  });

  it('mean what is written', () => {
    const { declaration, rows, queries } = world(SEED + 1, 60);
    for (let i = 0; i < 500; i++) {
      const query = queries.query();
      const read = parseQuery(declaration, query.text);
      const ids = (one) => matching(declaration, one, rows).map(({ id }) => id);
      assert.deepEqual(ids(read), ids(query), query.text);
      assert.deepEqual([read.order, read.select, read.count], [query.order, query.select, query.count], query.text);
      assert.equal(verdict(declaration, read), verdict(declaration, query), query.text);
    }
  });
});

describe('what is accepted', () => {
  const declaration = new Declaration(THINGS);
  const decided = (text) => decide(declaration, parseQuery(declaration, text));

  it('is what a declared index serves', () => {
    const served = {
      '': 'id', 'order=id': 'id', 'id=gt.a': 'id', 'id=like.a*': 'id', 'status=eq.open': 'status,placed.desc',
      'status=eq.open&order=placed.desc': 'status,placed.desc', 'status=eq.open&order=total': 'status,total',
      'status=eq.open&total=gte.1&total=lt.9': 'status,total', 'total=gt.1': 'total', 'order=total': 'total',
      'order=total.desc.nullsfirst': 'total.desc.nullsfirst', 'units=lt.5': 'units.desc', 'tag=eq.a': 'tag',
      'tag=eq.a&order=id': 'tag', 'open=is.true': 'open,units', 'open=is.null&units=is.not_null': 'open,units',
      'total=gt.1&status=neq.x': 'total', 'total=eq.1&order=total': 'total',
      'order=total&or=(status.eq.a,city.eq.b)': 'total',
      'and=(status.eq.open,total.gt.1)': 'status,total', 'odd=like.x*': 'odd',
      'city=eq.a&status=eq.b&total=eq.1&placed=gt.2026-01-01T00:00:00Z': 'city,status,total.desc,placed',
      'placed=is.not_null&order=placed.nullslast': 'placed.nullslast',
    };
    for (const [text, index] of Object.entries(served)) {
      const { accepted, walks } = decided(text);
      assert.deepEqual([accepted, walks?.[0].index.text], [true, index], text);
    }
  });

  it('is nothing else', () => {
    const refused = [
      'order=units', 'order=placed', 'order=total.desc', 'order=status', 'order=version', 'status=neq.a',
      'tag=not.eq.a', 'or=(status.eq.a,status.eq.b)', 'not.and=(status.eq.a)', 'total=not.gt.1',
      'version=eq.1', 'occurred_at=is.null',
      'status=eq.a&order=id', 'status=gt.a&order=placed.desc', 'units=isdistinct.1', 'tag=gt.a&order=id',
      'order=id.desc',
    ];
    for (const text of refused) assert.equal(decided(text).accepted, false, text);
    const scanned = declarations()[1];
    assert.equal(decide(scanned, parseQuery(scanned, 'tag=not.eq.a')).accepted, true);
  });

  it('and the index that would serve is told from one that would not', () => {
    const needs = {
      'order=units': 'units',
      'status=eq.a&order=id': 'status',
      'status=gt.a&order=placed.desc': 'placed.desc',
    };
    for (const [text, needed] of Object.entries(needs)) {
      const query = parseQuery(declaration, text);
      assert.equal(wouldServe(declaration, query, needed), true, text);
      for (const other of ['', 'city', 'never', 'units.desc', 'a b', 'tag,units'])
        assert.equal(wouldServe(declaration, query, other), false, `${text} by ${other}`);
    }
    assert.equal(wouldServe(declaration, parseQuery(declaration, 'version=eq.1'), ''), true);
    assert.equal(parseKeys('total..desc'), null);
  });

  it('is no text outside the grammar', () => {
    const wrong = [
      'never=eq.1', 'status=open', 'status=like.a', 'status=ilike.a*', 'status=not.not.eq.a', 'units=in.()',
      'status=in.a', 'status=eq."a', 'status=eq."a"b', 'units=eq.5.0', 'units=eq.1e3', 'total=eq.1e400', 'open=eq.yes',
      'open=is.maybe',
      'status=is.true', 'placed=eq.2026-01-01', 'and=()', 'and=status.eq.a', 'or=(status.eq.a', 'or=(status.eq.a))',
      'limit=0', 'limit=1001', 'limit=1&limit=2', 'order=tag', 'order=never', 'order=total.up', 'select=never',
      'count=all',
      'and=(or(and(or(and(status.eq.a)))))', `and=(${Array(33).fill('total.gt.1')})`, 'units=like.1*', 'status=in.("a)',
      'status=eq.%ff', `status=in.(${Array(1001).fill('a')})`, 'or=(status.eq.a)&or=(status.eq.b)', 'status=eq."\\n"',
    ];
    for (const text of wrong) assert.throws(() => parseQuery(declaration, text), Refused, text);
    const right = [
      'and=(or(and(or(status.eq.a))))', `and=(${Array(32).fill('total.gt.1')})`, 'status=eq.', 'total=gt.1&total=lt.2',
    ];
    for (const text of right) assert.ok(parseQuery(declaration, text), text);
  });
});

// Two replicas, whose rows have different numbers.
function replicas({ declaration, rows }, plant, change = (one) => one) {
  const numbers = (factor) => new Map(rows.map(({ id }, i) => [id, (i * factor) % rows.length]));
  const model = (factor) => new Model({ declarations: [declaration], rows, numbers: numbers(factor), plant });
  return [1, 7].map((factor) => change(model(factor)));
}

async function judged(made, asked, ...how) {
  const judge = new Judge({ ...made, replicas: replicas(made, ...how), whole: how.length > 1 ? 1 : 0.1 });
  const faults = [];
  for (const query of asked) faults.push(...(await judge.ask(query)));
  return { faults, judge };
}

describe(`the judge of answers (SEED=${SEED})`, () => {
  const made = world(SEED + 2);
  const asked = Array.from({ length: QUERIES }, () => made.queries.query());

  it('finds nothing wrong with right ones', async (t) => {
    const { faults, judge } = await judged(made, asked);
    t.diagnostic(judge.words);
    assert.deepEqual(faults, []);
    assert.ok(judge.told.walked > QUERIES / 4 && judge.told.refused > QUERIES / 20, judge.words);
  });

  for (const plant of PLANTS) {
    it(`sees the bug: ${plant}`, async () => {
      // Some queries are there for each bug; how many show it is up to chance.
      for (let tries = 0; tries < 4; tries++) {
        const world_ = world(SEED + 3 + tries);
        const { faults } = await judged(world_, Array.from({ length: QUERIES }, () => world_.queries.query()), plant);
        if (faults.length > 0) return;
      }
      assert.fail('not seen');
    });
  }

  for (const [what, change] of Object.entries(tamperings())) {
    it(`sees ${what}`, async () => {
      const { faults } = await judged(made, asked.slice(0, 60), undefined, (model) => tampered(model, change));
      assert.ok(faults.length > 0, 'not seen');
    });
  }
});

describe(`the judge of pages that move (SEED=${SEED})`, () => {
  const drift = 'a cursor that follows its row';

  // Every third row changes at each second sequence.
  function history(seed) {
    const made = world(seed);
    const moving = new Moving(made.declaration, made.rows);
    for (let sequence = ROWS + 1; sequence < 3 * ROWS; sequence++) {
      const { id } = made.rows[made.random.between(0, ROWS / 3 - 1) * 3];
      const row = { id, version: sequence, sequence, occurredAt: null, state: made.documents.state() };
      moving.add(id, sequence, made.random.chance(0.1) ? null : rowOf(made.declaration, row));
    }
    return { ...made, moving };
  }

  // Answers from the rows as they are at a sequence that moves on from page to page.
  class MovingModel {
    constructor({ declaration, moving }, plant) {
      Object.assign(this, { declaration, moving, plant, sequence: ROWS });
    }

    async get(path) {
      if (!path.includes('cursor=')) [this.sequence, this.after, this.first] = [ROWS, undefined, undefined];
      this.sequence += 25;
      this.first ??= this.sequence;
      const answer = await this.at(path, this.sequence - (this.plant === 'an older snapshot' ? 9 : 0));
      if (this.plant === 'two snapshots in a page') await this.mix(answer, path);
      const body = answer.json();
      const { id } = body.next ? JSON.parse(Buffer.from(body.next, 'base64url')) : {};
      this.after = this.moving.at(id, this.sequence) ?? this.moving.at(id, this.sequence - 9);
      const since = this.plant === 'a later repair link' ? this.sequence + 1 : this.first;
      const link = answer.headers.link?.replace('since=0', `since=STATE:${since};epoch=model1`);
      return { ...answer, headers: { link, 'state-position': `STATE:${this.sequence};epoch=model1` } };
    }

    at(path, sequence) {
      const model = new Model({ declarations: [this.declaration], rows: this.moving.rowsAt(sequence) });
      if (this.after && this.plant !== drift) model.byId.set(this.after.id, this.after);
      if (this.after && !model.byId.has(this.after.id)) model.byId.set(this.after.id, this.after);
      return model.get(path);
    }

    async mix(answer, path) {
      const older = (await this.at(path, this.sequence - 60)).json().items ?? [];
      const body = answer.json();
      if (body.items) body.items = [...body.items.slice(0, 3), ...older.slice(3)].slice(0, body.items.length);
      const text = JSON.stringify(body);
      Object.assign(answer, { text, body: Buffer.from(text), json: () => JSON.parse(text) });
    }
  }

  async function walks(plant, seed = SEED + 9) {
    const made = history(seed);
    const walker = new Walker({ ...made, replicas: [new MovingModel(made, plant)], pagesMax: 2 * ROWS });
    const faults = [];
    for (let i = 0; i < 40; i++) {
      const query = { ...made.queries.meaning(), limit: 20 };
      query.text = made.queries.write(query);
      const walk = await walker.walk(query);
      if (walk.refused === null) faults.push(...walk.faults, ...judgeMoving(made.moving, query, walk.pages));
    }
    return faults;
  }

  it('finds nothing wrong with right ones', async () => assert.deepEqual(await walks(), []));

  for (const plant of ['an older snapshot', 'two snapshots in a page', 'a later repair link', drift]) {
    it(`sees ${plant}`, async () => {
      for (let tries = 0; tries < 8; tries++) if ((await walks(plant, SEED + 10 + tries)).length > 0) return;
      assert.fail('not seen');
    });
  }
});

describe(`the judge of hostile queries (SEED=${SEED})`, () => {
  const made = world(SEED + 30);
  const model = new Model({ declarations: [made.declaration], rows: made.rows });
  const hostile = new Hostile(made.random, made.queries);
  const texts = Array.from({ length: 500 }, () => hostile.text());

  async function judgedBy(change) {
    const found = [];
    for (const text of texts) {
      const answer = await model.get(`/v1/state/things?${text}`);
      found.push(judgeAnswer(made.declaration, text, change(answer)));
    }
    return found.filter((fault) => fault !== null);
  }

  it('finds nothing wrong with right answers', async () => {
    const statuses = [];
    assert.deepEqual(await judgedBy((answer) => (statuses.push(answer.status), answer)), []);
    const good = statuses.filter((status) => status === 200).length;
    assert.ok(good > 10 && good < 250, `${good} of 500 are good`);
  });

  const lies = {
    'a 500': (answer) => (answer.status === 400 ? { ...answer, status: 500 } : answer),
    'an answer that is cut': (answer) => ({ ...answer, text: answer.text.slice(0, -1) }),
    'a page without items': (answer) => (answer.status === 200 ? { ...answer, text: '{}' } : answer),
    'a refusal without a reason': (answer) => (answer.status === 400 ? { ...answer, text: '{"status":400}' } : answer),
    'an answer to what is no query': (answer) => ({ ...answer, status: 200, text: '{"items":[]}' }),
    'a refusal of what is one': (answer) => ({ ...answer, status: 400, text: '{"status":400,"detail":"no"}' }),
  };
  for (const [what, change] of Object.entries(lies))
    it(`sees ${what}`, async () => assert.notDeepEqual(await judgedBy(change), []));
});

describe(`the judge of batches (SEED=${SEED})`, () => {
  const { random, declaration, rows } = world(SEED + 40);
  const collection = { declaration, rows, deleted: new Map([['gone', 7]]) };
  const batches = Array.from({ length: 60 }, () => makeBatch(random, collection));
  const answer = (items) => {
    const text = `{"items":[${items.join()}]}`;
    return { status: 200, text, body: Buffer.from(text) };
  };
  const judged = (change) => {
    const faults = batches.map((batch) => {
      const right = expectedOf(collection, batch).map(({ text }) => text);
      return judgeBatchItems(collection, batch, answer(change(right)));
    });
    return faults.filter((fault) => fault !== null);
  };

  it('finds nothing wrong with right ones', () => assert.deepEqual(judged((items) => items), []));

  const lies = {
    'another order': (items) => items.reverse(),
    'an item that is missing': (items) => items.slice(1),
    'an item too many': (items) => [...items, '{"id":"more","status":404}'],
    'another status': (items) => items.map((item) => item.replace('"status":410', '"status":404')),
    'another digit': (items) => items.map((item) => item.replace('"total":10.0', '"total":10')),
  };
  for (const [what, change] of Object.entries(lies))
    it(`sees ${what}`, () => assert.notDeepEqual(judged(change), []));
});

// A replica whose answers are changed before they are judged.
function tampered(model, change) {
  return {
    get: async (path) => {
      const answer = await model.get(path);
      const text = answer.status === 200 || change.refusals ? change.text(answer) : answer.text;
      const headers = change.headers && answer.status === 200 ? change.headers(answer.headers) : answer.headers;
      const status = change.status?.(answer, path) ?? answer.status;
      return { ...answer, status, headers, text, body: Buffer.from(text), json: () => JSON.parse(text) };
    },
  };
}

function tamperings() {
  const same = ({ text }) => text;
  const body = (change) => ({ text: ({ json }) => JSON.stringify(change(json())) });
  const link = (change) => ({ text: same, headers: (one) => ({ ...one, link: change(one.link) }) });
  const items = (change) => body((one) => ({ ...one, items: change(one.items) }));
  const refusal = (change) => ({
    refusals: true,
    text: (answer) => (answer.status === 400 ? JSON.stringify({ ...answer.json(), ...change }) : answer.text),
  });
  return {
    'a row that is missing': items((list) => list.slice(1)),
    'a row twice': items((list) => [...list, ...list.slice(0, 1)]),
    'two rows that changed places': items(([a, b, ...more]) => (b ? [b, a, ...more] : [])),
    'another version': items((list) => list.map((item) => ({ ...item, version: 7777 }))),
    'digits that a double cannot hold': body((one) => one), // JavaScript's reader and writer alone lose them
    'no next': link((text) => text.replace('rel="next"', 'rel="last"')),
    'no changes': link((text) => text.replace('rel="changes"', 'rel="last"')),
    'another cursor in Link': link((text) => text.replace('cursor=', 'cursor=x')),
    'a page that ends all': body(({ next: _, ...one }) => one),
    'a wrong count': body((one) => ('count' in one ? { ...one, count: one.count + 1 } : one)),
    'a count that is too large': body((one) =>
      'count' in one ? { ...one, count: { value: 99999, relation: 'gte' } } : one,
    ),
    'a count that nobody wanted': body((one) => ({ count: 1, ...one })),
    'a refusal of what is served': { text: same, status: ({ status }) => (status === 200 ? 400 : undefined) },
    'an answer to what is not served': {
      refusals: true,
      text: ({ status, text }) => (status === 400 ? '{"items":[]}' : text),
      status: ({ status }) => (status === 400 ? 200 : undefined),
    },
    'a refusal by 500': { text: same, status: ({ status }) => (status === 400 ? 500 : undefined) },
    'a refusal for another reason': refusal({ type: 'urn:stategate:problem:bad-request' }),
    'no indexes named': refusal({ available: [] }),
    'an index that would not serve': refusal({ needed: 'city,odd' }),
  };
}
