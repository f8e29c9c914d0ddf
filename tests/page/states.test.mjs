// States between and beside results: loading, empty, what is kept, targets that are no token, colours.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { advice, describeFetch, progressTeller } from '../../www/app/words.js';
import { resid, LINKS, linkTo, madeUp, openPage, openResult, run, settled, start } from './browser.mjs';

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  // Laid out as on a hub, whose files are kept; those of the page's own site are not.
  const model = new URL('../fixtures/tiny/', import.meta.url).pathname;
  browser = await start({ mounts: new Map([['/tiny/resolve/', model]]) });
});
after(() => browser.close());

test('progress tells bytes, rate, time left and what for', () => {
  const tell = progressTeller({ prompt: '', from: resid(0), to: resid(9) });
  const load = (/** @type {number} */ done) => /** @type {const} */ ({ phase: 'load', done, total: 100e6, flop: 0 });
  assert.equal(tell(load(0), 0), 'Loading weights for latent → latent, resid_pre 0 → resid_pre 9: 0 KB of 100.0 MB');
  assert.equal(
    tell(load(20e6), 4000),
    'Loading weights for latent → latent, resid_pre 0 → resid_pre 9: 20.0 MB of 100.0 MB · 5.0 MB/s · about 16 s left',
  );
  assert.match(
    tell({ ...load(40e6), rate: 1e6, cached: 20e6 }, 5000),
    /20\.0 MB kept from before · 1\.0 MB\/s · about 1 min left$/,
  );
  assert.equal(tell({ phase: 'jacobian', done: 3, total: 9, flop: 0 }), 'Differentiating: 3 of 9 targets');
});

test('the page says what Run will fetch, and from where', () => {
  const page = new URL('https://example.org/sae/');
  const of = (/** @type {string} */ model, /** @type {string} */ saes) => ({
    title: '',
    places: [],
    model: { address: model },
    saes: [{ address: saes }],
  });
  const source = of('https://huggingface.co/a', 'https://example.org/saes');
  const request = { prompt: '', from: 'tokens', to: resid(3) };
  assert.equal(
    describeFetch(source, request, page),
    'Run fetches the model and the SAE at blocks.3.hook_resid_pre from huggingface.co and this site, and the runtime from this site. ' +
      'The prompt is not sent, but huggingface.co and this site can tell its tokens and latents from the rows that are fetched; “Whole tables” hides them.',
  );
  assert.match(
    describeFetch(source, request, page, { isPrivate: true }),
    /The prompt stays here: of its tokens and latents, whole tables are fetched\.$/,
  );
  const large = { ...source, bytes: () => 650e6 };
  assert.match(describeFetch(large, request, page), /^Run fetches .*\(about 650\.0 MB\)/);
  assert.match(describeFetch(large, request, page, { savesData: true }), /^Your browser asks to save data/);
  assert.match(
    describeFetch(of('folder:a', 'folder:a'), request, page),
    /from the folder of this computer.* The prompt stays here\.$/,
  );
  assert.notEqual(advice('device-failed'), '');
  for (const code of ['unheard-of', 'constructor', '__proto__']) assert.equal(advice(code), '');
});

test('whole tables are said, computed with and remembered', async () => {
  const link = `?device=cpu${linkTo({ prompt: 'a', from: 'tokens', to: resid(1) })}`;
  const { page, problems } = await openPage(browser, link);
  await settled(page);
  assert.match((await page.textContent('#status')) ?? '', /this site can tell its tokens and latents/);
  await page.check('#private');
  assert.match((await page.textContent('#status')) ?? '', /whole tables are fetched\.$/);
  assert.match((await run(page)) ?? '', /Done in/);
  await page.reload();
  await settled(page);
  assert.ok(await page.isChecked('#private'));
  await page.uncheck('#private');
  assert.match((await page.textContent('#status')) ?? '', /can tell its tokens/);
  assert.deepEqual(problems, []);
  await page.close();
});

test('loading shows progress and can be cancelled', async () => {
  const { page } = await openPage(browser, `?device=cpu${linkTo({ prompt: 'a', from: 'tokens', to: resid(2) })}`);
  await settled(page);
  await page.route('**/*.safetensors', async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 400));
    await route.continue();
  });
  await page.click('#run');
  await page.waitForFunction(() =>
    /^Loading weights for token → latent, resid_pre 2: .* of .*B/.test(
      document.querySelector('#status')?.textContent ?? '',
    ),
  );
  assert.ok(await page.isVisible('#progress'));
  await page.click('#cancel');
  await page.waitForSelector('#cancel:disabled');
  assert.equal(await page.textContent('#status'), 'Cancelled. What was loaded is kept.');
  await page.close();
});

test('a result without pairs says so, and leaves nothing of the one before', async () => {
  const { page, problems } = await openPage(browser, LINKS.latent_to_latent);
  await settled(page);
  await openResult(
    page,
    'empty.json',
    madeUp(0, 5, () => 0),
  );
  assert.match((await page.textContent('#plot')) ?? '', /No pairs: at least one side has no active latents/);
  assert.equal(await page.locator('#strongest tbody tr').count(), 0);
  await page.waitForFunction(() => /: 0$/.test(document.querySelector('#pairs h3')?.textContent ?? ''));
  // And the next one is drawn again.
  await openResult(
    page,
    'small.json',
    madeUp(3, 3, (i) => i - 4),
  );
  assert.ok(await page.isVisible('.heatmap-canvas'));
  assert.deepEqual(problems, []);
  await page.close();
});

test('a target that is not one token is told before it is run', async () => {
  const { page } = await openPage(browser, `?device=cpu${LINKS.logit_difference}`);
  await settled(page);
  assert.match((await run(page)) ?? '', /Done in/);
  await page.fill('#positive', ' the sport');
  await page.press('#positive', 'Tab');
  await page.waitForFunction(() =>
    /“ the sport” is 2 tokens: “ the” “ sport”; it must be one\./.test(
      document.querySelector('#token-note')?.textContent ?? '',
    ),
  );
  assert.equal(await page.getAttribute('#positive', 'aria-invalid'), 'true');
  await page.fill('#positive', ' sport');
  await page.press('#positive', 'Tab');
  await page.waitForSelector('#positive[aria-invalid=false]');
  // The note follows when both targets have been looked at.
  await page.waitForFunction(() => /leading space/.test(document.querySelector('#token-note')?.textContent ?? ''));
  // Tokens to choose from, as they are typed.
  await page.fill('#positive', '');
  await page.locator('#positive').pressSequentially(' tenn');
  await page.waitForFunction(() => document.querySelectorAll('#likely option').length === 1);
  assert.equal(await page.getAttribute('#likely option', 'value'), ' tennis');
  await page.close();
});

test('what is kept is listed with its size, and can be deleted', async () => {
  const hub = '?device=cpu&model=tiny/resolve/model&saes=tiny/resolve/saes&places=1';
  const { page, problems } = await openPage(
    browser,
    `${hub}${linkTo({ source: 'given', prompt: 'a', from: 'tokens', to: resid(1) })}`,
  );
  await settled(page);
  assert.match((await run(page)) ?? '', /Done in/);
  // Files are written when there is nothing else to do: looked at until they are there.
  await page.waitForFunction(
    async () => {
      const panel = /** @type {HTMLDetailsElement} */ (document.querySelector('#cache'));
      panel.open = false;
      await new Promise((resolve) => setTimeout(resolve, 50));
      panel.open = true;
      await new Promise((resolve) => setTimeout(resolve, 250));
      return /model\.safetensors/.test(document.querySelector('#cached')?.textContent ?? '');
    },
    undefined,
    { timeout: 15_000 },
  );
  assert.match((await page.textContent('#cached h3')) ?? '', /\d+ files, .*[KM]B/);
  await page.click('#cached button:text-is("Delete all")');
  await page.waitForFunction(() => document.querySelector('#cached')?.textContent === 'Nothing is kept.', undefined, {
    timeout: 5000,
  });
  assert.deepEqual(problems, []);
  await page.close();
});

test('colours follow the reader’s choice and are remembered', async () => {
  const { page } = await openPage(browser, LINKS.latent_to_latent);
  await settled(page);
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await ground();
  await page.click('#theme');
  await page.click('#theme');
  assert.equal(await page.textContent('#theme-name'), '☾ Dark');
  const dark = await ground();
  assert.notEqual(dark, light);
  await page.reload();
  assert.equal(await ground(), dark);
  await page.click('#theme');
  assert.equal(await ground(), light);
  await page.close();
});
