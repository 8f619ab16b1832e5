// What the broker's faults happen to: a server, a stream with its incarnations, a gateway that reaches the server
// through a proxy and with the least rights, and writers that go on while it can be helped.

import { cpSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';

import { query } from '../support/db.mjs';
import { STATEGATE, startGateway } from '../support/gateway.mjs';
import { startNats } from '../support/nats.mjs';
import { end, tempFolder } from '../support/process.mjs';
import { startProxy } from '../support/proxy.mjs';
import { until } from '../support/until.mjs';
import { makeEvents } from '../support/workload.mjs';
import { Incarnation, STATE } from './broker_incarnation.mjs';

const MAX_PAYLOAD_BYTES = 8 * 1024 * 1024 + 4096; // beyond what the gateway takes, so that it must refuse some
export const RIGHTS = {
  publish: [
    '$JS.API.STREAM.INFO.STATE',
    '$JS.API.CONSUMER.CREATE.STATE.>',
    '$JS.API.STREAM.MSG.GET.STATE',
    '$JS.FC.STATE.>',
  ],
  subscribe: ['_INBOX.>'],
};
const OWNER = { user: 'owner', pass: 'owner' };
const WRITER_TIMEOUT_MS = 1500; // it goes on with the next event
const PUBLISH_TIMEOUT_MS = 15_000;
const COLLECTIONS = ['customers', 'orders'];
const BATCH = 5000; // events that are made at a time

// `ids` entities a collection; each of `writers` publishes `inFlight` events every `everyMs`.
// `rejected` events are kept by the gateway.
export async function makeWorld({
  t,
  random,
  ids = 60,
  writers = 2,
  inFlight = 1,
  everyMs = 8,
  rejected = 100_000,
  bin = STATEGATE,
}) {
  const world = new World({ t, random, ids, inFlight, everyMs, rejected });
  world.server = await startNats({ t, config: world.serverConfig() });
  world.admin = await world.client();
  world.publisher = await world.client();
  await world.beginIncarnation();
  world.proxy = await startProxy({ t, target: () => world.server.port });
  world.passwordFile = join(tempFolder(t, 'secret'), 'password');
  writeFileSync(world.passwordFile, world.password);
  world.gateway = await startGateway({ t, nats: world.proxy.url, config: world.gatewayConfig(), bin });
  world.writing = Array.from({ length: writers }, () => world.write());
  return world;
}

class World {
  constructor(options) {
    Object.assign(this, options);
    this.incarnations = [];
    this.others = []; // more gateways behind the same proxy, whom nobody kills
    this.acknowledged = 0;
    this.password = 'first';
    this.known = this.password; // what the server knows
    this.rights = RIGHTS;
    this.going = true;
    this.paused = true;
    this.onTheirWay = 0;
    this.failed = 0; // publishes without an acknowledgement
    this.back = 0; // messages that a killed server had again
    this.events = [];
    this.gapOperations = 0; // in this incarnation: beyond 16 the gateway may merge them
  }

  get incarnation() {
    return this.incarnations.at(-1);
  }

  // ---- the server ----

  serverConfig() {
    const allow = (list) => `{ allow: ${JSON.stringify(list)} }`;
    return `max_payload: ${MAX_PAYLOAD_BYTES}
authorization { users: [
  { user: owner, password: owner },
  { user: gw, password: ${this.known}, permissions: {
      publish: ${allow(this.rights.publish)}, subscribe: ${allow(this.rights.subscribe)} } }
] }`;
  }

  client() {
    return this.server.client({ ...OWNER, pingInterval: 500, maxPingOut: 4 });
  }

  // The server reads its settings again, with other rights of the gateway or another password.
  async authorize(changes) {
    Object.assign(this, changes);
    await this.server.reload(this.serverConfig());
  }

  // The store as it is now, in a copy; the server is started again.
  async copyStore() {
    const copy = join(tempFolder(this.t, 'copy'), 'store');
    await end(this.server.running);
    cpSync(this.server.storeDir, copy, { recursive: true });
    await this.server.start();
    return copy;
  }

  async restoreStore(copy) {
    await this.server.kill9();
    rmSync(this.server.storeDir, { recursive: true });
    cpSync(copy, this.server.storeDir, { recursive: true });
    rmSync(join(copy, '..'), { recursive: true, force: true });
    await this.server.start();
  }

  // ---- the stream ----

  info() {
    return until('the stream answers', () => this.admin.jsm.streams.info(STATE.name), { everyMs: 50 });
  }

  // nats-server answers a deletion before the stream's folder is gone, and cannot make the next one until it is.
  async beginIncarnation(limits = {}) {
    await until('the stream is created', () =>
      this.admin.jsm.streams.add({ name: STATE.name, subjects: ['state.>', 'other.>'], ...limits }),
    );
    this.nextIncarnation(new Map());
  }

  // What a copy does not hold was removed before it was made: a killed server may have it again, the gateway has not.
  nextIncarnation(log) {
    const incarnation = new Incarnation(this.incarnations.length + 1, { log, rejectedMax: this.rejected });
    for (const seq of log.keys()) // too many to be arguments
      incarnation.resolvedTo = Math.max(incarnation.resolvedTo, seq);
    incarnation.remove(1, incarnation.resolvedTo, 0, (message) => !message);
    this.incarnations.push(incarnation);
    this.gapOperations = 0;
    this.wornOut = false;
  }

  async endIncarnation() {
    await until('the stream is deleted', async () => {
      try {
        return await this.admin.jsm.streams.delete(STATE.name);
      } catch (error) {
        return /not found/.test(error.message);
      }
    });
  }

  // What was published without an acknowledgement may be there all the same: asked of the stream itself.
  async resolve() {
    const { incarnation } = this;
    const { state } = await this.info();
    for (let seq = incarnation.resolvedTo + 1; seq <= state.last_seq; seq++) {
      if (incarnation.log.has(seq)) continue;
      const found = await this.stored(seq);
      if (found) incarnation.store({ seq, subject: found.subject, payload: Buffer.from(found.data) });
      else incarnation.removed.add(seq);
    }
    incarnation.resolvedTo = state.last_seq;
    if (state.messages !== incarnation.present().size) await this.reconcile(state);
    return state;
  }

  // A server that was killed may hold again what had been removed: so it is. What it acknowledged must be there: else
  // that is not the gateway's doing, but nothing could be judged any more.
  async reconcile({ first_seq: first, last_seq: last }) {
    const { incarnation } = this;
    for (let seq = first; seq <= last; seq++) {
      const found = await this.stored(seq);
      if (!found && !incarnation.removed.has(seq)) throw new Error(`the broker lost ${seq}, which it had acknowledged`);
      if (!found || !incarnation.removed.delete(seq)) continue;
      incarnation.store({ seq, subject: found.subject, payload: Buffer.from(found.data) });
      this.back++;
    }
    const { state } = await this.info();
    const count = incarnation.present().size;
    if (state.messages !== count)
      throw new Error(`the broker holds ${state.messages} messages, and ${count} were stored`);
  }

  // The message, or null.
  stored(seq) {
    return this.admin.jsm.streams.getMessage(STATE.name, { seq }).catch((error) => {
      if (/no message found/.test(error.message)) return null;
      throw error;
    });
  }

  // ---- writers ----

  next() {
    if (this.events.length === 0) {
      const subject = (collection, id) => `state.${collection}.${id}`;
      const seed = this.random.between(0, 2 ** 31);
      this.events = makeEvents({ seed, count: BATCH, collections: COLLECTIONS, ids: this.ids, subject }).reverse();
    }
    if (this.random.chance(0.03)) return { subject: 'other.noise', payload: Buffer.from('{}') };
    return this.events.pop();
  }

  async write() {
    while (this.going) {
      if (!this.paused)
        await this.publish(
          Array.from({ length: this.inFlight }, () => this.next()),
          WRITER_TIMEOUT_MS,
        ).catch(() => pause(20));
      await pause(this.paused ? 2 : this.random.next() * 2 * this.everyMs);
    }
  }

  // Publishes messages, all on their way at once; waits for the acknowledgements. Gives the last sequence.
  async publish(messages, timeout = PUBLISH_TIMEOUT_MS) {
    const { incarnation } = this;
    this.onTheirWay++;
    try {
      const published = messages.map((message) => this.publishOne(incarnation, message, timeout));
      const results = await Promise.allSettled(published);
      const failure = results.find(({ status }) => status === 'rejected');
      if (failure) throw failure.reason;
      return Math.max(...results.map(({ value }) => value));
    } finally {
      this.onTheirWay--;
    }
  }

  async publishOne(incarnation, { subject, payload }, timeout) {
    try {
      const { seq } = await this.publisher.js.publish(subject, payload, { timeout, retries: 0 });
      this.acknowledged++;
      incarnation.acknowledged({ seq, subject, payload }, performance.now());
      return seq;
    } catch (error) {
      this.failed++;
      throw error;
    }
  }

  // Publishes `count` events, the last of which matches the gateway's filter; gives its sequence.
  async publishSome(count) {
    for (let i = 1; i < count; i += 50)
      await this.publish(Array.from({ length: Math.min(50, count - i) }, () => this.next()));
    return this.publish([
      { subject: 'state.customers.last', payload: Buffer.from(`{"version":${Date.now()},"state":{}}`) },
    ]);
  }

  work() {
    this.paused = false;
  }

  // The writers rest, and nothing of theirs is on its way, not even in the client's buffer.
  async rest() {
    this.paused = true;
    await until('the writers rest', () => this.onTheirWay === 0, { deadlineMs: 30_000, everyMs: 2 });
    await this.publisher.nc.flush();
  }

  // ---- the gateway ----

  gatewayConfig() {
    return {
      nats: { user: 'gw', password_file: this.passwordFile },
      streams: [STATE],
      rejected: { max: this.rejected },
      collections_max: 100,
    };
  }

  async gatewayRow() {
    const [row] = await query(this.gateway.database, 'SELECT position, epoch, build, gaps FROM streams');
    return row;
  }

  // The writers rest, and every gateway has applied all that there is. Gives the position.
  async quiet() {
    await this.rest();
    const { last_seq: last } = await this.resolve();
    return this.untilApplied(last);
  }

  async untilApplied(position) {
    for (const gateway of [this.gateway, ...this.others]) await gateway.untilPosition(position, { deadlineMs: 20_000 });
    return position;
  }

  // Every gateway has come to a position of an incarnation that it had not seen before.
  async untilFollowed(position) {
    const before = new Set(this.incarnations.map(({ epoch }) => epoch));
    for (const gateway of [this.gateway, ...this.others]) {
      await until(
        'the gateway follows the new incarnation',
        async () => {
          const status = await gateway.status(STATE.name);
          return status.status === 'live' && !before.has(status.epoch) && status.position >= position;
        },
        { deadlineMs: 20_000 },
      );
    }
  }

  // The gateway away in one way or the other, with everything applied before: gives {position, back()}.
  async away() {
    const position = await this.quiet();
    if (this.random.chance(0.5)) {
      await this.gateway.kill9();
      return { how: 'killed', position, back: () => this.gateway.start() };
    }
    this.proxy.swallow();
    return { how: 'cut off', position, back: () => (this.proxy.cut(), this.proxy.flow()) };
  }

  // Everything as it should be, whatever a fault has left.
  async heal() {
    Object.assign(this.proxy, { delayMs: 0, bytesPerSecond: 0 });
    this.proxy.flow();
    if (this.server.running.exit) await this.server.start();
    this.server.resume();
    if (this.gateway.running.exit) await this.gateway.start();
    if (this.rights !== RIGHTS || this.known !== this.password)
      await this.authorize({ rights: RIGHTS, known: this.password });
  }

  async close() {
    this.going = false;
    await Promise.all(this.writing);
    await this.server.closeClients();
  }
}
