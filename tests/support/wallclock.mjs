// A gateway whose wall clock the test can move, by a small library that is compiled here and preloaded.

import { renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

import { run, tempFolder } from './process.mjs';

const SOURCE = fileURLToPath(new URL('wallclock.c', import.meta.url));

// {env, move(seconds)}: start the gateway with `env`; move() sets how far its wall clock is from the real one.
export async function wallClock(t) {
  const folder = tempFolder(t, 'clock');
  const library = join(folder, 'wallclock.so');
  const { code, stderr } = await run('cc', ['-shared', '-fPIC', '-O1', '-o', library, SOURCE, '-ldl']);
  if (code !== 0) throw new Error(`cc: ${stderr}`);
  const file = join(folder, 'offset');
  const move = (seconds) => {
    writeFileSync(`${file}.new`, String(seconds));
    renameSync(`${file}.new`, file);
  };
  move(0);
  // The address sanitizer wants to be the first library, and works as the second.
  const asan = [process.env.ASAN_OPTIONS, 'verify_asan_link_order=0'].filter(Boolean).join(':');
  return { env: { LD_PRELOAD: library, WALLCLOCK_FILE: file, ASAN_OPTIONS: asan }, move };
}
