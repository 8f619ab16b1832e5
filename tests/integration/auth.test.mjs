// Every way to prove who we are to nats-server that can be had: files with a password, a token, an nkey, credentials,
// TLS, client certificates; what happens when they are wrong, and put right; and the least rights that suffice.
// ctest-timeout: 300

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { credsAuthenticator, nkeyAuthenticator } from '@nats-io/transport-node';

import { authority, certificates, operatorWorld, userKey } from '../support/credentials.mjs';
import { startGateway } from '../support/gateway.mjs';
import { publishAll, startNats } from '../support/nats.mjs';
import { freePort } from '../support/ports.mjs';
import { tempFolder } from '../support/process.mjs';
import { events } from '../support/scene.mjs';
import { throughout, until } from '../support/until.mjs';

const WITHIN = { deadlineMs: 8000 };

// A file with a secret, as an editor leaves it: with a line break at its end.
function secret(t, content, name = 'secret') {
  const file = join(tempFolder(t, 'secret'), name);
  writeFileSync(file, content, { mode: 0o600 });
  return file;
}

// A server with these settings and a stream with ten events.
async function serverWith(t, config, clientOptions, more = {}) {
  const nats = await startNats({ t, config, ...more });
  const client = await nats.client(clientOptions);
  await client.jsm.streams.add({ name: 'STATE', subjects: ['state.>'] });
  await publishAll(client.js, events(10));
  return { nats, client };
}

const gatewayWith = (t, nats, settings) => startGateway({ t, config: { nats: { url: nats.url, ...settings } } });

async function follows(gateway, client) {
  await gateway.untilPosition(10, WITHIN);
  await gateway.untilStatus('live', WITHIN);
  await publishAll(client.js, events(5, { from: 11 }));
  await gateway.untilPosition(15, WITHIN);
}

async function lastError(gateway, pattern, options = WITHIN) {
  return until(
    `lastError ${pattern}`,
    async () => {
      const { lastError: message } = await gateway.status();
      if (!pattern.test(message ?? '')) throw new Error(`it is ${JSON.stringify(message)}`);
      return message;
    },
    options,
  );
}

describe('the gateway proves who it is', () => {
  it('by user and password', async (t) => {
    const { nats, client } = await serverWith(t, 'authorization { user: gw, password: "pa ss#wörd" }', {
      user: 'gw',
      pass: 'pa ss#wörd',
    });
    await follows(await gatewayWith(t, nats, { user: 'gw', password_file: secret(t, 'pa ss#wörd\n') }), client);
  });

  it('by a token', async (t) => {
    const { nats, client } = await serverWith(t, 'authorization { token: "t0ken-with-$igns" }', {
      token: 't0ken-with-$igns',
    });
    await follows(await gatewayWith(t, nats, { token_file: secret(t, 't0ken-with-$igns\n') }), client);
  });

  it('by an nkey', async (t) => {
    const { publicKey, seed } = userKey();
    const authenticator = nkeyAuthenticator(new TextEncoder().encode(seed));
    const { nats, client } = await serverWith(t, `authorization { users: [ { nkey: ${publicKey} } ] }`, {
      authenticator,
    });
    await follows(await gatewayWith(t, nats, { nkey_file: secret(t, `${seed}\n`) }), client);
  });

  it('by a credentials file', async (t) => {
    const { config, credentials } = operatorWorld();
    const authenticator = credsAuthenticator(new TextEncoder().encode(credentials));
    const { nats, client } = await serverWith(t, config, { authenticator });
    await follows(await gatewayWith(t, nats, { credentials_file: secret(t, credentials, 'user.creds') }), client);
  });

  it('by nkey again and again: no start fails by chance', async (t) => {
    const { publicKey, seed } = userKey();
    const authenticator = nkeyAuthenticator(new TextEncoder().encode(seed));
    const { nats } = await serverWith(t, `authorization { users: [ { nkey: ${publicKey} } ] }`, { authenticator });
    const gateway = await gatewayWith(t, nats, { nkey_file: secret(t, seed) });
    for (let i = 0; i < 10; i++) {
      await gateway.untilStatus('live', WITHIN);
      await gateway.restart();
    }
    await gateway.untilStatus('live', WITHIN);
  });
});

describe('with TLS', () => {
  const tls = (files, more = '') =>
    `tls { cert_file: "${files.server.cert}", key_file: "${files.server.key}"\n${more} }`;

  it('the server is checked by its authority', async (t) => {
    const files = await certificates(tempFolder(t, 'tls'));
    const { nats, client } = await serverWith(t, tls(files), { tls: { caFile: files.ca } }, { scheme: 'tls' });
    await follows(await gatewayWith(t, nats, { tls: { ca_file: files.ca } }), client);
  });

  it('the server is known by its host name too', async (t) => {
    const files = await certificates(tempFolder(t, 'tls'));
    const { nats, client } = await serverWith(t, tls(files), { tls: { caFile: files.ca } }, { scheme: 'tls' });
    await follows(
      await gatewayWith(t, { url: `tls://localhost:${nats.port}` }, { tls: { ca_file: files.ca } }),
      client,
    );
  });

  it('a server of another authority is refused', async (t) => {
    const folder = tempFolder(t, 'tls');
    const files = await certificates(folder);
    const { nats } = await serverWith(t, tls(files), { tls: { caFile: files.ca } }, { scheme: 'tls' });
    const other = await authority(folder, 'other');
    const gateway = await gatewayWith(t, nats, { tls: { ca_file: other.cert } });
    await lastError(gateway, /tls|ssl|certificate/i);
    assert.equal((await gateway.status()).position, 0);
  });

  it('tls:// insists: a server without TLS is not talked to in the clear', async (t) => {
    const { nats } = await serverWith(t, '', {});
    const gateway = await gatewayWith(t, { url: `tls://127.0.0.1:${nats.port}` }, {});
    await lastError(gateway, /secure|tls|ssl/i);
    assert.equal((await gateway.status()).position, 0);
  });

  it('members of a cluster that are named by addresses are known by the name of the one that named them', async (t) => {
    const files = await certificates(tempFolder(t, 'tls'), 'subjectAltName=DNS:localhost');
    const routes = await Promise.all([1, 2, 3].map(freePort));
    const config = (i) => `
server_name: n${i}
cluster {
  name: loopback
  listen: "127.0.0.1:${routes[i]}"
  routes: [${routes.map((port) => `"nats://127.0.0.1:${port}"`)}]
}
${tls(files)}`;
    const servers = await Promise.all(routes.map((_, i) => startNats({ t, config: config(i), scheme: 'tls' })));
    const names = servers.map(({ port }) => `tls://localhost:${port}`);
    const client = await servers[1].client({ servers: names.slice(1), tls: { caFile: files.ca } });
    await until('the cluster has a leader', () =>
      client.jsm.streams.add({ name: 'STATE', subjects: ['state.>'], num_replicas: 3 }), { deadlineMs: 60_000 });
    await publishAll(client.js, events(10));
    const gateway = await gatewayWith(t, { url: names[0] }, { tls: { ca_file: files.ca } });
    await gateway.untilPosition(10, { deadlineMs: 20_000 });
    await gateway.untilStatus('live', { deadlineMs: 20_000 });
    await servers[0].kill9();
    await until('events are stored', () => publishAll(client.js, events(1, { from: 11 })), { deadlineMs: 60_000 });
    await gateway.untilPosition(11, { deadlineMs: 30_000 });
    await gateway.untilStatus('live', { deadlineMs: 30_000 });
    assert.equal((await gateway.status()).lastError, undefined);
  });

  it('a client certificate is shown where the server asks for one', async (t) => {
    const files = await certificates(tempFolder(t, 'tls'));
    const own = { caFile: files.ca, certFile: files.client.cert, keyFile: files.client.key };
    const { nats, client } = await serverWith(
      t,
      tls(files, `ca_file: "${files.ca}"\nverify: true`),
      { tls: own },
      { scheme: 'tls' },
    );
    const settings = { tls: { ca_file: files.ca, cert_file: files.client.cert, key_file: files.client.key } };
    await follows(await gatewayWith(t, nats, settings), client);
    const without = await gatewayWith(t, nats, { tls: { ca_file: files.ca } });
    await lastError(without, /./);
    assert.equal((await without.status()).position, 0);
  });
});

describe('wrong credentials', () => {
  it('are named, retried for ever, and work within seconds once the file is right', async (t) => {
    const { nats, client } = await serverWith(t, 'authorization { user: gw, password: right }', {
      user: 'gw',
      pass: 'right',
    });
    const file = secret(t, 'wrong');
    const gateway = await gatewayWith(t, nats, { user: 'gw', password_file: file });
    await lastError(gateway, /auth/i);
    assert.equal((await gateway.status()).status, 'disconnected');
    assert.equal((await gateway.get('/readyz')).status, 503);
    await until('several attempts', () => nats.log.split('authentication error').length > 4, WITHIN);
    writeFileSync(file, 'right');
    await follows(gateway, client);
    assert.equal((await gateway.status()).lastError ?? '', '', 'the error is over');
  });

  it('work once the server knows them', async (t) => {
    const { nats } = await serverWith(t, 'authorization { user: gw, password: old }', { user: 'gw', pass: 'old' });
    const gateway = await gatewayWith(t, nats, { user: 'gw', password_file: secret(t, 'new') });
    await lastError(gateway, /auth/i);
    await nats.closeClients();
    await nats.reload('authorization { user: gw, password: new }');
    const client = await nats.client({ user: 'gw', pass: 'new' });
    await follows(gateway, client);
  });

  it('that are withdrawn while it follows are named, and reads go on', async (t) => {
    const { nats } = await serverWith(t, 'authorization { user: gw, password: one }', { user: 'gw', pass: 'one' });
    const gateway = await gatewayWith(t, nats, { user: 'gw', password_file: secret(t, 'one') });
    await gateway.untilPosition(10, WITHIN);
    await nats.closeClients();
    await nats.reload('authorization { user: gw, password: two }');
    await gateway.untilStatus('disconnected', WITHIN);
    await lastError(gateway, /auth/i);
    assert.equal((await gateway.get('/v1/state/customers/c-1')).status, 200);
    await nats.reload('authorization { user: gw, password: one }');
    await gateway.untilStatus('live', WITHIN);
  });
});

describe('the least rights', () => {
  const RIGHTS = [
    '$JS.API.STREAM.INFO.STATE',
    '$JS.API.CONSUMER.CREATE.STATE.>',
    '$JS.API.STREAM.MSG.GET.STATE',
    '$JS.FC.STATE.>',
  ];
  const list = (subjects) => JSON.stringify(subjects);
  const users = (publish, subscribe) => `authorization { users: [
    { user: owner, password: o },
    {
      user: gw
      password: g
      permissions: { publish: { allow: ${list(publish)} }, subscribe: { allow: ${list(subscribe)} } }
    }
  ] }`;

  // Enough that the server asks for flow control, and a head that the filter does not match, which only a look into
  // the stream can prove to be reached.
  async function world(t, config) {
    const nats = await startNats({ t, config });
    const client = await nats.client({ user: 'owner', pass: 'o' });
    await client.jsm.streams.add({ name: 'STATE', subjects: ['state.>', 'other.>'] });
    await publishAll(client.js, events(20_000, { ids: 500 }));
    await publishAll(
      client.js,
      Array.from({ length: 5 }, () => ({ subject: 'other.x', payload: 'x' })),
    );
    return { nats, client };
  }

  const gatewayFor = (t, nats) => gatewayWith(t, nats, { user: 'gw', password_file: secret(t, 'g') });

  it('suffice for everything', async (t) => {
    const { nats, client } = await world(t, users(RIGHTS, ['_INBOX.>']));
    const gateway = await gatewayFor(t, nats);
    await gateway.untilPosition(20_005, { deadlineMs: 20_000 });
    await gateway.untilReady(WITHIN);
    await gateway.untilStatus('live', WITHIN);
    await nats.restart();
    await publishAll(client.js, events(5, { from: 20_001 }));
    await gateway.untilPosition(20_010, WITHIN);
    await gateway.restart();
    await gateway.untilStatus('live', WITHIN);
    assert.equal((await gateway.status()).lastError ?? '', '');
    assert.doesNotMatch(nats.log, /permissions? violation/i);
  });

  for (const right of RIGHTS) {
    it(`are noticed where ${right} is missing`, async (t) => {
      const { nats } = await world(
        t,
        users(
          RIGHTS.filter((other) => other !== right),
          ['_INBOX.>'],
        ),
      );
      const gateway = await gatewayFor(t, nats);
      const message = await lastError(gateway, /permission|right|denied|violation/i, { deadlineMs: 15_000 });
      assert.ok(message.includes(right.replace('.>', '')), `it names the subject: ${message}`);
    });
  }

  it('are noticed where no answer can be received', async (t) => {
    const { nats } = await world(t, users(RIGHTS, ['elsewhere.>']));
    const gateway = await gatewayFor(t, nats);
    await lastError(gateway, /permission|right|denied|violation/i, { deadlineMs: 15_000 });
    assert.notEqual((await gateway.status()).status, 'live');
  });
});

describe('a JetStream API of another account, without what its consumers deliver', () => {
  const accounts = (account) => `
accounts {
  OWNER {
    jetstream: enabled
    users: [{ user: owner, password: right }${account === 'OWNER' ? ', { user: gw, password: right }' : ''}]
    exports: [{ service: "$JS.API.>" }]
  }
  READER {
    users: [{ user: other, password: right }${account === 'READER' ? ', { user: gw, password: right }' : ''}]
    imports: [{ service: { account: OWNER, subject: "$JS.API.>" } }]
  }
}`;

  for (const published of [0, 10]) {
    it(`is disconnected, with the reason, for a stream of ${published} events`, async (t) => {
      const nats = await startNats({ t, config: accounts('READER') });
      const client = await nats.client({ user: 'owner', pass: 'right' });
      await client.jsm.streams.add({ name: 'STATE', subjects: ['state.>'] });
      await publishAll(client.js, events(published));
      const gateway = await gatewayWith(t, nats, { user: 'gw', password_file: secret(t, 'right\n') });
      const reason = /nothing of its consumer arrives/;
      await lastError(gateway, reason, { deadlineMs: 20_000 });
      let looks = 0;
      let told = 0;
      await throughout('it stays so, over several sessions', 8000, async () => {
        const { status, lastError: message } = await gateway.status();
        looks++;
        told += reason.test(message) ? 1 : 0;
        return status === 'disconnected';
      });
      // On a busy machine another question may go unanswered for a moment.
      assert.ok(told * 2 > looks, `the reason was there in ${told} of ${looks}`);
      await nats.reload(accounts('OWNER'));
      await publishAll(client.js, events(5, { from: published + 1 }));
      await gateway.untilPosition(published + 5, { deadlineMs: 20_000 });
      await gateway.untilStatus('live', { deadlineMs: 20_000 });
    });
  }
});

describe('a refusal that is over', () => {
  it('is not blamed on the next question that is not answered', async (t) => {
    const nats = await startNats({
      t,
      config: `authorization { users: [
        { user: owner, password: right }
        { user: gw, password: right, permissions: { publish: { deny: ["$JS.FC.>"] } } }
      ] }`,
    });
    const client = await nats.client({ user: 'owner', pass: 'right' });
    await client.jsm.streams.add({ name: 'STATE', subjects: ['state.>'] });
    const gateway = await gatewayWith(t, nats, { user: 'gw', password_file: secret(t, 'right\n') });
    await gateway.untilStatus('live', WITHIN);
    const large = 'x'.repeat(100_000); // so much that flow control asks for an answer, which is refused
    for (let i = 0; i < 40; i++)
      await client.js.publish(`state.c.${i}`, `{"version":1,"state":{"large":"${large}"}}`);
    await lastError(gateway, /FC/i, { deadlineMs: 30_000 });
    await until('it is logged', () => gateway.log.some(({ error }) => /FC/i.test(error ?? '')));
    const before = gateway.logged('stream_interrupted').length;
    nats.pause();
    t.after(() => nats.resume());
    await gateway.untilStatus('disconnected', { deadlineMs: 10_000 });
    const kinds = await until('the outage is logged', () => {
      const later = gateway.logged('stream_interrupted').slice(before);
      return later.length > 0 && later.map(({ kind }) => kind);
    }, { deadlineMs: 30_000 });
    assert.ok(!kinds.includes('denied'), `${kinds}`);
  });
});
