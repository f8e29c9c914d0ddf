// The figure follows what is typed, where a run takes no time.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { createPace } from '../../www/embed/pace.js';
import { linkTo, openPage, resid, run, settled, start } from './browser.mjs';

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start();
});
after(() => browser.close());

test('what took under half a second is instant; loading the first time does not count', () => {
  const pace = createPace();
  let now = 0;
  const timed = (/** @type {number} */ load, /** @type {number} */ compute) => {
    const run = pace.begin(() => now);
    now += load;
    run.progress({ phase: 'load' });
    now += compute;
    run.end();
    return pace.isInstant;
  };
  assert.equal(pace.isInstant, false);
  assert.equal(timed(9000, 499), true);
  assert.equal(timed(0, 501), false);
  assert.equal(timed(0, 499), true);
  // What is loaded again and again is part of each key.
  assert.equal(timed(600, 100), false);
  pace.forget();
  assert.equal(pace.isInstant, false);
});

test('the figure follows what is typed, in one step of the history, until that is switched off', async () => {
  const { page, problems } = await openPage(
    browser,
    `?device=cpu${linkTo({ prompt: 'The', from: 'tokens', to: resid(1) })}`,
  );
  await settled(page);
  // Nothing has been run: nothing follows.
  await page.locator('#prompt').pressSequentially(' city');
  await page.waitForTimeout(500);
  assert.match((await page.textContent('#plot')) ?? '', /Press Run/);
  await run(page);
  const length = await page.evaluate(() => history.length);
  await page.evaluate(() => {
    // However slow this machine is, as a run that took no time.
    const real = performance.now.bind(performance);
    performance.now = () => real() / 50;
  });
  await run(page);
  await page.focus('#prompt');
  await page.keyboard.press('Control+End');
  for (const [typed, title] of [
    [' of', /The city of$/],
    [' the', /The city of the$/],
  ]) {
    await page.keyboard.type(/** @type {string} */ (typed), { delay: 20 });
    await page.waitForFunction(
      (title) => new RegExp(title).test(document.querySelector('#title')?.textContent ?? ''),
      /** @type {RegExp} */ (title).source,
    );
  }
  await page.waitForFunction(() => /^Followed in/.test(document.querySelector('#status')?.textContent ?? ''));
  assert.equal(await page.evaluate(() => document.querySelector('#result')?.classList.contains('stale')), false);
  assert.equal(await page.evaluate(() => history.length), length + 1);
  await page.waitForFunction(() => /prompt=The\+city\+of\+the&/.test(location.hash));
  await page.goBack();
  await page.waitForFunction(() => /The city$/.test(document.querySelector('#title')?.textContent ?? ''));

  // Another place that is chosen meanwhile ends the following: what answers it already is shown.
  await page.selectOption('#to', resid(2));
  await run(page);
  await page.selectOption('#to', resid(1));
  await page.waitForFunction(() => /^Shown at once/.test(document.querySelector('#status')?.textContent ?? ''));
  await page.fill('#prompt', 'Not to be seen');
  await page.evaluate((prompt) => {
    /** @type {HTMLTextAreaElement} */ (document.querySelector('#prompt')).value = prompt;
  }, 'The city');
  await page.selectOption('#to', resid(2));
  await page.waitForFunction(() => /^Shown at once/.test(document.querySelector('#status')?.textContent ?? ''));
  await page.waitForTimeout(600);
  assert.match((await page.textContent('#title')) ?? '', /resid_pre 2 · The city$/);
  await page.selectOption('#to', resid(1));

  await page.uncheck('#live');
  await page.focus('#prompt');
  await page.keyboard.press('Control+End');
  await page.keyboard.type(' on', { delay: 20 });
  await page.waitForTimeout(700);
  assert.match((await page.textContent('#title')) ?? '', /The city$/);
  assert.ok(await page.isVisible('#stale'));
  await page.reload();
  await settled(page);
  assert.equal(await page.isChecked('#live'), false);
  assert.deepEqual(problems, []);
  await page.close();
});
