// Puts the parts of a run together: bench/results.json, bench/RESULTS.md, the table of goals in docs/measured.md, and
// the sentence in README.md that sums it up.
//
// usage: node bench/report.mjs [FOLDER]
//
// FOLDER holds PART.json and PART.md of the parts that ran, as bench/run makes them. Without it the two documents are
// written anew from bench/results.json.

import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { atLeast, atMost, goalsTable } from './tables.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const RESULTS_JSON = join(ROOT, 'bench/results.json');
const RESULTS_MD = join(ROOT, 'bench/RESULTS.md');

const BEGIN = '<!-- bench: begin (made by bench/report.mjs) -->';
const END = '<!-- bench: end -->';

const PARTS = {
  reads: 'Reads',
  growth: 'Growth',
  ingest: 'Ingest',
  start: 'Start',
  waits: 'Reads that wait',
  visible: 'Publish to visible',
  instructions: 'Instructions',
};

// ---- goals of the parts that do not state them themselves ----

function ingestGoals({ rows = [] }) {
  return rows
    .filter(({ goal, ratio }) => goal && ratio)
    .map((row) => atLeast(`ingest, ${row.case}: events/s, JSON + SQLite alone = 1`, row.ratio, row.goal));
}

function startGoals({ rows = [], entities }) {
  const named = (row) => `${entities.toLocaleString('en')} entities, ${row.case}`;
  return rows.filter(({ goal }) => goal).map((row) => atMost(named(row), row.value.median, row.goal, row.unit));
}

function waitsGoals(report) {
  const goals = [];
  const own = report['with epoch'];
  if (report.eachBytes) goals.push(atMost('memory of a parked read', report.eachBytes / 1024, 8, 'KB'));
  if (report.allAtOnce)
    goals.push(
      atMost('all parked reads woken at once, to the last first byte', Math.min(...report.allAtOnce.last), 200, 'ms'),
    );
  if (own) {
    goals.push(atMost('read after the own write, p50, in PubAcks', own.read[0] / own.ack[0], 3, 'times'));
    goals.push(atMost('read after the own write, p99, in PubAcks', own.read[1] / own.ack[1], 10, 'times'));
  }
  return goals;
}

const GOALS = { ingest: ingestGoals, start: startGoals, waits: waitsGoals };

export function goalsOf(results) {
  return Object.keys(PARTS).flatMap((name) => {
    const report = results.parts[name];
    return report ? (report.goals ?? GOALS[name]?.(report) ?? []) : [];
  });
}

// ---- texts ----

function where({ processors, model, system, memoryGb }) {
  return `${processors} processors (${model}), ${memoryGb} GB, ${system}`;
}

// What stands between the markers of docs/measured.md.
function goalsText(results) {
  const head = [
    `On ${where(results.machine)}, load generator and nats-server on the same`,
    `machine, ${results.made}; median (least - most) of the rounds.`,
    'All tables: [bench/RESULTS.md](../bench/RESULTS.md).',
  ].join('\n');
  return `\n${head}\n\n${goalsTable(goalsOf(results))}\n`;
}

const README_COLUMNS = 108;
const README_MISSED_MAX = 3; // goals that README names; docs/measured.md has all

function wrapped(text) {
  const lines = [''];
  for (const word of text.split(' ')) {
    const last = lines.pop();
    if (last !== '' && `${last} ${word}`.length > README_COLUMNS) lines.push(last, word);
    else lines.push(last === '' ? word : `${last} ${word}`);
  }
  return lines.join('\n');
}

// What stands between the markers of README.md: the machine, how many goals were reached, and which were not.
function summaryText(results) {
  const goals = goalsOf(results);
  const missed = goals.filter(({ reached }) => !reached);
  const median = (measured) => measured.replace(/ \(.*\)/, '');
  const each = ({ what, wanted, measured }) => `${what}: ${median(measured)}, not ${wanted}`;
  const more = missed.length > README_MISSED_MAX ? `; and ${missed.length - README_MISSED_MAX} more` : '';
  const no = missed.slice(0, README_MISSED_MAX).map(each).join('; ') + more;
  const count = `${goals.length - missed.length} of ${goals.length} goals reached`;
  const reached = `${count} ([docs/measured.md](docs/measured.md))`;
  return wrapped(
    `Measured on ${where(results.machine)}, ${results.made}: ${reached}.${no ? ` Not reached: ${no}.` : ''}`,
  );
}

// The documents that show results, each between its markers.
export const DOCUMENTS = { 'README.md': summaryText, 'docs/measured.md': goalsText };

// The text of one of them, with these results.
export function withResults(file, text, results) {
  const [begin, end] = [text.indexOf(BEGIN), text.indexOf(END)];
  if (begin < 0 || end < begin) throw new Error(`${file} has not both of ${BEGIN} and ${END}`);
  return `${text.slice(0, begin + BEGIN.length)}\n${DOCUMENTS[file](results)}\n${text.slice(end)}`;
}

function resultsText(results, texts) {
  const parts = Object.entries(texts).map(([name, text]) => `## ${PARTS[name]}\n\n${text.trim()}\n`);
  const head = [
    `On ${where(results.machine)}, with nats-server and load generator on the`,
    `same machine, on ${results.made}. Absolute figures depend on the machine and on what else it did (load average`,
    `before: ${results.machine.load}); each ratio was taken within one run. Made by bench/run.`,
  ].join('\n');
  return `# Measured\n\n${head}\n\n${parts.join('\n')}`;
}

// ---- a folder of parts ----

function collect(folder) {
  const results = { made: new Date().toISOString().slice(0, 10), parts: {} };
  const texts = {};
  results.machine = JSON.parse(readFileSync(join(folder, 'machine.json'), 'utf8'));
  for (const name of Object.keys(PARTS)) {
    const [json, text] = [join(folder, `${name}.json`), join(folder, `${name}.md`)];
    if (existsSync(json)) results.parts[name] = JSON.parse(readFileSync(json, 'utf8'));
    if (existsSync(text)) texts[name] = readFileSync(text, 'utf8');
  }
  writeFileSync(RESULTS_JSON, `${JSON.stringify(results, null, 1)}\n`);
  writeFileSync(RESULTS_MD, resultsText(results, texts));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2]) collect(process.argv[2]);
  const results = JSON.parse(readFileSync(RESULTS_JSON, 'utf8'));
  for (const file of Object.keys(DOCUMENTS)) {
    const path = join(ROOT, file);
    writeFileSync(path, withResults(file, readFileSync(path, 'utf8'), results));
  }
}
