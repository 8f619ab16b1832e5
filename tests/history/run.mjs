// Runs a campaign, then the checker on what it recorded. See README.md; `campaign` beside this starts it.

import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

import { program, tempFolder } from '../support/process.mjs';
import { campaign } from './campaign.mjs';

const { values } = parseArgs({
  options: {
    operations: { type: 'string', default: '50000' },
    seconds: { type: 'string', default: '3600' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    cluster: { type: 'boolean', default: false },
    gateways: { type: 'string', default: '2' },
    readers: { type: 'string', default: '24' },
    writers: { type: 'string', default: '4' },
    'write-every': { type: 'string', default: '6' }, // milliseconds between two writes of one writer
    think: { type: 'string', default: '0' }, // milliseconds between two reads of one reader
    faults: { type: 'string' }, // kinds, with commas between; all by default
    bin: { type: 'string' },
    out: { type: 'string' },
  },
});

const file = values.out ?? join(tempFolder(undefined, 'history'), 'history.jsonl');
const cleanup = [];
const t = { after: (action) => cleanup.push(action) };
let code = 1;
try {
  console.log(`seed ${values.seed}, history in ${file}`);
  const result = await campaign({
    t,
    file,
    operations: Number(values.operations),
    secondsMax: Number(values.seconds),
    seed: Number(values.seed),
    cluster: values.cluster,
    gateways: Number(values.gateways),
    readers: Number(values.readers),
    writers: Number(values.writers),
    readEveryMs: Number(values.think),
    writeEveryMs: Number(values['write-every']),
    kinds: values.faults?.split(','),
    bin: values.bin ?? program('STATEGATE_RELEASE_BIN', 'build/release/stategate'),
  });
  console.log(`${result.operations} operations in ${result.seconds.toFixed(1)} s`);
  console.log(`faults that happened: ${JSON.stringify(result.faults)}`);
  const checker = fileURLToPath(new URL('check.mjs', import.meta.url));
  code = spawnSync(process.execPath, [checker, file], { stdio: 'inherit' }).status ?? 1;
} catch (error) {
  console.error(error);
} finally {
  for (const action of cleanup) await action();
}
process.exit(code);
