// What goes wrong with the broker. Each fault says afterwards what the gateway must have made of it:
//   newIncarnation  the stream is another one: another epoch, another build
//   gap             {first, last}: lost, and to be told
//   anyGap          something may be lost: the gateway itself tells what, within {first, last}
//   down            the status at its end, where it lasted so long that this must not be `live`
//   large           entities that are large now
//   still           the writers are to rest until all is judged

import { writeFileSync } from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';

import { signal } from '../support/process.mjs';
import { until } from '../support/until.mjs';
import { STATE } from './broker_incarnation.mjs';
import { RIGHTS } from './broker_world.mjs';

const NOTICED_MS = 5500; // a broker that does not answer for so long is noticed (after 3 s, the contract says)
const LONG_MS = 6000;

// The status while a fault lasts that long: whatever it is, not `live`.
async function lasts(world, ms) {
  await pause(ms);
  if (ms < NOTICED_MS) return {};
  const { status } = await until('the gateway answers', () => world.gateway.status(STATE.name));
  return { down: status };
}

// Mostly short, so that it is over before anybody notices; sometimes long.
const duration = (random) => (random.chance(0.25) ? LONG_MS : random.between(100, 3000));

// What is lost to a gateway that was away at `position`, once the stream begins at `first`: all before that, and what
// was removed inside.
function gapOf(world, position, first) {
  if (position === 0) return {};
  const inside = [...world.incarnation.removed].filter((seq) => seq > position && seq >= first);
  const gap = inside.map((seq) => ({ first: seq, last: seq }));
  if (first > position + 1) gap.push({ first: position + 1, last: first - 1 });
  if (gap.length === 0) return {};
  world.gapOperations++;
  return { gap };
}

// Removes messages in one of the ways there are; what is known of the stream follows.
async function purge({ world, random }, applied) {
  const { incarnation } = world;
  const { state } = await world.info();
  const { jsm } = world.admin;
  const middle = random.between(state.first_seq, state.last_seq + 1);
  const how = random.pick(['all', 'sequence', 'keep', 'subject']);
  if (how === 'all') await jsm.streams.purge(STATE.name);
  if (how === 'sequence') await jsm.streams.purge(STATE.name, { seq: middle });
  if (how === 'keep') await jsm.streams.purge(STATE.name, { keep: random.between(1, 20) });
  if (how === 'subject') await jsm.streams.purge(STATE.name, { filter: 'state.orders.>' });
  const { state: after } = await world.info();
  if (how === 'subject')
    incarnation.remove(1, state.last_seq, applied, (message) => message?.subject.startsWith('state.orders.'));
  else incarnation.remove(1, after.first_seq - 1, applied);
  return { how, first: after.first_seq };
}

// The stream as a new one, with fewer messages than before, more, or as many.
async function recreate({ world, random }) {
  const { last_seq: last } = (await world.info()).state;
  await world.endIncarnation();
  await world.beginIncarnation();
  const how = random.pick(['fewer', 'more', 'as many', 'empty for a while']);
  if (how === 'empty for a while') await pause(random.between(0, 1500));
  await world.publishSome(
    how === 'more' ? last + random.between(1, 50) : how === 'as many' ? last : random.between(1, 20),
  );
  return how;
}

const ids = (name, count) => Array.from({ length: count }, (_, i) => `${name}-${i + 1}`);

const FAULTS = {
  async 'server stopped (SIGSTOP)'({ world, random }) {
    world.server.pause();
    const seen = await lasts(world, duration(random));
    world.server.resume();
    return seen;
  },

  async 'server killed (SIGKILL)'({ world, random }) {
    await world.server.kill9();
    const seen = await lasts(world, duration(random));
    await world.server.start();
    return seen;
  },

  async 'server restarted'({ world }) {
    await world.server.restart();
  },

  // The gateway has seen what the copy does not hold.
  async 'older store, ending before the position'({ world, random }) {
    await world.quiet();
    const copied = world.incarnation.present();
    const copy = await world.copyStore();
    const last = await world.publishSome(random.between(1, 60));
    await world.untilApplied(last);
    if (random.chance(0.4)) await world.gateway.kill9();
    await world.restoreStore(copy);
    world.nextIncarnation(copied);
    await pause(random.between(0, 800));
    return { newIncarnation: true };
  },

  // And the copy has grown beyond the position with other messages before the gateway looks at it.
  async 'older store, written on beyond the position'({ world, random }) {
    await world.quiet();
    const copied = world.incarnation.present();
    const copy = await world.copyStore();
    const more = random.between(1, 40);
    const last = await world.publishSome(more);
    await world.untilApplied(last);
    const killed = random.chance(0.5);
    if (killed) await world.gateway.kill9();
    else world.proxy.swallow();
    await world.restoreStore(copy);
    world.nextIncarnation(copied);
    await world.publishSome(more + random.between(0, 30));
    if (!killed) (world.proxy.cut(), world.proxy.flow());
    return { newIncarnation: true };
  },

  async 'purge of what is applied'({ world, random }) {
    const position = await world.quiet();
    await purge({ world, random }, position);
    return {};
  },

  async 'purge beyond the position'({ world, random }) {
    const away = await world.away();
    await world.publishSome(random.between(5, 80));
    await world.resolve();
    const { first } = await purge({ world, random }, away.position);
    if (random.chance(0.5)) await world.publishSome(random.between(1, 20));
    await away.back();
    return gapOf(world, away.position, first);
  },

  // While flow control holds most of it back, so that nobody can say beforehand what comes through.
  async 'purge of what is on its way'({ world }) {
    const position = await world.quiet();
    const { child } = world.gateway.running;
    signal(child, 'SIGSTOP');
    const large = (i) => `{"version":${Date.now()},"state":{"i":${i},"x":"${'x'.repeat(200_000)}"}}`;
    await world.publish(
      Array.from({ length: 60 }, (_, i) => ({
        subject: `state.customers.big-${i + 1}`,
        payload: Buffer.from(large(i)),
      })),
    );
    await world.resolve();
    const { state } = await world.info();
    await world.admin.jsm.streams.purge(STATE.name, { seq: state.last_seq - 9 });
    world.incarnation.remove(1, state.last_seq - 10, Infinity);
    signal(child, 'SIGCONT');
    world.gapOperations++;
    return { anyGap: { first: position + 1, last: state.last_seq - 10 }, large: ids('big', 60) };
  },

  async 'messages deleted'({ world, random }) {
    const away = random.chance(0.5) ? await world.away() : null;
    if (away) await world.publishSome(random.between(5, 60));
    const position = away?.position ?? (await world.quiet());
    await world.resolve();
    const { first_seq: first, last_seq: last } = (await world.info()).state;
    for (let i = random.between(1, 15); i > 0; i--) {
      const seq = random.between(Math.max(first, last - 60), last);
      if (seq < 1 || world.incarnation.removed.has(seq)) continue;
      await world.admin.jsm.streams.deleteMessage(STATE.name, seq);
      world.incarnation.remove(seq, seq, position);
    }
    const { state } = await world.info();
    await away?.back();
    return gapOf(world, position, state.first_seq);
  },

  async 'stream deleted and created again'({ world, random }) {
    await world.quiet();
    await recreate({ world, random });
    return { newIncarnation: true };
  },

  async 'the same, unseen'({ world, random }) {
    const away = await world.away();
    await recreate({ world, random });
    await pause(random.between(0, 1000));
    await away.back();
    return { newIncarnation: true };
  },

  // In a stream of its own, whose limits leave room for a few events: nats-server 2.10 gives an edited stream another
  // creation time when it is restarted.
  async 'retention beyond the position'({ world, random }) {
    const limits = random.pick([{ max_msgs: random.between(10, 40) }, { max_bytes: random.between(8000, 20_000) }]);
    await world.quiet();
    await world.endIncarnation();
    await world.beginIncarnation(limits);
    const last = await world.publishSome(random.between(1, 5));
    await world.untilFollowed(last);
    const away = await world.away();
    await world.publishSome(random.between(150, 300));
    const { state } = await world.info();
    world.incarnation.remove(1, state.first_seq - 1, away.position);
    await world.resolve();
    await away.back();
    const gap = gapOf(world, away.position, state.first_seq);
    world.wornOut = true; // what the writers write now would push out more
    return { newIncarnation: true, still: true, ...gap };
  },

  // The same stream, and the broker may call it another one from then on: then so must the gateway.
  async 'stream edited, and the server restarted'({ world, random }) {
    await world.quiet();
    const { created } = await world.info();
    await world.admin.jsm.streams.update(STATE.name, { max_msgs: 1_000_000_000 + random.between(1, 1e6) });
    await world.server.restart();
    if ((await world.info()).created === created) return {};
    await world.resolve();
    world.nextIncarnation(world.incarnation.present());
    return { newIncarnation: true };
  },

  async 'events as large as can be'({ world, random }) {
    const sizes = [8 * 1024 * 1024, 8 * 1024 * 1024 + 1, 1024 * 1024, 1024 * 1024 + 1, 3_000_000];
    const slow = random.chance(0.5);
    if (slow) world.proxy.bytesPerSecond = 12_000_000;
    for (let i = random.between(2, 4); i > 0; i--) {
      const size = random.pick(sizes);
      // The state is large, or only the white space behind it.
      const state = random.chance(0.5) ? 'x' : 'x'.repeat(size - 1000);
      const payload = Buffer.from(`{"version":${Date.now()},"state":{"text":"${state}"}}`.padEnd(size));
      await world.publish([{ subject: `state.customers.large-${random.between(1, 3)}`, payload }]).catch(() => {});
    }
    return { large: ids('large', 3) };
  },

  async 'slow link'({ world, random }) {
    world.proxy.delayMs = random.between(20, 300);
    if (random.chance(0.5)) world.proxy.bytesPerSecond = random.between(20_000, 200_000);
    await pause(random.between(1000, 4000));
  },

  async 'stalled link'({ world, random }) {
    world.proxy.stall();
    const seen = await lasts(world, duration(random));
    world.proxy.flow();
    return seen;
  },

  async 'half-open link'({ world, random }) {
    world.proxy.swallow();
    const seen = await lasts(world, duration(random));
    world.proxy.cut();
    world.proxy.flow();
    return seen;
  },

  // Nobody ever ends the connection: the gateway itself must.
  async 'half-open link for ever'({ world }) {
    world.proxy.strand();
  },

  async 'link cut again and again'({ world, random }) {
    for (let i = random.between(1, 8); i > 0; i--) {
      world.proxy.cut();
      await pause(random.between(0, 400));
    }
  },

  async 'rights withdrawn'({ world, random }) {
    const missing = random.pick([...RIGHTS.publish, ...RIGHTS.subscribe, 'all']);
    const without = (list) => list.filter((right) => missing !== 'all' && right !== missing);
    // An empty list would allow everything.
    const publish = without(RIGHTS.publish);
    const subscribe = without(RIGHTS.subscribe);
    const rights = {
      publish: publish.length > 0 ? publish : ['nothing'],
      subscribe: subscribe.length > 0 ? subscribe : ['nothing'],
    };
    await world.authorize({ rights });
    const needed = missing === 'all' || missing.includes('INFO') || missing.includes('_INBOX');
    const seen = needed ? await lasts(world, duration(random)) : await pause(duration(random));
    await world.authorize({ rights: RIGHTS });
    return seen ?? {};
  },

  async 'password replaced'({ world, random }) {
    const password = `p-${random.between(1, 1e9)}`;
    await world.authorize({ known: password });
    const seen = await lasts(world, duration(random));
    world.password = password;
    writeFileSync(world.passwordFile, password);
    return seen;
  },

  async 'consumer deleted'({ world, random }) {
    for (let i = random.between(1, 3); i > 0; i--) {
      for await (const { name } of world.admin.jsm.consumers.list(STATE.name))
        await world.admin.jsm.consumers.delete(STATE.name, name).catch(() => {});
      await pause(random.between(0, 300));
    }
  },

  async 'gateway stopped (SIGSTOP)'({ world, random }) {
    const { child } = world.gateway.running;
    signal(child, 'SIGSTOP');
    await pause(random.between(100, 4500));
    signal(child, 'SIGCONT');
  },

  async 'gateway killed (SIGKILL)'({ world, random }) {
    await world.gateway.kill9();
    await pause(random.between(0, 500));
    await world.gateway.start();
  },
};

// Those that leave the gateway alone, so that it can be killed in between.
const ALONE = new Set([
  'server stopped (SIGSTOP)',
  'server killed (SIGKILL)',
  'server restarted',
  'stream deleted and created again',
  'slow link',
  'stalled link',
  'half-open link',
  'half-open link for ever',
  'link cut again and again',
  'events as large as can be',
  'rights withdrawn',
  'password replaced',
  'consumer deleted',
]);

// Those during which the writers go on.
const BUSY = new Set([...ALONE, 'gateway stopped (SIGSTOP)', 'gateway killed (SIGKILL)']);
BUSY.delete('stream deleted and created again');

export const KINDS = Object.keys(FAULTS);

// `count` faults: each kind once in random order, then again.
export function plan(random, count, kinds = KINDS) {
  const list = [];
  while (list.length < count) list.push(...shuffled(kinds, random));
  return list.slice(0, count);
}

function shuffled(list, random) {
  const order = [...list];
  for (let i = order.length - 1; i > 0; i--) {
    const j = random.between(0, i);
    [order[i], order[j]] = [order[j], order[i]];
  }
  return order;
}

// One fault from its beginning to its end, sometimes with the gateway killed in between; gives what it says, and
// `kills`.
export async function happen(kind, { world, random }) {
  if (BUSY.has(kind)) {
    world.work();
    await pause(random.between(50, 300));
  } else await world.rest();
  let kills = 0;
  const kill = async () => {
    await pause(random.between(0, 2000));
    await world.gateway.kill9();
    await world.gateway.start();
    kills++;
  };
  const killing = ALONE.has(kind) && random.chance(0.2) ? kill() : null;
  killing?.catch(() => {});
  const said = (await FAULTS[kind]({ world, random })) ?? {};
  await killing;
  return { ...said, kills };
}

// A stream whose gaps may have been merged is no use any more, nor is one with small limits.
export const worn = (world) => world.wornOut || world.gapOperations >= 12;
