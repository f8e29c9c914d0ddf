// The npm package in the projects of strangers: four bundlers, and pages that take it straight from another origin or
// under a strict policy.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { brotli } from '../../scripts/package/sizes.mjs';
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

/** A module of the projects that takes the package from this address. @param {string} name @param {string} folder */
const appFrom = (name, folder) =>
  readFileSync(join(APP, name), 'utf8').replace(
    /(?<=from |import )'sae-attribution(\/\w+)?'/g,
    (_, part) => `'${folder}${part ?? '/index'}.js'`,
  );

/** One that runs live. @param {string} folder @param {object} [options] of the client */
const liveFrom = (folder, options = {}) => `${appFrom('live.js', folder)}\nvoid live(${JSON.stringify(options)});`;

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
    script: liveFrom('/sae', { workerUrl: '/moved/worker.js', wasmUrl: 'moved/wasm' }),
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
  const without = await servePage(t, { policy, script: liveFrom(`${cdn}sae`) });
  const { code, message } = await told((await visit(t, browser, without)).page);
  assert.equal(code, 'runtime-unavailable');
  assert.match(message, /another origin.*blob: and that origin in worker-src.*pass workerUrl/);

  const script = liveFrom(`${cdn}sae`, { workerUrl: '/own/worker.js' });
  const own = await servePage(t, { policy, folders: { '/own/': PACKAGE }, script });
  isRight(await told((await visit(t, browser, own)).page));

  const blob = policy.replace("worker-src 'self'", `worker-src blob: ${cdn}`);
  const through = await servePage(t, { policy: blob, script: liveFrom(`${cdn}sae`) });
  isRight(await told((await visit(t, browser, through)).page));
});

test('the element takes its worker from where all clients are told to', { skip: !hasFigures() }, async (t) => {
  const cdn = await serveFolders(t, { '/sae/': PACKAGE });
  const script = `${appFrom('saved.js', `${cdn}sae`)}
    import { Client } from '${cdn}sae/index.js';
    Client.defaults = { workerUrl: '/own/worker.js', wasmUrl: '/own/wasm' };
    saved();`;
  const policy = `script-src 'self' ${cdn} 'wasm-unsafe-eval'; worker-src 'self'`;
  const { page } = await visit(t, browser, await servePage(t, { policy, folders: { '/own/': PACKAGE }, script }));
  await showsAndRuns(page);
});

test(
  'a page that shows a saved result alone loads at most 48 kB of script, and no runtime',
  { skip: !hasFigures() },
  async (t) => {
    const own = await serveFolders(t, { '/sae/': PACKAGE });
    const head = `<script type="module" src="${own}sae/element.js"></script>`;
    const url = await servePage(t, {
      head,
      body: `<sae-attribution src="${browser.results}demo-capital.json"></sae-attribution>`,
    });
    const page = await browser.context.newPage();
    t.after(() => page.close());
    /** @type {Map<string, number>} */
    const loaded = new Map();
    page.on('response', async (response) => loaded.set(response.url(), brotli(await response.body())));
    await page.goto(url);
    await page.locator('sae-attribution canvas').first().waitFor();
    await page.waitForLoadState('networkidle');
    const scripts = [...loaded].filter(([url]) => url.startsWith(own));
    t.diagnostic(scripts.map(([url, bytes]) => `${url.slice(own.length)}: ${bytes} bytes with brotli`).join(', '));
    assert.ok(scripts.reduce((sum, [, bytes]) => sum + bytes, 0) <= 48_000);
    assert.deepEqual(
      scripts.map(([url]) => url),
      [`${own}sae/element.js`],
    );
    assert.deepEqual(page.workers(), []);
  },
);

test('a worker that is not there is an error that says what to look at', async (t) => {
  for (const [workerUrl, said] of [
    ['/gone/worker.js', /worker\.js is served whole.*workerUrl/],
    ['http://127.0.0.1:9/worker.js', /another origin.*CORS/],
  ]) {
    const script = liveFrom('/sae', { workerUrl });
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
