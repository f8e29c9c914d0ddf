// One result minus another: nodes aligned by what they are, what only one has marked.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { difference } from '../../www/figure/difference.js';
import { shownFromJson } from '../../www/figure/own.js';
import { fromJson } from '../../www/figure/result.js';
import { toJson } from '../../www/figure/write.js';
import { LINKS, madeUp, openExample, openPage, run, settled, start } from './browser.mjs';

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start();
});
after(() => browser.close());

/** @param {string} file */
const saved = (file) => fromJson(readFileSync(new URL(`../../www/results/${file}.json`, import.meta.url), 'utf8'));

test('nodes are aligned by what they are; what only one has counts as 0 and says so', async () => {
  const tokens = ['a', 'b'];
  // Latents 0 and 1 at 0, 2 at 1; and those of the other: 0 at 0, 2 and 3 at 1.
  const made = madeUp(1, 3, (i) => i + 1, { tokens, pos: (i) => Number(i > 1) });
  const other = madeUp(1, 3, (i) => 10 * (i + 1), { tokens: ['a', 'c'], pos: (i) => Number(i > 0) });
  other.sources.latent = [0, 2, 3];
  const [a, b] = [made, other].map((one) => fromJson(JSON.stringify(one)));
  const { result, alone } = await difference(a, b);
  assert.deepEqual(
    result.sources.label.map((label, i) => [label.replace(/^F0\.(\d).*?( · .*)?$/, '$1$2'), result.sources.pos[i]]),
    [
      ['0', 0],
      ['1 · only A', 0],
      ['2', 1],
      ['2 · only B', 1],
    ],
  );
  assert.equal(alone, 2);
  assert.deepEqual([...result.attributions], [1 - 10, 2, 3 - 20, -30]);
  assert.deepEqual(result.tokens.string, ['a', 'b | c']);
  // It is a figure of its own, that opens again.
  assert.deepEqual([.../** @type {any} */ (shownFromJson(toJson(result))).attributions], [...result.attributions]);
  await assert.rejects(difference(a, saved('tiny-latent-logit')), { code: 'result-invalid' });
});

test('a result minus itself is 0 everywhere, and minus another what each says', async () => {
  for (const file of ['tiny-latent-latent', 'tiny-token-latent', 'tiny-latent-logit', 'demo-logit-difference']) {
    const result = saved(file);
    const none = await difference(result, result);
    assert.equal(none.alone, 0, file);
    assert.deepEqual(
      [none.result.sources.label, none.result.targets.label],
      [result.sources.label, result.targets.label],
    );
    assert.ok(none.result.attributions.every((value) => value === 0));
  }
  const [a, b] = [saved('demo-tennis-logit'), saved('demo-latent-logit')];
  const { result } = await difference(a, b);
  // The last position of either is the last of both.
  assert.deepEqual(new Set(result.targets.pos), new Set([a.tokens.string.length - 1]));
  const sum = (/** @type {Float32Array} */ values) => values.reduce((total, value) => total + value, 0);
  assert.ok(Math.abs(sum(result.attributions) - (sum(a.attributions) - sum(b.attributions))) < 1e-2);
});

test('what is shown is compared with what was shown before, and comes back', async () => {
  const { page, problems } = await openPage(browser, `?device=cpu${LINKS.token_to_latent}`);
  await settled(page);
  assert.ok(await page.isDisabled('#compare'));
  await page.fill('#prompt', 'The Eiffel tower is in Rome');
  assert.match((await run(page)) ?? '', /^Done/);
  await page.check('#compare');
  await page.waitForSelector('#difference-figure .heatmap-canvas');
  const caption = (await page.textContent('#difference-caption')) ?? '';
  assert.match(
    caption,
    /^A − B\. A: tiny · token → latent, .* Rome\. B: tiny · token → latent, .* Paris\. \d+ rows and columns/,
  );
  assert.ok((await page.isHidden('#plot')) && (await page.isHidden('#save')) && (await page.isHidden('#rows')));
  await page.focus('#difference-figure .heatmap');
  await page.keyboard.press('n');
  assert.match((await page.textContent('#difference-figure .sae-readout')) ?? '', / → .*gradient/);
  await page.uncheck('#compare');
  assert.ok((await page.isVisible('#plot')) && (await page.isHidden('#difference')));
  // What has no difference says why.
  await openExample(page, 'tiny-latent-logit.json');
  await page.waitForFunction(() => /latent → logit/.test(document.querySelector('#title')?.textContent ?? ''));
  await page.click('#compare');
  await page.waitForFunction(() =>
    /have no difference\. \[result-invalid\]/.test(document.querySelector('#status')?.textContent ?? ''),
  );
  assert.equal(await page.isChecked('#compare'), false);
  assert.deepEqual(problems, []);
  await page.close();
});
