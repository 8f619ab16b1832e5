// What may be answered to bytes that a client has sent, and whether what came back is that: exactly one well-formed
// answer to each request, in order, of an allowed status, with the headers that the contract demands.

import { gunzipSync } from 'node:zlib';

import { endsBehind, hasContent, readBody, readHead, refusals, valuesOf } from './http_head.mjs';
import { readConditions, readDemands, readTarget, seconds } from './http_target.mjs';
import { readAnswer } from './raw_http.mjs';

const PROBLEMS = {
  'bad-request': 400,
  'not-indexed': 400,
  'cursor-mismatch': 400,
  'not-found': 404,
  'method-not-allowed': 405,
  'epoch-mismatch': 409,
  'unknown-stream': 409,
  'position-beyond-head': 409,
  deleted: 410,
  'cursor-expired': 410,
  'precondition-failed': 412,
  'content-too-large': 413,
  'uri-too-long': 414,
  'unsupported-media-type': 415,
  'expectation-failed': 417,
  misdirected: 421,
  'version-rejected': 422,
  'headers-too-large': 431,
  'not-implemented': 501,
  starting: 503,
  rebuilding: 503,
  'replica-disconnected': 503,
  'too-many-waits': 503,
  'too-many-queries': 503,
  'too-many-answers': 503,
  'version-not-reached': 504,
  'position-not-reached': 504,
  'too-stale': 504,
  'version-not-supported': 505,
};
// What a list may answer to a body, whose meaning is no matter here: that there is one answer is.
const OF_CONTENT = [200, 304, 400, 404, 409, 412, 422, 503, 504];
const BAD = new Set([400, 405, 414, 431, 501, 505]);
const DECIMALS = /^\d+\.\d{3}$/;

// What the test knows of the gateway, which stands still meanwhile:
//   position   State-Position of all streams; streams: Map name -> {sequence, epoch, member (of State-Position)}
//   ownerOf    (collection) -> name of its stream, or undefined: no template can produce it
//   entities   Map collection -> Map id -> {version, deleted, state, etag, modified: ms or NaN, rejected: [versions]}
//   pageEtags  Map collection -> etag, of one page of it;  cursors: Map of good ones -> their collection
//   waitMax    seconds
// The ETag of another page of the collection: FNV-1a of its limit, a space, and the id that the page before ended with.
function pageEtag(world, collection, params) {
  const after = Buffer.from(params.get('cursor') ?? '', 'base64url').subarray(1);
  let hash = 2166136261;
  for (const byte of Buffer.concat([Buffer.from(`${params.get('limit') ?? 100} `), after]))
    hash = Math.imul(hash ^ byte, 16777619) >>> 0;
  return world.pageEtags.get(collection).replace(/q[0-9a-f]{8}"$/, `q${hash.toString(16).padStart(8, '0')}"`);
}

export class Judge {
  constructor(world) {
    this.world = world;
    this.counts = { answers: 0, refusedByParser: 0, ended: 0, silent: 0, met: 0, late: 0, unavailable: 0 };
    this.statuses = new Map();
  }

  // Faults of a conversation, in words; [] if there is none.
  //   sent      all bytes (latin1)
  //   received  all that came (a buffer); ended: the gateway has closed; reset: by force
  //   halfClosed  the client has closed its side
  check({ sent, received, ended, reset = false, halfClosed = false }) {
    const state = { sent, text: received.toString('latin1'), from: 0, ended, reset, halfClosed, faults: [] };
    for (let at = 0; ;) {
      const head = readHead(sent, at);
      const goOn = head.kind === 'request' ? this.checkOne(head, state) : this.checkEnd(head, state);
      if (!goOn) break;
      at = head.next;
    }
    return state.faults;
  }

  // The end of what was sent, or of what is a request.
  checkEnd(head, state) {
    const { text, from, ended, faults } = state;
    if (head.kind === 'end' || (head.kind === 'part' && !head.bad)) {
      if (from < text.length) faults.push(`an answer to nothing: ${excerpt(text, from)}`);
      if (ended && !state.halfClosed) faults.push('closed without a reason');
      return false;
    }
    if (!ended && ((head.kind === 'bad' && head.whole) || from < text.length))
      faults.push('open behind what is no request');
    this.counts.ended++;
    if (from === text.length) return false;
    const method = head.method ?? 'GET';
    const answer = readAnswer(text, from, method);
    if (answer.next === undefined) faults.push(`no answer to what is no request: ${why(answer)}`);
    else if (!BAD.has(answer.status)) faults.push(`${answer.status} to what is no request`);
    else if (answer.next < text.length) faults.push(`an answer behind a refusal: ${excerpt(text, answer.next)}`);
    else this.checkRefusal(answer, { method, parser: true }, (fault) => faults.push(fault));
    return false;
  }

  // True: go on behind it.
  checkOne(request, state) {
    const { text, faults } = state;
    const verdict = this.judge(request);
    if (verdict.content) {
      this.skipContinue(request, state);
      const body = readBody(state.sent, request.next, request);
      if (body.part) return this.checkEnd({ kind: 'part', bad: body.bad, method: request.method }, state);
      if (body.next !== undefined) request.next = body.next;
      else this.refuseBody(verdict, body.status);
    }
    const fault = (what) =>
      faults.push(`${JSON.stringify(`${request.method} ${request.target}`.slice(0, 200))}: ${what}`);
    const answer = readAnswer(text, state.from, request.method);
    if (answer.next === undefined) {
      // What the HTTP library refuses by itself may end without a word, and who half-closes does not wait any more.
      const silent = verdict.parser || (state.halfClosed && verdict.waits);
      if (!state.ended || !(silent || state.reset) || answer.garbage) fault(`no answer: ${why(answer)}`);
      this.counts.silent++;
      return false;
    }
    state.from = answer.next;
    this.count(answer);
    if (!verdict.statuses.has(answer.status))
      fault(`${answer.status} instead of ${[...verdict.statuses].join(' or ')}`);
    else this.checkAnswer(answer, request, verdict, fault);
    return this.goesOn(answer, verdict, state, fault);
  }

  // A client that waits for it is asked for the body.
  skipContinue(request, state) {
    const answer = readAnswer(state.text, state.from, request.method);
    if (answer.status === 100 && valuesOf(request, 'expect').length > 0) state.from = answer.next;
  }

  refuseBody(verdict, statuses) {
    verdict.statuses = verdict.refusals = new Set(statuses);
    verdict.framed = verdict.parser = true;
  }

  goesOn(answer, verdict, state, fault) {
    const refused = verdict.refusals.has(answer.status);
    const said = /\bclose\b/i.test(answer.headers.connection?.[0] ?? '');
    if ((answer.headers['keep-alive'] !== undefined) === said) fault(said ? 'closed and kept' : 'no Keep-Alive');
    const may = verdict.framed ? 'yes' : refused && verdict.close === 'no' ? 'either' : verdict.close;
    const closes = may === 'either' && said ? 'yes' : may;
    const over = state.from === state.text.length && state.ended;
    if (closes === 'either') return !over;
    if (closes === 'no') return true;
    if (!state.ended) fault('the connection is open behind it');
    if (state.from < state.text.length) fault(`an answer behind the last one: ${excerpt(state.text, state.from)}`);
    return false;
  }

  count(answer) {
    this.counts.answers++;
    this.statuses.set(answer.status, (this.statuses.get(answer.status) ?? 0) + 1);
  }

  // {statuses, refusals (those of them that may close), framed, close, route, entity, demands, parser, waits}
  judge(request) {
    const target = readTarget(request.target);
    const list = target.route?.name === 'page' && !target.perhaps;
    const refused = refusals(request, list);
    const close = endsBehind(request);
    const own = [400, 505].some((status) => refused.statuses.has(status)); // what the HTTP library may refuse by itself
    const parser = own || refused.framed || request.doubtful || request.tooLarge !== 'no';
    const verdict = {
      framed: refused.framed,
      list,
      close,
      parser,
      refusals: new Set([...refused.statuses, ...refused.perhaps]),
    };
    if (refused.statuses.size > 0) return { ...verdict, statuses: verdict.refusals };
    if (hasContent(request)) {
      const statuses = new Set([...OF_CONTENT, ...refused.perhaps]);
      return { ...verdict, content: true, parser: request.doubtful || request.tooLarge !== 'no', statuses };
    }
    const read = this.judgeRead(request);
    return { ...verdict, ...read, statuses: new Set([...read.statuses, ...refused.perhaps]) };
  }

  judgeRead(request) {
    const target = readTarget(request.target);
    const perhaps = target.perhaps ? [400] : [];
    if (target.status !== undefined) return { statuses: [target.status, ...perhaps] };
    const { route, collection, id, params } = target;
    const known = [...params.keys()].every((name) => route.params.includes(name));
    if (request.method === 'OPTIONS') return { statuses: [204, ...perhaps, ...(known ? [] : [400])], options: true };
    if (badSegment(collection, 128) || badSegment(id, 512) || !known) return { statuses: [400] };
    const read = { route, collection, id, params };
    const judged = route.reads ? this.judgeDemands(request, read) : this.judgeOps(request, read);
    return { ...read, ...judged, statuses: [...judged.statuses, ...perhaps] };
  }

  judgeOps(request, { route, params }) {
    const demanded = ['min-version', 'min-position', 'max-staleness'].some(
      (name) => valuesOf(request, name).length > 0,
    );
    if (demanded && !route.ops) return { statuses: [400] };
    if (params.has('max_staleness') && seconds(params.get('max_staleness')) === undefined) return { statuses: [400] };
    return { statuses: route.name === 'readyz' ? [200, 503] : [200] };
  }

  judgeDemands(request, read) {
    const demands = readDemands(request, read);
    const details = this.judgeDetails(request, read);
    if (demands.bad || details.bad) return { statuses: [400] };
    const perhaps = demands.perhaps || details.perhaps ? [400] : [];
    const entity = this.world.entities.get(read.collection)?.get(read.id);
    const made = { demands, entity, waits: true };
    const refused = this.refuse(read, demands, entity);
    if (refused !== null) return { ...made, statuses: [...refused, ...perhaps] };
    const statuses = [...this.found(read, entity, details), ...perhaps];
    // What is met in this still world may yet be not proved in time, on a busy machine.
    const demanded = demands.maxStaleness !== undefined || demands.positions.length > 0;
    if (demanded) statuses.push(504, 503);
    return { ...made, statuses, holds: demanded && demands.wait !== 0 };
  }

  // Limit, cursor, filters, conditions: {bad, perhaps, found(etag, modified): the status}.
  judgeDetails(request, { route, params, collection }) {
    const details = { bad: false, perhaps: false };
    const limit = params.get('limit');
    if (limit !== undefined && !(/^[1-9]\d{0,3}$/.test(limit) && Number(limit) <= 1000)) details.bad = true;
    const cursor = params.get('cursor');
    if (cursor === '') details.bad = true;
    else if (cursor !== undefined && !(route.name === 'page' && this.world.cursors.get(cursor) === collection))
      details.perhaps = true;
    for (const [name, longest] of [
      ['stream', 255],
      ['collection', 128],
    ]) {
      const value = params.get(name);
      if (value === '') details.bad = true;
      else if (value !== undefined && Buffer.byteLength(value) > longest) details.bad = true;
      else if (value !== undefined && !this.world.streams.has(value) && !this.world.entities.has(value))
        details.perhaps = true;
    }
    if (route.name === 'page' || route.name === 'entity') this.judgeConditions(request, details);
    return details;
  }

  judgeConditions(request, details) {
    const { match, noneMatch, modifiedSince, unmodifiedSince, bad, lines } = readConditions(request);
    if (bad) details.bad = true;
    if (lines > 4) details.perhaps = true;
    // RFC 9110, section 13.2.2, of what would be a 200.
    details.found = (etag, modified = NaN) => {
      const opaque = etag.replace(/^W\//, '');
      if (match !== undefined ? !match.any && !match.strong.includes(etag) : modified > unmodifiedSince) return 412;
      if (noneMatch !== undefined) return noneMatch.any || noneMatch.tags.includes(opaque) ? 304 : 200;
      return modified <= modifiedSince ? 304 : 200;
    };
  }

  // Demands that cannot hold: the statuses, or null.
  refuse({ route, collection, params }, { minVersion, positions, maxStaleness, wait }, entity) {
    const { streams, ownerOf } = this.world;
    const named = route.name === 'rejected' && params.has('stream') ? [params.get('stream')] : [];
    if ([...named, ...positions.map(({ name }) => name)].some((name) => !streams.has(name))) return [409];
    // Nothing is waited for in a collection that cannot be.
    const never = collection !== undefined && ownerOf(collection) === undefined ? [404] : [];
    const unmet = [];
    for (const { name, sequence, epoch } of positions) {
      const stream = streams.get(name);
      const elsewhere = epoch !== undefined && epoch !== stream.epoch;
      if (elsewhere || BigInt(sequence) > BigInt(stream.sequence)) unmet.push(409, 504, ...never);
    }
    if (minVersion !== undefined && BigInt(entity?.version ?? 0) < minVersion)
      unmet.push(...(entity?.rejected?.includes(minVersion) ? [422] : [504, 503]), ...never);
    if (maxStaleness === 0 && wait === 0) unmet.push(504, ...never);
    if (unmet.length === 0) return null;
    return unmet.includes(504) ? [...unmet, 503] : unmet;
  }

  found({ route, collection, params }, entity, { found }) {
    if (route.name === 'page') {
      if (!this.world.entities.has(collection)) return [404];
      return [found(pageEtag(this.world, collection, params))];
    }
    if (route.name !== 'entity') return [200];
    if (entity === undefined) return [404];
    if (entity.deleted) return [410];
    return [found(entity.etag, entity.modified)];
  }

  checkAnswer(answer, request, verdict, fault) {
    const { status, headers } = answer;
    for (const name of ['date', 'content-length', 'content-type', 'state-position', 'etag', 'retry-after'])
      if ((headers[name] ?? []).length > 1) fault(`${name} is repeated`);
    if (headers.date === undefined && !verdict.parser) fault('no Date');
    const methods = verdict.list ? 'GET, HEAD, OPTIONS, QUERY, POST' : 'GET, HEAD, OPTIONS';
    if (status === 405 || status === 204) expectHeader(headers, 'allow', methods, fault);
    if (status === 415 && !verdict.list) fault('415 of what takes no body');
    if (status === 503 || status === 504)
      if (!(Number(headers['retry-after']?.[0]) >= 1)) fault(`${status} without Retry-After`);
    const probe = verdict.route !== undefined && !verdict.route.reads;
    if (status >= 400 && !probe) this.checkRefusal(answer, { ...verdict, method: request.method }, fault);
    if (verdict.route?.reads || verdict.route?.name === 'status') this.checkRead(answer, request, verdict, fault);
  }

  checkRefusal({ status, headers, body }, { method, parser }, fault) {
    const [type] = headers['content-type'] ?? [];
    if (parser) this.counts.refusedByParser++;
    if (type !== 'application/problem+json') return fault(`${status} as ${type}`);
    expectHeader(headers, 'cache-control', 'no-store', fault);
    if (method === 'HEAD') return undefined;
    const problem = parse(body);
    if (problem === null) return fault(`${status} is no JSON: ${body.slice(0, 100)}`);
    const [, word] = /^urn:stategate:problem:([a-z-]+)$/.exec(problem.type) ?? [];
    if (PROBLEMS[word] !== status || problem.status !== status) fault(`${status} of type ${problem.type}`);
    if (typeof problem.detail !== 'string' || typeof problem.title !== 'string') fault(`${status} without detail`);
    return undefined;
  }

  // What every read says of itself.
  checkRead(answer, request, verdict, fault) {
    const { status, headers } = answer;
    const [position] = headers['state-position'] ?? [];
    const looked = [200, 304, 410, 412, 504].includes(status) || (status === 404 && verdict.route.reads);
    if (!looked && position === undefined) return;
    const members = position?.split(', ') ?? [];
    const known = [...this.world.streams.values()].map(({ member }) => member);
    if (members.length === 0) fault(`${status} without State-Position`);
    if (!members.every((member) => known.includes(member))) fault(`State-Position ${position}`);
    for (const name of this.mustBeNamed(verdict)) {
      const { member } = this.world.streams.get(name);
      if (!members.includes(member)) fault(`State-Position ${position} without ${name}`);
    }
    this.checkFreshness(headers, status, fault);
    if (verdict.holds) this.counts[status < 500 ? 'met' : 'late']++;
    if (verdict.route.name === 'entity') this.checkEntity(answer, request, verdict, fault);
    if (verdict.route.name === 'page' && status === 200) this.checkPage(answer, request, verdict, fault);
    const { wait, minVersion, maxStaleness, positions } = verdict.demands ?? {};
    const never = verdict.collection !== undefined && this.world.ownerOf(verdict.collection) === undefined;
    const demanded = minVersion !== undefined || maxStaleness !== undefined || positions?.length > 0;
    if (demanded && !never && wait !== undefined && wait !== null && status !== 400 && status !== 409)
      expectSeconds(headers['preference-applied'], Math.min(wait, this.world.waitMax), fault);
  }

  mustBeNamed({ route, collection, demands }) {
    const all = [...this.world.streams.keys()];
    const named = (demands?.positions ?? []).map(({ name }) => name).filter((name) => all.includes(name));
    if (route.name === 'collections' || route.name === 'status') return all;
    const owner = collection === undefined ? undefined : this.world.ownerOf(collection);
    return owner === undefined ? named : [owner, ...named];
  }

  checkFreshness(headers, status, fault) {
    const [word] = headers['state-status'] ?? [];
    const [staleness] = headers['state-staleness'] ?? [];
    const [age] = headers.age ?? [];
    if (!['live', 'catching-up', 'starting', 'disconnected'].includes(word)) fault(`State-Status ${word}`);
    if (word === 'live' && !DECIMALS.test(staleness ?? '')) fault(`live, State-Staleness ${staleness}`);
    if (staleness !== undefined && Number(age) !== Math.ceil(Number(staleness))) fault(`Age ${age} of ${staleness} s`);
    const inOrder = word === 'live' || word === 'catching-up';
    if (status === 503) this.counts.unavailable++;
    if ((status === 503 && inOrder) || (status === 504 && !inOrder)) fault(`${status}, State-Status ${word}`);
  }

  checkEntity({ status, headers, body }, request, { entity }, fault) {
    const version = headers['state-version']?.[0];
    const etag = headers.etag?.[0];
    if ([200, 304, 410, 412].includes(status) && version !== String(entity.version)) fault(`State-Version ${version}`);
    if (status === 404 && (version !== undefined || etag !== undefined)) fault('404 with a version');
    if ((status === 410 || status === 412) && etag !== undefined) fault(`${status} with ETag`);
    if (status === 304 && headers['last-modified'] !== undefined) fault('304 with Last-Modified');
    if (status === 200 || status === 304) {
      if (etag !== entity.etag) fault(`ETag ${etag} instead of ${entity.etag}`);
      expectHeader(headers, 'cache-control', 'no-cache', fault);
    }
    if (status === 200) {
      expectHeader(headers, 'content-type', 'application/json', fault);
      if (request.method === 'GET' && Buffer.from(body, 'latin1').toString() !== entity.state)
        fault('another document');
    }
  }

  checkPage({ body, headers }, request, { collection, params }, fault) {
    expectHeader(headers, 'etag', pageEtag(this.world, collection, params), fault);
    if (request.method !== 'GET') return undefined;
    const gzip = headers['content-encoding']?.[0] === 'gzip';
    if (gzip && !valuesOf(request, 'accept-encoding').some((coding) => coding.includes('gzip'))) fault('encoded unasked');
    const page = parse(gzip ? gunzipSync(Buffer.from(body, 'latin1')).toString('latin1') : body);
    if (!Array.isArray(page?.items)) return fault('no page');
    if (page.collection !== collection) fault(`a page of ${page.collection}`);
    if (page.items.length > Number(params.get('limit') ?? 100)) fault(`a page of ${page.items.length}`);
    const link = headers.link?.[0];
    if (!link?.endsWith(`; rel="${page.next === undefined ? 'changes' : 'next'}"`)) fault(`next ${page.next}, Link ${link}`);
    for (const { id, version } of page.items) {
      const entity = this.world.entities.get(collection).get(id);
      if (entity === undefined || entity.deleted || String(entity.version) !== String(version)) fault(`item ${id}`);
    }
    return undefined;
  }
}

const excerpt = (text, from) => JSON.stringify(text.slice(from, from + 60));
const why = ({ garbage }) => garbage ?? 'none, or cut short';

function parse(body) {
  try {
    return JSON.parse(Buffer.from(body, 'latin1').toString());
  } catch {
    return null;
  }
}

function badSegment(segment, longest) {
  if (segment === undefined) return false;
  return segment === '' || segment === '.' || segment === '..' || Buffer.byteLength(segment) > longest;
}

function expectHeader(headers, name, wanted, fault) {
  const values = headers[name] ?? [];
  if (values.length !== 1 || values[0] !== wanted) fault(`${name}: ${values.join(' | ')} instead of ${wanted}`);
}

function expectSeconds(values, wanted, fault) {
  const [, given] = /^wait=(\d+(?:\.\d{1,3})?)$/.exec(values?.[0] ?? '') ?? [];
  if (Number(given) !== wanted) fault(`Preference-Applied ${values} instead of ${wanted}`);
}
