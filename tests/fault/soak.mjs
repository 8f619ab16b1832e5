// The command: runs a soak and says what was measured; `soak` beside this starts it.

import { writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';

import { program } from '../support/process.mjs';
import { summary } from './broker_campaign.mjs';
import { soak } from './soak_run.mjs';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    rate: { type: 'string', default: '2000' }, // events a second, while the writers work
    bin: { type: 'string' },
    samples: { type: 'string' }, // a file for all that was measured, one JSON object a line
    quiet: { type: 'boolean', default: false },
  },
});

const cleanup = [];
const t = { after: (action) => cleanup.push(action) };
const seed = Number(values.seed);
const mib = (bytes) => `${(bytes / 1048576).toFixed(1)} MiB`;
const shown = (name, value) => (name.endsWith('Bytes') ? mib(value) : value.toFixed(1));
let code = 1;
try {
  console.log(`soak: seed ${seed}, ${values.minutes} minutes`);
  const began = performance.now();
  const seconds = () => ((performance.now() - began) / 1000).toFixed(0);
  const result = await soak({
    t,
    seed,
    seconds: Number(values.minutes) * 60,
    rate: Number(values.rate),
    bin: values.bin ?? program('STATEGATE_RELEASE_BIN', 'build/release/stategate'),
    onStep: values.quiet
      ? undefined
      : (told) => console.log(`${seconds()} s: ${told}`),
  });
  if (values.samples) writeFileSync(values.samples, result.samples.map((one) => `${JSON.stringify(one)}\n`).join(''));
  report(result);
  const flat = result.verdicts.every(({ ok }) => ok);
  code = flat && result.violations.length === 0 ? 0 : 1;
  console.log(
    `soak: seed ${seed}: ${seconds()} s, ${result.violations.length} violations, ` +
      `${flat ? 'flat' : 'NOT FLAT'}: ${code === 0 ? 'passed' : 'FAILED'}`,
  );
} catch (error) {
  console.error(error);
  console.log(`soak: seed ${seed}: FAILED`);
} finally {
  for (const action of cleanup) await Promise.resolve(action()).catch(() => {});
}
process.exit(code);

function report({ violations, verdicts, samples, campaign, crowd, compared }) {
  const { world } = campaign;
  const { line, faults } = summary([campaign]);
  console.log(`faults: ${JSON.stringify(faults)}`);
  console.log(line);
  console.log(`${world.acknowledged} events acknowledged, ${world.failed} not; clients: ${JSON.stringify(crowd)}`);
  console.log(`the lasting gateway was equal to the stream ${compared} times; ${samples.length} samples of it:`);
  for (const { ok, name, middle, growth, allowed, most } of verdicts)
    console.log(
      `  ${name.padEnd(14)} middle ${shown(name, middle)}, most ${shown(name, most)}, ` +
        `second half grew by ${shown(name, growth)}` +
        `${allowed < Infinity ? ` of ${shown(name, allowed)} allowed` : ''}: ${ok ? 'flat' : 'NOT FLAT'}`,
    );
  for (const text of violations.slice(0, 20)) console.log(`violation: ${text.slice(0, 500)}`);
}
