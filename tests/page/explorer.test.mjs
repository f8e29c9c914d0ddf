// Several explorers on one page, and what sees to it that only the last answer counts.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { lastOnly } from '../../www/figure/last.js';
import { LINKS, openPage, settled, start } from './browser.mjs';

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start({ runtime: false });
});
after(() => browser.close());

test('of several turns only the last lasts, and others’ turns end none', () => {
  const [latest, others] = [lastOnly(), lastOnly()];
  const first = latest();
  assert.ok(first());
  const second = latest();
  others();
  assert.deepEqual([first(), second(), second()], [false, true, true]);
});

test('two explorers on one page do not disturb each other', async () => {
  const { page, problems } = await openPage(browser, LINKS.latent_to_latent);
  await settled(page);
  // Shown at the same time: neither is the last of the other.
  await page.evaluate(async () => {
    const load = (/** @type {string} */ path) => import(path);
    const [{ createExplorer }, { fromJson }] = [await load('/app/explorer.js'), await load('/figure/result.js')];
    const page = /** @type {HTMLElement} */ (document.querySelector('#result'));
    const roots = ['one', 'two'].map((name) => {
      const root = /** @type {HTMLElement} */ (page.cloneNode(true));
      root.className = name;
      return root;
    });
    page.replaceWith(...roots);
    await Promise.all(
      ['latent-latent', 'latent-logit'].map(async (name, i) => {
        const explorer = createExplorer(roots[i], { onView() {}, say() {} });
        const result = fromJson(await (await fetch(`/results/tiny-${name}.json`)).text());
        // Of latents whose source says nothing of them.
        await explorer.show(result, {}, { label() {} });
      }),
    );
  });
  const [one, two] = ['.one', '.two'].map((root) => page.locator(root));
  assert.match((await one.locator('.heatmap').getAttribute('aria-label')) ?? '', /^attributions of latent → latent\./);
  assert.match((await two.locator('.heatmap').getAttribute('aria-label')) ?? '', /^attributions of latent → logit\./);
  assert.match((await one.locator('#pairs').textContent()) ?? '', /^Cross-position pairs over 2: 12/);
  assert.deepEqual([await one.locator('#logits tr').count(), await two.locator('#logits tr').count()], [0, 26]);

  /** All that is told of one of them. @param {import('playwright-core').Locator} explorer */
  const told = (explorer) =>
    explorer.evaluate((root) => [
      root.innerHTML,
      ...[...root.querySelectorAll('input, select')].map((field) => {
        const { id, value, checked } = /** @type {HTMLInputElement} */ (field);
        return `${id}: ${value} ${checked}`;
      }),
    ]);
  for (const [used, other] of [
    [one, two],
    [two, one],
  ]) {
    const [before, otherBefore] = [await told(used), await told(other)];
    await used.locator('#strongest tbody tr:first-child button').click();
    await used.locator('#open-source').click();
    await used.locator('#open-source:focus').waitFor();
    await used.locator('#latent h3').waitFor();
    await used.locator('#rows').selectOption('largest');
    await used.locator('#across').check();
    await used.locator('#limit').fill('0.5');
    await used.locator('#shown').selectOption('gradients');
    await used.locator('.heatmap[aria-label^=gradients]').waitFor();
    await used.locator('#zoom-in').click();
    await used.locator('#threshold').fill('0.125');
    await used.locator('#threshold').blur();
    await used.locator('#pairs h3', { hasText: 'over 0.125' }).waitFor();
    await used.locator('.heatmap').hover();
    await used.locator('#tooltip').waitFor();
    assert.notDeepEqual(await told(used), before);
    assert.deepEqual(await told(other), otherBefore);
    // And comes to rest, for the other's turn.
    await page.mouse.move(0, 0);
    await used.locator('#tooltip').waitFor({ state: 'hidden' });
    await used.locator('.heatmap').press('n');
    await used.locator('#latent h3').waitFor();
  }

  // Asked at the same time, both answer.
  await page.evaluate(() => {
    for (const field of document.querySelectorAll('#threshold')) {
      /** @type {HTMLInputElement} */ (field).value = '0.25';
      field.dispatchEvent(new Event('change'));
    }
    // Each closes its latent and opens it again.
    for (let i = 0; i < 2; i++) {
      document.querySelectorAll('#open-source').forEach((button) => /** @type {HTMLElement} */ (button).click());
    }
  });
  for (const explorer of [one, two]) await explorer.locator('#pairs h3', { hasText: 'over 0.25' }).waitFor();
  for (const explorer of [one, two]) await explorer.locator('#latent h3').waitFor();
  assert.deepEqual(problems, []);
  await page.close();
});
