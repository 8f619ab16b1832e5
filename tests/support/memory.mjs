// What a process holds: memory and sockets.

import { readFileSync } from 'node:fs';

import { openFiles } from './process.mjs';

export const MEGABYTE = 1048576;

export function residentBytes(pid) {
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
}

export function openSockets(pid) {
  return openFiles(pid).filter((file) => file.startsWith('socket:')).length;
}

// An environment in which the address sanitizer, if there is one, does not keep what was freed: its quarantine would
// look like a leak.
export function frugalEnvironment() {
  const options = [process.env.ASAN_OPTIONS, 'quarantine_size_mb=1:thread_local_quarantine_size_kb=16'];
  return { ASAN_OPTIONS: options.filter(Boolean).join(':') };
}

export function inMegabytes(bytes) {
  return `${(bytes / MEGABYTE).toFixed(1)} MB`;
}
