// A world of the replica campaign: one broker, one stream, and everything that was ever published to it. Writes and
// removals at random; a gateway whose link is cut at random, one whose link never is, and at the end a fresh one.

import { Kvm } from '@nats-io/kv';

import { startGateway } from '../support/gateway.mjs';
import { publishAll } from '../support/nats.mjs';
import { startProxy } from '../support/proxy.mjs';
import { until } from '../support/until.mjs';

export const FORMATS = ['kv', 'envelope'];
const IDS = 6;

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
  cut: 14,
  kill: 4,
};

export class World {
  // `nats` serves several worlds, each with a stream of its own.
  static async make({ t, nats, client, name, format, limit, ttl, random }) {
    const world = new World();
    Object.assign(world, { t, nats, client, name, format, limit, ttl, random });
    Object.assign(world, { published: [], versions: new Map(), said: [] });
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

  get stream() {
    return this.kv ? `KV_${this.name}` : this.name;
  }

  subject(id) {
    return this.kv ? `$KV.${this.name}.${id}` : `${this.name}.things.${id}`;
  }

  async createStream() {
    const { jsm, nc } = this.client;
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
  }

  follow(url) {
    const mapping = this.kv
      ? { name: this.stream, subject: `$KV.${this.name}.{id}`, collection: 'things', format: 'kv' }
      : { name: this.stream, subject: `${this.name}.{collection}.{id}`, collections: ['things'] };
    return startGateway({ t: this.t, nats: url, config: { streams: [mapping], probe: { idle: '200ms' } } });
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
    await publishAll(this.client.js, [event]);
    this.published.push({ id, kind, body, version: this.kv ? event.seq : version, seq: event.seq });
  }

  envelope(version, state) {
    return JSON.stringify({ version, state });
  }

  async put(id = this.id()) {
    const state = `{"n":${this.published.length}}`;
    const version = this.next(id);
    await this.publish(id, 'state', this.kv ? state : this.envelope(version, JSON.parse(state)), { version });
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

  purgeSubject() {
    return this.client.jsm.streams.purge(this.stream, { filter: this.subject(this.id()) });
  }

  async deleteMessage() {
    const { state } = await this.client.jsm.streams.info(this.stream);
    if (state.messages === 0) return;
    const sequence = state.first_seq + this.random.between(0, state.last_seq - state.first_seq);
    await this.client.jsm.streams.deleteMessage(this.stream, sequence).catch(() => {}); // gone already
  }

  compact() {
    return this.bucket.purgeDeletes(1);
  }

  purgeAll() {
    return this.client.jsm.streams.purge(this.stream);
  }

  // A message that expires soon; in a bucket with a marker, which goes as well.
  async expire() {
    const id = this.id();
    if (this.kv) await this.bucket.create(id, '{"brief":1}', '1s').catch(() => {}); // there is one
    else {
      const { headers } = await import('@nats-io/transport-node');
      const h = headers();
      h.set('Nats-TTL', '1s');
      const version = this.next(id);
      await this.publish(id, 'state', this.envelope(version, { brief: 1 }), { version, headers: h });
    }
  }

  // The link is cut while other things happen.
  async cut() {
    const way = this.random.between(0, 2);
    if (way === 0) await this.proxy.stall();
    else await this.proxy.swallow();
    for (let i = this.random.between(1, 6); i > 0; i--) {
      const calm = Object.entries(ACTIONS).filter(([name]) => !['cut', 'kill'].includes(name) && this.can(name));
      await this[this.random.pick(calm)[0]]();
    }
    if (way !== 0 || this.random.between(0, 1)) await this.proxy.cut();
    await this.proxy.flow();
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
    const { state } = await this.client.jsm.streams.info(this.stream);
    for (let seq = Math.max(1, state.first_seq); seq <= state.last_seq; seq++) {
      const message = await this.client.jsm.streams.getMessage(this.stream, { seq }).catch(() => null);
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

  // Is there a message left that expires?
  async expires() {
    const { state } = await this.client.jsm.streams.info(this.stream);
    for (let seq = Math.max(1, state.first_seq); seq <= state.last_seq; seq++) {
      const message = await this.client.jsm.streams.getMessage(this.stream, { seq }).catch(() => null);
      if (message?.header?.get('Nats-TTL')) return true;
    }
    return false;
  }

  // Nothing expires any more, and no link is cut: what each replica says of each id, as fresh as now.
  async ask(gateway) {
    const shown = new Map();
    for (const id of this.ids) {
      shown.set(
        id,
        await until(`${id} as fresh as now`, async () => {
          const answer = await gateway.get(`/v1/state/things/${id}`, {
            headers: { 'max-staleness': '0', prefer: 'wait=5' },
            timeoutMs: 10_000,
          });
          if (answer.status >= 500) throw new Error(`${answer.status} ${answer.text}`);
          return answer;
        }),
      );
    }
    return shown;
  }

  get ids() {
    return Array.from({ length: IDS }, (_, i) => `k${i}`);
  }

  async end() {
    await this.proxy.flow();
    if (this.ttl) await until('what is to expire has', async () => !(await this.expires()));
    this.fresh = await this.follow(this.nats.url);
    await until('the fresh one has read all', async () => (await this.fresh.get('/readyz')).status === 200);
  }

  async close() {
    for (const gateway of [this.cutOff, this.steady, this.fresh]) await gateway?.stop();
    await this.client.jsm.streams.delete(this.stream);
  }
}
