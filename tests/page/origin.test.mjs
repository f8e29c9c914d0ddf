// Which model a figure is of: told by the result, whatever is chosen.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { describeModel } from '../../www/app/origin.js';
import { SOURCES } from '../../www/app/sources.js';
import { madeUp, openPage, openResult, settled, start } from './browser.mjs';

const SAVED = JSON.parse(readFileSync(new URL('../../www/results/demo-tennis-logit.json', import.meta.url), 'utf8'));

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start({ runtime: false });
});
after(() => browser.close());

test('a model is told by its address, not by its name', () => {
  const page = new URL('./index.html', new URL('../../www/index.html', import.meta.url));
  const of = (/** @type {string} */ address, /** @type {string | undefined} */ name, d_sae = [24576, undefined]) =>
    describeModel(
      /** @type {any} */ ({ model: { address, name }, sources: { d_sae: d_sae[0] }, targets: { d_sae: d_sae[1] } }),
      page,
    );
  const gpt2 = SOURCES['gpt2-small-res-jb'].model.address;
  const told =
    'Model: GPT-2 small, 12 layers, 124 million parameters, trained by OpenAI on text of the web; SAEs of 24,576 latents.';
  assert.equal(of(gpt2, 'gpt2-small'), told);
  // Another revision, and a name that it gives itself.
  assert.equal(of(gpt2.replace(/[0-9a-f]{40}$/, 'main'), 'demo'), told);
  assert.equal(
    of('https://else.example/openai-community/gpt2/resolve/main', 'gpt2-small', [24576, 32768]),
    'Model: “gpt2-small”, read from else.example; how large it is, and whether it was trained, the result does not say; SAEs of 24,576 and 32,768 latents.',
  );
  assert.match(of('models/tiny/model', 'tiny'), /^Model: “tiny”, 4 layers, 0\.5 million parameters, random weights/);
  assert.match(of('models/demo/model', 'x\u202e'), /^Model: “x⟨U\+202E⟩”, 4 layers, 1\.1 million parameters, trained/);
  assert.match(of('folder:model', undefined), /^Model: without a name, read from a folder of a computer;/);
  assert.match(of('http://[', 'a'), /read from an address that is none/);
});

test('a result of the demo opened while GPT-2 small is chosen is credited to the demo throughout', async () => {
  const { page, problems } = await openPage(browser, '?source=gpt2-small-res-jb');
  await settled(page);
  assert.equal(await page.inputValue('#source'), 'gpt2-small-res-jb');
  await openResult(page, 'demo.json', SAVED);
  assert.match((await page.textContent('#title')) ?? '', /^demo · latent → logit/);
  assert.match(
    (await page.textContent('#model')) ?? '',
    /^Model: “demo”, 4 layers, .* trained on .*; SAEs of 1,024 latents\.$/,
  );
  assert.match((await page.textContent('#introduction')) ?? '', /^The model “demo” was given “Fact:/);
  assert.match((await page.textContent('#caption')) ?? '', /of “demo” on “Fact:/);
  assert.match((await page.textContent('#revision')) ?? '', /files of this site/);
  // Its latents have the meanings of the demo's own files.
  await page.focus('.heatmap');
  for (const key of ['n', 'Enter']) await page.keyboard.press(key);
  await page.waitForSelector('#latent table');
  await page.click('#copy-link');
  const link = await page.evaluate(() => navigator.clipboard.readText());
  assert.equal(new URLSearchParams(new URL(link).hash.slice(1)).get('source'), 'demo');
  await page.click('#python');
  await page.waitForSelector('#code[open]');
  const code = await page.inputValue('#code-text');
  assert.match(code, /models\/demo\/model/);
  assert.ok(!/gpt2-small|gpt2"/.test(code), code);
  await page.click('#code-close');
  await page.click('#copy-embed');
  await page.waitForSelector('#code[open]');
  assert.match(await page.inputValue('#code-text'), /source=demo/);
  await page.click('#code-close');
  const download = page.waitForEvent('download');
  await page.click('#save');
  const saved = JSON.parse(readFileSync(await (await download).path(), 'utf8'));
  assert.deepEqual(saved.model, SAVED.model);
  assert.deepEqual(problems, []);
  await page.close();
});

test('a result of a model that the page does not know has no meanings of the one that is chosen', async () => {
  const { page } = await openPage(browser, '?source=demo');
  await settled(page);
  const result = madeUp(5, 7, (i) => (i % 5) - 2);
  await openResult(page, 'else.json', { ...result, model: { ...result.model, name: 'demo' } });
  assert.match((await page.textContent('#model')) ?? '', /^Model: “demo”, read from m\.example; how large it is/);
  await page.focus('.heatmap');
  for (const key of ['n', 'Enter']) await page.keyboard.press(key);
  await page.locator('#latent', { hasText: 'without descriptions' }).waitFor();
  await page.close();
});
