// A campaign of broker faults: one after another at random, and after each the gateway must have come back by itself,
// with rows, gaps, epoch and answers as the contract says.

import { differences, snapshot } from '../support/db.mjs';
import { until } from '../support/until.mjs';
import { Random } from '../support/workload.mjs';
import { happen, worn } from './broker_faults.mjs';
import { merged } from './broker_incarnation.mjs';
import { judge, Shown } from './broker_rules.mjs';
import { Watch } from './broker_watch.mjs';
import { makeWorld } from './broker_world.mjs';

const BACK_MS = 60_000; // to be live again, on the slowest machine; what it really took is told
const GAPS_MAX = 16; // that the gateway tells apart; beyond it, neighbours are merged
const GAP_MS = 4000; // several probes
const BUSY_MS = 8000; // then the writers rest: a machine that they keep busy is no fault of the gateway's
const QUIET_WAIT_S = 10; // for the newest, when all is well
// Is each of `gaps` within one of `list`, as many as there may be?
const covers = (list, gaps) =>
  list.length === GAPS_MAX &&
  gaps.every((gap) => list.some(({ first, last }) => first <= gap.first && gap.last <= last));
const DOWN = new Set(['disconnected', 'starting', 'rebuilding']);
const RECREATE = 'stream deleted and created again';

export class Campaign {
  // `plan`: the kinds of faults, in their order; `onStep` is told of each step before it is judged.
  static async make({ t, seed, plan, onStep, world = {}, watch = {} }) {
    const random = new Random(seed);
    const fork = () => new Random(random.between(0, 2 ** 31));
    const campaign = new Campaign();
    t.after(() => campaign.close()); // the first to run: nothing goes on against what is being stopped
    Object.assign(campaign, {
      random: fork(),
      plan: [...plan],
      onStep,
      faults: {},
      violations: [],
      backMs: [],
      kills: 0,
      gaps: 0,
      judged: {},
    });
    campaign.world = await makeWorld({ t, random: fork(), ...world });
    campaign.watch = new Watch({ world: campaign.world, random: fork(), ...watch });
    campaign.shown = new Shown();
    await campaign.world.publishSome(100);
    await campaign.settle('start', { newIncarnation: true });
    return campaign;
  }

  // The next fault; false when there is none any more, else what it was like.
  async step() {
    if (this.plan.length === 0) return false;
    const { world, random } = this;
    const kind = worn(world) ? RECREATE : this.plan.shift();
    const began = performance.now();
    let said;
    let lastedMs;
    try {
      said = await happen(kind, { world, random });
      lastedMs = performance.now() - began;
      await this.settle(kind, said);
    } catch (error) {
      error.message = `${kind}: ${error.message}`;
      throw error;
    }
    this.faults[kind] = (this.faults[kind] ?? 0) + 1;
    this.kills += said.kills;
    return `${kind}: ${lastedMs.toFixed(0)} ms, back after ${this.backMs.at(-1).toFixed(0)} ms`;
  }

  wrong(kind, text) {
    this.violations.push(`${kind}: ${text}`);
  }

  // Everything is put right, but for what the gateway must do itself; then all is compared and judged.
  async settle(kind, said) {
    const { world } = this;
    if (said.down && !DOWN.has(said.down)) this.wrong(kind, `${said.down} although the broker had been away for long`);
    await world.heal();
    const healed = performance.now();
    if (said.newIncarnation) world.incarnation.epoch = null;
    if (!said.still) world.work();
    const calm = setTimeout(() => (world.paused = true), BUSY_MS);
    const status = await this.untilLive(said, healed).finally(() => clearTimeout(calm));
    this.backMs.push(performance.now() - healed);
    await world.rest();
    const { last_seq: last } = await world.resolve();
    await world.gateway.untilPosition(last, { deadlineMs: BACK_MS });
    this.bind(kind, status);
    await this.compareGaps(kind, said);
    await this.readAll(kind);
    const shown = await snapshot(world.gateway.database);
    const step = this.watch.take();
    this.onStep?.({ kind, step, incarnations: world.incarnations, shown: this.shown, final: shown });
    for (const text of judge(step, world.incarnations, this.shown, this.judged)) this.wrong(kind, text);
    const found = differences(shown, 'STATE', world.incarnation.foldTo(last), { limit: 5 });
    for (const text of found) this.wrong(kind, text);
    if (said.large) await world.publish(said.large.map(tombstone));
  }

  // Live by a proof that was asked for since, and in this incarnation: with the epoch that it had, or with one that was
  // never seen.
  untilLive({ newIncarnation }, healed) {
    const { world } = this;
    const old = new Set(world.incarnations.map(({ epoch }) => epoch));
    return until(
      'the gateway is live again',
      async () => {
        const status = await world.gateway.status('STATE');
        const proved = performance.now() - status.staleness * 1000 > healed;
        if (status.status !== 'live' || !proved || (newIncarnation && old.has(status.epoch)))
          throw new Error(JSON.stringify(status));
        return status;
      },
      { deadlineMs: BACK_MS },
    );
  }

  bind(kind, { epoch, build }) {
    const { incarnation, incarnations } = this.world;
    const before = incarnations.at(-2);
    if (incarnation.epoch === null) {
      Object.assign(incarnation, { epoch, build });
      if (before && build <= before.build) this.wrong(kind, `build ${build} after ${before.build}`);
    } else if (incarnation.epoch !== epoch || incarnation.build !== build)
      this.wrong(kind, `epoch ${epoch}, build ${build}, and it was ${incarnation.epoch}, ${incarnation.build}`);
  }

  // What is told as lost is what was lost; where only the gateway can know, it must lie within what may be.
  async compareGaps(kind, { gap, anyGap }) {
    const { world } = this;
    const { incarnation } = world;
    const told = (list) => list.map(({ first, last }) => `${first}-${last}`).join(' ');
    if (gap) incarnation.gaps = merged([...incarnation.gaps, ...[gap].flat()]);
    if (anyGap) {
      const [found] = await this.toldGap(incarnation);
      if (found && (found.first < anyGap.first || found.last !== anyGap.last))
        this.wrong(kind, `gap ${told([found])}, expected within ${told([anyGap])}`);
      if (found) incarnation.lose(anyGap, found);
    }
    // A gap is found by the probe that follows.
    const gaps = await until('the gaps', async () => {
      const { gaps: list } = await world.gateway.status();
      if (incarnation.gaps.length > GAPS_MAX && covers(list, incarnation.gaps)) incarnation.gaps = list;
      if (told(list) !== told(incarnation.gaps)) throw new Error(`${told(list)}, expected ${told(incarnation.gaps)}`);
      return list;
    }).catch((error) => this.wrong(kind, error.message));
    if (gap || anyGap) this.gaps += gaps ? 1 : 0;
  }

  // What the gateway has told since; nothing if all came through after all: then every row must be there.
  toldGap(incarnation) {
    return until('a gap is told', async () => added(incarnation.gaps, (await this.world.gateway.status()).gaps), {
      deadlineMs: GAP_MS,
    }).catch(() => []);
  }

  // Quiet and live, each read that wants the newest is answered with it; judged with the others.
  async readAll(kind) {
    for (let i = 0; i < 5; i++) {
      const answer = await this.watch.one(undefined, 0, QUIET_WAIT_S);
      if (answer.status >= 500) this.wrong(kind, `Max-Staleness: 0 was refused, ${answer.status}, when all was well`);
    }
  }

  // Ends in order; what leaks, a sanitizer tells now.
  async finish() {
    await this.watch.close();
    const { code, signal } = await this.world.gateway.stop();
    if (code !== 0) this.wrong('end', `exit ${code} ${signal ?? ''}: ${this.world.gateway.stderr.slice(-2000)}`);
    await this.world.close();
  }

  async close() {
    await this.watch?.close();
    await this.world?.close();
  }
}

// What several campaigns came to, in a sentence, and how often each fault happened.
export function summary(campaigns) {
  const sum = (of) => campaigns.reduce((total, campaign) => total + of(campaign), 0);
  const faults = {};
  for (const campaign of campaigns)
    for (const [kind, count] of Object.entries(campaign.faults)) faults[kind] = (faults[kind] ?? 0) + count;
  const back = campaigns.flatMap(({ backMs }) => backMs).sort((a, b) => a - b);
  const seconds = (share) => ((back[Math.floor((back.length - 1) * share)] ?? 0) / 1000).toFixed(1);
  const happened = Object.values(faults).reduce((total, count) => total + count, 0);
  const counts = (name) => sum(({ watch }) => watch.counts[name]);
  const line =
    `${happened} faults of ${Object.keys(faults).length} kinds, ` +
    `${sum(({ kills }) => kills)} kills of the gateway in between, ` +
    `${sum(({ world }) => world.incarnations.length)} incarnations, ` +
    `${sum(({ gaps }) => gaps)} gaps; live again after ${seconds(0.5)} s (median), ${seconds(1)} s (longest); ` +
    `${counts('answers')} answers (${counts('claims')} with a staleness, ${counts('fresh')} as fresh as can be, ` +
    `${counts('refused')} refused), ${sum(({ judged }) => judged.row ?? 0)} compared with the stream, ` +
    `${counts('snapshots')} copies of all rows in mid-run; ${sum(({ violations }) => violations.length)} violations`;
  return { line, faults };
}

const tombstone = (id) => ({
  subject: `state.customers.${id}`,
  payload: Buffer.from(`{"version":${Date.now() + 1},"deleted":true}`),
});

// The gaps of `now` that `before` does not have.
function added(before, now) {
  const known = new Set(before.map(({ first, last }) => `${first}-${last}`));
  const list = now.filter(({ first, last }) => !known.has(`${first}-${last}`));
  return list.length > 0 && list;
}
