// Whether what was measured over a soak stayed flat: by the slope of its second half, so that what a start takes is
// not held against it; of the least in every few seconds, since what leaks never comes back; and by the median of all
// slopes (Theil and Sen), so that neither spikes nor noise decide.

const MIB = 1024 * 1024;
const WINDOW_S = 20;
const WINDOWS_MIN = 5; // a shorter soak is judged by every point
const POINTS_MAX = 600; // more would tell no more, and take their square in time

// The gateway checkpoints at 10,000 pages of 4 KiB and waits for readers from four times that on; a batch may come on
// top.
export const WAL_BYTES_MAX = 4 * 10_000 * 4096 + 32 * MIB;

// `growth` over the second half, at most, or `share` of the median where that is more; `max` at any time.
export const LIMITS = {
  residentBytes: { growth: 12 * MIB, share: 0.1 },
  descriptors: { growth: 8 },
  threads: { growth: 0.9 },
  databaseBytes: { growth: 12 * MIB, share: 0.1 },
  walBytes: { max: WAL_BYTES_MAX },
};

const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];

// Of points {at (seconds), value}: change per second.
function slope(points) {
  const step = Math.ceil(points.length / POINTS_MAX);
  const few = points.filter((_, i) => i % step === 0);
  const slopes = [];
  for (let i = 0; i < few.length; i++)
    for (let j = i + 1; j < few.length; j++) slopes.push((few[j].value - few[i].value) / (few[j].at - few[i].at));
  return slopes.length > 0 ? median(slopes) : 0;
}

// The least of each window.
function floors(points) {
  const windows = new Map();
  for (const point of points) {
    const window = Math.floor(point.at / WINDOW_S);
    if (!(windows.get(window)?.value <= point.value)) windows.set(window, point);
  }
  return windows.size >= WINDOWS_MIN ? [...windows.values()] : points;
}

// {ok, name, middle, growth (over the second half), allowed, most}
export function judgeSeries(name, points, limits = LIMITS[name]) {
  const half = points.slice(Math.floor(points.length / 2));
  const middle = median(half.map(({ value }) => value));
  const growth = slope(floors(half)) * (half.at(-1).at - half[0].at);
  const allowed = limits.growth === undefined ? Infinity : Math.max(limits.growth, (limits.share ?? 0) * middle);
  const most = Math.max(...points.map(({ value }) => value));
  return { ok: growth <= allowed && most <= (limits.max ?? Infinity), name, middle, growth, allowed, most };
}

// All of them, of samples {at, residentBytes, descriptors, ...}.
export function judgeSamples(samples) {
  return Object.keys(LIMITS).map((name) =>
    judgeSeries(
      name,
      samples.map((sample) => ({ at: sample.at, value: sample[name] })),
    ),
  );
}
