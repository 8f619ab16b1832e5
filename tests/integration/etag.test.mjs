// What tags promise across replicas and files: one message, one content; and what else a client keeps between requests.

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { describe, it } from 'node:test';

import { startGateway } from '../support/gateway.mjs';
import { event, scene } from '../support/scene.mjs';

const ADA = '/v1/state/customers/42';
const ADAS = '/v1/state/customers';
const dropped = { collections: [{ name: 'customers', drop: ['/ssn'] }] };

// Another gateway on a new file, which has what the first one has.
async function replica(t, s, config = {}) {
  const gateway = await startGateway({ t, nats: s.nats, config });
  await gateway.untilPosition((await s.info()).state.last_seq);
  return gateway;
}

describe('an ETag', () => {
  it('is the same on a replica with the same settings, of the version and of the page', async (t) => {
    const s = await scene(t, { publish: [event('42', 1, { ssn: 7 })] });
    await s.untilEqual();
    const other = await replica(t, s);
    for (const path of [ADA, ADAS]) {
      const { etag } = (await s.gateway.get(path)).headers;
      assert.equal((await other.get(path, { headers: { 'If-None-Match': etag } })).status, 304, path);
    }
  });

  it('is another one where a member is dropped, in a new file and in the same one', async (t) => {
    const s = await scene(t, { publish: [event('42', 1, { name: 'Ada', ssn: 7 })] });
    await s.untilEqual();
    const tags = new Map();
    for (const path of [ADA, ADAS]) tags.set(path, (await s.gateway.get(path)).headers.etag);
    const fresh = await replica(t, s, dropped);
    await s.gateway.restart({ config: dropped });
    await s.gateway.untilPosition(1);
    for (const [path, etag] of tags) {
      const answers = [];
      for (const gateway of [fresh, s.gateway]) {
        const answer = await gateway.get(path, { headers: { 'If-None-Match': etag } });
        assert.equal(answer.status, 200, path);
        assert.match(answer.text, /"name":"Ada"/);
        assert.doesNotMatch(answer.text, /ssn/);
        answers.push(answer.headers.etag);
      }
      assert.equal(answers[0], answers[1], 'whatever happened in the file before');
    }
  });

  it('is not the same for two contents of one version', async (t) => {
    const s = await scene(t, { publish: [event('42', 1, { a: 1 })], stream: { max_msgs_per_subject: 1 } });
    await s.untilEqual();
    await s.client.js.publish('state.customers.42', event('42', 1, { a: 2 }).payload);
    await s.gateway.untilPosition(2);
    const first = await s.gateway.get(ADA);
    assert.equal(first.text, '{"a":1}', 'the second is a conflict');
    const other = await replica(t, s);
    const second = await other.get(ADA, { headers: { 'If-None-Match': first.headers.etag } });
    assert.equal(second.status, 200);
    assert.equal(second.text, '{"a":2}', 'the first is not in the stream any more');
    assert.equal(second.headers['state-version'], first.headers['state-version']);
  });

  it('of a page changes with its last item that leaves, also where a rebuild finds fewer', async (t) => {
    const publish = [event('old', 1), event('42', 1)];
    const s = await scene(t, { publish });
    await s.untilEqual();
    const { etag } = (await s.gateway.get(ADAS)).headers;
    await s.client.jsm.streams.deleteMessage('STATE', 1);
    const other = await replica(t, s);
    const page = await other.get(ADAS, { headers: { 'If-None-Match': etag } });
    assert.equal(page.status, 200);
    assert.deepEqual(page.json().items.map(({ id }) => id), ['42']);
  });
});

describe('conditions', () => {
  it('are evaluated as RFC 9110 wants', async (t) => {
    const at = { occurredAt: '2026-01-31T12:00:00.5Z' };
    const s = await scene(t, { publish: [event('42', 1, { a: 1 }, at)] });
    await s.untilEqual();
    const { etag, 'last-modified': date } = (await s.gateway.get(ADA)).headers;
    assert.equal(date, 'Sat, 31 Jan 2026 12:00:00 GMT');
    const rows = [
      [{ 'If-Match': etag }, 200],
      [{ 'If-Match': `W/${etag}` }, 412],
      [{ 'If-Match': '"x"' }, 412],
      [{ 'If-Match': '"x' }, 400],
      [{ 'If-Unmodified-Since': date }, 200],
      [{ 'If-Unmodified-Since': 'Sat, 31 Jan 2026 11:59:59 GMT' }, 412],
      [{ 'If-Modified-Since': date }, 304],
      [{ 'If-Modified-Since': 'Sat, 31 Jan 2026 11:59:59 GMT' }, 200],
      [{ 'If-Modified-Since': date, 'If-None-Match': '"x"' }, 200],
    ];
    for (const [headers, status] of rows) {
      for (const method of ['GET', 'HEAD']) {
        const answer = await s.gateway.get(ADA, { method, headers });
        assert.equal(answer.status, status, JSON.stringify(headers));
        if (status === 304) assert.equal(answer.headers['last-modified'], undefined);
      }
    }
    const never = await s.gateway.get('/v1/state/customers/never', { headers: { 'If-Match': '"x"' } });
    assert.equal(never.status, 404);
  });
});

// One request, and the head of its answer.
function head(port, request) {
  return new Promise((done, fail) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(request));
    let text = '';
    socket.on('data', (data) => {
      text += data.toString('latin1');
      if (!text.includes('\r\n\r\n')) return;
      socket.destroy();
      done(text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n'));
    });
    socket.on('error', fail);
    socket.on('close', () => fail(new Error(`closed after "${text}"`)));
  });
}

describe('Keep-Alive', () => {
  const kept = (lines) => lines.filter((line) => /^(Connection|Keep-Alive):/i.test(line)).sort();

  it('tells how long a connection may be idle, where it stays open', async (t) => {
    const s = await scene(t, { gateway: { config: { http: { head_timeout: '2900ms' } } } });
    const rows = [
      ['GET /livez HTTP/1.1', '', ['Connection: Keep-Alive', 'Keep-Alive: timeout=2']],
      ['HEAD /v1/state HTTP/1.1', '', ['Connection: Keep-Alive', 'Keep-Alive: timeout=2']],
      ['GET /livez HTTP/1.0', 'Connection: keep-alive\r\n', ['Connection: Keep-Alive', 'Keep-Alive: timeout=2']],
      ['GET /livez HTTP/1.1', 'Connection: close\r\n', ['Connection: close']],
      ['GET /livez HTTP/1.1', 'Connection: x ,CLOSE\r\n', ['Connection: close']],
      ['GET /livez HTTP/1.1', 'Connection: : close\r\n', ['Connection: Keep-Alive', 'Keep-Alive: timeout=2']],
      ['GET /livez HTTP/1.1', 'Connection: a close\r\n', ['Connection: Keep-Alive', 'Keep-Alive: timeout=2']],
      ['GET /livez HTTP/1.0', '', ['Connection: close']],
      ['PUT /livez HTTP/1.1', '', ['Connection: close']],
    ];
    for (const [line, headers, expected] of rows) {
      const lines = await head(s.gateway.port, `${line}\r\nHost: localhost\r\n${headers}\r\n`);
      assert.deepEqual(kept(lines), expected, line + headers);
    }
  });
});
