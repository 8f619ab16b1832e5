// What must hold of the answers and of the database, whatever the broker goes through; judged when a fault is over, of
// what was recorded while it lasted. Times are ours, and each rule uses the bound that favours the gateway: an answer
// was made after its request was sent, a write was stored before its acknowledgement came.

import { differences } from '../support/db.mjs';

const ROUNDING_MS = 2; // State-Staleness has three places; clocks are two
const LIVE_S = 5; // as the contract says
const ANSWERED = new Set([200, 304, 404, 410]);
const REFUSED = new Set([409, 503, 504]);

const head = (text) => text.slice(0, 80);
const answered = (r) => ANSWERED.has(r.status);
const demanding = (r) => r.fresh || r.carried !== undefined;

// What each gateway has shown so far, in every epoch; kept from step to step.
export class Shown {
  constructor() {
    this.lists = new Map(); // epoch -> [{ended, position}], both ascending
  }

  add({ epoch, position, ended }) {
    if (!this.lists.has(epoch)) this.lists.set(epoch, []);
    const list = this.lists.get(epoch);
    if (list.length === 0 || list.at(-1).position < position) list.push({ ended, position });
  }

  // The largest position that had been shown before `instant`.
  before(epoch, instant) {
    return this.lists.get(epoch)?.findLast(({ ended }) => ended < instant)?.position ?? 0;
  }

  copy() {
    const other = new Shown();
    for (const [epoch, list] of this.lists) other.lists.set(epoch, [...list]);
    return other;
  }
}

// Which write, acknowledged before `instant`, is not in what the answer rests on?
function lacks(r, incarnation, incarnations, instant) {
  if (incarnation.floor(instant) > r.position)
    return `${r.epoch}:${r.position} lacks ${incarnation.floor(instant)}, acknowledged before the instant`;
  const later = incarnations.find((other) => other.number > incarnation.number && other.floor(instant) > 0);
  if (later) return `epoch ${r.epoch} is shown, and a later incarnation had acknowledged ${later.floor(instant)}`;
}

const NOTHING = ''; // there was nothing to judge

const RULES = {
  status(r) {
    if (!answered(r) && !REFUSED.has(r.status)) return `unexpected status ${r.status}`;
    if (!answered(r) && !demanding(r)) return `status ${r.status} although nothing was demanded`;
  },

  epoch(r, incarnation) {
    if (answered(r) && r.epoch !== undefined && incarnation === undefined)
      return `epoch ${r.epoch} belongs to no incarnation`;
  },

  neverBack(r, incarnation, { shown }) {
    if (!answered(r) || r.epoch === undefined) return NOTHING;
    const before = shown.before(r.epoch, r.sent);
    if (before > r.position) return `position ${r.position} in ${r.epoch} after ${before} had been shown`;
  },

  staleness(r, incarnation, { incarnations }) {
    if (!answered(r) || r.staleness === undefined || incarnation === undefined) return NOTHING;
    const wrong = lacks(r, incarnation, incarnations, r.sent + r.parkedMs - ROUNDING_MS - r.staleness * 1000);
    if (wrong) return `staleness ${r.staleness}: ${wrong}`;
  },

  live(r) {
    if (!answered(r) || r.word !== 'live') return NOTHING;
    if (r.staleness === undefined || r.staleness > LIVE_S) return `live with a staleness of ${r.staleness}`;
  },

  fresh(r, incarnation, { incarnations }) {
    if (!answered(r) || !r.fresh || incarnation === undefined) return NOTHING;
    if (r.staleness === undefined || r.staleness * 1000 > r.ended - r.sent + ROUNDING_MS)
      return `Max-Staleness: 0 was answered with a staleness of ${r.staleness}`;
    const wrong = lacks(r, incarnation, incarnations, r.sent);
    if (wrong) return `Max-Staleness: 0: ${wrong}`;
  },

  carried(r) {
    if (!answered(r) || r.carried === undefined) return NOTHING;
    if (r.epoch !== r.carried.epoch || r.position < r.carried.position)
      return `${r.epoch}:${r.position} although ${r.carried.epoch}:${r.carried.position} was demanded`;
  },

  // The row is the one that the stream says at the position shown.
  row(r, incarnation) {
    if (!answered(r) || r.id === undefined || incarnation === undefined) return NOTHING;
    if (r.position < incarnation.fold.position) return NOTHING;
    const row = incarnation.foldTo(r.position).entities.get(r.collection)?.get(r.id);
    const expected = row === undefined ? 'nothing' : row.deleted ? `${row.version}, deleted` : `${row.version}`;
    const told = r.status === 404 ? 'nothing' : r.status === 410 ? `${r.version}, deleted` : `${r.version}`;
    if (told !== expected) return `${r.collection}/${r.id} at ${r.position}: ${told}, and the stream says ${expected}`;
    if (r.status === 200 && r.body !== row.state)
      return `${r.collection}/${r.id} at ${r.position}: ${head(r.body)}, and the stream says ${head(row.state)}`;
  },
};

// A copy of all rows that was taken in mid-run, at whatever position it shows.
function snapshotRules({ shown, sent }, incarnations, seen) {
  const { position, epoch } = shown.streams[0];
  const incarnation = incarnations.find((candidate) => candidate.epoch === epoch);
  if (epoch === '' || Number(position) === 0) return [];
  if (incarnation === undefined) return [`rows of epoch ${epoch}, which belongs to no incarnation`];
  const before = seen.before(epoch, sent);
  if (Number(position) < before) return [`rows fell back from ${before} to ${position} in ${epoch}`];
  if (Number(position) < incarnation.fold.position) return []; // it was on its way when the last step was judged
  return differences(shown, 'STATE', incarnation.foldTo(Number(position)), { limit: 3 });
}

// What is wrong, in sentences that begin with the rule; [] when nothing is. `step` is {answers, snapshots}; the folds
// of `incarnations` go forward, what the answers show is added to `shown`, and `judged` counts how often each rule had
// something to judge.
export function judge(step, incarnations, shown, judged = {}) {
  const wrong = [];
  const byPosition = [
    ...step.answers.map((answer) => ({ answer, position: answer.position ?? 0 })),
    ...step.snapshots.map((snapshot) => ({ snapshot, position: Number(snapshot.shown.streams[0].position) })),
  ].sort((a, b) => a.position - b.position);
  for (const { answer, snapshot } of byPosition) {
    if (snapshot) wrong.push(...snapshotRules(snapshot, incarnations, shown).map((text) => `rows: ${text}`));
    else wrong.push(...broken(answer, ['row'], incarnations, shown, judged));
  }
  const others = Object.keys(RULES).filter((name) => name !== 'row');
  for (const answer of step.answers) {
    wrong.push(...broken(answer, others, incarnations, shown, judged));
    if (answered(answer) && answer.epoch !== undefined) shown.add(answer);
  }
  return wrong;
}

function broken(answer, names, incarnations, shown, judged) {
  const incarnation = incarnations.find(({ epoch }) => epoch !== null && epoch === answer.epoch);
  const wrong = [];
  for (const name of names) {
    const text = RULES[name](answer, incarnation, { incarnations, shown });
    if (text !== NOTHING) judged[name] = (judged[name] ?? 0) + 1;
    if (text) wrong.push(`${name}: ${text}`);
  }
  return wrong;
}
