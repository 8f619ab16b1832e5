// A world of the replica campaign: one broker, one stream, and everything that was ever published to it. Writes and
// removals at random; a gateway whose link is cut at random, one whose link never is, and at the end a fresh one.

import { setTimeout as pause } from 'node:timers/promises';

import { Kvm } from '@nats-io/kv';
import { headers } from '@nats-io/transport-node';

import { startGateway } from '../support/gateway.mjs';
import { publishAll } from '../support/nats.mjs';
import { startProxy } from '../support/proxy.mjs';
import { restoreStream, snapshotStream } from '../support/stream_snapshot.mjs';
import { until } from '../support/until.mjs';

export const FORMATS = ['kv', 'envelope'];
const IDS = 6;
const MIRROR_STALENESS_S = 3; // what is asked through a mirror, which is never as fresh as now

// What each kind of world may do, and how often.
const ACTIONS = {
  put: 30,
  burst: 8,
  stale: 4,
  conflict: 3,
  reject: 4,
  ignore: 3,
  remove: 8,
  purgeSubject: 7,
  deleteMessage: 7,
  compact: 5,
  purgeAll: 1,
  expire: 4,
  batch: 4,
  schedule: 2,
  edit: 2,
  restore: 2,
  cut: 14,
  cutMirror: 6,
  kill: 4,
};

// What does not happen while a link is cut.
const DISTURBING = new Set(['cut', 'cutMirror', 'kill', 'restore']);

export class World {
  // `servers` serve several worlds, each with a stream of its own: {hub, leaf, between, newest}. What is written goes
  // to the hub. With `mirror` the replicas follow a mirror of it in the leaf, which reaches the hub through the proxy
  // `between`.
  static async make({ t, servers, name, format, limit, ttl, mirror, random }) {
    const world = new World();
    Object.assign(world, { t, servers, name, format, limit, ttl, mirror, random });
    Object.assign(world, { published: [], states: 0, versions: new Map(), said: [], violations: [] });
    world.owner = servers.hub.client;
    world.followed = mirror ? servers.leaf.client : servers.hub.client;
    const { nats } = mirror ? servers.leaf : servers.hub;
    world.nats = nats;
    world.limits = new Set([limit]); // all that were in force
    await world.createStream();
    world.proxy = await startProxy({ t, target: nats.port });
    world.cutOff = await world.follow(`nats://127.0.0.1:${world.proxy.port}`);
    world.steady = await world.follow(nats.url);
    // A build begins at the first message that it meets: before that, nothing is promised.
    await world.put();
    for (const gateway of [world.cutOff, world.steady]) await gateway.untilPosition(1);
    return world;
  }

  get kv() {
    return this.format === 'kv';
  }

  // What is written to.
  get origin() {
    return this.kv ? `KV_${this.name}` : this.name;
  }

  // What is followed.
  get stream() {
    return this.mirror ? `EDGE_${this.name}` : this.origin;
  }

  subject(id) {
    return this.kv ? `$KV.${this.name}.${id}` : `${this.name}.things.${id}`;
  }

  async createStream() {
    const { jsm, nc } = this.owner;
    if (this.kv) {
      const options = { history: this.limit, ...(this.ttl ? { markerTTL: 1000 } : {}) };
      this.bucket = await new Kvm(nc).create(this.name, options);
    } else {
      const max_msgs_per_subject = this.limit;
      const ttl = this.ttl ? { allow_msg_ttl: true } : {};
      await jsm.streams.add({
        name: this.name,
        subjects: [`${this.name}.>`],
        max_msgs_per_subject,
        allow_rollup_hdrs: true,
        ...ttl,
      });
    }
    // What only the newest server can do.
    const scheduled = this.kv ? {} : { allow_msg_schedules: true };
    if (this.servers.newest) await this.change({ allow_atomic: true, ...scheduled });
    if (!this.mirror) return;
    const mirror = { name: this.origin, external: { api: '$JS.hub.API' } };
    const ttl = this.ttl ? { allow_msg_ttl: true } : {};
    await this.followed.jsm.streams.add({ name: this.stream, max_msgs_per_subject: this.limit, mirror, ...ttl });
  }

  async change(changes) {
    const { config } = await this.owner.jsm.streams.info(this.origin);
    await this.owner.jsm.streams.update(this.origin, { ...config, ...changes });
  }

  follow(url) {
    const mapping = this.kv
      ? { name: this.stream, subject: `$KV.${this.name}.{id}`, collection: 'things', format: 'kv' }
      : { name: this.stream, subject: `${this.name}.{collection}.{id}`, collections: ['things'] };
    const probe = { idle: '200ms', ...(this.mirror ? { mirror_delay: '100ms' } : {}) };
    return startGateway({ t: this.t, nats: url, config: { streams: [mapping], probe } });
  }

  // ---- what happens ----

  async step() {
    const possible = Object.entries(ACTIONS).filter(([name]) => this.can(name));
    let at = this.random.between(1, possible.reduce((sum, [, weight]) => sum + weight, 0));
    const [name] = possible.find(([, weight]) => (at -= weight) <= 0);
    this.said.push(name);
    await this[name]();
  }

  can(name) {
    if (name === 'expire') return this.ttl;
    if (name === 'compact') return this.kv;
    if (['stale', 'conflict', 'ignore'].includes(name)) return !this.kv;
    if (name === 'batch') return this.servers.newest;
    if (name === 'schedule') return this.servers.newest && !this.kv; // a bucket refuses it
    if (name === 'cutMirror') return this.mirror;
    if (name === 'restore') return !this.mirror;
    if (name === 'edit') return this.limit > 0 && !this.ttl && !this.mirror;
    return true;
  }

  id() {
    return `k${this.random.between(0, IDS - 1)}`;
  }

  next(id) {
    const version = (this.versions.get(id) ?? 0) + 1 + this.random.between(0, 2);
    this.versions.set(id, version);
    return version;
  }

  async publish(id, kind, body, { version, headers, subject = this.subject(id) } = {}) {
    const event = { subject, payload: Buffer.from(body), headers };
    await publishAll(this.owner.js, [event]);
    this.record(id, kind, body, version, event.seq);
  }

  record(id, kind, body, version, seq) {
    this.published.push({ id, kind, body, version: this.kv ? seq : version, seq });
  }

  envelope(version, state) {
    return JSON.stringify({ version, state });
  }

  // A new state of it, another than any before: {version, state, body}.
  state(id) {
    const version = this.next(id);
    const state = JSON.stringify({ n: ++this.states });
    return { version, state, body: this.kv ? state : this.envelope(version, JSON.parse(state)) };
  }

  async put(id = this.id()) {
    const { body, version, state } = this.state(id);
    await this.publish(id, 'state', body, { version });
    return state;
  }

  async burst() {
    const ids = [this.id(), this.id()];
    for (let i = 0; i < 12; i++) await this.put(ids[i % 2]);
  }

  async stale() {
    const id = this.id();
    const version = (this.versions.get(id) ?? 1) - 1;
    if (version >= 1) await this.publish(id, 'state', this.envelope(version, { old: 1 }), { version });
  }

  async conflict() {
    const id = this.id();
    const version = this.versions.get(id);
    if (version)
      await this.publish(id, 'conflict', this.envelope(version, { other: this.published.length }), { version });
  }

  reject() {
    return this.publish(this.id(), 'rejected', '{"version":');
  }

  ignore() {
    return this.publish('none', 'ignored', '{}', { subject: `${this.name}.others.x` });
  }

  // A deletion as the owner says it.
  async remove() {
    const id = this.id();
    if (this.kv) {
      if (this.random.between(0, 1)) await this.bucket.delete(id);
      else await this.bucket.purge(id);
      return;
    }
    const version = this.next(id);
    await this.publish(id, 'tombstone', JSON.stringify({ version, deleted: true }), { version });
  }

  // Of a mirror, at its origin: a mirror that has lost messages by itself does not always go on, whatever follows it.
  purgeSubject() {
    return this.owner.jsm.streams.purge(this.origin, { filter: this.subject(this.id()) });
  }

  async deleteMessage() {
    const { state } = await this.owner.jsm.streams.info(this.origin);
    if (state.messages === 0) return;
    const sequence = state.first_seq + this.random.between(0, state.last_seq - state.first_seq);
    await this.owner.jsm.streams.deleteMessage(this.origin, sequence).catch(() => {}); // gone already
  }

  compact() {
    return this.bucket.purgeDeletes(1);
  }

  purgeAll() {
    return this.owner.jsm.streams.purge(this.origin);
  }

  // A message that expires soon; in a bucket with a marker, which goes as well.
  async expire() {
    const id = this.id();
    if (this.kv) await this.bucket.create(id, '{"brief":1}', '1s').catch(() => {}); // there is one
    else {
      const version = this.next(id);
      const how = { version, headers: withHeaders({ 'Nats-TTL': '1s' }) };
      await this.publish(id, 'state', this.envelope(version, { brief: 1 }), how);
    }
  }

  // Several messages that are stored together.
  async batch() {
    const { nc } = this.owner;
    const name = `b${++this.states}`;
    const events = Array.from({ length: this.random.between(2, 6) }, () => {
      const id = this.id();
      return { id, ...this.state(id) };
    });
    for (const [i, { id, body }] of events.entries()) {
      const last = i === events.length - 1;
      const commit = last ? { 'Nats-Batch-Commit': '1' } : {};
      const how = { headers: withHeaders({ 'Nats-Batch-Id': name, 'Nats-Batch-Sequence': `${i + 1}`, ...commit }) };
      if (!last) {
        nc.publish(this.subject(id), body, how);
        continue;
      }
      const ack = (await nc.request(this.subject(id), body, { ...how, timeout: 5000 })).json();
      if (ack.error) throw new Error(`batch: ${ack.error.description}`);
      for (const [k, event] of events.entries())
        this.record(event.id, 'state', event.body, event.version, ack.seq - events.length + 1 + k);
    }
  }

  // A message that the server publishes in a second. What says when is no state of `plan`.
  async schedule() {
    const id = this.id();
    const { body, version } = this.state(id);
    const at = new Date(Date.now() + 2000).toISOString().replace(/\.\d+Z$/, 'Z');
    const how = { headers: withHeaders({ 'Nats-Schedule': `@at ${at}`, 'Nats-Schedule-Target': this.subject(id) }) };
    await publishAll(this.owner.js, [{ subject: this.subject('plan'), payload: Buffer.from(body), ...how }]);
    const last = { last_by_subj: this.subject(id) };
    const message = await until('the server publishes it', async () => {
      const found = await this.owner.jsm.streams.getMessage(this.origin, last).catch(() => null);
      return found && new TextDecoder().decode(found.data) === body && found;
    });
    this.record(id, 'state', body, version, message.seq);
  }

  // Another number of messages that are kept of a subject.
  async edit() {
    this.limit = this.limit === 1 ? 5 : 1;
    this.limits.add(this.limit);
    await this.change({ max_msgs_per_subject: this.limit });
  }

  // The stream is made anew of a copy of it: what was published since is undone, and a read that wants it as fresh as
  // now does not show it any more. Replicas have begun anew when this ends, so what they read is what was restored, and
  // all that comes.
  async restore() {
    const { nc, jsm } = this.owner;
    const copy = await snapshotStream(nc, this.origin);
    const undone = [];
    for (let i = this.random.between(1, 4); i > 0; i--) undone.push(await this.put());
    await this.steady.untilPosition(this.published.at(-1).seq);
    await jsm.streams.delete(this.origin);
    await restoreStream(nc, this.origin, copy);
    this.published = this.published.filter(({ seq }) => seq <= copy.state.last_seq);
    const { sequences } = await this.held();
    for (const event of this.published) event.restored = sequences.has(event.seq);
    // Often up to where it ended before.
    for (let i = this.random.between(0, undone.length + 1); i > 0; i--) await this.put();
    for (const [role, gateway] of [['cut', this.cutOff], ['steady', this.steady]])
      for (const id of this.ids) {
        const { text, headers } = await this.asFreshAsNow(gateway, id);
        const at = headers['state-position'];
        if (undone.includes(text)) this.violations.push(`${role} ${id}: ${text} at ${at} was undone`);
      }
  }

  // The link is cut while other things happen.
  async cut() {
    const way = this.random.between(0, 2);
    if (way === 0) await this.proxy.stall();
    else await this.proxy.swallow();
    for (let i = this.random.between(1, 6); i > 0; i--) {
      const calm = Object.entries(ACTIONS).filter(([name]) => !DISTURBING.has(name) && this.can(name));
      await this[this.random.pick(calm)[0]]();
    }
    if (way !== 0 || this.random.between(0, 1)) await this.proxy.cut();
    await this.proxy.flow();
  }

  // The mirror does not reach its origin while other things happen.
  async cutMirror() {
    const { between } = this.servers;
    await between.stall();
    for (let i = this.random.between(1, 6); i > 0; i--) await this.put();
    await between.cut();
    await between.flow();
  }

  async kill() {
    await this.cutOff.kill9();
    for (let i = this.random.between(0, 3); i > 0; i--) await this.put();
    await this.cutOff.start();
  }

  // ---- what there is ----

  // What the stream holds of each id, in its order, and all sequences that it has.
  async held() {
    const held = new Map();
    const sequences = new Set();
    const { state } = await this.followed.jsm.streams.info(this.stream);
    for (let seq = Math.max(1, state.first_seq); seq <= state.last_seq; seq++) {
      const message = await this.followed.jsm.streams.getMessage(this.stream, { seq }).catch(() => null);
      if (message === null || message === undefined) continue;
      sequences.add(seq);
      const id = message.subject.split('.').at(-1);
      if (message.subject !== this.subject(id)) continue;
      const operation = message.header?.get('KV-Operation') || message.header?.get('Nats-Marker-Reason');
      const text = new TextDecoder().decode(message.data);
      held.set(id, [...(held.get(id) ?? []), { id, seq, text, removed: Boolean(operation) }]);
    }
    return { byId: held, sequences };
  }

  // Is there a message left that expires, or that says what is to be published? A mirror keeps the latter.
  async expires() {
    const left = async ({ jsm }, stream, names) => {
      const { state } = await jsm.streams.info(stream);
      for (let seq = Math.max(1, state.first_seq); seq <= state.last_seq; seq++) {
        const message = await jsm.streams.getMessage(stream, { seq }).catch(() => null);
        if (names.some((name) => message?.header?.get(name))) return true;
      }
      return false;
    };
    if (await left(this.owner, this.origin, ['Nats-TTL', 'Nats-Schedule'])) return true;
    return this.mirror && left(this.followed, this.stream, ['Nats-TTL']);
  }

  // Nothing expires any more, and no link is cut: what each replica says of each id, as fresh as the end. Through a
  // mirror that is said some seconds later.
  async ask(gateway) {
    const shown = new Map();
    const staleness = this.mirror ? MIRROR_STALENESS_S : 0;
    await pause(Math.max(0, this.endedMs + staleness * 1000 - performance.now()));
    for (const id of this.ids) shown.set(id, await this.asFreshAsNow(gateway, id, staleness));
    return shown;
  }

  asFreshAsNow(gateway, id, staleness = 0) {
    const headers = { 'max-staleness': `${staleness}`, prefer: 'wait=5' };
    return until(`${id} as fresh as now`, async () => {
      const answer = await gateway.get(`/v1/state/things/${id}`, { headers, timeoutMs: 10_000 });
      if (answer.status >= 500) throw new Error(`${answer.status} ${answer.text}`);
      return answer;
    });
  }

  get ids() {
    return Array.from({ length: IDS }, (_, i) => `k${i}`);
  }

  async end() {
    await this.proxy.flow();
    if (this.servers.newest) await until('what is to expire has', async () => !(await this.expires()));
    if (this.mirror) {
      await this.put();
      await until(`the mirror has all (${this.said.join(' ')})`, () => this.mirrored(), { deadlineMs: 120_000 });
    }
    this.endedMs = performance.now();
    this.fresh = await this.follow(this.nats.url);
    await until('the fresh one has read all', async () => (await this.fresh.get('/readyz')).status === 200);
  }

  async mirrored() {
    return (await this.followed.jsm.streams.info(this.stream)).state.last_seq >= this.published.at(-1).seq;
  }

  async close() {
    for (const gateway of [this.cutOff, this.steady, this.fresh]) await gateway?.stop();
    if (this.mirror) await this.followed.jsm.streams.delete(this.stream);
    await this.owner.jsm.streams.delete(this.origin);
  }
}

function withHeaders(values) {
  const made = headers();
  for (const [name, value] of Object.entries(values)) made.set(name, value);
  return made;
}
