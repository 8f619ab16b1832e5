// What a replica may show of an entity, judged against everything that was ever published of it, and what the stream
// still holds.
//
// In a bucket it is what the bucket says. Elsewhere it is what some of the published events come to: those that the
// replica read. One that it did not read must have been superseded by a later one of its subject that it did read, or
// the answer says State-Gap. A fresh replica has read what the stream holds, and nothing else.

const VERSIONED = new Set(['state', 'conflict', 'tombstone']);

// The event that wins, as they are applied in their order; null = nothing is applied.
function fold(events) {
  let won = null;
  for (const event of events) if (VERSIONED.has(event.kind) && event.version > (won?.version ?? 0)) won = event;
  return won;
}

function describe({ status, headers, text }) {
  const names = ['state-version', 'state-position', 'state-gap', 'state-rejected'];
  return `${status} ${names.map((name) => `${name}=${headers[name] ?? '-'}`).join(' ')} ${status === 200 ? text : ''}`;
}

// Is this the event that is shown? null: none is.
function shows(answer, event) {
  if (event === null) return answer.status === 404;
  if (answer.headers['state-version'] !== String(event.version)) return false;
  return answer.status === (event.kind === 'tombstone' ? 410 : 200);
}

// Is the gap that is shown one at all: does the stream lack a message of it? A fresh replica has none: what was missing
// when its build began is no gap.
function judgeGap(answer, role, sequences) {
  if (role === 'fresh') return 'a fresh replica has no gap';
  const ranges = answer.headers['state-gap'].split(', ').map((range) => range.split('-').map(Number));
  const lacks = ([first, last]) => {
    for (let seq = first; seq <= last; seq++) if (!sequences.has(seq)) return true;
    return false;
  };
  return ranges.every(lacks) ? null : 'the stream has all of the gap';
}

// In a bucket: the last message of the key. Where it keeps several, the newest may have been deleted by itself after it
// was read: docs/promises.md says that this is not noticed.
function judgeBucket(answer, held, all, limit) {
  if (answer.headers['state-rejected'] !== undefined) return null;
  const last = held?.at(-1);
  if (last === undefined || last.removed)
    return answer.status === 404 || answer.status === 410 ? null : 'the bucket has no value of it';
  const same = answer.status === 200 && answer.text === last.text && answer.headers['state-version'] === `${last.seq}`;
  const version = Number(answer.headers['state-version']);
  const wasThere = all.some((event) => shows(answer, event) && event.body === answer.text);
  if (limit > 1 && version > last.seq && wasThere) return null;
  return same ? null : `the bucket has ${last.text} at ${last.seq}`;
}

// May it be shown by a replica that read it, and not all that came later? What came later and would have won was not
// read: so it was superseded, which only a stream that keeps some messages of a subject does.
function mayShow(event, all, limits) {
  const later = all.filter(({ seq }) => seq > event.seq);
  const unread = later.filter(({ kind, version }) => VERSIONED.has(kind) && version > event.version);
  return unread.every(({ seq }) => [...limits].some((limit) => limit > 0) && later.some((other) => other.seq > seq));
}

// Elsewhere: `all` was published of it, `held` is left.
function judgeStream(answer, all, held, { limits, role }) {
  const whole = fold(all);
  if (role === 'fresh') {
    const left = new Set((held ?? []).map(({ seq }) => seq));
    const expected = fold(all.filter(({ seq }) => left.has(seq)));
    return shows(answer, expected) ? null : `the stream holds version ${expected?.version ?? 'none'} of it`;
  }
  // One that began anew when the stream was restored has read what was restored, and all since.
  const since = all.filter(({ restored }) => restored !== false);
  for (const read of since.length < all.length ? [all, since] : [all]) {
    const may = (event) => shows(answer, event) && mayShow(event, read, limits);
    if (shows(answer, fold(read)) || read.some(may)) return null;
    if (answer.status === 404 && mayShow({ seq: 0, version: 0 }, read, limits)) return null;
  }
  // Created and removed unread, where nothing but the subjects that are left tells what was removed.
  if (answer.status === 404 && limits.has(1) && held === undefined) return null;
  return `version ${whole?.version ?? 'none'} was published`;
}

// The violations of one replica. `held`: what is left of each id, and all `sequences` that are.
export function judge(world, role, shown, held) {
  const wrong = [];
  for (const [id, answer] of shown) {
    const all = world.published.filter((event) => event.id === id);
    const left = held.byId.get(id);
    const rows = world.kv
      ? () => judgeBucket(answer, left, all, Math.max(...world.limits))
      : () => judgeStream(answer, all, left, { limits: world.limits, role });
    const broken = answer.headers['state-gap'] !== undefined ? judgeGap(answer, role, held.sequences) : rows();
    if (broken !== null) wrong.push(`${role} ${id}: ${describe(answer)}; ${broken}`);
  }
  return wrong;
}
