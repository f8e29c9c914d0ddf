// Results kept in this browser: they answer the next visit at once, are listed and deleted, and are checked like files.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { MOST, staying } from '../../www/app/kept-results.js';
import { linkTo, LINKS, madeUp, openPage, openResult, resid, run, settled, start } from './browser.mjs';

/** @typedef {import('playwright-core').Page} Page */

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start();
});
after(() => browser.close());

const ASKED = { prompt: 'The city', from: 'tokens', to: resid(1) };
const LINK = `?device=cpu${linkTo({ ...ASKED, rows: 'largest' })}`;

/** Until as many are kept. @param {Page} page @param {number} n */
const keeps = (page, n) =>
  page.waitForFunction(async (n) => {
    const load = (/** @type {string} */ path) => import(path);
    const { createKeptResults } = await load('/app/kept-results.js');
    return (await createKeptResults().list()).entries.length === n;
  }, n);
/** @param {Page} page */
async function listed(page) {
  await page.evaluate(() => {
    const panel = /** @type {HTMLDetailsElement} */ (document.querySelector('#cache'));
    panel.open = false;
  });
  await page.waitForTimeout(50);
  await page.click('#cache summary');
  await page.waitForFunction(() => document.querySelector('#kept-results')?.textContent);
  return page.locator('#kept-results tbody tr').allInnerTexts();
}

test('as many stay as there is room for, the newest', () => {
  const entry = (/** @type {number} */ time, /** @type {number} */ size) => ({ time, json: { size } });
  const many = Array.from({ length: 30 }, (_, i) => entry(i, 1));
  assert.deepEqual(
    staying(many).map(({ time }) => time),
    Array.from({ length: MOST.results }, (_, i) => 29 - i),
  );
  const large = [entry(1, MOST.bytes / 2), entry(2, MOST.bytes / 2), entry(3, MOST.bytes / 2)];
  assert.deepEqual(
    staying(large).map(({ time }) => time),
    [3, 2],
  );
});

test('what was computed answers its link in the next visit, at once; in a fresh browser it asks to run', async () => {
  const { page, problems } = await openPage(browser, LINK);
  await settled(page);
  assert.match((await page.textContent('#status')) ?? '', /^The link is read/);
  assert.match((await run(page)) ?? '', /^Done/);
  await keeps(page, 1);
  const heading = await page.textContent('#title');
  const cell = async () => {
    await page.focus('.heatmap');
    for (const key of ['Home', 'ArrowRight']) await page.keyboard.press(key);
    return page.textContent('#cell-text');
  };
  const numbers = await cell();
  await page.close();

  const next = await openPage(browser, LINK);
  await settled(next.page);
  assert.match((await next.page.textContent('#status')) ?? '', /^Kept in this browser from before\. Run fetches/);
  assert.equal(await next.page.textContent('#title'), heading);
  assert.equal(await next.page.inputValue('#rows'), 'largest');
  await next.page.focus('.heatmap');
  for (const key of ['Home', 'ArrowRight']) await next.page.keyboard.press(key);
  // All nine figures of them.
  assert.equal(await next.page.textContent('#cell-text'), numbers);
  // It is the random model's answer, and no other's.
  await next.page.selectOption('#source', 'demo');
  assert.match((await next.page.textContent('#status')) ?? '', /^Run fetches/);
  await next.page.selectOption('#source', 'tiny');
  await next.page.waitForFunction(() => /^(Kept|Shown)/.test(document.querySelector('#status')?.textContent ?? ''));
  assert.deepEqual([...problems, ...next.problems], []);
  await next.page.close();
});

test('they are listed, opened and deleted, one by one and all', async () => {
  const { page, problems } = await openPage(browser, LINKS.latent_to_latent);
  await settled(page);
  await openResult(
    page,
    'mine.json',
    madeUp(3, 4, (i) => i),
  );
  await keeps(page, 2);
  const rows = await listed(page);
  assert.equal(rows.length, 2);
  assert.match(
    rows[0],
    /^latent → latent, resid_pre 0 → resid_pre 1 · \(no prompt\)\s+https:\/\/m\.example\/model\s.*\d.*KB\s+Delete$/,
  );
  assert.match(rows[1], /^tiny · token → latent, resid_pre 1 · The city\s+tiny\s/);
  await page.click('#kept-results tbody tr:nth-child(2) .pick');
  await page.waitForFunction(() => /The city/.test(document.querySelector('#title')?.textContent ?? ''));
  await page.locator('#status', { hasText: /^Kept in this browser from before\.$/ }).waitFor();
  assert.equal(await page.inputValue('#prompt'), 'The city');
  // The file before is a step of the history, also after a reload, when only the browser has it.
  await page.reload();
  await settled(page);
  await page.goBack();
  await page.waitForFunction(() => /no prompt/.test(document.querySelector('#title')?.textContent ?? ''));
  await listed(page);
  await page.click('#kept-results tbody tr:nth-child(1) button:text-is("Delete")');
  await page.waitForFunction(() => document.querySelectorAll('#kept-results tbody tr').length === 1);
  await page.click('#kept-results button:text-is("Delete all results")');
  await page.waitForFunction(() =>
    /^ResultsNo result is kept/.test(document.querySelector('#kept-results')?.textContent ?? ''),
  );
  await keeps(page, 0);
  assert.deepEqual(problems, []);
  await page.close();
});

test('what comes back is checked like a file: poisoned entries are dropped, and it is said', async () => {
  const first = await openPage(browser, LINK);
  await settled(first.page);
  await run(first.page);
  await keeps(first.page, 1);
  /** Writes over what is kept. @param {string} how */
  const poison = (how) =>
    first.page.evaluate(async (how) => {
      const opening = indexedDB.open('sae-attribution.results');
      await new Promise((resolve) => (opening.onsuccess = resolve));
      const store = opening.result.transaction('results', 'readwrite').objectStore('results');
      const all = store.getAll();
      await new Promise((resolve) => (all.onsuccess = resolve));
      const [entry] = all.result;
      const json = await entry.json.text();
      const again = opening.result.transaction('results', 'readwrite').objectStore('results');
      const other = json.replace('"prompt":"The city"', '"prompt":"Another"');
      if (how === 'fields') again.put({ ...entry, title: { toString: 'x' } });
      else again.put({ ...entry, json: new Blob([how === 'text' ? json.slice(0, 99) : other]) });
      await new Promise((resolve) => (again.transaction.oncomplete = resolve));
      opening.result.close();
      return json.length === other.length;
    }, how);
  for (const how of ['text', 'fields', 'other']) {
    assert.equal(await poison(how), false);
    const { page, problems } = await openPage(browser, LINK);
    await settled(page);
    assert.match((await page.textContent('#status')) ?? '', /^A kept result .* was removed\. \[kept-invalid\]$/, how);
    assert.match((await page.textContent('#plot')) ?? '', /Press Run/);
    assert.match((await run(page)) ?? '', /^Done/);
    await keeps(page, 1);
    assert.deepEqual(problems, []);
    await page.close();
  }
  assert.equal(await poison('fields'), false);
  const { page } = await openPage(browser, LINKS.latent_to_latent);
  await settled(page);
  await page.click('#cache summary');
  await page.waitForFunction(() =>
    /No result is kept\. A kept result could not be read, and was removed\./.test(
      document.querySelector('#kept-results')?.textContent ?? '',
    ),
  );
  await page.close();
  await first.page.close();
});

test('without storage the page works without it', async () => {
  for (const refuse of ['throw', 'missing', 'error']) {
    const page = await browser.context.newPage();
    /** @type {string[]} */
    const problems = [];
    page.on('pageerror', (error) => problems.push(error.message));
    await page.addInitScript((refuse) => {
      const get = () => {
        if (refuse === 'throw') throw new DOMException('refused', 'SecurityError');
        return refuse === 'missing' ? undefined : { open: () => indexedDBs.open('x', -1) };
      };
      const indexedDBs = window.indexedDB;
      Object.defineProperty(window, 'indexedDB', { get, configurable: true });
    }, refuse);
    await page.goto(`${browser.url}/?device=cpu${linkTo({ ...ASKED, prompt: `Without ${refuse}` })}`);
    await settled(page);
    assert.match((await page.textContent('#status')) ?? '', /^The link is read/);
    assert.match((await run(page)) ?? '', /^Done/);
    await page.click('#cache summary');
    await page.waitForFunction(
      () => document.querySelector('#kept-results')?.textContent === 'This browser keeps no results for this page.',
    );
    assert.deepEqual(problems, [], refuse);
    await page.close();
  }
});
