// Three servers with a replicated stream, and two gateways on it: reads that carry their position never go back while
// leaders are killed, stopped and resumed, and an outdated leader proves nothing and rebuilds nothing.
// ctest-timeout: 420
// ctest-serial

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { campaign } from '../history/campaign.mjs';
import { check } from '../history/check.mjs';
import { startCluster } from '../support/cluster.mjs';
import { STATEGATE, startGateway } from '../support/gateway.mjs';
import { tempFolder } from '../support/process.mjs';
import { EPOCH } from '../support/scene.mjs';
import { until } from '../support/until.mjs';

const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const C1 = '/v1/state/customers/c-1';
const STREAM = 'STATE';

async function clusterScene(t, { gateways = 2 } = {}) {
  const cluster = await startCluster({ t });
  const admin = await cluster.client();
  await cluster.createStream(admin, { name: STREAM, subjects: ['state.>'] });
  const made = [];
  for (let i = 0; i < gateways; i++) made.push(await startGateway({ t, nats: cluster.url, bin: STATEGATE }));
  for (const gateway of made) await gateway.untilStatus('live', { deadlineMs: 20_000 });
  const publish = (client, version) =>
    until(
      'published',
      () =>
        client.js.publish('state.customers.c-1', `{"version":${version},"state":{"n":${version}}}`, {
          timeout: 2000,
          retries: 0,
        }),
      {
        deadlineMs: 30_000,
      },
    );
  return { cluster, admin, gateways: made, publish };
}

describe('a cluster', () => {
  it('whose leader is stopped, replaced and resumed: the old one proves nothing and rebuilds nothing', async (t) => {
    const { cluster, admin, gateways, publish } = await clusterScene(t);
    let version = 0;
    let acked = null;
    const write = async (client) => {
      await publish(client, ++version);
      acked = { version, at: performance.now() };
    };
    while (version < 5) await write(admin);
    const before = await Promise.all(gateways.map((gateway) => gateway.untilPosition(5)));

    const leader = await cluster.leader(admin, STREAM);
    const server = cluster.server(leader);
    const witness = await cluster.client({ servers: cluster.urls.filter((url) => url !== server.url) });
    let going = true;
    let checked = 0;
    const watching = gateways.map(async (gateway) => {
      while (going) {
        const known = acked;
        const sent = performance.now();
        const { headers, status } = await gateway.get(C1);
        assert.equal(status, 200);
        const shown = Number(headers['state-version']);
        const instant = sent - Number(headers['state-staleness'] ?? Infinity) * 1000;
        if (known.at < instant) {
          checked++;
          assert.ok(
            shown >= known.version,
            `${shown} shown as ${headers['state-staleness']} s old, ` +
              `${known.version} was acknowledged ${sent - known.at} ms ago`,
          );
        }
        await new Promise((done) => setTimeout(done, 5));
      }
    });
    server.pause();
    try {
      const next = await cluster.leader(witness, STREAM, { not: leader });
      t.diagnostic(`${leader} is stopped, ${next} leads`);
      while (version < 40) await write(witness);
    } finally {
      server.resume();
    }
    while (version < 60) await write(witness);
    await cluster.untilReplicated(witness, STREAM);
    for (const gateway of gateways) {
      await gateway.untilPosition(60, { deadlineMs: 30_000 });
      await gateway.untilStatus('live', { deadlineMs: 30_000 });
    }
    // Claims that reach back behind the last acknowledgement come at the latest when the stream is quiet.
    await until('answers claim an instant', () => checked > 20, { deadlineMs: 20_000 });
    going = false;
    await Promise.all(watching);
    for (const [i, gateway] of gateways.entries()) {
      const status = await gateway.status(STREAM);
      assert.equal(
        `${status.epoch} ${status.build}`,
        `${before[i].epoch} ${before[i].build}`,
        'the same incarnation, the same build',
      );
      const fresh = await gateway.get(`${C1}?max_staleness=0`);
      assert.equal(`${fresh.status} ${fresh.headers['state-version']}`, '200 60');
    }
  });

  it('gives positions that hold on every gateway: the epoch is that of the stream, not of the server', async (t) => {
    const { cluster, admin, gateways, publish } = await clusterScene(t);
    await publish(admin, 1);
    const positions = [];
    for (const gateway of gateways)
      positions.push((await gateway.get(`${C1}?min_version=1`)).headers['state-position']);
    assert.match(positions[0], new RegExp(`^STATE:1;epoch=${EPOCH}$`));
    assert.equal(positions[0], positions[1]);
    const leader = await cluster.leader(admin, STREAM);
    await cluster.server(leader).kill9();
    const carried = await gateways[1].get(C1, { headers: { 'Min-Position': positions[0] } });
    assert.equal(carried.status, 200, 'what is met is answered, whatever the cluster does');
    const survivor = await cluster.client({ servers: cluster.urls.filter((_, i) => cluster.names[i] !== leader) });
    await publish(survivor, 2);
    const answer = await gateways[0].get(`${C1}?min_version=2&wait=20`, { timeoutMs: 25_000 });
    assert.equal(answer.status, 200, answer.text);
    const next = await gateways[1].get(`${C1}?wait=20`, {
      headers: { 'Min-Position': answer.headers['state-position'] },
      timeoutMs: 25_000,
    });
    assert.equal(`${next.status} ${next.headers['state-version']}`, '200 2', next.text);
    await cluster.server(leader).start();
  });

  it('under faults gives a history that keeps every promise', async (t) => {
    const file = join(tempFolder(t, 'history'), 'history.jsonl');
    const operations = Number(process.env.OPERATIONS ?? 8000);
    const result = await campaign({
      t,
      file,
      seed: SEED,
      cluster: true,
      operations,
      secondsMax: 120,
      readers: 12,
      writers: 2,
      writeEveryMs: 10,
      readEveryMs: 15,
      bin: STATEGATE,
    });
    const report = await check(file);
    t.diagnostic(
      `SEED=${SEED}, ${result.operations} operations in ${result.seconds.toFixed(0)} s, ` +
        `faults: ${JSON.stringify(result.faults)}`,
    );
    t.diagnostic(`answers: ${JSON.stringify(report.statuses)}; met: ${JSON.stringify(report.met)}`);
    const found = report.violations
      .slice(0, 5)
      .map(({ rule, line, wrong, read }) => `${rule} (line ${line}): ${wrong} ${JSON.stringify(read)}`);
    assert.deepEqual(
      found,
      [],
      `${report.violations.length} violations, SEED=${SEED}: ${JSON.stringify(report.byRule)}`,
    );
    assert.ok(report.history.settled);
    for (const kind of ['leader-kill', 'leader-stop']) assert.ok(result.faults[kind] > 0, `${kind} happened`);
    assert.ok(report.met.carried > 50 && report.met.fresh > 20, JSON.stringify(report.met));
  });
});
