// What goes wrong while readers and writers are at work. Each fault is recorded with its beginning and its end, after
// it really happened.

import { setTimeout as pause } from 'node:timers/promises';

import { signal } from '../support/process.mjs';
import { until } from '../support/until.mjs';
import { STREAM } from './world.mjs';

const GATEWAY_FAULTS = ['gateway-kill', 'gateway-stop', 'link-delay', 'link-stall', 'link-half-open', 'link-cut'];
const SERVER_FAULTS = ['server-kill', 'server-stop', 'recreate', 'recreate-unseen', 'lull'];
const CLUSTER_FAULTS = ['leader-kill', 'leader-stop', 'leader-isolated', 'leader-step-down', 'lull'];

// Another leader than the one that cannot be reached; elections are up to chance, and may take longer than we wait.
async function elected(world, witness, leader) {
  try {
    return await world.cluster.leader(witness, STREAM, { not: leader, deadlineMs: 20_000 });
  } catch {
    return false;
  }
}

const ACTIONS = {
  async 'gateway-kill'({ world, random }) {
    const gateway = random.pick(world.gateways);
    await gateway.kill9();
    await pause(random.between(0, 300));
    await gateway.start();
  },

  async 'gateway-stop'({ world, random }) {
    const { child } = random.pick(world.gateways).running;
    signal(child, 'SIGSTOP');
    await pause(random.between(50, 1200));
    signal(child, 'SIGCONT');
  },

  async 'link-delay'({ world, random }) {
    const proxies = random.pick(world.proxies);
    const delayMs = random.between(20, 250);
    proxies.forEach((proxy) => (proxy.delayMs = delayMs));
    await pause(random.between(1000, 3000));
    proxies.forEach((proxy) => (proxy.delayMs = 0));
  },

  async 'link-stall'({ world, random }) {
    const proxies = random.pick(world.proxies);
    proxies.forEach((proxy) => proxy.stall());
    await pause(random.between(200, 4000));
    proxies.forEach((proxy) => proxy.flow());
  },

  async 'link-half-open'({ world, random }) {
    const proxies = random.pick(world.proxies);
    proxies.forEach((proxy) => proxy.swallow());
    await pause(random.between(200, 4000));
    proxies.forEach((proxy) => (proxy.cut(), proxy.flow()));
  },

  async 'link-cut'({ world, random }) {
    random.pick(world.proxies).forEach((proxy) => proxy.cut());
  },

  async 'server-kill'({ world, random }) {
    const [server] = world.servers;
    await server.kill9();
    await pause(random.between(0, 700));
    await server.start();
  },

  async 'server-stop'({ world, random }) {
    const [server] = world.servers;
    server.pause();
    await pause(random.between(200, 3500));
    server.resume();
  },

  async recreate({ world }) {
    await world.recreateStream();
  },

  // A gateway does not notice for some seconds: it goes on from the rows of an incarnation that is over.
  async 'recreate-unseen'({ world, random }) {
    const proxies = random.pick(world.proxies);
    proxies.forEach((proxy) => proxy.stall());
    try {
      await world.recreateStream();
      await pause(random.between(2500, 4500));
    } finally {
      proxies.forEach((proxy) => proxy.flow());
    }
  },

  // Nobody writes: what wakes a read now must have been there before.
  async lull({ world, random }) {
    world.lull = true;
    await pause(random.between(500, 2500));
    world.lull = false;
  },

  async 'leader-kill'({ world, random }) {
    const leader = await world.cluster.leader(world.admin, STREAM);
    const server = world.cluster.server(leader);
    await server.kill9();
    await pause(random.between(500, 3000));
    await server.start();
    await world.cluster.untilReplicated(world.admin, STREAM);
  },

  // Stopped until another leads, and resumed: it may still think that it leads.
  async 'leader-stop'({ world, random }) {
    const leader = await world.cluster.leader(world.admin, STREAM);
    const server = world.cluster.server(leader);
    const witness = await world.cluster.client({ servers: world.cluster.urls.filter((url) => url !== server.url) });
    try {
      server.pause();
      if (!(await elected(world, witness, leader))) return false;
      await pause(random.between(500, 3000)); // writes go to the new one
    } finally {
      server.resume();
      await witness.close();
    }
    await pause(random.between(500, 2000));
    await world.cluster.untilReplicated(world.admin, STREAM);
  },

  // Cut off from the others, it thinks that it leads for some seconds after they have elected another. One gateway can
  // reach nobody else.
  async 'leader-isolated'({ world, random }) {
    const leader = await world.cluster.leader(world.admin, STREAM);
    const server = world.cluster.server(leader);
    const others = random.pick(world.proxies).filter((_, i) => world.cluster.names[i] !== leader);
    const witness = await world.cluster.client({ servers: world.cluster.urls.filter((url) => url !== server.url) });
    try {
      others.forEach((proxy) => (proxy.swallow(), proxy.cut()));
      await pause(1500); // it is connected to the leader by now
      world.cluster.isolate(leader);
      if (!(await elected(world, witness, leader))) return false;
      await pause(random.between(1000, 4000));
    } finally {
      world.cluster.rejoin(leader);
      others.forEach((proxy) => (proxy.cut(), proxy.flow()));
      await witness.close();
    }
    await world.cluster.untilReplicated(world.admin, STREAM);
  },

  async 'leader-step-down'({ world }) {
    const leader = await world.cluster.leader(world.admin, STREAM);
    await world.admin.nc.request(`$JS.API.STREAM.LEADER.STEPDOWN.${STREAM}`, '', { timeout: 3000 });
    await world.cluster.leader(world.admin, STREAM, { not: leader });
  },
};

export class Faults {
  constructor({ world, recorder, random, kinds, pauseMs = 700 }) {
    Object.assign(this, { world, recorder, random, pauseMs });
    const chosen = (list) => list.filter((kind) => !kinds || kinds.includes(kind));
    // Two run at a time: one to gateways and their links, one to what is behind.
    this.sequences = [chosen(GATEWAY_FAULTS), chosen(world.cluster ? CLUSTER_FAULTS : SERVER_FAULTS)];
    this.happened = {};
  }

  // Every kind that was chosen has happened.
  get complete() {
    return this.sequences.flat().every((kind) => this.happened[kind] > 0);
  }

  run(going) {
    return Promise.all(this.sequences.map((kinds) => this.inSequence(kinds, going)));
  }

  async inSequence(kinds, going) {
    let order = [];
    while (kinds.length > 0 && going()) {
      if (order.length === 0) order = this.shuffled(kinds);
      await pause(this.random.between(this.pauseMs / 4, this.pauseMs * 2));
      if (going()) await this.one(order.pop());
    }
  }

  shuffled(kinds) {
    const order = [...kinds];
    for (let i = order.length - 1; i > 0; i--) {
      const j = this.random.between(0, i);
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }

  async one(kind) {
    const s = this.recorder.now();
    if ((await ACTIONS[kind](this)) === false) return; // it did not come to pass
    this.happened[kind] = (this.happened[kind] ?? 0) + 1;
    this.recorder.add({ t: 'fault', kind, s, e: this.recorder.now() });
  }
}

// Waits until every gateway answers at all: after a kill it may be on its way.
export function untilListening(world) {
  return until('the gateways listen', () => world.gateways.every(({ address }) => address !== ''));
}
