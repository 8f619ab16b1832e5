// Queries as nobody writes them by mistake: good ones with a few bytes changed, lists and trees of every size, odd
// encodings, limits and cursors of every kind, bodies of batches that are none.

const long = (text, times) => Array(times).fill(text).join();

const PIECES = [...'(),."\\*=&%+ \0', 'not.', 'and', 'or', 'in.(', 'eq.', 'is.'];
const WORDS = [
  ...['null', 'true', '%ff', '%', '%c0%af', '%ed%a0%80', '%00', '%2', '%zz', '~', '9'.repeat(30), 'ü', '🦀', "'--"],
];
const LIMITS = ['0', '1', '1000', '1001', '-1', '1e3', '99999999999999999999', '0x10', '%205', '', 'ten', '1.0', '%31'];
const ORDERS = ['', ',', 'id', 'id.desc', 'total,total', 'tag', long('total', 5), 'total.desc.asc', 'x'.repeat(600)];
const SELECTS = ['', '*', ',', 'id,id', 'a:/', 'a:b', 'a:/~2', 'a:/~', `x:/${'y/'.repeat(400)}`, long('id', 40)];
const COUNTS = ['exact', 'planned', '', 'exact,exact', 'EXACT'];
const RESERVED = /[^A-Za-z0-9\-._~!$&'()*+,;=:@/?%"\\]/gu;

export class Hostile {
  // `queries` makes good ones; `cursors` are some that were given out.
  constructor(random, queries, { cursors = [] } = {}) {
    Object.assign(this, { random, queries, cursors });
  }

  // What goes behind the question mark: any text, with what no request line may have encoded.
  text() {
    const { random } = this;
    const made = random.pick([
      () => this.mutated(),
      () => this.mutated(),
      () => this.mutated(),
      () => this.tree(),
      () => this.list(),
      () => this.parameters(),
      () => this.cursor(),
      () => this.scan(),
    ])();
    // Half a character is no text: its bytes are sent as they would be.
    return made.replace(/\p{Surrogate}/gu, '%ed%a0%80').replace(RESERVED, (one) => encodeURIComponent(one));
  }

  mutated() {
    const { random } = this;
    let text = this.queries.query().text;
    for (let times = random.between(1, 3); times > 0; times--) text = this.mutate(text);
    return text;
  }

  mutate(text) {
    const { random } = this;
    const at = random.between(0, text.length);
    const [before, after] = [text.slice(0, at), text.slice(at)];
    const piece = random.chance(0.7) ? random.pick(PIECES) : random.pick(WORDS);
    return random.pick([
      () => before + after.slice(random.between(1, 4)),
      () => before + piece + after,
      () => before + piece + after.slice(1),
      () => before + text.slice(random.between(0, at)),
      () => before,
      () => `${text}&${text}`,
      () => text.toUpperCase(),
      () => before + before + after,
    ])();
  }

  // As deep and as wide as a request can be, and beyond what is allowed.
  tree() {
    const { random } = this;
    const depth = random.pick([1, 3, 4, 5, 6, 50, 300]);
    const width = random.pick([1, 2, 31, 32, 33, 60, 100]);
    const open = Array.from({ length: depth - 1 }, () => random.pick(['and(', 'or(', 'not.or(', 'not.and('])).join('');
    const close = random.chance(0.9) ? ')'.repeat(depth) : ')'.repeat(random.between(0, depth + 2));
    return `${random.pick(['and', 'or', 'not.or'])}=(${open}${long('status.eq.a', width)}${close}`;
  }

  list() {
    const { random } = this;
    const count = random.pick([0, 1, 2, 100, 500, 999, 1000, 1001, 1400]);
    const value = random.pick(['1', '-', '', '""', '"a,b"', 'a']);
    const field = random.pick(['status', 'units', 'total', 'id', 'tag', 'placed', 'open']);
    return `${field}=${random.chance(0.2) ? 'not.' : ''}in.(${long(value, count)})`;
  }

  parameters() {
    const { random } = this;
    const of = (name, values) => `${name}=${random.pick(values)}`;
    const any = [
      () => of('limit', LIMITS),
      () => of('count', COUNTS),
      () => of('order', ORDERS),
      () => of('select', SELECTS),
      () => of('never', ['eq.1']),
      () => of('min_position', ['STATE:1', 'x', 'STATE:99999999999999']),
      () => of('wait', ['0', '-1', '1ms']),
      () => of('status', ['eq.', 'eq', '', '.', 'eq.a', 'not.', 'is.', 'like.', 'like.*', 'like.**', 'in.']),
    ];
    return Array.from({ length: random.pick([1, 2, 3, 40]) }, () => random.pick(any)()).join('&');
  }

  cursor() {
    const { random } = this;
    const real = this.cursors.length > 0 ? random.pick(this.cursors) : 'AAAA';
    const at = random.between(0, real.length - 1);
    const cursor = random.pick([
      real,
      real.slice(0, at),
      `${real}A`,
      real.slice(0, at) + random.pick(['A', 'b', '_', '-', '%', '!']) + real.slice(at + 1),
      Buffer.from(this.queries.query().text).toString('base64url'),
      'A'.repeat(random.pick([0, 1, 500, 2000])),
    ]);
    const beside = random.pick(['', 'status=eq.open&', 'order=total&', 'limit=1000&', 'select=id&']);
    return `${beside}cursor=${cursor}`;
  }

  // What costs most of what is allowed: every row is looked at, and none passes.
  scan() {
    const { random } = this;
    const tests = Array.from({ length: random.between(1, 25) }, (_, i) => `city.neq.x${i},tag.not.eq.y${i}`);
    const some = tests.join().slice(0, 800).replace(/,[^,]*$/, '');
    return `order=total&limit=1000&count=exact&status=eq.never&and=(${some})`;
  }

  // {method, headers, body} of a batch.
  batch() {
    const { random } = this;
    const ids = (count, id = '"a"') => `{"ids":[${long(id, count)}]}`;
    const body = random.pick([
      ids(1), ids(1000), ids(1001), ids(0), ids(1, '{"id":"a","minVersion":7}'), ids(1, '{"id":"a","minVersion":-1}'),
      ids(2, '{"id":"a","minVersion":99999999999999999999}'), ids(1, '7'), ids(1, 'null'), ids(1, '"\\u0000"'),
      ids(1, `"${'x'.repeat(600)}"`), '{}', '[]', '', '{"ids":"a"}', '{"ids":["a"],"filter":"status=eq.open"}',
      '{"ids":["a"],"filter":"cursor=AAAA"}', '{"ids":["a"],"filter":7}', '{"ids":["a"],"select":["id","total"]}',
      '{"ids":["a"],"select":"id"}', '{"ids":["a"],"never":1}', '{"ids":["a"],"ids":["b"]}', '{"ids":["a"',
      `{"ids":["a"],"filter":"${'status=eq.a&'.repeat(400)}"}`, '['.repeat(60_000), '\xff\xfe',
      `"${'a'.repeat(70_000)}"`,
      ids(1000, `"${'i'.repeat(60)}"`), ids(1000, `"${'i'.repeat(70)}"`),
    ]);
    const others = ['text/plain', '', 'application/json;charset=x'];
    const type = random.chance(0.9) ? 'application/json' : random.pick(others);
    return { method: random.pick(['POST', 'QUERY']), headers: type === '' ? {} : { 'Content-Type': type }, body };
  }
}
