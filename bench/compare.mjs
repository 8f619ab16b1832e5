// This build beside another one, in lock step. See bench/compare.

import { existsSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { PARTS } from './compare_parts.mjs';
import { arrangeProcessors, machine, spread, STATEGATE } from './machine.mjs';
import { compareTable } from './tables.mjs';

// What is wanted where nothing else is: not worse than the other build. Two builds of the same code differ by less.
const NOT_WORSE = 0.97;

// What a part found of one thing, with the ratios of its rounds.
//   pairs  [{base, now}]: what it costs either build in a round
//   least  wanted of base / now: what this build does at the cost of the other (default: not worse)
//   most   wanted of now / base instead: what this build costs where the other costs 1
export function judgeRow({ pairs, least = NOT_WORSE, most, ...row }) {
  const of = (name) => spread(pairs.map((pair) => pair[name]));
  const costs = { ...row, base: of('base'), now: of('now') };
  if (most !== undefined) {
    const ratio = spread(pairs.map(({ base, now }) => now / base));
    return { ...costs, most, ratio, reached: ratio.median <= most };
  }
  const ratio = spread(pairs.map(({ base, now }) => base / now));
  return { ...costs, least, ratio, reached: ratio.median >= least };
}

async function main() {
  const { values } = parseArgs({
    options: {
      base: { type: 'string' },
      only: { type: 'string', default: Object.keys(PARTS).join(',') },
      rounds: { type: 'string', default: '10' },
      seconds: { type: 'string', default: '1' },
      entities: { type: 'string', default: '200000' },
      'no-pin': { type: 'boolean', default: false },
      json: { type: 'string' },
    },
  });
  if (!values.base) throw new Error('which build to compare with? --base FOLDER');
  const builds = { base: join(resolve(values.base), 'stategate'), now: STATEGATE };
  for (const file of Object.values(builds)) if (!existsSync(file)) throw new Error(`${file} is missing`);
  const names = values.only.split(',');
  const unknown = names.filter((name) => !(name in PARTS));
  if (unknown.length > 0) throw new Error(`unknown parts: ${unknown}; there are ${Object.keys(PARTS)}`);
  const [rounds, seconds, entities] = [values.rounds, values.seconds, values.entities].map(Number);
  const processors = arrangeProcessors(!values['no-pin']);
  const say = (text) => console.error(text);
  const rows = [];
  for (const name of names) {
    say(`== ${name} ==`);
    const found = await PARTS[name]({ builds, rounds, seconds, entities, processors, say });
    rows.push(...found.map((row) => judgeRow({ part: name, ...row })));
  }
  const report = { machine: machine(), rounds, seconds, entities, pinned: processors.pinned, rows };
  console.log(compareTable(report));
  if (values.json) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
