// Waiting for a condition with a deadline, instead of sleeping and hoping.

import { setTimeout as pause } from 'node:timers/promises';

// Polls `condition` until it gives something truthy, which is returned. An error that it throws counts as "not yet"
// and is shown when the deadline passes; with `hard` it ends the wait.
export async function until(description, condition, { deadlineMs = 30_000, everyMs = 20, hard = false } = {}) {
  const deadline = performance.now() + deadlineMs;
  let last;
  for (;;) {
    try {
      const result = await condition();
      if (result) return result;
      last = undefined;
    } catch (error) {
      if (hard) throw error;
      last = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`not within ${deadlineMs} ms: ${description}${last ? `: ${last.message}` : ''}`, { cause: last });
    }
    await pause(everyMs);
  }
}

// Polls `condition` for the whole time and throws as soon as it gives something falsy: a promise that must hold.
export async function throughout(description, durationMs, condition, { everyMs = 50 } = {}) {
  const end = performance.now() + durationMs;
  while (performance.now() < end) {
    if (!(await condition())) throw new Error(`did not hold: ${description}`);
    await pause(everyMs);
  }
}

// Milliseconds that `action` took, and what it gave.
export async function timed(action) {
  const start = performance.now();
  const result = await action();
  return { ms: performance.now() - start, result };
}
