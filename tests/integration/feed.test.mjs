// stategate-feed against a real server: what it says is stored is stored, byte for byte, and what is not is named.
// ctest-timeout: 180

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';

import { Kvm } from '@nats-io/kv';
import { createUser } from '@nats-io/nkeys';

import { certificates, operatorWorld } from '../support/credentials.mjs';
import { startNats } from '../support/nats.mjs';
import { program, run, signal, start, tempFolder } from '../support/process.mjs';
import { until } from '../support/until.mjs';

const FEED = program('STATEGATE_FEED_BIN', 'build/dev/stategate-feed');
const LINE_BYTES_MAX = 12 << 20;

// Feeds lines (strings, or values that become JSON) from a file. `report` is the JSON on standard output.
async function feed(t, server, args, lines = []) {
  const file = join(tempFolder(t, 'feed'), 'input.jsonl');
  writeFileSync(file, textOf(lines));
  const result = await run(FEED, ['--url', server.url, '--json', ...args, file]);
  return { ...result, report: result.stdout ? JSON.parse(result.stdout) : undefined };
}

const textOf = (lines) => lines.map((line) => `${typeof line === 'string' ? line : JSON.stringify(line)}\n`).join('');

async function started(t, options = {}) {
  const server = await startNats({ t, ...options });
  const { js, jsm } = await server.client();
  const stream = async (name, subjects, more = {}) => jsm.streams.add({ name, subjects, storage: 'memory', ...more });
  return { server, js, jsm, stream };
}

// All messages of a stream, in order, as {seq, subject, text, bytes, headers}.
async function messages({ js, jsm }, stream) {
  const { state } = await jsm.streams.info(stream);
  const out = [];
  if (state.messages === 0) return out;
  const consumer = await js.consumers.get(stream);
  for await (const m of await consumer.consume()) {
    const headers = m.headers ? Object.fromEntries([...m.headers].map(([name, values]) => [name, values])) : {};
    out.push({ seq: m.seq, subject: m.subject, text: m.string(), bytes: Buffer.from(m.data), headers });
    if (m.seq >= state.last_seq) break;
  }
  return out;
}

const numbered = (count, more = () => ({})) =>
  Array.from({ length: count }, (_, i) => ({ aggregateId: `id-${i}`, version: 1, state: { i }, ...more(i) }));

test('every event is acknowledged and in the stream byte for byte, in order', async (t) => {
  const nats = await started(t);
  await nats.stream('STATE', ['state.>']);
  const lines = Array.from({ length: 20_000 }, (_, i) =>
    i % 3 === 0 ? `{ "aggregateId":"id.${i}",  "version": 1, "state": {"n": 1.${i}0, "big": 1e400, "é": "\\u00e9"} }`
      : JSON.stringify({ aggregateId: i, version: i + 1, deleted: true }));
  const result = await feed(t, nats.server, ['--subject', 'state.{collection}.{id}', '--collection', 'things'], lines);
  assert.equal(result.code, 0, result.stderr);
  assert.equal(result.stderr, '', 'no progress where there is no terminal');
  const { seconds, ...report } = result.report;
  assert.deepEqual(report, {
    published: 20_000, stream: 'STATE', last_sequence: 20_000, duplicates: 0, failed: 0, uncertain: 0,
    interrupted: false,
  });
  assert.ok(seconds > 0);
  const stored = await messages(nats, 'STATE');
  assert.equal(stored.length, lines.length);
  stored.forEach((message, i) => {
    assert.equal(message.text, lines[i]);
    assert.equal(message.subject, `state.things.${i % 3 === 0 ? `id.${i}` : i}`);
    assert.deepEqual(message.headers, {});
  });
});

test('standard input, line ends and blank lines, the collection from each line, the plain report', async (t) => {
  const nats = await started(t);
  await nats.stream('STATE', ['state.>']);
  const child = spawn(FEED,
    ['--url', nats.server.url, '--subject', 'state.{collection}.{id}', '--collection-member', 'kind', '-']);
  child.stdin.write('{"kind":"a","aggregateId":"1","version":1,"state":{}}\r\n\n  \n{"kind":"b","aggreg');
  child.stdin.end('ateId":"2","version":1,"state":{}}');
  let stdout = '';
  child.stdout.on('data', (data) => (stdout += data));
  const [code] = await once(child, 'close');
  assert.equal(code, 0);
  assert.equal(stdout, 'published 2 events, last sequence 2\n');
  const stored = await messages(nats, 'STATE');
  assert.deepEqual(stored.map(({ subject, text }) => [subject, text]), [
    ['state.a.1', '{"kind":"a","aggregateId":"1","version":1,"state":{}}'],
    ['state.b.2', '{"kind":"b","aggregateId":"2","version":1,"state":{}}'],
  ]);
});

test('bad lines are named, and the others are published', async (t) => {
  const nats = await started(t, { config: 'max_payload: 4096' });
  await nats.stream('STATE', ['state.>']);
  const lines = [
    { aggregateId: 'ok-1' }, 'no JSON', '[]', '', {}, { aggregateId: 1.5 }, { aggregateId: ['x'] },
    { aggregateId: 'big', state: 'x'.repeat(5000) }, { aggregateId: 'ok-2' }, { aggregateId: 'm', messageId: 'a\nb' },
  ];
  const result = await feed(t, nats.server, ['--subject', 'state.c.{id}'], lines);
  assert.equal(result.code, 1);
  assert.equal(result.report.published, 2);
  assert.equal(result.report.failed, 7);
  const named = result.stderr.trim().split('\n').map((line) => /^stategate-feed: line (\d+): .+/.exec(line)?.[1]);
  assert.deepEqual(named, ['2', '3', '5', '6', '7', '8', '10']);
  assert.match(result.stderr, /line 5: aggregateId is missing/);
  assert.match(result.stderr, /line 8: .*max_payload/);
  assert.deepEqual((await messages(nats, 'STATE')).map((m) => m.subject), ['state.c.ok-1', 'state.c.ok-2']);
});

test('only the first failed lines are named', async (t) => {
  const nats = await started(t);
  await nats.stream('STATE', ['state.>']);
  const result = await feed(t, nats.server, ['--subject', 'state.c.{id}'], Array.from({ length: 50 }, () => 'bad'));
  assert.equal(result.report.failed, 50);
  assert.equal(result.stderr.trim().split('\n').length, 21);
  assert.match(result.stderr, /further lines that fail are only counted/);
});

const UNCARRIABLE = ['', ' ', 'a b', '.', '..', '.a', 'a.', 'a..b', '*', 'a.*', 'a*', '>', 'a.>', '\t', 'a\nb',
  '\u0000', '\u007f'];

test('ids that no subject can carry are refused, and carried by the event where there is no {id}', async (t) => {
  const nats = await started(t);
  await nats.stream('STATE', ['state.>']);
  const lines = UNCARRIABLE.map((aggregateId) => ({ aggregateId, version: 1, state: {} }));
  const refused = await feed(t, nats.server, ['--subject', 'state.c.{id}'], lines);
  assert.equal(refused.code, 1);
  assert.deepEqual([refused.report.published, refused.report.failed], [0, lines.length]);
  assert.deepEqual([refused.report.stream, refused.report.last_sequence], [null, null]);
  for (let n = 1; n <= lines.length; n++)
    assert.match(refused.stderr, new RegExp(`line ${n}: aggregateId .*no subject can carry it`));
  const carried = await feed(t, nats.server, ['--subject', 'state.c'], lines);
  assert.equal(carried.code, 0, carried.stderr);
  assert.deepEqual((await messages(nats, 'STATE')).map((m) => m.text), lines.map((line) => JSON.stringify(line)));
});

test('an id with dots needs the last place of the template', async (t) => {
  const nats = await started(t);
  await nats.stream('STATE', ['state.>']);
  const lines = [{ aggregateId: 'a.b/c%20é' }];
  assert.equal((await feed(t, nats.server, ['--subject', 'state.{id}.x'], lines)).code, 1);
  assert.equal((await feed(t, nats.server, ['--subject', 'state.x.{id}'], lines)).code, 0);
  assert.equal((await messages(nats, 'STATE'))[0].subject, 'state.x.a.b/c%20é');
});

test('messageId makes repetitions harmless within the duplicate window, and can be left out', async (t) => {
  const nats = await started(t);
  await nats.stream('STATE', ['state.>']);
  const lines = numbered(100, (i) => ({ messageId: `m-${i}` }));
  const args = ['--subject', 'state.c.{id}'];
  assert.equal((await feed(t, nats.server, args, lines)).report.duplicates, 0);
  const again = await feed(t, nats.server, args, lines);
  assert.equal(again.code, 0);
  assert.deepEqual([again.report.published, again.report.duplicates, again.report.last_sequence], [100, 100, 100]);
  const stored = await messages(nats, 'STATE');
  assert.deepEqual(stored.map((m) => m.headers), lines.map(({ messageId }) => ({ 'Nats-Msg-Id': [messageId] })));
  const without = await feed(t, nats.server, [...args, '--no-message-id'], lines);
  assert.deepEqual([without.report.duplicates, without.report.last_sequence], [0, 200]);
});

test('raw lines publish any message', async (t) => {
  const nats = await started(t);
  await nats.stream('RAW', ['raw.>']);
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
  const lines = [
    '{"subject":"raw.json","payload":{"n": 0.10, "big": 1e400}}',
    { subject: 'raw.null', payload: null },
    { subject: 'raw.text', payloadText: '{"broken": \u0000é' },
    { subject: 'raw.bytes', payloadBase64: bytes.toString('base64') },
    { subject: 'raw.one', payloadBase64: '/w==' },
    { subject: 'raw.empty' },
    { subject: 'raw.headers', headers: { 'KV-Operation': 'DEL', Many: ['1', '2'], Empty: '' } },
    { subject: 'raw.a*b', payloadText: 'a star inside a token is no wildcard' },
  ];
  const result = await feed(t, nats.server, ['--raw'], lines);
  assert.equal(result.code, 0, result.stderr);
  const stored = await messages(nats, 'RAW');
  assert.deepEqual(stored.map((m) => m.subject),
    lines.map((line) => (typeof line === 'string' ? 'raw.json' : line.subject)));
  assert.deepEqual(stored.slice(0, 3).map((m) => m.text), ['{"n":0.10,"big":1e400}', 'null', '{"broken": \u0000é']);
  assert.deepEqual(stored[3].bytes, bytes);
  assert.deepEqual(stored[4].bytes, Buffer.from([255]));
  assert.equal(stored[5].bytes.length, 0);
  assert.deepEqual(stored[6].headers, { 'KV-Operation': ['DEL'], Many: ['1', '2'], Empty: [''] });
  const bad = [
    { payload: 1 }, { subject: 'raw.>' }, { subject: 'raw..x' }, { subject: 'raw x' }, { subject: 7 },
    { subject: 'raw.x', payload: 1, payloadText: 'x' }, { subject: 'raw.x', payloadText: 1 },
    { subject: 'raw.x', payloadBase64: 'AA' }, { subject: 'raw.x', payloadBase64: 'AB==' },
    { subject: 'raw.x', payloadBase64: 'A===' },
    { subject: 'raw.x', headers: [] }, { subject: 'raw.x', headers: { 'a:b': 'x' } },
    { subject: 'raw.x', headers: { a: 'x\r\ny: z' } },
  ];
  const refused = await feed(t, nats.server, ['--raw'], bad);
  assert.deepEqual([refused.code, refused.report.published, refused.report.failed], [1, 0, bad.length]);
});

test('key-value lines are what key-value clients read', async (t) => {
  const nats = await started(t);
  const made = await feed(t, nats.server, ['--create-bucket', 'settings', '--kv', 'settings'], [
    { key: 'theme', value: { dark: true } }, { key: 'a.b', value: 1 }, { key: 'a.b', deleted: true },
    { key: 'gone', valueText: 'x' }, { key: 'gone', purged: true }, { key: 'raw', valueBase64: '/w==' },
    { key: 'x', deleted: false, value: 'v' },
  ]);
  assert.equal(made.code, 0, made.stderr);
  assert.equal(made.report.stream, 'KV_settings');
  const { nc } = await nats.server.client();
  const kv = await new Kvm(nc).open('settings');
  assert.equal((await kv.get('theme')).string(), '{"dark":true}');
  assert.equal((await kv.get('a.b')).operation, 'DEL');
  assert.equal((await kv.get('gone')).operation, 'PURGE');
  assert.deepEqual(Buffer.from((await kv.get('raw')).value), Buffer.from([255]));
  assert.equal((await kv.get('x')).string(), '"v"');
  await kv.put('theme', 'by the client');
  const { config } = await nats.jsm.streams.info('KV_settings');
  assert.deepEqual(config.subjects, ['$KV.settings.>']);
  assert.deepEqual([config.max_msgs_per_subject, config.allow_rollup_hdrs, config.deny_delete, config.discard],
    [1, true, true, 'new']);
  const bad = await feed(t, nats.server, ['--kv', 'settings'],
    [{ key: 'a' }, { value: 1 }, { key: 'a b', value: 1 }, { key: 'a', value: 1, deleted: true }]);
  assert.deepEqual([bad.code, bad.report.published, bad.report.failed], [1, 0, 4]);
});

for (const bin of ['.deps/bin/nats-server', '.deps/bin/nats-server-newest']) {
  test(`creating what exists with the same settings is fine, with others it is not (${bin})`, async (t) => {
    const nats = await started(t, { bin: program('', bin) });
    const create = (...args) => run(FEED, ['--url', nats.server.url, ...args]);
    const stream = ['--create-stream', 'S', '--subjects', 'a.>,b.*', '--storage', 'memory', '--max-msgs-per-subject',
      '3'];
    for (let i = 0; i < 2; i++) {
      assert.deepEqual([(await create(...stream)).code, (await create('--create-bucket', 'b')).code], [0, 0]);
    }
    const { config } = await nats.jsm.streams.info('S');
    assert.deepEqual([config.subjects, config.storage, config.max_msgs_per_subject, config.num_replicas],
      [['a.>', 'b.*'], 'memory', 3, 1]);
    const other = await create('--create-stream', 'S', '--subjects', 'a.>');
    assert.equal(other.code, 1);
    assert.match(other.stderr, /stream S: .*different configuration/);
  });
}

test('a stream is created with the subjects of the template', async (t) => {
  const nats = await started(t);
  const result = await feed(t, nats.server,
    ['--create-stream', 'STATE', '--subject', 'state.{collection}.{id}', '--collection', 'c'], numbered(3));
  assert.equal(result.code, 0, result.stderr);
  assert.deepEqual((await nats.jsm.streams.info('STATE')).config.subjects, ['state.*.>']);
});

test('an event that no stream takes fails after its attempts, and is named', async (t) => {
  const nats = await started(t);
  await nats.stream('S', ['s.>'], { max_msgs: 1, discard: 'new' });
  const result = await feed(t, nats.server, ['--raw', '--attempts', '2'],
    [{ subject: 's.1' }, { subject: 's.2' }, { subject: 'nowhere' }]);
  assert.equal(result.code, 1);
  assert.deepEqual([result.report.published, result.report.failed], [1, 2]);
  assert.match(result.stderr, /line 2: maximum messages exceeded/);
  assert.match(result.stderr, /line 3: no stream listens/);
});

test('a stream that appears in time gets the event', async (t) => {
  const nats = await started(t, { config: 'trace: true' });
  const file = join(tempFolder(t, 'feed'), 'one.jsonl');
  writeFileSync(file, '{"subject":"late.1"}\n');
  const running = start(FEED, ['--url', nats.server.url, '--raw', '--attempts', '20', file]);
  await until('the first attempt has failed', () => /PUB late\.1 /.test(nats.server.log));
  await nats.stream('LATE', ['late.>']);
  assert.equal((await running.exited).code, 0, running.stderr);
  assert.equal(running.stdout, 'published 1 event, last sequence 1\n');
});

test('events without an answer are sent again, and the report is honest about what may be stored twice', async (t) => {
  const nats = await started(t);
  await nats.stream('STATE', ['state.>']);
  const send = async (lines) => {
    const file = join(tempFolder(t, 'feed'), 'in.jsonl');
    writeFileSync(file, textOf(lines));
    const args = ['--subject', 'state.c.{id}', '--json', '--rate', '2000', '--ack-timeout', '0.2', '--attempts', '100',
      '--inflight', '500'];
    const before = (await nats.jsm.streams.info('STATE')).state.messages;
    const running = start(FEED, ['--url', nats.server.url, ...args, file]);
    await until('it publishes', async () => (await nats.jsm.streams.info('STATE')).state.messages > before + 200);
    nats.server.pause();
    await new Promise((done) => setTimeout(done, 1000)); // the outage itself
    nats.server.resume();
    assert.equal((await running.exited).code, 0, running.stderr);
    return JSON.parse(running.stdout);
  };
  const first = await send(numbered(2000));
  const stored = await messages(nats, 'STATE');
  assert.equal(first.published, 2000);
  assert.equal(new Set(stored.map((m) => m.subject)).size, 2000, 'nothing is lost');
  assert.ok(first.uncertain > 0, 'the outage was noticed');
  const isAgain = (m, i) => stored.findIndex((n) => n.subject === m.subject) !== i;
  const twice = new Set(stored.filter(isAgain).map((m) => m.subject));
  assert.ok(twice.size <= first.uncertain, `${twice.size} stored twice, ${first.uncertain} reported`);
  await nats.jsm.streams.purge('STATE');
  const second = await send(numbered(2000, (i) => ({ messageId: `m-${i}` })));
  assert.equal(second.uncertain, 0);
  assert.equal((await nats.jsm.streams.info('STATE')).state.messages, 2000, 'with message ids nothing is stored twice');
});

test('a late answer to an earlier event does not count for a later one', async (t) => {
  const server = await startNats({ t });
  const { nc } = await server.client();
  const replies = [];
  // A stream as the worst network makes it: silent at first, and its first answer comes when it is long wanted no more.
  nc.subscribe('slow.>', {
    callback: (_error, message) => {
      replies.push(message.reply);
      const ack = JSON.stringify({ stream: 'SLOW', seq: 1 });
      if (replies.length === 2) message.respond(ack);
      if (replies.length === 3) nc.publish(replies[0], ack);
    },
  });
  await nc.flush();
  const args = ['--raw', '--inflight', '1', '--attempts', '2', '--ack-timeout', '0.2'];
  const result = await feed(t, server, args, [{ subject: 'slow.1' }, { subject: 'slow.2' }]);
  assert.equal(replies.length, 4);
  assert.deepEqual([result.code, result.report.published, result.report.failed, result.report.uncertain], [1, 1, 1, 2]);
  const late = 'stategate-feed: line 2: no acknowledgement within 200 ms, 2 times; it may be stored all the same\n';
  assert.equal(result.stderr, late);
});

test('an answer that is no acknowledgement is a failure', async (t) => {
  const server = await startNats({ t });
  const { nc } = await server.client();
  const answers = ['', 'no JSON', '{}', '[1]', '{"stream":"S"}', '{"seq":1}', '{"stream":"S","seq":"1"}',
    '{"error":{}}', '{"error":{"code":400,"description":""}}'];
  let next = 0;
  nc.subscribe('odd.>', { callback: (_error, message) => message.respond(answers[next++]) });
  await nc.flush();
  const result = await feed(t, server, ['--raw', '--inflight', '1'], answers.map((_, i) => ({ subject: `odd.${i}` })));
  assert.deepEqual([result.code, result.report.published, result.report.failed], [1, 0, answers.length], result.stdout);
});

test('a server that restarts meanwhile costs nothing but time', async (t) => {
  const nats = await started(t);
  await nats.stream('STATE', ['state.>'], { storage: 'file' });
  const file = join(tempFolder(t, 'feed'), 'in.jsonl');
  writeFileSync(file, textOf(numbered(6000)));
  const running = start(FEED,
    ['--url', nats.server.url, '--subject', 'state.c.{id}', '--rate', '3000', '--ack-timeout', '1', '--json', file]);
  await until('it publishes', async () => (await nats.jsm.streams.info('STATE')).state.messages > 500);
  await nats.server.restart();
  assert.equal((await running.exited).code, 0, running.stderr);
  assert.equal(JSON.parse(running.stdout).published, 6000);
  assert.equal(new Set((await messages(nats, 'STATE')).map((m) => m.subject)).size, 6000);
});

test('SIGINT stops reading, waits for what is on its way, and reports', async (t) => {
  const nats = await started(t);
  await nats.stream('STATE', ['state.>']);
  const child = spawn(FEED, ['--url', nats.server.url, '--subject', 'state.c.{id}', '--json']);
  child.stdin.write(textOf(numbered(300)));
  let stdout = '';
  child.stdout.on('data', (data) => (stdout += data));
  await until('all are there', async () => (await nats.jsm.streams.info('STATE')).state.messages === 300);
  signal(child, 'SIGINT');
  const [code] = await once(child, 'close');
  assert.equal(code, 0);
  const report = JSON.parse(stdout);
  assert.deepEqual([report.published, report.interrupted, report.last_sequence], [300, true, 300]);
});

test('a line that was read, and not sent when SIGINT came, is named and counted', async (t) => {
  const server = await startNats({ t });
  const { nc } = await server.client();
  let first;
  nc.subscribe('held.>', { callback: (_error, message) => (first ??= message) });
  await nc.flush();
  const file = join(tempFolder(t, 'feed'), 'two.jsonl');
  writeFileSync(file, textOf([{ subject: 'held.1' }, { subject: 'held.2' }]));
  const running = start(FEED, ['--url', server.url, '--raw', '--json', '--inflight', '1', '--ack-timeout', '20', file]);
  await until('the first is on its way, and the second waits for its place', () => first);
  signal(running.child, 'SIGINT');
  const pending = () => BigInt(`0x${/^ShdPnd:\s*(\w+)/m.exec(readFileSync(`/proc/${running.pid}/status`, 'utf8'))[1]}`);
  await until('the signal is taken', () => (pending() & 2n) === 0n);
  first.respond(JSON.stringify({ stream: 'HELD', seq: 1 }));
  const { code } = await running.exited;
  const { published, failed, interrupted } = JSON.parse(running.stdout);
  assert.deepEqual([code, published, failed, interrupted], [1, 1, 1, true]);
  assert.equal(running.stderr, 'stategate-feed: line 2: not sent: stopped\n');
});

test('--rate spaces events evenly, --limit takes the first ones', async (t) => {
  const nats = await started(t);
  await nats.stream('STATE', ['state.>']);
  const result = await feed(t, nats.server, ['--subject', 'state.c.{id}', '--rate', '200', '--limit', '100'],
    numbered(1000));
  assert.equal(result.report.published, 100);
  assert.ok(result.report.seconds > 0.45 && result.report.seconds < 2, `${result.report.seconds} s for 100 at 200/s`);
});

test('a line at the length limit is read, one beyond it is named, and the next one is read again', async (t) => {
  const nats = await started(t);
  await nats.stream('RAW', ['raw.>']);
  const padded = (bytes) => {
    const frame = JSON.stringify({ pad: '', subject: 'raw.x' });
    return JSON.stringify({ pad: 'x'.repeat(bytes - frame.length), subject: 'raw.x' });
  };
  const lines = [padded(LINE_BYTES_MAX), padded(LINE_BYTES_MAX + 1), padded(3 * LINE_BYTES_MAX), { subject: 'raw.y' }];
  const result = await feed(t, nats.server, ['--raw'], lines);
  assert.equal(result.code, 1);
  assert.deepEqual([result.report.published, result.report.failed], [2, 2]);
  assert.match(result.stderr, /line 2: longer than 12 MiB\n.*line 3: longer than 12 MiB/);
});

test('payloads of megabytes go through, more of them than may be on their way at once', async (t) => {
  const nats = await started(t, { config: 'max_payload: 8MB' });
  await nats.stream('RAW', ['raw.>'], { max_msgs: 1 });
  const lines = Array.from({ length: 40 }, (_, i) => ({ subject: `raw.${i}`, payloadText: 'x'.repeat(4 << 20) }));
  const result = await feed(t, nats.server, ['--raw'], lines);
  assert.deepEqual([result.code, result.report.published], [0, 40], result.stderr);
});

test('wrong usage is exit code 2 with a reason, no broker is exit code 1', async () => {
  const usages = [
    [], ['--bogus'], ['--rate'], ['--rate', '0', '--raw'], ['--rate', '-1', '--raw'], ['--raw', '--kv', 'b'],
    ['--raw', 'a', 'b'], ['a'],
    ['--subject', 'x.{collection}'], ['--subject', 'x.>'], ['--subject', 'x..y'],
    ['--subject', 'x', '--collection', 'c'],
    ['--subject', '{collection}', '--collection', 'a.b'], ['--create-stream', 'S'], ['--subjects', 'a', '--raw'],
    ['--kv', 'a.b'],
    ['--create-bucket', 'b', '--storage', 'tape'], ['--create-bucket', 'b', '--replicas', '6'],
    ['--raw', '--inflight', '65537'],
    ['--raw', '--user', 'u'], ['--raw', '--token-file', 'a', '--nkey-file', 'b'], ['--raw', '--tls-cert', 'a'],
    ['--raw', '--ack-timeout', 'nan'],
  ];
  for (const args of usages) {
    const result = await run(FEED, args);
    assert.equal(result.code, 2, args.join(' '));
    assert.match(result.stderr, /^stategate-feed: .+\nTry --help\.\n$/, args.join(' '));
  }
  const help = await run(FEED, ['--help']);
  assert.deepEqual([help.code, help.stderr], [0, '']);
  assert.match(help.stdout, /^Usage: stategate-feed/);
  const nobody = await run(FEED, ['--raw', '--url', 'nats://127.0.0.1:1']);
  assert.equal(nobody.code, 1);
  assert.match(nobody.stderr, /nats:\/\/127\.0\.0\.1:1: /);
  const nothing = await run(FEED, ['--raw', '/does/not/exist']);
  assert.deepEqual([nothing.code, nothing.stderr], [1, 'stategate-feed: /does/not/exist: No such file or directory\n']);
});

test('a user and password, a token and an nkey from files let it in, and wrong ones do not', async (t) => {
  const folder = tempFolder(t, 'secrets');
  const secret = (name, text) => {
    writeFileSync(join(folder, name), `${text}\n`);
    return join(folder, name);
  };
  const user = createUser();
  const seed = secret('seed', Buffer.from(user.getSeed()).toString());
  const cases = [
    ['authorization { user: u, password: "p w" }', ['--user', 'u', '--password-file', secret('password', 'p w')]],
    ['authorization { token: "t0ken" }', ['--token-file', secret('token', 't0ken')]],
    [`authorization { users: [{ nkey: ${user.getPublicKey()} }] }`, ['--nkey-file', seed]],
  ];
  for (const [config, args] of cases) {
    const server = await startNats({ t, config });
    const create = ['--create-stream', 'S', '--subjects', 's.>', '--url', server.url];
    const right = await run(FEED, [...args, ...create]);
    assert.equal(right.code, 0, right.stderr);
    const wrong = await run(FEED, ['--user', 'u', '--password-file', seed, ...create]);
    assert.equal(wrong.code, 1);
    assert.match(wrong.stderr, /authorization/i);
    assert.ok(!wrong.stderr.includes(Buffer.from(user.getSeed()).toString()), 'a secret is never shown');
  }
});

test('a credentials file lets it in', async (t) => {
  const { config, credentials } = operatorWorld();
  const file = join(tempFolder(t, 'secrets'), 'user.creds');
  writeFileSync(file, credentials);
  const server = await startNats({ t, config });
  const create = ['--create-stream', 'S', '--subjects', 's.>', '--url', server.url];
  const right = await run(FEED, ['--credentials', file, ...create]);
  assert.equal(right.code, 0, right.stderr);
  assert.equal((await run(FEED, create)).code, 1);
});

test('TLS with a certificate of its own', async (t) => {
  const files = await certificates(tempFolder(t, 'tls'));
  const { cert, key } = files.server;
  const config = `tls { cert_file: "${cert}", key_file: "${key}", ca_file: "${files.ca}", verify: true }`;
  const server = await startNats({ t, config, scheme: 'tls' });
  const create = ['--create-stream', 'S', '--subjects', 's.>', '--url', `tls://localhost:${server.port}`];
  const own = ['--tls-cert', files.client.cert, '--tls-key', files.client.key];
  const right = await run(FEED, ['--tls-ca', files.ca, ...own, ...create]);
  assert.equal(right.code, 0, right.stderr);
  assert.equal((await run(FEED, ['--tls-ca', files.ca, ...create])).code, 1, 'the server wants our certificate');
  assert.equal((await run(FEED, ['--tls-ca', files.client.cert, ...own, ...create])).code, 1,
    'and we want to know who signed its');
});
