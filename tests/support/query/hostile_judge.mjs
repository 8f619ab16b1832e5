// Judges answers to hostile queries one by one: what the grammar does not have is refused, what it has is answered, and
// every answer has the form and a status of the contract.

import { verdict } from './judge.mjs';
import { parseQuery, Refused } from './parse.mjs';

const TEXT_BYTES_MAX = 700; // of a query that must be accepted: limits of its parts are other tests' matter
const ANSWERS = new Set([200, 400, 410, 413, 414, 431, 503]);
const BATCH_ANSWERS = new Set([200, 400, 413, 415, 422, 503]);
const UNMET = new Set([409, 504]); // of demands

// Is the text one of the grammar, and served: 'yes', 'no', or 'open' where limits or the contract leave it open.
export function wanted(declaration, text) {
  const demands = /cursor=|min_position=|wait=|max_staleness=/.test(text);
  const bare = /["\\]/.test(text); // what a target may not hold
  const twice = /(?:^|&)(id|version|sequence|occurred_at)=.*&\1=/s.test(text); // declared or not, they are fields
  if (demands || bare || twice || Buffer.byteLength(text) > TEXT_BYTES_MAX) return 'open';
  try {
    const said = verdict(declaration, parseQuery(declaration, text));
    return said === 'batch' ? 'open' : said;
  } catch (error) {
    if (error instanceof Refused) return 'no';
    throw error;
  }
}

// What is wrong with an answer, in words; null when nothing.
export function judgeAnswer(declaration, text, { status, text: body }) {
  const demands = /min_position=|max_staleness=/.test(text);
  if (!ANSWERS.has(status) && !(demands && UNMET.has(status))) return `status ${status}: ${body.slice(0, 200)}`;
  let read;
  try {
    read = JSON.parse(body);
  } catch {
    return `no JSON: ${body.slice(0, 200)}`;
  }
  const fits = status === 200 ? Array.isArray(read.items) : read.status === status && typeof read.detail === 'string';
  if (!fits) return `the form of ${body.slice(0, 200)}`;
  const said = wanted(declaration, text);
  if (said === 'yes' && ![200, 503].includes(status)) return `refused: ${body.slice(0, 300)}`;
  return said === 'no' && status === 200 ? 'accepted, although the contract does not have it' : null;
}

// Of a batch.
export function judgeBatch({ body: sent }, { status, text }) {
  const may = BATCH_ANSWERS.has(status) || (status === 504 && sent.includes('minVersion'));
  return may ? null : `status ${status} to ${sent.slice(0, 100)}: ${text.slice(0, 200)}`;
}
