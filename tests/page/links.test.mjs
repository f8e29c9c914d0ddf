// Links, embedding and what can be taken away.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { decodeState, encodeState } from '../../www/app/links.js';
import { keyOf } from '../../www/app/results.js';
import { python } from '../../www/app/snippet.js';
import { SOURCES } from '../../www/app/sources.js';
import { saesAt } from '../../www/runtime/places.js';
import { DEFAULT_VIEW } from '../../www/figure/view.js';
import { resid, EIFFEL, LINKS, linkTo, openPage, run, settled, start } from './browser.mjs';

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start();
});
after(() => browser.close());

test('every state survives its link', () => {
  const prompt = 'ein "Wort" & mehr #1 = 100 % 🗼\u202e\n';
  /** @type {import('../../www/runtime/protocol.js').Request[]} */
  const requests = [
    { prompt, from: 'tokens', to: 'blocks.3.attn.hook_z' },
    { prompt, from: 'blocks.0.ln2.hook_normalized', to: 'blocks.11.hook_mlp_out', error: 'omit' },
    { prompt: '', from: resid(9), to: { top_logits: 25 } },
    { prompt, from: resid(9), to: { logits: [' b', 7, ' a', '&', 0] } },
    { prompt, from: 'blocks.11.hook_resid_post', to: { logit_difference: [' tennis', '&'] } },
    { prompt, from: 'tokens', to: { logit_difference: [3, '3'] } },
    { prompt, from: 'tokens', to: { top_logits: 1 } },
  ];
  /** @type {import('../../www/figure/view.js').View} */
  const view = {
    shown: 'gradients',
    rows: 'total',
    columns: 'value',
    across: true,
    bos: true,
    source_pos: 3,
    top: 20,
    zeros: true,
    locked: true,
    limit: 0.25,
    threshold: 0.5,
    cell: { row: 7, column: 9 },
  };
  for (const request of requests) {
    assert.deepEqual(decodeState(`#${encodeState('tiny', request, view)}`), {
      source: 'tiny',
      request: { error: 'keep', ...request, threshold: 0.5 },
      view,
    });
  }
  assert.deepEqual(decodeState(encodeState('tiny', requests[0], DEFAULT_VIEW)).view, {});
  // The threshold only selects from an answer.
  assert.equal(keyOf('a', requests[1]), keyOf('a', { ...requests[1], threshold: 9 }));
  assert.equal(keyOf('a', requests[0]), keyOf('a', { ...requests[0], error: 'keep' }));
  assert.equal(new Set(requests.map((request) => keyOf('a', request))).size, requests.length);
  assert.notEqual(keyOf('a', requests[1]), keyOf('a', { ...requests[1], error: 'keep' }));
  for (const hash of [
    '',
    '#',
    '#%',
    '#%E0%A4%A',
    '#from=tokens&to=blocks.1.hook_resid_pre',
    '#prompt=a&from=tokens',
    '#prompt=a&to=blocks.1.hook_resid_pre',
    '#prompt=a&from=token&to=blocks.1.hook_resid_pre',
    '#prompt=a&from=tokens&to=tokens',
    '#prompt=a&from=tokens&to=blocks.1.hook_resid_pre&error=omit',
    '#prompt=a&from=tokens&positive=x',
    '#prompt=a&kind=token_to_latent&layer=1',
    '#cell=-1,2&rows=up&limit=-3&threshold=NaN',
    '#='.repeat(999),
  ]) {
    const { request, view } = decodeState(hash);
    assert.equal(request, undefined, hash);
    assert.deepEqual(view, {}, hash);
  }
});

test('a link restores what was looked at, and follows what changes', async () => {
  const view = { across: 1, columns: 'total', shown: 'gradients', threshold: 1, cell: '80,20' };
  const link = `${LINKS.latent_to_latent}&${new URLSearchParams(/** @type {any} */ (view))}`;
  const { page, problems } = await openPage(browser, link);
  await settled(page);
  assert.equal(await page.inputValue('#prompt'), EIFFEL);
  assert.equal(await page.inputValue('#to'), resid(3));
  assert.equal(await page.inputValue('#shown'), 'gradients');
  assert.equal(await page.inputValue('#columns'), 'total');
  assert.ok(await page.isChecked('#across'));
  await page.waitForFunction(() => /over 1:/.test(document.querySelector('#pairs h3')?.textContent ?? ''));
  const pinned = await page.textContent('#detail strong');
  assert.match(pinned ?? '', /^F0\.\d+/);

  await page.selectOption('#rows', 'largest');
  await page.focus('.heatmap');
  await page.keyboard.press('ArrowRight');
  await page.waitForFunction(() => /rows=largest/.test(location.hash));
  await page.click('#copy-link');
  const copied = await page.evaluate(() => navigator.clipboard.readText());
  assert.match((await page.textContent('#status')) ?? '', /^Link copied/);
  const now = await page.textContent('#detail strong');

  const second = await openPage(browser, new URL(copied).hash);
  await settled(second.page);
  assert.equal(await second.page.textContent('#detail strong'), now);
  assert.equal(await second.page.inputValue('#rows'), 'largest');
  assert.deepEqual([...problems, ...second.problems], []);
  await page.close();
  await second.page.close();
});

test('a link to what was not computed fills the form and is ready to run', async () => {
  const { page, problems } = await openPage(
    browser,
    `?device=cpu${linkTo({ prompt: 'The city', from: 'tokens', to: resid(1) })}`,
  );
  await settled(page);
  assert.match(
    (await page.textContent('#status')) ?? '',
    /^The link is read\. Run fetches the model and the SAE at blocks\.1\.hook_resid_pre from this site/,
  );
  assert.equal(await page.inputValue('#prompt'), 'The city');
  assert.match((await page.textContent('#plot')) ?? '', /Press Run/);
  assert.match((await run(page)) ?? '', /Done in/);
  await page.waitForFunction(() => /prompt=The\+city/.test(location.hash));

  // Another view and back: what this visit computed is there at once.
  const heading = await page.textContent('#title');
  await page.check('input[value=latent_to_logit]');
  assert.match((await page.textContent('#status')) ?? '', /Run fetches/);
  await page.check('input[value=token_to_latent]');
  await page.waitForFunction(() => /Shown at once/.test(document.querySelector('#status')?.textContent ?? ''));
  assert.equal(await page.textContent('#title'), heading);
  // So is what was computed before.
  await page.fill('#prompt', EIFFEL);
  await page.selectOption('#to', resid(3));
  await page.waitForFunction(() => /^Computed before/.test(document.querySelector('#status')?.textContent ?? ''));
  assert.match((await page.textContent('#title')) ?? '', /Eiffel/);
  assert.deepEqual(problems, []);
  await page.close();
});

test('a link to what was not computed keeps its view: over a reload, and for what Run answers', async () => {
  const view = { rows: 'largest', columns: 'total', shown: 'gradients', across: 1, limit: 0.125, cell: '3,7' };
  const asked = { prompt: 'The city', from: resid(0), to: resid(1), threshold: 0.5 };
  const { page, problems } = await openPage(browser, `?device=cpu${linkTo({ ...asked, ...view })}`);
  await settled(page);
  await page.waitForTimeout(400);
  await page.reload();
  await settled(page);
  const linked = async () => {
    const link = new URLSearchParams((await page.evaluate(() => location.hash)).slice(1));
    return Object.fromEntries([...Object.keys(view), 'threshold'].map((key) => [key, link.get(key)]));
  };
  const wanted = Object.fromEntries(Object.entries({ ...view, threshold: 0.5 }).map(([key, v]) => [key, String(v)]));
  assert.deepEqual(await linked(), wanted);
  assert.match((await run(page)) ?? '', /Done in/);
  for (const [id, value] of Object.entries({ shown: 'gradients', rows: 'largest', columns: 'total', limit: '0.125' }))
    assert.equal(await page.inputValue(`#${id}`), value, id);
  assert.ok(await page.isChecked('#across'));
  assert.match((await page.textContent('#detail')) ?? '', /From latents of blocks\.0\.hook_resid_pre/);
  await page.waitForFunction(() => /over (±)?0\.5/.test(document.querySelector('#pairs h3')?.textContent ?? ''));
  await page.waitForTimeout(400);
  assert.deepEqual(await linked(), wanted);
  // The next question is not what the link asked.
  await page.fill('#prompt', 'The tower');
  await run(page);
  assert.equal(await page.inputValue('#shown'), 'attributions');
  assert.deepEqual(problems, []);
  await page.close();
});

test('malformed links and hostile hashes open the page as ever', async () => {
  for (const hash of [
    '#%E0%A4%A',
    '#source=<script>&from=constructor&to=__proto__&prompt=x',
    '#source=constructor',
    '#source=__proto__&from=tokens&prompt=a&to=blocks.1.hook_resid_pre',
    '#prompt=a&from=blocks.99.hook_resid_pre&to=blocks.9999.hook_mlp_out',
    '#cell=99999999,99999999',
    `#prompt=${'x'.repeat(10_000)}&from=tokens&to=blocks.2.hook_resid_pre`,
  ]) {
    const { page, problems } = await openPage(browser, hash);
    await settled(page);
    assert.ok(await page.isEnabled('#run'), hash.slice(0, 40));
    assert.equal((await page.inputValue('#source')) !== '', true);
    assert.deepEqual(problems, [], hash.slice(0, 40));
    await page.close();
  }
});

test('PNG, SVG, CSV and JSON hold what is shown', async () => {
  const { page, problems } = await openPage(browser, `${LINKS.latent_to_logit}&columns=position`);
  await settled(page);
  const take = async (/** @type {string} */ id) => {
    const download = page.waitForEvent('download');
    await page.click(`#${id}`);
    const file = await download;
    return { name: file.suggestedFilename(), bytes: readFileSync(await file.path()) };
  };
  const json = JSON.parse((await take('save')).bytes.toString());
  assert.deepEqual([json.format_version, json.gradients.length, json.attributions.length], [2, 25 * 205, 25 * 205]);

  const csv = await take('save-csv');
  const lines = csv.bytes.toString().trim().split('\n');
  assert.equal(csv.name, 'latent_to_logit.csv');
  assert.equal(
    lines[0],
    'model,prompt,from,to,source_pos,source_id,source_label,source_meaning,source_activation,' +
      'target_pos,target_id,target_label,target_meaning,target_activation,gradient,attribution',
  );
  const nonzero = json.gradients.filter((/** @type {number} */ g) => g !== 0).length;
  assert.equal(lines.length, 1 + nonzero);
  // The labels of latents hold a comma: quoted.
  assert.match(
    lines[1],
    /^tiny,The Eiffel tower is in the city of,blocks\.3\.hook_resid_pre,25 logits,0,\d+,"F3\.\d+, '<\|endoftext\|>' \(0\)",,/,
  );
  assert.ok(Math.abs(Number(lines[1].split(',').at(-1)) - json.attributions[0]) < 1e-6);

  const svg = (await take('save-svg')).bytes.toString();
  assert.ok(
    svg.startsWith('<svg') &&
      svg.includes('data:image/png') &&
      svg.includes('city (9)') &&
      svg.includes('latents of blocks.3.hook_resid_pre, by position'),
  );
  assert.ok(!/<script|onload/.test(svg));
  const png = await take('save-png');
  assert.equal(png.bytes.subarray(1, 4).toString(), 'PNG');
  assert.ok(png.bytes.length > 20_000);
  assert.deepEqual(problems, []);
  await page.close();
});

test('the embed code shows the result in a frame of its own', async () => {
  const { page, problems } = await openPage(browser, `${LINKS.token_to_latent}&cell=3,2`);
  await settled(page);
  await page.click('#copy-embed');
  await page.waitForSelector('#code[open]');
  await page.getByLabel('Frame').check();
  const code = await page.inputValue('#code-text');
  const src = /src="([^"]+)"/.exec(code)?.[1].replaceAll('&amp;', '&') ?? '';
  assert.match(src, /\/embed\.html\?result=results%2Ftiny-token-latent\.json#/);
  await page.click('#code-close');
  await page.goto(src);
  await page.waitForSelector('.heatmap-canvas');
  await page.locator('#title', { hasText: 'tiny' }).waitFor({ state: 'attached' });
  assert.match((await page.textContent('#title')) ?? '', /^tiny · token → latent, resid_pre 3 · The Eiffel/);
  assert.match((await page.textContent('[part=readout]')) ?? '', /' E' \(2\) → F3\./);
  assert.match(
    (await page.getAttribute('#full', 'href')) ?? '',
    /index\.html#source=tiny&prompt=The\+Eiffel.*&from=tokens&to=blocks\.3/,
  );
  for (const bad of ['', '?result=results/none.json', '?result=javascript:alert(1)', '?result=results/index.json']) {
    await page.goto(`${browser.url}/embed.html${bad}`);
    await page.waitForSelector('[part=message]');
  }
  assert.deepEqual(
    problems.filter((problem) => !/javascript:/.test(problem)),
    [],
  );
  await page.close();
});

test('Python is offered for each view, with the prompt quoted', async () => {
  const { page } = await openPage(browser, LINKS.logit_difference);
  await settled(page);
  await page.click('#python');
  await page.waitForSelector('#code[open]');
  const code = await page.inputValue('#code-text');
  assert.match(code, /to_single_token\(" tennis"\)/);
  assert.match(code, /models\/tiny\/model/);
  // It opens at its beginning, though it is longer than its box.
  const { top, caret, isLonger } = await page.locator('#code-text').evaluate((box) => {
    const {
      scrollTop: top,
      selectionStart: caret,
      scrollHeight,
      clientHeight,
    } = /** @type {HTMLTextAreaElement} */ (box);
    return { top, caret, isLonger: scrollHeight > clientHeight };
  });
  assert.deepEqual([top, caret, isLonger], [0, 0, true]);
  await page.keyboard.press('Escape');
  await page.close();
  const { model, saes } = SOURCES['gpt2-small-res-jb'];
  const evil = python(
    { prompt: '""" + __import__("os") \\ \u2028 😀\n', from: 'tokens', to: resid(1) },
    { model: model.address, to: saesAt(saes, resid(1))[0] },
  );
  assert.ok(evil.includes(String.raw`model.to_tokens("\"\"\" + __import__(\"os\") \\ \u2028 \U0001f600\n")`), evil);
  assert.match(evil, /gpt2-small-res-jb/);
});
