// Readers that ask the gateway all the while, and copies of its rows in mid-run: what the rules judge afterwards.

import { setTimeout as pause } from 'node:timers/promises';

import { snapshot } from '../support/db.mjs';
import { entityPath } from '../support/gateway.mjs';

const POSITION = /^STATE:(\d+)(?:;epoch=([a-z0-9]+))?$/;
const FRESH_WAIT_S = 1;

export class Watch {
  constructor({ world, random, readers = 3, everyMs = 25, snapshotEveryMs = 700 }) {
    Object.assign(this, { world, random, everyMs, snapshotEveryMs });
    this.step = { answers: [], snapshots: [] };
    this.counts = { answers: 0, fresh: 0, refused: 0, claims: 0, snapshots: 0, unreached: 0 };
    this.words = {};
    this.going = true;
    this.carried = undefined;
    this.parts = [...Array.from({ length: readers }, () => this.read()), this.copy()];
  }

  // What was recorded since the last time.
  take() {
    const { step } = this;
    this.step = { answers: [], snapshots: [] };
    return step;
  }

  async close() {
    this.going = false;
    await Promise.all(this.parts);
  }

  async read() {
    while (this.going) {
      if (this.world.gateway.address === '') await pause(5);
      else await this.one().catch(() => (this.counts.unreached++, pause(5)));
      await pause(this.random.next() * 2 * this.everyMs);
    }
  }

  // One request: for nothing but an entity, for what is as fresh as can be, or for a position that was shown before.
  async one({ collection, id } = this.entity(), dice = this.random.next(), waitS = FRESH_WAIT_S) {
    const answer = { collection, id, fresh: dice < 0.3, carried: dice > 0.75 ? this.carried : undefined };
    const headers = {};
    if (answer.fresh) Object.assign(headers, { 'Max-Staleness': '0', Prefer: `wait=${waitS}` });
    if (answer.carried) headers['Min-Position'] = `STATE:${answer.carried.position};epoch=${answer.carried.epoch}`;
    answer.sent = performance.now();
    const got = await this.world.gateway.get(entityPath(collection, id), { headers, timeoutMs: 15_000 });
    answer.ended = performance.now();
    this.note(answer, got);
    this.step.answers.push(answer);
    return answer;
  }

  entity() {
    const { log } = this.world.incarnation;
    const known = log.get(this.random.between(1, Math.max(1, log.size)));
    const [, collection, ...id] = known?.subject.split('.') ?? [];
    const usable = id.length > 0 && collection.length < 100 && id.join('.').length < 400;
    return usable ? { collection, id: id.join('.') } : { collection: 'customers', id: 'never' };
  }

  note(answer, { status, headers, text }) {
    answer.status = status;
    const found = POSITION.exec(headers['state-position'] ?? '');
    if (found) Object.assign(answer, { position: Number(found[1]), epoch: found[2] });
    if (headers['state-staleness'] !== undefined) answer.staleness = Number(headers['state-staleness']);
    answer.version = headers['state-version'];
    answer.word = headers['state-status'];
    answer.parkedMs = Math.max(0, Number(/wait;dur=([\d.]+)/.exec(headers['server-timing'] ?? '')?.[1] ?? 0) - 1);
    if (status === 200) answer.body = text;
    const good = status < 400 || status === 404 || status === 410;
    if (good && answer.epoch !== undefined) this.carried = { position: answer.position, epoch: answer.epoch };
    else if (status === 409) this.carried = undefined;
    this.count(answer, good);
  }

  count(answer, good) {
    this.counts.answers++;
    if (good && answer.fresh) this.counts.fresh++;
    if (good && answer.staleness !== undefined) this.counts.claims++;
    if (!good) this.counts.refused++;
    if (answer.word) this.words[answer.word] = (this.words[answer.word] ?? 0) + 1;
  }

  async copy() {
    while (this.going) {
      await pause(this.random.next() * 2 * this.snapshotEveryMs);
      const { running, address } = this.world.gateway;
      if (running.exit || address === '') continue;
      // One that is killed just now, or starts, may hold the file alone.
      const sent = performance.now();
      const shown = await snapshot(this.world.gateway.database).catch(() => null);
      if (shown === null || shown.streams.length === 0) continue;
      this.step.snapshots.push({ shown, sent });
      this.counts.snapshots++;
    }
  }
}
