// A cluster of real nats-servers with JetStream on loopback, for streams of several replicas.

import { connect } from '@nats-io/transport-node';
import { jetstream, jetstreamManager } from '@nats-io/jetstream';

import { startNats } from './nats.mjs';
import { freePort } from './ports.mjs';
import { startProxy } from './proxy.mjs';
import { until } from './until.mjs';

const ELECTION_DEADLINE_MS = 20_000;
const STARTS_MAX = 3;

// Starts `size` servers n1, n2 ... and waits until they have elected a leader of JetStream. Beside heavy load a first
// election may go on without end (each candidate's votes come after its term): then others begin anew.
export async function startCluster(options = {}) {
  for (let starts = 1; ; starts++) {
    const cluster = await startServers(options);
    try {
      await cluster.untilJetStream();
      return cluster;
    } catch (cause) {
      if (starts === STARTS_MAX)
        throw new Error(cluster.servers.map(({ log }) => log.slice(-2000)).join('\n\n'), { cause });
      await Promise.all(cluster.servers.map((server) => server.kill9()));
    }
  }
}

async function startServers({ t, size = 3, bin }) {
  const routes = await Promise.all(Array.from({ length: size }, freePort)); // they must know each other's
  const names = routes.map((_, i) => `n${i + 1}`);
  // Each server reaches each other one through a proxy of its own, so that one can be cut off from the others.
  const reach = await Promise.all(names.map(() => Promise.all(routes.map((port) => startProxy({ t, target: port })))));
  const config = (i) => `
server_name: ${names[i]}
cluster { name: loopback, listen: "127.0.0.1:${routes[i]}", no_advertise: true,
          routes: [${reach[i].flatMap(({ url }, j) => (j === i ? [] : [`"${url}"`])).join(', ')}] }
`;
  const servers = await Promise.all(names.map((_, i) => startNats({ t, config: config(i), ...(bin ? { bin } : {}) })));
  const cluster = new Cluster(names, servers, reach);
  t?.after(() => cluster.closeClients());
  return cluster;
}

class Cluster {
  constructor(names, servers, reach) {
    this.names = names;
    this.servers = servers;
    this.reach = reach; // [from][to]: proxies
    this.clients = new Set();
  }

  get urls() {
    return this.servers.map((server) => server.url);
  }

  // As the gateway's configuration takes several servers.
  get url() {
    return this.urls.join(',');
  }

  server(name) {
    return this.servers[this.names.indexOf(name)];
  }

  // What lies between a server and the others, in both directions.
  between(name) {
    const i = this.names.indexOf(name);
    return this.reach.flatMap((proxies, from) => proxies.filter((_, to) => from !== to && (from === i || to === i)));
  }

  // The server neither hears the others nor is heard; nobody is told. Clients still reach it.
  isolate(name) {
    this.between(name).forEach((proxy) => proxy.stall());
  }

  rejoin(name) {
    this.between(name).forEach((proxy) => proxy.flow());
  }

  // A client of all servers (or of those given) that reconnects for ever, and does not wait long for a stopped one.
  async client({ servers = this.urls, ...options } = {}) {
    const nc = await connect({
      servers,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 50,
      reconnectJitter: 0,
      timeout: 1000,
      pingInterval: 500,
      maxPingOut: 2,
      ignoreClusterUpdates: true,
      ...options,
    });
    const client = {
      nc,
      js: jetstream(nc, { timeout: 2000 }),
      jsm: await jetstreamManager(nc, { checkAPI: false, timeout: 2000 }),
    };
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

  async untilJetStream() {
    const client = await this.client();
    try {
      const waiting = { deadlineMs: ELECTION_DEADLINE_MS, everyMs: 100 };
      await until('the cluster has a leader', async () => (await client.jsm.getAccountInfo()) !== undefined, waiting);
      // Its leader may not have heard of the others yet.
      const probe = { name: 'SETTLING', subjects: ['settling'], storage: 'memory', num_replicas: this.servers.length };
      await until('a stream is replicated to all', () => client.jsm.streams.add(probe), waiting);
      await until('it is gone', () => client.jsm.streams.delete(probe.name), waiting);
    } finally {
      await client.close();
    }
  }

  // Creates a stream with a replica on every server; retried while the cluster settles.
  createStream(client, options) {
    return until(
      'the stream is created',
      () => client.jsm.streams.add({ num_replicas: this.servers.length, ...options }),
      {
        deadlineMs: 30_000,
        everyMs: 200,
      },
    );
  }

  // The name of the server that leads the stream, asked through `client`; `not`: wait for another than this one.
  leader(client, stream, { not, deadlineMs = 40_000 } = {}) {
    return until(
      `the stream has a leader${not ? ` other than ${not}` : ''}`,
      async () => {
        const { cluster } = await client.jsm.streams.info(stream);
        return cluster?.leader && cluster.leader !== not ? cluster.leader : false;
      },
      { deadlineMs, everyMs: 100 },
    );
  }

  // Every replica has all of the stream.
  untilReplicated(client, stream) {
    return until(
      'all replicas are up to date',
      async () => {
        const { cluster } = await client.jsm.streams.info(stream);
        const replicas = cluster?.replicas ?? [];
        return (
          cluster.leader &&
          replicas.length === this.servers.length - 1 &&
          replicas.every((r) => r.current && !r.offline)
        );
      },
      { deadlineMs: 40_000, everyMs: 100 },
    );
  }
}
