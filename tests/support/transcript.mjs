// Plays what a document shows of a terminal, and compares the output.
//
// A transcript has commands, each after "$ ", with the output that they print beneath:
//
//   # terminal 1: what stands after the number is for the reader
//   $ curl -si http://127.0.0.1:8080/v1/state?wait=30
//
//   # terminal 2
//   $ echo one |
//       wc -l
//   1
//
//   # terminal 1: what follows is the output of the command that was left waiting there
//   HTTP/1.1 200 OK
//   ...
//
// A command goes on on the next line while it ends in | or \. A line of "..." stands for any lines, and "..." within a
// line for any text. What differs from run to run (times, epochs, sequences) is compared by its form alone: see `mask`.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';

import { until } from './until.mjs';

const MASKS = [
  [/^(Date|Last-Modified): .*$/gm, '$1: <date>'],
  [/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>'],
  [/\b[0-9a-f]{64}\b/g, '<sha256>'],
  [/epoch=[a-z][a-z0-9]{5,11}/g, 'epoch=<epoch>'],
  [/(\bcursor=|"next":")[\w-]{20,}/g, '$1<cursor>'], // an epoch is in it
  [/"epoch":"[a-z][a-z0-9]{5,11}"/g, '"epoch":"<epoch>"'],
  [/"[a-z][a-z0-9]{5,11}\.(r[0-9a-f]{8})\.\d+/g, '"<epoch>.$1.<sequence>'], // the settings' hash is the same everywhere
  [/(\bSTATE:|\blast sequence |"(?:position|head|target|sequence|entities)":)\d+/g, '$1<count>'],
  [/\b\d+\.\d+\b/g, '<number>'],
  [/^Age: \d+$/gm, 'Age: <number>'],
  [/"payloadBytes":\d+/g, '"payloadBytes":<number>'],
];

// Puts a word in place of whatever differs from run to run.
export function mask(text) {
  return MASKS.reduce((masked, [pattern, word]) => masked.replace(pattern, word), text);
}

const escaped = (text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');

function linePattern(line) {
  return line === '...' ? '(?:.*\\n)*' : `${line.split('...').map(escaped).join('.*')}\\n`;
}

// Whether the output is what the document shows.
export function shows(expected, actual) {
  const lines = mask(expected).split('\n').slice(0, -1);
  return new RegExp(`^${lines.map(linePattern).join('')}$`).test(mask(actual));
}

// The steps {terminal, command, output} of a transcript; a step without a command is more output of the one that waits
// in its terminal.
export function parseTranscript(text) {
  const steps = [];
  let terminal = '1';
  let step = null;
  const begin = (more) => steps.push((step = { terminal, command: '', output: '', ...more }));
  for (const line of text.split('\n').slice(0, -1)) {
    const place = /^# terminal (\d+)/.exec(line);
    if (place) [, terminal] = place;
    if (line.startsWith('# ')) step = null;
    else if (line.startsWith('$ ')) begin({ command: line.slice(2) });
    else if (step === null && line === '') continue;
    else if (step === null) begin({ output: `${line}\n` });
    else if (step.output === '' && /[|\\]$/.test(step.command)) step.command += `\n${line}`;
    else step.output += `${line}\n`;
  }
  // The empty line before a comment is not output.
  for (const one of steps) one.output = one.output.replace(/\n\n$/, '\n').replace(/^\n$/, '');
  return steps;
}

// A command is left waiting if another terminal comes next, and its own goes on with output, or not at all.
function isLeft(name, output, following) {
  if (output !== '' || following.length === 0 || following[0].terminal === name) return false;
  const next = following.find(({ terminal }) => terminal === name);
  return next === undefined || next.command === '';
}

const open = new Set();
process.on('exit', () => {
  for (const terminal of open) terminal.kill();
});

// A shell that stays: its folder and variables last from one command to the next.
class Terminal {
  constructor({ cwd, env }) {
    const stdio = ['pipe', 'pipe', 'pipe'];
    this.child = spawn('bash', ['--noprofile', '--norc'], { cwd, env, stdio, detached: true });
    this.output = '';
    this.count = 0;
    this.child.stdout.setEncoding('utf8').on('data', (data) => (this.output += data.replaceAll('\r', '')));
    this.child.stdin.on('error', () => {}); // it has ended: told by what waits for its output
    this.child.stdin.write('exec 2>&1\n');
    open.add(this);
  }

  // Starts a command; its output begins anew. What is said after it keeps `$?` for the next one.
  start(command) {
    this.output = '';
    this.count++;
    const end = `__code=$?; printf '<%s %s %s>\\n' done ${this.count} $__code; (exit $__code)`;
    this.child.stdin.write(`${command}\n${end}\n`);
  }

  // {output, code} of the command, or null while it runs.
  get result() {
    const [end, code] = new RegExp(`<done ${this.count} (\\d+)>\\n$`).exec(this.output) ?? [];
    return end === undefined ? null : { output: this.output.slice(0, -end.length), code: Number(code) };
  }

  async finish(what) {
    await until(`${what} has ended; so far: ${this.output}`, () => this.result !== null, { deadlineMs: 30_000 });
    return this.result;
  }

  // Ends the shell and what it started: they are a process group of their own.
  kill() {
    open.delete(this);
    if (this.child.exitCode === null && this.child.signalCode === null) process.kill(-this.child.pid, 'SIGKILL');
  }

  async close() {
    const ended = new Promise((done) => this.child.once('close', done));
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    this.kill();
    await ended;
  }
}

// Plays transcripts and scripts of one document.
//   cwd, env   of its terminals
//   substitute(command)  puts what is here in place of what the document names, such as ports
//   restore(output)      the other way round
//   waits(command, terminal)  resolves when a command that is left waiting in its terminal has got so far
//   after(command)            resolves when what a command causes has happened
export class Player {
  constructor({ cwd, env, substitute, restore, waits, after }) {
    Object.assign(this, { cwd, env, substitute, restore, waits, afterwards: after });
    this.terminals = new Map();
  }

  terminal(name) {
    if (!this.terminals.has(name)) this.terminals.set(name, new Terminal(this));
    return this.terminals.get(name);
  }

  // A transcript, in terminals of its own, which end with it.
  async play(text) {
    const steps = parseTranscript(text);
    assert.ok(steps.length > 0, 'a transcript has a command');
    try {
      for (const [i, step] of steps.entries()) await this.step(step, steps.slice(i + 1));
    } finally {
      await this.close();
    }
  }

  async step({ terminal: name, command, output }, following) {
    const terminal = this.terminal(name);
    if (command !== '') {
      assert.equal(terminal.left, undefined, `terminal ${name} is free for ${command}`);
      terminal.start(this.substitute(command));
      if (isLeft(name, output, following)) {
        terminal.left = command;
        await this.waits(command, terminal);
        return;
      }
    }
    const what = command || terminal.left;
    assert.ok(what, `a command waits in terminal ${name}`);
    terminal.left = undefined;
    const result = await terminal.finish(what);
    const printed = this.restore(result.output.replace(/\n*$/, result.output === '' ? '' : '\n'));
    if (!shows(output, printed)) assert.equal(mask(printed), mask(output), `$ ${what}`);
    const asked = following[0]?.command === 'echo $?'; // then the document says what the code is
    if (!asked) assert.equal(result.code, 0, `$ ${what}\n${printed}`);
    await this.afterwards(what);
  }

  // A block of commands without output; each must succeed.
  async script(text) {
    const terminal = this.terminal('script');
    const body = `set -eo pipefail\ncurl() { command curl --fail-with-body "$@"; }\n${this.substitute(text)}`;
    terminal.start(`(${body})`);
    const { output, code } = await terminal.finish('the script');
    await this.close();
    assert.equal(code, 0, output);
  }

  async close() {
    for (const terminal of this.terminals.values()) await terminal.close();
    this.terminals.clear();
  }
}
