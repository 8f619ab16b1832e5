// scripts/demo shows what it says: its requests, the read that waits and the stale answer are those of the real
// program, and an answer that is not what it should be makes `scripts/demo --once` fail. (It installs and builds
// nothing here.)

import assert from 'node:assert/strict';
import { chmodSync, copyFileSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { cleanEnvironment, STATEGATE } from '../support/gateway.mjs';
import { NATS_SERVER } from '../support/nats.mjs';
import { freePort } from '../support/ports.mjs';
import { program, run, SOURCE_DIR, tempFolder } from '../support/process.mjs';

const FEED = program('STATEGATE_FEED_BIN', 'build/dev/stategate-feed');

function script(file, text) {
  writeFileSync(file, `#!/bin/bash\n${text}\n`);
  chmodSync(file, 0o755);
}

// Plays the demonstration in a folder that looks like a checkout which is set up and built.
//   feed     the text of a script in place of stategate-feed
//   replace  [from, to] in the demonstration itself
async function play(t, { feed, replace } = {}) {
  const root = tempFolder(t, 'demo');
  for (const folder of ['scripts', 'build/release', '.deps/bin', 'bin'])
    mkdirSync(join(root, folder), { recursive: true });
  const changes = [
    ['port 4222 ', `port ${await freePort()} `],
    ['port 8080 ', `port ${await freePort()} `],
    ...(replace ? [replace, ['deadline_s=60', 'deadline_s=6']] : []),
  ];
  let text = readFileSync(join(SOURCE_DIR, 'scripts/demo'), 'utf8');
  for (const [from, to] of changes) {
    assert.ok(text.includes(from), `${from} stands in it`);
    text = text.replace(from, to);
  }
  writeFileSync(join(root, 'scripts/demo'), text);
  chmodSync(join(root, 'scripts/demo'), 0o755);
  copyFileSync(join(SOURCE_DIR, 'scripts/demo-events.mjs'), join(root, 'scripts/demo-events.mjs'));
  script(join(root, 'scripts/setup'), 'exit 0');
  script(join(root, 'bin/cmake'), 'exit 0');
  symlinkSync(NATS_SERVER, join(root, '.deps/bin/nats-server'));
  symlinkSync(STATEGATE, join(root, 'build/release/stategate'));
  if (feed) script(join(root, 'build/release/stategate-feed'), feed);
  else symlinkSync(FEED, join(root, 'build/release/stategate-feed'));
  const env = cleanEnvironment({ PATH: `${join(root, 'bin')}:${process.env.PATH}` });
  return run(join(root, 'scripts/demo'), ['--once'], { env, cwd: root });
}

describe('scripts/demo --once', () => {
  it('shows a read that waits for a write, a stale answer that says so, and checks each answer', async (t) => {
    const { code, stdout, stderr } = await play(t);
    assert.equal(code, 0, stdout + stderr);
    assert.match(stdout, /^Server-Timing: wait;dur=\d+\.\d+$/m);
    assert.match(stdout, /^State-Status: disconnected$/m);
    assert.match(stdout, /urn:stategate:problem:replica-disconnected/);
    assert.match(stdout, /every answer is what it should be/);
  });

  it('fails when the read that waited shows another version', async (t) => {
    const other = `sed 's/"version":1/"version":2/' | ${FEED} "$@"`;
    const feed = `case " $* " in *" --create-stream "*) exec ${FEED} "$@" ;; *) ${other} ;; esac`;
    const { code, stderr } = await play(t, { feed });
    assert.equal(code, 1);
    assert.match(stderr, /NOT AS IT SHOULD BE \(A read that waits for a write.*State-Version: 1/);
  });

  it('fails when a read does not wait', async (t) => {
    const { code, stderr } = await play(t, { replace: ['min_version=1&wait=30', 'min_version=1&wait=0'] });
    assert.equal(code, 1);
    assert.match(stderr, /a read waits/);
  });

  it('fails when the broker is there and the answer is not stale', async (t) => {
    const { code, stderr } = await play(t, { replace: ['kill -STOP "$nats_pid"', 'true'] });
    assert.equal(code, 1);
    assert.match(stderr, /the broker does not answer/);
  });
});
