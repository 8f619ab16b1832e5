// A TCP proxy between a gateway and a server that can delay, slow down, stall, swallow, strand and cut: what networks
// do.

import { createConnection, createServer } from 'node:net';

const HELD_BYTES_MAX = 4 * 1024 * 1024; // of a direction; beyond it the sender is held back

// Listens on a free loopback port.
//   t       a test whose end closes it
//   target  port of the server, or a function that gives it
export async function startProxy({ t, target } = {}) {
  const proxy = new Proxy(target);
  await proxy.listen();
  t?.after(() => proxy.close());
  return proxy;
}

// One direction of a connection: bytes wait for their time, and for the stall to end.
class Pipe {
  constructor(proxy, from, to) {
    Object.assign(this, { proxy, from, to });
    this.held = [];
    this.heldBytes = 0;
    this.timer = null;
    this.ended = false;
    this.stranded = false;
    this.free = 0; // when a slow link has sent all that it was given
    from.on('data', (bytes) => this.take(bytes));
    from.on('end', () => ((this.ended = true), this.pass()));
    to.on('drain', () => this.pass());
  }

  take(bytes) {
    this.proxy.bytes += bytes.length;
    this.proxy.watch?.(bytes);
    if (this.proxy.mode === 'swallow' || this.stranded) return;
    this.held.push({ due: this.sent(bytes.length) + this.proxy.delayMs, bytes });
    this.heldBytes += bytes.length;
    if (this.heldBytes > HELD_BYTES_MAX) this.from.pause();
    this.pass();
  }

  // When so many bytes have left, one after another.
  sent(count) {
    const ms = this.proxy.bytesPerSecond > 0 ? (count * 1000) / this.proxy.bytesPerSecond : 0;
    this.free = Math.max(this.free, performance.now()) + ms;
    return this.free;
  }

  pass() {
    clearTimeout(this.timer);
    if (this.proxy.mode !== 'flow' || this.to.destroyed) return;
    while (this.held.length > 0 && !this.to.writableNeedDrain) {
      const waitMs = this.held[0].due - performance.now();
      if (waitMs > 0) {
        this.timer = setTimeout(() => this.pass(), waitMs);
        return;
      }
      const { bytes } = this.held.shift();
      this.heldBytes -= bytes.length;
      this.to.write(bytes);
    }
    if (this.heldBytes <= HELD_BYTES_MAX) this.from.resume();
    if (this.ended && this.held.length === 0) this.to.end();
  }

  strand() {
    this.stranded = true;
    this.held = [];
    this.heldBytes = 0;
    this.from.resume();
  }

  stop() {
    clearTimeout(this.timer);
  }
}

class Proxy {
  constructor(target) {
    this.target = target;
    this.mode = 'flow'; // or stall: bytes wait; swallow: bytes vanish
    this.delayMs = 0; // each way
    this.bytesPerSecond = 0; // of each direction of a connection; 0 = as fast as it goes
    this.bytes = 0; // that came in, both ways
    this.accepted = 0;
    this.watch = null; // called with all bytes that come in, before they pass
    this.pairs = new Set();
    this.server = createServer((near) => this.accept(near));
  }

  listen() {
    return new Promise((done, failed) => {
      this.server.once('error', failed);
      this.server.listen(0, '127.0.0.1', done);
    });
  }

  get port() {
    return this.server.address().port;
  }

  get url() {
    return `nats://127.0.0.1:${this.port}`;
  }

  accept(near) {
    this.accepted++;
    const far = createConnection(typeof this.target === 'function' ? this.target() : this.target, '127.0.0.1');
    const pair = { sockets: [near, far], pipes: [new Pipe(this, near, far), new Pipe(this, far, near)] };
    this.pairs.add(pair);
    for (const socket of pair.sockets) {
      socket.setNoDelay(true);
      socket.on('error', () => {});
      socket.on('close', () => this.forget(pair));
    }
  }

  forget(pair) {
    if (!this.pairs.delete(pair)) return;
    pair.pipes.forEach((pipe) => pipe.stop());
    pair.sockets.forEach((socket) => socket.destroy());
  }

  // Bytes wait, in both directions, and the connections stay; new ones are accepted and stall too.
  stall() {
    this.mode = 'stall';
  }

  // Half-open: bytes vanish, and neither side is told. What was on its way when it ends is lost, so end it by cut().
  swallow() {
    this.mode = 'swallow';
  }

  // The connections that are there are half-open for ever, and neither side is told; new ones pass.
  strand() {
    for (const { pipes } of this.pairs) pipes.forEach((pipe) => pipe.strand());
  }

  // Everything passes again, what waited first.
  flow() {
    this.mode = 'flow';
    for (const { pipes } of this.pairs) pipes.forEach((pipe) => pipe.pass());
  }

  // Ends the connections that are there; new ones are made as ever.
  cut() {
    for (const pair of [...this.pairs]) this.forget(pair);
  }

  close() {
    this.cut();
    return new Promise((done) => this.server.close(done));
  }
}
