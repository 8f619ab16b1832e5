// What must hold of every answer. Each rule takes the history, an answer and what the gateways have shown so far, and
// says in a sentence what is wrong, or nothing.
//
// Times are ours, of one monotonic clock, and each rule uses the bound that favours the gateway: an answer was made
// after the request was sent, a write was stored before its acknowledgement was received. So network and scheduling can
// hide a violation, and never make one up.

const LATE_MS = 500; // beyond the deadline
const EARLY_MS = 2; // the gateway's clock and its rounding to milliseconds
const WOKEN_MS = 400; // a demand that was met that long before must have been answered
const WAIT_DEFAULT_MS = 5000;

const ANSWERED = new Set([200, 304, 404, 410]);
const REFUSED_AT_DEADLINE = new Set([
  'version-not-reached',
  'position-not-reached',
  'too-stale',
  'starting',
  'rebuilding',
  'replica-disconnected',
  'halted',
]);

export const answered = (r) => ANSWERED.has(r.st);
const demanding = ({ d }) => d.v !== undefined || d.p !== undefined || d.m !== undefined;
const waitMs = (r) => (r.w === undefined ? WAIT_DEFAULT_MS : r.w * 1000);
const show = (p) => (p ? `${p.q};epoch=${p.e}` : 'no position');
const incarnationOf = (history, r) => (r.pos?.e ? history.epochs.get(r.pos.e) : undefined);
const parkedMs = (r) => Math.max(0, (r.parked ?? 0) - EARLY_MS);

// ---- demands ----

function minVersion(history, r) {
  if (!answered(r) || r.d.v === undefined) return;
  if (r.st === 404) return `404 although version ${r.d.v} was demanded`;
  if (!(r.rv >= r.d.v)) return `version ${r.rv} although ${r.d.v} was demanded`;
}

function minPosition(history, r) {
  const { p } = r.d;
  if (!answered(r) || !p) return;
  if (!r.pos || r.pos.q < p.q) return `position ${show(r.pos)} although ${show(p)} was demanded`;
  if (p.e && r.pos.e !== p.e) return `epoch ${r.pos.e} although ${p.e} was demanded`;
}

// Without an epoch a position means the present incarnation, as a proof showed that was asked for at most `trust`
// before.
function barePosition(history, r) {
  if (!answered(r) || !r.d.p || r.d.p.e) return;
  const incarnation = history.incarnations.get(incarnationOf(history, r));
  const trust = history.gateways[r.g]?.trust ?? 0;
  if (incarnation && incarnation.gone < r.s - trust) {
    const before = `${(r.s - incarnation.gone).toFixed(0)} ms before`;
    return `a bare position was met by incarnation ${incarnation.l}, which was gone ${before} (trust ${trust} ms)`;
  }
}

function maxStaleness(history, r) {
  if (!answered(r) || r.d.m === undefined) return;
  if (r.rsl === undefined) return `no staleness although at most ${r.d.m} s was demanded`;
  const allowed = r.d.m * 1000 + (r.e - r.s) + EARLY_MS;
  if (r.rsl * 1000 > allowed) return `staleness ${r.rsl} although at most ${r.d.m} s at the arrival was demanded`;
  return lacks(history, r, r.s - r.d.m * 1000);
}

// ---- honesty ----

// Says which write, acknowledged before `instant`, the answer does not rest on.
function lacks(history, r, instant) {
  const l = incarnationOf(history, r);
  if (l === undefined) return;
  const incarnation = history.incarnations.get(l);
  if (!incarnation) return;
  if (incarnation.floor(instant) > r.pos.q) {
    const before = `${(r.s - incarnation.ackBefore(instant).e).toFixed(1)} ms before the request`;
    return `position ${r.pos.q} lacks ${incarnation.floor(instant)}, acknowledged ${before}`;
  }
  const later = history.laterAck(l, instant);
  if (later) {
    const before = `${(r.s - later.e).toFixed(1)} ms before the request`;
    return `incarnation ${l} is shown, and incarnation ${later.l} had acknowledged ${later.q} ${before}`;
  }
}

function staleness(history, r) {
  if (!answered(r) || r.rsl === undefined) return;
  const wrong = lacks(history, r, r.s + parkedMs(r) - r.rsl * 1000);
  if (wrong) return `staleness ${r.rsl}: ${wrong}`;
}

function lag(history, r) {
  if (!answered(r) || r.rlag === undefined || r.rsl === undefined) return;
  const incarnation = history.incarnations.get(incarnationOf(history, r));
  if (!incarnation) return;
  const head = r.pos.q + r.rlag;
  if (head < incarnation.floor(r.s + parkedMs(r) - r.rsl * 1000))
    return `lag ${r.rlag} at ${r.pos.q}, and more had been acknowledged`;
  if (r.e < incarnation.deleted && incarnation.dumped > 0 && head > incarnation.dumped)
    return `a head of ${head}, and the stream ended at ${incarnation.dumped}`;
}

// ---- what is shown was published, and belongs to the position shown ----

function entity(history, r) {
  if (!answered(r) || r.id === undefined) return;
  const l = incarnationOf(history, r);
  const incarnation = history.incarnations.get(l);
  if (!incarnation) return;
  if (r.st === 200 && history.attempt(l, r.c, r.id, r.rv)?.b !== r.b)
    return `${r.c}/${r.id} version ${r.rv} was not published with this state`;
  if (r.pos.q > incarnation.dumped) return;
  const row = incarnation.row(r.c, r.id, r.pos.q);
  const expected = row === undefined ? 'nothing' : `version ${row.v}${row.k === 'd' ? ', deleted' : ''}`;
  const shown = r.st === 404 ? 'nothing' : `version ${r.rv}${r.st === 410 ? ', deleted' : ''}`;
  if (shown !== expected) return `${r.c}/${r.id} at ${r.pos.q}: ${shown}, and the stream says ${expected}`;
}

function page(history, r) {
  if (r.st !== 200 || r.items === undefined) return;
  const l = incarnationOf(history, r);
  const incarnation = history.incarnations.get(l);
  if (!incarnation || r.pos.q > incarnation.dumped) return;
  const shown = new Map(r.items.map(([id, v, b]) => [id, { v, b }]));
  for (const id of incarnation.ids.get(r.c) ?? []) {
    const row = incarnation.row(r.c, id, r.pos.q);
    const item = shown.get(id);
    shown.delete(id);
    const expected = row === undefined || row.k === 'd' ? undefined : row.v;
    if (item?.v !== expected) return `page of ${r.c} at ${r.pos.q}: ${id} ${item?.v}, and the stream says ${expected}`;
    if (item && history.attempt(l, r.c, id, item.v)?.b !== item.b)
      return `page of ${r.c}: ${id} version ${item.v} was not published with this state`;
  }
  if (shown.size > 0) return `page of ${r.c} at ${r.pos.q}: ${[...shown.keys()]} was never published by then`;
}

// ---- never back ----

// Rows that one gateway has shown are there for all who ask it later, in the same epoch.
function neverBack(history, r, seen) {
  if (!answered(r) || !r.pos?.e) return;
  const before = seen.shownBefore(r.g, r.pos.e, r.s);
  if (before > r.pos.q) return `position ${r.pos.q} although this gateway had shown ${before} before`;
}

// A reader that carries its position to another gateway.
function carried(history, r, seen) {
  if (!answered(r) || !r.d.carried) return;
  const last = seen.last(r.i);
  if (last?.e && r.pos?.e === last.e && r.pos.q < last.q)
    return `reader ${r.i} went back from ${show(last)} to ${show(r.pos)}`;
}

// ---- refusals ----

function expectedStatus(history, r) {
  const known = answered(r) || r.st === 409 || r.st === 422 || r.st === 503 || r.st === 504;
  if (!known) return `unexpected status ${r.st} ${r.type ?? ''}`;
  if (r.final && !answered(r)) return `status ${r.st} ${r.type ?? ''} after everything was healed`;
  if (!answered(r) && !demanding(r)) return `status ${r.st} ${r.type ?? ''} although nothing was demanded`;
}

function conflict(history, r) {
  if (r.st !== 409) return;
  const { p } = r.d;
  if (!p) return '409 although no position was demanded';
  if (r.type === 'unknown-stream') return 'the stream is configured';
  if (r.type === 'epoch-mismatch') {
    const incarnation = p.e ? history.incarnations.get(history.epochs.get(p.e)) : undefined;
    if (!p.e || (incarnation && incarnation.deleted > r.e))
      return `epoch ${p.e} refused although it is the present one`;
  }
  if (r.type === 'position-beyond-head') {
    const incarnation = presentAt(history, r);
    if (incarnation && p.q <= incarnation.floor(r.s))
      return `position ${p.q} refused although ${incarnation.floor(r.s)} had been acknowledged`;
  }
}

// The incarnation that the stream was in during all of a request; undefined = it changed.
function presentAt(history, r) {
  for (const incarnation of history.incarnations.values())
    if (incarnation.created < r.s && incarnation.deleted > r.e && nextCreated(history, incarnation) > r.e)
      return incarnation;
  return undefined;
}

function nextCreated(history, incarnation) {
  return history.incarnations.get(incarnation.l + 1)?.created ?? Infinity;
}

function rejectedVersion(history, r) {
  if (r.st !== 422) return;
  for (const l of history.incarnations.keys()) if (history.attempt(l, r.c, r.id, r.d.v)?.k === 'p') return;
  return `version ${r.d.v} of ${r.c}/${r.id} was refused as rejected, and was not`;
}

function tooEarly(history, r) {
  if (!REFUSED_AT_DEADLINE.has(r.type)) return;
  if (r.e - r.s < waitMs(r) - EARLY_MS) return `${r.type} after ${(r.e - r.s).toFixed(1)} ms of ${waitMs(r)}`;
}

function tooLate(history, r) {
  const limit = (demanding(r) ? waitMs(r) : 0) + LATE_MS;
  const took = r.e - r.s;
  if (took > limit && took - history.stalled(r.s, r.e) > limit)
    return `status ${r.st} after ${took.toFixed(1)} ms of ${limit - LATE_MS}`;
}

// What this gateway had shown to others, well before the deadline or the answer, must have woken who waited for it.
function notWoken(history, r, seen) {
  const instant = Math.min(r.s + waitMs(r), r.e) - WOKEN_MS;
  if (instant <= r.s || r.d.m !== undefined || history.stalled(r.s, r.e) > 0) return;
  const wanted = wantedPosition(history, r);
  if (wanted === undefined) return;
  const shown = seen.shownBefore(r.g, r.pos.e, instant);
  if (shown >= wanted) {
    const what = `${r.type ?? `status ${r.st}`} after ${(r.e - r.s).toFixed(0)} ms`;
    return `${what}: it waited for position ${wanted}, and this gateway had shown ${shown}`;
  }
}

// The position at which all that a read demands is there; undefined = not known, or in another incarnation than that
// shown: there the demand is gone, not missing.
function wantedPosition(history, r) {
  const { p, v } = r.d;
  if (!r.pos?.e || (p && p.e !== r.pos.e) || (!p && v === undefined)) return undefined;
  const reached = v === undefined ? 0 : history.incarnations.get(incarnationOf(history, r))?.reached(r.c, r.id, v);
  return reached === undefined ? undefined : Math.max(p?.q ?? 0, reached);
}

export const RULES = {
  minVersion,
  minPosition,
  barePosition,
  maxStaleness,
  staleness,
  lag,
  entity,
  page,
  neverBack,
  carried,
  expectedStatus,
  conflict,
  rejectedVersion,
  tooEarly,
  tooLate,
  notWoken,
};
