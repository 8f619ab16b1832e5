// What is seen of declared fields beside the answers of queries: mismatches in /metrics and /v1/state.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Scrape } from '../support/prometheus.mjs';
import { event, scene } from '../support/scene.mjs';

const FIELDS = [
  { name: 'status', at: '/status', type: 'string' },
  { name: 'total', at: '/total', type: 'integer' },
  { name: 'tag', at: '/tags/*', type: 'string' },
];
const CONFIG = {
  collections: [
    { name: 'orders', fields: FIELDS, indexes: ['status,total.desc', 'tag'] },
    { name: 'customers', drop: ['/secret'] },
  ],
};

const order = (id, version, state) => event(id, version, state, { collection: 'orders' });

describe('mismatches of declared fields', () => {
  it('are counted by field of what is applied, and of nothing else', async (t) => {
    const publish = [
      order('1', 1, { status: 'open', total: 1, tags: ['a', 'b'] }),
      order('1', 2, { status: 1, total: 5.5, tags: 'a' }), // three of them
      order('1', 1, { status: 2 }), // too old
      order('2', 1, { total: '7', tags: ['a', 1, null, 2] }), // two
      order('2', 2, {}, { deleted: true }),
      order('3', 1, { status: null }),
      event('1', 1, { status: 3 }), // of a collection that declares none
    ];
    const s = await scene(t, { publish, gateway: { config: CONFIG } });
    await s.untilEqual();
    const read = async () => {
      const { text } = await s.gateway.get('/metrics');
      return new Scrape(text).all('stategate_field_mismatches_total').map(({ labels, value }) => [labels, value]);
    };
    assert.deepEqual(await read(), [
      [{ collection: 'orders', field: 'status' }, 1],
      [{ collection: 'orders', field: 'total' }, 2],
      [{ collection: 'orders', field: 'tag' }, 2],
    ]);
    const { collections } = (await s.gateway.get('/v1/state')).json();
    const of = (name) => collections.find((one) => one.name === name);
    assert.deepEqual(of('orders').fields, [
      { name: 'status', type: 'string', mismatches: 1 },
      { name: 'total', type: 'integer', mismatches: 2 },
      { name: 'tag', type: 'string', mismatches: 2 },
    ]);
    assert.equal('fields' in of('customers'), false);
  });
});
