// What a history happens to: one server or a cluster, a stream with its incarnations, and gateways that reach the
// servers through proxies.

import { startCluster } from '../support/cluster.mjs';
import { startGateway } from '../support/gateway.mjs';
import { startNats } from '../support/nats.mjs';
import { startProxy } from '../support/proxy.mjs';
import { until } from '../support/until.mjs';

export const STREAM = 'STATE';
export const COLLECTIONS = ['accounts', 'orders'];
// The second gateway believes nothing about the epoch that was asked before the request came.
const EPOCH_TRUST_MS = [2000, 0];

// Starts all of it.
//   cluster    three servers and a replicated stream, instead of one server
//   gateways   how many
//   bin        the gateway's program
//   env        more environment of the gateways
export async function makeWorld({ t, recorder, random, cluster = false, gateways = 2, bin, env }) {
  const world = new World({ t, recorder, random });
  if (cluster) {
    world.cluster = await startCluster({ t });
    world.servers = world.cluster.servers;
  } else {
    world.servers = [await startNats({ t })];
  }
  world.admin = await world.client();
  await world.createStream();
  for (let g = 0; g < gateways; g++) await world.addGateway(g, { bin, env });
  return world;
}

class World {
  constructor(parts) {
    Object.assign(this, parts);
    this.cluster = null;
    this.incarnation = 0; // which one the stream is in; 0 = none
    this.gateways = [];
    this.proxies = []; // of each gateway, one per server
    this.paused = false; // the writers rest
    this.writing = 0; // publishes on their way
    this.lastAcked = 0; // sequence, in this incarnation
    this.acked = []; // what was acknowledged lately: what readers ask for
    this.epochs = new Map(); // epoch -> incarnation, as answers showed
  }

  // A client of the servers themselves, not through a proxy.
  client() {
    return this.cluster ? this.cluster.client() : this.servers[0].client({ pingInterval: 500, maxPingOut: 4 });
  }

  async createStream() {
    const config = { name: STREAM, subjects: ['state.>', 'beside.>'], num_replicas: this.servers.length };
    const s = this.recorder.now();
    await until('the stream is created', () => this.admin.jsm.streams.add(config), { deadlineMs: 90_000, everyMs: 50 });
    this.incarnation++;
    this.lastAcked = 0;
    this.acked = [];
    this.recorder.add({ t: 'incarnation', l: this.incarnation, s, e: this.recorder.now() });
  }

  // The stream in another incarnation. The writers rest meanwhile, so that all of the old one can be read before it
  // goes.
  async recreateStream() {
    await this.rest();
    try {
      await this.dump();
      const s = this.recorder.now();
      await until('the stream is deleted', () => this.deleteStream(), { deadlineMs: 30_000, everyMs: 50 });
      this.recorder.add({ t: 'end', l: this.incarnation, s, e: this.recorder.now() });
      await this.createStream();
    } finally {
      this.paused = false;
    }
  }

  // An answer may be lost: not there any more is as good.
  async deleteStream() {
    try {
      return await this.admin.jsm.streams.delete(STREAM);
    } catch (error) {
      if (/not found/.test(error.message)) return true;
      throw error;
    }
  }

  // The writers rest, and nothing of theirs is on its way.
  async rest() {
    this.paused = true;
    await until('the writers rest', () => this.writing === 0, { deadlineMs: 30_000, everyMs: 2 });
  }

  // What this incarnation of the stream really holds, also what was published without an acknowledgement. Asked of the
  // leader.
  async dump() {
    const { last } = await until('the stream answers', () => this.streamState(), { deadlineMs: 40_000, everyMs: 100 });
    if (last < this.lastAcked) throw new Error(`the server lost what it acknowledged: ${last} < ${this.lastAcked}`);
    let at = 0;
    while (at < last) at = await this.dumpFrom(at, last);
    this.recorder.add({ t: 'dumped', l: this.incarnation, q: last });
  }

  async streamState() {
    const { state, cluster } = await this.admin.jsm.streams.info(STREAM);
    if (this.cluster && !cluster?.leader) return false;
    return { last: state.last_seq };
  }

  // With a consumer of its own, since an ordered one cannot be taken up again once it stalled.
  async dumpFrom(at, last) {
    const from = { opt_start_seq: at + 1 };
    const consumer = await until('a consumer', () => this.admin.js.consumers.get(STREAM, from), { deadlineMs: 30_000 });
    const messages = await consumer.consume({ max_messages: 2000 });
    const stalled = setTimeout(() => messages.stop(), 10_000);
    for await (const message of messages) {
      at = message.seq;
      stalled.refresh();
      const [, c, id] = message.subject.split('.');
      if (message.subject.startsWith('state.'))
        this.recorder.add({ t: 'log', l: this.incarnation, q: at, c, id, ...fields(message) });
      if (at >= last) break;
    }
    clearTimeout(stalled);
    return at;
  }

  async addGateway(g, { bin, env }) {
    const proxies = [];
    for (const server of this.servers) proxies.push(await startProxy({ t: this.t, target: () => server.port }));
    this.proxies.push(proxies);
    const gateway = await startGateway({
      t: this.t,
      nats: proxies.map(({ url }) => url).join(','),
      config: {
        streams: [{ name: STREAM, subject: 'state.{collection}.{id}' }],
        probe: { epoch_trust: `${EPOCH_TRUST_MS[g % 2]}ms` },
      },
      ...(bin ? { bin } : {}),
      env,
    });
    this.gateways.push(gateway);
    this.recorder.add({ t: 'gateway', g, trust: EPOCH_TRUST_MS[g % 2] });
  }

  // Everything is as it should be again.
  async heal() {
    for (const proxies of this.proxies) {
      for (const proxy of proxies) {
        proxy.delayMs = 0;
        proxy.flow();
      }
    }
    for (const gateway of this.gateways) {
      await gateway.untilPosition(this.lastAcked, { deadlineMs: 60_000, everyMs: 50 });
      await gateway.untilStatus('live', { deadlineMs: 60_000, everyMs: 50 });
    }
  }
}

function fields(message) {
  try {
    const { version, state, deleted } = message.json();
    if (deleted) return { v: version, k: 'd' };
    return { v: version, k: typeof state === 'object' && !Array.isArray(state) ? 's' : 'p' };
  } catch {
    return { v: 0, k: 'p' };
  }
}
