// A model in a folder of this computer.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { resid, openPage, run, start } from './browser.mjs';

const fixture = (/** @type {string} */ name) => new URL(`../fixtures/${name}`, import.meta.url).pathname;

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start();
});
after(() => browser.close());

test('a model of a folder is offered with its places, and computes without a network', async () => {
  const { page, problems } = await openPage(browser, '?device=cpu');
  await page.setInputFiles('#folder', fixture('tiny'));
  await page.waitForFunction(
    () => /** @type {HTMLSelectElement} */ (document.querySelector('#source')).value === 'folder',
  );
  assert.match((await page.textContent('#source option:checked')) ?? '', /folder tiny/);
  assert.deepEqual(await page.locator('#from option').allTextContents(), [resid(0), resid(1), resid(2)]);
  assert.match((await page.textContent('#status')) ?? '', /the folder of this computer/);
  /** @type {string[]} */
  const fetched = [];
  page.on('request', (request) => fetched.push(request.url()));
  await page.check('input[value=latent_to_latent]');
  await page.fill('#prompt', 'The Eiffel tower is in Paris');
  await page.selectOption('#from', resid(0));
  await page.selectOption('#to', resid(3));
  assert.match((await run(page)) ?? '', /^Done .*100 sources × 181 targets/);
  assert.deepEqual(
    fetched.filter((url) => /safetensors|config|tokenizer/.test(url)),
    [],
  );
  assert.deepEqual(problems, []);
  await page.close();
});

test('a folder without a model, or without SAEs, says what is missing', async () => {
  const { page } = await openPage(browser);
  for (const [folder, missing] of /** @type {const} */ ([
    ['tiny/saes', 'no model'],
    ['tiny/model', 'no SAEs'],
  ])) {
    await page.setInputFiles('#folder', fixture(folder));
    await page.waitForSelector('#status[data-code="file-not-found"]');
    assert.match((await page.textContent('#status')) ?? '', new RegExp(missing));
    await page.selectOption('#source', 'tiny');
  }
  await page.close();
});
