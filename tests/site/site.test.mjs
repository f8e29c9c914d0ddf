// The published site: from any path, in its compressed forms, and without a network from the second visit on.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { brotliDecompressSync, gunzipSync, gzipSync } from 'node:zlib';
import { run, settled, start } from '../page/browser.mjs';

const PROJECT = new URL('../../', import.meta.url).pathname;
const folder = mkdtempSync(join(tmpdir(), 'sae-attribution-site-'));
const SITE = join(folder, 'site');
/** @type {Awaited<ReturnType<typeof start>>} */
let browser;

before(async () => {
  execFileSync('node', [join(PROJECT, 'scripts/site.mjs'), SITE, '--quick'], { stdio: 'inherit' });
  browser = await start({ mounts: new Map([['/some/where/', SITE]]) });
});
after(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

const files = () =>
  /** @type {string[]} */ (readdirSync(SITE, { recursive: true })).filter((path) =>
    statSync(join(SITE, path)).isFile(),
  );

test('beside each file that shrinks stand its compressed forms, and nothing of tests or types is published', () => {
  const all = files();
  const plain = all.filter((path) => !/\.(br|gz)$/.test(path));
  assert.ok(plain.length > 80, `${plain.length} files`);
  let compressed = 0;
  for (const path of plain) {
    assert.doesNotMatch(path, /\.d\.ts$|expected|cases\.json|\.md$|stamp/);
    if (!/\.(css|html|js|json|svg|wasm)$/.test(path)) continue;
    const content = readFileSync(join(SITE, path));
    assert.ok(brotliDecompressSync(readFileSync(join(SITE, `${path}.br`))).equals(content), path);
    assert.ok(gunzipSync(readFileSync(join(SITE, `${path}.gz`))).equals(content), path);
    compressed++;
  }
  assert.ok(compressed > 60);
});

test('the version changes with any file of the site', () => {
  const version = () => /"version":"(\w{16})"/.exec(readFileSync(join(SITE, 'service-worker.js'), 'utf8'))?.[1];
  const other = join(folder, 'other');
  const style = join(PROJECT, 'www/style.css');
  const text = readFileSync(style, 'utf8');
  try {
    writeFileSync(style, `${text}\n.other { color: red }\n`);
    execFileSync('node', [join(PROJECT, 'scripts/site.mjs'), other, '--quick'], { stdio: 'ignore' });
  } finally {
    writeFileSync(style, text);
  }
  const changed = /"version":"(\w{16})"/.exec(readFileSync(join(other, 'service-worker.js'), 'utf8'))?.[1];
  assert.ok(version() && changed && version() !== changed);
});

test('what a visit fetches before Run is little', async (t) => {
  const page = await browser.context.newPage();
  // As who comes for the first time meets it.
  await page.addInitScript(() => localStorage.removeItem('sae-attribution.form'));
  /** @type {Promise<number>[]} */
  const sizes = [];
  page.on('response', (response) => {
    if (response.url().startsWith('http')) sizes.push(response.body().then((body) => gzipSync(body).length));
  });
  await page.goto(`${browser.url}/some/where/`);
  await page.waitForSelector('.heatmap-canvas');
  await page.waitForSelector('#contexts table');
  await page.waitForTimeout(800);
  // What the service worker keeps for a visit without a network is not asked for by the page.
  const sent = (await Promise.all(sizes)).reduce((sum, size) => sum + size, 0);
  t.diagnostic(`${sizes.length} files, ${(sent / 1000).toFixed(0)} KB with gzip`);
  assert.ok(sent <= 150_000, `${sent} bytes`);
  await page.close();
});

test('under a path of any name the page computes, and the next visit does without a network', async () => {
  const address = `${browser.url}/some/where/?device=cpu`;
  const page = await browser.context.newPage();
  /** @type {string[]} */
  const elsewhere = [];
  page.on('request', (request) => {
    if (!request.url().startsWith(`${browser.url}/some/where/`)) elsewhere.push(request.url());
  });
  await page.goto(address);
  await settled(page);
  assert.match((await page.textContent('#status')) ?? '', /^Computed before/);
  await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined));
  // The first visit came before the service worker: what it asks for from now on is kept.
  await page.reload();
  await settled(page);
  assert.match((await run(page)) ?? '', /^Done in/);
  assert.deepEqual(
    elsewhere.filter((url) => !url.startsWith('data:')),
    [],
  );
  await page.waitForTimeout(500);
  await page.close();

  await browser.context.setOffline(true);
  try {
    const again = await browser.context.newPage();
    await again.goto(address);
    await settled(again);
    assert.match((await again.textContent('#status')) ?? '', /^Computed before/);
    assert.ok(await again.locator('.heatmap').count(), 'the first picture');
    assert.match((await run(again)) ?? '', /^Done in/);
    await again.close();
  } finally {
    await browser.context.setOffline(false);
  }
});
