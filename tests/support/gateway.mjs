// The real gateway, started on a free loopback port, and an HTTP client for it.

import { existsSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { join } from 'node:path';

import { end, program, signal, start, tempFolder } from './process.mjs';
import { until } from './until.mjs';

export const STATEGATE = program('STATEGATE_BIN', 'build/dev/stategate');

// The environment without settings of ours: the gateway refuses a STATEGATE_ variable that it does not know.
export function cleanEnvironment(more = {}) {
  const kept = Object.entries(process.env).filter(([name]) => !name.startsWith('STATEGATE_'));
  return { ...Object.fromEntries(kept), ...more };
}

// Starts a gateway and waits until it listens.
//   t         a test whose end stops it
//   nats      URL of the server (or the server itself)
//   config    the configuration file: YAML text, or an object, since JSON is YAML
//   args, env more of them
//   database  default: in a temporary folder
//   listen    default: 127.0.0.1:0; null: what config or env say
//   stderr    a descriptor to be its standard error: then there is no log here, and `listen` needs a port
//   expectExit  do not wait for an address: the caller wants it to refuse; gives {code, log, stderr}
export async function startGateway({
  t,
  nats,
  config,
  args = [],
  env = {},
  database,
  listen = '127.0.0.1:0',
  bin = STATEGATE,
  stderr,
  expectExit,
} = {}) {
  if (!existsSync(bin)) throw new Error(`no gateway at ${bin}: build it, or set STATEGATE_BIN`);
  let gateway;
  t?.after(() => gateway?.kill9()); // before its folder goes
  const folder = tempFolder(t, 'gateway');
  gateway = new Gateway({
    bin,
    folder,
    listen,
    nats,
    config,
    args,
    env,
    stderrFd: stderr,
    database: database ?? join(folder, 'state.db'),
  });
  if (expectExit) return gateway.refused();
  await gateway.start();
  return gateway;
}

class Gateway {
  constructor(options) {
    Object.assign(this, options);
    this.running = null;
    this.log = [];
    this.address = '';
    this.opsAddress = '';
    this.agent = new http.Agent({ keepAlive: true });
  }

  get pid() {
    return this.running?.pid;
  }

  get port() {
    return Number(this.address.split(':').at(-1));
  }

  get url() {
    return `http://${this.address}`;
  }

  get stderr() {
    return this.running.stderr;
  }

  commandLine() {
    const args = [...this.args];
    if (this.config !== undefined) {
      const file = join(this.folder, 'stategate.yaml');
      writeFileSync(file, typeof this.config === 'string' ? this.config : JSON.stringify(this.config, null, 2));
      args.push('--config', file);
    }
    if (this.listen !== null) args.push('--listen', this.listen);
    args.push('--database', this.database);
    const url = typeof this.nats === 'string' ? this.nats : this.nats?.url;
    if (url) args.push('--nats-url', url);
    return args;
  }

  spawn() {
    let rest = '';
    this.log = [];
    this.address = '';
    const running = start(this.bin, this.commandLine(), {
      env: cleanEnvironment(this.env),
      cwd: this.folder,
      stderr: this.stderrFd,
      onStderr: (text) => {
        const lines = (rest + text).split('\n');
        rest = lines.pop();
        for (const line of lines) this.readLine(line);
      },
    });
    this.running = running;
    return running;
  }

  readLine(line) {
    let entry;
    try {
      entry = JSON.parse(line);
    } catch {
      return;
    }
    this.log.push(entry);
    if (entry.event !== 'listening') return;
    this.address = entry.address;
    this.opsAddress = entry.ops_address ?? '';
  }

  async start() {
    const running = this.spawn();
    const listens = () => (this.stderrFd === undefined ? this.address !== '' : this.answers());
    await until('the gateway listens', async () => running.exit || (await listens()), {
      deadlineMs: 20_000,
      everyMs: 2,
    });
    if (running.exit) throw new Error(`the gateway ended (${JSON.stringify(running.exit)}): ${running.stderr}`);
    return this;
  }

  // Without a log that could tell the address.
  async answers() {
    const alive = (await this.get('/livez', { address: this.listen })).status === 200;
    if (alive) this.address = this.listen;
    return alive;
  }

  async refused() {
    const running = this.spawn();
    const timer = setTimeout(() => signal(running.child, 'SIGKILL'), 20_000);
    const exit = await running.exited;
    clearTimeout(timer);
    return { ...exit, log: this.log, stderr: running.stderr, stdout: running.stdout };
  }

  // Ends it by SIGTERM; gives {code, signal}.
  async stop() {
    this.agent.destroy();
    return this.running ? end(this.running) : null;
  }

  async kill9() {
    this.agent.destroy();
    if (this.running) await end(this.running, 'SIGKILL');
  }

  // The same program on the same database again; `changes` may replace config, args, env ...
  async restart(changes = {}) {
    await this.stop();
    Object.assign(this, changes);
    return this.start();
  }

  // The lines of this event that have come so far. The log is written by a thread of its own, so a line may come after
  // the state that it reports can be seen: wait for it by untilLogged(). All have come once the process has ended.
  logged(event) {
    return this.log.filter((entry) => entry.event === event);
  }

  // The lines of this event that `where` accepts, as soon as there are `count`.
  async untilLogged(event, { count = 1, where = () => true, ...options } = {}) {
    const lines = () => this.logged(event).filter(where);
    return until(`${count} of ${event} in the log`, () => lines().length >= count && lines(), options);
  }

  // One request; `path` goes out as it is. Gives {status, headers (lower case), rawHeaders, body, text, json()}. One
  // that meets the end of a connection that was idle is sent again: the gateway ends it after http.head_timeout, and
  // may do so while the request is on its way.
  get(path, { headers = {}, method = 'GET', address = this.address, timeoutMs = 10_000 } = {}) {
    const target = address.startsWith('unix:') ? { socketPath: address.slice(5) } : hostAndPort(address);
    const options = { ...target, path, method, headers, agent: this.agent, timeout: timeoutMs };
    return ask(options).catch((error) => (error.wasIdle ? ask({ ...options, agent: false }) : Promise.reject(error)));
  }

  // One stream of /v1/status.
  async status(name) {
    const { streams } = (await this.get('/v1/status')).json();
    return name === undefined ? streams[0] : streams.find((stream) => stream.name === name);
  }

  async untilReady(options) {
    await until('the gateway is ready', async () => (await this.get('/readyz')).status === 200, options);
    return this;
  }

  // Everything up to `sequence` is applied.
  async untilPosition(sequence, { stream, ...options } = {}) {
    return until(
      `position ${sequence}`,
      async () => {
        const status = await this.status(stream);
        return status.position >= sequence && status;
      },
      options,
    );
  }

  async untilStatus(word, { stream, ...options } = {}) {
    return until(
      `status ${word}`,
      async () => {
        const status = await this.status(stream);
        if (status.status !== word) throw new Error(JSON.stringify(status));
        return status;
      },
      options,
    );
  }
}

function hostAndPort(address) {
  const at = address.lastIndexOf(':');
  return { host: address.slice(0, at).replace(/^\[|\]$/g, ''), port: Number(address.slice(at + 1)) };
}

function answer(response, body) {
  const text = body.toString('utf8');
  return {
    status: response.statusCode,
    headers: response.headers,
    rawHeaders: response.rawHeaders,
    body,
    text,
    json: () => JSON.parse(text),
  };
}

// An id as a path segment.
export function entityPath(collection, id) {
  return `/v1/state/${encodeURIComponent(collection)}/${encodeURIComponent(id)}`;
}

// `wasIdle` of the error: the connection had answered before, and ended instead of answering this.
function ask({ timeout, path, method, ...options }) {
  return new Promise((done, failed) => {
    const request = http.request({ ...options, path, method, timeout });
    request.on('timeout', () => request.destroy(new Error(`no answer to ${method} ${path} in ${timeout} ms`)));
    request.on('error', (error) => {
      const wasIdle = request.reusedSocket && ['ECONNRESET', 'EPIPE'].includes(error.code);
      failed(Object.assign(error, { wasIdle }));
    });
    request.on('response', (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', failed);
      response.on('end', () => done(answer(response, Buffer.concat(chunks))));
    });
    request.end();
  });
}
