// A request with a body, which the gateway's usual client has none of.

import http from 'node:http';

// Gives {status, headers, body, text}.
export function ask(gateway, { path, method = 'GET', headers = {}, body, agent }) {
  return new Promise((done, failed) => {
    const bytes = body === undefined ? undefined : Buffer.from(body, 'utf8');
    const length = bytes && { 'Content-Length': bytes.length };
    const options = { host: '127.0.0.1', port: gateway.port, path, method, agent, timeout: 20_000 };
    const request = http.request({ ...options, headers: { ...headers, ...length } });
    request.on('timeout', () => request.destroy(new Error(`no answer to ${method} ${path.slice(0, 300)}`)));
    request.on('error', failed);
    request.on('response', (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('error', failed);
      response.on('end', () => {
        const whole = Buffer.concat(chunks);
        done({ status: response.statusCode, headers: response.headers, body: whole, text: whole.toString('utf8') });
      });
    });
    request.end(bytes);
  });
}
