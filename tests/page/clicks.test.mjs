// How many clicks lead to what the notebook shows, besides typing a prompt of one's own.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openFolded, settled, start } from './browser.mjs';

/** @typedef {import('playwright-core').Page} Page */

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start();
});
after(() => browser.close());

/** Opens the page as who comes for the first time, and counts each click. @param {(click: (selector: string) => Promise<void>, page: Page) => Promise<void>} way */
async function counted(way) {
  const { page, problems } = await openFolded(browser, '?device=cpu');
  await settled(page);
  let clicks = 0;
  await way(async (selector) => {
    clicks++;
    await page.locator(selector).first().click();
  }, page);
  assert.deepEqual(problems, []);
  await page.close();
  return clicks;
}

/** @param {Page} page @param {string} prompt */
async function ask(page, prompt) {
  await page.fill('#prompt', prompt);
  await page.press('#prompt', 'Enter');
  await page.waitForFunction(
    (prompt) =>
      document.querySelector('#title')?.textContent?.endsWith(prompt) &&
      /^Done/.test(document.querySelector('#status')?.textContent ?? ''),
    prompt,
    { timeout: 120_000 },
  );
}

test('latent → logit by the first logit, and the sparsity, take none', async () => {
  const clicks = await counted(async (_, page) => {
    await ask(page, 'The capital of Spain is');
    assert.match((await page.textContent('#title')) ?? '', /latent → logit/);
    assert.deepEqual([await page.inputValue('#columns'), await page.inputValue('#rows')], ['value', 'position']);
    // The pinned row is the first logit's.
    const first = (await page.textContent('#logits tbody td, #logits tbody th')) ?? '';
    assert.equal(await page.textContent('#detail .node + .node strong'), `'${first}'`);
    assert.match((await page.textContent('#statistics')) ?? '', /Sparsity.* of .* = 0\.\d+/);
    assert.ok(await page.isVisible('#statistics'));
  });
  assert.equal(clicks, 0);
});

test('a logit difference by |attribution| takes one', async () => {
  const clicks = await counted(async (click, page) => {
    await click('.views label:has([value=logit_difference])');
    await ask(page, 'Fact: Roger Federer plays the sport of');
    assert.match((await page.textContent('#title')) ?? '', /logit difference/);
    assert.equal(await page.inputValue('#columns'), 'largest');
    assert.match((await page.getAttribute('.heatmap', 'aria-label')) ?? '', /Bars of/);
  });
  assert.equal(clicks, 1);
});

test('the strongest pair between tokens with the contexts of both latents takes one, beside the view', async () => {
  const clicks = await counted(async (click, page) => {
    await click('.views label:has([value=latent_to_latent])');
    await ask(page, 'The capital of Spain is');
    await page.waitForSelector('#pairs tbody tr button');
    await click('#pairs tbody tr button');
    await page.locator('#contexts section').nth(1).waitFor();
    assert.match((await page.textContent('#detail')) ?? '', /Positions apart[1-9]/);
  });
  assert.equal(clicks, 2);
});
