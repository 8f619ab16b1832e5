// Turns the JSON files of Debian's package iso-codes into state events, one JSON object a line, for stategate-feed.
//
// usage: node scripts/demo-events.mjs reference|changes [FOLDER]
//   reference   version 1 of every country, subdivision, language and currency, and of one made-up country
//   changes     version 2 of every country, with the number of its subdivisions; the end of the made-up country; and
//               one event that cannot be applied
//
// Running it twice gives the same events with the same messageIds, so that publishing them twice is harmless.

import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

const SOURCES = {
  countries: { file: 'iso_3166-1.json', list: '3166-1', id: 'alpha_2' },
  subdivisions: { file: 'iso_3166-2.json', list: '3166-2', id: 'code' },
  languages: { file: 'iso_639-3.json', list: '639-3', id: 'alpha_3' },
  currencies: { file: 'iso_4217.json', list: '4217', id: 'alpha_3' },
};

const [kind, folder = '/usr/share/iso-codes/json'] = process.argv.slice(2);

function read(collection) {
  const { file, list, id } = SOURCES[collection];
  const path = join(folder, file);
  const occurredAt = statSync(path).mtime.toISOString();
  const records = JSON.parse(readFileSync(path, 'utf8'))[list];
  return records.map((state) => ({ collection, id: state[id], occurredAt, state }));
}

function event({ collection, id, version, occurredAt, type = `${collection}.published`, ...rest }) {
  const messageId = `${collection}/${id}/${version}`;
  return { collection, aggregateId: id, version, type, occurredAt, messageId, ...rest };
}

function reference() {
  const records = Object.keys(SOURCES).flatMap(read);
  const { occurredAt } = records[0];
  const state = { name: 'Atlantis', note: 'made up for the demonstration' };
  records.push({ collection: 'countries', id: 'demo-atlantis', occurredAt, state });
  return records.map((record) => event({ ...record, version: 1 }));
}

function changes() {
  const counts = new Map();
  for (const { state } of read('subdivisions')) {
    const country = state.code.split('-')[0];
    counts.set(country, (counts.get(country) ?? 0) + 1);
  }
  const countries = read('countries');
  const updates = countries.map((record) => {
    const state = { ...record.state, subdivisions: counts.get(record.id) ?? 0 };
    return event({ ...record, version: 2, type: 'countries.counted', state });
  });
  const { collection, occurredAt } = countries[0];
  const withdrawn = { id: 'demo-atlantis', version: 2, type: 'countries.withdrawn', deleted: true };
  const gone = event({ collection, occurredAt, ...withdrawn });
  const broken = event({ collection, id: 'demo-broken', version: 'one', occurredAt, state: {} });
  return [...updates, gone, broken];
}

const kinds = { reference, changes };
if (!Object.hasOwn(kinds, kind)) {
  console.error('usage: node scripts/demo-events.mjs reference|changes [FOLDER]');
  process.exit(2);
}
process.stdout.write(kinds[kind]().map((line) => `${JSON.stringify(line)}\n`).join(''));
