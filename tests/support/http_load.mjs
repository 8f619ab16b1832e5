// Load of several kinds on the HTTP side: connections that hold on to what they have, an ordinary client beside them,
// and short connections by the thousand.

import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

import { readAnswers } from './raw_http.mjs';

export const get = (path, more = '') => `GET ${path} HTTP/1.1\r\nHost: localhost\r\n${more}\r\n`;

// What connect() takes, of an address as the gateway logs it.
function target(address) {
  if (address.startsWith('unix:')) return { path: address.slice(5) };
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon).replace(/^\[|\]$/g, ''), port: Number(address.slice(colon + 1)) };
}

// A connection that never asks a whole request, or never takes its answer.
//   first   what it sends at once, {bytes: latin1}
//   drip    (n) -> what it sends every `everyMs`
//   read    false: it takes nothing
// `heldMs` resolves to the milliseconds from `start` (its connection, or its last whole answer) to its end.
export class Holder {
  constructor(address, { first = '', drip, everyMs = 50, read = true }) {
    this.socket = connect(target(address));
    this.received = 0;
    this.begun = performance.now();
    let sent = 0;
    this.socket.on('connect', () => {
      this.begun = performance.now();
      if (first !== '') this.socket.write(first);
      if (drip) this.timer = setInterval(() => this.socket.writable && this.socket.write(drip(sent++)), everyMs);
    });
    if (read) this.socket.on('data', (data) => this.take(data));
    else this.socket.pause();
    this.socket.on('error', () => {});
    this.heldMs = new Promise((done) => {
      this.socket.on('close', () => {
        clearInterval(this.timer);
        done(performance.now() - this.begun);
      });
    });
  }

  take(data) {
    this.received += data.length;
    this.begun = performance.now();
  }

  destroy() {
    clearInterval(this.timer);
    this.socket.destroy();
  }
}

// The forms of holding on until the time for a head is over.
export const HOLDERS = {
  'nothing at all': {},
  'a head byte by byte': { drip: (n) => get('/livez', 'X-A: '.padEnd(4000, 'a'))[n] },
  'header lines, one at a time': { first: 'GET /livez HTTP/1.1\r\n', drip: (n) => `X-${n}: ${n}\r\n`, everyMs: 100 },
  'a head without its end': { first: 'GET /livez HTTP/1.1\r\nHost: localhost\r\n' },
  'nothing behind an answer': { first: get('/livez') },
  'half a head behind an answer': { first: `${get('/livez')}GET /liv`, drip: () => 'x' },
  'an empty line': { first: '\r\n' },
};

// An ordinary client with a connection of its own: asks again and again until stopped, and notes how long it took.
export class Client {
  constructor(address, path, wanted = 200) {
    Object.assign(this, { address, path, wanted, times: [], faults: [], stopped: false });
    this.done = this.run();
  }

  async run() {
    while (!this.stopped) {
      const begun = performance.now();
      const status = await ask(this.address, get(this.path), { timeoutMs: 10_000, agent: this });
      this.times.push(performance.now() - begun);
      if (status !== this.wanted) this.faults.push(`${this.path}: ${status}`);
      await pause(2);
    }
    this.socket?.destroy();
  }

  async stop() {
    this.stopped = true;
    await this.done;
    return this;
  }
}

// The status of one answer, or what happened instead: 'closed', 'no answer'. With `agent` its socket is kept.
export function ask(address, bytes, { timeoutMs = 5000, agent, from } = {}) {
  return new Promise((done) => {
    const socket = agent?.socket ?? connect({ ...target(address), ...(from && { localAddress: from }) });
    const chunks = [];
    const finish = (status) => {
      clearTimeout(timer);
      socket.removeAllListeners('data').removeAllListeners('close');
      const keep = agent !== undefined && typeof status === 'number';
      if (agent !== undefined) agent.socket = keep ? socket : undefined;
      if (!keep) socket.destroy();
      done(status);
    };
    const timer = setTimeout(() => finish('no answer'), timeoutMs);
    socket.removeAllListeners('error');
    socket.on('error', () => {});
    socket.on('close', () => finish('closed'));
    socket.on('data', (data) => {
      chunks.push(data);
      const { answers } = readAnswers(Buffer.concat(chunks));
      if (answers.length > 0) finish(answers[0].status);
    });
    socket.write(bytes);
  });
}

// A short connection of some kind; gives what is wrong with it, or null.
export async function shortConnection(address, kind, from) {
  if (kind === 'asks') {
    const status = await ask(address, get('/livez', 'Connection: close\r\n'), { from });
    return status === 200 ? null : `asks: ${status}`;
  }
  if (kind === 'stays away') return leave(address, get('/v1/state'), from);
  if (kind === 'leaves in a head') return leave(address, 'GET /livez HTTP/1.1\r\nHo', from);
  return leave(address, '', from);
}

export const SHORT_KINDS = ['asks', 'asks', 'asks', 'stays away', 'leaves in a head', 'leaves at once'];

// Connects, sends, and goes without a word.
function leave(address, bytes, from) {
  return new Promise((done) => {
    const socket = connect({ ...target(address), ...(from && { localAddress: from }) });
    const timer = setTimeout(() => done('no connection in 5 s'), 5000);
    socket.on('error', (error) => done(String(error.code)));
    socket.on('close', () => {
      clearTimeout(timer);
      done(null);
    });
    socket.on('connect', () => socket.write(bytes, () => socket.destroy()));
  });
}

export function percentile(times, share) {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN;
}
