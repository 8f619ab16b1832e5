// The checker: decides whether every answer of a recorded history kept its promises.
//
// usage: node tests/history/check.mjs FILE     exit status 0: no violation; 1: some; 2: the history proves nothing

import { fileURLToPath } from 'node:url';

import { eachLine, History, lastAtMost } from './load.mjs';
import { answered, RULES } from './rules.mjs';

const SHOWN_MAX = Number(process.env.SHOWN ?? 20); // violations that are printed

// What gateways and readers have been seen to show, in the order in which the answers came.
class Seen {
  constructor() {
    this.shown = new Map(); // "gateway epoch" -> [{e, q}], both ascending
    this.readers = new Map(); // reader -> its last position
  }

  add(r) {
    if (!answered(r)) {
      if (r.st === 409) this.readers.delete(r.i);
      return;
    }
    this.readers.set(r.i, r.pos);
    if (!r.pos?.e) return;
    const key = `${r.g} ${r.pos.e}`;
    if (!this.shown.has(key)) this.shown.set(key, []);
    const list = this.shown.get(key);
    if (list.length === 0 || list.at(-1).q < r.pos.q) list.push({ e: r.e, q: r.pos.q });
  }

  // The largest position in `epoch` that a gateway had shown before `x`.
  shownBefore(g, epoch, x) {
    const list = this.shown.get(`${g} ${epoch}`) ?? [];
    return list[lastAtMost(list, ({ e }) => e, x, true)]?.q ?? 0;
  }

  last(i) {
    return this.readers.get(i);
  }
}

// Gives {violations: [{rule, line, wrong, read}], byRule, statuses, reads, unreached, history}.
export async function check(file) {
  const history = await History.load(file);
  const seen = new Seen();
  const report = { violations: [], byRule: {}, statuses: {}, met: {}, reads: 0, unreached: 0, history };
  for (const wrong of history.problems) note(report, 'history', 0, wrong);
  await eachLine(file, (r, line) => {
    if (r.t !== 'r') return;
    if (r.err !== undefined) report.unreached++;
    else judge(report, seen, r, line);
  });
  return report;
}

function judge(report, seen, r, line) {
  report.reads++;
  const status = r.type ? `${r.st} ${r.type}` : String(r.st);
  report.statuses[status] = (report.statuses[status] ?? 0) + 1;
  if (answered(r)) for (const demand of demandsOf(r)) report.met[demand] = (report.met[demand] ?? 0) + 1;
  for (const [rule, holds] of Object.entries(RULES)) {
    const wrong = holds(report.history, r, seen);
    if (wrong) note(report, rule, line, wrong, r);
  }
  seen.add(r);
}

function demandsOf({ d }) {
  const names = [];
  if (d.v !== undefined) names.push('version');
  if (d.p) names.push(d.p.e ? (d.carried ? 'carried' : 'position') : 'bare');
  if (d.m !== undefined) names.push(d.m === 0 ? 'fresh' : 'young');
  return names;
}

function note(report, rule, line, wrong, read) {
  report.byRule[rule] = (report.byRule[rule] ?? 0) + 1;
  report.violations.push({ rule, line, wrong, read });
}

function print(report) {
  const { history, violations } = report;
  let writes = 0;
  for (const incarnation of history.incarnations.values()) writes += incarnation.acks.length;
  console.log(`${report.reads} answers, ${report.unreached} requests without one, ${writes} acknowledged writes`);
  console.log(`${history.incarnations.size} incarnations of the stream`);
  console.log(`answers: ${JSON.stringify(report.statuses)}`);
  console.log(`demands that were met: ${JSON.stringify(report.met)}`);
  console.log(`faults: ${JSON.stringify(history.faults)}`);
  for (const { rule, line, wrong, read } of violations.slice(0, SHOWN_MAX))
    console.log(`line ${line}: ${rule}: ${wrong}\n    ${JSON.stringify(read)?.slice(0, 400)}`);
  console.log(`${violations.length} violations ${violations.length > 0 ? JSON.stringify(report.byRule) : ''}`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.length !== 3) {
    console.error('usage: node tests/history/check.mjs FILE');
    process.exit(2);
  }
  const report = await check(process.argv[2]);
  print(report);
  const empty = report.reads === 0 || !report.history.settled;
  if (empty) console.log('the history is empty or was cut off: it proves nothing');
  process.exitCode = report.violations.length > 0 ? 1 : empty ? 2 : 0;
}
