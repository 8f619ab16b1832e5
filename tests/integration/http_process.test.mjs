// What the gateway promises as a process that serves HTTP: when it is ready, all kinds of addresses, and an orderly
// end.
// ctest-serial

import assert from 'node:assert/strict';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { createConnection, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { startGateway } from '../support/gateway.mjs';
import { publishAll } from '../support/nats.mjs';
import { end, signal, tempFolder } from '../support/process.mjs';
import { scrape } from '../support/prometheus.mjs';
import { EPOCH, event, events, scene, STATE_POSITION } from '../support/scene.mjs';
import { throughout, until } from '../support/until.mjs';

const NO_IPV6 =
  !existsSync('/proc/net/if_inet6') || !readFileSync('/proc/net/if_inet6', 'utf8').includes(' lo')
    ? 'there is no IPv6 here'
    : false;

describe('readiness', () => {
  it('is measured at the head of the start, so that a busy stream cannot keep a replica from it', async (t) => {
    const s = await scene(t, { publish: events(2000), gateway: null });
    let stop = false;
    let from = 2001;
    const busy = (async () => {
      while (!stop) {
        await publishAll(s.client.js, events(200, { from }));
        from += 200;
      }
    })();
    try {
      s.gateway = await startGateway({ t, nats: s.nats });
      await s.gateway.untilReady({ deadlineMs: 10_000 });
      const first = (await s.gateway.status()).ready.target;
      await throughout('it stays ready', 1000, async () => (await s.gateway.get('/readyz')).status === 200);
      const { ready, position } = await s.gateway.status();
      assert.equal(ready.target, first);
      assert.ok(position > first);
    } finally {
      stop = true;
      await busy;
    }
  });

  it('is for all streams', async (t) => {
    const config = {
      streams: [
        { name: 'STATE', subject: 'state.{collection}.{id}', collections: ['customers'] },
        { name: 'LATER', subject: 'later.{id}', collection: 'later' },
      ],
    };
    const s = await scene(t, { publish: events(5), gateway: { config } });
    await s.gateway.untilPosition(5, { stream: 'STATE' });
    const answer = await s.gateway.get('/readyz');
    assert.equal(answer.status, 503);
    assert.match(answer.text, /LATER/);
    await s.client.jsm.streams.add({ name: 'LATER', subjects: ['later.>'] });
    await s.gateway.untilReady();
    const all = (await s.gateway.get('/v1/state')).headers['state-position'];
    assert.match(all, new RegExp(`^STATE:5;epoch=${EPOCH}, LATER:0;epoch=${EPOCH}$`));
    assert.match((await s.gateway.get('/v1/state/customers/c-1')).headers['state-position'], STATE_POSITION);
  });
});

describe('addresses', () => {
  it('a unix socket', async (t) => {
    const path = join(tempFolder(t, 'socket'), 's.sock');
    const gateway = await startGateway({ t, nats: 'nats://127.0.0.1:9', listen: `unix:${path}` });
    assert.equal((await gateway.get('/livez', { address: `unix:${path}` })).status, 200);
    assert.equal(statSync(path).mode & 0o007, 0, 'others have no access');
    await gateway.kill9();
    assert.ok(existsSync(path), 'a stale socket is left');
    await gateway.start();
    assert.equal((await gateway.get('/livez', { address: `unix:${path}` })).status, 200);
    assert.equal((await gateway.stop()).code, 0);
    assert.ok(!existsSync(path));
  });

  it(
    'IPv6',
    { skip: NO_IPV6 },
    async (t) => {
      const gateway = await startGateway({ t, nats: 'nats://127.0.0.1:9', listen: '[::1]:0' });
      assert.match(gateway.address, /^\[::1\]:\d+$/);
      assert.equal((await gateway.get('/livez')).status, 200);
    },
  );

  it('a second one for probes and metrics only', async (t) => {
    const s = await scene(t, { publish: events(3), gateway: { config: { listen_ops: '127.0.0.1:0' } } });
    await s.gateway.untilReady();
    const address = s.gateway.opsAddress;
    assert.match(address, /^127\.0\.0\.1:\d+$/);
    for (const path of ['/livez', '/readyz', '/metrics'])
      assert.equal((await s.gateway.get(path, { address })).status, 200, path);
    for (const path of ['/v1/state', '/v1/state/customers/c-1', '/v1/status', '/v1/rejected']) {
      assert.equal((await s.gateway.get(path, { address })).status, 404, path);
      assert.equal((await s.gateway.get(path)).status, 200, path);
    }
  });

  it('several, by a list, the variable or the flag', async (t) => {
    const path = join(tempFolder(t, 'several'), 's.sock');
    const list = ['127.0.0.1:0', '127.0.0.2:0', `unix:${path}`];
    const ways = [
      { config: { listen: list } },
      { env: { STATEGATE_LISTEN: list.join(',') } },
      { listen: list.join(',') },
    ];
    for (const way of ways) {
      const gateway = await startGateway({ t, nats: 'nats://127.0.0.1:9', listen: null, ...way });
      const addresses = gateway.address.split(',');
      assert.match(gateway.address, /^127\.0\.0\.1:\d+,127\.0\.0\.2:\d+,unix:/);
      for (const address of addresses) {
        // More than there are loops: each serves each address.
        const all = Array.from({ length: 16 }, () =>
          gateway.get('/livez', { address, headers: { Connection: 'close' } }),
        );
        for (const { status } of await Promise.all(all)) assert.equal(status, 200, address);
      }
      assert.deepEqual(await gateway.stop(), { code: 0, signal: null });
      assert.ok(!existsSync(path), 'the socket is removed');
    }
  });

  it('several, of which one cannot be bound, are all refused', async (t) => {
    const path = join(tempFolder(t, 'several'), 's.sock');
    const first = await startGateway({ t, nats: 'nats://127.0.0.1:9' });
    const listen = `unix:${path},${first.address}`;
    const second = await startGateway({ t, nats: 'nats://127.0.0.1:9', listen, expectExit: true });
    assert.equal(second.code, 1);
    assert.ok(second.log.at(-1).error.includes(first.address), second.stderr);
    assert.ok(!existsSync(path));
  });

  it('[::] serves both families, and a client of IPv4 is itself', { skip: NO_IPV6 }, async (t) => {
    const config = { wait: { parked_max_per_client: 1 } };
    const gateway = await startGateway({ t, nats: 'nats://127.0.0.1:9', listen: '[::]:0', config });
    const port = gateway.address.split(':').at(-1);
    for (const address of [`127.0.0.1:${port}`, `[::1]:${port}`])
      assert.equal((await gateway.get('/livez', { address })).status, 200, address);
    const wait = (address) => gateway.get('/v1/state/customers/x?min_version=1&wait=3', { address });
    const parked = async () => {
      const { text } = await gateway.get('/metrics', { address: `127.0.0.1:${port}` });
      return Number(/^stategate_waits_parked (\d+)$/m.exec(text)[1]);
    };
    const waits = [wait(`127.0.0.1:${port}`), wait(`[::1]:${port}`)];
    await until('each family waits', async () => (await parked()) === 2);
    assert.match((await wait(`127.0.0.1:${port}`)).text, /too-many-waits/);
    for (const { status } of await Promise.all(waits)) assert.equal(status, 503);
  });

  it('one that is taken stops the start and is named', async (t) => {
    const first = await startGateway({ t, nats: 'nats://127.0.0.1:9' });
    const second = await startGateway({ t, nats: 'nats://127.0.0.1:9', listen: first.address, expectExit: true });
    assert.notEqual(second.code, 0);
    assert.ok(second.stderr.includes(first.address), second.stderr);
  });
});

// A page in a browser has its own name lead to the address of the gateway on the browser's machine.
describe('the name in Host', () => {
  const asks = (gateway, host, options = {}) =>
    gateway.get('/v1/state', { headers: { Host: host, Connection: 'close' }, ...options });

  it('must be localhost, an address, or one of hosts, and an answer is never sniffed at', async (t) => {
    const gateway = await startGateway({
      t,
      nats: 'nats://127.0.0.1:9',
      config: { hosts: ['state.example', 'Other.example.'], listen_ops: '127.0.0.1:0' },
    });
    for (const host of ['localhost', 'LOCALHOST.:1', '127.0.0.1', '[::1]:8080', 'State.Example:8080', 'other.example'])
      assert.equal((await asks(gateway, host)).status, 200, host);
    for (const host of [
      'attacker.example',
      'localhost.attacker.example',
      'a.state.example',
      'state.example.attacker.example',
    ]) {
      const refused = await asks(gateway, host);
      assert.equal(refused.status, 421, host);
      assert.equal(refused.json().type, 'urn:stategate:problem:misdirected');
      assert.equal(refused.headers.connection, 'close');
      assert.equal(refused.headers['x-content-type-options'], 'nosniff');
    }
    const probe = await gateway.get('/livez', { address: gateway.opsAddress, headers: { Host: 'attacker.example' } });
    assert.equal(probe.status, 200, 'probes name whom they like');
    for (const target of ['/livez', '/v1/state', '/nowhere', '/metrics', '/openapi.yaml', '/v1/state?x=1'])
      assert.equal((await gateway.get(target)).headers['x-content-type-options'], 'nosniff', target);
  });

  it('is free on an address that others reach, until hosts is set', async (t) => {
    for (const [config, status] of [
      [{}, 200],
      [{ hosts: ['state.example'] }, 421],
    ]) {
      const gateway = await startGateway({ t, nats: 'nats://127.0.0.1:9', listen: '0.0.0.0:0', config });
      const address = gateway.address.replace('0.0.0.0', '127.0.0.1');
      assert.equal((await asks(gateway, 'stategate:8080', { address })).status, status);
      assert.equal((await asks(gateway, 'state.example', { address })).status, 200);
      await gateway.stop();
    }
  });

  it('is free on a unix socket, where it may be empty', async (t) => {
    const path = join(tempFolder(t, 'host'), 's.sock');
    const config = { hosts: ['state.example'] };
    const gateway = await startGateway({ t, nats: 'nats://127.0.0.1:9', listen: `unix:${path}`, config });
    for (const host of ['', 'anything', 'state.example'])
      assert.match(
        await converseText({ path }, `GET /livez HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`),
        /^HTTP\/1\.1 200 /,
      );
    assert.match(await converseText({ path }, 'GET /livez HTTP/1.1\r\nConnection: close\r\n\r\n'), /^HTTP\/1\.1 400 /);
  });
});

// What comes back for these bytes until the other side closes.
function converseText(address, bytes) {
  return new Promise((done, failed) => {
    let text = '';
    createConnection(address)
      .on('data', (data) => (text += data))
      .on('error', failed)
      .on('close', () => done(text))
      .write(bytes);
  });
}

describe('connections', () => {
  it('beyond the limit wait, and are answered as soon as another one ends', async (t) => {
    const config = { listen_ops: '127.0.0.1:0', http: { loops: 1, connections_max: 4 } };
    const gateway = await startGateway({ t, nats: 'nats://127.0.0.1:9', config });
    for (const [address, limit] of [
      [gateway.address, 4],
      [gateway.opsAddress, 256], // HTTP_OPS_CONNECTIONS_MAX
    ]) {
      const held = Array.from({ length: limit }, () => ask(address));
      await until('as many as the limit are answered', () => held.every(({ text }) => text.startsWith('HTTP/1.1 200')));
      const late = [ask(address), ask(address)];
      await throughout('those beyond it wait', 500, () => late.every(({ text }) => text === ''));
      const answered = () => late.filter(({ text }) => text.startsWith('HTTP/1.1 200')).length;
      // Nothing else happens in the loop meanwhile that could wake it.
      held.pop().socket.destroy();
      await until('one of them is answered', () => answered() === 1, { deadlineMs: 2000 });
      await throughout('the other one waits', 200, () => answered() === 1);
      held.pop().socket.destroy();
      await until('the other one is answered', () => answered() === 2, { deadlineMs: 2000 });
      for (const { socket } of [...held, ...late]) socket.destroy();
    }
  });
});

describe("the tests' own client", () => {
  // A server that closes a connection when it is asked for the `limit`th time on it.
  const closing = async (t, limit) => {
    const server = createServer((socket) => {
      let asked = 0;
      socket.on('error', () => {}).on('data', () => {
        if (++asked === limit) socket.destroy();
        else socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok');
      });
    });
    await new Promise((done) => server.listen(0, '127.0.0.1', done));
    t.after(() => server.close());
    return `127.0.0.1:${server.address().port}`;
  };

  it('asks again where a connection that was idle is closed, and only there', async (t) => {
    const gateway = await startGateway({ t, nats: 'nats://127.0.0.1:9' });
    const address = await closing(t, 2);
    for (let i = 0; i < 4; i++) assert.equal((await gateway.get('/livez', { address })).text, 'ok');
    await assert.rejects(gateway.get('/livez', { address: await closing(t, 1) }), { code: 'ECONNRESET' });
  });
});

describe('answers that nobody takes', () => {
  const MIB = 1 << 20;

  it('fill http.answers_bytes_max; beyond it a large one is a 503, and small ones go on', async (t) => {
    const text = 'x'.repeat(700_000);
    const large = Array.from({ length: 20 }, (_, i) => event(`c-${i}`, 1, { text }));
    const config = { listen_ops: '127.0.0.1:0', http: { loops: 2, answers_bytes_max: `${20 * MIB}` } };
    const s = await scene(t, { publish: [...large, event('small', 1)], gateway: { config } });
    await s.gateway.untilPosition(21);
    const metric = async (name, labels) => (await scrape(s.gateway)).value(name, labels);
    const bytes = (await s.gateway.get('/v1/state/customers')).body.length;
    assert.ok(bytes > 7 * MIB && bytes < 8 * MIB, `${bytes}`);
    await until('it was taken', async () => (await metric('stategate_http_answer_bytes')) < MIB);
    const readers = [];
    for (let i = 0; i < 2; i++) {
      const reader = ask(s.gateway.address, '/v1/state/customers');
      t.after(() => reader.socket.destroy());
      reader.socket.once('data', () => reader.socket.pause());
      await until('its answer begins', () => reader.text.startsWith('HTTP/1.1 200'));
      readers.push(reader);
    }
    // The kernel holds the rest of a page that is nearly sent: both are held here.
    assert.ok((await metric('stategate_http_answer_bytes')) >= 2 * bytes);
    const refused = await s.gateway.get('/v1/state/customers');
    assert.equal(refused.status, 503);
    assert.ok(Number(refused.headers['retry-after']) >= 1);
    assert.equal(refused.json().type, 'urn:stategate:problem:too-many-answers');
    assert.equal((await s.gateway.get('/v1/state/customers/small')).status, 200);
    assert.equal((await s.gateway.get('/v1/state/customers?limit=1')).status, 200); // there is room for less
    const labels = { route: '/v1/state/{collection}', method: 'GET', code: '503' };
    assert.equal(await metric('stategate_http_requests_total', labels), 1);
    assert.ok((await metric('stategate_http_connections', { listener: 'main' })) >= 3);
    assert.equal(await metric('stategate_http_connections', { listener: 'ops' }), 0);
    readers[0].socket.destroy();
    await until('there is room', async () => (await s.gateway.get('/v1/state/customers')).status === 200);
  });
});

describe('connections of one client', () => {
  it('beyond its limit are closed, those of others and of probes are not, and one that ends makes room', async (t) => {
    const config = { listen_ops: '127.0.0.1:0', http: { connections_max_per_client: 4 } };
    const gateway = await startGateway({ t, nats: 'nats://127.0.0.1:9', config });
    const answered = ({ text }) => text.startsWith('HTTP/1.1 200');
    await fetch(`${gateway.url}/livez`, { headers: { Connection: 'close' } });
    const held = Array.from({ length: 4 }, () => ask(gateway.address));
    await until('as many as the limit are answered', () => held.every(answered));
    const late = Array.from({ length: 20 }, () => ask(gateway.address));
    await until('those beyond it are closed', () => late.every(({ socket }) => socket.closed));
    assert.ok(late.every(({ text }) => text === ''));
    const probes = Array.from({ length: 8 }, () => ask(gateway.opsAddress));
    const others = [ask(gateway.address, '/livez', '127.0.0.2'), ...probes];
    await until('others are answered', () => others.every(answered));
    held.pop().socket.destroy();
    let again;
    await until('there is room again', async () => {
      again = ask(gateway.address);
      await until('an end', () => answered(again) || again.socket.closed);
      return answered(again);
    });
    for (const { socket } of [...held, ...others, again]) socket.destroy();
  });
});

// A connection that asks for something, and what came back on it so far.
function ask(address, path = '/livez', from = undefined) {
  const [host, port] = address.split(':');
  const asked = { socket: createConnection({ port: Number(port), host, localAddress: from }), text: '' };
  asked.socket.on('data', (data) => (asked.text += data)).on('error', () => {});
  asked.socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  return asked;
}

describe('the end', () => {
  it('SIGTERM: exit 0, and the database is closed in order', async (t) => {
    const s = await scene(t, { publish: events(500) });
    await s.untilLive();
    assert.deepEqual(await s.gateway.stop(), { code: 0, signal: null });
    assert.ok(!existsSync(`${s.gateway.database}-wal`) || statSync(`${s.gateway.database}-wal`).size === 0);
  });

  it('SIGTERM while the broker is absent, and while events flow', async (t) => {
    const lonely = await startGateway({ t, nats: 'nats://127.0.0.1:9' });
    assert.deepEqual(await lonely.stop(), { code: 0, signal: null });
    const s = await scene(t, { publish: events(20_000, { ids: 5000 }), gateway: null });
    s.gateway = await startGateway({ t, nats: s.nats });
    await s.gateway.untilPosition(1);
    assert.deepEqual(await s.gateway.stop(), { code: 0, signal: null });
    await s.gateway.start();
    await s.untilEqual({ deadlineMs: 20_000 });
  });

  it('a request at hand is answered, not ready any more, and new connections are refused', async (t) => {
    const s = await scene(t, { publish: events(3) });
    await s.gateway.untilReady();
    const socket = createConnection(s.gateway.port, '127.0.0.1');
    let text = '';
    socket.on('data', (data) => (text += data)).on('error', () => {});
    socket.write('GET /readyz HTTP/1.1\r\nHost: localhost\r\n');
    // The server has read the first half once a request that came after it is answered.
    for (let i = 0; i < 20; i++) await s.gateway.get('/livez');
    signal(s.gateway.running.child, 'SIGTERM');
    await until('new connections are refused', () => refused(s.gateway.port), { deadlineMs: 3000 });
    socket.write('\r\n');
    await until('the answer', () => text.includes('\r\n\r\n'), { deadlineMs: 3000 });
    assert.match(text, /^HTTP\/1\.1 503 /);
    assert.match(text, /\r\nConnection: close\r\n/i);
    assert.deepEqual(await s.gateway.running.exited, { code: 0, signal: null });
  });

  it('no answer is cut short by it', async (t) => {
    // A page of 7.5 MB: more than the kernel takes at once.
    const text = 'x'.repeat(100_000);
    const publish = Array.from({ length: 75 }, (_, i) => event(`b-${i}`, 1, { text }));
    // Long enough to send what is asked for, however busy the machine is.
    const s = await scene(t, { publish, gateway: { config: { shutdown: { drain: '60s' } } } });
    await s.gateway.untilReady();
    const outcomes = { whole: 0, refused: 0, cut: 0 };
    let over = false;
    t.after(() => (over = true)); // also when it fails: they would ask for ever
    const clients = Array.from({ length: 8 }, async () => {
      while (!over) {
        try {
          const answer = await s.gateway.get('/v1/state/customers');
          outcomes[answer.status === 200 && answer.json().items.length === 75 ? 'whole' : 'cut']++;
        } catch (error) {
          // A connection that was idle may be closed under a request; one that had begun to answer may not: Node calls
          // that "aborted", with the code of the other.
          const closed = ['ECONNRESET', 'ECONNREFUSED', 'EPIPE'].includes(error.code) && error.message !== 'aborted';
          outcomes[closed ? 'refused' : 'cut']++;
        }
      }
    });
    await until('traffic', () => outcomes.whole > 40, { deadlineMs: 60_000 });
    const exit = await end(s.gateway.running);
    over = true;
    await Promise.all(clients);
    assert.deepEqual(exit, { code: 0, signal: null });
    assert.equal(outcomes.cut, 0);
  });
});

function refused(port) {
  return new Promise((done) => {
    const socket = createConnection(port, '127.0.0.1');
    socket
      .once('connect', () => done(false))
      .once('error', () => done(true))
      .once('close', () => socket.destroy());
    socket.once('connect', () => socket.destroy());
  });
}
