// Where requests begin and end in bytes as a client sends them, by RFC 9112 read strictly, and what a gateway that reads
// bodies of lists alone may answer before it looks at the path. Written from the contract, not from the gateway's code.

import { isIPv4, isIPv6 } from 'node:net';

const TARGET_BYTES_MAX = 6144;
const HEAD_COST_MAX = 7168; // docs/limits.md: request line and fields, and 56 for each field
const FIELD_COST = 56;
const FIELDS_MAX = 32; // header fields and parameters
const BODY_MAX = 65_536;
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;
const PART_OF_LINE = /^[!-~]+(?: [!-~]*(?: (?:H|HT|HTT|HTTP|HTTP\/|HTTP\/\d|HTTP\/\d\.|HTTP\/\d\.\d\r?)?)?)?$/;
const PART_OF_FIELD = /^(?:[!#$%&'*+.^_`|~0-9A-Za-z-]*|[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*)\r?$/;
const HOST = /^(?:[A-Za-z0-9._~-]+|\[[0-9A-Fa-f:.]+\])(?::(\d{0,5}))?$/;
const HOST_OF_RFC = /^(?:[A-Za-z0-9._~!$&'()*+,;=%-]*|\[[^\]\s]*\])(?::\d*)?$/;

// What begins at `at` of `text` (latin1):
//   {kind: 'end'}          nothing
//   {kind: 'part', bad}    a head without its end; `bad`: it may be refused already
//   {kind: 'bad', whole}   no request: at most one refusal, and the connection ends; if the head is `whole`, at once
//   {kind: 'request', method, target, version, fields, next, ...}; `doubtful`: a strict server may call it bad
export function readHead(text, at) {
  const head = { kind: 'request', fields: [], doubtful: false, tooLarge: false };
  let begin = at;
  while (text.startsWith('\r\n', begin)) begin += 2;
  if (begin > at + 2) head.doubtful = true;
  if (begin >= text.length) return { kind: at === begin ? 'end' : 'part', bad: head.doubtful };
  let from = begin;
  for (let lines = 0; ; lines++) {
    const end = text.indexOf('\n', from);
    if (end < 0) return unfinished(text, begin, from, head, lines);
    const line = text.slice(from, end - 1);
    if (end === from || text[end - 1] !== '\r' || /[\0\r]/.test(line)) return badHead(text, begin);
    from = end + 1;
    if (lines === 0 ? !takeRequestLine(head, line) : line !== '' && !takeField(head, line)) return badHead(text, begin);
    if (lines > 0 && line === '') return finished(head, from - begin, from);
  }
}

// An answer to HEAD has no body, also where the rest of the request is no request.
const badHead = (text, begin) => ({
  kind: 'bad',
  method: text.startsWith('HEAD ', begin) ? 'HEAD' : 'GET',
  whole: /\n\r?\n/.test(text.slice(begin)),
});

// The last line has no end yet. What stands there may be bad or too long already.
function unfinished(text, begin, from, head, lines) {
  const line = text.slice(from);
  const odd = !(lines === 0 ? PART_OF_LINE : PART_OF_FIELD).test(line);
  const large = text.length - begin + FIELD_COST * lines > HEAD_COST_MAX - 1000;
  return {
    ...badHead(text, begin),
    kind: 'part',
    bad: head.doubtful || odd || large || (head.version !== undefined && !goodVersion(head)),
  };
}

function takeRequestLine(head, line) {
  const found = /^([^ ]+) ([^ ]+) (HTTP\/\d\.\d)$/.exec(line);
  if (found === null) return false;
  [, head.method, head.target, head.version] = found;
  if (!TOKEN.test(head.method) || /[\x01-\x1f\x7f]/.test(head.target)) head.doubtful = true;
  return !head.method.includes('\t');
}

function takeField(head, line) {
  const colon = line.indexOf(':');
  if (colon < 0) return false;
  const name = line.slice(0, colon);
  const value = line.slice(colon + 1).replace(/^[ \t]+|[ \t]+$/g, '');
  if (name === '' || /[ \t]/.test(name)) return false; // a folded line begins with one of them
  if (!TOKEN.test(name) || /[\x01-\x08\x0b-\x1f\x7f]/.test(value)) head.doubtful = true;
  head.fields.push([name.toLowerCase(), value]);
  return true;
}

function finished(head, bytes, next) {
  const params = (head.target.match(/[?&]/g) ?? []).length;
  const least = bytes - 2 + FIELD_COST * head.fields.length;
  // What a parameter costs besides its text is not promised: in between both answers are right.
  const more = least + 64 + FIELD_COST * params > HEAD_COST_MAX || head.fields.length + params > FIELDS_MAX;
  head.tooLarge = least > HEAD_COST_MAX || head.fields.length > FIELDS_MAX ? 'yes' : more ? 'perhaps' : 'no';
  return { ...head, next };
}

const goodVersion = ({ version }) => version === 'HTTP/1.1' || version === 'HTTP/1.0';

export function valuesOf(request, name) {
  return request.fields.filter(([field]) => field === name).map(([, value]) => value);
}

export const hasContent = ({ method }) => method === 'QUERY' || method === 'POST';

// What may be said of a request before its path is looked at, but for whether that is a list's (`list`).
//   statuses  refusals that apply; empty = it must be looked at
//   perhaps   refusals that may be chosen even so
//   framed    it has a body that is not read, or a doubtful frame: what follows belongs to nobody, so the connection
//             must end
export function refusals(request, list) {
  const found = { statuses: new Set(), perhaps: new Set(), framed: false };
  const { statuses, perhaps } = found;
  if (!goodVersion(request)) statuses.add(505);
  const known = ['GET', 'HEAD', 'OPTIONS'].includes(request.method);
  if (!known && !(list && hasContent(request))) statuses.add(405);
  if (request.doubtful) perhaps.add(400);
  judgeSize(request, statuses, perhaps);
  judgeHost(request, statuses, perhaps);
  for (const value of valuesOf(request, 'expect')) if (value.toLowerCase() !== '100-continue') statuses.add(417);
  if (list && hasContent(request)) {
    judgeContent(request, statuses);
    found.framed = statuses.size > 0;
    return found;
  }
  found.framed = isFramed(request);
  if (found.framed) for (const status of [413, 400, 501]) statuses.add(status);
  return found;
}

function judgeSize({ target, tooLarge }, statuses, perhaps) {
  if (target.length > TARGET_BYTES_MAX) statuses.add(414);
  if (tooLarge !== 'no') for (const status of [414, 431]) (tooLarge === 'yes' ? statuses : perhaps).add(status);
}

// On a loopback address, where `hosts` is empty.
const isOwnName = (name) =>
  name.replace(/(.)\.$/, '$1').toLowerCase() === 'localhost' || isIPv4(name.replace(/(.)\.$/, '$1'));

function judgeHost(request, statuses, perhaps) {
  const hosts = valuesOf(request, 'host');
  if (hosts.length === 0 && request.version === 'HTTP/1.0') return;
  const [host] = hosts;
  const found = hosts.length === 1 ? HOST.exec(host) : null;
  if (found !== null && Number(found[1] ?? 0) <= 65535) {
    if (host.startsWith('[') && !isIPv6(host.slice(1, host.indexOf(']')))) statuses.add(400);
    if (!host.startsWith('[') && !isOwnName(host.replace(/:\d*$/, ''))) statuses.add(421);
  } else if (hosts.length === 1 && host !== '' && HOST_OF_RFC.test(host)) {
    perhaps.add(400); // the RFC allows it, the gateway need not
  } else {
    statuses.add(400);
  }
}

// Of a body that is to be read.
function judgeContent(request, statuses) {
  const [lengths, codings] = ['content-length', 'transfer-encoding'].map((name) => valuesOf(request, name));
  const types = valuesOf(request, 'content-type');
  if (lengths.length + codings.length > 1 || (codings.length > 0 && request.version === 'HTTP/1.0')) statuses.add(400);
  if (codings.some((coding) => coding.toLowerCase() !== 'chunked')) for (const status of [400, 501]) statuses.add(status);
  if (lengths.some((length) => !/^\d+$/.test(length))) statuses.add(400);
  if (lengths.some((length) => Number(length) > BODY_MAX)) statuses.add(413);
  if (types.length > 1) statuses.add(400);
  const json = types.length === 1 && /^application\/json[ \t]*(;.*)?$/i.test(types[0]);
  if (!json || valuesOf(request, 'content-encoding').some((coding) => coding.toLowerCase() !== 'identity'))
    statuses.add(415);
}

// The body that follows the head of a request that is read, from `at`:
//   {next}    it is whole, and ends there
//   {part}    its end is missing; `bad`: what is there may be refused already
//   {status}  what it must be refused with
export function readBody(text, at, request) {
  if (valuesOf(request, 'transfer-encoding').length > 0) return readChunks(text, at);
  const bytes = Number(valuesOf(request, 'content-length')[0] ?? 0);
  return text.length - at < bytes ? { part: true } : { next: at + bytes };
}

function readChunks(text, at) {
  let total = 0;
  for (let from = at; ;) {
    const line = text.indexOf('\r\n', from);
    const size = line < 0 ? text.slice(from) : text.slice(from, line);
    if (line < 0) return /^[0-9A-Fa-f]{0,16}\r?$/.test(size) ? { part: true } : { part: true, bad: true };
    if (!/^[0-9A-Fa-f]+$/.test(size)) return { status: [400, 413] };
    const bytes = BigInt(`0x${size}`);
    if (bytes > 2n ** 64n - 1n) return { status: [413] };
    from = line + 2;
    if (bytes === 0n) return readEnd(text, from);
    const there = text.slice(from, from + Number(bytes > BigInt(text.length) ? BigInt(text.length) : bytes));
    total += there.length;
    if (total > BODY_MAX) return { status: [413] };
    if (BigInt(there.length) < bytes) return { part: true };
    from += there.length;
    const end = text.slice(from, from + 2);
    if (end.length < 2) return '\r\n'.startsWith(end) ? { part: true } : { part: true, bad: true };
    if (end !== '\r\n') return { status: [400] };
    from += 2;
  }
}

// Nothing may stand between the last chunk and the empty line.
function readEnd(text, from) {
  if (text.startsWith('\r\n', from)) return { next: from + 2 };
  return /\n\r?\n/.test(text.slice(from)) ? { status: [400, 431] } : { part: true, bad: true };
}

// Content-Length: 0 is no body.
function isFramed(request) {
  const lengths = valuesOf(request, 'content-length');
  if (valuesOf(request, 'transfer-encoding').length > 0 || lengths.length > 1) return true;
  return lengths.length === 1 && !/^0+$/.test(lengths[0]);
}

// Must the connection end behind the answer? 'yes', 'no', or 'either'.
export function endsBehind(request) {
  const options = valuesOf(request, 'connection')
    .join(',')
    .toLowerCase()
    .split(',')
    .map((option) => option.trim());
  const [close, keep] = [options.includes('close'), options.includes('keep-alive')];
  if (close && keep) return 'either';
  if (close) return 'yes';
  if (request.version === 'HTTP/1.0') return keep ? 'either' : 'yes';
  return options.some((option) => option !== '' && !TOKEN.test(option)) ? 'either' : 'no';
}
