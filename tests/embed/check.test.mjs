// Figures of results that were measured: the badge, what can be shown of them, and measuring live.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { figureOf, live, openMade, start, violations } from './pages.mjs';

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start();
});
after(() => browser.close());

const MEASURED = 'results/demo-latent-logit.json';
const PLAIN = 'results/tiny-latent-logit.json';

test('a figure tells how well its attributions predict, and shows what was measured', async () => {
  const { page, problems } = await openMade(
    browser,
    `<sae-attribution src="${MEASURED}" controls="check" shown="ablations"></sae-attribution>`,
  );
  const figure = figureOf(page);
  await figure.shows('Eiffel');
  assert.match((await figure.part('scale').textContent()) ?? '', / · r = 0\.95 predicted vs measured/);
  const heatmap = figure.part('heatmap');
  assert.match((await heatmap.getAttribute('aria-label')) ?? '', /^ablations of /);
  const show = figure.element.locator('label', { hasText: /^Show/ }).locator('select');
  assert.equal(await show.inputValue(), 'ablations');
  await show.selectOption('misses');
  assert.equal(await figure.element.getAttribute('shown'), 'misses');
  await page.waitForFunction(() =>
    /^attributions − ablations of /.test(
      document
        .querySelector('sae-attribution')
        ?.shadowRoot?.querySelector('[part=heatmap]')
        ?.getAttribute('aria-label') ?? '',
    ),
  );
  assert.deepEqual(await violations(page), []);
  // One that was not measured offers neither, and is shown as ever.
  await figure.element.evaluate((element, src) => element.setAttribute('src', src), PLAIN);
  await figure.shows('tiny');
  assert.doesNotMatch((await figure.part('scale').textContent()) ?? '', /predicted/);
  assert.match((await heatmap.getAttribute('aria-label')) ?? '', /^attributions of /);
  assert.equal(await show.locator('option:disabled').count(), 2);
  assert.equal(await show.inputValue(), 'attributions');
  assert.deepEqual(problems, []);
  await page.close();
});

test('a live run with check measures, and can be looked at', async () => {
  const { page, problems } = await openMade(
    browser,
    live('prompt="The Eiffel tower is in" from="3" to="top 5" controls="prompt check live"'),
  );
  const figure = figureOf(page);
  await figure.run.click();
  await figure.says('Computed here, on the CPU.');
  assert.match((await figure.part('scale').textContent()) ?? '', / · r = −?[01]\.\d+ predicted vs measured/);
  const lengths = await figure.element.evaluate((element) => {
    const { ablations, attributions } = /** @type {any} */ (element).result;
    return [ablations.length, attributions.length];
  });
  assert.equal(lengths[0], lengths[1]);
  await figure.element.locator('label', { hasText: /^Show/ }).locator('select').selectOption('ablations');
  await page.waitForFunction(() =>
    /^ablations of /.test(
      document
        .querySelector('sae-attribution')
        ?.shadowRoot?.querySelector('[part=heatmap]')
        ?.getAttribute('aria-label') ?? '',
    ),
  );
  assert.deepEqual(problems, []);
  await page.close();
});
