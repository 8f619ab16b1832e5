// The usual scene of a test: a server with a stream, a client that publishes, a gateway that follows, and the fold
// that says what the gateway must hold.

import assert from 'node:assert/strict';

import { differences, snapshot } from './db.mjs';
import { Fold } from './fold.mjs';
import { startGateway } from './gateway.mjs';
import { publishAll, startNats } from './nats.mjs';
import { until } from './until.mjs';

// What an epoch looks like, and a State-Position that rests on STATE alone; the group is the sequence.
export const EPOCH = '[a-z][a-z0-9]{5,11}';
export const STATE_POSITION = new RegExp(`^STATE:(\\d+);epoch=${EPOCH}$`);

export const STATE = { name: 'STATE', subject: 'state.{collection}.{id}' };

// An envelope for state.<collection>.<id>.
export function event(id, version, state = { n: version }, { collection = 'customers', ...members } = {}) {
  const body = members.deleted ? { version, ...members } : { version, state, ...members };
  return { subject: `state.${collection}.${id}`, payload: Buffer.from(JSON.stringify(body)) };
}

// `count` events over `ids` entities with ever higher versions.
export function events(count, { ids = 20, from = 1, ...more } = {}) {
  return Array.from({ length: count }, (_, i) =>
    event(`c-${(from + i) % ids}`, from + i, { n: from + i, note: 'x'.repeat(i % 50) }, more),
  );
}

// Starts server and gateway, with the stream STATE (state.>) unless told otherwise.
//   nats      options of startNats, or a server that runs
//   stream    more of the stream's configuration; null: do not create it
//   publish   events that are there before the gateway starts
//   gateway   options of startGateway
// Gives {nats, client, gateway, stream, fold, publish(events), untilEqual()}.
export async function scene(
  t,
  { nats: natsOptions = {}, stream = {}, publish = [], gateway: gatewayOptions = {}, mapping = STATE } = {},
) {
  const nats = natsOptions.url ? natsOptions : await startNats({ t, ...natsOptions });
  const client = await nats.client();
  const made = new Scene({ t, nats, client, mapping, fold: new Fold(mapping) });
  if (stream !== null) await made.createStream(stream);
  await made.publish(publish);
  if (gatewayOptions !== null) made.gateway = await startGateway({ t, nats, ...gatewayOptions });
  return made;
}

class Scene {
  constructor(parts) {
    Object.assign(this, parts);
  }

  get name() {
    return this.mapping.name;
  }

  async createStream(more = {}) {
    // nats-server answers a deletion before the stream's folder is gone, and cannot make the next one until it is.
    const info = await until('the stream is created', () =>
      this.client.jsm.streams.add({ name: this.name, subjects: ['state.>'], ...more }),
    );
    this.created = info.created;
    return info;
  }

  // The stream in another incarnation, with these events; the fold begins again.
  async recreateStream(list, more = {}) {
    await this.client.jsm.streams.delete(this.name);
    await this.createStream(more);
    this.fold = new Fold(this.mapping);
    await this.publish(list);
  }

  // Publishes, waits for the acknowledgements, and folds.
  async publish(list) {
    await publishAll(this.client.js, list);
    this.fold.applyAll(list);
    return list;
  }

  info() {
    return this.client.jsm.streams.info(this.name);
  }

  // Waits until the gateway holds exactly what the fold says, and gives the snapshot.
  async untilEqual({ deadlineMs = 30_000, fold = this.fold, ...options } = {}) {
    return untilEqual(this.gateway, this.name, fold, { deadlineMs, ...options });
  }

  // The same, and the stream is live again.
  async untilLive({ deadlineMs = 30_000 } = {}) {
    const start = performance.now();
    await this.untilEqual({ deadlineMs });
    return this.gateway.untilStatus('live', {
      stream: this.name,
      deadlineMs: Math.max(100, deadlineMs - (performance.now() - start)),
    });
  }
}

export async function untilEqual(gateway, stream, fold, { deadlineMs = 30_000, ...options } = {}) {
  return until(
    `rows of ${stream} are those of the fold at ${fold.position}`,
    async () => {
      const shown = await snapshot(gateway.database);
      assert.deepEqual(differences(shown, stream, fold, options), []);
      return shown;
    },
    { deadlineMs, everyMs: 100 },
  );
}
