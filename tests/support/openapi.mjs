// openapi.yaml as a checker of real answers: linted, its references resolved, its schemas compiled.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import Ajv2020 from '@redocly/ajv/dist/2020.js';
import openapi from '@redocly/openapi-core';

import { SOURCE_DIR } from './process.mjs';

const OPENAPI_FILE = join(SOURCE_DIR, 'openapi.yaml');
export const openapiText = () => readFileSync(OPENAPI_FILE, 'utf8');

// The recommended rules. Off are those that ask for what a program on a loopback address cannot give.
const RULES = {
  'no-server-example.com': 'off', // the servers are the reader's own
  'operation-4xx-response': 'off', // a probe has no 4xx of its own
};

// What the linter complains about, in words; [] when nothing.
export async function lintOpenapi(file = OPENAPI_FILE) {
  const config = await openapi.createConfig({ extends: ['recommended'], rules: RULES });
  const problems = await openapi.lint({ ref: file, config });
  return problems
    .filter(({ ignored }) => !ignored)
    .map(({ severity, ruleId, message, location }) => `${severity} ${ruleId} at ${location[0]?.pointer}: ${message}`);
}

// The document with every $ref resolved.
export async function loadOpenapi(file = OPENAPI_FILE) {
  const config = await openapi.createConfig({});
  const { bundle, problems } = await openapi.bundle({ ref: file, config, dereference: true });
  if (problems.length > 0) throw new Error(problems.map(({ message }) => message).join('; '));
  return new Document(bundle.parsed);
}

class Document {
  constructor(parsed) {
    this.parsed = parsed;
    this.paths = Object.keys(parsed.paths);
    this.ajv = new Ajv2020.default({ strict: false, allErrors: true, validateFormats: false });
    this.compiled = new Map();
  }

  operation(path, method) {
    const item = this.parsed.paths[path];
    const found = item?.[method.toLowerCase()];
    return found && { ...found, parameters: [...(item.parameters ?? []), ...(found.parameters ?? [])] };
  }

  // What an answer does that the document does not allow, in words; [] when nothing.
  violations(path, method, answer) {
    const operation = this.operation(path, method);
    if (operation === undefined) return [`${method} ${path} is not described`];
    const described =
      operation.responses[answer.status] ??
      operation.responses[`${String(answer.status)[0]}XX`] ??
      operation.responses.default;
    if (described === undefined) return [`status ${answer.status} is not described`];
    return [
      ...this.headerViolations(described, answer),
      ...(method === 'HEAD' ? [] : this.bodyViolations(described, answer)),
    ];
  }

  headerViolations(described, answer) {
    const found = [];
    const headers = Object.fromEntries(
      Object.entries(described.headers ?? {}).map(([name, header]) => [name.toLowerCase(), header]),
    );
    for (const [name, header] of Object.entries(headers)) {
      const value = answer.headers[name];
      if (value === undefined && header.required) found.push(`header ${name} is missing`);
      if (value !== undefined)
        found.push(...this.schemaViolations(header.schema, typed(value, header.schema), `header ${name}`));
    }
    for (const name of Object.keys(answer.headers)) {
      if (!(name in headers) && !GENERAL_HEADERS.has(name)) found.push(`header ${name} is not described`);
    }
    return found;
  }

  bodyViolations(described, answer) {
    if (described.content === undefined) return answer.text === '' ? [] : ['a body is not described'];
    const type = (answer.headers['content-type'] ?? '').split(';')[0];
    const media =
      described.content[type] ?? Object.entries(described.content).find(([key]) => key.split(';')[0] === type)?.[1];
    if (media === undefined) return [`content type ${type} is not described`];
    if (media.schema === undefined) return [];
    return this.schemaViolations(media.schema, type.endsWith('json') ? answer.json() : answer.text, 'body');
  }

  schemaViolations(schema, value, what) {
    if (schema === undefined) return [];
    if (!this.compiled.has(schema)) this.compiled.set(schema, this.ajv.compile(schema));
    const validate = this.compiled.get(schema);
    if (validate(value)) return [];
    return validate.errors.map(
      ({ instancePath, message, params }) => `${what}${instancePath} ${message} ${JSON.stringify(params)}`,
    );
  }
}

// Headers that belong to HTTP itself and need no description.
const GENERAL_HEADERS = new Set([
  'content-type',
  'content-length',
  'date',
  'connection',
  'keep-alive',
  'transfer-encoding',
]);

function typed(text, schema) {
  return /^(integer|number)$/.test(schema?.type) && text.trim() !== '' ? Number(text) : text;
}
