// What the threads are called, and what a commit of one event costs in system calls, counted by strace on the program
// that people run. The counts do not depend on the machine's speed.
// ctest-serial

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

import { program } from '../support/process.mjs';
import { event, scene } from '../support/scene.mjs';
import { countCalls, threadNames } from '../support/threads.mjs';

const RELEASE = program('STATEGATE_RELEASE_BIN', 'build/release/stategate');
const EVENTS = 300;
const RATE = 250; // a second: each event is a commit of its own
// Calls a commit of one event. Measured: 0.3 to 0.5 futex, 1 pwrite64; those of the write-back are among them.
const LIMITS = { futex: 1, pwrite64: 2, pwritev: 0, write: 0, fcntl: 0 };

async function live(t) {
  const s = await scene(t, { publish: [event('c-0', 1)], gateway: { bin: RELEASE } });
  await s.gateway.untilStatus('live');
  return s;
}

// Publishes events at RATE at most, each when the one before is applied; how many commits they were.
async function paced(s, from) {
  const commits = async () =>
    Number(/^stategate_apply_batch_events_count\{.*\} (\d+)/m.exec((await s.gateway.get('/metrics')).text)[1]);
  const before = await commits();
  for (let i = 0; i < EVENTS; i++) {
    const begun = performance.now();
    const { subject, payload } = event(`c-${i % 50}`, from + i);
    const { seq } = await s.client.js.publish(subject, payload);
    await s.gateway.untilPosition(seq, { everyMs: 2 });
    const left = 1000 / RATE - (performance.now() - begun);
    if (left > 0) await pause(left); // the pace is what is measured
  }
  return (await commits()) - before;
}

// What exceeds its limit, in words.
function excess(counts, commits, limits) {
  return Object.entries(limits)
    .filter(([call, most]) => (counts[call] ?? 0) > most * commits)
    .map(([call, most]) => `${call}: ${((counts[call] ?? 0) / commits).toFixed(2)} a commit, and ${most} is the most`);
}

describe('threads', () => {
  it('bear the names of what they do', async (t) => {
    const { gateway } = await live(t);
    const names = [...threadNames(gateway.pid).values()].sort();
    const loops = names.filter((name) => /^http:\d+$/.test(name));
    assert.ok(loops.length > 0, `${names}`);
    assert.deepEqual(
      names.filter((name) => !loops.includes(name)),
      [
        ...['disk', 'log', 'nats-answers', 'nats-library', 'nats-library', 'nats-library', 'nats:STATE'],
        ...['projector', 'signals', 'source:STATE', 'stategate'],
      ],
    );
  });
});

describe('a commit of one event', () => {
  it('costs no more system calls than it needs', async (t) => {
    const s = await live(t);
    await paced(s, 10); // files are created, memory is taken
    const counted = await countCalls(s.gateway.pid, Object.keys(LIMITS), () => paced(s, 1000));
    const { total, byThread, result: commits } = counted;
    assert.ok(commits > EVENTS / 2, `${commits} commits: the events came in batches`);
    assert.ok(total.futex > 0, 'the count counts');
    const found = excess(total, commits, LIMITS);
    assert.deepEqual(found, [], `${commits} commits, ${JSON.stringify(byThread)}`);
    // The checker: with limits just below what was counted it finds each.
    const below = Object.fromEntries(Object.keys(LIMITS).map((call) => [call, ((total[call] ?? 0) - 1) / commits]));
    assert.deepEqual(
      excess(total, commits, below).map((words) => words.split(':')[0]),
      Object.keys(LIMITS),
    );
  });
});
