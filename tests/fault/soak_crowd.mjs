// Clients as the world has them, all at once: that hang up, that wait for what never comes, that read slowly or not at
// all, that send half a request. Those that take pages ask for the collection without large entities: whoever reads
// some MiB slowly keeps them in memory, and that is no leak.

import { once } from 'node:events';
import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

const PARKED = 100; // reads that wait at a time
const SLOW = 10;
const HALF = 10;

const request = (path, headers = '') => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n`;

export class Crowd {
  // `gateways`: whom to ask, at random.
  constructor({ gateways, random }) {
    Object.assign(this, { gateways, random, going: true });
    this.counts = { 'hung up': 0, parked: 0, 'read slowly': 0, 'half a request': 0, plain: 0 };
    this.parts = [
      this.often('hung up', 1, () => this.hangUp()),
      this.often('parked', PARKED, () => this.park()),
      this.often('read slowly', SLOW, () => this.readSlowly()),
      this.often('half a request', HALF, () => this.sendHalf()),
      this.often('plain', 4, () => this.plain()),
    ];
  }

  // `count` at a time, again and again.
  often(name, count, action) {
    const one = async () => {
      while (this.going) {
        await action().catch(() => pause(20));
        this.counts[name]++;
      }
    };
    return Promise.all(Array.from({ length: count }, one));
  }

  // A connection to one of the gateways; null while it does not listen.
  connection() {
    const { address, running } = this.random.pick(this.gateways());
    if (address === '' || running.exit) return null;
    const at = address.lastIndexOf(':');
    const socket = connect(Number(address.slice(at + 1)), address.slice(0, at));
    socket.on('error', () => {});
    return socket;
  }

  async with(action) {
    const socket = this.connection();
    if (socket === null) return pause(20);
    try {
      await action(socket);
    } finally {
      socket.destroy();
    }
  }

  hangUp() {
    return this.with(async (socket) => {
      socket.write(
        request(this.random.pick(['/v1/state/orders?limit=1000', '/v1/state', '/v1/state/orders/c-1'])),
      );
      await pause(this.random.between(0, 30));
    });
  }

  // Half of them leave before their time.
  park() {
    return this.with(async (socket) => {
      socket.write(request('/v1/state/customers/never?min_version=9223372036854775807&wait=2'));
      const gone = new Promise((done) => socket.once('data', done).once('close', done));
      await Promise.race([gone, pause(this.random.between(100, 3500))]);
    });
  }

  // Page after page is asked for, and a little is read now and then.
  readSlowly() {
    return this.with(async (socket) => {
      socket.on('data', () => socket.pause());
      for (let i = 0; i < 20 && !socket.destroyed; i++) {
        socket.write(request('/v1/state/orders?limit=1000'));
        await pause(this.random.between(50, 300));
        if (i % 3 === 0) socket.resume();
      }
    });
  }

  sendHalf() {
    return this.with(async (socket) => {
      const text = request('/v1/state/customers/c-1', `X-Much: ${'x'.repeat(200)}\r\n`);
      for (let i = 0; i < text.length - 3 && !socket.destroyed && this.going; i += 10) {
        socket.write(text.slice(i, i + 10));
        await pause(this.random.between(10, 400));
      }
    });
  }

  plain() {
    return this.with(async (socket) => {
      const answered = () => Promise.race([once(socket, 'data', { signal }), closed]).catch(() => {});
      const signal = AbortSignal.timeout(20_000);
      const closed = once(socket, 'close', { signal });
      closed.catch(() => {});
      for (let i = 0; i < 50 && !socket.destroyed; i++) {
        socket.write(request(`/v1/state/orders/c-${this.random.between(1, 100)}`));
        await answered();
        await pause(10);
      }
    });
  }

  async close() {
    this.going = false;
    await Promise.all(this.parts);
  }
}
