// A real nats-server with JetStream on a free loopback port, and a client connection to it.

import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join } from 'node:path';

import { jetstream, jetstreamManager } from '@nats-io/jetstream';
import { Kvm } from '@nats-io/kv';
import { connect } from '@nats-io/transport-node';

import { freePort } from './ports.mjs';
import { end, program, signal, start, tempFolder } from './process.mjs';
import { until } from './until.mjs';

export const NATS_SERVER = program('NATS_SERVER_BIN', '.deps/bin/nats-server');
export const NATS_SERVER_NEWEST = program('NATS_SERVER_NEWEST_BIN', '.deps/bin/nats-server-newest');

const CONNECT_TRIES_MAX = 5;

// Starts a server and waits until it answers.
//   t         a test whose end stops it
//   port      default: a free one, kept over restarts
//   config    more configuration text; a function is called with the folder of the server
//   limits    of JetStream: {max_mem, max_file}
//   storeDir  default: in a temporary folder
//   scheme    of `url`, e.g. tls
//   through   makes the command line that starts it: (file, args) => [file, args]
export async function startNats({
  t,
  port,
  config = '',
  storeDir,
  bin = NATS_SERVER,
  scheme = 'nats',
  limits = {},
  through = (file, args) => [file, args],
} = {}) {
  let server;
  t?.after(() => server?.stop()); // before its folder goes: the first to be registered is the first to run
  const folder = tempFolder(t, 'nats');
  port ??= await freePort();
  const store = storeDir ?? join(folder, 'store');
  server = new NatsServer({ folder, port, config, storeDir: store, bin, scheme, limits, through });
  await server.start();
  return server;
}

class NatsServer {
  constructor(options) {
    Object.assign(this, options);
    this.running = null;
    this.clients = new Set();
  }

  get url() {
    return `${this.scheme}://127.0.0.1:${this.port}`;
  }

  get pid() {
    return this.running?.pid;
  }

  get log() {
    return this.running?.stderr ?? '';
  }

  writeConfig() {
    const { max_mem = '1G', max_file = '4G' } = this.limits;
    const text = `
listen: "127.0.0.1:${this.port}"
jetstream { store_dir: ${JSON.stringify(this.storeDir)}, max_mem: ${max_mem}, max_file: ${max_file} }
${typeof this.config === 'function' ? this.config(this.folder) : this.config}
`;
    writeFileSync(join(this.folder, 'nats.conf'), text);
  }

  async start() {
    this.writeConfig();
    const running = start(...this.through(this.bin, ['-c', join(this.folder, 'nats.conf')]));
    this.running = running;
    await until('nats-server answers', async () => {
      if (running.exit) return true;
      return this.greets();
    });
    if (running.exit) throw new Error(`nats-server ended: ${running.stderr}`, { cause: running.exit.error });
    for (const client of this.clients)
      await until('a client is connected again', async () => (await client.nc.rtt()) >= 0);
    return this;
  }

  // The server speaks first: INFO. That holds with TLS and with credentials too.
  async greets() {
    const socket = createConnection(this.port, '127.0.0.1');
    try {
      const [data] = await once(socket, 'data', { signal: AbortSignal.timeout(1000) });
      return data.toString('latin1').startsWith('INFO ');
    } finally {
      socket.destroy();
    }
  }

  // Reads the configuration again (SIGHUP), with other text if given.
  async reload(config = this.config) {
    const reloads = () => this.log.split('Reloaded server configuration').length;
    const before = reloads();
    this.config = config;
    this.writeConfig();
    signal(this.running.child, 'SIGHUP');
    await until('the server has read its configuration again', () => reloads() > before);
  }

  async stop() {
    await this.closeClients();
    if (this.running) await end(this.running);
  }

  async kill9() {
    if (this.running) await end(this.running, 'SIGKILL');
  }

  pause() {
    signal(this.running.child, 'SIGSTOP');
  }

  resume() {
    signal(this.running.child, 'SIGCONT');
  }

  async restart({ storeDir = this.storeDir, config = this.config } = {}) {
    await end(this.running);
    Object.assign(this, { storeDir, config });
    return this.start();
  }

  // A client connection {nc, js, jsm, close()}, closed when the server is stopped. It reconnects for ever.
  async client(options = {}) {
    const nc = await connectWithinTime({
      servers: this.url,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 50,
      reconnectJitter: 0,
      ignoreAuthErrorAbort: true,
      ...options,
    });
    const client = { nc, js: jetstream(nc), jsm: await jetstreamManager(nc, { checkAPI: false }) };
    client.close = async () => {
      this.clients.delete(client);
      await nc.close();
    };
    this.clients.add(client);
    return client;
  }

  async closeClients() {
    for (const client of this.clients) await client.close();
  }
}

// A server hangs up on a client that has not said who it is within two seconds. This process may be held up for longer,
// where it runs several worlds at once on a busy machine.
async function connectWithinTime(options) {
  for (let tries = 1; ; tries++) {
    try {
      return await connect(options);
    } catch (error) {
      if (tries >= CONNECT_TRIES_MAX || !/authentication timeout/i.test(error.message)) throw error;
    }
  }
}

// A key-value bucket, made by NATS's own client.
export function createBucket(client, name, options) {
  return new Kvm(client.nc).create(name, options);
}

// Publishes events ({subject, payload, headers?}) in order with acknowledgements, `inFlight` at a time, and notes each
// one's stream sequence as `seq`. One connection keeps the order.
export async function publishAll(js, events, { inFlight = 1000, onAck } = {}) {
  const window = [];
  const settle = async () => {
    const [event, ack] = window.shift();
    event.seq = (await ack).seq;
    onAck?.(event);
  };
  for (const event of events) {
    const ack = js.publish(event.subject, event.payload, { headers: event.headers, timeout: 60_000 });
    ack.catch(() => {});
    window.push([event, ack]);
    if (window.length >= inFlight) await settle();
  }
  while (window.length > 0) await settle();
  return events;
}
