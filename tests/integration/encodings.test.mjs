// Content codings: what a client asks for is what it gets, decodes to the plain bytes, and entities are as they are.
// ctest-threads:

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';
import { gunzipSync } from 'node:zlib';

import { converse, readAnswers } from '../support/raw_http.mjs';
import { event, scene } from '../support/scene.mjs';

const STATE = { name: 'x'.repeat(300), words: Array.from({ length: 40 }, (_, i) => `word ${i}`) };
const ENTITIES = 300; // a page of them is more than a loop compresses
const PAGE = '/v1/state/customers?limit=1000';
const SMALL_PAGE = '/v1/state/customers?limit=5';
// Answers that stand still while nothing happens, without their headers.
const STILL = [PAGE, SMALL_PAGE, '/v1/state', '/openapi.yaml'];

function unzstd(bytes) {
  const { status, stdout, stderr } = spawnSync('zstd', ['-d', '-c'], { input: bytes, maxBuffer: 1 << 26 });
  assert.equal(status, 0, stderr.toString());
  return stdout;
}
const DECODERS = { gzip: gunzipSync, zstd: unzstd };

describe('content codings', () => {
  let s;
  let gateway;

  before(async () => {
    const publish = Array.from({ length: ENTITIES }, (_, i) => event(`c-${i}`, 1, STATE));
    const config = { listen_ops: '127.0.0.1:0' };
    s = await scene({ after() {} }, { publish, gateway: { config } });
    gateway = s.gateway;
    await gateway.untilPosition(ENTITIES);
  });

  after(async () => {
    await gateway?.kill9();
    await s?.nats.stop();
  });

  // The answer in bytes, which no client has decoded.
  async function ask(path, accept, { method = 'GET', more = '', port = gateway.port } = {}) {
    const field = accept === undefined ? '' : `Accept-Encoding: ${accept}\r\n`;
    const request = `${method} ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${field}${more}\r\n`;
    const { received } = await converse({ port }, [request], { quietMs: 10_000 });
    const { answers, rest } = readAnswers(received, [method]);
    assert.equal(rest, '');
    const [{ status, headers, body }] = answers;
    const one = (name) => headers[name]?.[0];
    return { status, one, body: Buffer.from(body, 'latin1') };
  }

  for (const coding of ['gzip', 'zstd']) {
    it(`${coding} decodes to the plain bytes`, async () => {
      for (const path of STILL) {
        const plain = await ask(path);
        assert.equal(plain.one('content-encoding'), undefined, path);
        assert.equal(plain.one('vary'), 'Accept-Encoding', path);
        if (plain.body.length < 1024) continue;
        const coded = await ask(path, coding);
        assert.equal(coded.one('content-encoding'), coding, path);
        assert.equal(coded.one('vary'), 'Accept-Encoding', path);
        assert.equal(coded.one('etag'), plain.one('etag'), path);
        assert.ok(coded.body.length < plain.body.length / 2, `${path}: ${coded.body.length} of ${plain.body.length}`);
        assert.ok(DECODERS[coding](coded.body).equals(plain.body), path);
        const head = await ask(path, coding, { method: 'HEAD' });
        assert.equal(head.body.length, 0);
        for (const name of ['content-encoding', 'content-length', 'content-type', 'vary', 'etag'])
          assert.equal(head.one(name), coded.one(name), `HEAD ${path}: ${name}`);
      }
    });
  }

  it('metrics and status are encoded on every address', async () => {
    const opsPort = Number(gateway.opsAddress.split(':').at(-1));
    for (const [path, port, mark] of [
      ['/metrics', opsPort, 'stategate_build_info'],
      ['/metrics', opsPort, 'stategate_query_seconds_count'],
      ['/v1/status', gateway.port, '"streams"'],
    ]) {
      const { status, one, body } = await ask(path, 'gzip', { port });
      assert.equal(status, 200, path);
      const text = one('content-encoding') === 'gzip' ? gunzipSync(body).toString() : body.toString();
      if (path === '/metrics') assert.equal(one('content-encoding'), 'gzip');
      assert.ok(text.includes(mark), path);
    }
  });

  it('a client has its choice', async () => {
    for (const [accept, coding] of [
      ['gzip, deflate, br, zstd', 'zstd'],
      ['gzip;q=1, zstd;q=0.5', 'gzip'],
      ['zstd;q=0, *', 'gzip'],
      ['identity, gzip;q=0.5', undefined],
      ['deflate, br', undefined],
      ['gzip;q=0', undefined],
      ['gzip;q=x', undefined],
      ['gzip\r\nAccept-Encoding: zstd', undefined],
    ]) {
      const { status, one } = await ask(SMALL_PAGE, accept);
      assert.deepEqual([status, one('content-encoding')], [200, coding], accept);
    }
  });

  it('an entity, a probe and an error are sent as they are', async () => {
    for (const [path, status] of [
      ['/v1/state/customers/c-0', 200],
      ['/livez', 200],
      ['/v1/state/nobody', 404],
      ['/v1/state/customers/nobody', 404],
    ]) {
      const answer = await ask(path, 'gzip, zstd, identity;q=0');
      assert.equal(answer.status, status, path);
      assert.equal(answer.one('content-encoding'), undefined, path);
    }
  });

  it('a page that is unchanged says so in every coding', async () => {
    const plain = await ask(PAGE);
    for (const coding of ['gzip', 'zstd', 'identity']) {
      const { status, one, body } = await ask(PAGE, coding, { more: `If-None-Match: ${plain.one('etag')}\r\n` });
      assert.deepEqual([status, body.length, one('vary')], [304, 0, 'Accept-Encoding'], coding);
      assert.equal(one('content-encoding'), undefined);
    }
  });
});
