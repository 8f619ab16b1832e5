// Streams that mirror another, or have sources: whose subjects they hold, and how old what they show may be.
// ctest-timeout: 300

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { startGateway } from '../support/gateway.mjs';
import { createBucket, NATS_SERVER, NATS_SERVER_NEWEST, startNats } from '../support/nats.mjs';
import { freePort } from '../support/ports.mjs';
import { event } from '../support/scene.mjs';
import { timed, throughout, until } from '../support/until.mjs';

const WITHIN = { deadlineMs: 15_000 };

// A hub that owns ORDERS, and a leaf server that copies it as EDGE, which the gateway follows. `move` gives the hub and
// the leaf connections another port: so a hub that is started again does not reach its leaf.
async function edgeScene(t, bin, config) {
  const ports = [await freePort(), await freePort()];
  const domain = (folder, name) =>
    `server_name: ${name}\njetstream { store_dir: "${folder}/store", domain: ${name} }\n`;
  const hubConfig = (port) => (folder) => `${domain(folder, 'hub')}leafnodes { listen: "127.0.0.1:${port}" }\n`;
  const hub = await startNats({ t, bin, config: hubConfig(ports[0]) });
  const leaf = await startNats({
    t,
    bin,
    config: (folder) =>
      `${domain(folder, 'leaf')}leafnodes { reconnect: 1, remotes: [{ url: "nats-leaf://127.0.0.1:${ports[0]}" }] }\n`,
  });
  const owner = await hub.client();
  const edge = await leaf.client();
  await owner.jsm.streams.add({ name: 'ORDERS', subjects: ['state.>'] });
  await owner.js.publish('state.orders.1', event('1', 1).payload);
  const origin = { name: 'ORDERS', external: { api: '$JS.hub.API' } };
  await until('the servers are linked', () => edge.nc.request('$JS.hub.API.STREAM.INFO.ORDERS', '', { timeout: 500 }));
  await edge.jsm.streams.add({ name: 'EDGE', ...(config === 'mirror' ? { mirror: origin } : { sources: [origin] }) });
  await until('it has the message', async () => (await edge.jsm.streams.info('EDGE')).state.last_seq === 1);
  const streams = [{ name: 'EDGE', subject: 'state.{collection}.{id}' }];
  const gateway = await startGateway({ t, nats: leaf, config: { streams } });
  await gateway.untilStatus('live', WITHIN);
  return {
    hub,
    gateway,
    restartHub: (linked) => hub.restart({ config: hubConfig(ports[linked ? 0 : 1]) }),
    hubClient: () => hub.client(),
  };
}

for (const [version, bin] of Object.entries({
  'the server of the distribution': NATS_SERVER,
  'the newest server': NATS_SERVER_NEWEST,
})) {
  describe(`a template that matches nothing of a mirror, on ${version}`, () => {
    for (const [how, config] of [
      ['a mirror', { mirror: { name: 'KV_origin' } }],
      ['a stream with sources', { sources: [{ name: 'KV_origin' }] }],
    ]) {
      it(`is reported of ${how}, also after a restart, until a message matches`, async (t) => {
        const nats = await startNats({ t, bin });
        const client = await nats.client();
        const kv = await createBucket(client, 'origin', { history: 1 });
        await kv.put('k', '"v"');
        await client.jsm.streams.add({ name: 'KV_edge', max_msgs_per_subject: 1, ...config });
        await until('it has the message', async () => (await client.jsm.streams.info('KV_edge')).state.last_seq === 1);
        const streams = [{ name: 'KV_edge', format: 'kv', collection: 'c' }];
        const gateway = await startGateway({ t, nats, config: { streams } });
        const reason = /none of its messages matches the template's filter \$KV\.edge\.>/;
        const reported = async () => {
          await until('it is reported', async () => reason.test((await gateway.status()).lastError), WITHIN);
          await gateway.untilStatus('live', WITHIN);
          const where = ({ error }) => reason.test(error);
          assert.equal((await gateway.untilLogged('stream_warning', { where, ...WITHIN })).length, 1);
        };
        await reported();
        await gateway.restart();
        await reported();
        // The right one.
        streams[0].subject = '$KV.origin.{id}';
        await gateway.restart({ config: { streams } });
        await gateway.untilStatus('live', WITHIN);
        await gateway.untilPosition(1);
        assert.equal((await gateway.get('/v1/state/c/k')).text, '"v"');
        assert.equal((await gateway.status()).lastError, undefined);
      });
    }
  });

  for (const config of ['mirror', 'sources']) {
    describe(`the staleness of a stream with ${config}, on ${version}`, () => {
      it('counts from what it last heard of its origin, and an origin that is lost makes it grow', async (t) => {
        const { gateway, restartHub, hubClient } = await edgeScene(t, bin, config);
        const read = (headers) => gateway.get('/v1/state/orders/1', { headers });
        const staleness = async () => Number((await read({})).headers['state-staleness']);
        await throughout('it is at least the delay', 1500, async () => (await staleness()) >= 1);

        // As fresh as the origin it never is: refused at once, with the reason. Three seconds old it is.
        const { ms, result } = await timed(() => read({ 'Max-Staleness': '0', Prefer: 'wait=20' }));
        assert.equal(result.status, 504);
        assert.match(result.json().type, /too-stale$/);
        assert.match(result.json().detail, /EDGE is a mirror or has sources/);
        assert.ok(result.headers['retry-after']);
        assert.ok(ms < 5000, `${ms} ms`);
        assert.equal((await gateway.get('/v1/state', { headers: { 'Max-Staleness': '0' } })).status, 504);
        assert.equal((await read({ 'Max-Staleness': '3', Prefer: 'wait=20' })).status, 200);
        // A position that is not there yet may be on its way: it is waited for.
        const beyond = await read({ 'Min-Position': 'EDGE:2', Prefer: 'wait=1' });
        assert.match(beyond.json().type, /position-not-reached$/);

        await restartHub(false);
        const unlinked = await hubClient();
        await unlinked.js.publish('state.orders.1', event('1', 2).payload);
        await gateway.untilStatus('catching-up', { deadlineMs: 20_000 });
        assert.ok((await staleness()) >= 5);
        assert.equal((await read({ 'Max-Staleness': '3', Prefer: 'wait=1' })).status, 504);

        await restartHub(true);
        await until(
          'what was published meanwhile is shown',
          async () => (await read({})).headers['state-version'] === '2',
          { deadlineMs: 60_000 },
        );
        await gateway.untilStatus('live', { deadlineMs: 60_000 });
      });
    });
  }
}
