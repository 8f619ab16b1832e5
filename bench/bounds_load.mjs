// One of two clients of bench/bounds.mjs, in a process of its own: what one of them waits for is not what the other
// does.
//
//   probe ADDRESS SECONDS EVERY_MS ENTITIES   /livez and reads by id, in turn, at a pace; prints their latencies in ms
//   long ADDRESS SECONDS EVERY_MS             what reads much, in turn, at a pace; prints how it was answered

import { realpathSync } from 'node:fs';
import http from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

export const LONG = [
  '/v1/state/gone',
  '/v1/state/customers?limit=1000',
  '/v1/rejected?collection=seldom',
  '/v1/rejected?stream=STATE&limit=1000',
  '/v1/state/gone?limit=1000',
  '/v1/status',
  '/v1/state',
  '/metrics',
];

const [mode, address, seconds, everyMs, entities] = process.argv.slice(2);
const asked = realpathSync(process.argv[1] ?? '.') === fileURLToPath(import.meta.url);
const agent = new http.Agent({ keepAlive: true });

function get(path) {
  return new Promise((done, failed) => {
    const [host, port] = address.split(':');
    const request = http.get({ host, port, path, agent }, (response) => {
      response.resume().on('end', () => done(response.statusCode));
    });
    request.on('error', failed);
  });
}

// Each at its time, however long the one before takes. Gives the first error.
async function paced(ask) {
  const end = performance.now() + Number(seconds) * 1000;
  const begun = [];
  let error = null;
  for (let i = 0, at = performance.now(); at < end; i++, at += Number(everyMs)) {
    const left = at - performance.now();
    if (left > 0) await pause(left);
    begun.push(ask(i).catch((failure) => (error ??= failure)));
  }
  await Promise.all(begun);
  if (error) throw error;
}

const latencies = { livez: [], entity: [] };
const statuses = {};

async function probe(i) {
  const kind = i % 2 === 0 ? 'livez' : 'entity';
  const from = performance.now();
  const status = await get(kind === 'livez' ? '/livez' : `/v1/state/customers/c-${(i * 7919) % Number(entities)}`);
  if (status !== 200) throw new Error(`${kind}: ${status}`);
  latencies[kind].push(performance.now() - from);
}

async function long(i) {
  const path = LONG[i % LONG.length];
  const from = performance.now();
  const status = await get(path);
  const known = (statuses[path] ??= { answers: {}, ms: 0 });
  known.answers[status] = (known.answers[status] ?? 0) + 1;
  known.ms = Math.max(known.ms, performance.now() - from);
}

if (asked) {
  await paced(mode === 'probe' ? probe : long);
  agent.destroy();
  console.log(JSON.stringify(mode === 'probe' ? latencies : statuses));
}
