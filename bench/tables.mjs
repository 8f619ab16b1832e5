// The tables of reads and growth, in Markdown, and what they say about the goals.

// 0.83 (0.80 - 0.85): the median of the rounds, and from where to where they went.
function range({ min, median, max }, digits = 2) {
  const number = (value) => value.toFixed(digits);
  return `${number(median)} (${number(min)} - ${number(max)})`;
}

const count = (value) => Math.round(value).toLocaleString('en');
const milliseconds = (us) => (us / 1000).toFixed(us < 10_000 ? 2 : 1);

function table(head, rows) {
  const line = (cells) => `| ${cells.join(' | ')} |`;
  return [line(head), `|${'---|'.repeat(head.length)}`, ...rows.map(line)].join('\n');
}

const megabytes = (value) => value.toFixed(value < 10 ? 1 : 0);

// ---- reads ----

const READS_HEAD = [
  'answer',
  'cache',
  'writer',
  'requests/s',
  'CPU us each',
  'per CPU second, bare = 1',
  'requests/s, bare = 1',
  'p50 ms',
  'p99 ms',
  'p99.9 ms',
  'memory MB',
];

function readsRow(row) {
  return [
    row.title,
    row.cache,
    row.writer ? 'yes' : '',
    count(row.perSecond.median),
    row.cpuUs.median.toFixed(1),
    row.name === 'bare' ? '1' : range(row.perCpuToBare),
    row.name === 'bare' ? '1' : row.rateToBare.median.toFixed(2),
    milliseconds(row.p50Us),
    milliseconds(row.p99Us),
    milliseconds(row.p999Us),
    megabytes(row.residentMb),
  ];
}

function readsIntroduction(report) {
  const { entities, connections, rounds, seconds, pinned, commitsPerSecond, commitCpuUs } = report;
  const where = pinned
    ? 'The server has one processor; load generator, nats-server and writer share the others.'
    : 'Server, load generator, nats-server and writer share the processors.';
  const alone = commitCpuUs ? `, which alone cost the gateway ${commitCpuUs.toFixed(0)} us each` : '';
  return [
    `${count(entities)} entities of 300 bytes, ${connections} kept connections, ${rounds} rounds of ${seconds} s in`,
    'turn, one loop. The bare answer is loaded before each of the others, and the ratio is theirs: median',
    `(least - most) of the rounds. ${where}`,
    `The writer made ${commitsPerSecond.median.toFixed(0)} commits a second${alone}. Each connection asks anew when it`,
    'has its answer, so latency is mostly waiting for the other connections.',
  ].join('\n');
}

export function readsTable(report) {
  const parts = [readsIntroduction(report), table(READS_HEAD, report.rows.map(readsRow)), goalsTable(report.goals)];
  if (report.peers.length > 0) parts.splice(2, 0, peersTable(report.peers));
  const rates = Object.entries(report.perSecondByConnections);
  if (rates.length > 0)
    parts.push(`Requests/s by connections: ${rates.map(([n, rate]) => `${n}: ${count(rate)}`).join(', ')}.`);
  return parts.join('\n\n');
}

function peersTable(peers) {
  const ratios = ['requests per CPU second', 'server CPU a read', 'requests/s'];
  const head = ['the gateway compared with', 'read', 'cache', 'writer', ...ratios];
  const row = (peer, { name, cache, perCpu, cpu, rate }) => [
    peer.title,
    name,
    cache,
    peer.writer ? 'yes' : '',
    ...[perCpu, cpu, rate].map((values) => `${range(values)} x`),
  ];
  const rows = peers.flatMap((peer) => peer.reads.map((read) => row(peer, read)));
  return table(head, rows);
}

// ---- goals ----

export function goalsTable(goals) {
  const row = ({ what, wanted, measured, reached }) => [what, wanted, measured, reached ? 'yes' : 'no'];
  return table(['goal', 'wanted', 'measured', 'reached'], goals.map(row));
}

// What is wanted of reads: {name, cache} of a row with the writer, at least so many of the bare answer's requests per
// processor second.
const READS_WANTED = [
  { name: 'hot', cache: 'default', least: 0.9, what: 'by id, all in the cache' },
  { name: 'skewed', cache: 'default', least: 0.8, what: 'by id, 90 % on hot ids' },
  { name: 'uniform', cache: 'default', least: 0.5, what: 'by id, uniform, default cache' },
  { name: 'uniform', cache: 'whole', least: 0.9, what: 'by id, uniform, all in the cache' },
];

const PEERS_WANTED = [
  { name: 'webdis', take: 'perCpu', least: 2, unit: 'requests per CPU second' },
  { name: 'etcd', take: 'perCpu', least: 10, unit: 'requests per CPU second' },
  { name: 'nginx', take: 'rate', least: 1, unit: 'requests/s' },
  { name: 'kv', take: 'cpu', most: 0.65, unit: 'server CPU a read' },
];

const MEMORY_MB_MAX = 150;

export function readsGoals({ rows, peers }) {
  const goals = [];
  for (const { name, cache, least, what } of READS_WANTED) {
    const row = rows.find((one) => one.name === name && one.cache === cache && one.writer);
    if (row) goals.push(atLeast(`${what}: requests per CPU second, bare = 1`, row.perCpuToBare, least));
  }
  for (const { name, take, least, most, unit } of PEERS_WANTED) {
    const peer = peers.find((one) => one.name === name);
    const read = peer?.reads.find((one) => one.name === 'uniform' && one.cache === 'whole');
    const what = `by id, all in the cache, compared with ${peer?.title}: ${unit}`;
    if (read) goals.push(most ? ratioAtMost(what, read[take], most) : atLeast(what, read[take], least));
  }
  const memory = Math.max(0, ...rows.filter(({ cache }) => cache === 'default').map(({ residentMb }) => residentMb));
  if (memory > 0) goals.push(atMost('memory under reads with the default cache', memory, MEMORY_MB_MAX, 'MB'));
  return goals;
}

export function atLeast(what, values, least) {
  return { what, wanted: `at least ${least}`, measured: range(values), reached: values.median >= least };
}

export function ratioAtMost(what, values, most) {
  return { what, wanted: `at most ${most}`, measured: range(values), reached: values.median <= most };
}

export function atMost(what, value, most, unit) {
  const measured = `${value.toFixed(value < 10 ? 2 : 0)} ${unit}`;
  return { what, wanted: `at most ${most} ${unit}`, measured, reached: value <= most };
}

// ---- two builds in lock step ----

export function compareTable({ rounds, seconds, entities, pinned, rows }) {
  const introduction = [
    `This build beside another one on the same stream, ${count(entities)} entities, ${rounds} rounds in turn, of`,
    `${seconds} s where they are loads. Costs: the median of the rounds. Ratio: median (least - most) of the rounds:`,
    'what this build does at the cost of the other, or, where at most so much is wanted, what it costs where the other',
    'costs 1.',
    pinned ? 'Where reads are loaded, the gateways share one processor, and the load has the others.' : '',
  ].join('\n');
  const head = ['part', 'what', 'unit', 'the other', 'this build', 'ratio', 'wanted', 'reached'];
  const digits = (value) => (value < 1 ? 3 : value < 100 ? 2 : 0);
  const cells = (row) => [
    row.part,
    row.what,
    row.unit,
    row.base.median.toFixed(digits(row.base.median)),
    row.now.median.toFixed(digits(row.now.median)),
    range(row.ratio),
    row.most === undefined ? `at least ${row.least}` : `at most ${row.most}`,
    row.reached ? 'yes' : 'no',
  ];
  const byThread = ({ what, threads }) =>
    `${what}, CPU us by thread. The other: ${threads.base}. This build: ${threads.now}.`;
  const threads = rows.filter((row) => row.threads).map(byThread);
  return [introduction.trim(), table(head, rows.map(cells)), ...threads].join('\n\n');
}

// ---- publish to visible ----

const VISIBLE_WANTED = [
  { name: 'worst', what: 'the worst', most: 10, take: ({ gateway }) => gateway.read.worst, unit: ' ms' },
  {
    name: 'p99',
    what: 'p99, a kvStore_Get = 1',
    most: 1.5,
    take: ({ gateway, bucket }) => gateway.read.p99 / bucket.read.p99,
    unit: '',
  },
  {
    name: 'p50',
    what: 'p50, a kvStore_Get = 1',
    most: 0.7,
    take: ({ gateway, bucket }) => gateway.read.p50 / bucket.read.p50,
    unit: '',
  },
];
const VISIBLE_RUNS = 0.6; // the share of the runs that must reach it: what else the machine does may spoil some

export function visibleGoals({ runs }) {
  return VISIBLE_WANTED.map(({ what, most, take, unit }) => {
    const values = runs.map(take);
    const met = values.filter((value) => value <= most).length;
    return {
      what: `read after the own write, with its position: ${what}`,
      wanted: `at most ${most}${unit} in ${Math.ceil(runs.length * VISIBLE_RUNS)} of ${runs.length} runs`,
      measured: `${values.map((value) => value.toFixed(2)).join(', ')}${unit}: ${met} of ${runs.length}`,
      reached: met >= Math.ceil(runs.length * VISIBLE_RUNS),
    };
  });
}

export function visibleTable({ runs, writes, rate, entities, pinned, goals }) {
  const introduction = [
    `${count(writes)} writes a run to random ones of ${count(entities)} entities, ${rate} a second to the gateway's`,
    'stream and as many to a bucket, in turn. Each is read as soon as it is acknowledged: from the gateway with',
    'Min-Position, and by kvStore_Get. Milliseconds from there to the whole answer; and those from the write on.',
    pinned
      ? 'The gateway and nats-server share one processor, and the client has the others.'
      : 'Gateway, nats-server and client share the processors.',
  ].join('\n');
  const head = ['run', 'read', 'p50', 'p99', 'worst', 'written and read: p50', 'p99', 'worst', 'stale'];
  const cells = ({ read, whole, stale }) => [
    ...[read.p50, read.p99, read.worst, whole.p50, whole.p99, whole.worst].map((ms) => ms.toFixed(2)),
    stale,
  ];
  const rows = runs.flatMap(({ gateway, bucket }, i) => [
    [i + 1, 'gateway, Min-Position', ...cells(gateway)],
    [i + 1, 'kvStore_Get', ...cells(bucket)],
  ]);
  return `${introduction}\n\n${table(head, rows)}\n\n${goalsTable(goals)}`;
}

// ---- growth ----

export function growthTable({ sizes, rounds, seconds, connections }) {
  const introduction = [
    'A gateway with the default cache and one loop, built from an existing stream and then read by id, uniformly, over',
    `${connections} kept connections; median (least - most) of ${rounds} rounds of ${seconds} s, in turn with the bare`,
    'answer. "of the least" compares each size with the smallest.',
  ].join('\n');
  const head = [
    'entities',
    'ingest, events/s',
    'CPU us an event',
    'CPU us a read',
    'of the least',
    'per CPU second, bare = 1',
  ];
  const more = [
    'memory MB after ingest',
    'and after reads',
    'file MB',
    'bytes an entity',
    'ready from the stream, s',
    'ready after a restart, s',
  ];
  const rows = sizes.map((one) => [
    count(one.entities),
    count(one.ingestPerSecond),
    one.ingestCpuUs.toFixed(2),
    range(one.readCpuUs),
    (one.readCpuUs.median / sizes[0].readCpuUs.median).toFixed(2),
    range(one.perCpuToBare),
    megabytes(one.residentMbIngested),
    megabytes(one.residentMbRead),
    megabytes(one.databaseMb),
    Math.round((one.databaseMb * 2 ** 20) / one.entities),
    one.readySeconds.toFixed(2),
    one.restartSeconds.toFixed(2),
  ]);
  return `${introduction}\n\n${table([...head, ...more], rows)}`;
}
