// A newcomer without a pointer: from the first picture to a pair that attributions get wrong, and to a link that
// shows it to somebody else. No step is a click, and none takes more Tabs than a person has patience for.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openFolded, settled, start } from './browser.mjs';

/** @typedef {import('playwright-core').Page} Page */

/** The most Tabs from one step to the next. */
const PATIENCE = 25;

/** Who finds it, and who is sent the link: each has a profile of their own. @type {Awaited<ReturnType<typeof start>>[]} */
let browsers = [];
before(async () => {
  browsers = await Promise.all([start(), start()]);
});
after(() => Promise.all(browsers.map((browser) => browser.close())));

/** @param {Page} page @param {string} selector */
const text = async (page, selector) => (await page.textContent(selector)) ?? '';
/** @param {Page} page @param {string} selector */
const isFocused = (page, selector) =>
  page.evaluate((selector) => document.activeElement?.matches(selector) === true, selector);

/** Goes on until what is meant has the keyboard. @param {Page} page @param {string} selector @param {string} [key] */
async function tabTo(page, selector, key = 'Tab') {
  for (let i = 0; i < PATIENCE; i++) {
    await page.keyboard.press(key);
    if (await isFocused(page, selector)) return;
  }
  assert.fail(`${selector} is more than ${PATIENCE} Tabs away`);
}

/** From the first key on: the heatmap, where it says that it is ready for keys. @param {Page} page */
async function toHeatmap(page) {
  await settled(page);
  await page.waitForSelector('.heatmap');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement?.textContent), 'To the heatmap');
  await page.keyboard.press('Enter');
  assert.ok(await isFocused(page, '.heatmap'));
}

/** Opens the Check view from the heatmap. @param {Page} page */
async function openCheck(page) {
  await tabTo(page, '#badge');
  await page.keyboard.press('Enter');
  assert.ok(await isFocused(page, '#checked > summary'));
  await page.waitForSelector('.check-parts .pick');
}

/** What is told of the pinned pair, and of all. @param {Page} page */
async function told(page) {
  const [predicted, measured] = await page
    .locator('#measured dd')
    .evaluateAll((all) => all.map((figure) => /** @type {HTMLElement} */ (figure).title));
  return {
    title: await text(page, '#title'),
    pinned: await text(page, '#detail'),
    sentence: await text(page, '#measured .sentence'),
    ...{ predicted, measured },
    badge: await text(page, '#badge'),
    fit: await text(page, '.fit'),
    worst: await page.locator('.check-parts .pick').allTextContents(),
  };
}

test('by keyboard alone: the strongest pair, what it does, the worst pair, and a link that shows the same', async () => {
  const [mine, theirs] = browsers;
  const { page, problems } = await openFolded(mine);
  await toHeatmap(page);

  // The strongest pair: what was predicted, and what is measured of it alone.
  await page.keyboard.press('n');
  assert.match(await text(page, '#detail'), /Attribution/);
  assert.match(await text(page, '#measured .sentence'), /^Taking it away .*; the attribution predicted /);
  assert.equal(await page.locator('#measured dd').count(), 2);
  await page.keyboard.press('m');
  await page.waitForSelector('#measured table', { timeout: 60_000 });
  assert.match(await text(page, '#measured'), /the distribution moves by [\d.]+ nats/);
  assert.ok(await isFocused(page, '.heatmap'));

  // The worst pair is the strongest here, which a link need not name: so is the one after it sent.
  for (const after of [0, 1]) {
    await openCheck(page);
    await tabTo(page, '.check-parts .pick');
    for (let i = 0; i < after; i++) await page.keyboard.press('Tab');
    const { worst } = await told(page);
    assert.ok(await page.evaluate((name) => document.activeElement?.textContent === name, worst[after]));
    await page.keyboard.press('Enter');
    const sent = await told(page);
    assert.equal(new URL(page.url()).hash.includes('cell='), after === 1);

    // From the list to the link.
    await page.keyboard.press('Escape');
    assert.ok(await isFocused(page, '.heatmap'));
    await tabTo(page, '#copy-link');
    await page.keyboard.press('Enter');
    await page.waitForFunction(() => document.querySelector('#status')?.textContent === 'Link copied.');
    const link = await page.evaluate(() => navigator.clipboard.readText());
    assert.ok(link.startsWith(`${mine.url}/`), link);

    const { page: other, problems: others } = await openFolded(theirs, link.slice(mine.url.length + 1));
    await toHeatmap(other);
    // What latents mean is learnt a little later.
    await other.waitForFunction((pinned) => document.querySelector('#detail')?.textContent === pinned, sent.pinned);
    await openCheck(other);
    assert.deepEqual(await told(other), sent);
    assert.deepEqual(others, []);
    await other.close();
    await tabTo(page, '.heatmap', 'Shift+Tab');
  }
  assert.deepEqual(problems, []);
  await page.close();
});
