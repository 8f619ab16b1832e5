// A reader of the Prometheus text format: enough to ask a scrape for a sample.

const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)",?/y;

export class Scrape {
  constructor(text) {
    this.samples = [];
    this.types = new Map();
    for (const line of text.split('\n')) this.readLine(line);
  }

  readLine(line) {
    const type = /^# TYPE (\S+) (\S+)$/.exec(line);
    if (type) this.types.set(type[1], type[2]);
    if (line === '' || line.startsWith('#')) return;
    const found = SAMPLE.exec(line);
    if (found === null) throw new Error(`not a sample: ${line}`);
    this.samples.push({ name: found[1], labels: readLabels(found[2] ?? ''), value: Number(found[3]) });
  }

  all(name, labels = {}) {
    return this.samples.filter(
      (sample) => sample.name === name && Object.entries(labels).every(([key, value]) => sample.labels[key] === value),
    );
  }

  // The value of the only such sample; undefined where there is none.
  value(name, labels = {}) {
    const found = this.all(name, labels);
    if (found.length > 1) throw new Error(`${found.length} samples of ${name} ${JSON.stringify(labels)}`);
    return found[0]?.value;
  }

  sum(name, labels = {}) {
    return this.all(name, labels).reduce((sum, { value }) => sum + value, 0);
  }
}

function readLabels(text) {
  const labels = {};
  LABEL.lastIndex = 0;
  while (LABEL.lastIndex < text.length) {
    const found = LABEL.exec(text);
    if (found === null) throw new Error(`not labels: ${text}`);
    labels[found[1]] = found[2].replace(/\\(.)/g, (_, c) => (c === 'n' ? '\n' : c));
  }
  return labels;
}

export async function scrape(gateway, options) {
  return new Scrape((await gateway.get('/metrics', options)).text);
}
