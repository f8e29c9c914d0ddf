// The ways from tokens over latents to an answer, and how much goes from token to token.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { betweenPositions } from '../../www/figure/analysis.js';
import { firstHalf, meet, strongestWays } from '../../www/figure/flow.js';
import { fromJson } from '../../www/figure/result.js';
import { waySentence } from '../../www/figure/sentences.js';
import { brief } from '../../www/figure/text.js';
import { LINKS, linkTo, openPage, resid, settled, start } from './browser.mjs';

const RESULTS = new URL('../../www/results/', import.meta.url);
/** @param {string} name */
const saved = (name) => fromJson(readFileSync(new URL(`${name}.json`, RESULTS), 'utf8'));

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start();
});
after(() => browser.close());

test('a latent’s attribution is divided among the tokens by their shares of what moves it', () => {
  const [first, second] = [saved('demo-tennis-token'), saved('demo-tennis-logit')];
  assert.ok(meet(first, second));
  const [n, nTokens] = [second.sources.pos.length, first.sources.pos.length];
  for (const row of [0, 3]) {
    const all = strongestWays(first, second, row, { most: 1e6, bos: true });
    // Counted here again, pair by pair.
    /** @type {{token: number, latent: number, amount: number}[]} */
    const wanted = [];
    for (let latent = 0; latent < n; latent++) {
      const at = first.targets.label.indexOf(second.sources.label[latent]);
      assert.ok(at >= 0, second.sources.label[latent]);
      const gradients = [...first.gradients.slice(at * nTokens, (at + 1) * nTokens)];
      const total = gradients.reduce((sum, gradient) => sum + Math.abs(gradient), 0);
      const attribution = second.attributions[row * n + latent];
      gradients.forEach((gradient, token) => {
        const amount = (Math.abs(gradient) / total) * attribution;
        if (amount !== 0) wanted.push({ token, latent, amount });
      });
      const sum = all.filter((way) => way.latent === latent).reduce((sum, { amount }) => sum + amount, 0);
      assert.ok(
        Math.abs(sum - attribution) <= 1e-5 * Math.max(1, Math.abs(attribution)),
        `${sum} is not ${attribution}`,
      );
    }
    wanted.sort((a, b) => Math.abs(b.amount) - Math.abs(a.amount));
    assert.equal(all.length, wanted.length);
    all.slice(0, 50).forEach(({ amount }, i) => assert.ok(Math.abs(amount - wanted[i].amount) < 1e-6, String(i)));
    const five = strongestWays(first, second, row);
    const without = wanted.filter(({ token, latent }) => token !== 0 && second.sources.pos[latent] !== 0);
    assert.deepEqual(
      five.map(({ token, latent }) => ({ token, latent })),
      without.slice(0, 5).map(({ token, latent }) => ({ token, latent })),
    );
    for (const { share, amount, attribution } of five)
      assert.ok(share > 0 && share <= 1 && amount === share * attribution);
  }
});

test('results that do not meet have no ways between them', () => {
  const [first, second] = [saved('demo-tennis-token'), saved('demo-tennis-logit')];
  for (const other of [
    saved('demo-city-token'),
    saved('demo-token-latent'),
    { ...first, model: { ...first.model, address: 'else' } },
    { ...first, targets: { ...first.targets, sae: { address: 'else' } } },
    second,
  ])
    assert.deepEqual(strongestWays(other, second, 0), []);
  const far = { ...first, model: { ...first.model, address: 'https://a.example/models/demo/model' } };
  assert.ok(meet(far, second, 'https://a.example/index.html'));
  assert.ok(!meet(far, second, 'https://b.example/'));
  const { request } = second;
  assert.deepEqual(firstHalf(request), { prompt: request.prompt, from: 'tokens', to: resid(3) });
  assert.equal(firstHalf({ ...request, error: 'omit' }), undefined);
  assert.equal(firstHalf({ ...request, from: 'tokens' }), undefined);
  assert.equal(firstHalf({ ...request, to: resid(3) }), undefined);
});

test('a way is told in a sentence', () => {
  const [first, second] = [saved('demo-tennis-token'), saved('demo-tennis-logit')];
  const [way] = strongestWays(first, second, 0);
  const part = Math.round(100 * way.share);
  const [verb, end] = way.attribution > 0 ? ['pushes', 'up'] : ['holds', 'down'];
  const at = second.tokens.string[second.sources.pos[way.latent]];
  assert.equal(
    waySentence(second, 0, way),
    `“${second.tokens.string[way.token]}” is ${part} % of what moves “${at}” (${second.sources.label[way.latent].split(',')[0]}), ` +
      `which ${verb} the logit “ tennis” ${end} by ${brief(Math.abs(way.attribution))}: ${brief(Math.abs(way.amount))} by this way.`,
  );
  const difference = saved('demo-logit-difference');
  const [best] = strongestWays(first, difference, 0);
  assert.match(
    waySentence(difference, 0, best),
    /which favours “ (tennis|golf)” over “ (golf|tennis)” by [\d.]+: [\d.]+ by this way\.$/,
  );
});

test('five ways stand by an answer whose first half is known, follow the pinned answer, and pin their pair', async () => {
  const link = linkTo({
    source: 'demo',
    prompt: 'Fact: Serena Williams plays the sport of',
    from: resid(3),
    top_logits: 10,
  });
  const { page, problems } = await openPage(browser, link);
  await settled(page);
  const [first, second] = [saved('demo-tennis-token'), saved('demo-tennis-logit')];
  const meaning = (/** @type {any} */ nodes, /** @type {number} */ node) =>
    second.latent_labels?.[nodes.hook_name]?.[nodes.latent[node]];
  const told = () => page.locator('#flow li .unseen').allTextContents();
  await page.waitForSelector('#flow li');
  assert.deepEqual(
    await told(),
    strongestWays(first, second, 0).map((way) => waySentence(second, 0, way, meaning)),
  );
  assert.match((await page.textContent('#flow h3')) ?? '', /^Five strongest ways to ' tennis'$/);
  const [best] = strongestWays(first, second, 0);
  await page.locator('#flow li button').first().click();
  assert.equal(await page.locator('#detail .node strong').first().textContent(), second.sources.label[best.latent]);
  await page.focus('.heatmap');
  await page.keyboard.press('ArrowDown');
  await page.locator('#flow h3', { hasText: second.targets.label[1] }).waitFor();
  assert.deepEqual(
    await told(),
    strongestWays(first, second, 1).map((way) => waySentence(second, 1, way, meaning)),
  );
  await page.setViewportSize({ width: 360, height: 740 });
  assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= 360);
  assert.deepEqual(problems, []);
  await page.close();
});

test('where the first half is not known, it is computed when asked for', async () => {
  const { page, problems } = await openPage(browser, `?device=cpu${LINKS.logit_difference}`);
  await settled(page);
  const title = await page.textContent('#title');
  await page.locator('#flow button', { hasText: 'Compute the first half' }).click();
  await page.locator('#flow li').nth(4).waitFor({ timeout: 120_000 });
  assert.equal(await page.textContent('#title'), title, 'what is shown stays');
  assert.match(
    (await page.textContent('#flow li .unseen')) ?? '',
    /^“.+” is .+ of what moves “.+” \(F3\.\d+\), which favours “/,
  );
  assert.deepEqual(problems, []);
  await page.close();
});

test('what goes between positions is the sum of sizes, and a block of it opens', async () => {
  const result = saved('demo-latent-latent');
  const { attributions, sources, targets } = result;
  const [n, count] = [sources.pos.length, result.tokens.string.length];
  const sums = await betweenPositions(attributions, targets.pos, sources.pos, count);
  const few = await betweenPositions(attributions, targets.pos, sources.pos, 3);
  assert.ok(sums && few);
  const wanted = new Float64Array(count * count);
  attributions.forEach(
    (value, i) => (wanted[targets.pos[Math.floor(i / n)] * count + sources.pos[i % n]] += Math.abs(value)),
  );
  wanted.forEach((sum, i) => assert.ok(Math.abs(sum - sums[i]) < 1e-9));
  assert.deepEqual([few[4], few[8]], [sums[count + 1], sums[2 * count + 2]]);

  const { page, problems } = await openPage(
    browser,
    linkTo({ source: 'demo', prompt: 'The Eiffel tower is in Paris', from: resid(0), to: resid(2), zeros: 1 }),
  );
  await settled(page);
  await page.click('#between summary');
  const small = page.locator('#between-tokens .heatmap');
  await small.focus();
  // The first key comes to the first cell.
  for (let i = 0; i < 5; i++) await page.keyboard.press('ArrowRight');
  for (let i = 0; i < 8; i++) await page.keyboard.press('ArrowDown');
  await page
    .locator('#between-tokens', { hasText: `“f” → “ in”: Σ |attribution| ${brief(sums[8 * count + 4])}` })
    .waitFor();
  assert.ok(await page.isHidden('#only'), 'keys that pass over blocks open none');
  await page.keyboard.press('Enter');
  await page.locator('#only', { hasText: 'Only columns of “f”' }).waitFor();
  assert.match(
    (await page.textContent('#detail .sentence')) ?? '',
    /^“f” \(F0\.19: .*\) holds F2\.96 .* on “ in” down by 13,/,
  );
  // Its rows, and no others, fill the box.
  const part = await page.evaluate(() => {
    const { scrollTop, scrollHeight, clientHeight } = /** @type {HTMLElement} */ (
      document.querySelector('#plot .heatmap')
    );
    return { scrolled: scrollTop / (scrollHeight - clientHeight), boxes: (scrollHeight - clientHeight) / clientHeight };
  });
  const rows = [...targets.pos.keys()].filter((row) => targets.pos[row] === 8);
  const others = targets.pos.length - rows.length;
  assert.ok(Math.abs(part.scrolled - rows[0] / others) < 0.01, `${part.scrolled} is not ${rows[0] / others}`);
  // Less than all of it is theirs: labels stand above them.
  assert.ok(part.boxes > (0.6 * others) / rows.length && part.boxes < others / rows.length, String(part.boxes));
  assert.deepEqual(problems, []);
  await page.close();
});
