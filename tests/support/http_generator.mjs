// Seeded requests as the world sends them, good and bad: a grammar of what the contract knows, then mutations of its
// text, several requests on one connection, split anywhere.

const LAST = 'GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n';
const METHODS = ['POST', 'PUT', 'DELETE', 'PATCH', 'TRACE', 'CONNECT', 'get', 'GETT', 'X-A', 'GE\tT', 'G@T'];
const VERSIONS = ['HTTP/1.0', 'HTTP/1.2', 'HTTP/2.0', 'HTTP/0.9', 'HTTP/1.1.1', 'http/1.1', 'HTTP/11', 'HTTP', ''];
const HOSTS = ['localhost:8080', '[::1]:80', 'localhost', '127.0.0.1', 'LocalHost.:'];
const BAD_HOSTS = [
  ...['a', 'a:', '127.0.0.1.a', '', 'a b', 'a/b', 'u@h', 'a:b', 'a:99999'],
  ...['[::1', '::1', "a'b", 'a%41', ',', 'a,b', '[zz]'],
];
const PATHS = [
  '/',
  '//',
  '/v1',
  '/v1/state/',
  '/v1/State',
  '/v1/state/a/b/c',
  '/livez/',
  '/../livez',
  '/v1/changes/x',
  '/v1%2Fstate',
];
const BAD_TARGETS = [
  '*',
  'livez',
  '?x=1',
  'ftp://h/livez',
  'http://',
  'http:///livez',
  'http://u@h/livez',
  '/livez#top',
  '/%00',
];
const ENCODINGS = [
  '%',
  '%4',
  '%zz',
  '%00',
  '%ff',
  '%c0%af',
  '%ed%a0%80',
  '%f4%90%80%80',
  '%u0041',
  '"',
  '<',
  '\\',
  '\xc3\xbc',
  '|',
  '^',
  '%e2%82',
];
const NUMBERS = [
  '',
  '0',
  '-1',
  '+1',
  '01',
  '1.0',
  '1e3',
  '0x1',
  ' 1',
  '9223372036854775807',
  '9223372036854775808',
  '18446744073709551616',
  '1'.repeat(400),
  '\u0661',
  'NaN',
  '1,1',
  '"1"',
].map((text) => Buffer.from(text).toString('latin1'));
const SECONDS = [
  '0',
  '0.001',
  '0.05',
  '1',
  '.5',
  '1.',
  '0.1234',
  '-1',
  '1s',
  '1e1',
  'inf',
  '',
  '99999999999999999999',
  '000.1',
  '1 000',
];
const FIELDS = [
  'Accept: */*',
  'User-Agent: x',
  'Range: bytes=0-1',
  'Accept-Encoding: gzip',
  'Cookie: a=b',
  'X-Empty:',
  'X-Tab:\ta\t',
  'X-Text: caf\xe9',
  'Upgrade: h2c',
  'X-Forwarded-For: 1.2.3.4',
  'If-Match: "x"',
  'If-Modified-Since: Sat, 31 Jan 2026 12:00:00 GMT',
  'X-HTTP-Method-Override: DELETE',
];
const DATES = [
  'Fri, 30 Jan 2026 12:00:00 GMT',
  'Sat, 31 Jan 2026 12:00:00 GMT',
  'Sun, 01 Feb 2026 12:00:00 GMT',
  'Sat, 31 Feb 2026 12:00:00',
  'yesterday',
  '',
];
const CONNECTIONS = [
  'keep-alive',
  'close',
  'Close',
  'a, close ,b',
  'keep-alive, close',
  'upgrade',
  'close;q=1',
  ',',
  '"close"',
  ': close',
  'a close',
  ',close\t,',
];
const FRAMES = [
  'Content-Length: 0',
  'Content-Length: 00',
  'Content-Length: 5',
  'Content-Length: 5, 5',
  'Content-Length: -5',
  'Content-Length: +5',
  'Content-Length: 0x5',
  'Content-Length:',
  'Content-Length: 0\r\nContent-Length: 5',
  'Content-Length: 5\r\nContent-Length: 0',
  'Content-Length: 99999999999999999999',
  'Transfer-Encoding: chunked',
  'Transfer-Encoding: CHUNKED',
  'Transfer-Encoding: identity',
  'Transfer-Encoding: gzip, chunked',
  'Transfer-Encoding: chunked\r\nContent-Length: 5',
  'Content-Length: 0\r\nTransfer-Encoding: chunked',
  'Transfer-Encoding : chunked',
  'Transfer-Encoding:\r\n chunked',
  'Transfer-Encoding: \x0bchunked',
  'Content-Length : 5',
  'Content-Length\t: 5',
  'Content_Length: 5',
  'content-length: 5',
  'Expect: 100-continue',
  'Expect: x',
  'Expect: 100-continue, x',
];
const HIDDEN = 'GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n';
const BODIES = [
  '',
  'hello',
  `hello${HIDDEN}`,
  HIDDEN,
  `0\r\n\r\n${HIDDEN}`,
  `5\r\nhello\r\n0\r\n\r\n${HIDDEN}`,
  `5;x="\r\nhello\r\n0\r\nX: y\r\n\r\n${HIDDEN}`,
  `\r\n${HIDDEN}`,
  `ffffffffffffffff\r\n${HIDDEN}`,
  `-1\r\n${HIDDEN}`,
];

// Of bodies that a list reads.
const TYPES = ['application/json', 'application/json', 'application/json; charset=utf-8', 'text/plain', ''];
const DOCUMENTS = ['{}', '{"ids":["42"]}', 'no JSON', HIDDEN, `0\r\n\r\n${HIDDEN}`, 'x'.repeat(5000), 'x'.repeat(65_536)];
const BAD_CHUNKS = ['1\r\nxx\r\n', 'x\r\n', '-1\r\nx\r\n', '1\nx\n', '10001\r\n', 'ffffffffffffffffff\r\n', '\r\n'];
const TRAILERS = ['X: y\r\n', 'Content-Length: 5\r\n', 'X y\r\n'];

// `names`: {collections, ids: {collection: [...]}, streams, positions, met (lists that hold), etags, cursors}.
export class Generator {
  constructor(random, names) {
    this.random = random;
    this.names = names;
  }

  // {sent, parts, then, requests}: what one connection sends.
  conversation() {
    const { random } = this;
    const count = random.chance(0.5) ? 1 : random.between(2, 6);
    let sent = '';
    for (let i = 0; i < count; i++) sent += this.mutated(this.request());
    const ends = random.chance(0.95);
    sent = ends ? sent + LAST : random.chance(0.5) ? sent : sent.slice(0, random.between(1, sent.length));
    const dice = random.next();
    const then = dice < 0.9 ? 'wait' : dice < 0.95 ? 'half-close' : 'close';
    if (then === 'close') sent = sent.slice(0, random.between(1, sent.length));
    return { sent, parts: this.split(sent), then, requests: count + 1, ends };
  }

  split(text) {
    const pieces = this.random.chance(0.6) ? 1 : this.random.between(2, 6);
    const cuts = Array.from({ length: pieces - 1 }, () => this.random.between(0, text.length)).sort((a, b) => a - b);
    return [0, ...cuts].map((from, i) => text.slice(from, cuts[i] ?? text.length));
  }

  // QUERY or POST to a list, most of them as they should be.
  bodied() {
    const { random } = this;
    const path = `/v1/state/${this.segment(random.pick(this.names.collections))}`;
    const lines = [`Host: ${random.pick(HOSTS)}`];
    while (random.chance(0.3)) lines.push(random.pick(FIELDS));
    const type = random.pick(TYPES);
    if (type !== '') lines.push(`Content-Type: ${type}`);
    if (random.chance(0.1)) lines.push(`Content-Encoding: ${random.pick(['identity', 'gzip'])}`);
    if (random.chance(0.1)) lines.push('Expect: 100-continue');
    const text = random.pick(DOCUMENTS);
    const chunked = random.chance(0.5);
    const over = random.chance(0.05) ? 1 : 0;
    lines.push(chunked ? 'Transfer-Encoding: chunked' : `Content-Length: ${text.length + over}`);
    if (random.chance(0.05)) lines.push(random.pick(FRAMES));
    const version = random.chance(0.96) ? 'HTTP/1.1' : 'HTTP/1.0';
    const head = `${random.pick(['QUERY', 'POST'])} ${path} ${version}\r\n${lines.join('\r\n')}\r\n\r\n`;
    return head + (chunked ? this.chunks(text) : text);
  }

  chunks(text) {
    const { random } = this;
    let sent = '';
    for (let at = 0; at < text.length;) {
      const bytes = random.pick([1, 7, 4096, text.length]);
      const chunk = text.slice(at, at + (text.length - at > 400 && bytes < 4096 ? 4096 : bytes));
      sent += `${chunk.length.toString(16)}\r\n${chunk}\r\n`;
      at += chunk.length;
    }
    if (random.chance(0.08)) sent += random.pick(BAD_CHUNKS);
    return `${sent}0\r\n${random.chance(0.08) ? random.pick(TRAILERS) : ''}\r\n`;
  }

  request() {
    const { random } = this;
    if (random.chance(0.06)) return this.bodied();
    const method = random.chance(0.84)
      ? 'GET'
      : random.chance(0.7)
        ? random.pick(['HEAD', 'OPTIONS'])
        : random.pick(METHODS);
    const version = random.chance(0.96) ? 'HTTP/1.1' : random.pick(VERSIONS);
    const lines = [`Host: ${random.chance(0.97) ? random.pick(HOSTS) : random.pick(BAD_HOSTS)}`];
    if (random.chance(0.01)) lines.pop();
    while (random.chance(0.35)) lines.push(random.pick(FIELDS));
    while (random.chance(0.25)) lines.push(this.demand());
    if (random.chance(0.15)) lines.push(`If-None-Match: ${this.condition()}`);
    if (random.chance(0.05)) lines.push(`If-Match: ${this.condition()}`);
    if (random.chance(0.05)) lines.push(`If-${random.pick(['M', 'Unm'])}odified-Since: ${random.pick(DATES)}`);
    if (random.chance(0.06)) lines.push(`Connection: ${random.pick(CONNECTIONS)}`);
    if (random.chance(0.02)) lines.push(this.padding());
    const framed = random.chance(0.06);
    if (framed) lines.push(random.pick(FRAMES));
    const body = framed ? random.pick(BODIES) : '';
    return `${method} ${this.target()} ${version}\r\n${lines.join('\r\n')}\r\n\r\n${body}`;
  }

  // Heads about as large as is allowed, and larger.
  padding() {
    const bytes = this.random.between(2500, 6000);
    return this.random.chance(0.5)
      ? `X-A: ${'b'.repeat(bytes)}`
      : Array(Math.ceil(bytes / 66))
          .fill('Abc: def')
          .join('\r\n');
  }

  target() {
    const { random } = this;
    if (random.chance(0.03)) return random.pick(BAD_TARGETS);
    if (random.chance(0.005)) return `/${'a'.repeat(random.between(2900, 6000))}`;
    let path = this.path();
    if (random.chance(0.03)) path = this.insert(path, random.pick(ENCODINGS));
    if (random.chance(0.03)) path = `${random.pick(['http://h', 'HTTPS://h:1', "http://a'b", 'http://[::1]'])}${path}`;
    const params = [];
    while (random.chance(0.3)) params.push(this.param());
    if (random.chance(0.01)) params.push(...Array.from({ length: 18 }, (_, i) => `p${i}=1`));
    return params.length === 0
      ? path
      : `${path}?${params.join(random.chance(0.98) ? '&' : random.pick(['&&', ';', '#']))}`;
  }

  path() {
    const { random } = this;
    const dice = random.next();
    if (dice < 0.05) return random.pick(PATHS);
    if (dice < 0.12) return random.pick(['/livez', '/readyz', '/metrics', '/v1/status', '/openapi.yaml']);
    if (dice < 0.2) return random.pick(['/v1/state', '/v1/rejected']);
    const collection = random.pick(this.names.collections);
    if (dice < 0.35) return `/v1/state/${this.segment(collection)}`;
    return `/v1/state/${this.segment(collection)}/${this.segment(this.id(collection))}`;
  }

  id(collection) {
    const { random } = this;
    if (random.chance(0.85)) return random.pick(this.names.ids[collection] ?? this.names.ids.customers);
    return random.pick([
      'nobody',
      '.',
      '..',
      '...',
      'x'.repeat(512),
      'x'.repeat(513),
      ' ',
      'a/b/c',
      '€',
      '42?x=1',
      '*',
    ]);
  }

  // As a path segment, now and then with more encoded than need be.
  segment(text) {
    const plain = encodeURIComponent(text);
    if (!this.random.chance(0.1)) return plain;
    return [...Buffer.from(text)].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');
  }

  param() {
    const { random, names } = this;
    const value = () =>
      random.pick([
        () => `limit=${random.chance(0.7) ? random.between(1, 1000) : random.pick(NUMBERS)}`,
        () => `cursor=${random.chance(0.7) ? random.pick(names.cursors) : random.pick(['', 'x', 'AQ', 'AQ==', '%2e'])}`,
        () => `min_version=${random.chance(0.85) ? random.between(1, 8) : random.pick(NUMBERS)}`,
        () => `min_position=${encodeURIComponent(this.positions())}`,
        () => `max_staleness=${this.seconds()}`,
        () => `wait=${this.seconds()}`,
        () => `stream=${random.pick([...names.streams, 'NOBODY', ''])}`,
        () => `collection=${random.pick([...names.collections, ''])}`,
        () => `wait=${this.seconds()}`,
        () => random.pick(['x=1', 'limit', '=1', 'LIMIT=1', 'limit[]=1', '%6cimit=1', 'a%00=1', 'x=%ff', '']),
      ])();
    return random.chance(0.03) ? this.insert(value(), random.pick(ENCODINGS)) : value();
  }

  demand() {
    const { random } = this;
    return random.pick([
      () => `Min-Version: ${random.chance(0.85) ? random.between(1, 8) : random.pick(NUMBERS)}`,
      () => `Min-Position: ${this.positions()}`,
      () => `max-staleness: ${this.seconds()}`,
      () => `Prefer: ${random.pick(['wait=', 'respond-async, wait=', 'WAIT = ', 'wait=', 'wait="'])}${this.seconds()}`,
    ])();
  }

  seconds() {
    return this.random.chance(0.8) ? this.random.pick(['0', '0.05', '1', '10', '2.125']) : this.random.pick(SECONDS);
  }

  positions() {
    const { random, names } = this;
    const good = random.chance(0.7);
    const members = [random.pick(good ? names.met : names.positions)];
    if (!good) while (random.chance(0.4)) members.push(random.pick(names.positions));
    const list = members.join(random.pick([', ', ',', ' ,\t', ',']));
    return random.chance(0.1)
      ? this.insert(list, random.pick([':', ';', ',', '"', ' ', '=', '(', '1', ';epoch=x']))
      : list;
  }

  condition() {
    const { random, names } = this;
    return random.pick([
      () => random.pick(names.etags),
      () => `W/${random.pick(names.etags)}, "x"`,
      () => '*',
      () => `${random.pick(names.etags)},,"a,b" ,`,
      () => random.pick(['"', 'x', '"a" "b"', '*, "a"', ',', '', 'w/"a"', '"a b"', 'W/']),
    ])();
  }

  insert(text, piece) {
    const at = this.random.between(0, text.length);
    return text.slice(0, at) + piece + text.slice(at);
  }

  // Most stay as they are; the others are changed once or twice.
  mutated(text) {
    const { random } = this;
    if (random.chance(0.8)) return text;
    const changes = random.chance(0.7) ? 1 : random.between(2, 3);
    let changed = text;
    for (let i = 0; i < changes; i++) changed = this.mutate(changed);
    return changed;
  }

  mutate(text) {
    const { random } = this;
    const at = random.between(0, Math.max(0, text.length - 1));
    const byte = () => String.fromCharCode(random.between(0, 255));
    const lines = text.split('\r\n');
    const line = random.between(1, Math.max(1, lines.length - 3));
    return random.pick([
      () =>
        text.slice(0, at) + String.fromCharCode(text.charCodeAt(at) ^ (1 << random.between(0, 7))) + text.slice(at + 1),
      () => text.slice(0, at) + byte() + text.slice(at + 1),
      () => text.slice(0, at) + text.slice(at + random.between(1, 4)),
      () => this.insert(text, byte()),
      () => this.insert(text, random.pick([' ', '\t', '\r', '\n', '\r\n', '\r\n\r\n', '\0', ':', '\r\n '])),
      () => text.slice(0, at) + this.request().slice(random.between(0, 60)),
      () => lines.toSpliced(line, 0, lines[line]).join('\r\n'),
      () => lines.toSpliced(line, 1).join('\r\n'),
      () =>
        lines
          .toSpliced(line, 1, (lines[line] ?? '').replace(':', random.pick([' :', ':\r\n ', ':  \t', '::', ''])))
          .join('\r\n'),
      () => text.replaceAll('\r\n', '\n'),
      () => `\r\n${text}`,
    ])();
  }
}
