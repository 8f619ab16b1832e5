// A compressed soak: the broker campaign at rates far above normal, a crowd of bad clients, and beside the gateway that
// is killed now and then one that runs through all of it, and is measured.

import { differences, snapshot } from '../support/db.mjs';
import { startGateway } from '../support/gateway.mjs';
import { until } from '../support/until.mjs';
import { Random } from '../support/workload.mjs';
import { Campaign } from './broker_campaign.mjs';
import { KINDS, plan } from './broker_faults.mjs';
import { Crowd } from './soak_crowd.mjs';
import { judgeSamples } from './soak_judge.mjs';
import { Measuring } from './soak_measure.mjs';

const WRITERS = 2;
const IN_FLIGHT = 50; // of a writer
const INCARNATIONS_KEPT = 3; // whose messages are remembered
const FAULTS_MAX = 100_000;
const REJECTED_KEPT = 1000;

// Runs for `seconds`; the last fault may take a few more. Gives {violations, verdicts, samples, campaign, crowd,
// compared}: how often the lasting gateway was equal to the stream.
export async function soak({ t, seconds, seed, rate = 2000, bin, onStep = () => {} }) {
  const random = new Random(seed);
  const everyMs = (WRITERS * IN_FLIGHT * 1000) / rate;
  const campaign = await Campaign.make({
    t,
    seed,
    plan: plan(random, FAULTS_MAX, KINDS),
    world: { ids: 300, writers: WRITERS, inFlight: IN_FLIGHT, everyMs, rejected: REJECTED_KEPT, bin },
    watch: { readers: 4, everyMs: 10, snapshotEveryMs: 2000 },
  });
  const { world } = campaign;
  const lasting = await startGateway({ t, nats: world.proxy.url, config: world.gatewayConfig(), bin });
  world.others.push(lasting);
  const crowd = new Crowd({ gateways: () => [world.gateway, lasting], random: new Random(seed + 1) });
  t.after(() => crowd.close());
  const measuring = new Measuring(lasting);
  const end = performance.now() + seconds * 1000;
  let compared = 0;
  while (performance.now() < end) {
    const told = await campaign.step();
    compared += await compareLasting(campaign, lasting, told);
    world.incarnations.slice(0, -INCARNATIONS_KEPT).forEach((incarnation) => incarnation.log.clear());
    onStep(`${told}${campaign.violations.length > 0 ? `; ${campaign.violations.length} VIOLATIONS` : ''}`);
  }
  // In an incarnation in which nothing was lost to anybody both must be equal.
  campaign.plan.unshift('stream deleted and created again');
  compared += await compareLasting(campaign, lasting, await campaign.step());
  await crowd.close();
  const samples = measuring.stop();
  await campaign.finish();
  const { violations } = campaign;
  return { violations, verdicts: judgeSamples(samples), samples, campaign, crowd: crowd.counts, compared };
}

// The one that is never killed has lost nothing but what was gone for all. After a rollback its epoch is its own.
async function compareLasting(campaign, lasting, told) {
  const { incarnation } = campaign.world;
  if (lasting.incarnation !== incarnation)
    Object.assign(lasting, { incarnation, before: lasting.shown, shown: undefined });
  const position = incarnation.resolvedTo;
  const { epoch } = await until(
    `the lasting gateway is live at ${position}`,
    async () => {
      const status = await lasting.status('STATE');
      const old = lasting.shown === undefined ? status.epoch === lasting.before : status.epoch !== lasting.shown;
      return status.status === 'live' && !old && status.position >= position && status;
    },
    { deadlineMs: 30_000 },
  );
  lasting.shown = epoch;
  if (incarnation.lost.size > 0) return 0;
  await campaign.world.resolve(); // what was published to end a step
  const shown = await snapshot(lasting.database);
  const fold = incarnation.foldTo(Number(shown.streams[0].position));
  for (const text of differences(shown, 'STATE', fold, { limit: 3 })) campaign.wrong(`${told} (the lasting one)`, text);
  return 1;
}
