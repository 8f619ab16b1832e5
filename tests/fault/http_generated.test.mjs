// Generated requests, most of them wrong somewhere, several on a connection, split anywhere: each complete one gets
// exactly one well-formed answer that the contract allows, or the end of the connection; none that is hidden in the
// body of another is ever answered; and afterwards the gateway is as before.
//
// COUNT requests (10,000 by default) from SEED.
// ctest-timeout: 300

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { Generator } from '../support/http_generator.mjs';
import { endsBehind, readHead } from '../support/http_head.mjs';
import { Judge } from '../support/http_judge.mjs';
import { httpWorld } from '../support/http_world.mjs';
import { inMegabytes, MEGABYTE, openSockets, residentBytes } from '../support/memory.mjs';
import { converse, readAnswers } from '../support/raw_http.mjs';
import { timed, until } from '../support/until.mjs';
import { Random } from '../support/workload.mjs';

const COUNT = Number(process.env.COUNT ?? 10_000);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const AT_ONCE = 48;
const SHOWN = 8; // faults that are told in full
const GROWTH_BYTES_MAX = 24 * MEGABYTE;

// One connection's whole story, and what is wrong with it.
async function tell(gateway, judge, conversation) {
  const { sent, parts, then, ends } = conversation;
  const heads = sent.split('\r\n\r\n').length - 1;
  const answered = (received) => readAnswers(received).answers.length >= heads;
  const options = { then, pauseMs: 1, quietMs: ends ? 8000 : (received) => (answered(received) ? 300 : 4000) };
  const result = await converse({ port: gateway.port }, parts, options);
  const story = { sent, halfClosed: then === 'half-close', ...result };
  return { ...story, faults: then === 'close' ? [] : judge.check(story) };
}

async function campaign({ gateway, world, names }, count, seed, { keep = false } = {}) {
  const generator = new Generator(new Random(seed), names);
  const judge = new Judge(world);
  const told = { requests: 0, connections: 0, resets: 0, closed: 0, faulty: [], stories: [] };
  const worker = async () => {
    while (told.requests < count) {
      const conversation = generator.conversation();
      told.requests += conversation.requests;
      told.connections++;
      const story = await tell(gateway, judge, conversation);
      if (story.reset) told.resets++;
      if (conversation.then === 'close') told.closed++;
      if (story.faults.length > 0) told.faulty.push(story);
      else if (keep && conversation.then === 'wait' && !story.reset) told.stories.push(story);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
  return { ...told, judge };
}

function report(faulty) {
  const kinds = new Map(faulty.map((story) => [story.faults[0].replace(/^".*?": /, '').slice(0, 24), story]));
  return [...kinds.values()].slice(0, SHOWN).map(({ sent, received, faults, ended, reset }) => {
    const came = received.toString('latin1').replaceAll(/(\r\n\r\n)[^]{300,}?(?=HTTP\/1\.1 |$)/g, '$1...');
    return { faults, sent, came: came.slice(0, 1500), ended, reset };
  });
}

describe(`generated requests (SEED=${SEED})`, () => {
  it('get what the contract allows, and leave nothing behind', async (t) => {
    const made = await httpWorld(t);
    const { gateway } = made;
    await campaign(made, COUNT / 5, SEED + 1); // what a first crowd makes grow
    await gateway.get('/livez');
    const before = { sockets: openSockets(gateway.pid), bytes: residentBytes(gateway.pid) };
    const { requests, connections, resets, closed, faulty, judge } = await campaign(made, COUNT, SEED);
    const { ms } = await timed(() => gateway.get('/livez', { timeoutMs: 1000 }));
    await until('all connections are closed', () => openSockets(gateway.pid) <= before.sockets, { deadlineMs: 1000 });
    const grown = residentBytes(gateway.pid) - before.bytes;
    t.diagnostic(
      `seed ${SEED}: ${requests} requests on ${connections} connections (${closed} left early, ${resets} reset): ` +
        `${faulty.length} wrong; ${JSON.stringify(judge.counts)}; ` +
        `statuses ${JSON.stringify(Object.fromEntries([...judge.statuses].sort()))}; ` +
        `then /livez in ${ms.toFixed(0)} ms; ${inMegabytes(before.bytes)}, and ${inMegabytes(grown)} more`,
    );
    assert.equal(faulty.length, 0, JSON.stringify(report(faulty), null, 1));
    assert.ok(grown < GROWTH_BYTES_MAX, inMegabytes(grown));
    assert.ok(judge.counts.met >= COUNT / 200, 'demands that hold were made');
    assert.ok(judge.counts.late <= 2 + 0.2 * judge.counts.met, JSON.stringify(judge.counts));
    assert.ok(!gateway.log.some(({ level }) => level === 'error'), 'nothing of it is an error of ours');
    assert.equal(gateway.running.exit, null);
  });

  it('are judged by somebody who sees wrong answers', async (t) => {
    const made = await httpWorld(t);
    const { stories } = await campaign(made, 3000, 4711, { keep: true });
    for (const [what, tamper] of Object.entries(TAMPERINGS)) {
      const tampered = stories.map(tamper).filter((story) => story !== null);
      assert.ok(tampered.length > 0, `no story for: ${what}`);
      const unseen = tampered.filter((story) => new Judge(made.world).check(story).length === 0);
      assert.deepEqual(
        unseen.map(({ sent, received }) => [sent, received.toString('latin1')]),
        [],
        what,
      );
    }
  });
});

// ---- wrong answers, made of right ones: each gives the story changed, or null where it has no place in it

const changed = (story, received, more) => ({ ...story, received: Buffer.from(received, 'latin1'), ...more });

// Changes the first answer by `change`(its text) if `fits`(answer, story).
const first = (fits, change) => (story) => {
  const text = story.received.toString('latin1');
  const [answer] = readAnswers(story.received).answers;
  if (!/^GET /.test(story.sent) || answer === undefined || !fits(answer, story)) return null;
  return changed(story, change(text.slice(0, answer.next)) + text.slice(answer.next));
};
const status =
  (...wanted) =>
  (answer) =>
    wanted.includes(answer.status);
const isEntity = ({ sent }) => /^GET \/v1\/state\/[^/? ]+\/[^/? ]+ HTTP\/1\.1\r\n/.test(sent);
const entityOf =
  (...wanted) =>
  (answer, story) =>
    status(...wanted)(answer) && isEntity(story);

// A body of a list that is read, and then the last request, which closes.
const isAsked = ({ sent, halfClosed }) =>
  !halfClosed &&
  /^(QUERY|POST) \/v1\/state\/\w+ HTTP\/1\.1\r\n((?!Expect)[^\r]+\r\n)+\r\n(no JSON|\{\})GET \/livez/.test(sent);

const TAMPERINGS = {
  'an answer twice': first(status(200, 404, 410), (text) => text + text),
  // With an odd Connection it may have been the last one.
  'an answer that is missing': first(
    (answer, { sent }) => status(200, 404, 410)(answer) && endsBehind(readHead(sent, 0)) !== 'either',
    () => '',
  ),
  'a 500': first(status(200, 304, 404, 410), (text) => text.replace(/^HTTP\/1\.1 \d+/, 'HTTP/1.1 500')),
  'a 503 of a stream that is live': first(entityOf(200), (text) => text.replace('1.1 200', '1.1 503')),
  'an entity that was never there': first(entityOf(404), (text) => text.replace('1.1 404', '1.1 200')),
  'an entity that is deleted': first(entityOf(410), (text) => text.replace('1.1 410', '1.1 200')),
  'data where a demand is unmet': first(entityOf(504), (text) => text.replace('1.1 504', '1.1 200')),
  'a condition that was not looked at': first(entityOf(412), (text) => text.replace('1.1 412', '1.1 200')),
  'a refusal without reason': first(entityOf(200), (text) => text.replace('1.1 200', '1.1 400')),
  'no State-Position': first(entityOf(200, 404, 410), (text) => text.replace(/State-Position: .*\r\n/, '')),
  'another position': first(entityOf(200, 404), (text) => text.replace(/(State-Position: \w+:)\d+/, '$17')),
  'another epoch': first(entityOf(200, 404), (text) => text.replace(/;epoch=\w/, ';epoch=_')),
  'no State-Status': first(entityOf(200), (text) => text.replace(/State-Status: .*\r\n/, '')),
  'no State-Version': first(entityOf(200, 410), (text) => text.replace(/State-Version: .*\r\n/, '')),
  'another version': first(entityOf(200, 410), (text) => text.replace(/(State-Version: )/, '$19')),
  'another ETag': first(entityOf(200), (text) => text.replace(/(ETag: "\w+\.r)/, '$19')),
  'staleness and age that differ': first(entityOf(200), (text) => text.replace(/Age: /, 'Age: 7')),
  'another document': first(entityOf(200), (text) => `${text.slice(0, -2)}!}`),
  'a document cut short': first(entityOf(200), (text) => text.slice(0, -1)),
  'one byte too many': first(entityOf(200), (text) => `${text}!`),
  'a header in the body': first(entityOf(200), (text) => text.replace('\r\n\r\n', '\r\nX-Bad\r\n\r\n')),
  'an error in HTML': first(entityOf(404), (text) => text.replace('application/problem+json', 'text/html')),
  'a problem of another type': first(entityOf(404), (text) => text.replace('problem:not-found', 'problem:not-fount')),
  'an error that is kept': first(entityOf(404), (text) => text.replace('no-store', 'no-cache')),
  'two that changed places': (story) => {
    const text = story.received.toString('latin1');
    const [one, two] = readAnswers(story.received).answers;
    if (!isEntity(story) || one?.status !== 200 || two?.status !== 404) return null;
    return changed(story, text.slice(one.next, two.next) + text.slice(0, one.next) + text.slice(two.next));
  },
  'an answer to what is hidden in a body': (story) => {
    const hidden = /^GET [^ ]+ HTTP\/1\.1\r\nHost: localhost\r\nContent-Length: 5\r\n\r\nhelloGET \/metrics/.test(
      story.sent,
    );
    const more = 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n';
    return hidden || /Transfer-Encoding: chunked/.test(story.sent)
      ? changed(story, story.received.toString('latin1') + more)
      : null;
  },
  'an answer to what is hidden in a body that is read': (story) => {
    const text = story.received.toString('latin1');
    const [one] = readAnswers(story.received).answers;
    if (!isAsked(story) || one?.status !== 400) return null;
    const more = 'HTTP/1.1 200 OK\r\nDate: x\r\nKeep-Alive: timeout=30\r\nContent-Length: 0\r\n\r\n';
    return changed(story, text.slice(0, one.next) + more + text.slice(one.next));
  },
  'no answer to a body': (story) => {
    const [one] = readAnswers(story.received).answers;
    if (!isAsked(story) || one?.status !== 400) return null;
    return changed(story, story.received.toString('latin1').slice(one.next));
  },
  'the methods of another path': (story) => {
    const text = story.received.toString('latin1');
    if (!/^OPTIONS /.test(story.sent) || readAnswers(story.received).answers[0]?.status !== 204) return null;
    const other = (_, methods) => `Allow: GET, HEAD, OPTIONS${methods === undefined ? ', QUERY, POST' : ''}\r\n`;
    return changed(story, text.replace(/Allow: GET, HEAD, OPTIONS(, QUERY, POST)?\r\n/, other));
  },
  'a connection that stays open': (story) =>
    /\r\nConnection: close\r\n\r\n$/.test(story.sent) && story.received.length > 0 ? { ...story, ended: false } : null,
  'a connection that ends without an answer': (story) =>
    isEntity(story) && !readHead(story.sent, 0).doubtful && readAnswers(story.received).answers[0]?.status === 200
      ? changed(story, '')
      : null,
};
