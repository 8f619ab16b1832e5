// Loads a server for a while, with wrk or a client of its own, and says what it answered and what each answer cost it.

import { fileURLToPath } from 'node:url';

import { signal, start } from '../tests/support/process.mjs';
import { processorSeconds, residentBytes } from './machine.mjs';

const SCRIPT = fileURLToPath(new URL('load.lua', import.meta.url));
const FIRST_ANSWER_SECONDS = 10; // a machine that is busy with other things may not give one sooner
let seed = 0;

function startWrk(server, { kind, text = '', entities, hot, connections, seconds }) {
  seed += 1;
  const args = ['-t1', `-c${connections}`, `-d${Math.ceil(seconds)}s`, '--timeout', '10s', '-s', SCRIPT];
  const words = [kind, entities, hot, seed, text].map(String);
  const wrk = start('wrk', [...args, `http://${server.address}/`, '--', ...words]);
  // wrk counts in whole seconds, and ends early, with its report, when it is told to.
  const early = Number.isInteger(seconds) ? null : setTimeout(() => signal(wrk.child, 'SIGINT'), seconds * 1000);
  wrk.exited.then(() => clearTimeout(early));
  return wrk;
}

// One load of one server.
//   server   {address, pids}: pids are all the processes whose work an answer is
//   kind     one of load.lua's, with its text
//   client   starts a program in place of wrk, which prints load.lua's line: (server, options) => what `start` gives
//   refused  answers are a 4xx, and anything else is an error
// Gives requests a second, processor microseconds a request, microseconds of latency, resident bytes. It is a closed
// loop: each connection sends its next request when it has its answer, so latency is mostly the others' turns.
// A load that ends before its first answer is repeated, four times as long.
export async function load(server, options) {
  const { kind, refused = false, seconds, client = startWrk } = options;
  const before = processorSeconds(server.pids);
  const running = client(server, options);
  const exit = await running.exited;
  const used = processorSeconds(server.pids) - before;
  const line = /^\{"requests.*$/m.exec(running.stdout)?.[0];
  const again = () => load(server, { ...options, seconds: seconds * 4 });
  const first = seconds < FIRST_ANSWER_SECONDS;
  if (exit.signal === 'SIGINT' && !line && first) return again(); // told to end before it had begun
  if (exit.code !== 0 || !line) throw new Error(`the load failed (${kind}): ${running.stdout}${running.stderr}`);
  const result = JSON.parse(line);
  if (result.requests === 0 && first) return again();
  if (result.requests === 0) throw new Error(`${kind}: no request was answered`);
  if (result.errors > 0 || (refused ? result.status !== result.requests : result.status > 0))
    throw new Error(`${kind}: not the answers that were expected: ${line}`);
  return {
    perSecond: result.requests / result.seconds,
    cpuUs: (used / result.requests) * 1e6,
    p50Us: result.p50,
    p99Us: result.p99,
    p999Us: result.p999,
    residentBytes: residentBytes(server.pids),
    requests: result.requests,
  };
}
