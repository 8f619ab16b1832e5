// One run: writers, readers and faults against a world, recorded; then everything is healed, and each gateway must show
// every acknowledged write.

import { writeFileSync } from 'node:fs';

import { Random } from '../support/workload.mjs';
import { Faults, untilListening } from './faults.mjs';
import { Reader } from './readers.mjs';
import { Recorder } from './recorder.mjs';
import { COLLECTIONS, makeWorld } from './world.mjs';
import { ENTITIES_PER_COLLECTION, Writer } from './writers.mjs';

// Runs until `operations` have ended (answers and acknowledgements) and every kind of fault has happened, at most
// `secondsMax`. Gives {operations, faults, counts, seconds}.
export async function campaign({
  t,
  file,
  operations,
  seed = 1,
  secondsMax = 3600,
  cluster = false,
  gateways = 2,
  writers = 4,
  readers = 24,
  writeEveryMs = 6,
  readEveryMs = 0,
  kinds,
  bin,
  env,
}) {
  const random = new Random(seed);
  const fork = () => new Random(random.between(0, 2 ** 31));
  const recorder = new Recorder(file);
  let world;
  try {
    world = await makeWorld({ t, recorder, random: fork(), cluster, gateways, bin, env });
    const faults = new Faults({ world, recorder, random: fork(), kinds });
    let answers = 0;
    const onDone = (line) => {
      if (line.st !== undefined) answers++;
    };
    const writing = Array.from(
      { length: writers },
      (_, index) => new Writer({ world, recorder, random: fork(), index, count: writers, everyMs: writeEveryMs }),
    );
    const reading = Array.from(
      { length: readers },
      (_, index) => new Reader({ world, recorder, random: fork(), index, onDone, everyMs: readEveryMs }),
    );
    const done = () => answers + writing.reduce((sum, { written }) => sum + written, 0);
    let failed = false;
    const going = () => {
      const inTime = recorder.now() < secondsMax * 1000;
      return !failed && inTime && (done() < operations || !faults.complete);
    };
    await together(
      [...writing, ...reading, faults].map((part) => part.run(going)),
      () => (failed = true),
    );
    // An incarnation that has just begun is whole with its first event: until then nothing is `live`.
    world.lull = false;
    await writing[0].run(() => !world.acked.some(({ c }) => c !== undefined));
    await settle({ world, recorder, reader: reading[0] });
    return { operations: done(), faults: faults.happened, counts: recorder.counts, seconds: recorder.now() / 1000 };
  } finally {
    recorder.close();
    // What the last process of each gateway logged, beside the history.
    world?.gateways.forEach((gateway, g) => writeFileSync(`${file}.gateway-${g}.log`, gateway.stderr));
  }
}

// Waits for all; when one fails the others are told, and its error is thrown.
async function together(parts, onFailure) {
  const results = await Promise.allSettled(
    parts.map((part) =>
      part.catch((error) => {
        onFailure();
        throw error;
      }),
    ),
  );
  const failure = results.find(({ status }) => status === 'rejected');
  if (failure) throw failure.reason;
}

// Healed, every gateway must answer `Max-Staleness: 0` for everything.
async function settle({ world, recorder, reader }) {
  await world.rest();
  await untilListening(world);
  await world.heal();
  await world.dump();
  for (let g = 0; g < world.gateways.length; g++) {
    for (const c of COLLECTIONS) {
      await reader.read(g, { c, d: { m: 0 }, w: 5 }, { final: true });
      for (let n = 0; n < ENTITIES_PER_COLLECTION; n++)
        await reader.read(g, { c, id: `e-${n}`, d: { m: 0 }, w: 5 }, { final: true });
    }
  }
  recorder.add({ t: 'settled', s: recorder.now() });
}
