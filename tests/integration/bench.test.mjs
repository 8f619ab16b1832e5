// The benchmarks work: a small run of each gives every row and every figure. And the documents show the results that
// are kept.
// ctest-timeout: 300

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';

import { DOCUMENTS, goalsOf, withResults } from '../../bench/report.mjs';
import { cleanEnvironment } from '../support/gateway.mjs';
import { createBucket, startNats } from '../support/nats.mjs';
import { program, run, SOURCE_DIR, start, tempFolder } from '../support/process.mjs';

const RESULTS = join(SOURCE_DIR, 'bench/results.json');

// Runs a benchmark of the release build; gives its JSON and its table.
async function bench(t, script, args) {
  const json = join(tempFolder(t, 'bench-test'), 'report.json');
  const env = cleanEnvironment({
    STATEGATE_RELEASE_BIN: program('STATEGATE_RELEASE_BIN', 'build/release/stategate'),
    STATEGATE_RELEASE_FEED_BIN: program('STATEGATE_RELEASE_FEED_BIN', 'build/release/stategate-feed'),
  });
  const file = join(SOURCE_DIR, 'bench', script);
  const { code, stdout, stderr } = await run(process.execPath, [file, ...args, '--json', json], { env });
  assert.equal(code, 0, stderr);
  return { report: JSON.parse(readFileSync(json, 'utf8')), table: stdout };
}

function measured(value, what) {
  assert.ok(Number.isFinite(value) && value > 0, `${what} is measured: ${value}`);
}

describe('benchmarks', () => {
  it('reads: each kind of answer, each cache, with and without a writer, and a key-value bucket', async (t) => {
    const small = ['--rounds', '1', '--seconds', '0.2', '--entities', '2000', '--peers', 'kv'];
    const { report, table } = await bench(t, 'reads.mjs', small);
    const found = report.rows.map(({ name, cache, writer }) => [name, cache, writer ? 'writer' : ''].join(' ').trim());
    const byId = (name, caches) => caches.flatMap((cache) => [`${name} ${cache}`, `${name} ${cache} writer`]);
    const wanted = [
      ...['bare', 'bare  writer', 'unchanged default', 'missing default', 'page default'],
      ...byId('uniform', ['default', 'whole', 'off']),
      ...byId('skewed', ['default']),
      ...byId('hot', ['default']),
      ...['kv', 'kv-direct'],
    ];
    assert.deepEqual(found.sort(), wanted.sort());
    for (const row of report.rows) {
      measured(row.perSecond.median, `${row.name}: requests/s`);
      measured(row.cpuUs.max, `${row.name}: processor time`);
      measured(row.residentMb, `${row.name}: memory`);
      measured(row.p999Us, `${row.name}: latency`);
      assert.ok(table.includes(`| ${row.title} |`), `${row.title} is in the table`);
    }
    measured(report.commitsPerSecond.median, 'commits a second');
    assert.deepEqual(Object.keys(report.perSecondByConnections), ['64', '128', '256', '512']);
    assert.equal(report.goals.length, 6);
    for (const { name, reads } of report.peers)
      for (const read of reads) {
        measured(read.cpu.median, `${name} beside ${read.name}: server CPU a read`);
        assert.ok(Math.abs(read.cpu.median * read.perCpu.median - 1) < 1e-9, 'in one round, one is 1 / the other');
      }
    assert.deepEqual(
      report.peers.map(({ name }) => name),
      ['kv', 'kv-direct'],
    );
  });

  it('a load that gets other answers than it expects, or none, gives no figures', async (t) => {
    const { load } = await import('../../bench/load.mjs');
    let afterMs = 0;
    const answer = (response) => response.writeHead(404).end();
    const server = createServer((request, response) => setTimeout(answer, afterMs, response)).listen(0, '127.0.0.1');
    t.after(() => server.close());
    await once(server, 'listening');
    const target = { address: `127.0.0.1:${server.address().port}`, pids: [process.pid] };
    const how = { kind: 'uniform', entities: 10, hot: 10, connections: 2, seconds: 0.2 };
    await assert.rejects(load(target, how), /not the answers that were expected/);
    measured((await load(target, { ...how, refused: true })).perSecond, 'requests/s');
    afterMs = 500; // later than the load ends
    measured((await load(target, { ...how, refused: true })).perSecond, 'requests/s of a slow server');
    server.close();
    server.closeAllConnections();
    await assert.rejects(load(target, how), /no request was answered|the load failed/);
  });

  it('a load of a bucket that does not hold what is asked for gives no figures', async (t) => {
    const { load } = await import('../../bench/load.mjs');
    const { benchProgram } = await import('../../bench/machine.mjs');
    const nats = await startNats({ t });
    const client = await nats.client();
    const kv = await createBucket(client, 'BENCH', { storage: 'memory' });
    const read = (way, ...more) => {
      const args = (seconds) => [way, nats.url, 'BENCH', '2', String(seconds), ...more];
      const client = (_, { seconds }) => start(benchProgram('bench_kv_load'), args(seconds));
      return load({ pids: [nats.pid] }, { kind: way, seconds: 0.1, client });
    };
    for (const [key, value] of [['c-0', '{"number":0,"x":1}'], ['c-1', '{"number":1,"x":1}']]) await kv.put(key, value);
    for (const how of [['get', '4', '2'], ['direct', '4']]) {
      await kv.put('c-1', '{"number":1,"x":1}');
      measured((await read(...how)).perSecond, `${how}: requests/s`);
      await kv.put('c-1', '{"number":12,"x":1}');
      await assert.rejects(read(...how), /not the answers that were expected/, `${how}: another document`);
      await kv.purge('c-1');
      await assert.rejects(read(...how), /not the answers that were expected/, `${how}: no document`);
    }
  });

  it('visible: every run, of the gateway and of a bucket', async (t) => {
    const small = ['--runs', '2', '--writes', '40', '--rate', '200', '--entities', '500'];
    const { report, table } = await bench(t, 'visible.mjs', small);
    assert.equal(report.runs.length, 2);
    for (const { gateway, bucket } of report.runs)
      for (const { publish, read, whole, stale } of [gateway, bucket]) {
        for (const times of [publish, read, whole])
          for (const q of ['p50', 'p99', 'worst']) measured(times[q], q);
        assert.ok(read.worst >= read.p99 && read.p99 >= read.p50);
        assert.ok(whole.p50 > read.p50, 'the write is part of the whole');
        assert.equal(stale, 0);
      }
    assert.equal(report.goals.length, 3);
    assert.match(table, /^\| 2 \| kvStore_Get \|/m);
  });

  it('visible: the worst, p99 and p50 are each judged by run', async () => {
    const { visibleGoals } = await import('../../bench/tables.mjs');
    const bucket = { read: { p50: 1, p99: 1, worst: 1 } };
    const runOf = (p50, p99, worst) => ({ gateway: { read: { p50, p99, worst } }, bucket });
    const reached = (...runs) => visibleGoals({ runs }).map((goal) => goal.reached);
    const [good, bad] = [runOf(0.7, 1.5, 10), runOf(0.71, 1.51, 10.1)];
    assert.deepEqual(reached(good, good, good, bad, bad), [true, true, true]);
    assert.deepEqual(reached(good, good, bad, bad, bad), [false, false, false]);
  });

  it('compare: two builds in every part, in turn', async (t) => {
    const release = dirname(program('STATEGATE_RELEASE_BIN', 'build/release/stategate'));
    const parts = ['--only', 'reads,ingest,start,waits,visible,commit']; // integration/instructions counts those
    const small = ['--rounds', '1', '--seconds', '0.2', '--entities', '2000', '--base', release];
    const { report, table } = await bench(t, 'compare.mjs', [...small, ...parts]);
    const found = report.rows.map(({ part, least, most }) => `${part} ${least ?? most}`);
    const wanted = [
      ...Array(6).fill('reads 0.97'),
      ...['ingest 0.9', 'ingest 0.7', 'ingest 0.6'],
      ...Array(3).fill('start 0.97'),
      ...[...Array(2).fill('waits 0.97'), ...Array(2).fill('visible 0.97')],
      'commit 0.7',
    ];
    assert.deepEqual(found, wanted);
    for (const { what, base, now, ratio } of report.rows) {
      measured(base.median, `${what}, the other`);
      measured(now.median, `${what}, this build`);
      measured(ratio.median, what);
      assert.ok(table.includes(`| ${what} |`), `${what} is in the table`);
    }
    for (const text of Object.values(report.rows.at(-1).threads)) assert.match(text, /^\S.* \d+(, |$)/);
  });

  it('compare: a row is judged by the median of its rounds, and a build that is not there is refused', async (t) => {
    const { judgeRow } = await import('../../bench/compare.mjs');
    const reached = (costs, wanted) =>
      judgeRow({ pairs: costs.map((now) => ({ base: 100, now })), ...wanted }).reached;
    assert.deepEqual([reached([100, 103, 200]), reached([100, 104, 200])], [true, false]);
    assert.deepEqual([reached([166], { least: 0.6 }), reached([167], { least: 0.6 })], [true, false]);
    assert.deepEqual([reached([70], { most: 0.7 }), reached([71], { most: 0.7 })], [true, false]);
    const refused = (...args) => bench(t, 'compare.mjs', args);
    await assert.rejects(refused(), /--base FOLDER/);
    await assert.rejects(refused('--base', '/nonexistent'), /nonexistent\/stategate is missing/);
    await assert.rejects(
      refused('--base', dirname(program('STATEGATE_RELEASE_BIN', '')), '--only', 'x'),
      /unknown parts/,
    );
  });

  it('growth: every size', async (t) => {
    const sizes = ['--sizes', '500,2000', '--rounds', '1', '--seconds', '0.2'];
    const { report, table } = await bench(t, 'growth.mjs', sizes);
    assert.deepEqual(
      report.sizes.map(({ entities }) => entities),
      [500, 2000],
    );
    for (const size of report.sizes)
      for (const name of ['ingestPerSecond', 'residentMbRead', 'databaseMb', 'restartSeconds'])
        measured(size[name], name);
    assert.match(table, /^\| 2,000 \|/m);
  });

  it('the documents show the results of bench/results.json', (t) => {
    if (!existsSync(RESULTS)) return t.skip('no results are kept');
    const results = JSON.parse(readFileSync(RESULTS, 'utf8'));
    assert.ok(goalsOf(results).length > 10, 'goals of all parts');
    for (const file of Object.keys(DOCUMENTS)) {
      const text = readFileSync(join(SOURCE_DIR, file), 'utf8');
      assert.equal(withResults(file, text, results), text, `${file}: run node bench/report.mjs`);
      assert.notEqual(
        withResults(file, text, { ...results, made: 'some day' }),
        text,
        `${file}: others would be noticed`,
      );
    }
  });
});
