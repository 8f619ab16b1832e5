// What a gateway owes its readers while it cannot store, and small file systems on which that happens.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';

import { startGateway } from './gateway.mjs';
import { tempFolder } from './process.mjs';
import { scrape } from './prometheus.mjs';
import { event, scene } from './scene.mjs';
import { throughout } from './until.mjs';

// A file system of a few MiB, or null where only root may mount one.
export function smallDisk(t, megabytes) {
  const folder = tempFolder(null, 'disk');
  const { status } = spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder]);
  if (status !== 0) return null;
  // Registered first: a mount point cannot be removed with its folder.
  t.after(() => spawnSync('umount', ['-l', folder]));
  return folder;
}

export const NO_SMALL_DISK = 'NOT RUN: only root can mount the small file system that this needs';

export function growDisk(disk, megabytes) {
  assert.equal(spawnSync('mount', ['-o', `remount,size=${megabytes}m`, disk]).status, 0);
}

export const bulky = (count, from = 1) =>
  Array.from({ length: count }, (_, i) => event(`b-${from + i}`, 1, { text: 'x'.repeat(1000) }));

// A scene whose gateway has applied ten bulky events when `count` in all are in the stream. A batch is stored whole or
// not at all: with everything there at the start, the first one may already be more than there is room for, and the
// gateway would be halted without a row.
export async function bulkyScene(t, count, gateway) {
  const first = 10;
  const s = await scene(t, { publish: bulky(first), gateway: null });
  s.gateway = await startGateway({ t, nats: s.nats, ...gateway });
  await s.gateway.untilPosition(first, { deadlineMs: 20_000 });
  await s.publish(bulky(count - first, first + 1));
  return s;
}

// Waits until it is halted; then it must say so everywhere, answer reads (of this entity, among others), stand still.
export async function haltedAndReadable(gateway, { path = '/v1/state/customers/b-1' } = {}) {
  await gateway.untilStatus('halted', { deadlineMs: 20_000 });
  const answer = await gateway.get(path);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['state-status'], 'halted');
  const { lastError } = await gateway.status();
  assert.match(lastError, /full|space|limit|max_bytes|too large/i);
  assert.equal((await scrape(gateway)).value('stategate_stream_status', { stream: 'STATE', status: 'halted' }), 1);
  assert.equal((await gateway.get('/livez')).status, 200);
  const { position } = await gateway.status();
  await throughout(
    'it stays halted, and answers',
    1500,
    async () => (await gateway.status()).position === position && (await gateway.get('/v1/state')).status === 200,
  );
}
