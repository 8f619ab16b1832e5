// Two replicas over one stream whose rows are the same and lie in different places: one read every event, the other
// only the last of each subject. The second ends its pages early, so that cursors are made where no limit is.

import { startGateway } from '../gateway.mjs';
import { publishAll, startNats } from '../nats.mjs';
import { declarations, Documents, envelope, idOf } from './documents.mjs';
import { rowOf } from './fields.mjs';

const DELETED = 0.03; // of the ids, in the end
const SCANNED_SHARE = 0.1; // the collection that may be scanned is smaller
const ROWS_MAX_LEAST = 100;

const shuffled = (list, random) => {
  const copy = [...list];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = random.between(0, i);
    [copy[i], copy[j]] = [copy[j], copy[i]];
  }
  return copy;
};

// One event of a collection; `document` is null where it deletes.
export function eventOf({ random, documents }, collection, id, version) {
  const deleted = version > 1 && random.chance(DELETED);
  const state = deleted ? null : documents.state();
  const occurredAt = random.chance(0.7) ? documents.time() : undefined;
  const payload = envelope({ version, state, occurredAt, deleted });
  return { subject: `state.${collection}.${id}`, payload, collection, id, version, state, occurredAt, deleted };
}

// Every id twice: in the order of their numbers, and then in another one.
function eventsOf(maker, declaration, count) {
  const ids = Array.from({ length: count }, (_, i) => idOf(i));
  const first = ids.map((id) => eventOf(maker, declaration.name, id, 1));
  const again = shuffled(ids, maker.random).map((id) =>
    eventOf(maker, declaration.name, id, maker.random.between(2, 50)),
  );
  return { first, again };
}

export function rowOfEvent(declaration, { id, version, seq, occurredAt, state }) {
  return rowOf(declaration, { id, version, sequence: seq, occurredAt: occurredAt ?? null, state });
}

// {nats, client, replicas: [gateway, gateway], collections: [{declaration, rows, deleted (ids)}], random, documents}
export async function queryWorld(t, { random, count, config = {}, bin }) {
  const documents = new Documents(random);
  const maker = { random, documents };
  const nats = await startNats({ t });
  const client = await nats.client();
  await client.jsm.streams.add({ name: 'STATE', subjects: ['state.>'], max_msgs_per_subject: 1 });
  const declared = declarations();
  const counts = [count, Math.max(50, Math.round(count * SCANNED_SHARE))];
  const made = declared.map((declaration, i) => eventsOf(maker, declaration, counts[i]));
  const settings = { ...config, collections: declared.map((one) => one.settings) };
  await publishAll(client.js, made.flatMap(({ first }) => first));
  const every = await startGateway({ t, nats, config: settings, bin });
  await every.untilPosition(counts[0] + counts[1], { deadlineMs: 120_000 });
  const again = await publishAll(client.js, made.flatMap((one) => one.again));
  const rowsMax = Math.max(ROWS_MAX_LEAST, Math.round(count / 10));
  const fresh = await startGateway({ t, nats, config: { ...settings, query: { rows_max: rowsMax } }, bin });
  const replicas = [every, fresh];
  for (const gateway of replicas) {
    await gateway.untilPosition(again.at(-1).seq, { deadlineMs: 120_000 });
    await gateway.untilReady({ deadlineMs: 120_000 });
  }
  const collections = declared.map((declaration, i) => collectionOf(declaration, made[i].again));
  return { nats, client, replicas, collections, random, documents };
}

function collectionOf(declaration, events) {
  const live = events.filter(({ deleted }) => !deleted);
  const gone = events.filter(({ deleted }) => deleted);
  return {
    declaration,
    rows: live.map((event) => rowOfEvent(declaration, event)),
    deleted: new Map(gone.map(({ id, version }) => [id, version])),
  };
}
