// The Python that is taken away: whole, fetching what it names, and comparing itself with the saved result.
//
// scripts/oracle/check_snippets.mjs runs it with TransformerLens and SAELens.

import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { PAGE, serve } from '../../scripts/serve.mjs';
import { originsOf, python } from '../../www/app/snippet.js';
import { fromJson } from '../../www/figure/result.js';

const WWW = new URL('../../www/', import.meta.url);
const run = promisify(execFile);

/** @type {Awaited<ReturnType<typeof serve>>} */
let server;
/** @type {URL} */
let page;
/** @type {string} */
let folder;
before(async () => {
  server = await serve({ mounts: PAGE });
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  page = new URL(`http://127.0.0.1:${port}/`);
  folder = mkdtempSync(join(tmpdir(), 'sae-attribution-python-'));
});
after(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

/** @param {string} name */
const saved = (name) => readFileSync(new URL(`results/${name}.json`, WWW), 'utf8');

/** @param {string} name @param {(result: any) => void} [change] */
function codeOf(name, change = () => {}) {
  const result = fromJson(saved(name));
  change(result);
  return python(result.request, originsOf(result), { page, file: 'saved.json' });
}

/** Runs Python in the folder. @param {string} code */
async function ran(code) {
  writeFileSync(join(folder, 'x.py'), code);
  return run('python3', ['-B', 'x.py'], { cwd: folder });
}

const KINDS = ['demo-latent-latent', 'demo-token-latent', 'demo-capital', 'demo-logit-difference', 'demo-tennis-logit'];

test('it is Python, for each kind of request, and names no folder that it does not make', async () => {
  const compile = `import sys\nfor path in sys.argv[1:]: compile(open(path, encoding="utf-8").read(), path, "exec")`;
  for (const name of KINDS) writeFileSync(join(folder, `${name}.py`), codeOf(name));
  await run('python3', ['-c', compile, ...KINDS.map((name) => join(folder, `${name}.py`))]);
  for (const name of KINDS) {
    const code = codeOf(name);
    assert.ok(!/Download as folder|from_pretrained\("/.test(code), code);
    const { from } = JSON.parse(saved(name)).request;
    assert.equal(code.includes('saved["sources"]["latent"]'), from !== 'tokens', name);
    assert.match(code, /same\(gradients\.numpy\(\), saved\["gradients"\]\)/);
  }
});

test('what it fetches is what the page is served with', async () => {
  const code = codeOf('demo-latent-latent');
  const helper = /def files[^]*?return folder\n/.exec(code)?.[0] ?? '';
  const calls = code.match(/files\("[^)]*\)/g) ?? [];
  assert.equal(calls.length, 3, code);
  const head = 'from pathlib import Path\nfrom urllib.request import urlretrieve\n';
  await ran(`${head}${helper}\n${calls.join('\n')}\n`);
  for (const [fetched, original] of [
    ['models-demo-model/model.safetensors', 'models/demo/model/model.safetensors'],
    ['models-demo-model/tokenizer.json', 'models/demo/model/tokenizer.json'],
    ['models-demo-model/config.json', 'models/demo/model/config.json'],
    ['models-demo-saes-blocks.0.hook_resid_pre/cfg.json', 'models/demo/saes/blocks.0.hook_resid_pre/cfg.json'],
    [
      'models-demo-saes-blocks.2.hook_resid_pre/sae_weights.safetensors',
      'models/demo/saes/blocks.2.hook_resid_pre/sae_weights.safetensors',
    ],
  ])
    assert.ok(readFileSync(join(folder, fetched)).equals(readFileSync(new URL(original, WWW))), fetched);
  // What is there is not fetched again, and what cannot be is said.
  writeFileSync(join(folder, 'models-demo-model/config.json'), 'mine');
  await ran(`${head}${helper}\n${calls.join('\n')}\n`);
  assert.equal(readFileSync(join(folder, 'models-demo-model/config.json'), 'utf8'), 'mine');
  await assert.rejects(ran(`${head}${helper}\nfiles("mine", "", "config.json")\n`), /mine\/config\.json is not there/);
});

test('files of a folder of this computer, and of no address, are told where to be put', () => {
  const opened = codeOf('demo-latent-latent', (result) => {
    result.model.address = 'folder:my "models"/model';
    result.sources.sae.address = 'neither';
  });
  assert.match(opened, /# Files of the model from the folder that was opened: this script stands beside it\n/);
  assert.match(opened, /files\("my \\"models\\"\/model", "", "config\.json"/);
  const hostile = codeOf('demo-latent-latent', (result) => {
    result.model.address = 'https://m.example/a"b\n\u202e/%E0%A4%A/x';
    result.targets.sae.address = 'http://[';
  });
  assert.ok(!hostile.includes('\u202e'));
  assert.match(hostile, /to be put into folder “target”: http:\/\/\[\n/);
});

test('it compares tokens, nodes and numbers, as far as a result has them', () => {
  const code = codeOf('demo-logit-difference');
  const last = code.slice(code.indexOf('# The same tokens'));
  assert.match(last, /atol=0\.00005 \* np\.abs\(expected\)\.max\(initial=0\)/);
  assert.match(last, /assert_array_equal\(tokens\[0\], saved\["tokens"\]\["token_id"\]\)/);
  assert.match(last, /assert_array_equal\(at\[2\], saved\["sources"\]\["latent"\]\)/);
  for (const key of ['targets"]["token_id', 'targets"]["latent']) assert.ok(!last.includes(key));
  assert.ok(codeOf('demo-tennis-logit').includes('assert_array_equal(to, saved["targets"]["token_id"])'));
});
