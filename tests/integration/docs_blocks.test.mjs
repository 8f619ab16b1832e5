// What the documents show of a terminal is what the real program does: every block of commands in them is played,
// against a real nats-server and the real gateway with the data of scripts/demo. The few that cannot be played here are
// marked in the document, and listed here with the reason.

import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { demoScene } from '../support/demo_scene.mjs';
import { cleanEnvironment, STATEGATE } from '../support/gateway.mjs';
import { blocks, documents, read } from '../support/markdown.mjs';
import { freePort } from '../support/ports.mjs';
import { program, run, SOURCE_DIR, tempFolder } from '../support/process.mjs';
import { scrape } from '../support/prometheus.mjs';
import { parseTranscript, Player, shows } from '../support/transcript.mjs';
import { until } from '../support/until.mjs';

const FEED = program('STATEGATE_FEED_BIN', 'build/dev/stategate-feed');
const NOT_PLAYED = 'not played: ';

// The blocks that are not played: the document, the first line, and why.
const EXCEPTIONS = [
  ['README.md', 'scripts/demo', 'one builds and stays up, and integration/demo plays it; the other runs this test'],
  ['docs/running.md', 'scripts/setup build', 'installs packages; this test rests on what it builds'],
  ['tests/fault/README.md', 'tests/fault/campaign', 'runs for hours; CTest runs each step with a short count'],
  ['tests/history/README.md', 'tests/history/campaign', 'runs for hours; CTest runs 50,000 operations, and a cluster'],
  [
    'docs/running.md',
    'buildah build',
    'needs a container engine and a base image; tests/image/run builds and tries it',
  ],
];
// What a fence may hold: commands, which are played; client code, which docs_clients runs; and what is no command.
const PLAYED = ['console', 'sh'];
const LANGUAGES = [...PLAYED, 'js', 'python', 'go', 'text'];

const LOOKS_LIKE_A_COMMAND = /^\s*(\$|curl|node|docker|buildah|(\.\/)?(scripts|tests|build|bench)\/)/m;

const isCommand = ({ language }) => PLAYED.includes(language);
const isMarked = ({ mark }) => mark.startsWith(NOT_PLAYED);
const exceptionOf = (file, { body }) => EXCEPTIONS.find(([name, first]) => name === file && body.startsWith(first));

// What is wrong with the blocks of a document before any is played.
function unsound(file, text) {
  const all = blocks(text);
  const fences = text.split('\n').filter((line) => line.startsWith('```')).length;
  return [
    ...(fences === all.length * 2 ? [] : [`${fences} fences, and ${all.length} blocks`]),
    ...all.filter(({ language }) => !LANGUAGES.includes(language)).map(({ language }) => `a block of "${language}"`),
    ...all.filter((b) => b.language === 'text' && LOOKS_LIKE_A_COMMAND.test(b.body)).map(() => 'commands as text'),
    ...all.filter((b) => isCommand(b) && isMarked(b) && !exceptionOf(file, b)).map(({ mark }) => `not listed: ${mark}`),
    ...all.filter((b) => exceptionOf(file, b) && !isMarked(b)).map(({ body }) => `not marked: ${body}`),
  ];
}

describe('transcripts', () => {
  it('are compared with what is printed', () => {
    assert.ok(shows('a\nb\n', 'a\nb\n'));
    assert.ok(shows('a\n...\nd\n', 'a\nb\nc\nd\n'));
    assert.ok(shows('a\n...\nd\n', 'a\nd\n'));
    assert.ok(shows('{"a":1,...,"z":2}\n', '{"a":1,"b":"x","z":2}\n'));
    assert.ok(shows('State-Staleness: 0.3\nAge: 1\n', 'State-Staleness: 12.75\nAge: 13\n'));
    assert.ok(shows('STATE:7;epoch=kk4yx7\n', 'STATE:13720;epoch=pr1nfh\n'));
    assert.ok(shows('<?cursor=AwxzdWJkaXZpc2lvbnMG&a=1>\n', '<?cursor=AwxzdWJkaXZpc2lvbnMGtnq&a=1>\n'));
    for (const [shown, printed] of [
      ['a\n', 'a\nb\n'],
      ['a\nb\n', 'a\n'],
      ['', 'a\n'],
      ['a\n...\nd\n', 'a\nb\n'],
      ['State-Version: 1\n', 'State-Version: 2\n'],
      ['State-Status: live\n', 'State-Status: disconnected\n'],
      ['State-Staleness: 0.3\n', 'State-Staleness: \n'],
      ['"kk4yx7.b1.2"\n', '"kk4yx7.b2.2"\n'],
      ['a.c\n', 'abc\n'],
      ['<?cursor=AwxzdWJkaXZpc2lvbnMG&a=1>\n', '<?cursor=AwxzdWJkaXZpc2lvbnMG&a=2>\n'],
    ])
      assert.ok(!shows(shown, printed), `${JSON.stringify(shown)} is not ${JSON.stringify(printed)}`);
  });

  it('are read by terminal, command and output', () => {
    const asks = '# terminal 1: asks\n$ ask |\n    more\n\n';
    const text = `${asks}# terminal 2\n$ tell\ntold\n\n# terminal 1\nanswer\n\nbody\n`;
    assert.deepEqual(parseTranscript(text), [
      { terminal: '1', command: 'ask |\n    more', output: '' },
      { terminal: '2', command: 'tell', output: 'told\n' },
      { terminal: '1', command: '', output: 'answer\n\nbody\n' },
    ]);
  });
});

describe('documents', () => {
  it('have blocks of known kinds; each that is not played is listed here, and no other', () => {
    for (const file of documents()) assert.deepEqual(unsound(file, read(file)), [], file);
    for (const [file, first, reason] of EXCEPTIONS) {
      const marked = blocks(read(file)).filter((block) => block.body.startsWith(first));
      assert.equal(marked.length, 1, `${file} has one block that begins with ${first}`);
      assert.equal(marked[0].mark, NOT_PLAYED + reason);
    }
  });

  it('that hide a command are noticed', () => {
    for (const text of [
      '<!-- not played: no reason -->\n```sh\ncurl x\n```\n',
      '```\ncurl x\n```\n',
      '```bash\ncurl x\n```\n',
      '```text\n$ curl x\n```\n',
      '```text\nbench/run\n```\n',
      '```sh\ncurl x\n',
    ])
      assert.notDeepEqual(unsound('docs/http.md', text), [], text);
  });
});

describe('what documents show of a terminal', () => {
  let scene;

  before(async () => (scene = await demoScene()));
  after(() => scene?.close());

  // A folder that looks like the checkout, and in which files may be made.
  function checkout() {
    const folder = tempFolder(undefined, 'docs-blocks');
    mkdirSync(join(folder, 'build/release'), { recursive: true });
    symlinkSync(STATEGATE, join(folder, 'build/release/stategate'));
    const feed = join(folder, 'build/release/stategate-feed');
    writeFileSync(feed, `#!/bin/sh\nexec ${FEED} --url ${scene.nats.url} "$@"\n`); // instead of its default port
    chmodSync(feed, 0o755);
    symlinkSync(join(SOURCE_DIR, 'deploy'), join(folder, 'deploy'));
    return folder;
  }

  async function player(file) {
    const [own, other] = [`127.0.0.1:${await freePort()}`, `127.0.0.1:${await freePort()}`];
    const { epoch } = await scene.gateway.status();
    // Where a document starts a gateway of its own on the default address, that is the one it asks.
    const asked = file === 'docs/running.md' ? own : scene.gateway.address;
    const here = [
      ['127.0.0.1:8080', asked],
      ['127.0.0.1:8081', other],
      ['127.0.0.1:4222', `127.0.0.1:${scene.nats.port}`],
      ['127.0.0.1:4223', `127.0.0.1:${await freePort()}`],
      ['kk4yx7', epoch],
      ['-STOP 4711', `-STOP ${scene.nats.pid}`],
      ['-CONT 4711', `-CONT ${scene.nats.pid}`],
    ];
    const replace = (text, pairs) => pairs.reduce((made, [from, to]) => made.replaceAll(from, to), text);
    return new Player({
      cwd: checkout(),
      env: cleanEnvironment({ STATEGATE_LISTEN: own, STATEGATE_NATS_URL: scene.nats.url }),
      substitute: (text) => replace(text, here),
      restore: (text) => replace(text, here.map(([from, to]) => [to, from])),
      waits: (command, terminal) => waits(command, terminal),
      after: (command) => caused(command),
    });
  }

  // A read that is left waiting waits in the gateway; a gateway that is left running listens, and has what is there.
  async function waits(command, terminal) {
    if (command.startsWith('curl')) {
      const parked = async () => (await scrape(scene.gateway)).value('stategate_waits_parked') === 1;
      await until(`a read waits: ${command}`, parked);
    } else {
      const address = () => /"event":"listening".*?"address":"([^"]+)"/.exec(terminal.output)?.[1];
      const listening = await until(`${command} listens`, address);
      const settled = async () => {
        const { streams } = (await scene.gateway.get('/v1/status', { address: listening })).json();
        return streams.every(({ ready, lastError }) => ready.ready || lastError);
      };
      await until(`${command} has what is there, or says why not: ${terminal.output}`, settled);
    }
  }

  // What a signal to the broker causes takes its time, which a reader takes too.
  async function caused(command) {
    if (command.startsWith('kill -STOP')) await scene.gateway.untilStatus('disconnected', { deadlineMs: 20_000 });
    if (command.startsWith('kill -CONT')) await scene.gateway.untilStatus('live', { deadlineMs: 20_000 });
  }

  for (const file of documents()) {
    const commands = blocks(read(file)).filter((block) => isCommand(block) && !isMarked(block));
    if (commands.length === 0) continue;
    it(`${file}: ${commands.length} blocks`, { timeout: 120_000 }, async () => {
      const played = await player(file);
      try {
        for (const { language, body } of commands) {
          await scene.settled(); // a document shows a gateway at rest
          await (language === 'sh' ? played.script(body) : played.play(body));
        }
      } finally {
        await played.close();
        scene.nats.resume();
      }
    });
  }

  it('is compared: a transcript that says otherwise fails', async () => {
    const played = await player('docs/http.md');
    const ask = "$ curl -s 'http://127.0.0.1:8080/v1/state/countries/JP'\n";
    try {
      await played.play(`${ask}{"alpha_2":"JP",...,"subdivisions":47}\n`);
      await assert.rejects(played.play(`${ask}{"alpha_2":"JP",...,"subdivisions":48}\n`));
      await assert.rejects(played.play('$ false\n'));
      await played.play('$ false\n$ echo $?\n1\n');
      await assert.rejects(played.script('false\ntrue\n'));
      await assert.rejects(played.script('curl -s http://127.0.0.1:8080/v1/state/countries/demo-nowhere\n'));
    } finally {
      await played.close();
    }
  });
});
