// A model in a folder of this computer.

import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
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
  assert.match((await page.textContent('#status')) ?? '', /the folder of this computer/);
  /** @type {string[]} */
  const fetched = [];
  page.on('request', (request) => fetched.push(request.url()));
  const places = [0, 1, 2, 3].map(resid);
  assert.deepEqual(await page.locator('#from option').allTextContents(), places);
  await page.check('input[value=latent_to_latent]');
  // From the last there is nothing to go to.
  assert.deepEqual(await page.locator('#from option').allTextContents(), places.slice(0, 3));
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

test('SAEs of a folder are found at any place, and answer there', async () => {
  const { page, problems } = await openPage(browser, '?device=cpu');
  await page.setInputFiles('#folder', fixture('places'));
  await page.waitForFunction(
    () => /** @type {HTMLSelectElement} */ (document.querySelector('#source')).value === 'folder',
  );
  await page.check('input[value=token_to_latent]');
  const offered = await page.locator('#to option').allTextContents();
  assert.deepEqual(
    [...offered].sort(),
    readdirSync(fixture('places/saes')).sort(),
    'every folder that is named as a place is',
  );
  assert.deepEqual(offered.slice(-4), [
    'blocks.2.ln2.hook_normalized',
    'blocks.2.hook_mlp_out',
    'blocks.2.hook_resid_post',
    'blocks.3.hook_resid_mid',
  ]);
  await page.check('input[value=latent_to_latent]');
  await page.fill('#prompt', 'the tower');
  await page.selectOption('#from', 'blocks.0.hook_mlp_out');
  await page.selectOption('#to', 'blocks.2.attn.hook_z');
  assert.match((await run(page)) ?? '', /^Done/);
  assert.match((await page.textContent('#title')) ?? '', /^latent → latent, mlp_out 0 → z 2 · the tower/);
  assert.equal(await page.textContent('#revision'), 'Computed from a folder of this computer.');
  assert.match((await page.textContent('#strongest')) ?? '', /F0\.mlp_out\.\d+, .*F2\.z\.\d+, /);
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
