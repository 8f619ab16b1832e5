// The client code in README works as it stands there: each program is run against a real nats-server and the real
// gateway. It writes, reads its own write, and carries the position of that answer to the next read.

import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { cleanEnvironment, startGateway } from '../support/gateway.mjs';
import { blocks, read } from '../support/markdown.mjs';
import { startNats } from '../support/nats.mjs';
import { run, SOURCE_DIR, tempFolder } from '../support/process.mjs';
import { STATE_POSITION } from '../support/scene.mjs';

// How a program of each language is run: its file, and the command. Debian's library for Go lies in its own tree.
const LANGUAGES = {
  js: { file: 'read.mjs', command: (file) => [process.execPath, [file]] },
  python: { file: 'read.py', command: (file) => ['python3', [file]] },
  go: {
    file: 'read.go',
    command: (file) => ['go', ['run', file]],
    env: { GO111MODULE: 'off', GOPATH: '/usr/share/gocode', GOCACHE: join(SOURCE_DIR, 'build/go-cache'), GOFLAGS: '' },
  },
};
const WRITTEN = { name: 'Ada L.' };

// Passes requests on to the gateway, and notes what was demanded and what was answered.
async function recorder(gateway) {
  const seen = [];
  const server = http.createServer(async (request, response) => {
    const headers = {};
    if (request.headers['min-position']) headers['Min-Position'] = request.headers['min-position'];
    const answer = await gateway.get(request.url, { headers });
    const position = answer.headers['state-position'];
    seen.push({ path: request.url, demanded: request.headers['min-position'], position });
    response.writeHead(answer.status, { 'State-Position': position }).end(answer.body);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { seen, address: `127.0.0.1:${server.address().port}`, close: () => server.close() };
}

describe('client code of README', () => {
  let nats;
  let gateway;
  let client;

  before(async () => {
    nats = await startNats();
    client = await nats.client();
    await client.jsm.streams.add({ name: 'STATE', subjects: ['state.>'] });
    gateway = await startGateway({ nats });
    await gateway.untilStatus('live');
  });

  after(async () => {
    await gateway?.kill9();
    await nats?.stop();
  });

  // Runs the program with the addresses of this test; gives its output and the requests that it made.
  async function play(t, language, source) {
    const { file, command, env } = LANGUAGES[language];
    const folder = tempFolder(t, 'docs-client');
    symlinkSync(join(SOURCE_DIR, 'tests/node_modules'), join(folder, 'node_modules'));
    const proxy = await recorder(gateway);
    t.after(() => proxy.close());
    const here = source
      .replaceAll('127.0.0.1:8080', proxy.address)
      .replaceAll('127.0.0.1:4222', `127.0.0.1:${nats.port}`)
      .replaceAll('"127.0.0.1", 4222', `"127.0.0.1", ${nats.port}`)
      .replaceAll('nats.DefaultURL', `"${nats.url}"`);
    assert.equal(here.includes('4222'), false, 'every address is that of this test');
    writeFileSync(join(folder, file), here);
    mkdirSync(join(SOURCE_DIR, 'build'), { recursive: true });
    const result = await run(...command(join(folder, file)), { env: cleanEnvironment(env), cwd: folder });
    return { ...result, requests: proxy.seen };
  }

  // What the program must have done.
  async function verify({ code, stdout, stderr, requests }) {
    assert.equal(code, 0, stderr);
    const { state } = await client.jsm.streams.info('STATE');
    const [own, page] = requests;
    assert.equal(requests.length, 2);
    assert.equal(own.path, '/v1/state/customers/42');
    assert.equal(own.demanded, `STATE:${state.last_seq}`, 'the position of its write');
    assert.match(own.position, STATE_POSITION);
    assert.equal(page.path, '/v1/state/customers');
    assert.equal(page.demanded, own.position, 'the position of the answer before');
    assert.ok(stdout.includes(JSON.stringify(WRITTEN)), stdout);
    assert.ok(stdout.includes(`{"id":"42","version":2,"state":${JSON.stringify(WRITTEN)}}`), stdout);
  }

  const programs = blocks(read('README.md')).filter(({ language }) => language in LANGUAGES);

  it('is there once in each language', () => {
    assert.deepEqual(programs.map(({ language }) => language).sort(), Object.keys(LANGUAGES).sort());
  });

  for (const { language, body } of programs) {
    it(`${language} writes, reads its write, and never goes back`, { timeout: 300_000 }, async (t) => {
      await verify(await play(t, language, body));
    });
  }

  it('that carries no position is noticed', { timeout: 60_000 }, async (t) => {
    const { body } = programs.find(({ language }) => language === 'python');
    for (const [so, notSo] of [
      ['page, position = read("customers", position)', 'page, position = read("customers", "STATE:1")'],
      ['headers={"Min-Position": position}', 'headers={}'],
      [`f"{ack['stream']}:{ack['seq']}"`, '"STATE:1"'],
    ]) {
      assert.ok(body.includes(so), so);
      await assert.rejects(verify(await play(t, 'python', body.replace(so, notSo))), { code: 'ERR_ASSERTION' }, notSo);
    }
  });

  it('in Go is formatted as gofmt has it', async (t) => {
    const { body } = programs.find(({ language }) => language === 'go');
    const file = join(tempFolder(t, 'gofmt'), 'read.go');
    writeFileSync(file, body);
    const { code, stdout, stderr } = await run('gofmt', ['-l', file]);
    assert.deepEqual({ code, stdout, stderr }, { code: 0, stdout: '', stderr: '' });
  });
});
