// The wall clock is set back while the link to the broker is half-open: nothing that the gateway waits for takes
// longer.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { startGateway } from '../support/gateway.mjs';
import { startProxy } from '../support/proxy.mjs';
import { events, scene } from '../support/scene.mjs';
import { timed, until } from '../support/until.mjs';
import { wallClock } from '../support/wallclock.mjs';

const HOUR = 3600;

// A gateway whose last question was swallowed by the link, and whose clock went back an hour while it waited.
async function askedInVain(t) {
  const clock = await wallClock(t);
  const s = await scene(t, { publish: events(10), gateway: null });
  const proxy = await startProxy({ t, target: s.nats.port });
  s.gateway = await startGateway({ t, nats: proxy.url, env: clock.env });
  await s.untilLive();
  proxy.swallow();
  const bytes = proxy.bytes;
  await until('a question is asked, and its answer swallowed', () => proxy.bytes - bytes > 500);
  clock.move(-HOUR);
  return { s, proxy };
}

describe('a wall clock that is set back while the link is half-open', () => {
  it('delays no proof: the gateway connects again, and is live', async (t) => {
    const { s, proxy } = await askedInVain(t);
    await s.gateway.untilStatus('disconnected', { deadlineMs: 5000 });
    proxy.flow();
    await s.gateway.untilStatus('live', { deadlineMs: 15_000 });
    await s.publish(events(10, { from: 11 }));
    await s.untilLive();
  });

  it('delays no stop', async (t) => {
    const { s } = await askedInVain(t);
    const { ms, result } = await timed(() => s.gateway.stop());
    assert.deepEqual(result, { code: 0, signal: null });
    assert.ok(ms < 8000, `${ms} ms`);
  });
});
