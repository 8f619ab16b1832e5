// Queries that are wrong somewhere, or as expensive as they may be: each gets an answer that the contract has, none of
// them a 5xx but 503; no loop computes for 5 ms at one go; and reads by id go on beside them.
//
// COUNT queries (3,000 by default) from SEED; in full COUNT=100000.
// ctest-timeout: 300

import assert from 'node:assert/strict';
import http from 'node:http';
import { describe, it } from 'node:test';

import { Client, percentile } from '../support/http_load.mjs';
import { inMegabytes, MEGABYTE, residentBytes } from '../support/memory.mjs';
import { program } from '../support/process.mjs';
import { scrape } from '../support/prometheus.mjs';
import { ask } from '../support/query/ask.mjs';
import { Hostile } from '../support/query/hostile.mjs';
import { judgeAnswer, judgeBatch } from '../support/query/hostile_judge.mjs';
import { Queries } from '../support/query/queries.mjs';
import { queryWorld } from '../support/query/world.mjs';
import { Random } from '../support/workload.mjs';

const RELEASE = program('STATEGATE_RELEASE_BIN', 'build/release/stategate'); // no sanitizer's time is counted
const COUNT = Number(process.env.COUNT ?? 3000);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const AT_ONCE = 8;
const DOCUMENTS = 2000;
const BATCHES = 0.1; // of the requests
const LOOP_SECONDS_MAX = 0.005;
const GROWTH_BYTES_MAX = 64 * MEGABYTE;

// Cursors of every shape, as they are given out.
async function someCursors(gateway, queries) {
  const cursors = [];
  for (let tries = 0; tries < 200 && cursors.length < 20; tries++) {
    const query = { ...queries.query(), limit: 1 };
    const answer = await gateway.get(`/v1/state/things?${queries.write(query)}`);
    if (answer.status === 200 && answer.json().next) cursors.push(answer.json().next);
  }
  return cursors;
}

describe(`hostile queries (SEED=${SEED})`, () => {
  it(`get an answer of the contract each, ${COUNT} of them`, async (t) => {
    const random = new Random(SEED);
    const world = await queryWorld(t, { random, count: DOCUMENTS, bin: RELEASE });
    const [gateway] = world.replicas;
    const [{ declaration, rows }] = world.collections;
    const queries = new Queries(random, declaration, rows, world.documents);
    const cursors = await someCursors(gateway, queries);
    const hostile = new Hostile(random, queries, { cursors });
    const before = residentBytes(gateway.pid);
    const beside = new Client(gateway.address, `/v1/state/things/${encodeURIComponent(rows[0].id)}`);
    const agent = new http.Agent({ keepAlive: true });
    t.after(() => Promise.all([beside.stop(), agent.destroy()])); // also where this fails
    const told = { faults: [], statuses: {}, asked: 0 };
    const worker = async () => {
      while (told.asked++ < COUNT) {
        const batch = random.chance(BATCHES) ? hostile.batch() : null;
        const text = hostile.text();
        const path = batch ? '/v1/state/things' : `/v1/state/things?${text}`;
        const answer = await ask(gateway, { path, ...batch, agent });
        told.statuses[answer.status] = (told.statuses[answer.status] ?? 0) + 1;
        const fault = batch ? judgeBatch(batch, answer) : judgeAnswer(declaration, text, answer);
        if (fault !== null) told.faults.push(`${batch ? batch.method : text.slice(0, 500)}: ${fault}`);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    agent.destroy();
    await beside.stop();
    const longest = (await scrape(gateway)).value('stategate_http_loop_seconds_max');
    const grown = residentBytes(gateway.pid) - before;
    const [p50, p99] = [0.5, 0.99].map((share) => percentile(beside.times, share).toFixed(1));
    t.diagnostic(
      `query hostile: SEED=${SEED} COUNT=${COUNT}: ${told.faults.length} wrong; statuses ` +
        `${JSON.stringify(told.statuses)}; longest at one go ${(longest * 1000).toFixed(2)} ms; ` +
        `${inMegabytes(grown)} more; ${beside.times.length} reads by id beside, p50 ${p50} ms, p99 ${p99} ms`,
    );
    assert.equal(told.faults.length, 0, told.faults.slice(0, 8).join('\n'));
    assert.ok(longest < LOOP_SECONDS_MAX, `${longest} s of a loop at one go`);
    assert.ok(grown < GROWTH_BYTES_MAX, inMegabytes(grown));
    assert.deepEqual(beside.faults, []);
    assert.ok(cursors.length > 5 && told.statuses[200] > COUNT / 50, 'some were good');
    assert.equal(gateway.running.exit, null);
  });
});
