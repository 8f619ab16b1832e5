// The errors that docs/troubleshooting.md says what to do about are those that a real gateway reports: each is caused
// here, and found word for word in `lastError` of /v1/status, or in the log of a gateway that does not start.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { startGateway } from '../support/gateway.mjs';
import { codes, read, rows } from '../support/markdown.mjs';
import { NATS_SERVER_NEWEST, startNats } from '../support/nats.mjs';
import { freePort } from '../support/ports.mjs';
import { tempFolder } from '../support/process.mjs';
import { until } from '../support/until.mjs';

const ACCOUNTS = `
accounts {
  PLAIN { users: [{ user: plain, password: right }] }
  LIMITED {
    jetstream: enabled
    users: [{ user: limited, password: right, permissions: { publish: ["none"], subscribe: ["_INBOX.>"] } }]
  }
  OWNER {
    jetstream: enabled
    users: [{ user: owner, password: right }]
    exports: [{ service: "$JS.API.>" }]
  }
  READER {
    users: [{ user: reader, password: right }]
    imports: [{ service: { account: OWNER, subject: "$JS.API.>" } }]
  }
}`;

// How each error is caused: the settings of a gateway that meets it, given a server without accounts and one with.
const CAUSES = {
  'No server available for connection': async () => ({ nats: { url: `nats://127.0.0.1:${await freePort()}` } }),
  'Authentication Violation': ({ accounts, as }) => as(accounts, 'limited', 'wrong'),
  'Permissions Violation': ({ accounts, as }) => as(accounts, 'limited', 'right'),
  'JetStream not enabled for account': ({ accounts, as }) => as(accounts, 'plain', 'right'),
  'stream not found': ({ nats }) => ({
    nats: { url: nats.url },
    streams: [{ name: 'NONE', subject: 'none.{collection}.{id}' }],
  }),
  'its retention is not "limits"': async ({ nats, client }) => {
    await client.jsm.streams.add({ name: 'WORK', subjects: ['work.>'], retention: 'workqueue' });
    return { nats: { url: nats.url }, streams: [{ name: 'WORK', subject: 'work.{collection}.{id}' }] };
  },
  'its entries expire without delete markers': async ({ nats, client }) => {
    const expiring = { max_age: 3600e9, max_msgs_per_subject: 1 };
    await client.jsm.streams.add({ name: 'KV_short', subjects: ['$KV.short.>'], ...expiring });
    return { nats: { url: nats.url }, streams: [{ name: 'KV_short', format: 'kv', collection: 'short' }] };
  },
  'keeps more than one revision of a key': async ({ nats, client }) => {
    const expiring = { allow_msg_ttl: true, subject_delete_marker_ttl: 60e9, max_msgs_per_subject: 5 };
    await client.jsm.streams.add({ name: 'KV_kept', subjects: ['$KV.kept.>'], ...expiring });
    return { nats: { url: nats.url }, streams: [{ name: 'KV_kept', format: 'kv', collection: 'kept' }] };
  },
  'shorter than its duplicate window': async ({ nats, client }) => {
    await client.jsm.streams.add({ name: 'BRIEF', subjects: ['brief.>'], duplicate_window: 60e9 });
    return {
      nats: { url: nats.url },
      streams: [{ name: 'BRIEF', subject: 'brief.{collection}.{id}', collections: ['gone'] }],
      collections: [{ name: 'gone', tombstones: { keep: '30s' } }],
    };
  },
  "can match the template's filter": async ({ nats, client }) => {
    await client.jsm.streams.add({ name: 'TYPO', subjects: ['typo.>'] });
    return { nats: { url: nats.url }, streams: [{ name: 'TYPO', subject: 'type.{collection}.{id}' }] };
  },
  'nothing of its consumer arrives': async ({ accounts, as }) => {
    const owner = await accounts.client({ user: 'owner', pass: 'right' });
    await owner.jsm.streams.add({ name: 'STATE', subjects: ['state.>'] });
    return as(accounts, 'reader', 'right');
  },
};
// This one takes a cluster without a majority, as integration/cluster has it; its words are looked for in the source.
const IN_SOURCE = { 'no leader with a majority': 'projector/source/probe.c' };

const sqlite = (file, statement) => assert.equal(spawnSync('sqlite3', [file, statement]).status, 0, statement);

// How a start is refused: options of a gateway that does not start. `database` is the file of one that was stopped.
// What takes a small disk is caused where there is one.
const CAUSED_ELSEWHERE = { 'the disk is full': 'tests/fault/full_disk.test.mjs' };

const REFUSALS = {
  'unknown key': () => ({ config: 'listn: 127.0.0.1:0\n' }),
  'has the database': ({ running }) => ({ database: running.database }),
  'newer than version': ({ database }) => {
    sqlite(database, 'PRAGMA user_version = 99');
    return { database };
  },
  'is a database of another program': ({ folder }) => {
    sqlite(join(folder, 'other.db'), 'PRAGMA application_id = 1; CREATE TABLE t (c)');
    return { database: join(folder, 'other.db') };
  },
  'Address already in use': ({ running }) => ({ listen: running.address }),
};

describe('last errors of docs/troubleshooting.md', () => {
  const named = rows(read('docs/troubleshooting.md'), 'last error').map(([error]) => codes(error)[0]);
  const given = {};

  before(async () => {
    given.nats = await startNats({ bin: NATS_SERVER_NEWEST });
    given.client = await given.nats.client();
    given.accounts = await startNats({ config: ACCOUNTS });
    given.as = (server, user, password) => {
      const password_file = join(tempFolder(undefined, 'docs-errors'), 'password');
      writeFileSync(password_file, `${password}\n`, { mode: 0o600 });
      return { nats: { url: server.url, user, password_file } };
    };
  });

  after(async () => {
    await given.nats?.stop();
    await given.accounts?.stop();
  });

  it('are those that are caused here', () => {
    assert.deepEqual([...named].sort(), [...Object.keys(CAUSES), ...Object.keys(IN_SOURCE)].sort());
  });

  for (const [error, cause] of Object.entries(CAUSES)) {
    it(error, { timeout: 60_000 }, async (t) => {
      const gateway = await startGateway({ t, config: await cause(given) });
      const reported = await until('an error is reported', async () => (await gateway.status()).lastError, {
        deadlineMs: 30_000,
      });
      assert.ok(reported.includes(error), reported);
      await gateway.untilStatus('disconnected', { deadlineMs: 20_000 });
    });
  }

  for (const [error, file] of Object.entries(IN_SOURCE)) {
    it(`${error}, in ${file}`, () => assert.ok(read(file).includes(error)));
  }
});

describe('refusals of docs/troubleshooting.md', () => {
  const named = rows(read('docs/troubleshooting.md'), 'refusal').map(([refusal]) => codes(refusal)[0]);

  it('are those that are caused here', () => {
    assert.deepEqual([...named].sort(), [...Object.keys(REFUSALS), ...Object.keys(CAUSED_ELSEWHERE)].sort());
  });

  for (const [refusal, file] of Object.entries(CAUSED_ELSEWHERE)) {
    it(`${refusal}, by a test of faults`, () => assert.ok(read(file).includes(refusal)));
  }

  for (const [refusal, cause] of Object.entries(REFUSALS)) {
    it(refusal, { timeout: 60_000 }, async (t) => {
      const running = await startGateway({ t });
      const stopped = await startGateway({ t });
      await stopped.stop();
      const given = { running, database: stopped.database, folder: tempFolder(t, 'docs-refusals') };
      const { code, stderr } = await startGateway({ t, expectExit: true, ...cause(given) });
      assert.equal(code, refusal === 'unknown key' ? 2 : 1, stderr);
      assert.ok(stderr.includes(refusal), stderr);
    });
  }
});
