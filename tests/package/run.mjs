// The npm package in the projects of strangers: four bundlers, and pages that take it straight from another origin or
// under a strict policy.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { isRight, serveFolders, servePage, showsAndRuns, startBrowser, told, visit, works } from './browser.mjs';
import { hasFigures, install, pack, PACKAGE, run, startServer } from './projects.mjs';

const PROJECT = new URL('../../', import.meta.url).pathname;
const APP = new URL('app/', import.meta.url).pathname;
/** What a careful host sends. */
const STRICT = "script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'";

/** @type {string} */
let tarball;
/** @type {import('./browser.mjs').Browser} */
let browser;
before(async () => {
  tarball = await pack();
  browser = await startBrowser();
});
after(() => browser?.close());

test('publint, arethetypeswrong and npm publish find nothing', async () => {
  const bin = (/** @type {string} */ name) => join(PROJECT, 'node_modules/.bin', name);
  await run(bin('publint'), ['--strict', PACKAGE], PROJECT);
  // A package of modules alone: how require() and node before 12 look for types says nothing of it.
  await run(bin('attw'), [tarball, '--profile', 'esm-only', '--no-emoji'], PROJECT);
  const said = await run('npm', ['publish', '--dry-run', '--access', 'public'], PACKAGE);
  // Who is not logged in is told so, and may try.
  const rest = said.split('\n').filter((line) => !/requires you to be logged in/.test(line));
  assert.doesNotMatch(rest.join('\n'), /npm (warn|error)/i);
});

test('nothing runs when it is installed, and nothing else is', () => {
  const { scripts, dependencies, version } = JSON.parse(readFileSync(join(PACKAGE, 'package.json'), 'utf8'));
  assert.deepEqual([scripts, dependencies], [undefined, undefined]);
  assert.ok(readFileSync(join(PROJECT, 'crate/Cargo.toml'), 'utf8').includes(`\nversion = "${version}"\n`));
});

test('Vite, built', async (t) => {
  const folder = await install('vite', tarball);
  await run('node', ['node_modules/vite/bin/vite.js', 'build'], folder);
  await works(t, browser, await serveFolders(t, { '/': join(folder, 'dist') }));
});

test('Vite, while developing', async (t) => {
  const folder = await install('vite', tarball);
  const args = ['node_modules/vite/bin/vite.js', '--host', '127.0.0.1', '--port', '0'];
  const { url, close } = startServer(args, folder, /(http:\/\/127\.0\.0\.1:\d+\/)/);
  t.after(close);
  await works(t, browser, await url);
});

test('webpack', async (t) => {
  const folder = await install('webpack', tarball);
  await run('node', ['build.mjs'], folder);
  await works(t, browser, await serveFolders(t, { '/': join(folder, 'dist') }));
});

test('esbuild', async (t) => {
  const folder = await install('esbuild', tarball);
  await run('node', ['build.mjs'], folder);
  await works(t, browser, await serveFolders(t, { '/': join(folder, 'dist') }));
});

test('Next with Turbopack, exported', async (t) => {
  const folder = await install('next', tarball);
  await run('node', ['node_modules/next/dist/bin/next', 'build'], folder);
  await works(t, browser, await serveFolders(t, { '/': join(folder, 'out') }));
});

/** The module of a page that runs live with a client from this address. @param {string} address @param {object} [options] */
const liveFrom = (address, options = {}) =>
  `${readFileSync(join(APP, 'live.js'), 'utf8').replace("'sae-attribution'", `'${address}'`)}
  void live(${JSON.stringify(options)});`;

test('straight from another origin, through a Blob', async (t) => {
  const cdn = await serveFolders(t, { '/sae/': PACKAGE, '/app/': APP });
  const imports = {
    'sae-attribution': `${cdn}sae/index.js`,
    'sae-attribution/element': `${cdn}sae/element.js`,
    'sae-attribution/figure': `${cdn}sae/figure.js`,
  };
  const page = await servePage(t, {
    head: `<script type="importmap">${JSON.stringify({ imports })}</script>
      <script type="module">
        import { live } from '${cdn}app/live.js';
        ${hasFigures() ? `import { saved } from '${cdn}app/saved.js'; saved();` : ''}
        live();
      </script>`,
  });
  await works(t, browser, page);
});

test('under a strict policy, with all files on the page’s own origin, wherever they are', async (t) => {
  const page = await servePage(t, {
    policy: STRICT,
    folders: { '/sae/': PACKAGE, '/moved/': PACKAGE },
    script: liveFrom('/sae/index.js', { workerUrl: '/moved/worker.js', wasmUrl: 'moved/wasm' }),
  });
  const { page: tab, problems } = await visit(t, browser, page);
  isRight(await told(tab));
  assert.equal(tab.workers().length, 2);
  assert.ok(tab.workers().every((worker) => worker.url() === `${page}moved/worker.js`));
  assert.deepEqual(problems, []);
});

test('under a policy without blob:, a client of another origin says that it wants workerUrl, and runs with it', async (t) => {
  const cdn = await serveFolders(t, { '/sae/': PACKAGE });
  const policy = `script-src 'self' ${cdn} 'wasm-unsafe-eval'; worker-src 'self'`;
  const without = await servePage(t, { policy, script: liveFrom(`${cdn}sae/index.js`) });
  const { code, message } = await told((await visit(t, browser, without)).page);
  assert.equal(code, 'runtime-unavailable');
  assert.match(message, /another origin.*blob: and that origin in worker-src.*pass workerUrl/);

  const script = liveFrom(`${cdn}sae/index.js`, { workerUrl: '/own/worker.js' });
  const own = await servePage(t, { policy, folders: { '/own/': PACKAGE }, script });
  isRight(await told((await visit(t, browser, own)).page));

  const blob = policy.replace("worker-src 'self'", `worker-src blob: ${cdn}`);
  const through = await servePage(t, { policy: blob, script: liveFrom(`${cdn}sae/index.js`) });
  isRight(await told((await visit(t, browser, through)).page));
});

test('a worker that is not there is an error that says what to look at', async (t) => {
  for (const [workerUrl, said] of [
    ['/gone/worker.js', /worker\.js is served whole.*workerUrl/],
    ['http://127.0.0.1:9/worker.js', /another origin.*CORS/],
  ]) {
    const script = liveFrom('/sae/index.js', { workerUrl });
    const { page } = await visit(t, browser, await servePage(t, { folders: { '/sae/': PACKAGE }, script }));
    const { code, message } = await told(page);
    assert.equal(code, 'runtime-unavailable');
    assert.match(message, /** @type {RegExp} */ (said));
  }
});

test('the declarations tell strict TypeScript what is there', async (t) => {
  const folder = await install('vite', tarball);
  const tsc = join(PROJECT, 'node_modules/typescript/bin/tsc');
  await run('node', [tsc, '-p', '.'], folder);
});
