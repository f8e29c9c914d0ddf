// A browser for all projects, and what they ask a server for: the demo model and results, of another origin.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { serve } from '../../scripts/serve.mjs';
import { CHROMIUM, CHROMIUM_ARGS } from '../page/browser.mjs';
import { hasFigures } from './projects.mjs';

const WWW = new URL('../../www/', import.meta.url).pathname;
const RESULT = JSON.parse(readFileSync(`${WWW}results/demo-latent-latent.json`, 'utf8'));

/** @param {import('node:http').Server} server */
const urlOf = (server) => `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}/`;

/** @param {import('node:http').Server} server */
function end(server) {
  server.closeAllConnections();
  server.close();
}

/**
 * Serves folders until the test ends; resolves to the address.
 * @param {import('node:test').TestContext} t @param {Record<string, string>} folders by prefix
 */
export async function serveFolders(t, folders) {
  const server = await serve({ mounts: new Map(Object.entries(folders)) });
  t.after(() => end(server));
  return urlOf(server);
}

/**
 * Serves a page until the test ends, with a module that it runs, and folders beside it; resolves to its address.
 * @param {import('node:test').TestContext} t
 * @param {{head?: string, body?: string, script?: string, policy?: string, folders?: Record<string, string>}} options policy: sent
 *   with every file
 */
export async function servePage(t, { head = '', body = '', script, policy, folders = {} }) {
  const html = `<!doctype html><html lang="en"><head><title>sae-attribution</title><link rel="icon" href="data:,">
    ${head}${script === undefined ? '' : '<script type="module" src="/page.js"></script>'}</head><body>${body}</body></html>`;
  const server = createServer((request, response) => {
    const path = new URL(request.url ?? '/', 'http://localhost').pathname;
    const [prefix, folder] = Object.entries(folders).find(([prefix]) => path.startsWith(prefix)) ?? [];
    const file = prefix && folder && join(folder, path.slice(prefix.length));
    const type = /\.wasm$/.test(path) ? 'application/wasm' : /\.js$/.test(path) ? 'text/javascript' : 'text/html';
    response.setHeader('Content-Type', `${type}; charset=utf-8`);
    if (policy) response.setHeader('Content-Security-Policy', policy);
    if (path === '/') response.end(html);
    else if (path === '/page.js') response.end(script);
    else if (file && existsSync(file)) response.end(readFileSync(file));
    else response.writeHead(404).end();
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)));
  t.after(() => end(server));
  return urlOf(server);
}

export async function startBrowser() {
  const data = await serve({
    mounts: new Map([
      ['/demo/', `${WWW}models/demo`],
      ['/results/', `${WWW}results`],
    ]),
  });
  const profile = mkdtempSync(join(tmpdir(), 'sae-attribution-package-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    headless: true,
    args: CHROMIUM_ARGS,
  });
  return {
    context,
    results: `${urlOf(data)}results/`,
    query: new URLSearchParams({ models: `${urlOf(data)}demo/`, results: `${urlOf(data)}results/` }),
    async close() {
      await context.close();
      end(data);
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

/** @typedef {Awaited<ReturnType<typeof startBrowser>>} Browser */

/**
 * Opens a page; resolves to it and to the errors that it lets through.
 * @param {import('node:test').TestContext} t @param {Browser} browser @param {string} url
 */
export async function visit(t, browser, url) {
  const page = await browser.context.newPage();
  t.after(() => page.close());
  /** @type {string[]} */
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => void (message.type() === 'error' && problems.push(message.text())));
  await page.goto(`${url}?${browser.query}`);
  return { page, problems };
}

/** What the live run of a page came to. @param {import('playwright-core').Page} page */
export const told = async (page) =>
  JSON.parse((await page.locator('#live').textContent({ timeout: 60_000 })) ?? 'null');

/**
 * The page shows the saved result, has computed it anew, and nothing went wrong.
 * @param {import('node:test').TestContext} t @param {Browser} browser @param {string} url
 */
export async function works(t, browser, url) {
  const { page, problems } = await visit(t, browser, url);
  isRight(await told(page));
  // The session's, and the one that keeps downloads: it starts from the address of the first.
  assert.equal(
    page.workers().length,
    2,
    page
      .workers()
      .map((worker) => worker.url())
      .join(),
  );
  if (hasFigures()) await showsAndRuns(page);
  assert.deepEqual(problems, []);
}

/** The numbers of a live run are those saved before. @param {any} run */
export function isRight(run) {
  const { device, size, l1, kept } = run;
  assert.equal(device, 'cpu', JSON.stringify(run));
  assert.deepEqual(size, [RESULT.targets.pos.length, RESULT.sources.pos.length]);
  const saved = RESULT.statistics.attribution_l1;
  assert.ok(Math.abs(l1 - saved) < 1e-4 * saved, `Σ |attribution| is ${l1}, and ${saved} was saved`);
  assert.ok(kept > 0, 'what came is kept for the next visit');
}

/** @param {import('playwright-core').Page} page */
export async function showsAndRuns(page) {
  await page.locator('#figure canvas').first().waitFor();
  const element = page.locator('sae-attribution');
  await page.waitForSelector('sae-attribution[data-result="false"]');
  await element.locator('canvas').first().waitFor();
  await element.getByRole('button', { name: /run live/i }).click();
  await page.waitForSelector('sae-attribution[data-result="true"]', { timeout: 60_000 });
  assert.equal(await element.getAttribute('data-error'), null);
}
