// Steps of the browser's history: each result is one, however it is looked at, and comes back as it was left.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  EIFFEL,
  LINKS,
  linkTo,
  madeUp,
  openExample,
  openPage,
  openResult,
  resid,
  run,
  settled,
  start,
} from './browser.mjs';

/** @typedef {import('playwright-core').Page} Page */

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start();
});
after(() => browser.close());

/** What a reader sees of a step. @param {Page} page */
const seen = (page) =>
  page.evaluate(() => {
    const value = (/** @type {string} */ id) => /** @type {HTMLInputElement} */ (document.getElementById(id)).value;
    return {
      title: document.querySelector('#title')?.textContent,
      tab: document.title,
      prompt: value('prompt'),
      rows: value('rows'),
      columns: value('columns'),
      shown: value('shown'),
      pinned: document.querySelector('#detail strong')?.textContent ?? null,
      isStale: document.querySelector('#result')?.classList.contains('stale'),
    };
  });
/** @param {Page} page @param {string} title */
const titled = (page, title) =>
  page.waitForFunction((title) => document.querySelector('#title')?.textContent?.includes(title), title);
/** Until the address has followed. @param {Page} page @param {RegExp} wanted */
const addressed = (page, wanted) =>
  page.waitForFunction((wanted) => new RegExp(wanted).test(decodeURIComponent(location.hash)), wanted.source);

test('run, file and example are steps; back, forward and reload bring each back as it was looked at', async () => {
  const { page, problems } = await openPage(browser, `?device=cpu${LINKS.latent_to_latent}`);
  await settled(page);
  const length = await page.evaluate(() => history.length);
  const steps = () => page.evaluate((length) => history.length - length, length);
  // Looked at another way, it stays one step.
  await page.selectOption('#rows', 'largest');
  await page.selectOption('#columns', 'total');
  await page.click('#strongest tbody tr:nth-child(2) button');
  await addressed(page, /rows=largest&columns=total.*cell=/);
  assert.equal(await steps(), 0);
  const first = await seen(page);
  assert.match(first.tab, /^tiny · latent → latent, .* The Eiffel tower is in Paris · SAE attribution/);

  // A run is a step, and looked at in its own way.
  await page.fill('#prompt', 'The city');
  assert.match((await run(page)) ?? '', /^Done/);
  assert.equal(await steps(), 1);
  await page.selectOption('#rows', 'position');
  await page.selectOption('#shown', 'gradients');
  await page.focus('.heatmap');
  await page.keyboard.press('n');
  await addressed(page, /shown=gradients.*cell=/);
  const second = await seen(page);
  // Run again, it is the same step.
  await run(page);
  assert.equal(await steps(), 1);
  await page.selectOption('#shown', 'gradients');
  await page.focus('.heatmap');
  await page.keyboard.press('n');
  await addressed(page, /shown=gradients.*cell=/);

  // So is a file, and an example.
  await openResult(
    page,
    'mine.json',
    madeUp(3, 4, (i) => i),
  );
  assert.equal(await steps(), 2);
  const third = await seen(page);
  await openExample(page, 'tiny-logit-difference.json');
  await titled(page, 'logit difference');
  assert.equal(await steps(), 3);

  await page.goBack();
  await titled(page, third.title ?? '');
  await page.waitForFunction((tab) => document.title === tab, third.tab);
  assert.deepEqual(await seen(page), third);
  await page.goBack();
  await titled(page, 'The city');
  await page.waitForFunction(() => document.querySelector('#detail strong'));
  assert.deepEqual(await seen(page), second);
  await page.goBack();
  await titled(page, EIFFEL);
  await page.waitForFunction(() => document.querySelector('#detail strong'));
  assert.deepEqual(await seen(page), first);
  await page.goForward();
  await titled(page, 'The city');
  await page.waitForFunction(() => document.querySelector('#detail strong'));
  assert.deepEqual(await seen(page), second);
  assert.equal(await steps(), 3);

  // A reload brings back the same: of what was computed before, wherever that is kept.
  await page.goBack();
  await titled(page, EIFFEL);
  await page.reload();
  await settled(page);
  await page.waitForFunction(() => document.querySelector('#detail strong'));
  assert.deepEqual(await seen(page), first);
  assert.deepEqual(problems, []);
  await page.close();
});

test('what the form asks beside what is shown comes back with a reload', async () => {
  const { page } = await openPage(browser, LINKS.token_to_latent);
  await settled(page);
  await page.fill('#prompt', 'Something else');
  await page.press('#prompt', 'Tab');
  await page.waitForFunction(() => history.state?.asked);
  assert.match(await page.evaluate(() => location.hash), /prompt=The\+Eiffel/);
  await page.reload();
  await settled(page);
  await page.waitForSelector('.stale #stale-text');
  const { title, prompt, isStale } = await seen(page);
  assert.match(title ?? '', /Eiffel/);
  assert.deepEqual([prompt, isStale], ['Something else', true]);
  // An address that is typed is one to be opened.
  await page.evaluate((hash) => (location.hash = hash), LINKS.logit_difference);
  await titled(page, 'logit difference');
  assert.equal(await page.inputValue('#prompt'), 'Fact: Serena Williams plays the sport of');
  await page.evaluate((hash) => (location.hash = hash), linkTo({ prompt: 'new', from: 'tokens', to: resid(2) }));
  await page.waitForFunction(() => /^The link is read/.test(document.querySelector('#status')?.textContent ?? ''));
  // Nothing of the one before stays.
  assert.match((await page.textContent('#plot')) ?? '', /Press Run/);
  assert.deepEqual(
    await page.evaluate(() =>
      ['tokens', 'strongest', 'logits', 'statistics', 'pairs', 'revision', 'stale-text'].map(
        (id) => document.getElementById(id)?.textContent,
      ),
    ),
    Array(7).fill(''),
  );
  await page.goBack();
  await titled(page, 'logit difference');
  await page.close();
});

/** How what is shown is looked at, to the last of it. @param {Page} page */
const lookedAt = async (page) => ({
  ...(await seen(page)),
  ...(await page.evaluate(() => {
    const input = (/** @type {string} */ id) => /** @type {HTMLInputElement} */ (document.getElementById(id));
    const words = (/** @type {string} */ selector) => document.querySelector(selector)?.textContent ?? '';
    return {
      ...{ top: input('top').value, limit: input('limit').value, threshold: input('threshold').value },
      ...{ isLocked: input('lock').checked, isAcross: input('across').checked, hasFirst: input('bos').checked },
      ...{ pair: words('#detail'), sentence: words('#introduction strong'), caption: words('#caption') },
      ...{ folded: words('#folded'), drawn: document.querySelector('.heatmap')?.getAttribute('aria-label') },
      token: document.querySelector('#tokens [aria-pressed=true]')?.textContent,
    };
  })),
});

test('in every view, reload, Back, Forward, another tab and a fresh profile show the same: sorted, pinned, locked', async () => {
  const fresh = await start();
  for (const [view, link] of Object.entries(LINKS)) {
    const { page, problems } = await openPage(browser, link);
    await settled(page);
    await page.waitForSelector('#statistics table');
    const other = view === 'token_to_latent' ? 'tiny-latent-latent.json' : 'tiny-token-latent.json';
    await page.selectOption('#rows', 'largest');
    await page.selectOption('#columns', 'total');
    await page.selectOption('#top', '20');
    await page.check('#bos');
    // Of logits, few places are across positions.
    await page.click('#strongest tbody tr:nth-child(2) button');
    await page.fill('#limit', '0.125');
    await page.press('#limit', 'Tab');
    await page.check('#lock');
    await page.fill('#threshold', '0.25');
    await page.press('#threshold', 'Tab');
    await addressed(page, /threshold=0\.25/);
    await addressed(page, /lock=1/);
    await page.waitForFunction(() => /0\.25/.test(document.querySelector('#pairs')?.textContent ?? ''));
    const looked = await lookedAt(page);
    assert.deepEqual(
      [looked.rows, looked.columns, looked.top, looked.limit, looked.isLocked, looked.hasFirst],
      ['largest', 'total', '20', '0.125', true, true],
      view,
    );
    assert.ok(looked.pinned, view);
    const hash = await page.evaluate(() => location.hash);
    /** @param {Page} there @param {string} how */
    const same = async (there, how) => {
      await titled(there, looked.title ?? '');
      await there.waitForFunction(
        (caption) => document.querySelector('#caption')?.textContent === caption,
        looked.caption,
      );
      await there.waitForFunction((pair) => document.querySelector('#detail')?.textContent === pair, looked.pair);
      await there.waitForFunction((tab) => document.title === tab, looked.tab);
      assert.deepEqual(await lookedAt(there), looked, `${view}: ${how}`);
      assert.equal(await there.evaluate(() => location.hash), hash, `${view}: ${how}`);
    };
    await page.reload();
    await same(page, 'reload');
    await openExample(page, other);
    await titled(page, view === 'token_to_latent' ? 'latent → latent' : 'token → latent');
    await page.goBack();
    await same(page, 'Back');
    await page.goForward();
    await titled(page, view === 'token_to_latent' ? 'latent → latent' : 'token → latent');
    await page.goBack();
    await same(page, 'Back again');

    // What is done in another tab is of that tab.
    const second = await openPage(browser, hash);
    await same(second.page, 'another tab');
    await second.page.selectOption('#rows', 'position');
    await second.page.uncheck('#lock');
    await addressed(second.page, /^(?!.*rows=)/);
    await same(page, 'with another tab beside it');

    const far = await openPage(fresh, hash);
    await same(far.page, 'a fresh profile');
    assert.deepEqual([...problems, ...second.problems, ...far.problems], []);
    for (const one of [page, second.page, far.page]) await one.close();
  }
  await fresh.close();
});

test('of two addresses, one upon the other, the last has the last word', async () => {
  const { page, problems } = await openPage(browser, LINKS.token_to_latent);
  await settled(page);
  // The second comes while the figure of the first is drawn.
  await page.evaluate(
    ([first, second]) => {
      new MutationObserver((_, observer) => {
        if (!/logit difference/.test(document.querySelector('#title')?.textContent ?? '')) return;
        observer.disconnect();
        location.hash = second;
      }).observe(/** @type {Element} */ (document.querySelector('#title')), { childList: true });
      location.hash = first;
    },
    [LINKS.logit_difference, linkTo({ prompt: 'new', from: 'tokens', to: resid(2) })],
  );
  await page.waitForFunction(() => /Press Run/.test(document.querySelector('#plot')?.textContent ?? ''));
  await page.waitForTimeout(500);
  assert.match((await page.textContent('#status')) ?? '', /^The link is read/);
  assert.deepEqual(problems, []);
  await page.close();
});

test('two tabs each have their own steps', async () => {
  const tabs = [await openPage(browser, LINKS.latent_to_latent), await openPage(browser, LINKS.latent_to_logit)];
  for (const { page } of tabs) await settled(page);
  const [one, two] = tabs.map(({ page }) => page);
  await openExample(one, 'tiny-token-latent.json');
  await titled(one, 'token → latent');
  await two.selectOption('#rows', 'total');
  await addressed(two, /rows=total/);
  await one.goBack();
  await titled(one, 'latent → latent');
  await one.reload();
  await settled(one);
  assert.match((await seen(one)).title ?? '', /latent → latent/);
  assert.equal((await seen(one)).rows, 'position');
  assert.match((await seen(two)).title ?? '', /latent → logit/);
  assert.equal((await seen(two)).rows, 'total');
  for (const { page, problems } of tabs) {
    assert.deepEqual(problems, []);
    await page.close();
  }
});
