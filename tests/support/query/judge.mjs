// The judge of queries: asks each of a list, and says in words what is wrong with the answers.

import { decide, isOpen, withoutElements, wouldServe } from './access.mjs';
import { judgeIds, matching, sameList } from './expect.mjs';
import { judgeCount, Walker } from './walk.mjs';

const sizeOf = (node) => (node.kind === 'test' ? 1 : node.terms.reduce((sum, term) => sum + sizeOf(term), 0));
export const termsOf = (query) => query.filter.reduce((sum, node) => sum + sizeOf(node), 0);

// Should it be accepted: 'yes', 'no', 'open' (both is right), or 'batch' (it is no query at all).
export function verdict(declaration, query) {
  const [only] = query.filter;
  const isList = query.filter.length === 1 && only.kind === 'test' && only.field === 'id' && only.op === 'in';
  if (isList && !only.negated && query.order === undefined) return 'batch';
  const { accepted } = decide(declaration, query);
  if (accepted) return decide(declaration, withoutElements(declaration, query)).accepted ? 'yes' : 'open';
  return isOpen(declaration, query) ? 'open' : 'no';
}

// What is wrong with a refusal that is right: it names the indexes that there are, and one that would serve.
function judgeRefusal(declaration, query, answer) {
  if (answer.status !== 400) return [`refused by ${answer.status}: ${answer.text.slice(0, 300)}`];
  const { type = '', available, needed } = answer.json();
  if (!type.endsWith(':not-indexed')) return [`refused as ${answer.text.slice(0, 300)}`];
  const found = [];
  const listed = available ?? [];
  const missing = declaration.indexTexts.filter((text) => !listed.includes(text));
  if (missing.length > 0) found.push(`not available: ${missing}; but ${JSON.stringify(available)}`);
  if (!wouldServe(declaration, query, needed ?? '')) found.push(`${JSON.stringify(needed)} would not serve it`);
  return found;
}

export class Judge {
  // `replicas`: objects with get(path), which show these rows.
  // `whole`: share of the walks of which every item is compared digit by digit.
  constructor({ replicas, declaration, rows, random, whole = 0.1 }) {
    Object.assign(this, { declaration, rows, random, whole });
    this.byId = new Map(rows.map((row) => [row.id, row]));
    this.walker = new Walker({ replicas, declaration, random, pagesMax: 2 * rows.length + 100 });
    this.told = { queries: 0, walked: 0, rows: 0, refused: 0, open: 0, batches: 0, counts: 0 };
  }

  // What is wrong with the answers to one query.
  async ask(query) {
    const { declaration, told } = this;
    const wanted = verdict(declaration, query);
    told.queries++;
    if (wanted === 'batch') {
      told.batches++;
      return [];
    }
    const byId = (id) => this.byId.get(id);
    const walk = await this.walker.walk(query, { byId, whole: this.random.chance(this.whole) });
    const name = (fault) => `${query.text}: ${fault}`;
    if (walk.refused !== null) {
      told.refused++;
      if (wanted === 'yes') return [name(`refused: ${walk.refused.text.slice(0, 300)}`)];
      return judgeRefusal(declaration, query, walk.refused).map(name);
    }
    if (wanted === 'no') return [name('accepted, although no index serves it')];
    if (wanted === 'open') told.open++;
    told.walked++;
    told.rows += walk.ids.length;
    return [...walk.faults, ...this.judgeWalk(query, wanted, walk)].map(name);
  }

  judgeWalk(query, wanted, walk) {
    const [first] = walk.pages;
    const count = judgeCount(this.declaration, query, this.rows, first?.body ?? {});
    if (query.count) this.told.counts++;
    const anyOrder = wanted === 'open' && query.order === undefined;
    const ids = anyOrder ? this.judgeSet(query, walk.ids) : this.judgeOrder(query, walk.ids);
    return [ids, count].filter((fault) => fault !== null);
  }

  judgeOrder(query, ids) {
    return judgeIds(this.declaration, query, this.rows, ids);
  }

  // Where it is open by which index they come.
  judgeSet(query, ids) {
    const wanted = matching(this.declaration, query, this.rows).map(({ id }) => id);
    return sameList(wanted.sort(), [...ids].sort()) ? null : `${ids.length} rows instead of ${wanted.length}`;
  }

  get words() {
    const { queries, walked, rows, refused, open, counts } = this.told;
    const { pages, early } = this.walker;
    return (
      `${queries} queries: ${walked} walked over ${pages} pages (${early} ended early), ${rows} rows, ` +
      `${counts} counts; ` +
      `${refused} refused, ${open} accepted that need not be`
    );
  }
}
