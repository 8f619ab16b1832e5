// What the documents hold: fenced blocks, tables, words in code type, links.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

import { SOURCE_DIR } from './process.mjs';

export const read = (file) => readFileSync(join(SOURCE_DIR, file), 'utf8');

// Every document of the project, README first.
export function documents() {
  const inDocs = readdirSync(join(SOURCE_DIR, 'docs'), { recursive: true }).filter((name) => name.endsWith('.md'));
  const roots = readdirSync(SOURCE_DIR).filter((name) => name.endsWith('.md') && name !== 'README.md');
  const others = ['bench/RESULTS.md', 'tests/fault/README.md', 'tests/history/README.md'];
  return ['README.md', ...roots.sort(), ...inDocs.sort().map((name) => `docs/${name}`), ...others];
}

// The words in code type.
export const codes = (text) => [...text.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code);

// The fenced blocks {language, body, mark}; the mark is what a comment on the line before says: <!-- mark -->.
export function blocks(text) {
  const pattern = /(?:^<!-- (.*) -->\n)?^```(\w*)\n([\s\S]*?)^```$/gm;
  return [...text.matchAll(pattern)].map(([, mark, language, body]) => ({ language, body, mark: mark ?? '' }));
}

// The rows of every table whose head begins with `head`, as lists of cells.
export function rows(text, head) {
  const found = [];
  let inside = false;
  for (const line of text.split('\n')) {
    const cells = line.startsWith('|') ? line.slice(1, -1).split('|').map((cell) => cell.trim()) : null;
    if (cells === null) inside = false;
    else if (inside && !/^-+$/.test(cells[0])) found.push(cells);
    else if (cells[0] === head) inside = true;
  }
  assert.ok(found.length > 0, `a table of ${head}`);
  return found;
}

// GitHub's anchor of a heading.
const anchor = (heading) => heading.toLowerCase().replace(/[^\w\- ]/g, '').replaceAll(' ', '-');

export function brokenLinks(file, text) {
  const anchors = (of) => [...of.matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchor(heading));
  return [...text.matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, target]) => target)
    .filter((target) => !target.startsWith('https://'))
    .filter((target) => {
      const [path, fragment] = target.split('#');
      const to = path === '' ? join(SOURCE_DIR, file) : join(SOURCE_DIR, dirname(file), path);
      if (!existsSync(to)) return true;
      return fragment !== undefined && !anchors(path === '' ? text : readFileSync(to, 'utf8')).includes(fragment);
    });
}
