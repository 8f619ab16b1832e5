// The benchmarks of reads and of growth work: a small run of each gives every row and every figure. And the
// documents show the results that are kept.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { DOCUMENTS, goalsOf, withResults } from '../../bench/report.mjs';
import { cleanEnvironment } from '../support/gateway.mjs';
import { program, run, SOURCE_DIR, tempFolder } from '../support/process.mjs';

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
  it('reads: each kind of answer, each cache, with and without a writer', async (t) => {
    const { report, table } = await bench(t, 'reads.mjs', ['--rounds', '1', '--seconds', '0.2', '--entities', '2000']);
    const found = report.rows.map(({ name, cache, writer }) => [name, cache, writer ? 'writer' : ''].join(' ').trim());
    const byId = (name, caches) => caches.flatMap((cache) => [`${name} ${cache}`, `${name} ${cache} writer`]);
    const wanted = [
      ...['bare', 'bare  writer', 'unchanged default', 'missing default', 'page default'],
      ...byId('uniform', ['default', 'whole', 'off']),
      ...byId('skewed', ['default']),
      ...byId('hot', ['default']),
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
    assert.equal(report.goals.length, 5);
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
    await assert.rejects(load(target, how), /no request was answered|wrk failed/);
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
      assert.notEqual(withResults(file, text, { ...results, made: 'some day' }), text, `${file}: others would be noticed`);
    }
  });
});
