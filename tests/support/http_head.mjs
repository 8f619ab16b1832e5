// Where requests begin and end in bytes as a client sends them, by RFC 9112 read strictly, and what a gateway without
// bodies may answer before it looks at the path. Written from the contract, not from the gateway's code.

import { isIPv4, isIPv6 } from 'node:net';

const TARGET_BYTES_MAX = 3072;
const HEAD_COST_MAX = 4096; // docs/limits.md: request line and fields, and 56 for each field
const FIELD_COST = 56;
const FIELDS_MAX = 32; // header fields and parameters
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

// What may be said of a request before its path is looked at.
//   statuses  refusals that apply; empty = it must be looked at
//   perhaps   refusals that may be chosen even so
//   framed    it has a body, or a doubtful frame: what follows belongs to nobody, so the connection must end
export function refusals(request) {
  const found = { statuses: new Set(), perhaps: new Set(), framed: false };
  const { statuses, perhaps } = found;
  if (!goodVersion(request)) statuses.add(505);
  if (!['GET', 'HEAD', 'OPTIONS'].includes(request.method)) statuses.add(405);
  if (request.doubtful) perhaps.add(400);
  judgeSize(request, statuses, perhaps);
  judgeHost(request, statuses, perhaps);
  for (const value of valuesOf(request, 'expect')) if (value.toLowerCase() !== '100-continue') statuses.add(417);
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
