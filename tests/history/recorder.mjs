// The history of a run: one JSON object a line, in the order in which things ended, with times in milliseconds of one
// monotonic clock. README.md describes the lines.

import { closeSync, openSync, writeSync } from 'node:fs';

const FLUSH_BYTES = 256 * 1024;
const TICK_MS = 20;
const STALL_MS = 60; // of our own event loop: answers were seen that much later than they came

export class Recorder {
  constructor(file) {
    this.file = file;
    this.fd = openSync(file, 'w');
    this.pending = '';
    this.counts = {};
    this.origin = performance.now();
    this.last = this.now();
    this.ticker = setInterval(() => this.tick(), TICK_MS);
    this.ticker.unref();
  }

  // Milliseconds since the beginning, to a microsecond.
  now() {
    return Math.round((performance.now() - this.origin) * 1000) / 1000;
  }

  tick() {
    const now = this.now();
    if (now - this.last > STALL_MS) this.add({ t: 'stall', s: this.last, e: now });
    this.last = now;
  }

  add(entry) {
    this.counts[entry.t] = (this.counts[entry.t] ?? 0) + 1;
    this.pending += `${JSON.stringify(entry)}\n`;
    if (this.pending.length > FLUSH_BYTES) this.flush();
  }

  flush() {
    if (this.pending !== '') writeSync(this.fd, this.pending);
    this.pending = '';
  }

  close() {
    clearInterval(this.ticker);
    this.flush();
    closeSync(this.fd);
  }
}
