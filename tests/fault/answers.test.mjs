// Clients by the thousand (COUNT) that ask for full pages and do not read them: what the gateway holds for them stays
// within `http.answers_bytes_max`, and others are served. In full, with the limit of the settings: COUNT=2000.
//
// ctest-timeout: 300
// ctest-serial

import assert from 'node:assert/strict';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { startGateway } from '../support/gateway.mjs';
import { Client, get, Holder, percentile } from '../support/http_load.mjs';
import { inMegabytes, residentBytes } from '../support/memory.mjs';
import { program, tempFolder } from '../support/process.mjs';
import { scrape } from '../support/prometheus.mjs';
import { event, scene } from '../support/scene.mjs';
import { throughout, until } from '../support/until.mjs';

const RELEASE = program('STATEGATE_RELEASE_BIN', 'build/release/stategate'); // no sanitizer's memory is counted
const MIB = 1024 * 1024;
const COUNT = Number(process.env.COUNT ?? 200);
const AT_ONCE = 50;
const LIMIT = (COUNT >= 2000 ? 256 : 32) * MIB;
const BESIDE = 100e6; // connections, and what else a process takes

describe('clients that ask for full pages and do not read', () => {
  it(`take no more memory than answers may, ${COUNT} of them, and others are served`, async (t) => {
    const text = 'x'.repeat(78_000);
    const bulk = Array.from({ length: 120 }, (_, i) => event(`b-${i}`, 1, { text }, { collection: 'bulk' }));
    // What the kernel holds of an answer on a unix socket is small: the rest is the gateway's.
    const socket = join(tempFolder(t, 'socket'), 's');
    const config = {
      listen: ['127.0.0.1:0', `unix:${socket}`],
      listen_ops: '127.0.0.1:0',
      http: { answers_bytes_max: `${LIMIT}`, answer_timeout: '10m' },
    };
    const s = await scene(t, { publish: [event('1', 1), ...bulk], gateway: null });
    s.gateway = await startGateway({ t, nats: s.nats, config, listen: null, bin: RELEASE });
    s.gateway.address = s.gateway.address.split(',')[0];
    await s.untilLive();
    const page = await s.gateway.get('/v1/state/bulk?limit=1000');
    assert.ok(page.body.length > 7 * MIB, `${page.body.length} bytes`);
    const before = residentBytes(s.gateway.pid);
    const readers = [];
    t.after(() => readers.forEach((reader) => reader.destroy()));
    const pages = { route: '/v1/state/{collection}' };
    const answered = async () => (await scrape(s.gateway)).sum('stategate_http_requests_total', pages);
    const beside = new Client(s.gateway.address, '/v1/state/customers/1');
    const first = get('/v1/state/bulk?limit=1000');
    while (readers.length < COUNT) {
      // No more at once than may wait to be accepted.
      for (let i = 0; i < AT_ONCE; i++) readers.push(new Holder(`unix:${socket}`, { first, read: false }));
      await until('they have asked', async () => (await answered()) >= readers.length + 1, { deadlineMs: 30_000 });
    }
    const most = { held: 0, resident: 0 };
    await throughout('they do not read', 3000, async () => {
      most.held = Math.max(most.held, (await scrape(s.gateway)).value('stategate_http_answer_bytes'));
      most.resident = Math.max(most.resident, residentBytes(s.gateway.pid));
      const one = await s.gateway.get('/v1/state/bulk?limit=1');
      return one.status === 503 || one.status === 200;
    });
    await beside.stop();
    t.diagnostic(
      `${COUNT} clients: ${inMegabytes(most.held)} of answers, ${inMegabytes(most.resident)} resident ` +
        `(${inMegabytes(before)} before); beside them ${beside.times.length} reads, p50 ` +
        `${percentile(beside.times, 0.5).toFixed(1)} ms, p99 ${percentile(beside.times, 0.99).toFixed(1)} ms`,
    );
    assert.deepEqual(beside.faults, []);
    assert.ok(beside.times.length > 100, `${beside.times.length} reads beside them`);
    assert.ok(most.held > LIMIT / 2 && most.held <= LIMIT + MIB, `${inMegabytes(most.held)} of answers`);
    assert.ok(most.resident - before <= LIMIT + BESIDE, `${inMegabytes(most.resident - before)} more are resident`);
    readers.forEach((reader) => reader.destroy());
    await until('all of it is free', async () => (await scrape(s.gateway)).value('stategate_http_answer_bytes') === 0);
  });
});
