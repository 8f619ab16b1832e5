// What scripts/demo shows, for tests of the documents: a server with its reference data, and a gateway that follows it.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { cleanEnvironment, startGateway } from './gateway.mjs';
import { startNats } from './nats.mjs';
import { program, run, SOURCE_DIR, tempFolder } from './process.mjs';

const FEED = program('STATEGATE_FEED_BIN', 'build/dev/stategate-feed');
const EVENTS = join(SOURCE_DIR, 'scripts/demo-events.mjs');

// As scripts/demo declares them.
const COLLECTIONS = [
  {
    name: 'subdivisions',
    fields: [
      { name: 'code', at: '/code', type: 'string' },
      { name: 'type', at: '/type', type: 'string' },
    ],
    indexes: ['code', 'type,code'],
  },
  { name: 'languages', fields: [{ name: 'name', at: '/name', type: 'string' }], indexes: ['name'] },
];

async function publish(nats, kind) {
  const env = cleanEnvironment();
  const made = await run(process.execPath, [EVENTS, kind], { env });
  assert.equal(made.code, 0, made.stderr);
  const file = join(tempFolder(undefined, 'demo'), 'events.jsonl');
  writeFileSync(file, made.stdout);
  const stream = ['--create-stream', 'STATE', '--subjects', 'state.>', '--subject', 'state.{collection}.{id}'];
  const feed = ['--url', nats.url, ...stream, '--collection-member', 'collection', '--json', file];
  const { code, stdout, stderr } = await run(FEED, feed, { env });
  assert.equal(code, 0, stdout + stderr);
}

// {nats, gateway, settled(), close()}; settled: the gateway is live, and has all that the stream holds.
export async function demoScene() {
  const nats = await startNats();
  await publish(nats, 'reference');
  await publish(nats, 'changes');
  const { jsm } = await nats.client();
  const gateway = await startGateway({ nats, config: { collections: COLLECTIONS } });
  const settled = async () => {
    const { state } = await jsm.streams.info('STATE');
    await gateway.untilPosition(state.last_seq, { deadlineMs: 30_000 });
    await gateway.untilStatus('live', { deadlineMs: 30_000 });
  };
  await settled();
  const close = async () => {
    await gateway.kill9();
    await nats.stop();
  };
  return { nats, gateway, settled, close };
}
