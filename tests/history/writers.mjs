// Writers: each owns some entities, whose versions only rise, and records every publish with its acknowledgement.

import { setTimeout as pause } from 'node:timers/promises';

import { COLLECTIONS } from './world.mjs';

const ACKED_KEPT = 64; // of the latest acknowledgements, for readers to ask for
const PUBLISH_TIMEOUT_MS = 1500;

export const ENTITIES_PER_COLLECTION = 16;

export class Writer {
  constructor({ world, recorder, random, index, count, everyMs }) {
    Object.assign(this, { world, recorder, random, index, everyMs });
    this.entities = [];
    for (const c of COLLECTIONS) {
      for (let n = index; n < ENTITIES_PER_COLLECTION; n += count) this.entities.push({ c, id: `e-${n}`, v: 0 });
    }
    this.written = 0;
  }

  async run(going) {
    const client = await this.world.client();
    try {
      while (going()) {
        if (this.world.paused || this.world.lull) await pause(2);
        else await this.publish(client);
        if (this.everyMs > 0) await pause(this.random.next() * 2 * this.everyMs);
      }
    } finally {
      await client.close();
    }
  }

  // {subject, text, entry}: mostly a new state, sometimes a tombstone, poison, or something beside the filter.
  next() {
    const entity = this.random.pick(this.entities);
    const dice = this.random.next();
    if (dice < 0.04) return { subject: 'beside.it', text: '{}', entry: { k: 'o' } };
    const v = ++entity.v;
    const entry = { c: entity.c, id: entity.id, v };
    const subject = `state.${entity.c}.${entity.id}`;
    if (dice < 0.06) return { subject, text: `{"version":${v},"state":[]}`, entry: { ...entry, k: 'p' } };
    if (dice < 0.11) return { subject, text: `{"version":${v},"deleted":true}`, entry: { ...entry, k: 'd' } };
    const b = `{"incarnation":${this.world.incarnation},"n":${v},"w":${this.index},"x":${this.random.between(0, 1e9)}}`;
    return { subject, text: `{"version":${v},"state":${b}}`, entry: { ...entry, k: 's', b } };
  }

  async publish(client) {
    const { world, recorder } = this;
    world.writing++;
    const { subject, text, entry } = this.next();
    const line = { t: 'w', l: world.incarnation, ...entry, s: recorder.now() };
    try {
      const ack = await client.js.publish(subject, text, { timeout: PUBLISH_TIMEOUT_MS, retries: 0 });
      line.e = recorder.now();
      line.q = ack.seq;
      this.written++;
      this.remember(line);
    } catch (error) {
      line.err = error.message.slice(0, 60);
      await pause(20);
    } finally {
      world.writing--;
      recorder.add(line);
    }
  }

  remember(line) {
    const { world } = this;
    world.lastAcked = Math.max(world.lastAcked, line.q);
    world.acked.push(line);
    if (world.acked.length > ACKED_KEPT) world.acked.shift();
  }
}
