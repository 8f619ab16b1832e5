// A key-value bucket, written by NATS's own client, is a collection: keys are ids, revisions are versions.
// ctest-threads:

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { differences, snapshot } from '../support/db.mjs';
import { Fold } from '../support/fold.mjs';
import { startGateway } from '../support/gateway.mjs';
import { createBucket, NATS_SERVER, NATS_SERVER_NEWEST, startNats } from '../support/nats.mjs';
import { until } from '../support/until.mjs';

const MAPPING = { name: 'KV_settings', subject: '$KV.settings.{id}', collection: 'settings', format: 'kv' };

async function bucket(t, options = {}, bin = NATS_SERVER) {
  const nats = await startNats({ t, bin });
  const client = await nats.client();
  const kv = await createBucket(client, 'settings', options);
  return { nats, client, kv };
}

const follow = (t, nats) => startGateway({ t, nats, config: { streams: [MAPPING] } });

for (const [version, bin] of Object.entries({
  'the server of the distribution': NATS_SERVER,
  'the newest server': NATS_SERVER_NEWEST,
})) {
  describe(`a bucket of ${version}`, () => {
    it('is followed: put, delete, purge and put again, with revisions as versions', async (t) => {
      const { nats, kv } = await bucket(t, { history: 1 }, bin);
      const gateway = await follow(t, nats);
      const get = (key) => gateway.get(`/v1/state/settings/${encodeURIComponent(key)}`);
      const at = (revision) => gateway.untilPosition(revision);

      const first = await kv.put('theme', '{ "dark" : true, "size": 0.10 }');
      await at(first);
      let answer = await get('theme');
      assert.equal(answer.text, '{"dark":true,"size":0.10}');
      assert.equal(answer.headers['state-version'], String(first));

      const second = await kv.put('theme', '{"dark":false}');
      await at(second);
      assert.equal((await get('theme')).headers['state-version'], String(second));

      await kv.delete('theme');
      await at(second + 1);
      answer = await get('theme');
      assert.equal(answer.status, 410);
      assert.equal(answer.headers['state-version'], String(second + 1));

      const back = await kv.put('theme', '{"back":1}');
      await at(back);
      assert.equal((await get('theme')).text, '{"back":1}');

      await kv.purge('theme');
      await at(back + 1);
      assert.equal((await get('theme')).status, 410);
      await gateway.untilStatus('live');
    });

    it('holds any JSON value, keys of several tokens, and refuses what is no JSON', async (t) => {
      const { nats, kv } = await bucket(t, { history: 5 }, bin);
      const values = {
        a: '1',
        b: '"text"',
        c: 'null',
        d: '[1, 2,\t3]',
        e: 'true',
        f: '1e400',
        'g.h.i': '{"deep":{}}',
        'k/l=m_n-o': '{}',
      };
      for (const [key, value] of Object.entries(values)) await kv.put(key, value);
      const bad = await kv.put('bad', 'plain text');
      const empty = await kv.put('empty', '');
      const gateway = await follow(t, nats);
      await gateway.untilPosition(empty);
      for (const [key, value] of Object.entries(values)) {
        const answer = await gateway.get(`/v1/state/settings/${encodeURIComponent(key)}`);
        assert.equal(answer.text, value.replace(/[ \t]/g, ''), key);
      }
      const { items } = (await gateway.get('/v1/rejected')).json();
      assert.deepEqual(
        items.map(({ sequence, reason, id }) => [sequence, reason, id]),
        [
          [empty, 'bad-json', 'empty'],
          [bad, 'bad-json', 'bad'],
        ],
      );
      assert.equal((await gateway.get('/v1/state/settings/bad')).headers['state-rejected'], String(bad));
    });

    it('is what the fold of its messages says, through a thousand random changes', async (t) => {
      const { nats, kv, client } = await bucket(t, { history: 64 }, bin);
      const gateway = await follow(t, nats);
      for (let i = 0; i < 1000; i++) {
        const key = `k-${(i * 7919) % 23}`;
        if (i % 11 === 5) await kv.delete(key);
        else if (i % 97 === 7) await kv.purge(key);
        else await kv.put(key, i % 50 === 3 ? `{"broken":${i}` : `{"i":${i}}`);
      }
      const { state } = await client.jsm.streams.info('KV_settings');
      await gateway.untilPosition(state.last_seq);
      // What is still in the stream gives the same end state: what a purge took away lay below its marker.
      const fold = new Fold(MAPPING);
      for (let seq = state.first_seq; seq <= state.last_seq; seq++) {
        const message = await client.jsm.streams.getMessage('KV_settings', { seq }).catch(() => null);
        if (message)
          fold.apply({ seq, subject: message.subject, payload: Buffer.from(message.data), headers: message.header });
      }
      await until('the rows are those of the fold', async () => {
        assert.deepEqual(differences(await snapshot(gateway.database), 'KV_settings', fold, { rejected: false }), []);
        return true;
      });
    });
  });
}
