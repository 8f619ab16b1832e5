// Connections that hold on to what they have, more of them than there is room for, and 20,000 short ones (COUNT): each
// has its time and no more, others are served meanwhile, and afterwards everything is as before within a second.
//
// ctest-timeout: 300

import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';

import { startGateway, STATEGATE } from '../support/gateway.mjs';
import { ask, Client, get, Holder, HOLDERS, percentile, SHORT_KINDS, shortConnection } from '../support/http_load.mjs';
import { frugalEnvironment, inMegabytes, MEGABYTE, openSockets, residentBytes } from '../support/memory.mjs';
import { signal, tempFolder } from '../support/process.mjs';
import { event, scene } from '../support/scene.mjs';
import { timed, until } from '../support/until.mjs';
import { Random } from '../support/workload.mjs';

const COUNT = Number(process.env.COUNT ?? 20_000);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
const HEAD_MS = 2000;
const ANSWER_MS = 3000;
const SLACK_MS = 3000; // of a busy machine
const EACH = 20;
const NO_BROKER = 'nats://127.0.0.1:9';
const TIMEOUTS = { head_timeout: `${HEAD_MS}ms`, answer_timeout: `${ANSWER_MS}ms` };

const ms = (times, share) => `${percentile(times, share).toFixed(1)} ms`;

// How long each was held, where that is not what it must be.
function notInTime(held, limitMs) {
  return held
    .filter((time) => time < 0.8 * limitMs || time > limitMs + SLACK_MS)
    .map((time) => `${time.toFixed(0)} ms`);
}

async function holdOn(address, form, count, insistMs = HEAD_MS + 2 * SLACK_MS) {
  const holders = Array.from({ length: count }, () => new Holder(address, form));
  const insist = setTimeout(() => holders.forEach((holder) => holder.destroy()), insistMs);
  const held = await Promise.all(holders.map(({ heldMs }) => heldMs));
  clearTimeout(insist);
  return held;
}

async function serve(gateway, path, action) {
  const client = new Client(gateway.address, path);
  const result = await action();
  await client.stop();
  assert.deepEqual(client.faults, [], 'an ordinary client beside it');
  return { result, times: client.times };
}

describe('connections that hold on', () => {
  it('before or between requests have the time for a head, however busy they look', async (t) => {
    const s = await scene(t, { publish: [event('1', 1)], gateway: { config: { http: TIMEOUTS } } });
    await s.untilLive();
    const before = openSockets(s.gateway.pid);
    const quiet = await serve(s.gateway, '/v1/state/customers/1', () => new Promise((done) => setTimeout(done, 500)));
    const { result, times } = await serve(s.gateway, '/v1/state/customers/1', () =>
      Promise.all(Object.values(HOLDERS).map((form) => holdOn(s.gateway.address, form, EACH))),
    );
    const held = result.flat();
    t.diagnostic(
      `${held.length} connections in ${result.length} forms held ${ms(held, 0)} to ${ms(held, 1)} of ${HEAD_MS} ms; ` +
        `beside them ${times.length} reads, p50 ${ms(times, 0.5)}, p99 ${ms(times, 0.99)} ` +
        `(alone ${ms(quiet.times, 0.5)}, ${ms(quiet.times, 0.99)})`,
    );
    for (const [i, what] of Object.keys(HOLDERS).entries()) assert.deepEqual(notInTime(result[i], HEAD_MS), [], what);
    assert.ok(percentile(times, 0.99) < 1000);
    await until('all are closed', () => openSockets(s.gateway.pid) <= before, { deadlineMs: 1000 });
  });

  it('in an answer have the time for an answer, whether they read slowly or not at all', async (t) => {
    const text = 'x'.repeat(100_000);
    const bulk = Array.from({ length: 40 }, (_, i) => event(`b-${i}`, 1, { text }, { collection: 'bulk' }));
    const config = { http: TIMEOUTS };
    const s = await scene(t, { publish: [event('1', 1), ...bulk], gateway: { config, env: frugalEnvironment() } });
    await s.untilLive();
    const before = openSockets(s.gateway.pid);
    const first = get('/v1/state/bulk').repeat(6); // 24 MB: more than the buffers on the way hold
    const still = Array.from({ length: 3 }, () => new Holder(s.gateway.address, { first, read: false }));
    const slow = Array.from({ length: 3 }, () => new Holder(s.gateway.address, { first, read: false }));
    const sip = setInterval(() => slow.forEach(({ socket }) => socket.read(1024)), 50);
    await until('they are there', () => openSockets(s.gateway.pid) >= before + 6);
    const begun = performance.now();
    const { result, times } = await serve(s.gateway, '/v1/state/customers/1', () =>
      timed(() =>
        until('all are closed', () => openSockets(s.gateway.pid) <= before + 1, {
          deadlineMs: ANSWER_MS + 3 * SLACK_MS,
        }),
      ),
    );
    clearInterval(sip);
    [...still, ...slow].forEach((holder) => holder.destroy());
    t.diagnostic(
      `6 readers that do not read held ${result.ms.toFixed(0)} ms of ${ANSWER_MS} ms; ` +
        `beside them ${times.length} reads, ` +
        `p99 ${ms(times, 0.99)}; ${inMegabytes(residentBytes(s.gateway.pid))} resident`,
    );
    assert.deepEqual(notInTime([performance.now() - begun], ANSWER_MS), []);
  });
});

// A gateway that may open no more than so many descriptors.
function withDescriptors(t, count) {
  const file = join(tempFolder(t, 'limit'), 'stategate');
  writeFileSync(file, `#!/bin/sh\nulimit -n ${count}\nexec "${STATEGATE}" "$@"\n`, { mode: 0o755 });
  return file;
}

const cpuSeconds = (pid) => {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
};

// Connections that ask one after the other and stay: `answered` of them.
class Crowd {
  constructor(address, count) {
    this.members = Array.from({ length: count }, () => new Holder(address, { first: get('/livez') }));
  }

  get answered() {
    return this.members.filter(({ received }) => received > 0);
  }

  get waiting() {
    return this.members.filter(({ received }) => received === 0);
  }

  leave(members) {
    for (const member of members) member.destroy();
    this.members = this.members.filter((member) => !members.includes(member));
  }
}

async function outOfRoom(t, gateway, room, what) {
  const crowd = new Crowd(gateway.address, room + 60);
  t.after(() => crowd.leave(crowd.members));
  await until(`${what}: as many as there is room for`, () => crowd.answered.length >= room, { deadlineMs: 8000 });
  const cpu = cpuSeconds(gateway.pid);
  const { ms: spanMs } = await timed(() => new Promise((done) => setTimeout(done, 700)));
  const busy = (cpuSeconds(gateway.pid) - cpu) / (spanMs / 1000);
  const [answered, waiting] = [crowd.answered, crowd.waiting];
  assert.equal(answered.length, room, what);
  for (const { socket } of answered) socket.write(get('/v1/state'));
  const bytes = answered.map(({ received }) => received);
  await until('those inside are served', () => answered.every(({ received }, i) => received > bytes[i]), {
    deadlineMs: 3000,
  });
  const leaving = answered.slice(0, 10);
  crowd.leave(leaving);
  const { ms: resumed } = await timed(() =>
    until(`${what}: those who wait take the room`, () => crowd.waiting.length <= waiting.length - leaving.length, {
      deadlineMs: 3000,
    }),
  );
  crowd.leave(crowd.members);
  const { ms: recovered } = await timed(async () => assert.equal(await ask(gateway.address, get('/livez')), 200));
  t.diagnostic(
    `${what}: ${answered.length} inside, ${waiting.length} waited; ` +
      `the process took ${(100 * busy).toFixed(0)} % of a processor; ` +
      `room that came free was taken in ${resumed.toFixed(0)} ms; then an answer in ${recovered.toFixed(0)} ms`,
  );
  assert.ok(resumed < 1000 && recovered < 1000, `${resumed}, ${recovered}`);
  assert.ok(busy < 0.5, `${busy} of a processor while nothing can be done`);
}

describe('more connections than there is room for', () => {
  for (const loops of [1, 2]) {
    it(`wait when descriptors are used up, ${loops} loop(s), and come in when there are some`, async (t) => {
      const config = { http: { loops, ...TIMEOUTS, head_timeout: '20s' } };
      const gateway = await startGateway({ t, nats: NO_BROKER, config, bin: withDescriptors(t, 90) });
      const [lowered] = await gateway.untilLogged('connections_max_lowered');
      assert.equal(lowered.descriptors, 90);
      assert.ok(lowered.connections_max >= 40 && lowered.connections_max < 80, `${lowered.connections_max}`);
      await outOfRoom(t, gateway, lowered.connections_max, `90 descriptors, ${loops} loop(s)`);
      assert.ok(!gateway.log.some(({ level }) => level === 'error'));
    });

    it(`wait when http.connections_max is reached, ${loops} loop(s)`, async (t) => {
      const config = { http: { loops, connections_max: 40, head_timeout: '20s' } };
      const gateway = await startGateway({ t, nats: NO_BROKER, config });
      await outOfRoom(t, gateway, 40, `connections_max 40, ${loops} loop(s)`);
    });
  }
});

async function shortOnes(gateway, count, { parallel = 24, addresses = 6 } = {}) {
  const random = new Random(SEED);
  const faults = [];
  const times = [];
  let left = count;
  const worker = async (_, i) => {
    while (left-- > 0) {
      const from = gateway.address.startsWith('127') ? `127.0.0.${1 + (i % addresses)}` : undefined;
      const { ms, result } = await timed(() => shortConnection(gateway.address, random.pick(SHORT_KINDS), from));
      times.push(ms);
      if (result !== null) faults.push(result);
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return { faults, times };
}

async function inTurn(t, gateway, count, what) {
  await shortOnes(gateway, Math.min(2000, count));
  const before = { sockets: openSockets(gateway.pid), bytes: residentBytes(gateway.pid) };
  const { faults, times } = await shortOnes(gateway, count);
  const { ms: recovered } = await timed(() =>
    until('as before', async () => openSockets(gateway.pid) <= before.sockets + 1, { deadlineMs: 1000 }),
  );
  assert.equal(await ask(gateway.address, get('/livez'), { timeoutMs: 1000 }), 200);
  const grown = residentBytes(gateway.pid) - before.bytes;
  t.diagnostic(
    `seed ${SEED}: ${count} connections ${what}: ${faults.length} went wrong; ` +
      `p50 ${ms(times, 0.5)}, p99 ${ms(times, 0.99)}, longest ${ms(times, 1)}; ` +
      `descriptors as before after ${recovered.toFixed(0)} ms; ${inMegabytes(grown)} more memory`,
  );
  assert.deepEqual(faults, []);
  assert.ok(grown < 16 * MEGABYTE, inMegabytes(grown));
}

describe('short connections', () => {
  it(`${COUNT} in turn, some of them rude, leave nothing behind`, async (t) => {
    const gateway = await startGateway({ t, nats: NO_BROKER, env: frugalEnvironment() });
    await inTurn(t, gateway, COUNT, 'by TCP');
  });

  for (const listen of ['[::1]:0', 'unix:']) {
    it(`a tenth of them by ${listen}, and holding on`, async (t) => {
      const address = listen === 'unix:' ? `unix:${join(tempFolder(t, 'socket'), 's')}` : listen;
      const gateway = await startGateway({
        t,
        nats: NO_BROKER,
        listen: address,
        config: { http: TIMEOUTS },
        env: frugalEnvironment(),
      });
      await inTurn(t, gateway, COUNT / 10, `by ${listen}`);
      const held = await holdOn(gateway.address, HOLDERS['half a head behind an answer'], EACH);
      assert.deepEqual(notInTime(held, HEAD_MS), []);
    });
  }
});

describe('these checks', () => {
  it('notice a gateway that holds on for longer, that does not answer, or answers something else', async (t) => {
    const gateway = await startGateway({ t, nats: NO_BROKER });
    const before = openSockets(gateway.pid);
    const holders = holdOn(gateway.address, HOLDERS['a head without its end'], 2, HEAD_MS + SLACK_MS + 100);
    await until('connections that stay count', () => openSockets(gateway.pid) === before + 2);
    assert.equal(notInTime(await holders, HEAD_MS).length, 2);
    signal(gateway.running.child, 'SIGSTOP');
    await until(
      'it is stopped',
      async () => (await ask(gateway.address, get('/livez'), { timeoutMs: 300 })) === 'no answer',
    );
    signal(gateway.running.child, 'SIGCONT');
    const client = new Client(gateway.address, '/nowhere');
    await until('it asked', () => client.times.length > 2);
    assert.notDeepEqual((await client.stop()).faults, []);
  });
});
