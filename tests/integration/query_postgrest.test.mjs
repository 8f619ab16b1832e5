// What PostgREST's specifications ask of it, asked of the gateway: the same rows, orders and refusals, where they
// apply.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { startGateway } from '../support/gateway.mjs';
import { publishAll, startNats } from '../support/nats.mjs';
import { CASES, COLLECTIONS, NOT_HERE } from '../support/query/postgrest_cases.mjs';

const PASS_MIN = 60;

// The settings of the collections: 'name: "/pointer type"' written out. Where no index serves, rows are looked at.
function settings() {
  return Object.entries(COLLECTIONS).map(([name, { fields, indexes }]) => ({
    name,
    fields: Object.entries(fields).map(([field, text]) => {
      const [, at, type] = /^(\S+) (\w+)$/.exec(text);
      return { name: field, at, type };
    }),
    ...(indexes.length > 0 && { indexes }),
    scan: true,
  }));
}

function events() {
  return Object.entries(COLLECTIONS).flatMap(([collection, { documents }]) =>
    Object.entries(documents).map(([id, state]) => ({
      subject: `state.${collection}.${id}`,
      payload: Buffer.from(`{"version":1,"state":${state}}`),
    })),
  );
}

// The request as it goes out: an ampersand within a value is not between two.
export function pathOf(request) {
  const [collection, text = ''] = request.split(/\?(.*)/s);
  const parts = text === '' ? [] : text.split(/&(?=[a-z_.]+=)/);
  const encoded = parts.map((part) => {
    const [, name, value] = /^([^=]*)=(.*)$/s.exec(part);
    return `${name}=${encodeURIComponent(value)}`;
  });
  return `/v1/state/${collection}${encoded.length > 0 ? `?${encoded.join('&')}` : ''}`;
}

// What is selected stands in the place of the state.
const selected = ({ state }) => state;

export function judgeCase({ request, result }, answer) {
  if (typeof result === 'number') return assert.equal(answer.status, result, answer.text);
  assert.equal(answer.status, 200, answer.text);
  const { items } = answer.json();
  const came = items.map(({ id }) => id);
  if (Array.isArray(result)) {
    const ordered = /[?&]order=/.test(request);
    return assert.deepEqual(ordered ? came : [...came].sort(), ordered ? result : [...result].sort());
  }
  const wanted = Object.entries(result).map(([id, one]) => [id, typeof one === 'string' ? JSON.parse(one) : one]);
  assert.deepEqual(Object.fromEntries(items.map((item) => [item.id, selected(item)])), Object.fromEntries(wanted));
}

describe("PostgREST's cases", () => {
  let nats;
  let gateway;
  const passed = [];

  before(async () => {
    nats = await startNats();
    const client = await nats.client();
    await client.jsm.streams.add({ name: 'STATE', subjects: ['state.>'] });
    const list = await publishAll(client.js, events());
    gateway = await startGateway({ nats, config: { collections: settings() } });
    await gateway.untilPosition(list.length);
    await gateway.untilReady();
  });

  after(async () => {
    await gateway?.kill9();
    await nats?.stop();
  });

  for (const one of CASES) {
    it(`${one.spec}: ${one.name}`, async () => {
      judgeCase(one, await gateway.get(pathOf(one.request)));
      passed.push(one);
    });
  }

  it(`are ${PASS_MIN} at least, and the others have a reason`, (t) => {
    const specs = [...new Set(CASES.map(({ spec }) => spec))];
    const counts = specs.map((spec) => {
      const of = (list) => list.filter((one) => one.spec === spec).length;
      return `${spec} ${of(passed)} of ${of(CASES)}`;
    });
    t.diagnostic(`${passed.length} of ${CASES.length} cases pass (${counts.join(', ')}); these do not apply:`);
    for (const [spec, what, why] of NOT_HERE) t.diagnostic(`${spec}: ${what}: ${why}`);
    assert.ok(passed.length >= PASS_MIN);
  });
});
