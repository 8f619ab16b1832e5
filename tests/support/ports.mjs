// Ports for servers that keep theirs while they are down: free ones that the system gives to nobody who asks for any.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';

const PORT_MIN = 10_000;
const TRIES = 1000;

export async function freePort() {
  const [given] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'utf8').trim().split(/\s+/).map(Number);
  for (let tries = 0; tries < TRIES; tries++) {
    const port = PORT_MIN + Math.floor(Math.random() * (given - PORT_MIN));
    if (await isFree(port)) return port;
  }
  throw new Error(`no port from ${PORT_MIN} to ${given - 1} is free`);
}

function isFree(port) {
  return new Promise((done) => {
    const server = createServer().listen(port, '127.0.0.1', () => server.close(() => done(true)));
    server.on('error', () => done(false));
  });
}
