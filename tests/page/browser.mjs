// A headless Chromium with the page under test, for every page test.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { PAGE, serve } from '../../scripts/serve.mjs';

/** WebGPU through SwiftShader, and no traffic of Chromium's own. */
export const CHROMIUM_ARGS = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * Serves the page and opens a browser; `close` ends both.
 * @param {{args?: string[], mounts?: Map<string, string>}} [options]
 */
export async function start({ args = CHROMIUM_ARGS, mounts = new Map() } = {}) {
  const server = await serve({ mounts: new Map([...PAGE, ...mounts]) });
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const profile = mkdtempSync(join(tmpdir(), 'sae-attribution-page-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: '/usr/bin/chromium',
    headless: true,
    args,
    viewport: { width: 1440, height: 900 },
  });
  return {
    context,
    url: `http://127.0.0.1:${port}`,
    async close() {
      await context.close();
      server.closeAllConnections();
      server.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

/**
 * Opens the page; the test fails on any error that it lets through to the console.
 * @param {Awaited<ReturnType<typeof start>>} browser
 * @param {string} [query]
 */
export async function openPage(browser, query = '') {
  const page = await browser.context.newPage();
  /** @type {string[]} */
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => {
    // A file that is not there is part of a test, and Chromium logs it.
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) {
      problems.push(message.text());
    }
  });
  await page.goto(`${browser.url}/${query}`);
  return { page, problems };
}

/**
 * Presses Run and waits for the end; resolves to the status line.
 * @param {import('playwright-core').Page} page
 * @param {number} [timeout]
 */
export async function run(page, timeout = 120_000) {
  await page.click('#run');
  await page.waitForSelector('#cancel:disabled', { timeout });
  return page.textContent('#status');
}
