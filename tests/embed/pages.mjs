// Pages made up for a test, on the server under test: its headers, its files, and what was asked of it.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { start as startBrowser } from '../page/browser.mjs';

export { violations } from '../page/axe.mjs';

/** @typedef {Awaited<ReturnType<typeof start>>} Browser */
/** @typedef {import('playwright-core').Page} Page */

export const HEAD =
  '<title>A page</title><link rel="stylesheet" href="embed/element.css"><script type="module" src="embed/element.js"></script>';

/** A figure of the demo model. @param {string} attributes */
export const live = (attributes = '') =>
  `<sae-attribution model="models/demo/model" saes="models/demo/saes" ${attributes}></sae-attribution>`;

/** Pages are files of the server: what a test makes up in the browser is no page of this computer to it. */
const FOLDER = mkdtempSync(join(tmpdir(), 'sae-attribution-made-'));
let made = 0;

/** Puts a file beside them, at /made/. @param {string} name @param {object} content */
export const writeMade = (name, content) => writeFileSync(join(FOLDER, name), JSON.stringify(content));

/**
 * A browser, and a server that has the pages made up here.
 * @param {{runtime?: boolean}} [options] as there
 */
export async function start(options) {
  const browser = await startBrowser({ ...options, mounts: new Map([['/made/', FOLDER]]) });
  return {
    ...browser,
    async close() {
      await browser.close();
      rmSync(FOLDER, { recursive: true });
    },
  };
}

/**
 * Opens a page with this body; its addresses are relative to the index page. Whatever it lets through to the console
 * is a problem.
 * @param {Pick<Browser, 'context' | 'url'>} browser
 * @param {string} body
 * @param {{head?: string, width?: number}} [options]
 */
export async function openMade({ context, url }, body, { head = HEAD, width = 1000 } = {}) {
  const page = await context.newPage();
  await page.setViewportSize({ width, height: 900 });
  const problems = problemsOf(page);
  const name = `${made++}.html`;
  writeFileSync(
    join(FOLDER, name),
    `<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><base href="/"><link rel="icon" href="data:,">${head}</head><body><main><h1>A page</h1>${body}</main></body></html>`,
  );
  await page.goto(`${url}/made/${name}`);
  return { page, problems };
}

/** Errors of a page that reach its console; a file that is not there is part of a test. @param {Page} page */
export function problemsOf(page) {
  /** @type {string[]} */
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error' && !/Failed to load resource|net::ERR/.test(message.text()))
      problems.push(message.text());
  });
  return problems;
}

/**
 * The paths that are asked of the server from now on, by all pages and workers; parts: with ranges of bytes.
 * @param {Browser} browser
 */
export function asked({ server }) {
  /** @type {[string[], string[]]} */
  const [paths, parts] = [[], []];
  const hear = (/** @type {import('node:http').IncomingMessage} */ { url = '', headers }) => {
    paths.push(url);
    parts.push(`${url} ${headers.range ?? ''}`);
  };
  server.on('request', hear);
  return { paths, parts, end: () => server.off('request', hear) };
}

/** The nth figure of a page. @param {Page} page */
export function figureOf(page, n = 0) {
  const element = page.locator('sae-attribution').nth(n);
  return {
    element,
    part: (/** @type {string} */ name) => element.locator(`[part=${name}]`),
    run: element.locator('[part=button]').first(),
    cancel: element.locator('[part=button]').last(),
    prompt: element.getByLabel('Prompt'),
    /** There is a picture, with this in its title. @param {string | RegExp} title */
    shows: (title) => element.locator('.picture:not(.coming) [part=title]', { hasText: title }).waitFor(),
    /** The state says this. @param {string | RegExp} text */
    says: (text) => element.locator('[part=status]', { hasText: text }).waitFor(),
  };
}
