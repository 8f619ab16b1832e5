// Rows that change while they are walked: what each entity was at each sequence, and whether a page is one snapshot.

import { matching, ordersOf, sameList } from './expect.mjs';
import { linksOf } from './walk.mjs';

export class Moving {
  constructor(declaration, rows) {
    this.declaration = declaration;
    this.versions = new Map(rows.map((row) => [row.id, [{ sequence: Number(row.sequence), row }]]));
    this.touched = new Set();
  }

  // An event of the stream was stored: `row` is null where it deleted the entity.
  add(id, sequence, row) {
    if (!this.versions.has(id)) this.versions.set(id, []);
    this.versions.get(id).push({ sequence, row });
    this.touched.add(id);
  }

  // The row of an id at a sequence; undefined where there is none.
  at(id, sequence) {
    return this.versions.get(id)?.findLast((one) => one.sequence <= sequence)?.row ?? undefined;
  }

  rowsAt(sequence) {
    return [...this.versions.keys()].map((id) => this.at(id, sequence)).filter((row) => row !== undefined);
  }
}

const positionOf = ({ answer }) => Number(/:(\d+)/.exec(answer.headers['state-position'])[1]);

// What is wrong with the pages of one walk: each must be a part of the whole list as it was at the position that the
// page shows, from where the page before ended. A page looks on to the next row that passes, so that its cursor may lie
// behind rows that do not: one of them is passed over if it has changed since.
export function judgeMoving(moving, query, pages) {
  const { declaration } = moving;
  const found = [];
  let before = null; // the row that the last page with any ended with, if one had any, and the sequence of that page
  for (const [i, page] of pages.entries()) {
    const sequence = positionOf(page);
    const list = matching(declaration, query, moving.rowsAt(sequence));
    const faults = ordersOf(declaration, query).map((compare) => {
      return judgeOne(moving, { page, sequence, before, list: [...list].sort(compare), compare });
    });
    const [fault] = faults.includes(null) ? [null] : faults;
    if (fault !== null) found.push(`page ${i + 1} at ${sequence}: ${fault}`);
    const last = page.ids.at(-1);
    if (last !== undefined || before === null) before = { row: moving.at(last, sequence), sequence };
  }
  return [...found, ...judgeUntouched(moving, query, pages), ...judgeSince(pages)];
}

function judgeOne(moving, { page, sequence, before, list, compare }) {
  for (const { id, version } of page.body.items) {
    const row = moving.at(id, sequence);
    if (row === undefined) return `${JSON.stringify(id)} was not there`;
    if (Number(row.version) !== version) return `${JSON.stringify(id)} had version ${row.version}, not ${version}`;
  }
  const onward = before?.row === undefined ? 0 : list.findIndex((row) => compare(row, before.row) > 0);
  const least = onward === -1 ? list.length : onward;
  const ended = page.body.next === undefined;
  const none = ended ? list.length : least; // the last page has looked at all
  const first = page.ids.length === 0 ? none : list.findIndex(({ id }) => id === page.ids[0]);
  const passed = list.slice(least, first).find((row) => before === null || moving.at(row.id, before.sequence) === row);
  if (first < least || passed) return `begins at ${first} of ${list.length}, not at ${least}`;
  const part = list.slice(first, first + page.ids.length).map(({ id }) => id);
  if (!sameList(part, page.ids)) return `${JSON.stringify(page.ids.slice(0, 3))}... is no part of the list`;
  if (ended && first + page.ids.length !== list.length) return `ends at ${first + page.ids.length} of ${list.length}`;
  return null;
}

// Nobody wrote these rows: each that passes comes once.
function judgeUntouched(moving, query, pages) {
  const still = moving.rowsAt(Infinity).filter(({ id }) => !moving.touched.has(id));
  const wanted = matching(moving.declaration, query, still).map(({ id }) => id);
  const came = pages.flatMap(({ ids }) => ids).filter((id) => !moving.touched.has(id));
  if (sameList([...wanted].sort(), [...came].sort())) return [];
  return [`${came.length} of ${wanted.length} untouched rows came`];
}

// The repair link leads on from the first page.
function judgeSince(pages) {
  const link = linksOf(pages.at(-1).answer.headers).changes;
  if (link === undefined) return []; // whether it may be missing is said of the page
  const since = /[?&]since=([^&]*)/.exec(link)?.[1] ?? '';
  const sequence = Number(/:(\d+)/.exec(decodeURIComponent(since))?.[1]);
  const first = positionOf(pages[0]);
  return sequence === first ? [] : [`rel="changes" leads on from ${since || 'nowhere'}, not from ${first}`];
}
