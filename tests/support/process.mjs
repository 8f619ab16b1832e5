// Child processes and temporary folders that never outlive the test, also when it fails or is told to end.

import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

export const SOURCE_DIR = resolve(process.env.SG_SOURCE_DIR ?? fileURLToPath(new URL('../..', import.meta.url)));

const children = new Set();
const folders = new Set();
const keep = process.env.KEEP_TEMP === '1';

process.on('exit', () => {
  for (const child of children) signal(child, 'SIGKILL');
  if (keep) return;
  for (const folder of folders) removeFolder(folder);
});
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.once(name, () => process.exit(130));

// A process that was killed a moment ago may still add a file.
function removeFolder(folder) {
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 20 });
}

// A program that the environment names, or the default beneath the source folder.
export function program(variable, fallback) {
  return resolve(process.env[variable] || join(SOURCE_DIR, fallback));
}

// A new folder, removed when the test `t` (or the process) ends. With KEEP_TEMP=1 it stays, for a look inside.
export function tempFolder(t, name = 'stategate') {
  const folder = mkdtempSync(join(tmpdir(), `${name}-`));
  folders.add(folder);
  t?.after(() => {
    if (keep) return;
    removeFolder(folder);
    folders.delete(folder);
  });
  return folder;
}

// Starts a program. Its output is collected in `stdout` and `stderr`; `exited` resolves to {code, signal}. It is
// killed when this process dies, however it dies: setpriv asks the kernel for that, and execs, so the pid is the
// program's. With `stderr`, a descriptor, that is its standard error.
export function start(file, args, { env, cwd, onStderr, stderr = 'pipe' } = {}) {
  const dying = existsSync('/usr/bin/setpriv') ? ['/usr/bin/setpriv', '--pdeathsig', 'KILL', '--'] : [];
  const [first, ...rest] = [...dying, file, ...args];
  const child = spawn(first, rest, { env, cwd, stdio: ['ignore', 'pipe', stderr] });
  children.add(child);
  const running = { child, pid: child.pid, stdout: '', stderr: '', exit: null };
  child.stdout.setEncoding('utf8').on('data', (text) => (running.stdout += text));
  child.stderr?.setEncoding('utf8').on('data', (text) => {
    running.stderr += text;
    onStderr?.(text);
  });
  running.exited = new Promise((done) => {
    const over = (exit) => {
      children.delete(child);
      running.exit ??= exit;
      done(running.exit);
    };
    child.once('error', (error) => over({ code: null, signal: null, error }));
    child.once('close', (code, name) => over({ code, signal: name }));
  });
  return running;
}

// Sends a signal, if the process still runs.
export function signal(child, name) {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return false;
  return child.kill(name);
}

// Ends a process that may be stopped: asks by `name`, insists after `graceMs`. Gives its exit.
export async function end(running, name = 'SIGTERM', graceMs = 15_000) {
  signal(running.child, name);
  signal(running.child, 'SIGCONT');
  const insist = setTimeout(() => signal(running.child, 'SIGKILL'), graceMs);
  try {
    return await running.exited;
  } finally {
    clearTimeout(insist);
  }
}

// Runs a program to its end.
export async function run(file, args, options) {
  const running = start(file, args, options);
  const exit = await running.exited;
  if (exit.error) throw exit.error;
  return { ...exit, stdout: running.stdout, stderr: running.stderr };
}

// Open file descriptors of a process.
export function openFiles(pid) {
  return readdirSync(`/proc/${pid}/fd`).map((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`);
    } catch {
      return '';
    }
  });
}
