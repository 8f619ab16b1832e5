// The streams of the kept database.

export const STREAMS = [
  { name: 'STATE', subject: 'state.{collection}.{id}', collections: ['customers', 'orders', 'addresses'] },
  { name: 'KV_settings', subject: '$KV.settings.{id}', format: 'kv', collection: 'settings' },
  { name: 'GROW', subject: 'grow.{id}', collection: 'grown' },
];
