// What is shown is what is said: a figure that answers another question steps back, and what is taken away is of it.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { compareAsked } from '../../www/app/stale.js';
import { EIFFEL, LINKS, linkTo, madeUp, openPage, openResult, resid, run, settled, start } from './browser.mjs';

/** @typedef {import('playwright-core').Page} Page */

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start();
});
after(() => browser.close());

/** The line over the figure; nothing where there is none. @param {Page} page */
const said = async (page) => ((await page.isVisible('#stale')) ? page.textContent('#stale-text') : undefined);
/** @param {Page} page */
const steppedBack = (page) => page.evaluate(() => document.querySelector('#result')?.classList.contains('stale'));
/** @param {Page} page @param {string} id */
async function take(page, id) {
  const download = page.waitForEvent('download');
  await page.click(`#${id}`);
  return readFileSync(await (await download).path(), 'utf8');
}
/** @param {Page} page */
async function copied(page) {
  await page.click('#copy-link');
  await page.waitForFunction(() => /copied/.test(document.querySelector('#status')?.textContent ?? ''));
  return new URLSearchParams(new URL(await page.evaluate(() => navigator.clipboard.readText())).hash.slice(1));
}

test('a figure is compared with what is asked: by source and request, not by its threshold', () => {
  const result = /** @type {any} */ (madeUp(1, 1, () => 1));
  const shown = { result, source: 'demo' };
  const asked = { source: 'demo', request: { ...result.request, threshold: 9 }, model: 'Demo' };
  assert.deepEqual(compareAsked(undefined, asked), { isStale: false, text: '' });
  assert.deepEqual(compareAsked(shown, asked), { isStale: false, text: '' });
  for (const other of [
    { ...asked, source: 'tiny' },
    { ...asked, request: { ...asked.request, prompt: 'b' } },
    { ...asked, request: { ...asked.request, error: /** @type {const} */ ('omit') } },
  ]) {
    assert.match(compareAsked(shown, other).text, /^Shows latent → latent, .* — Run for Demo · latent → latent/);
    assert.ok(compareAsked(shown, other).isStale);
  }
  const problem = 'k is empty.';
  assert.match(compareAsked(shown, { ...asked, source: 'tiny', problem }).text, / — k is empty\.$/);
  // Of a model that is not offered: what the form says of it is no answer either, but it was just opened.
  const opened = { result, filled: JSON.stringify(['demo', '', resid(0), resid(1), 'keep']) };
  assert.equal(compareAsked(opened, asked).isStale, false);
  assert.match(compareAsked(opened, asked).text, /Its model is not offered here: Run asks Demo\.$/);
  assert.ok(compareAsked(opened, { ...asked, source: 'tiny' }).isStale);
});

test('what is changed in the form leaves the figure behind, and take-aways with it', async () => {
  const { page, problems } = await openPage(browser, `${LINKS.token_to_latent}&rows=largest&cell=3,2`);
  await settled(page);
  assert.deepEqual([await said(page), await steppedBack(page)], [undefined, false]);
  await page.fill('#prompt', 'The city');
  // While it is typed, before anything is run.
  assert.match(
    (await said(page)) ?? '',
    /^Shows tiny · token → latent, .* The Eiffel .* — Run for Tiny .* · The city$/,
  );
  assert.ok(await steppedBack(page));
  await page.selectOption('#source', 'demo');
  assert.match((await said(page)) ?? '', /— Run for Demo · token → latent/);
  const link = await copied(page);
  assert.deepEqual(
    ['source', 'prompt', 'from', 'to', 'rows', 'cell'].map((key) => link.get(key)),
    ['tiny', EIFFEL, 'tokens', resid(3), 'largest', '3,2'],
  );
  assert.equal(JSON.parse(await take(page, 'save')).request.prompt, EIFFEL);
  const svg = await take(page, 'save-svg');
  assert.match(svg, /Eiffel/);
  assert.doesNotMatch(svg, /The city/);
  await page.click('#python');
  await page.waitForSelector('#code[open]');
  assert.match(await page.inputValue('#code-text'), /models\/tiny\/model[^]*The Eiffel tower is in Paris/);
  await page.keyboard.press('Escape');
  await page.click('#copy-embed');
  await page.waitForSelector('#code[open]');
  assert.match(
    await page.inputValue('#code-text'),
    /src="[^"]*\/tiny-token-latent\.json" .*#source=tiny&amp;prompt=The\+Eiffel/,
  );
  await page.keyboard.press('Escape');

  // The way back fills the form with what is shown.
  await page.click('#back');
  assert.deepEqual([await said(page), await steppedBack(page)], [undefined, false]);
  assert.deepEqual([await page.inputValue('#source'), await page.inputValue('#prompt')], ['tiny', EIFFEL]);
  assert.deepEqual(problems, []);
  await page.close();
});

test('a result is filed under the model that it was asked of, whichever is chosen meanwhile', async () => {
  const asked = linkTo({ prompt: 'The city', from: 'tokens', to: resid(1) });
  const { page, problems } = await openPage(browser, `?device=cpu${asked}`);
  await settled(page);
  await page.route('**/*.safetensors', async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 150));
    await route.continue();
  });
  await page.click('#run');
  await page.selectOption('#source', 'demo');
  await page.waitForSelector('#cancel:disabled', { timeout: 60_000 });
  assert.match((await page.textContent('#status')) ?? '', /^Done/);
  assert.match((await page.textContent('#title')) ?? '', /^tiny · /);
  assert.match((await said(page)) ?? '', /^Shows tiny · .* — Run for Demo · /);
  assert.equal((await copied(page)).get('source'), 'tiny');
  // The demo has not answered it; the random model has.
  await page.selectOption('#to', resid(2));
  await page.selectOption('#to', resid(1));
  assert.match((await page.textContent('#status')) ?? '', /^Run fetches/);
  await page.selectOption('#source', 'tiny');
  assert.match((await page.textContent('#status')) ?? '', /^Shown at once/);
  assert.equal(await said(page), undefined);
  assert.deepEqual(problems, []);
  await page.close();
});

test('after an error the figure before is said to be the one before', async () => {
  const { page, problems } = await openPage(browser, `?device=cpu${LINKS.latent_to_latent}`);
  await settled(page);
  await page.fill('#prompt', 'word '.repeat(2000));
  assert.match((await run(page)) ?? '', /\[prompt-too-long\]$/);
  assert.match((await said(page)) ?? '', /^Shows tiny · latent → latent/);
  assert.ok(await steppedBack(page));
  assert.equal((await copied(page)).get('prompt'), EIFFEL);
  assert.deepEqual(problems, []);
  await page.close();
});

test('a file of a model that is not offered is shown, and said not to be of the chosen one', async () => {
  const { page } = await openPage(browser, LINKS.latent_to_latent);
  await settled(page);
  await openResult(
    page,
    'stranger.json',
    madeUp(3, 4, (i) => i),
  );
  assert.match((await said(page)) ?? '', /Its model is not offered here: Run asks Tiny random model/);
  assert.equal(await steppedBack(page), false);
  assert.equal((await copied(page)).get('source'), null);
  await page.fill('#prompt', 'b');
  assert.ok(await steppedBack(page));
  await page.close();
});
