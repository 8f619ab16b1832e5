// Credentials for a nats-server: TLS certificates (by openssl), and operator, account and user tokens (JWT).

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { createAccount, createOperator, createUser } from '@nats-io/nkeys';

import { run } from './process.mjs';

const text = (bytes) => new TextDecoder().decode(bytes);
const base64url = (value) => Buffer.from(value).toString('base64url');

// A token as NATS signs it: "alg" is its own name for Ed25519 with nkeys.
function token(issuer, claims) {
  const header = base64url(JSON.stringify({ typ: 'JWT', alg: 'ed25519-nkey' }));
  const now = Math.floor(Date.now() / 1000);
  const body = base64url(JSON.stringify({ jti: `test-${now}`, iat: now - 1, iss: issuer.getPublicKey(), ...claims }));
  return `${header}.${body}.${base64url(issuer.sign(Buffer.from(`${header}.${body}`)))}`;
}

const UNLIMITED = { subs: -1, data: -1, payload: -1 };

function accountToken(operator, account, name, storage) {
  const limits = { ...UNLIMITED, imports: -1, exports: -1, wildcards: true, conn: -1, leaf: -1, ...storage };
  const nats = { limits, default_permissions: { pub: {}, sub: {} }, type: 'account', version: 2 };
  return token(operator, { name, sub: account.getPublicKey(), nats });
}

// A world with an operator: {config: the server's part, credentials: the text of a user's .creds file, issue(seconds):
// that of another user, whose token expires then}.
export function operatorWorld() {
  const [operator, system, account, user] = [createOperator(), createAccount(), createAccount(), createUser()];
  const operatorToken = token(operator, {
    name: 'operator',
    sub: operator.getPublicKey(),
    nats: { type: 'operator', version: 2, system_account: system.getPublicKey() },
  });
  const storage = { mem_storage: -1, disk_storage: -1, streams: -1, consumer: -1 };
  const config = `
operator: ${operatorToken}
system_account: ${system.getPublicKey()}
resolver: MEMORY
resolver_preload: {
  ${system.getPublicKey()}: ${accountToken(operator, system, 'SYS', {})}
  ${account.getPublicKey()}: ${accountToken(operator, account, 'APP', storage)}
}
`;
  return {
    config,
    credentials: userCredentials(account, user),
    issue: (seconds) => userCredentials(account, createUser(), { exp: Math.floor(Date.now() / 1000) + seconds }),
  };
}

function userCredentials(account, user, claims = {}) {
  const nats = { pub: {}, sub: {}, ...UNLIMITED, type: 'user', version: 2 };
  return credentialsFile(token(account, { name: 'gateway', sub: user.getPublicKey(), nats, ...claims }), user);
}

function credentialsFile(userToken, user) {
  return `-----BEGIN NATS USER JWT-----
${userToken}
------END NATS USER JWT------

-----BEGIN USER NKEY SEED-----
${text(user.getSeed())}
------END USER NKEY SEED------
`;
}

// {publicKey, seed} of a user that a server knows by its key.
export function userKey() {
  const user = createUser();
  return { publicKey: user.getPublicKey(), seed: text(user.getSeed()) };
}

// Makes an authority, a server's certificate for 127.0.0.1 and localhost unless told otherwise, and a client's; {ca,
// server: {cert, key}, client: {cert, key}} are paths.
export async function certificates(folder, names = 'subjectAltName=DNS:localhost,IP:127.0.0.1') {
  const ca = await authority(folder, 'ca');
  return {
    ca: ca.cert,
    server: await signed(folder, ca, 'server', names),
    client: await signed(folder, ca, 'client', 'extendedKeyUsage=clientAuth'),
  };
}

// An authority that signs itself.
export async function authority(folder, name) {
  const files = paths(folder, name);
  await openssl([
    'req',
    '-x509',
    ...NEW_KEY,
    '-keyout',
    files.key,
    '-out',
    files.cert,
    '-days',
    '2',
    '-subj',
    `/CN=${name}`,
  ]);
  return files;
}

const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

function paths(folder, name) {
  return { cert: join(folder, `${name}.pem`), key: join(folder, `${name}.key`) };
}

async function signed(folder, ca, name, extension) {
  const files = paths(folder, name);
  const request = join(folder, `${name}.csr`);
  const extensions = join(folder, `${name}.ext`);
  writeFileSync(extensions, `${extension}\n`);
  await openssl(['req', ...NEW_KEY, '-keyout', files.key, '-out', request, '-subj', `/CN=${name}`]);
  await openssl([
    'x509',
    '-req',
    '-in',
    request,
    '-CA',
    ca.cert,
    '-CAkey',
    ca.key,
    '-CAcreateserial',
    '-days',
    '2',
    '-extfile',
    extensions,
    '-out',
    files.cert,
  ]);
  return files;
}

async function openssl(args) {
  const { code, stderr } = await run('openssl', args);
  if (code !== 0) throw new Error(`openssl ${args[0]}: ${stderr}`);
}
