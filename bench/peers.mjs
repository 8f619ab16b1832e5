// The peers that reads are compared with, filled with the same documents, on free loopback ports, ended by pid. Their
// programs are those of bench/peers, or the system's own; nats-server is that of the tests.

import { once } from 'node:events';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { createConnection, createServer } from 'node:net';
import { dirname, join } from 'node:path';

import { createBucket, startNats } from '../tests/support/nats.mjs';
import { end, SOURCE_DIR, start, tempFolder } from '../tests/support/process.mjs';
import { until } from '../tests/support/until.mjs';
import { benchProgram } from './machine.mjs';
import { stateText } from './world.mjs';

const ETCD_ENTITIES_MAX = 100_000; // more take minutes to put, and a read of more is no cheaper

const root = join(SOURCE_DIR, '.deps/peers');

function program(path) {
  const found = [join(root, path), join('/', path)].find((file) => existsSync(file));
  if (!found) throw new Error(`${path} is missing: run bench/peers`);
  return found;
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  await once(server, 'close');
  return port;
}

// Starts a program of a peer and waits until it accepts connections.
async function launch(processors, path, args, port) {
  const LD_LIBRARY_PATH = join(root, 'usr/lib', `${process.arch === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`);
  const running = start(...processors.alone(program(path), args), { env: { ...process.env, LD_LIBRARY_PATH } });
  await until(`${path} accepts`, async () => running.exit || (await accepts(port)), { deadlineMs: 20_000 });
  if (running.exit) throw new Error(`${path} ended: ${running.stdout}${running.stderr}`);
  return running;
}

async function accepts(port) {
  const socket = createConnection(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

// ---- nginx: one static file, one process, kept open and in its cache ----

const NGINX_HEADERS = {
  'State-Position': 'STATE:1000000;epoch=k3fq1z',
  'State-Staleness': '0.412',
  Age: '1',
  'State-Lag': '0',
  'State-Status': 'live',
  'State-Version': '1',
  'Cache-Control': 'no-cache',
};

function nginxConfig(folder, port) {
  const headers = Object.entries(NGINX_HEADERS).map(([name, value]) => `add_header ${name} "${value}";`);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (name) => `${name}_temp_path ${folder}/t;`,
  );
  return `
daemon off; master_process off; pid ${folder}/nginx.pid; error_log stderr;
events { worker_connections 2048; }
http {
  access_log off; sendfile on; tcp_nopush on; default_type application/json;
  keepalive_requests 1000000000; keepalive_timeout 1h;
  open_file_cache max=100 inactive=1h; open_file_cache_valid 1h;
  ${temporary.join(' ')}
  ${headers.join(' ')}
  server { listen 127.0.0.1:${port}; root ${folder}/www; }
}
`;
}

async function startNginx({ processors }) {
  const folder = tempFolder(null, 'bench-nginx');
  const port = await freePort();
  const target = '/v1/state/customers/c-0';
  mkdirSync(join(folder, 'www', dirname(target)), { recursive: true });
  writeFileSync(join(folder, 'www', target), stateText(0, 1));
  writeFileSync(join(folder, 'targets'), `${target}\n`);
  writeFileSync(join(folder, 'nginx.conf'), nginxConfig(folder, port));
  const args = ['-p', folder, '-e', 'stderr', '-c', join(folder, 'nginx.conf')];
  const nginx = await launch(processors, 'usr/sbin/nginx', args, port);
  const what = { kind: 'targets', text: join(folder, 'targets') };
  return peer('nginx', 'nginx, one static file', what, port, [nginx]);
}

// ---- webdis in front of Redis ----

async function fillRedis(port, entities) {
  const socket = createConnection(port, '127.0.0.1');
  let replies = '';
  socket.setEncoding('latin1').on('data', (text) => (replies = (replies + text).slice(-100)));
  const word = (text) => `$${text.length}\r\n${text}\r\n`;
  for (let i = 0; i < entities; i += 1000) {
    const numbers = Array.from({ length: Math.min(1000, entities - i) }, (_, k) => i + k);
    const words = numbers.map((number) => word(`c-${number}`) + word(stateText(number, 1)));
    if (!socket.write(`*${2 * numbers.length + 1}\r\n${word('MSET')}${words.join('')}`)) await once(socket, 'drain');
  }
  socket.write('DBSIZE\r\n');
  await until('Redis is filled', () => replies.endsWith(`:${entities}\r\n`), { deadlineMs: 120_000 });
  socket.destroy();
}

async function startWebdis({ processors, entities }) {
  const folder = tempFolder(null, 'bench-webdis');
  const [redisPort, port] = [await freePort(), await freePort()];
  const where = ['--port', String(redisPort), '--bind', '127.0.0.1', '--dir', folder];
  const redis = await launch(
    processors,
    'usr/bin/redis-server',
    [...where, '--save', '', '--appendonly', 'no'],
    redisPort,
  );
  await fillRedis(redisPort, entities);
  const config = { redis_host: '127.0.0.1', redis_port: redisPort, http_host: '127.0.0.1', http_port: port };
  const quiet = { threads: 1, daemonize: false, verbosity: 0, logfile: join(folder, 'webdis.log') };
  writeFileSync(join(folder, 'webdis.json'), JSON.stringify({ ...config, ...quiet, database: 0 }));
  const webdis = await launch(processors, 'usr/bin/webdis', [join(folder, 'webdis.json')], port);
  return peer('webdis', 'webdis and Redis, GET of a key', { kind: 'webdis', entities }, port, [webdis, redis]);
}

// ---- etcd's HTTP gateway ----

const base64 = (text) => Buffer.from(text).toString('base64');

function post(port, path, body) {
  return new Promise((done, failed) => {
    const request = http.request({ host: '127.0.0.1', port, path, method: 'POST' }, (response) => {
      response
        .resume()
        .on('end', () => (response.statusCode === 200 ? done() : failed(new Error(`${path}: ${response.statusCode}`))));
    });
    request.on('error', failed).end(JSON.stringify(body));
  });
}

async function startEtcd({ processors, entities }) {
  const folder = tempFolder(null, 'bench-etcd');
  const [port, peerPort] = [await freePort(), await freePort()];
  const [clients, peers] = [`http://127.0.0.1:${port}`, `http://127.0.0.1:${peerPort}`];
  const args = ['--data-dir', join(folder, 'data'), '--logger', 'zap', '--log-level', 'error', '--max-txn-ops', '1000'];
  const addresses = ['--listen-client-urls', clients, '--advertise-client-urls', clients, '--listen-peer-urls', peers];
  const cluster = ['--initial-advertise-peer-urls', peers, '--initial-cluster', `default=${peers}`];
  const etcd = await launch(processors, 'usr/bin/etcd', [...args, ...addresses, ...cluster], port);
  const count = Math.min(entities, ETCD_ENTITIES_MAX);
  for (let i = 0; i < count; i += 500) {
    const numbers = Array.from({ length: Math.min(500, count - i) }, (_, k) => i + k);
    const put = (number) => ({ requestPut: { key: base64(`c-${number}`), value: base64(stateText(number, 1)) } });
    const filled = () =>
      post(port, '/v3/kv/txn', { success: numbers.map(put) }).then(
        () => true,
        () => false,
      );
    await until('etcd takes keys', filled, { deadlineMs: 30_000 });
  }
  // Serializable: answered from its own memory without asking the quorum, as the gateway answers from its rows.
  const body = (i) =>
    JSON.stringify({ key: base64(`c-${Math.floor((i * count) / 10_000) % count}`), serializable: true });
  writeFileSync(join(folder, 'bodies'), Array.from({ length: 10_000 }, (_, i) => `${body(i)}\n`).join(''));
  const what = { kind: 'etcd', text: join(folder, 'bodies') };
  return peer('etcd', 'etcd, /v3/kv/range of a key', what, port, [etcd]);
}

// ---- a key-value bucket of nats-server, read by its own client ----

export const BUCKET = 'BENCH';
const BUCKET_CONNECTIONS = 8; // of kvStore_Get's threads: one connection for all costs the client more
const BUCKET_FILL_EVERY = 10_000; // messages between two acknowledgements

// A bucket with a key for each entity, filled with the same documents.
export async function fillBucket(client, entities) {
  await createBucket(client, BUCKET, { storage: 'memory' });
  const subject = (i) => `$KV.${BUCKET}.c-${i}`;
  for (let i = 0; i < entities; i++) {
    if (i % BUCKET_FILL_EVERY === 0 || i + 1 === entities) await client.js.publish(subject(i), stateText(i, 1));
    else client.nc.publish(subject(i), stateText(i, 1));
  }
  const { state } = await client.jsm.streams.info(`KV_${BUCKET}`);
  if (state.messages !== entities) throw new Error(`the bucket holds ${state.messages} keys of ${entities}`);
}

// Two peers on one server: each key asked for by kvStore_Get, as clients do, and pipelined by hand over one connection.
async function startBucket({ processors, entities }) {
  const program = benchProgram('bench_kv_load');
  const nats = await startNats({ through: processors.alone, limits: { max_mem: '8G' } });
  await fillBucket(await nats.client(), entities);
  await nats.closeClients();
  const client = (way, ...more) => (_, { connections, seconds }) => {
    const how = more.length > 0 ? [connections, ...more] : [connections];
    return start(program, [way, nats.url, BUCKET, entities, seconds, ...how].map(String));
  };
  const server = { address: nats.url, pids: [nats.pid] };
  const made = (name, title, what, stop) => ({ name, title, what, server, stop, beside: false });
  const get = { kind: 'kvStore_Get', client: client('get', BUCKET_CONNECTIONS) };
  const direct = { kind: 'direct get', client: client('direct') };
  return [
    made('kv', 'NATS KV, kvStore_Get', get, () => nats.stop()),
    made('kv-direct', 'NATS KV, direct get, pipelined', direct, async () => {}),
  ];
}

function peer(name, title, what, port, running) {
  const stop = async () => {
    for (const one of running) await end(one);
  };
  const server = { address: `127.0.0.1:${port}`, pids: running.map(({ pid }) => pid) };
  return { name, title, what, server, stop, beside: true };
}

const STARTS = { nginx: startNginx, webdis: startWebdis, etcd: startEtcd, kv: startBucket };

// Starts the peers named; each has name, title, what (for load.mjs), server, stop(), and `beside`: it is compared while
// the writer writes. A bucket is not: nothing is written to it, and the gateway's commits would be counted as reads.
export async function startPeers(names, options) {
  const unknown = names.filter((name) => !(name in STARTS));
  if (unknown.length > 0) throw new Error(`unknown peers: ${unknown}; there are ${Object.keys(STARTS)}`);
  const peers = [];
  for (const name of names) peers.push(...[await STARTS[name](options)].flat());
  return peers;
}
