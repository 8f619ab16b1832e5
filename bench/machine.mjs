// What a process of a benchmark uses, on which processors it runs, and how figures of several rounds are put together.

import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { loadavg, totalmem } from 'node:os';
import { dirname, join } from 'node:path';

import { program } from '../tests/support/process.mjs';

const TICKS_PER_SECOND = Number(execFileSync('getconf', ['CLK_TCK'], { encoding: 'utf8' }));
const NS_PER_SECOND = 1e9;

export const STATEGATE = program('STATEGATE_RELEASE_BIN', 'build/release/stategate');
export const FEED = program('STATEGATE_RELEASE_FEED_BIN', 'build/release/stategate-feed');

// A program of this folder, in the release build.
export const benchProgram = (name) => existing(join(dirname(STATEGATE), 'bench', name));

function existing(file) {
  if (existsSync(file)) return file;
  throw new Error(`${file} is missing: cmake --preset release && cmake --build --preset release`);
}

export const READS_FLOOR = benchProgram('bench_reads_floor');

for (const file of [STATEGATE, FEED]) existing(file);

// Processor seconds of each thread that a process has now, in the kernel's nanoseconds: [{id, name, seconds}].
export function threadSeconds(pid) {
  const folder = `/proc/${pid}/task`;
  return readdirSync(folder).flatMap((id) => {
    try {
      const ns = Number(readFileSync(`${folder}/${id}/schedstat`, 'utf8').split(' ')[0]);
      return [{ id, name: readFileSync(`${folder}/${id}/comm`, 'utf8').trim(), seconds: ns / NS_PER_SECOND }];
    } catch {
      return []; // it ended meanwhile
    }
  });
}

// Processor seconds of processes, user and system, all their threads. Those that have ended count in the kernel's ticks
// alone, which are coarse.
export function processorSeconds(pids) {
  const one = (pid) => {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
    const coarse = (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND;
    return Math.max(coarse, threadSeconds(pid).reduce((sum, { seconds }) => sum + seconds, 0));
  };
  return pids.reduce((sum, pid) => sum + one(pid), 0);
}

// A line of /proc/PID/status in bytes: VmRSS, or VmHWM (the most there was).
export function memoryBytes(pid, name) {
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
}

export const residentBytes = (pids) => pids.reduce((sum, pid) => sum + memoryBytes(pid, 'VmRSS'), 0);

// The bytes of a database: the file, and the log beside it.
export function databaseBytes(database) {
  const size = (file) => (existsSync(file) ? statSync(file).size : 0);
  return size(database) + size(`${database}-wal`);
}

// Smallest, middle and largest of the rounds.
export function spread(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length / 2;
  const median = sorted.length % 2 ? sorted[Math.floor(middle)] : (sorted[middle - 1] + sorted[middle]) / 2;
  return { min: sorted[0], median, max: sorted.at(-1) };
}

// The value below which the share `q` of them lies.
export function quantile(values, q) {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * q))];
}

// The processors that this process may use, e.g. [0, 1].
function allowedProcessors() {
  const list = /Cpus_allowed_list:\s+(\S+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1];
  return list.split(',').flatMap((part) => {
    const [first, last = first] = part.split('-').map(Number);
    return Array.from({ length: last - first + 1 }, (_, i) => first + i);
  });
}

// The server under load alone on one processor, all that loads and feeds it on the others: what it costs is then not
// mixed with whom the kernel lets run beside it. With one processor nothing is pinned.
//   processors  how many there are
//   pinned      whether servers get one of their own
//   alone(file, args)  the command line that starts a server there
//   leave()     this process and what it starts from now on keep off it
export function arrangeProcessors(wanted) {
  const processors = allowedProcessors();
  const pinned = wanted && processors.length > 1 && existsSync('/usr/bin/taskset');
  const [server, ...others] = processors;
  return {
    processors: processors.length,
    pinned,
    alone: (file, args = []) => (pinned ? ['/usr/bin/taskset', ['-c', String(server), file, ...args]] : [file, args]),
    leave: () => {
      if (pinned) execFileSync('/usr/bin/taskset', ['-acp', others.join(','), String(process.pid)]);
    },
  };
}

// What the figures were made on; `load` is what else it does, the load average before.
export function machine() {
  const model = /^model name\s*: (.*)$/m.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1] ?? process.arch;
  const system = /^PRETTY_NAME="(.*)"$/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1] ?? process.platform;
  const memoryGb = Math.round(totalmem() / 2 ** 30);
  return { processors: allowedProcessors().length, model, memoryGb, system, load: loadavg()[0] };
}
