// What answers say of rejected events, also once /v1/rejected has forgotten them.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { event, scene } from '../support/scene.mjs';

const bad = (id, version) => ({
  subject: `state.customers.${id}`,
  payload: Buffer.from(JSON.stringify({ version, state: 'text' })),
});

describe('State-Rejected', () => {
  it('lasts until a higher version, whatever rejected.max has dropped', async (t) => {
    const publish = [event('42', 7), event('gone', 1), event('gone', 2, {}, { deleted: true })];
    const s = await scene(t, { publish, gateway: { config: { rejected: { max: 2 } } } });
    await s.untilEqual();
    await s.publish([bad('42', 9), bad('gone', 3), bad('x', 1), bad('y', 1), bad('z', 1)]);
    await s.gateway.untilPosition((await s.info()).state.last_seq);
    const of = async (id, query = '') => s.gateway.get(`/v1/state/customers/${id}${query}`);
    assert.equal((await s.gateway.get('/v1/rejected')).json().items.length, 2);
    for (const restart of [false, true]) {
      if (restart) await s.gateway.restart();
      const answer = await of('42');
      assert.equal(answer.headers['state-rejected'], '9');
      const unchanged = await s.gateway.get('/v1/state/customers/42', {
        headers: { 'If-None-Match': answer.headers.etag },
      });
      assert.equal(unchanged.status, 304);
      assert.equal(unchanged.headers['state-rejected'], '9');
      assert.equal((await of('gone')).headers['state-rejected'], '3');
      assert.equal((await of('42', '?min_version=9&wait=5')).status, 422);
    }
    await s.publish([event('42', 8)]);
    await s.gateway.untilPosition((await s.info()).state.last_seq);
    assert.equal((await of('42')).headers['state-rejected'], '9');
    await s.publish([event('42', 10), event('gone', 3)]);
    await s.gateway.untilPosition((await s.info()).state.last_seq);
    for (const id of ['42', 'gone']) {
      const answer = await of(id);
      assert.equal(answer.status, 200);
      assert.equal(answer.headers['state-rejected'], undefined);
    }
  });
});
