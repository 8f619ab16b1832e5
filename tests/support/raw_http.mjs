// HTTP/1.1 as bytes on a socket: sends what no HTTP client would, and takes what comes back apart, strictly.

import { connect } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';

const STATUS_LINE = /^HTTP\/1\.1 ([1-5]\d\d) [\x20-\x7e]+$/;
const FIELD = /^([!#$%&'*+.^_`|~0-9A-Za-z-]+): ?([^\x00-\x08\x0a-\x1f\x7f]*)$/;

// The answer that begins at `at` of `text` (latin1), to a request of this method: {status, headers (lower-case names, a
// list of values each), head, body (latin1), next}. Otherwise {cut: true}: its end is missing, or {garbage: why}.
export function readAnswer(text, at, method) {
  const end = text.indexOf('\r\n\r\n', at);
  if (end < 0) return 'HTTP/1.1 '.startsWith(text.slice(at, at + 9)) ? { cut: true } : { garbage: 'no status line' };
  const head = text.slice(at, end);
  const [first, ...lines] = head.split('\r\n');
  const line = STATUS_LINE.exec(first);
  if (line === null) return { garbage: `status line ${JSON.stringify(first.slice(0, 80))}` };
  const headers = {};
  for (const text of lines) {
    const field = FIELD.exec(text);
    if (field === null) return { garbage: `header line ${JSON.stringify(text.slice(0, 80))}` };
    (headers[field[1].toLowerCase()] ??= []).push(field[2].trim());
  }
  const status = Number(line[1]);
  const answer = { status, headers, head, body: '', next: end + 4 };
  const bodyless = method === 'HEAD' || status === 204 || status === 304 || status < 200;
  return bodyless ? answer : withBody(answer, text);
}

function withBody(answer, text) {
  const lengths = answer.headers['content-length'] ?? [];
  if (lengths.length !== 1 || !/^\d+$/.test(lengths[0])) return { garbage: `Content-Length ${lengths}` };
  const from = answer.next;
  answer.next += Number(lengths[0]);
  if (answer.next > text.length) return { cut: true };
  answer.body = text.slice(from, answer.next);
  return answer;
}

// All answers in what came back to requests of these methods (GET where the list ends), and the bytes that are none.
export function readAnswers(buffer, methods = []) {
  const text = buffer.toString('latin1');
  const answers = [];
  let at = 0;
  while (at < text.length) {
    const answer = readAnswer(text, at, methods[answers.length]);
    if (answer.next === undefined) break;
    answers.push(answer);
    at = answer.next;
  }
  return { answers, rest: text.slice(at) };
}

// Sends bytes and gives {received, ended, reset}.
//   address    of connect(): {port, host} or {path}
//   parts      what is sent, one after the other (latin1 text or buffers), with a pause of `pauseMs` in between
//   quietMs    nothing came for so long: finished; or (received) -> how long from now
//   enough     (received) -> true: finished
//   then       'wait' (the default), 'half-close', or 'close' once all is sent
export function converse(address, parts, { quietMs = 250, pauseMs = 0, enough, then = 'wait' } = {}) {
  return new Promise((done) => {
    const chunks = [];
    let [ended, reset, timer] = [false, false, null];
    const socket = connect({ host: '127.0.0.1', ...address, allowHalfOpen: then === 'half-close' });
    const finish = () => {
      clearTimeout(timer);
      socket.destroy();
      done({ received: Buffer.concat(chunks), ended, reset });
    };
    const quiet = () => {
      clearTimeout(timer);
      timer = setTimeout(finish, typeof quietMs === 'function' ? quietMs(Buffer.concat(chunks)) : quietMs);
    };
    socket.setNoDelay(true);
    socket.on('connect', async () => {
      quiet();
      await send(socket, parts, pauseMs, quiet);
      if (then === 'half-close') socket.end();
      if (then === 'close') finish();
    });
    socket.on('data', (data) => {
      chunks.push(data);
      quiet();
      if (enough?.(Buffer.concat(chunks))) finish();
    });
    socket.on('end', () => {
      ended = true;
      if (then === 'half-close') finish();
    });
    socket.on('error', () => (reset = ended = true));
    socket.on('close', finish);
  });
}

async function send(socket, parts, pauseMs, onSent) {
  for (const [i, part] of parts.entries()) {
    if (i > 0) await pause(pauseMs);
    if (socket.destroyed) return;
    if (part.length > 0) socket.write(typeof part === 'string' ? Buffer.from(part, 'latin1') : part);
    onSent();
  }
}
