// A gateway in a world that stands still: two streams, entities of every kind, and all that is known of them, for tests
// that judge its answers.

import assert from 'node:assert/strict';

import { Fold } from './fold.mjs';
import { entityPath, startGateway } from './gateway.mjs';
import { frugalEnvironment } from './memory.mjs';
import { publishAll, startNats } from './nats.mjs';
import { until } from './until.mjs';

const STATE = { name: 'STATE', subject: 'state.{collection}.{id}' };
const THINGS = { name: 'THINGS', subject: 'things.events', collection: 'things' };
const WAIT_MAX_S = 0.4;
const IDS = [
  'Zürich',
  '日本',
  '🦀',
  'a/b',
  '100%25',
  "o'neil",
  'q?x=1&y',
  'eu.west.1',
  '%2F',
  '"quoted"',
  'x'.repeat(200),
];

function stateEvents() {
  const message = (collection, id, body) => ({
    subject: `state.${collection}.${id}`,
    payload: Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  });
  const list = [];
  for (let version = 1; version <= 3; version++) {
    for (let i = 0; i < 30; i++)
      list.push(message('customers', `c-${i}`, { version, state: { i, version, note: 'ü'.repeat(i) } }));
  }
  for (const id of IDS)
    list.push(message('customers', id, `{"version":2,"state":{"n":1.10,"id":${JSON.stringify(id)}}}`));
  for (let i = 0; i < 6; i++) list.push(message('customers', `c-${i}`, { version: 4, deleted: true }));
  for (let i = 10; i < 14; i++) list.push(message('customers', `c-${i}`, { version: 5, state: [] }));
  for (let i = 0; i < 5; i++) list.push(message('orders', `o-${i}`, { version: 1, state: { i }, occurredAt: '2026-01-31T12:00:00.5Z' }));
  return list;
}

function thingEvents() {
  return Array.from({ length: 12 }, (_, i) => ({
    subject: 'things.events',
    payload: Buffer.from(
      JSON.stringify({ aggregateId: `thing ${i}`, version: i + 1, state: { i }, deleted: i % 4 === 3 }),
    ),
  }));
}

// {gateway, nats, world (of the judge), names (of the generator)}.
export async function httpWorld(t, { config = {}, http = {} } = {}) {
  const nats = await startNats({ t });
  const client = await nats.client();
  await client.jsm.streams.add({ name: 'STATE', subjects: ['state.>'] });
  await client.jsm.streams.add({ name: 'THINGS', subjects: ['things.>'] });
  const folds = { STATE: new Fold(STATE), THINGS: new Fold(THINGS) };
  folds.STATE.applyAll(await publishAll(client.js, stateEvents()));
  folds.THINGS.applyAll(await publishAll(client.js, thingEvents()));
  const gateway = await startGateway({
    t,
    nats,
    env: frugalEnvironment(),
    config: { streams: [STATE, THINGS], wait: { default: '100ms', max: `${WAIT_MAX_S * 1000}ms` }, http, ...config },
  });
  for (const [stream, { position }] of Object.entries(folds)) await gateway.untilPosition(position, { stream });
  await gateway.untilStatus('live', { stream: 'STATE' });
  await gateway.untilStatus('live', { stream: 'THINGS' });
  const world = await look(gateway, folds);
  return { gateway, nats, client, world, names: namesOf(world) };
}

async function look(gateway, folds) {
  const world = {
    streams: new Map(),
    entities: new Map(),
    pageEtags: new Map(),
    cursors: new Map(),
    waitMax: WAIT_MAX_S,
    // STATE's template makes any collection that is one token of a subject.
    ownerOf: (collection) => (collection === 'things' ? 'THINGS' : /[\s.*>\0]/.test(collection) ? undefined : 'STATE'),
  };
  const { streams } = (await gateway.get('/v1/status')).json();
  for (const { name, position, epoch } of streams) {
    assert.equal(position, folds[name].position);
    world.streams.set(name, { sequence: position, epoch, member: `${name}:${position};epoch=${epoch}` });
  }
  for (const fold of Object.values(folds)) {
    for (const collection of fold.collections()) await lookAtCollection(gateway, world, fold, collection);
  }
  return world;
}

async function lookAtCollection(gateway, world, fold, collection) {
  const page = await gateway.get(`/v1/state/${collection}?limit=3`);
  world.pageEtags.set(collection, page.headers.etag);
  world.cursors.set(page.json().next ?? 'none', collection);
  const entities = new Map();
  for (const [id, { version, deleted, state }] of fold.entities.get(collection)) {
    const answer = await gateway.get(entityPath(collection, id));
    assert.equal(answer.status, deleted ? 410 : 200, id);
    const rejected = fold.rejected.filter((entry) => entry.collection === collection && entry.id === id);
    const versions = rejected.map(({ version }) => version).filter((number) => number > version);
    const { etag, 'last-modified': date } = answer.headers;
    entities.set(id, { version, deleted, state, etag, modified: Date.parse(date), rejected: versions });
    if (!deleted) assert.match(answer.headers.etag, /^"[a-z0-9]+\.r[0-9a-f]{8}\.[1-9]\d*"$/);
  }
  world.entities.set(collection, entities);
}

function namesOf(world) {
  const ids = Object.fromEntries([...world.entities].map(([collection, rows]) => [collection, [...rows.keys()]]));
  const members = [...world.streams].flatMap(([name, { sequence, epoch }]) => [
    `${name}:${sequence}`,
    `${name}:${sequence - 1};epoch=${epoch}`,
    `"${name}:1"`,
    `${name}:0`,
    `${name}:${sequence + 1}`,
    `${name}:9223372036854775807`,
    `${name}:1;epoch=aaaaaa`,
    `${name}:01`,
    name,
  ]);
  const held = [...world.streams].flatMap(([name, { sequence, epoch, member }]) => [
    member,
    `"${name}:${sequence}"; epoch=${epoch}`,
    `${name}:1`,
  ]);
  return {
    ids,
    met: [...held, [...world.streams.values()].map(({ member }) => member).join(', ')],
    collections: [...world.entities.keys(), 'customers', 'customers', 'nothings', 'a b', 'x.y', 'c'.repeat(129)],
    streams: [...world.streams.keys()],
    positions: [...members, 'NOBODY:1', '""', '?1', '1', '(STATE:1)'],
    etags: [
      ...[...world.entities.get('customers').values()].map(({ etag }) => etag).filter(Boolean),
      ...world.pageEtags.values(),
    ],
    cursors: [...world.cursors.keys()],
  };
}
