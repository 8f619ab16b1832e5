// Kept connections of clients that note when the first byte of an answer came, and how soon parked reads wake over
// them.

import { createConnection } from 'node:net';

import { scrape } from '../tests/support/prometheus.mjs';
import { until } from '../tests/support/until.mjs';

// One kept connection, one request at a time; tells when the first byte of the answer came.
export class Connection {
  constructor(port) {
    this.socket = createConnection(port, '127.0.0.1').setNoDelay(true);
    this.opened = new Promise((done, failed) => this.socket.once('connect', done).once('error', failed));
    this.text = '';
    this.alone = false; // an answer is one chunk, and only its first line is read: the client itself then costs little
    this.socket.on('data', (bytes) => this.take(bytes)).on('error', () => {});
  }

  get(path, headers = '') {
    return new Promise((done) => {
      this.done = done;
      this.first = 0;
      this.socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`);
    });
  }

  take(bytes) {
    this.first ||= performance.now();
    if (this.alone) return this.done({ at: this.first, status: Number(bytes.latin1Slice(9, 12)) });
    this.text += bytes.toString('latin1');
    const end = this.text.indexOf('\r\n\r\n');
    if (end < 0) return;
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.text)?.[1] ?? 0);
    if (this.text.length < end + 4 + length) return;
    const answer = { at: this.first, status: Number(this.text.slice(9, 12)), head: this.text.slice(0, end) };
    this.text = '';
    this.done(answer);
  }
}

export async function openMany(gateway, count) {
  const connections = [];
  for (let i = 0; i < count; i += 200) {
    const some = Array.from({ length: Math.min(200, count - i) }, () => new Connection(gateway.port));
    await Promise.all(some.map(({ opened }) => opened));
    connections.push(...some);
  }
  return connections;
}

export const parkedCount = async (gateway) => (await scrape(gateway)).value('stategate_waits_parked');
export const untilParked = (gateway, count) =>
  until(`${count} are parked`, async () => (await parkedCount(gateway)) === count, { deadlineMs: 60_000 });

// Each connection waits for an entity of its own; one after another is published. Milliseconds from publish to first
// byte.
export async function wakeSingles({ publish, connections, rounds, prefix, whenParked }) {
  const versions = Array(connections.length).fill(1);
  const ask = (i) => connections[i].get(`/v1/state/customers/${prefix}-${i}?min_version=${versions[i]}&wait=300`);
  const asked = connections.map((_, i) => ask(i));
  await whenParked?.();
  const times = [];
  for (let round = 0; round < rounds; round++) {
    const i = (round * 7919) % connections.length;
    const from = performance.now();
    await publish(`${prefix}-${i}`, versions[i]++);
    times.push((await asked[i]).at - from);
    asked[i] = ask(i);
  }
  return times;
}
