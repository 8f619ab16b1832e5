// What a request's target and demands mean, by openapi.yaml: a route and its parts, or 400. Written from
// that, not from the gateway's code.

import { valuesOf } from './http_head.mjs';

const SEQUENCE_MAX = (1n << 63n) - 1n;
const PARAMS_MAX = 32;
const LINES_MAX = 4; // of a header that is a list
const DEMANDS = ['min_version', 'min_position', 'max_staleness', 'wait'];
const ROUTES = [
  { name: 'collections', path: ['v1', 'state'], params: DEMANDS, reads: true },
  { name: 'page', path: ['v1', 'state', '{collection}'], params: ['limit', 'cursor', ...DEMANDS], reads: true },
  { name: 'entity', path: ['v1', 'state', '{collection}', '{id}'], params: DEMANDS, reads: true },
  {
    name: 'rejected',
    path: ['v1', 'rejected'],
    params: ['limit', 'cursor', 'stream', 'collection', ...DEMANDS],
    reads: true,
  },
  { name: 'status', path: ['v1', 'status'], params: [] },
  { name: 'livez', path: ['livez'], params: [], ops: true },
  { name: 'readyz', path: ['readyz'], params: ['max_staleness'], ops: true },
  { name: 'metrics', path: ['metrics'], params: [], ops: true },
  { name: 'openapi', path: ['openapi.yaml'], params: [], ops: true },
];

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

class Malformed extends Error {}

function decode(text, pattern) {
  if (!pattern.test(text)) throw new Malformed(`characters of ${text}`);
  if (/%(?![0-9A-Fa-f]{2})|%00/.test(text)) throw new Malformed(`encoding of ${text}`);
  const bytes = Buffer.from(
    text.replace(/%(..)/g, (_, hex) => String.fromCharCode(parseInt(hex, 16))),
    'latin1',
  );
  try {
    return utf8.decode(bytes);
  } catch {
    throw new Malformed(`UTF-8 of ${text}`);
  }
}

// {route, collection, id, params: Map, perhaps} | {status: 400 | 404, perhaps}; `perhaps`: 400 is right as well.
export function readTarget(target) {
  try {
    return read(target);
  } catch (error) {
    if (!(error instanceof Malformed)) throw error;
    return { status: 400 };
  }
}

function read(target) {
  if (target.includes('#')) throw new Malformed('fragment');
  let perhaps = false;
  let rest = target;
  if (!target.startsWith('/')) {
    const found = /^https?:\/\/([^/?]+)(.*)$/is.exec(target);
    if (found === null) throw new Malformed('neither path nor URI');
    if (!/^[A-Za-z0-9._~:[\]!$&'()*+,;=%-]+$/.test(found[1])) throw new Malformed('authority');
    perhaps = !/^[A-Za-z0-9._~:[\]-]+$/.test(found[1]); // of what RFC 3986 allows the gateway takes less
    rest = found[2];
  }
  const mark = rest.indexOf('?');
  const path = mark < 0 ? rest : rest.slice(0, mark);
  const segments = path
    .split('/')
    .slice(1)
    .map((segment) => decode(segment, /^[A-Za-z0-9._~:@!$&'()*+,;=%-]*$/));
  const found = route(segments);
  let params;
  try {
    params = query(mark < 0 ? '' : rest.slice(mark + 1));
  } catch (error) {
    if (found === null && error instanceof Malformed) return { status: 404, perhaps: true };
    throw error;
  }
  return found === null ? { status: 404, perhaps } : { ...found, params, perhaps };
}

function query(text) {
  const params = new Map();
  if (text === '') return params;
  for (const part of text.split('&')) {
    const equals = part.indexOf('=');
    if (equals <= 0) throw new Malformed(`parameter ${part}`);
    const [name, value] = [part.slice(0, equals), part.slice(equals + 1)].map((side) =>
      decode(side.replaceAll('+', '%20'), /^[A-Za-z0-9._~:@!$&'()*+,;=%/?-]*$/),
    );
    if (params.has(name)) throw new Malformed(`${name} twice`);
    params.set(name, value);
  }
  if (params.size > PARAMS_MAX) throw new Malformed('too many parameters');
  return params;
}

function route(segments) {
  if (segments.length === 0 || segments.at(-1) === '') return null;
  for (const found of ROUTES) {
    if (found.path.length !== segments.length) continue;
    if (!found.path.every((part, i) => part.startsWith('{') || part === segments[i])) continue;
    const [, , collection, id] = segments;
    return { route: found, collection: found.path.length > 2 ? collection : undefined, id };
  }
  return null;
}

// A parameter, or its header, which must not be repeated: {text, perhaps} | undefined; 'repeated'.
function demand(request, params, param, header) {
  const values = valuesOf(request, header);
  if (values.length > 1) return 'repeated';
  if (params.has(param)) return { text: params.get(param) };
  return values.length === 1 ? { text: values[0] } : undefined;
}

// Seconds as a number, undefined if malformed.
export function seconds(text) {
  return /^\d+(?:\.\d{1,3})?$/.test(text) && Number(text) <= 1e9 ? Number(text) : undefined;
}

// The demands of a read: {bad, perhaps, minVersion, positions: [{name, sequence, epoch}], maxStaleness, wait}.
//   bad      400 is the answer
//   perhaps  400 is right as well
export function readDemands(request, { route: { name }, params }) {
  const out = { bad: false, perhaps: false, positions: [] };
  const version = demand(request, params, 'min_version', 'min-version');
  if (version === 'repeated') out.bad = true;
  else if (version !== undefined) takeVersion(version.text, name, out);
  const staleness = demand(request, params, 'max_staleness', 'max-staleness');
  if (staleness === 'repeated') out.bad = true;
  else if (staleness !== undefined) {
    out.maxStaleness = seconds(staleness.text);
    if (out.maxStaleness === undefined) out.bad = true;
  }
  takePositions(request, params, out);
  takeWait(request, params, out);
  return out;
}

function takeVersion(text, route, out) {
  const good = /^[1-9]\d*$/.test(text) && BigInt(text) <= SEQUENCE_MAX;
  if (!good || route !== 'entity') out.bad = true;
  else out.minVersion = BigInt(text);
}

function takePositions(request, params, out) {
  const lines = valuesOf(request, 'min-position');
  if (lines.length > LINES_MAX) out.perhaps = true;
  const list = params.has('min_position') ? params.get('min_position') : lines.join(', ');
  if (lines.length === 0 && !params.has('min_position')) return;
  const found = positionList(list);
  if (found === null) out.bad = true;
  else if (found.doubtful) out.perhaps = true;
  if (found !== null) out.positions = found.members;
}

const MEMBER = /(?:([A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*)|"((?:[\x20-\x21\x23-\x5b\x5d-\x7e]|\\["\\])*)")/y;
const PARAMETER = /; *([a-z*][a-z0-9_.*-]*)(?:=([A-Za-z*][A-Za-z0-9!#$%&'*+.^_`|~:/-]*|"[^"]*"|[\d.-]+|\?[01]))?/y;
const COMMA = /[ \t]*,[ \t]*/y;

// An RFC 9651 list of `name:sequence`, or null. `doubtful`: the RFC allows it, a strict reader of demands need not.
function positionList(text) {
  const members = [];
  let [at, doubtful] = [0, false];
  const take = (pattern) => {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    if (found !== null) at = pattern.lastIndex;
    return found;
  };
  take(/ */y);
  for (;;) {
    const found = take(MEMBER);
    if (found === null) return null;
    const item = found[1] ?? found[2].replace(/\\(.)/g, '$1');
    const colon = item.lastIndexOf(':');
    const member = { name: item.slice(0, colon), sequence: item.slice(colon + 1) };
    if (colon < 1 || !/^(?:0|[1-9]\d*)$/.test(member.sequence) || BigInt(member.sequence) > SEQUENCE_MAX) return null;
    for (let parameter = take(PARAMETER); parameter !== null; parameter = take(PARAMETER)) {
      if (parameter[1] !== 'epoch' || member.epoch !== undefined) doubtful = true;
      else if (!/^[a-z][a-z0-9]{5,11}$/.test(parameter[2] ?? '')) return null;
      else member.epoch = parameter[2];
    }
    if (members.some(({ name }) => name === member.name)) return null;
    members.push(member);
    take(/ */y);
    if (at === text.length) return { members, doubtful };
    if (take(COMMA) === null) return null;
  }
}

function takeWait(request, params, out) {
  const lines = valuesOf(request, 'prefer');
  if (lines.length > LINES_MAX) out.perhaps = true;
  if (params.has('wait')) {
    out.wait = seconds(params.get('wait'));
    if (out.wait === undefined) out.bad = true;
    return;
  }
  // Only the plain form is read here; any other leaves open what was asked for.
  const plain = lines.length === 1 && /^wait=(\d+(?:\.\d{1,3})?)$/i.exec(lines[0]);
  if (plain && seconds(plain[1]) !== undefined) out.wait = Number(plain[1]);
  else if (lines.length > 0) out.wait = null;
}

const OPAQUE = '"[\\x21\\x23-\\x7e\\x80-\\xff]*"';
const TAG = `(?:W/)?${OPAQUE}`;
const TAGS = new RegExp(`^[ \\t,]*${TAG}[ \\t]*(?:,[ \\t]*(?:${TAG})?[ \\t]*)*$`);

// A list of tags: undefined, 'malformed', {any: true}, or {tags, strong: those that are}; `lines` of them.
function readTags(request, name) {
  const lines = valuesOf(request, name);
  if (lines.length === 0) return { lines: 0 };
  if (lines.length === 1 && lines[0] === '*') return { lines: 1, list: { any: true } };
  if (!lines.every((line) => TAGS.test(line))) return { lines: lines.length, list: 'malformed' };
  const all = lines.flatMap((line) => line.match(new RegExp(TAG, 'g')));
  const strong = all.filter((tag) => !tag.startsWith('W/'));
  return { lines: lines.length, list: { tags: all.map((tag) => tag.replace(/^W\//, '')), strong } };
}

// A date in the form that generated requests have; any other is as if it were not there.
function readDate(request, name) {
  const lines = valuesOf(request, name);
  const form = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)(, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT)$/;
  const [, rest] = form.exec(lines[0] ?? '') ?? [];
  const date = Date.parse(`Mon${rest}`);
  // Date.parse() takes the 31st of February for the 3rd of March.
  return { lines: lines.length, date: !isNaN(date) && new Date(date).toUTCString().endsWith(rest) ? date : NaN };
}

// {match, noneMatch, modifiedSince, unmodifiedSince, bad, lines}: NaN where there is no date.
export function readConditions(request) {
  const [match, none] = ['if-match', 'if-none-match'].map((name) => readTags(request, name));
  const [modified, unmodified] = ['if-modified-since', 'if-unmodified-since'].map((name) => readDate(request, name));
  const malformed = match.list === 'malformed' || none.list === 'malformed';
  return {
    match: match.list,
    noneMatch: none.list,
    modifiedSince: modified.date,
    unmodifiedSince: unmodified.date,
    bad: malformed || modified.lines > 1 || unmodified.lines > 1,
    lines: Math.max(match.lines, none.lines),
  };
}
