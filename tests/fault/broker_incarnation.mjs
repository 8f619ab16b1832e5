// One incarnation of the stream, as the campaign itself has seen it: what was stored and acknowledged, what was
// removed, and the fold of what the gateway must hold of it.

import { Fold } from '../support/fold.mjs';

export const STATE = { name: 'STATE', subject: 'state.{collection}.{id}' };

// Ascending, neighbours joined.
export function merged(gaps) {
  const list = [];
  for (const gap of [...gaps].sort((a, b) => a.first - b.first)) {
    const last = list.at(-1);
    if (last && gap.first <= last.last + 1) last.last = Math.max(last.last, gap.last);
    else list.push({ ...gap });
  }
  return list;
}

export class Incarnation {
  // `log`: sequence -> message, what a restored copy brings along. `rejectedMax`: how many the gateway keeps.
  constructor(number, { log, rejectedMax }) {
    this.number = number;
    this.rejectedMax = rejectedMax;
    this.epoch = null; // bound when the gateway has settled in this incarnation
    this.build = 0;
    this.log = log; // sequence -> {seq, subject, payload}: all that was ever stored
    this.removed = new Set(); // sequences that the stream does not hold any more, or never showed
    this.gaps = []; // {first, last}: what the gateway must tell as lost
    this.lost = new Set(); // those that were gone before the gateway could apply them
    this.resolvedTo = 0; // up to there, each sequence is in the log or removed
    this.acks = []; // {at, top}: when an acknowledgement came, and the largest sequence by then
    this.fold = new Fold(STATE);
  }

  // The same stream, folded from its beginning again.
  fresh() {
    return Object.assign(Object.create(Incarnation.prototype), this, { fold: new Fold(STATE) });
  }

  store(message) {
    this.log.set(message.seq, message);
  }

  acknowledged(message, at) {
    this.store(message);
    this.acks.push({ at, top: Math.max(message.seq, this.acks.at(-1)?.top ?? 0) });
  }

  // What the stream holds now.
  present() {
    return new Map([...this.log].filter(([seq]) => !this.removed.has(seq)));
  }

  // Says of each sequence in [first, last] that it is gone (all, or those that `which` picks); and lost, unless it had
  // been applied by then.
  remove(first, last, applied, which = () => true) {
    for (let seq = first; seq <= last; seq++) {
      if (this.removed.has(seq) || !which(this.log.get(seq), seq)) continue;
      this.removed.add(seq);
      if (seq > applied) this.lost.add(seq);
    }
  }

  // Of what may be lost, in `range`, the gateway has told a part.
  lose(range, told) {
    for (let seq = range.first; seq <= told.last; seq++) {
      if (seq < told.first) this.lost.delete(seq);
      else this.lost.add(seq);
    }
    this.gaps = merged([...this.gaps, told]);
  }

  // Brings the fold to a position; it goes forward only.
  foldTo(position) {
    for (let seq = this.fold.position + 1; seq <= position; seq++) {
      const message = this.log.get(seq);
      if (message !== undefined && !this.lost.has(seq)) this.fold.apply(message);
    }
    this.fold.position = Math.max(this.fold.position, position);
    this.fold.rejected.splice(0, this.fold.rejected.length - this.rejectedMax);
    return this.fold;
  }

  // The largest sequence that was acknowledged before `instant`; 0 = none.
  floor(instant) {
    let low = 0;
    let high = this.acks.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.acks[middle].at < instant) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? 0 : this.acks[low - 1].top;
  }
}
