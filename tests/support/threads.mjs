// The threads of a process: their names, and how many system calls they make.

import { spawn } from 'node:child_process';
import { readFileSync, readdirSync } from 'node:fs';

import { until } from './until.mjs';

// Thread id to name.
export function threadNames(pid) {
  const names = readdirSync(`/proc/${pid}/task`).map((tid) => [
    Number(tid),
    readFileSync(`/proc/${pid}/task/${tid}/comm`, 'utf8').trim(),
  ]);
  return new Map(names);
}

// Counts each of `calls` that the threads of a process make while `action` runs: exactly, by strace. Gives
// {total: {call: n}, byThread: {name: {call: n}}, result}.
export async function countCalls(pid, calls, action) {
  const threads = threadNames(pid);
  const args = ['-f', '-qq', '-e', `trace=${calls.join(',')}`, '-e', 'signal=none', '-p', String(pid)];
  const tracer = spawn('strace', args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let text = '';
  tracer.stderr.setEncoding('latin1').on('data', (chunk) => (text += chunk));
  const ended = new Promise((done) => tracer.once('close', done).once('error', done));
  try {
    const traced = () => [...threads.keys()].every((tid) => tracerOf(pid, tid) === tracer.pid);
    await until('strace has taken hold of all threads', traced);
    const result = await action();
    tracer.kill('SIGINT');
    await ended;
    return { ...tally(text, threads), result };
  } finally {
    tracer.kill('SIGKILL');
  }
}

function tracerOf(pid, tid) {
  const status = readFileSync(`/proc/${pid}/task/${tid}/status`, 'utf8');
  return Number(/^TracerPid:\s*(\d+)/m.exec(status)[1]);
}

// A call that another thread interrupts stands on two lines: the first counts.
function tally(text, threads) {
  const total = {};
  const byThread = {};
  for (const [, tid, call] of text.matchAll(/^\[pid +(\d+)\] (\w+)\(/gm)) {
    const name = threads.get(Number(tid)) ?? 'another';
    byThread[name] ??= {};
    byThread[name][call] = (byThread[name][call] ?? 0) + 1;
    total[call] = (total[call] ?? 0) + 1;
  }
  return { total, byThread };
}
