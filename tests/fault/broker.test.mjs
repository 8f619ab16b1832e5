// A broker that is stopped, killed, restarted, rolled back, purged, trimmed, cut off, and that forgets who the gateway
// is: after each the gateway comes back by itself, its rows are those of the stream, and no answer in between claims
// too much.
// ctest-timeout: 600

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';

import { credsAuthenticator } from '@nats-io/transport-node';

import { operatorWorld } from '../support/credentials.mjs';
import { startNats } from '../support/nats.mjs';
import { tempFolder } from '../support/process.mjs';
import { events, scene } from '../support/scene.mjs';
import { throughout, until } from '../support/until.mjs';
import { Random } from '../support/workload.mjs';
import { Campaign, summary } from './broker_campaign.mjs';
import { KINDS, plan } from './broker_faults.mjs';
import { judge } from './broker_rules.mjs';

const COUNT = Number(process.env.COUNT ?? 48);
const SEED = Number(process.env.SEED ?? Date.now() % 1_000_000);
// Most of a fault is waiting, so several worlds go on at once, each with a server and a gateway of its own.
const WORLDS = Number(process.env.WORLDS ?? Math.min(3, COUNT));
const EXPIRIES = Math.max(2, Math.min(50, Math.floor(COUNT / 24)));
const LIFETIME_S = 4; // of credentials
const ONLY = process.env.FAULTS?.split(','); // parts of their names

// What was really recorded in a step, and can be judged again and again.
class Recorded {
  constructor({ step, incarnations, shown, final }) {
    this.text = JSON.stringify(step);
    Object.assign(this, { incarnations, final, shown: shown.copy() });
  }

  get incarnation() {
    return this.incarnations.at(-1);
  }

  // On a busy machine a step may end before its first copy was made.
  get hasCopies() {
    return JSON.parse(this.text).snapshots.some((snapshot) => isOfLast(snapshot, this));
  }

  // The rules' names that are broken once `change` has been made to the answers and copies.
  broken(change) {
    const step = JSON.parse(this.text);
    change(step, this);
    const wrong = judge(
      step,
      this.incarnations.map((incarnation) => incarnation.fresh()),
      this.shown.copy(),
    );
    return new Set(wrong.map((text) => text.split(':')[0]));
  }
}

const good = ({ status }) => status === 200;
const ofLast = ({ answers }, { incarnation }) => answers.filter((r) => good(r) && r.epoch === incarnation.epoch);
const isOfLast = ({ shown }, { incarnation }) =>
  shown.streams[0].epoch === incarnation.epoch && shown.entities.length > 0;
const copyOfLast = ({ snapshots }, recorded, find = 'findLast') =>
  snapshots[find]((snapshot) => isOfLast(snapshot, recorded)).shown;

// One lie each, and the rule that must name it.
const LIES = {
  'a refusal of what demands nothing': [
    'status',
    (s, r) => (ofLast(s, r).find((a) => !a.fresh && !a.carried).status = 503),
  ],
  'a failure of the server': ['status', (s, r) => (ofLast(s, r)[0].status = 500)],
  'an epoch of no incarnation': ['epoch', (s, r) => (ofLast(s, r)[0].epoch = 'zzzzzz')],
  'a position that falls': ['neverBack', (s, r) => (ofLast(s, r).at(-1).position -= 1)],
  'a staleness that is too small': [
    'staleness',
    (s, r) => {
      const answer = ofLast(s, r).findLast((a) => !a.fresh && !a.carried);
      // Acknowledged so long before that no rounding of the staleness explains it.
      answer.position = r.incarnation.floor(answer.sent - 100) - 1;
      answer.staleness = 0;
    },
  ],
  'rows of an incarnation that is over, as if they were fresh': [
    'staleness',
    (s, r) => Object.assign(ofLast(s, r).at(-1), { epoch: r.incarnations.at(-2).epoch, position: 1e6, staleness: 0 }),
  ],
  'live, and long ago': ['live', (s, r) => Object.assign(ofLast(s, r)[0], { word: 'live', staleness: 5.5 })],
  'live, and unknown how fresh': ['live', (s, r) => delete Object.assign(ofLast(s, r)[0], { word: 'live' }).staleness],
  'Max-Staleness: 0 answered with less': [
    'fresh',
    (s, r) => {
      const answer = ofLast(s, r).findLast(({ fresh }) => fresh);
      answer.position = r.incarnation.floor(answer.sent) - 1;
    },
  ],
  'Max-Staleness: 0 answered although it is older': [
    'fresh',
    (s, r) => (ofLast(s, r).find(({ fresh }) => fresh).staleness = 60),
  ],
  'a position that was demanded and is not there': [
    'carried',
    (s, r) => (ofLast(s, r).find(({ carried }) => carried).carried.position += 1e6),
  ],
  'another state': ['row', (s, r) => (ofLast(s, r)[0].body += ' ')],
  'another version': ['row', (s, r) => (ofLast(s, r)[0].version += '1')],
  'an entity that is not found': ['row', (s, r) => (ofLast(s, r)[0].status = 404)],
  'a row that is missing': ['rows', (s, r) => copyOfLast(s, r).entities.pop()],
  'a row of an older version': ['rows', (s, r) => (copyOfLast(s, r).entities[0].version = '0')],
  'a row of a later event': ['rows', (s, r) => (copyOfLast(s, r).entities[0].sequence += '1')],
  'a rejected event that is missing': ['rows', (s, r) => copyOfLast(s, r).rejected.pop()],
  'a count that is wrong': ['rows', (s, r) => copyOfLast(s, r).collections[0].entities++],
  'a position without its rows': [
    'rows',
    (s, r) => (copyOfLast(s, r, 'find').streams[0].position = `${r.incarnation.resolvedTo}`),
  ],
  'rows without their position': [
    'rows',
    (s, r) => {
      const copy = copyOfLast(s, r);
      copy.streams[0].position = `${Math.max(...copy.entities.map(({ sequence }) => Number(sequence))) - 1}`;
    },
  ],
};

describe(`${COUNT} broker faults in ${WORLDS} worlds (SEED=${SEED})`, { concurrency: true }, () => {
  const kinds = KINDS.filter((kind) => !ONLY || ONLY.some((part) => kind.includes(part)));
  const all = plan(new Random(SEED), COUNT, kinds);
  const campaigns = [];
  after(() => {
    const { line, faults } = summary(campaigns);
    console.log(`broker: ${JSON.stringify(faults)}`);
    const broken = WORLDS - campaigns.filter(({ plan: left }) => left.length === 0).length;
    console.log(`broker: SEED=${SEED} COUNT=${COUNT}: ${line}${broken > 0 ? `; ${broken} worlds broke off` : ''}`);
  });

  for (let w = 0; w < WORLDS; w++) {
    it(`world ${w}`, async (t) => {
      const campaign = await Campaign.make({
        t,
        seed: SEED * 31 + w,
        plan: all.filter((_, i) => i % WORLDS === w),
      });
      campaigns.push(campaign);
      for (let told; (told = await campaign.step());) {
        if (process.env.VERBOSE) t.diagnostic(told);
        assert.deepEqual(campaign.violations, [], `SEED=${SEED}, world ${w}: ${told}`);
      }
      await campaign.finish();
      assert.deepEqual(campaign.violations, [], `SEED=${SEED}, world ${w}, at its end`);
      t.diagnostic(`answers by status: ${JSON.stringify(campaign.watch.words)}`);
    });
  }

  it(`credentials that expire ${EXPIRIES} times`, async (t) => {
    const { config, credentials, issue } = operatorWorld();
    const nats = await startNats({ t, config });
    const file = join(tempFolder(t, 'secret'), 'user.creds');
    let expireAt;
    const renew = (seconds = LIFETIME_S) => {
      expireAt = Date.now() + seconds * 1000;
      writeFileSync(file, issue(seconds), { mode: 0o600 });
    };
    renew();
    const client = await nats.client({ authenticator: credsAuthenticator(new TextEncoder().encode(credentials)) });
    const settings = { nats: { url: nats.url, credentials_file: file } };
    const s = await scene(t, {
      nats: Object.assign(nats, { client: () => client }),
      gateway: { nats: null, config: settings },
    });
    // On a busy machine they may expire before it has followed with them: then there are others.
    const untilFollowing = async () => {
      await until(
        'it follows',
        async () => {
          const { status, position } = await s.gateway.status();
          if (status === 'live' && position >= s.fold.position) return true;
          if (Date.now() > expireAt) renew();
          return false;
        },
        { deadlineMs: 20_000 },
      );
      await s.untilEqual({ deadlineMs: 20_000 });
    };
    for (let i = 0, from = 1; i < EXPIRIES; i++, from += 200) {
      await s.publish(events(100, { from }));
      await untilFollowing();
      const last = await until(
        'they have expired',
        async () => {
          const status = await s.gateway.status();
          return status.status === 'disconnected' && Date.now() > expireAt && status;
        },
        { deadlineMs: 20_000 },
      );
      await s.publish(events(100, { from: from + 100 }));
      const acknowledged = performance.now();
      await throughout('no claim reaches beyond the expiry, and reads go on', 1000, async () => {
        const sent = performance.now();
        const { status, headers } = await s.gateway.get('/v1/state/customers/c-1');
        return status === 200 && Number(headers['state-staleness']) * 1000 >= sent - acknowledged;
      });
      assert.equal((await s.gateway.status()).position, last.position);
      assert.match((await s.gateway.status()).lastError, /auth|expired/i);
      renew(i === EXPIRIES - 1 ? 3600 : LIFETIME_S);
      await untilFollowing();
    }
    t.diagnostic(`broker: credentials expired ${EXPIRIES} times, and each time it followed again with new ones`);
  });

  it('a judge that names every lie in what was really recorded, and nothing else', async (t) => {
    let recorded;
    const campaign = await Campaign.make({
      t,
      seed: SEED,
      plan: ['stream deleted and created again', 'gateway killed (SIGKILL)', ...Array(5).fill('slow link')],
      watch: { snapshotEveryMs: 150, everyMs: 10 },
      onStep: (step) => (recorded = new Recorded(step)),
    });
    while (await campaign.step()) if (campaign.plan.length < 5 && recorded.hasCopies) break;
    assert.deepEqual(campaign.violations, []);
    assert.deepEqual([...recorded.broken(() => {})], []);
    for (const [lie, [rule, tell]] of Object.entries(LIES)) {
      const broken = recorded.broken(tell);
      assert.ok(broken.has(rule), `${lie} was not noticed: ${[...broken]}`);
    }
    await campaign.compareGaps('planted', { gap: { first: 1, last: 2 } });
    assert.equal(campaign.violations.length, 1, 'a gap that is not told');
    campaign.bind('planted', { epoch: 'zzzzzz', build: 1 });
    assert.equal(campaign.violations.length, 2, 'another epoch of the same incarnation');
    await campaign.close();
    t.diagnostic(`broker judge: ${Object.keys(LIES).length + 2} lies, each named`);
  });
});
