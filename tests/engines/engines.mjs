// Three engines behind the same few verbs, so that a test is written once.

import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

/** @typedef {(...args: any[]) => unknown} Look a function that is run in the page: it knows nothing from outside */

/**
 * A page in an engine. What a selector names must be there once, and be visible where it is clicked or typed into.
 * @typedef {object} Tab
 * @property {(address: string) => Promise<void>} open
 * @property {(look: Look, ...args: any[]) => Promise<any>} evaluate
 * @property {(selector: string) => Promise<void>} click
 * @property {(selector: string, text: string) => Promise<void>} type in place of what stands there, key by key
 * @property {(key: string) => Promise<void>} press as in KeyboardEvent.key; Shift+Tab
 * @property {(selector: string, path: string) => Promise<void>} attach a file of this computer
 * @property {(width: number, height: number) => Promise<void>} resize what the page has to itself
 * @property {(path: string) => Promise<void>} screenshot
 * @property {() => Promise<void>} close
 */

/**
 * @typedef {object} Engine
 * @property {string} version
 * @property {() => Promise<Tab>} newTab
 * @property {boolean} [isForgetful] what a page keeps is gone when it is closed
 * @property {string} downloads the folder of files that were saved
 * @property {() => Promise<void>} close
 */

/** How an engine is started. @typedef {(folder: string) => Promise<Engine>} Launch folder: for its profile */

/**
 * Starts an engine on a fresh profile.
 * @param {Launch} launch
 */
export async function start(launch) {
  const folder = mkdtempSync(join(tmpdir(), 'sae-attribution-engine-'));
  const remove = () => rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  try {
    const engine = await launch(folder);
    return {
      ...engine,
      async close() {
        await engine.close();
        remove();
      },
    };
  } catch (error) {
    remove();
    throw error;
  }
}

/** How long anything is waited for: of a machine that is busy, a lot is slow. */
export const PATIENCE_MS = 120_000;

/**
 * Waits until a function in the page returns something, for as long as the page's status line changes.
 * @param {Tab} tab
 * @param {Look} look
 * @param {any[]} args
 * @returns {Promise<any>}
 */
export async function until(tab, look, ...args) {
  let [end, status] = [0, ''];
  for (;;) {
    const found = await tab.evaluate(look, ...args);
    if (found) return found;
    const now = await text(tab, '#status');
    if (now !== status || end === 0) [end, status] = [Date.now() + PATIENCE_MS, now];
    if (Date.now() > end) throw new Error(`Waited in vain for ${look} ${args}: ${status}`);
    await sleep(20);
  }
}

/** @param {Tab} tab @param {string} selector @returns {Promise<string>} */
export const text = (tab, selector) =>
  tab.evaluate((selector) => document.querySelector(selector)?.textContent ?? '', selector);

/** Waits until the page has settled on what it shows first. @param {Tab} tab */
export const settled = (tab) =>
  until(tab, () => !/^Ready|^$/.test(document.querySelector('#status')?.textContent ?? ''));

/** Presses Run; resolves to the status line at the end. @param {Tab} tab */
export async function run(tab) {
  await tab.click('#run');
  await ended(tab);
  return text(tab, '#status');
}

/** Waits until nothing runs. @param {Tab} tab */
export const ended = (tab) => until(tab, () => document.querySelector('#cancel')?.matches(':disabled'));

/**
 * What went wrong on a page so far, which no reader would see.
 * @param {Tab} tab
 * @returns {Promise<string[]>}
 */
export const problems = (tab) => tab.evaluate(() => /** @type {any} */ (globalThis).problems);

/**
 * Waits for a saved file; resolves to its text.
 * @param {Engine} engine
 * @param {RegExp} name
 */
export async function saved({ downloads }, name) {
  for (let tries = 0; tries < 200; tries++) {
    const found = readdirSync(downloads).find((file) => name.test(file));
    const text = found && readFileSync(join(downloads, found), 'utf8');
    // Not while it is being written.
    if (text && /\}\s*$/.test(text)) {
      rmSync(join(downloads, found));
      return text;
    }
    await sleep(50);
  }
  throw new Error(`No file ${name} was saved in ${downloads}: ${readdirSync(downloads)}`);
}
