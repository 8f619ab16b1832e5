// A copy of a stream as nats-server makes it for backups, and a stream made of such a copy.

const CHUNK_BYTES = 64 * 1024;
const REQUEST = { timeout: 10_000 };

async function api(nc, subject, request) {
  const answer = (await nc.request(`$JS.API.${subject}`, JSON.stringify(request), REQUEST)).json();
  if (answer.error) throw new Error(`${subject}: ${answer.error.description}`);
  return answer;
}

// {config, state, chunks}, to be given to restoreStream.
export async function snapshotStream(nc, name) {
  const inbox = `_INBOX.snapshot.${name}.${Date.now()}`;
  const chunks = [];
  const sub = nc.subscribe(inbox);
  const whole = (async () => {
    for await (const message of sub) {
      if (message.data.length === 0) return;
      chunks.push(message.data);
      message.respond();
    }
  })();
  const request = { deliver_subject: inbox, no_consumers: true, chunk_size: CHUNK_BYTES };
  const { config, state } = await api(nc, `STREAM.SNAPSHOT.${name}`, request);
  await whole;
  sub.unsubscribe();
  return { config, state, chunks };
}

// The stream must not exist.
export async function restoreStream(nc, name, { config, state, chunks }) {
  const { deliver_subject } = await api(nc, `STREAM.RESTORE.${name}`, { config, state });
  for (const chunk of chunks) await nc.request(deliver_subject, chunk, REQUEST);
  const answer = (await nc.request(deliver_subject, '', REQUEST)).json();
  if (answer.error) throw new Error(`restore of ${name}: ${answer.error.description}`);
}
