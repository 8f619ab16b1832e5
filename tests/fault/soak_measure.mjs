// What a gateway's process and its files take, once a second.

import { readdirSync, readFileSync, statSync } from 'node:fs';

const EVERY_MS = 1000;

const size = (file) => statSync(file, { throwIfNoEntry: false })?.size ?? 0;

// {at, residentBytes, descriptors, threads, databaseBytes, walBytes}
function measure({ pid, database }, at) {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  const number = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(status)[1]);
  return {
    at,
    residentBytes: number('VmRSS') * 1024,
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    threads: number('Threads'),
    databaseBytes: size(database),
    walBytes: size(`${database}-wal`),
  };
}

export class Measuring {
  constructor(gateway) {
    this.samples = [];
    const began = performance.now();
    this.timer = setInterval(() => {
      if (!gateway.running.exit) this.samples.push(measure(gateway, (performance.now() - began) / 1000));
    }, EVERY_MS);
  }

  stop() {
    clearInterval(this.timer);
    return this.samples;
  }
}
