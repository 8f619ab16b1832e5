// Raw bytes that no good client sends: smuggling, framing, encodings, limits, pipelining, half requests, versions,
// methods. Each case says what must come back: the status codes in order, then `close` if the connection must end
// there, or `open` alone if the gateway must wait for more. One answer too many is a failure as much as one too few:
// that is what request smuggling looks like.
//
// ctest-timeout: 300

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';

import { startGateway } from '../support/gateway.mjs';
import { openFiles } from '../support/process.mjs';
import { converse, readAnswers } from '../support/raw_http.mjs';
import { until } from '../support/until.mjs';

const QUIET_MS = 500; // nothing more for so long: the answer is complete, or there will be none
const AT_ONCE = 24;
const HOST = 'Host: localhost\r\n';
const FIELDS_MAX = 32; // HTTP_FIELDS_MAX, Host among them
const E = '/v1/state/customers/42'; // of a gateway without events: 404
const GET = (target, headers = HOST) => `GET ${target} HTTP/1.1\r\n${headers}\r\n`;
const OK = GET('/livez');
const JSON_TYPE = 'Content-Type: application/json\r\n';
const REPEAT = (text, count) => text.repeat(count);

// [what, bytes, outcome]
const cases = [];
const add = (outcome, rows) => rows.forEach(([what, bytes]) => cases.push([what, bytes, outcome]));

// ---- what must work, so that the refusals below mean something

add('200', [
  ['a plain request', OK],
  ['HTTP/1.1 with a port in Host', GET('/livez', 'Host: localhost:8080\r\n')],
  ['an IPv4 Host', GET('/livez', 'Host: 127.0.0.1:1\r\n')],
  ['an IPv6 Host', GET('/livez', 'Host: [::1]:8080\r\n')],
  ['an IPv6 Host without port', GET('/livez', 'Host: [fe80::1]\r\n')],
  ['a final dot and capitals', GET('/livez', 'Host: LocalHost.:1\r\n')],
  ['an empty port', GET('/livez', 'Host: localhost:\r\n')],
  ['the header name in other letters', GET('/livez', 'hOsT: localhost\r\n')],
  ['no space behind the colon', GET('/livez', 'Host:localhost\r\n')],
  ['a tab behind the colon', GET('/livez', 'Host:\tlocalhost\r\n')],
  ['spaces around the value', GET('/livez', 'Host:   localhost  \r\n')],
  ['an absolute target', GET('http://localhost/livez')],
  ['an absolute https target', GET('https://localhost:8443/livez')],
  ['a scheme in capitals', GET('HTTP://localhost/livez')],
  ['an empty query', GET('/livez?')],
  ['an encoded letter in the path', GET('/%6civez')],
  ['Content-Length: 0', GET('/livez', `${HOST}Content-Length: 0\r\n`)],
  ['Expect: 100-continue without a body', GET('/livez', `${HOST}Expect: 100-continue\r\n`)],
  ['an Upgrade that is ignored', GET('/livez', `${HOST}Connection: Upgrade\r\nUpgrade: websocket\r\n`)],
  ['an h2c upgrade that is ignored',
    GET('/livez',
      `${HOST}Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAARAAAAAAAIAAAAA\r\n`)],
  ['an empty header value', GET('/livez', `${HOST}X-Empty:\r\n`)],
  ['obs-text in a header that nobody reads', GET('/livez', `${HOST}X-Text: caf\xe9\r\n`)],
  ['twenty headers', GET('/livez', HOST + REPEAT('X-More: value\r\n', 20))],
  ['keep-alive asked for', GET('/livez', `${HOST}Connection: keep-alive\r\n`)],
  ['one empty line in front', `\r\n${OK}`],
  ['Content-Length with leading zeros only', GET('/livez', `${HOST}Content-Length: 000\r\n`)],
  ['HEAD', `HEAD /livez HTTP/1.1\r\n${HOST}\r\n`],
  ['a malformed If-None-Match where it means nothing', GET('/livez', `${HOST}If-None-Match: "\r\n`)],
]);
add('200 close', [
  ['Connection: close', GET('/livez', `${HOST}Connection: close\r\n`)],
  ['Connection: CLOSE', GET('/livez', `${HOST}Connection: CLOSE\r\n`)],
  ['close in a list', GET('/livez', `${HOST}Connection: foo, close, bar\r\n`)],
  ['HTTP/1.0', 'GET /livez HTTP/1.0\r\n\r\n'],
  ['HTTP/1.0 with Host', `GET /livez HTTP/1.0\r\n${HOST}\r\n`],
]);
add('200', [['HTTP/1.0 keep-alive', `GET /livez HTTP/1.0\r\n${HOST}Connection: keep-alive\r\n\r\n`]]);
add('204', [['OPTIONS', `OPTIONS ${E} HTTP/1.1\r\n${HOST}\r\n`]]);
add('404', [
  ['an entity that is not there', GET(E)],
  ['the longest id', GET(`/v1/state/customers/${REPEAT('x', 512)}`)],
  ['the longest id, percent-encoded', GET(`/v1/state/customers/${REPEAT('%C3%BC', 256)}`)],
  ['the longest collection', GET(`/v1/state/${REPEAT('c', 128)}/1`)],
  ['a slash in an id', GET('/v1/state/customers/a%2Fb')],
  ['a percent sign in an id', GET('/v1/state/customers/100%25')],
  ['a line break in an id', GET('/v1/state/customers/a%0D%0AX-Injected:%201')],
  ['a question mark in an id', GET('/v1/state/customers/a%3Fb=c')],
  ['sub-delimiters in an id', GET("/v1/state/customers/!$&'()*+,;=:@-._~")],
  ['an emoji in an id', GET('/v1/state/customers/%F0%9F%98%80')],
  ['three dots', GET('/v1/state/customers/...')],
  ['a dot and more', GET('/v1/state/customers/.hidden')],
  ['Range, which is not supported', GET(E, `${HOST}Range: bytes=0-1\r\n`)],
  ['OPTIONS on no path', `OPTIONS /nowhere HTTP/1.1\r\n${HOST}\r\n`],
]);

// ---- paths that are none

add('404', [
  ...['/', '//', '/v1', '/v1/', '/v2/state', '/v1/state/', '/v1/state/customers/', '/v1/state/customers/42/',
    '//v1/state', '/V1/state', '/v1/State', '/v1/state/a/b/c',
    '/v1/state/a/b/c/d/e/f/g/h/i/j/k', '/livez/', '/livez/x', '/../livez', '/./livez', '/v1/../livez', '/%2e%2e/livez',
    '/v1%2Fstate', '/livez%01x', '/etc/passwd',
    '/..%2f..%2fetc/passwd', '/v1/state/customers//', '/v1/changes/customers', '/v1/history/customers/42',
    '/livez;jsessionid=1', '/favicon.ico', '/v1/status/x', '/metrics/x',
    '/readyz.'].map((path) => [`the path ${path}`, GET(path)]),
  ['an absolute target without path', GET('http://localhost')],
  ['an absolute target with a path of its own', GET('http://localhost/http://localhost/livez')],
]);

// ---- encodings

add('400', [
  ['%00', GET('/v1/state/customers/a%00b')],
  ['%00 at the end', GET('/livez%00')],
  ['%00 in a parameter', GET('/v1/rejected?stream=a%00')],
  ['a lone %', GET('/v1/state/customers/%')],
  ['half an encoding', GET('/v1/state/customers/%4')],
  ['no hexadecimal digits', GET('/v1/state/customers/%zz')],
  ['one hexadecimal digit', GET('/v1/state/customers/%4g')],
  ['%u', GET('/v1/state/customers/%u0041')],
  ['a sign in an encoding', GET('/v1/state/customers/%+4')],
  ['a minus in an encoding', GET('/v1/state/customers/%-4')],
  ['%ff', GET('/v1/state/customers/%ff')],
  ['%fe%ff', GET('/v1/state/customers/%fe%ff')],
  ['an overlong slash', GET('/v1/state/customers/%c0%af')],
  ['an overlong NUL', GET('/v1/state/customers/%c0%80')],
  ['an overlong three-byte slash', GET('/v1/state/customers/%e0%80%af')],
  ['an overlong four-byte slash', GET('/v1/state/customers/%f0%80%80%af')],
  ['a surrogate', GET('/v1/state/customers/%ed%a0%80')],
  ['a pair of surrogates', GET('/v1/state/customers/%ed%a0%bd%ed%b8%80')],
  ['beyond U+10FFFF', GET('/v1/state/customers/%f4%90%80%80')],
  ['five bytes', GET('/v1/state/customers/%f8%88%80%80%80')],
  ['a cut sequence', GET('/v1/state/customers/%e2%82')],
  ['a cut sequence before another segment', GET('/v1/state/%e2%82/42')],
  ['a continuation byte alone', GET('/v1/state/customers/%80')],
  ['a character split over two segments', GET('/v1/state/%c3/%bc')],
  ['bad UTF-8 in a parameter', GET('/v1/rejected?stream=%ff')],
  ['bad UTF-8 in a parameter name', GET('/v1/rejected?%ff=1')],
  ['bad encoding in a parameter', GET('/v1/rejected?stream=%4')],
  ...['"', '<', '>', '\\', '^', '`', '{', '|', '}', '[', ']'].map((c) =>
    [`a raw ${c} in the path`, GET(`/v1/state/customers/a${c}b`)]),
  ...['"', '<', '\\', '^', '`', '{', '|', '}', '['].map((c) =>
    [`a raw ${c} in the query`, GET(`/v1/rejected?stream=a${c}b`)]),
  ['raw UTF-8 in the path', GET('/v1/state/customers/\xc3\xbc')],
  ['raw Latin-1 in the path', GET('/v1/state/customers/\xfc')],
  ['DEL in the path', GET('/v1/state/customers/a\x7fb')],
  ['a control byte in the path', GET('/v1/state/customers/a\x01b')],
  ['an escape byte in the query', GET('/v1/rejected?stream=\x1b[31m')],
]);

// ---- targets

add('400', [
  ['a fragment', GET('/livez#top')],
  ['a fragment alone', GET('/#')],
  ['a fragment behind a query', GET('/livez?#x')],
  ['a fragment in an absolute target', GET('http://localhost/livez#x')],
  ['an asterisk', GET('*')],
  ['OPTIONS *', `OPTIONS * HTTP/1.1\r\n${HOST}\r\n`],
  ['a path without slash', GET('livez')],
  ['a query alone', GET('?x=1')],
  ['a host without scheme', GET('localhost/livez')],
  ['another scheme', GET('ftp://localhost/livez')],
  ['a file', GET('file:///etc/passwd')],
  ['javascript', GET('javascript:alert(1)')],
  ['no authority', GET('http:///livez')],
  ['one slash', GET('http:/livez')],
  ['a scheme alone', GET('http://')],
  ['user information', GET('http://user:secret@localhost/livez')],
  ['a bad authority', GET('http://local%00host/livez')],
  ['a backslash for a slash', GET('\\livez')],
  ['dot as an id', GET('/v1/state/customers/.')],
  ['two dots as an id', GET('/v1/state/customers/..')],
  ['encoded dots as an id', GET('/v1/state/customers/%2e%2E')],
  ['dot as a collection', GET('/v1/state/./42')],
  ['two dots as a collection', GET('/v1/state/../livez')],
  ['an empty collection', GET('/v1/state//42')],
  ['an id that is too long', GET(`/v1/state/customers/${REPEAT('x', 513)}`)],
  ['an id that is too long once decoded', GET(`/v1/state/customers/${REPEAT('%C3%BC', 256)}x`)],
  ['a collection that is too long', GET(`/v1/state/${REPEAT('c', 129)}/1`)],
  ['a collection of a page that is too long', GET(`/v1/state/${REPEAT('c', 129)}`)],
]);

// ---- parameters

add('400', [
  ...['x=1', 'limit', 'limit=', '=1', '&', 'limit=1&', '&limit=1', 'limit=1&&cursor=x', 'limit=0', 'limit=1001',
    'limit=-1', 'limit=+1', 'limit=%201', 'limit=1%20', 'limit=1.0', 'limit=1e2', 'limit=0x10',
    'limit=01', 'limit=9999999999999999999999', 'limit=1&limit=1', 'limit=1&%6cimit=1', 'LIMIT=1', 'cursor=',
    'cursor=x', 'cursor=%2e', 'cursor=AA', 'cursor=AQ', 'cursor=AQ==', 'cursor=AQAA=', 'cursor=Ag41',
    'limit[]=1', 'limit=1;cursor=x'].map((query) => [`the query ${query}`, GET(`/v1/state/customers?${query}`)]),
  ['a cursor that is too long', GET(`/v1/state/customers?cursor=AQ${REPEAT('A', 684)}`)],
  ['a cursor of another page', GET('/v1/rejected?cursor=AUFC')],
  ['a cursor that is no number', GET('/v1/rejected?cursor=AkFC')],
  ['an empty stream', GET('/v1/rejected?stream=')],
  ['a stream that is too long', GET(`/v1/rejected?stream=${REPEAT('s', 256)}`)],
  ['too many parameters', GET(`/livez?${Array.from({ length: 17 }, (_, i) => `p${i}=1`).join('&')}`)],
  ['a parameter on a probe', GET('/livez?x=1')],
  ['a parameter on the metrics', GET('/metrics?name[]=up')],
  ['a negative staleness', GET('/readyz?max_staleness=-1')],
  ['a staleness with four places', GET('/readyz?max_staleness=0.1234')],
  ['a staleness without digits', GET('/readyz?max_staleness=.')],
  ['a staleness with a unit', GET('/readyz?max_staleness=5s')],
  ['a staleness with an exponent', GET('/readyz?max_staleness=1e3')],
  ['an infinite staleness', GET('/readyz?max_staleness=inf')],
  ['a huge staleness', GET('/readyz?max_staleness=99999999999999999999')],
  ['a staleness that ends in a point', GET('/readyz?max_staleness=1.')],
  ['a staleness that begins with one', GET('/readyz?max_staleness=.5')],
]);

// ---- demands: of a gateway that can prove nothing, so that each is unmet, parked, or refused

const now = (headers) => GET(E, `${HOST}Prefer: wait=0\r\n${headers}\r\n`);
add('503', [
  ...['Min-Version: 1', 'min-version: 1', 'Min-Version: 9223372036854775807', 'Min-Position: STATE:1',
    'Min-Position: STATE:0', 'Min-Position: "STATE:1"', 'Min-Position: STATE:1;epoch=k3fq1z', 'Max-Staleness: 0',
    'MAX-STALENESS: 0.5'].map((header) => [`the unmet demand ${header}`, now(header)]),
  ...['min_version=1', 'min_position=STATE:1', 'min%5Fposition=STATE%3A1', 'max_staleness=0'].map((query) =>
    [`the unmet demand ${query}`, GET(`${E}?${query}&wait=0`)]),
  ['an unmet demand that If-None-Match would hide', now('Min-Version: 1\r\nIf-None-Match: *')],
]);
add('400', [
  ...['Min-Version: x', 'Min-Version:', 'Min-Version: 0', 'Min-Version: 01', 'Min-Version: 1, 2',
    'Min-Version: 9223372036854775808', 'Min-Version: 1\r\nMin-Version: 1', 'MAX-STALENESS:', 'Max-Staleness: 1s',
    'Max-Staleness: 0\r\nMax-Staleness: 0', 'Min-Position: STATE', 'Min-Position: STATE:1,',
    'Min-Position: STATE:1, STATE:1', 'Min-Position: STATE:1\r\nMin-Position: STATE:1', 'Min-Position: "STATE:1',
    'Min-Position: caf\xe9:1', 'Min-Position: "caf\xe9:1"', 'Min-Position: STATE:18446744073709551616',
    'Min-Position: STATE:1\r\nMin-Version: x', 'Min-Position: NOBODY:1\r\nMin-Version: x']
    .map((header) => [`the demand ${header}`, now(header)]),
  ...['min_version=', 'min_version=x', 'min_version=1&min_version=1', 'max_staleness=', 'max_staleness=-1',
    'min_position=STATE', 'min_position=%00', 'wait=', 'wait=-1', 'wait=1s', 'wait=0&wait=0']
    .map((query) => [`the demand ${query}`, GET(`${E}?${query}`)]),
  ['more lines of Min-Position than are read', now(REPEAT('Min-Position: STATE:1\r\n', 5).slice(0, -2))],
  ['more lines of Prefer than are read', GET(E, HOST + REPEAT('Prefer: wait=0\r\n', 5))],
  ...['/v1/state', '/v1/state/customers', '/v1/rejected', '/v1/status'].map((path) =>
    [`a version of ${path}`, GET(`${path}?min_version=1&wait=0`)]),
  ...['Min-Version: 1', 'Min-Position: STATE:1', 'Max-Staleness: 0'].map((header) =>
    [`${header} of /v1/status`, GET('/v1/status', `${HOST}${header}\r\n`)]),
  ...['min_position=STATE:1', 'max_staleness=0', 'wait=0'].map((query) =>
    [`${query} of /v1/status`, GET(`/v1/status?${query}`)]),
]);
add('400', [
  ['a malformed condition beside a stream that is not followed', now('Min-Position: NOBODY:1\r\nIf-None-Match: "')],
  ...['customers?cursor=x', 'customers?limit=0'].map((page) => [
    `the page ${page} beside a stream that is not followed`,
    GET(`/v1/state/${page}`, `${HOST}Min-Position: NOBODY:1\r\n`),
  ]),
  ...['cursor=x', 'stream=', 'collection='].map((query) => [
    `rejected events with ${query} beside a stream that is not followed`,
    GET(`/v1/rejected?${query}&min_position=NOBODY:1`),
  ]),
]);
add('409', [
  ['a stream that is not followed', now('Min-Position: NOBODY:1')],
  ['a stream that is not followed, beside one that is', now('Min-Position: STATE:1, NOBODY:1')],
  ['a stream that is not followed, and time to wait', GET(E, `${HOST}Min-Position: NOBODY:1\r\nPrefer: wait=20\r\n`)],
]);
add('404', [
  ['a wait alone, which demands nothing', GET(`${E}?wait=1`)],
  ['a Prefer that is not understood', GET(E, `${HOST}Prefer: wait=abc, respond-async\r\n`)],
]);
add('204', [['OPTIONS with a demand', `OPTIONS ${E} HTTP/1.1\r\n${HOST}Min-Version: 1\r\n\r\n`]]);
add('413 close', [['a demand with a body', GET(E, `${HOST}Min-Version: 1\r\nContent-Length: 3\r\n`) + `abc${OK}`]]);
add('open', [
  ['a demand that waits', GET(E, `${HOST}Min-Version: 1\r\n`)],
  ['a Prefer that is not understood beside a demand', GET(E, `${HOST}Min-Version: 1\r\nPrefer: wait=-0\r\n`)],
  ['a good one behind a demand that waits', GET(E, `${HOST}Min-Version: 1\r\n`) + OK],
]);
add('503 200', [['a good one behind a demand that does not wait', now('Min-Version: 1') + OK]]);

// ---- Host

add('421 close', [
  ...['a', 'a:80', 'evil.example', 'localhost.evil.example', '127.0.0.1.evil.example', 'notlocalhost', '127.1',
    '0x7f.0.0.1', '.', 'localhost..', '1.2.3.4.5']
    .map((host) => [`the Host '${host}'`, GET('/livez', `Host: ${host}\r\n`)]),
]);

add('400 close', [
  ['no Host', 'GET /livez HTTP/1.1\r\n\r\n'],
  ['two Hosts', GET('/livez', HOST + HOST)],
  ['two different Hosts', GET('/livez', `${HOST}Host: evil\r\n`)],
  ...['', ' ', 'a b', 'a,b', 'a/b', 'user@host', 'a?b', 'a#b', 'localhost:x', 'localhost:99999', 'localhost:123456',
    'localhost:-1', 'a:1:2', '[::1', '::1', '[::1]x', '[]', '[zz]', '[::1]:x', 'a%00', 'a%41', 'http://localhost',
    'b\xe4r', ':80', '"a"', 'a\\b', '[127.0.0.1]', 'a;b', '<a>']
    .map((host) => [`the Host '${host}'`, GET('/livez', `Host: ${host}\r\n`)]),
  ['an absolute target without Host', 'GET http://localhost/livez HTTP/1.1\r\n\r\n'],
]);

// ---- versions

add('505 close', [
  ...['HTTP/1.2', 'HTTP/1.9', 'HTTP/2.0', 'HTTP/3.0', 'HTTP/0.9', 'HTTP/9.9'].map((version) =>
    [version, `GET /livez ${version}\r\n${HOST}\r\n`]),
  ['the HTTP/2 preface', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
]);
add('400 close', [
  ...['HTTP/1', 'HTTP/1.', 'HTTP/1.1.1', 'HTTP/01.1', 'HTTP/1.10', 'http/1.1', 'Http/1.1', 'HTTP/a.b', 'HTTP 1.1',
    'HTTPS/1.1', 'HTTP/-1.1', 'XTTP/1.1', 'ICY', 'HTTP/1,1',
    'HTTP/1.1x'].map((version) => [`the version ${version}`, `GET /livez ${version}\r\n${HOST}\r\n`]),
  ['no version', `GET /livez\r\n${HOST}\r\n`],
  ['HTTP/0.9 as it was', 'GET /livez\r\n\r\n'],
  ['two spaces', `GET  /livez HTTP/1.1\r\n${HOST}\r\n`],
  ['two spaces and no target', `GET  HTTP/1.1\r\n${HOST}\r\n`],
  ['a space in the target', `GET /liv ez HTTP/1.1\r\n${HOST}\r\n`],
  ['a space behind the version', `GET /livez HTTP/1.1 \r\n${HOST}\r\n`],
  ['an answer', 'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'],
]);

// ---- what cannot be a request line: the end, without a word

add('close', [
  ['a tab', `GET\t/livez\tHTTP/1.1\r\n${HOST}\r\n`],
  ['a space in front', ` GET /livez HTTP/1.1\r\n${HOST}\r\n`],
  ['only a method', 'GET\r\n\r\n'],
  ['a TLS hello', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n'],
  ['a SOCKS hello', '\x05\x01\x00\r\n\r\n'],
  ['an SSH banner', 'SSH-2.0-OpenSSH_9.2\r\n\r\n'],
  ['a proxy header', `PROXY TCP4 127.0.0.1 127.0.0.1 1 2\r\n${OK}`],
  ['JSON', '{"a":1}\r\n\r\n'],
  ['a NUL in the target', GET('/live\0z')],
  ['a NUL in the method', `G\0T /livez HTTP/1.1\r\n${HOST}\r\n`],
]);

// ---- methods

add('405 close', [
  ...['POST', 'PUT', 'DELETE', 'PATCH', 'TRACE', 'CONNECT', 'PROPFIND', 'MKCOL', 'LOCK', 'PURGE', 'BREW', 'get', 'Get',
    'GETT', 'GE', 'G', 'HEADER', 'X-A',
    '!'].map((method) => [`the method ${method}`, `${method} /livez HTTP/1.1\r\n${HOST}\r\n`]),
  ['CONNECT as it is used', `CONNECT localhost:443 HTTP/1.1\r\n${HOST}\r\n`],
  ['POST with a body', `POST ${E} HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\n{}`],
  ['POST with chunks', `POST ${E} HTTP/1.1\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n`],
  ['PUT that expects', `PUT ${E} HTTP/1.1\r\n${HOST}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n`],
  ['a method override', `POST ${E} HTTP/1.1\r\n${HOST}X-HTTP-Method-Override: GET\r\nContent-Length: 0\r\n\r\n`],
]);

// ---- bodies and smuggling: nothing behind the first head may ever be answered

const SMUGGLED = GET('/metrics');
add('413 close', [
  ['a body', GET('/livez', `${HOST}Content-Length: 5\r\n`) + 'hello'],
  ['a body of one byte that is not sent', GET('/livez', `${HOST}Content-Length: 1\r\n`)],
  ['a body that is a request', GET('/livez', `${HOST}Content-Length: ${SMUGGLED.length}\r\n`) + SMUGGLED],
  ['a length that is too short for what follows', GET('/livez', `${HOST}Content-Length: 3\r\n`) + SMUGGLED],
  ['a large length', GET('/livez', `${HOST}Content-Length: 9223372036854775807\r\n`)],
  ['chunks', GET('/livez', `${HOST}Transfer-Encoding: chunked\r\n`) + '0\r\n\r\n'],
  ['chunks and a request behind them', GET('/livez', `${HOST}Transfer-Encoding: chunked\r\n`) + `0\r\n\r\n${SMUGGLED}`],
  ['chunks in capitals', GET('/livez', `${HOST}Transfer-Encoding: CHUNKED\r\n`) + `0\r\n\r\n${SMUGGLED}`],
  ['chunks with an extension',
    GET('/livez', `${HOST}Transfer-Encoding: chunked\r\n`) + `0;x=${REPEAT('y', 100)}\r\n\r\n${SMUGGLED}`],
  ['a chunk of a negative size', GET('/livez', `${HOST}Transfer-Encoding: chunked\r\n`) + `-1\r\n\r\n${SMUGGLED}`],
  ['a chunk of a huge size',
    GET('/livez', `${HOST}Transfer-Encoding: chunked\r\n`) + `FFFFFFFFFFFFFFFFF\r\n${SMUGGLED}`],
  ['HEAD with a body', `HEAD /livez HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc${SMUGGLED}`],
  ['OPTIONS with a body', `OPTIONS /livez HTTP/1.1\r\n${HOST}Content-Length: 3\r\n\r\nabc${SMUGGLED}`],
  ['a body on no path', GET('/nowhere', `${HOST}Content-Length: 3\r\n`) + `abc${SMUGGLED}`],
  ['HTTP/1.0 with a body', `GET /livez HTTP/1.0\r\nContent-Length: 3\r\n\r\nabc${SMUGGLED}`],
  ['a body that is asked for', GET('/livez', `${HOST}Content-Length: 3\r\nExpect: 100-continue\r\n`)],
]);
add('400 close', [
  ['both frames', GET('/livez', `${HOST}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n`) + `0\r\n\r\n${SMUGGLED}`],
  ['both frames, the other way round',
    GET('/livez', `${HOST}Transfer-Encoding: chunked\r\nContent-Length: 5\r\n`) + `0\r\n\r\n${SMUGGLED}`],
  ['a length of 0 and chunks',
    GET('/livez', `${HOST}Content-Length: 0\r\nTransfer-Encoding: chunked\r\n`) + `0\r\n\r\n${SMUGGLED}`],
  ['a length beyond 64 bits', GET('/livez', `${HOST}Content-Length: 99999999999999999999\r\n`)],
  ['two lengths', GET('/livez', `${HOST}Content-Length: 0\r\nContent-Length: 5\r\n`) + SMUGGLED],
  ['two equal lengths', GET('/livez', `${HOST}Content-Length: 0\r\nContent-Length: 0\r\n`)],
  ['a list of lengths', GET('/livez', `${HOST}Content-Length: 0, 5\r\n`) + SMUGGLED],
  ...['-1', '+0', '0x0', '0 0', '1e1', 'zero', '', '0;', '0.0', '"0"', '\xb2'].map((length) =>
    [`the length '${length}'`, GET('/livez', `${HOST}Content-Length: ${length}\r\n`) + SMUGGLED]),
  ['a space before the colon', GET('/livez', `${HOST}Content-Length : 5\r\n`) + SMUGGLED],
  ['a tab before the colon', GET('/livez', `${HOST}Transfer-Encoding\t: chunked\r\n`) + SMUGGLED],
  ['chunks twice',
    GET('/livez', `${HOST}Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n`) + `0\r\n\r\n${SMUGGLED}`],
  ['HTTP/1.0 with chunks', `GET /livez HTTP/1.0\r\n${HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${SMUGGLED}`],
  ['a folded header', GET('/livez', `${HOST}X-A: b\r\n c\r\n`)],
  ['a folded length', GET('/livez', `${HOST}Content-Length:\r\n 5\r\n`) + SMUGGLED],
  ['a folded first header', `GET /livez HTTP/1.1\r\n ${HOST}\r\n`],
  ['a folded frame', GET('/livez', `${HOST}Transfer-Encoding:\r\n chunked\r\n`) + SMUGGLED],
  ['a header without a colon', GET('/livez', `${HOST}Nonsense\r\n`)],
  ['a header without a name', GET('/livez', `${HOST}: value\r\n`)],
  ['a space in a header name', GET('/livez', `${HOST}X A: b\r\n`)],
  ['a NUL in a header', GET('/livez', `${HOST}X-A: b\0c\r\n`)],
  ['a NUL in a header name', GET('/livez', `${HOST}X\0A: b\r\n`)],
  ['a carriage return in a header', GET('/livez', `${HOST}X-A: b\rc\r\n`)],
  ['a carriage return in the target', GET('/live\rz')],
  ['line feeds alone', `GET /livez HTTP/1.1\n${HOST.replace('\r', '')}\n`],
  ['a line feed alone behind a header', `GET /livez HTTP/1.1\r\nHost: localhost\nX-A: b\r\n\r\n`],
  ['a line feed alone at the end', `GET /livez HTTP/1.1\r\n${HOST}\n${SMUGGLED}`],
  ['carriage returns alone', 'GET /livez HTTP/1.1\rHost: localhost\r\r'],
]);
add('501 close', [
  ...['identity', 'gzip', 'gzip, chunked', 'chunked, gzip', 'xchunked', 'chunkedx', '"chunked"', 'x', 'chunked;q=1',
    '\x0bchunked'].map((coding) =>
    [`the coding '${coding}'`, GET('/livez', `${HOST}Transfer-Encoding: ${coding}\r\n`) + `0\r\n\r\n${SMUGGLED}`]),
]);
add('417 close', [
  ...['200-ok', '100-continue, x', 'x', '100', '100-continue;q=1'].map((expect) =>
    [`the expectation '${expect}'`, GET('/livez', `${HOST}Expect: ${expect}\r\n`)]),
]);

// ---- the bodies of lists: each ends where its head says, or its connection does. What they say is malformed: that they
// are read shows in a 400, and that the connection goes on.

const LIST = '/v1/state/customers';
const ASK = (head, body, method = 'POST') => `${method} ${LIST} HTTP/1.1\r\n${HOST}${JSON_TYPE}${head}\r\n\r\n${body}`;
const CHUNKS = (body, method) => ASK('Transfer-Encoding: chunked', body, method);
const LENGTH = (body, method) => ASK(`Content-Length: ${body.length}`, body, method);
const BODY_MAX = 65536; // HTTP_BODY_BYTES_MAX
const MUCH = (bytes) => REPEAT('x', bytes);
add('400 200', [
  ['POST of what is no JSON', LENGTH('hello') + OK],
  ['QUERY of what is no JSON', LENGTH('hello', 'QUERY') + OK],
  ['a body that is a request', LENGTH(SMUGGLED) + OK],
  ['a body that is a request, in a chunk', CHUNKS(`${SMUGGLED.length.toString(16)}\r\n${SMUGGLED}\r\n0\r\n\r\n`) + OK],
  ['chunks of a byte', CHUNKS(`${REPEAT('1\r\nx\r\n', 300)}0\r\n\r\n`) + OK],
  ['a chunk with capitals and zeros', CHUNKS('00A\r\n0123456789\r\n000\r\n\r\n') + OK],
  ['no chunk at all', CHUNKS('0\r\n\r\n') + OK],
  ['no body', ASK('Content-Length: 0', '') + OK],
  ['no length', ASK('X-A: b', '') + OK],
  ['a length with leading zeros', ASK('Content-Length: 000000000000000000000005', 'hello') + OK],
  ['the largest body', LENGTH(MUCH(BODY_MAX)) + OK],
  ['the largest chunk', CHUNKS(`10000\r\n${MUCH(BODY_MAX)}\r\n0\r\n\r\n`) + OK],
  ['a charset', `POST ${LIST} HTTP/1.1\r\n${HOST}Content-Type: application/json; charset=utf-8\r\nContent-Length: 1\r\n\r\nx${OK}`],
  ['a collection with another letter', `POST /v1/%73tate/customers HTTP/1.1\r\n${HOST}${JSON_TYPE}Content-Length: 1\r\n\r\nx${OK}`],
  ['a coding that is none', ASK('Content-Encoding: identity\r\nContent-Length: 1', 'x') + OK],
  ['a body that is there before it is asked for', ASK('Expect: 100-continue\r\nContent-Length: 1', 'x') + OK],
]);
add(`400 ${Array(50).fill('200').join(' ')}`, [
  ['fifty after a body', LENGTH(MUCH(20_000)) + REPEAT(OK, 50)],
  ['fifty after chunks', CHUNKS(`${REPEAT(`1000\r\n${MUCH(4096)}\r\n`, 5)}0\r\n\r\n`) + REPEAT(OK, 50)],
  ['fifty after a body with a large head', ASK(`X-A: ${REPEAT('y', 3500)}\r\nContent-Length: 20000`, MUCH(20_000)) + REPEAT(OK, 50)],
  ['fifty after a body with many fields', ASK(`${REPEAT('X-A: b\r\n', 29)}Content-Length: 20000`, MUCH(20_000)) + REPEAT(OK, 50)],
]);
add('100', [['a body that is to be asked for', ASK('Expect: 100-continue\r\nContent-Length: 2', '')]]);
add('400 close', [
  ['HTTP/1.0 with a body that is read', `POST ${LIST} HTTP/1.0\r\n${JSON_TYPE}Content-Length: 1\r\n\r\nx`],
  ['HTTP/1.0 with chunks of a list', `POST ${LIST} HTTP/1.0\r\n${JSON_TYPE}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n`],
  ['both frames of a list', ASK('Content-Length: 5\r\nTransfer-Encoding: chunked', `0\r\n\r\n${SMUGGLED}`)],
  ['both frames of a list, the other way round',
    ASK('Transfer-Encoding: chunked\r\nContent-Length: 5', `0\r\n\r\n${SMUGGLED}`)],
  ['two equal lengths of a list', ASK('Content-Length: 5\r\nContent-Length: 5', `hello${SMUGGLED}`)],
  ['two lengths of a list', ASK('Content-Length: 5\r\nContent-Length: 0', `hello${SMUGGLED}`)],
  ['chunks twice of a list', ASK('Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked', `0\r\n\r\n${SMUGGLED}`)],
  ['chunks and another coding on a second line',
    ASK('Transfer-Encoding: chunked\r\nTransfer-Encoding: gzip', `0\r\n\r\n${SMUGGLED}`)],
  ...['-5', '+5', '0x5', '5 5', '5;', '5.0', '5, 5', '', '5,', '\xb5'].map((length) =>
    [`the length '${length}' of a list`, ASK(`Content-Length: ${length}`, `hello${SMUGGLED}`)]),
  ...['-1\r\nx\r\n', 'x\r\n', ' 1\r\nx\r\n', '1 \r\nx\r\n', '0x1\r\nx\r\n', '\r\n', '1\nx\r\n', '1\r\nx\n',
    '1\r\nxx\r\n', '2\r\nx\r\n\r\n', '+1\r\nx\r\n', '1\r\r\nx\r\n'].map((chunk) =>
    [`the chunk ${JSON.stringify(chunk)}`, CHUNKS(`${chunk}0\r\n\r\n${SMUGGLED}`)]),
  ['a field after the body', CHUNKS(`1\r\nx\r\n0\r\nX-A: b\r\n\r\n${SMUGGLED}`)],
  ['a length after the body', CHUNKS(`1\r\nx\r\n0\r\nContent-Length: 5\r\n\r\n${SMUGGLED}`)],
  ['no field after the body', CHUNKS(`1\r\nx\r\n0\r\nX A: b\r\n\r\n${SMUGGLED}`)],
  ['two types', ASK('Content-Type: application/json\r\nContent-Length: 1', `x${SMUGGLED}`)],
]);
add('413 close', [
  ['a body beyond the limit', ASK(`Content-Length: ${BODY_MAX + 1}`, MUCH(BODY_MAX + 1) + SMUGGLED)],
  ['a body far beyond it', ASK('Content-Length: 9223372036854775807', SMUGGLED)],
  ['a chunk beyond it', CHUNKS(`10001\r\n${MUCH(BODY_MAX + 1)}\r\n0\r\n\r\n${SMUGGLED}`)],
  ['chunks beyond it', CHUNKS(`10000\r\n${MUCH(BODY_MAX)}\r\n1\r\nx\r\n0\r\n\r\n${SMUGGLED}`)],
  ['chunks without an end', CHUNKS(REPEAT(`1000\r\n${MUCH(4096)}\r\n`, 200))],
  ['a chunk of 2^64', CHUNKS(`10000000000000000\r\n${SMUGGLED}`)],
  ['a body that is asked for and too large', ASK(`Content-Length: ${BODY_MAX + 1}\r\nExpect: 100-continue`, '')],
  ['GET of a list with a body', ASK('Content-Length: 2', `{}${SMUGGLED}`, 'GET')],
  ['HEAD of a list with a body', ASK('Content-Length: 2', `{}${SMUGGLED}`, 'HEAD')],
]);
add('415 close', [
  ['no type', `POST ${LIST} HTTP/1.1\r\n${HOST}Content-Length: 2\r\n\r\n{}${SMUGGLED}`],
  ...['text/plain', 'application/jsonx', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', '*/*']
    .map((type) => [`the type ${type}`,
      `QUERY ${LIST} HTTP/1.1\r\n${HOST}Content-Type: ${type}\r\nContent-Length: 2\r\n\r\n{}${SMUGGLED}`]),
  ...['gzip', 'zstd', 'x', 'identity, gzip'].map((coding) =>
    [`a body encoded by ${coding}`, ASK(`Content-Encoding: ${coding}\r\nContent-Length: 2`, `{}${SMUGGLED}`)]),
  ['a body that is asked for, of another type',
    `POST ${LIST} HTTP/1.1\r\n${HOST}Content-Length: 2\r\nExpect: 100-continue\r\n\r\n`],
]);
add('405 close', [
  ...['PUT', 'DELETE', 'PATCH', 'query', 'post', 'Query'].map((method) =>
    [`${method} of a list`, ASK('Content-Length: 2', `{}${SMUGGLED}`, method)]),
  ...['/v1/state', '/v1/state/', '/v1/state/customers/', '/v1/rejected', '/livez', '/metrics', '/nowhere', '/v1/state/%zz',
    '*'].flatMap((path) => ['POST', 'QUERY'].map((method) =>
    [`${method} ${path}`, `${method} ${path} HTTP/1.1\r\n${HOST}${JSON_TYPE}Content-Length: 2\r\n\r\n{}${SMUGGLED}`])),
]);
add('501 close', [
  ...['identity', 'gzip', 'gzip, chunked', 'chunked, gzip'].map((coding) =>
    [`the coding '${coding}' of a list`, ASK(`Transfer-Encoding: ${coding}`, `0\r\n\r\n${SMUGGLED}`)]),
]);
add('open', [
  ['half a body', ASK('Content-Length: 10', 'hello')],
  ['a body that is missing', ASK('Content-Length: 1', '')],
  ['half a chunk', CHUNKS('5\r\nhel')],
  ['chunks without the last one', CHUNKS('5\r\nhello\r\n')],
  ['a last chunk without its end', CHUNKS('0\r\n')],
  ['half the size of a chunk', CHUNKS('1')],
  ['a body longer than what is hidden in it', ASK(`Content-Length: ${SMUGGLED.length + 1}`, SMUGGLED)],
]);

// ---- limits

add('414 close', [
  ['a target of 6145 bytes', GET(`/${REPEAT('a', 6144)}`)],
  ['a target of 6500 bytes', GET(`/${REPEAT('a', 6499)}`)],
  ['a query of 6200 bytes', GET(`/livez?${REPEAT('a', 6200)}`)],
  ['a target of 100 kB', GET(`/${REPEAT('a', 100_000)}`)],
  ['an absolute target that is too long', GET(`http://localhost/${REPEAT('a', 6130)}`)],
]);
add('404', [['a target of 6144 bytes', GET(`/${REPEAT('a', 6143)}`)]]);
add('431 close', [
  ['a header of 7 kB', GET('/livez', `${HOST}X-A: ${REPEAT('b', 7168)}\r\n`)],
  ['HEAD with a header of 7 kB', `HEAD /livez HTTP/1.1\r\n${HOST}X-A: ${REPEAT('b', 7168)}\r\n\r\n`],
  ['a header of 100 kB', GET('/livez', `${HOST}X-A: ${REPEAT('b', 100_000)}\r\n`)],
  ['sixty headers', GET('/livez', HOST + REPEAT('X-More: value\r\n', 60))],
  ['ten thousand headers', GET('/livez', HOST + REPEAT('A: b\r\n', 10_000))],
  ['a header name of 8 kB', GET('/livez', `${HOST}${REPEAT('X', 8192)}: a\r\n`)],
]);

// ---- pipelining: answers in the order of the requests, and none behind a close

add('200 200', [['two at once', OK + OK]]);
add('200 404 200', [['three at once', OK + GET(E) + OK]]);
add(Array(50).fill('200').join(' '), [['fifty at once', REPEAT(OK, 50)]]);
add('200 200 close', [['the second one closes', OK + GET('/livez', `${HOST}Connection: close\r\n`) + OK]]);
add('200 413 close', [['a body behind a good one', OK + GET('/livez', `${HOST}Content-Length: 3\r\n`) + `abc${OK}`]]);
add('200 close', [['garbage behind a good one', `${OK}\x00\x01\x02\r\n\r\n`]]);
add('200 400 close', [['a bad header behind a good one', OK + GET('/livez', `${HOST}X A: b\r\n`)]]);
add('200 405 close',
  [['a method behind a good one', `${OK}POST /livez HTTP/1.1\r\n${HOST}Content-Length: 0\r\n\r\n${OK}`]]);
add('200 200', [['HEAD and GET at once', `HEAD /livez HTTP/1.1\r\n${HOST}\r\n${OK}`]]);
add('400 200', [['a bad target, then a good one', GET('/livez#x') + OK]]);
add('200', [['half a request behind a good one', `${OK}GET /livez HT`]]);

// ---- half requests: wait, whatever is missing

add('open', [
  ['nothing', ''],
  ['one byte', 'G'],
  ['a method', 'GET '],
  ['a request line without its end', 'GET /livez HTTP/1.1'],
  ['a request line', 'GET /livez HTTP/1.1\r\n'],
  ['a head without its end', `GET /livez HTTP/1.1\r\n${HOST}`],
  ['a head but for its last byte', `GET /livez HTTP/1.1\r\n${HOST}\r`],
  ['half a header', 'GET /livez HTTP/1.1\r\nHos'],
]);

// ---------------------------------------------------------------------------------------------------------------------

const HEAD_TIMEOUT_MS = 4000;
const ANSWER_TIMEOUT_MS = 6000;

function outcomeOf({ received, ended }, bytes) {
  const methods = bytes
    .split('\r\n')
    .filter((line) => / HTTP\/1\.[01]$/.test(line))
    .map((line) => line.split(' ')[0]);
  const { answers, rest } = readAnswers(received, methods);
  const statuses = answers.map(({ status }) => status);
  const words = [...statuses, ...(rest === '' ? [] : ['garbage']), ...(ended ? ['close'] : [])];
  return { outcome: words.join(' ') || 'open', answers };
}

// A HEAD, or what was taken for one, has no body.
function isProblem(status, head, body) {
  if (!/\r\nContent-Type: application\/problem\+json(\r\n|$)/.test(head)) return false;
  return body === '' || JSON.parse(body).status === status;
}

const filesOf = ({ pid }) => openFiles(pid).length;
const NO_BROKER = 'nats://127.0.0.1:9';

describe('raw bytes', { concurrency: true }, () => {
  describe('hostile requests', () => {
    let gateway;
    const ask = (parts, options) => converse({ port: gateway.port }, parts, { quietMs: QUIET_MS, ...options });

    before(async () => {
      gateway = await startGateway({ nats: NO_BROKER });
    });

    after(() => gateway?.kill9());

    it('are many, and none is there twice', () => {
      assert.ok(cases.length >= 300, `${cases.length}`);
      assert.equal(new Set(cases.map(([what, , outcome]) => `${what} ${outcome}`)).size, cases.length);
    });

    it('each get what they must, and nothing more', async (t) => {
      await gateway.get('/livez');
      const before = filesOf(gateway);
      const wrong = [];
      const waiting = [...cases];
      const worker = async () => {
        for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
          const [what, bytes, expected] = next;
          const { outcome, answers } = outcomeOf(await ask([bytes]), bytes);
          if (outcome !== expected) wrong.push(`${what}: ${outcome} instead of ${expected}`);
          for (const { status, head, body } of answers) {
            if (status >= 400 && !isProblem(status, head, body))
              wrong.push(`${what}: ${status} is no problem+json: ${body}`);
            if (status === 405 && !/\r\nAllow: GET, HEAD, OPTIONS(, QUERY, POST)?(\r\n|$)/.test(head))
              wrong.push(`${what}: 405 without Allow`);
            if (/\r\nX-Injected/i.test(head)) wrong.push(`${what}: a header was injected`);
          }
        }
      };
      await Promise.all(Array.from({ length: AT_ONCE }, worker));
      t.diagnostic(`${cases.length} requests made by hand: ${wrong.length} answered otherwise`);
      assert.deepEqual(wrong, []);
      await until('all connections are closed', () => filesOf(gateway) <= before, { deadlineMs: 5000 });
      assert.equal((await gateway.get('/livez')).status, 200);
      assert.ok(!gateway.log.some(({ level }) => level === 'error'), 'nothing of it is an error of ours');
    });

    it('are told in problem+json what is wrong, also where no head could be read', async () => {
      for (const [bytes, word] of [
        [GET('/livez#x'), 'fragment'],
        [GET('/v1/state/customers/%00'), '%00'],
        [GET('/livez', 'Host: a b\r\n'), 'Host'],
        [GET('/livez', `${HOST}Content-Length: 3\r\n`), 'body'],
        [GET('/livez', `${HOST}Expect: x\r\n`), 'Expect'],
        [`GET /livez HTTP/1.2\r\n${HOST}\r\n`, 'HTTP/1.1'],
        [`POST /livez HTTP/1.1\r\n${HOST}\r\n`, 'GET, HEAD, OPTIONS'],
        [GET('/livez', `${HOST}X-A: ${REPEAT('b', 7168)}\r\n`), '7168'],
        [GET(`/${REPEAT('a', 6144)}`), '6144'],
        [GET('/livez', `${HOST}X-A\r\n`), 'no colon'],
        [GET('/livez', `${HOST}X-A: b\r\n c\r\n`), 'folding'],
        [GET('/livez', ` X-A: b\r\n${HOST}`), 'whitespace'],
        [GET('/live z'), 'whitespaces'],
        ['GET /livez HTTP/2.0\r\n\r\n', 'version'],
        [GET(`/${REPEAT('a', 30_000)}`), 'too big'],
        [GET('/livez', `${HOST}X-A: ${REPEAT('b', 30_000)}\r\n`), 'exceeds'],
      ]) {
        const { answers } = outcomeOf(await ask([bytes]), bytes);
        assert.equal(answers.length, 1);
        assert.match(answers[0].head, /\r\nContent-Type: application\/problem\+json/);
        assert.match(answers[0].head, /\r\nCache-Control: no-store/);
        assert.match(answers[0].head, /\r\nX-Content-Type-Options: nosniff/);
        const problem = JSON.parse(answers[0].body);
        assert.equal(problem.status, answers[0].status);
        assert.ok(problem.detail.includes(word), problem.detail);
      }
    });

    it('of any size of head get an answer, never silence', async () => {
      const enough = (received) => readAnswers(received).answers.length === 1;
      const heads = [];
      for (let bytes = 3000; bytes < 20_000; bytes += 53)
        heads.push(`X-A: ${REPEAT('b', bytes)}\r\n`, REPEAT('Abcdefg: hijklmnop\r\n', Math.ceil(bytes / 76)));
      const worker = async () => {
        for (let head = heads.shift(); head !== undefined; head = heads.shift()) {
          const bytes = GET(E, HOST + head);
          const { outcome } = outcomeOf(await ask([bytes], { enough, quietMs: 5000 }), bytes);
          assert.match(outcome, /^(404|431|431 close)$/, `${bytes.length} bytes: ${outcome}`);
        }
      };
      await Promise.all(Array.from({ length: 4 }, worker));
    });

    // The library's read buffer is full of the requests that follow, and its memory of the fields of the first one.
    it('of any number of fields are answered, however much is pipelined after them', async () => {
      const behind = REPEAT(GET(`/v1/state/customers/${REPEAT('x', 500)}`), 40);
      const counts = Array.from({ length: 68 }, (_, i) => i);
      const worker = async () => {
        for (let count = counts.shift(); count !== undefined; count = counts.shift())
          for (const field of ['a:b\r\n', 'Abc: def\r\n']) {
            const first = GET(E, HOST + REPEAT(field, count));
            const enough = (received) => readAnswers(received).answers.length === 41;
            const { received } = await ask([first + behind], { enough, quietMs: 5000 });
            const { answers } = readAnswers(received);
            const [{ status } = {}] = answers;
            const right = count < FIELDS_MAX ? status === 404 && answers.length === 41 : status === 431;
            assert.ok(right, `${count} of ${field}: ${status}, ${answers.length} answers`);
          }
      };
      await Promise.all(Array.from({ length: 4 }, worker));
    });

    it('that come byte by byte are answered once they are whole', async () => {
      const enough = (received) => received.length >= 12;
      const { received } = await ask([...GET(E)], { enough, quietMs: 5000 });
      assert.match(received.toString('latin1'), /^HTTP\/1\.1 404/);
    });
  });

  it('that never become a request end in the time for a head, however busy they look', async (t) => {
    const config = { http: { head_timeout: `${HEAD_TIMEOUT_MS}ms` } };
    const gateway = await startGateway({ t, nats: NO_BROKER, config });
    const begun = Date.now();
    const closed = (bytes, drip) =>
      new Promise((done) => {
        const socket = connect(gateway.port, '127.0.0.1', () => socket.write(bytes));
        const timer = drip && setInterval(() => socket.write(drip), 100);
        socket.resume();
        socket.on('error', () => {});
        socket.on('close', () => {
          clearInterval(timer);
          done(Date.now() - begun);
        });
      });
    const line = 'GET /livez HTTP/1.1\r\n';
    const body = ASK('Content-Length: 10000', 'x');
    const chunks = CHUNKS('1\r\nx\r\n');
    const times = await Promise.all([
      closed(''), closed(line), closed(line, 'X'), closed(OK), closed(OK, 'G'),
      closed(body), closed(body, 'x'), closed(chunks), closed(chunks, '1\r\nx\r\n'),
    ]);
    for (const ms of times) assert.ok(ms > 0.8 * HEAD_TIMEOUT_MS && ms < HEAD_TIMEOUT_MS + 5000, `${times}`);
    assert.equal((await gateway.get('/livez')).status, 200);
  });

  it('whose answers nobody takes are given up in the time for an answer, and hold up nobody else', async (t) => {
    const config = { http: { loops: 1, answer_timeout: `${ANSWER_TIMEOUT_MS}ms` } };
    const gateway = await startGateway({ t, nats: NO_BROKER, config });
    await gateway.get('/livez');
    const before = filesOf(gateway);
    // As many as no buffer on the way holds.
    const reader = connect(gateway.port, '127.0.0.1', () => reader.write(REPEAT(GET('/openapi.yaml'), 1000)));
    t.after(() => reader.destroy());
    reader.on('error', () => {}).pause();
    await until('it is connected', () => filesOf(gateway) > before);
    const begun = Date.now();
    await until(
      'it is closed, while others are answered',
      async () => {
        assert.equal((await gateway.get('/livez')).status, 200);
        return filesOf(gateway) <= before;
      },
      { deadlineMs: ANSWER_TIMEOUT_MS + 10_000, everyMs: 100, hard: true },
    );
    assert.ok(Date.now() - begun > 0.8 * ANSWER_TIMEOUT_MS, `${Date.now() - begun} ms`);
  });
});
