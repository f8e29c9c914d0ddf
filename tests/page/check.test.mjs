// What is measured on the page, by the real runtime on the bundled models: the check of all pairs, one pair alone,
// curves, steering; methods and other prompts.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { WITH_ALL } from '../all.mjs';
import { violations } from './axe.mjs';
import { LINKS, linkTo, madeUp, openPage, openResult, resid, run, settled, start } from './browser.mjs';
import { madeMeasured } from './measured.mjs';

/** @typedef {import('playwright-core').Page} Page */

const SHOTS = new URL('../../target/screenshots/', import.meta.url).pathname;

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  mkdirSync(SHOTS, { recursive: true });
  browser = await start();
});
after(() => browser.close());

/** @param {Page} page @param {string} selector */
const text = async (page, selector) => (await page.textContent(selector)) ?? '';
/** @param {Page} page @param {string} id */
const open = (page, id) =>
  page.locator(`#${id}`).evaluate((/** @type {any} */ part) => {
    part.open = true;
  });
/** What a table lists, by its rows' cells. @param {Page} page @param {string} selector */
const cells = (page, selector) =>
  page
    .locator(`${selector} tbody tr`)
    .evaluateAll((rows) => rows.map((row) => [...row.children].map((cell) => cell.textContent ?? '')));

/** On the random model, whose results computed before are not measured. */
const LOGITS = linkTo({ prompt: 'The Eiffel tower is in the city of', from: resid(3), top_logits: 5 });

test('Check measures what is shown, and keeps how it is looked at', async () => {
  const { page, problems } = await openPage(browser, `${LINKS.latent_to_latent}&rows=total&cell=80,20`);
  await settled(page);
  await page.waitForSelector('#check:visible');
  assert.ok((await page.isHidden('#badge')) && (await page.isHidden('#checked')));
  const pinned = await text(page, '#detail strong');
  // By hand of another question: what is shown is measured, not that.
  await open(page, 'more');
  await page.fill('#prompt', 'Something else');
  await page.click('#check');
  await page.waitForSelector('#badge:visible', { timeout: 60_000 });
  await page.waitForSelector('#cancel:disabled');
  assert.match(await text(page, '#badge'), /^r = −?[01]\.\d{2,3} predicted vs measured$/);
  assert.ok(await page.isHidden('#check'));
  assert.equal(await page.inputValue('#prompt'), 'The Eiffel tower is in Paris');
  assert.ok(await page.isChecked('#measure'));
  assert.equal(await page.inputValue('#rows'), 'total');
  assert.equal(await text(page, '#detail strong'), pinned);
  await page.waitForFunction(() => /measure=1/.test(location.hash) && /cell=80(,|%2C)20/.test(location.hash));

  // Both numbers, and a sentence of them.
  const [predicted, measured] = await page.locator('#measured dd').allTextContents();
  const sentence = await text(page, '#measured .sentence');
  assert.match(sentence, /^Taking it away (lowers|raises|does not change) F3\.\d+/);
  assert.ok(sentence.includes(measured.replace('−', '')) && sentence.includes(predicted.replace('−', '')), sentence);

  // What was measured can be looked at, and the link says so.
  await page.selectOption('#shown', 'misses');
  await page.waitForSelector('.heatmap[aria-label^="attributions − ablations of"]');
  await page.selectOption('#shown', 'ablations');
  await page.waitForSelector('.heatmap[aria-label^="ablations of"]');
  await page.waitForFunction(() => /shown=ablations/.test(location.hash));
  assert.match(await text(page, '#cell-text'), /ablation -?[\d.e-]+/);
  const strongest = await cells(page, '#strongest');
  assert.match(await text(page, '#strongest thead'), /Ablation/);
  assert.ok(strongest.length > 10);

  // A result that was not measured has nothing of the kind to show.
  await openResult(
    page,
    'plain.json',
    madeUp(2, 3, (i) => i),
  );
  assert.ok((await page.isVisible('#check')) && (await page.isHidden('#badge')) && (await page.isHidden('#checked')));
  assert.equal(await page.inputValue('#shown'), 'attributions');
  assert.equal(await page.locator('#shown option[hidden]').count(), 2);
  await page.click('#check');
  await page.waitForFunction(() => /not offered here/.test(document.querySelector('#status')?.textContent ?? ''));
  assert.deepEqual(problems, []);
  await page.close();
});

test('one pair is measured alone, by key, and is what the check of all says', async () => {
  const { page, problems } = await openPage(browser, LOGITS);
  await settled(page);
  await run(page);
  await page.focus('.heatmap');
  await page.keyboard.press('n');
  assert.match(await text(page, '#measure-pair'), /Take it away/);
  await page.keyboard.press('m');
  await page.waitForSelector('#measured dd');
  const alone = await page.locator('#measured dd').last().getAttribute('title');
  await page.waitForSelector('#measured table');
  const changes = await cells(page, '#measured');
  assert.ok(changes.length >= 10);
  assert.match(await text(page, '#measured'), /the distribution moves by [\d.e−]+ nats \(KL\)/);
  assert.deepEqual(await violations(page), []);
  await page.click('#check');
  await page.waitForSelector('#badge:visible', { timeout: 60_000 });
  await page.waitForFunction(() => document.querySelectorAll('#measured dd').length === 2);
  const all = await page.locator('#measured dd').last().getAttribute('title');
  const [a, b] = [Number(alone), Number(all)];
  assert.ok(a !== 0 && Math.abs(a - b) < 2e-4 * Math.max(1, Math.abs(b)), `${a} alone, ${b} of all`);
  assert.deepEqual(problems, []);
  await page.close();
});

test('the check draws pairs on a plane, tells the worst, and a choice is pinned', async () => {
  const { page, problems } = await openPage(browser, '?source=tiny');
  await settled(page);
  const made = madeMeasured(
    3,
    4,
    (i) => i - 5,
    (i) => (i === 6 ? -9 : 0.5 * (i - 5)),
    { tokens: ['<|endoftext|>', ' a'], pos: (i) => i % 2, logits: [' x', ' y', ' z'] },
  );
  made.agreement.targets[1] = { pairs: 0, lacks: 'too_few' };
  await openResult(page, 'measured.json', made);
  assert.equal(await text(page, '#badge'), 'r = 0.93 predicted vs measured');
  await page.click('#badge');
  await page.waitForSelector('.scatter canvas');
  assert.match(await text(page, '.fit'), /correlate at 0\.93 \(Pearson\), ranks 0\.81 \(Spearman\)/);
  const worst = await cells(page, '.check-parts div:not(.scatter)');
  assert.deepEqual(worst[0].slice(1), ['1', '−9']);
  // Points are painted where they belong: the one that is off lies far below the line.
  const painted = await page.evaluate(() => {
    const canvas = /** @type {HTMLCanvasElement} */ (document.querySelector('.scatter canvas'));
    const { data, width, height } = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d')).getImageData(
      0,
      0,
      canvas.width,
      canvas.height,
    );
    const [scale, reach] = [width / 420, 9 * 1.05];
    const at = (/** @type {number} */ x, /** @type {number} */ y) => {
      const [px, py] = [52 + ((x / reach + 1) / 2) * (420 - 64), 12 + ((1 - y / reach) / 2) * (340 - 52)].map((v) =>
        Math.round(v * scale),
      );
      return [...data.slice(4 * (py * width + px), 4 * (py * width + px) + 4)];
    };
    return { there: at(1, -9), none: at(6, -6), height };
  });
  assert.ok(painted.there[3] > 100 && painted.there[0] > painted.there[2] + 50, JSON.stringify(painted));
  assert.equal(painted.none[3], 0);

  // By keys: the largest attribution last.
  await page.focus('.scatter canvas');
  await page.keyboard.press('End');
  assert.match(await text(page, '.scatter p'), /' z': predicted 6, measured 3\.$/);
  await page.keyboard.press('ArrowLeft');
  await page.keyboard.press('Enter');
  assert.match(await text(page, '#measured .sentence'), /lowers “ z” by 2\.5; the attribution predicted 5\./);
  // By pointer.
  const { width } = /** @type {{width: number}} */ (await page.locator('.scatter canvas').boundingBox());
  const [scale, reach] = [width / 420, 9 * 1.05];
  const position = { x: scale * (52 + ((1 / reach + 1) / 2) * 356), y: scale * (12 + ((1 + 9 / reach) / 2) * 288) };
  await page.locator('.scatter canvas').click({ position });
  assert.match(
    await text(page, '#measured .sentence'),
    /raises “ y” by 9; the attribution predicted that it would lower it by 1\./,
  );

  // Sums, and one target alone, which says what it lacks.
  const sums = await cells(page, '.check-parts .wide');
  assert.deepEqual(sums[2].slice(2), ['18', '0.5', '−15.5', '3']);
  assert.equal(await page.locator('.sums').count(), 3);
  await page.selectOption('#check-panel select', '1');
  await page.waitForFunction(() => document.querySelectorAll('.sums').length === 1);
  assert.equal(await text(page, '.fit'), 'No figures: fewer than three pairs are not 0.');
  assert.equal(await page.evaluate(() => document.activeElement?.tagName), 'SELECT');
  for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
    await page.emulateMedia({ colorScheme });
    assert.deepEqual(await violations(page), []);
  }
  assert.deepEqual(problems, []);
  await page.close();
});

test('a large check opens without a long task', WITH_ALL, async () => {
  const { page } = await openPage(browser, '?source=tiny');
  await settled(page);
  const made = madeMeasured(
    1000,
    1500,
    (i) => ((i * 7919) % 1009) / 100 - 5,
    (i) => ((i * 7919) % 1013) / 100 - 5,
  );
  await openResult(page, 'large.json', made);
  // What is kept of it is written in the background.
  await page.waitForTimeout(4000);
  await page.evaluate(() => {
    /** @type {number[]} */
    const tasks = [];
    Object.assign(window, { tasks });
    new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => tasks.push(duration))).observe({
      type: 'longtask',
    });
  });
  // Tests share their machine, which may be held up by others: what is slow is slow each time.
  let longest = Infinity;
  for (let i = 0; i < 6 && longest > 50; i++) {
    await page.evaluate(() => /** @type {any} */ (window).tasks.splice(0));
    await page.locator('#checked').evaluate((part) => part.removeAttribute('open'));
    await page.evaluate(() => document.querySelector('#check-panel')?.replaceChildren());
    await open(page, 'checked');
    await page.waitForSelector('.scatter canvas');
    await page.waitForTimeout(500);
    longest = await page.evaluate(() => Math.max(0, .../** @type {any} */ (window).tasks));
  }
  assert.ok(longest <= 50, `a task of ${longest} ms`);
  assert.match(await text(page, '.check-head'), /4,000 of 1,500,000 pairs|\d,\d{3} of 1,500,000 pairs/);
  await page.close();
});

test('curves say how few latents carry a target, and steering what the model goes on to write', async () => {
  const { page, problems } = await openPage(browser, '');
  await settled(page);
  await page.waitForSelector('#detail strong');
  await open(page, 'curves');
  await page.click('#curves-panel button:has-text("Draw")');
  await page.waitForSelector('svg.curves path.kept', { timeout: 60_000 });
  const said = await text(page, '#curves-panel [role=status]');
  assert.match(
    said,
    /^Of ' tennis' \([\d.]+ in the model, [\d.]+ with all \d+ latents taken away\): with the SAE’s error kept, /,
  );
  const shares = await cells(page, '#curves-panel .wide');
  assert.deepEqual(shares[0].slice(0, 2), ['0', '0.000']);
  assert.deepEqual(shares.at(-1)?.slice(1, 2), ['1.000']);
  // The latents that it names are the first that reach it, and can be chosen.
  const few = Number((shares.find(([, share]) => Number(share) >= 0.9) ?? [])[0]);
  assert.equal((await cells(page, '#curves-panel .check-parts > div:nth-child(2)')).length, Math.min(few, 50));

  await open(page, 'steering');
  await page.waitForSelector('#steering-panel strong');
  assert.match(await text(page, '#steering-panel strong'), /^F\d\.\d+/);
  const field = (/** @type {string} */ label) => page.locator(`#steering-panel label:has-text("${label}") input`);
  await page.locator('#steering-panel input[aria-label^=Factor]').fill('200');
  await field('Tokens').fill('6');
  await page.click('#steering-panel button[type=submit]');
  await page.waitForSelector('.written', { timeout: 60_000 });
  const [plain, steered] = await page.locator('.written').allTextContents();
  assert.ok(plain.startsWith(' tennis'), plain);
  assert.ok((await page.locator('.written').last().locator('bdi').count()) <= 6);
  assert.equal((await cells(page, '#steering-panel')).length, 12);
  // Against the latent, the model goes elsewhere.
  await page.locator('#steering-panel input[aria-label^=Factor]').fill('-200');
  await page.click('#steering-panel button[type=submit]');
  await page.waitForFunction((before) => document.querySelectorAll('.written')[1]?.textContent !== before, steered);
  assert.notEqual((await page.locator('.written').allTextContents())[1], plain);
  // The same seed draws the same.
  await field('Temperature').fill('2');
  const drawn = async (/** @type {string} */ seed) => {
    await field('Seed').fill(seed);
    await page.locator('.texts').evaluate((texts) => texts.remove());
    await page.click('#steering-panel button[type=submit]');
    await page.waitForSelector('.written', { timeout: 60_000 });
    return (await page.locator('.written').allTextContents()).join('|');
  };
  const first = await drawn('7');
  assert.notEqual(await drawn('8'), first);
  assert.equal(await drawn('7'), first);
  await field('Tokens').fill('51');
  await page.click('#steering-panel button[type=submit]');
  assert.equal(await text(page, '#steering-panel [role=status]'), 'Tokens are 1 to 50.');
  assert.deepEqual(await violations(page), []);
  for (const width of [360, 768, 1440]) {
    await page.setViewportSize({ width, height: 900 });
    assert.ok((await page.evaluate(() => document.documentElement.scrollWidth)) <= width, `at ${width}`);
    await page.locator('.lab').screenshot({ path: `${SHOTS}lab-${width}.png` });
  }
  assert.deepEqual(problems, []);
  await page.close();
});

test('a method, its steps and another prompt are asked for as the form says', async () => {
  const { page, problems } = await openPage(browser, LOGITS);
  await settled(page);
  await open(page, 'more');
  assert.ok(await page.isHidden('#steps'));
  await page.selectOption('#method', 'integrated');
  await page.fill('#steps', '0');
  await run(page).catch(() => {});
  assert.match(await text(page, '#steps-note'), /whole number from 1 to 300/);
  await page.fill('#steps', '4');
  assert.match((await run(page)) ?? '', /^Done/);
  assert.match(await text(page, '#title'), /integrated gradients of 4 steps/);
  await page.waitForFunction(() => /steps=4/.test(location.hash));

  // Unequal prompts: side by side, with both numbers; equal ones are compared.
  await page.fill('#patch', 'The Eiffel tower is in the city');
  await page.locator('#patch').blur();
  await page.waitForSelector('#patch-note .failed');
  assert.match(
    await text(page, '#patch-note'),
    /The prompt has (\d+) tokens with the BOS token, but the patch has (?!\1)\d+\..*\[patch-length\]/,
  );
  assert.ok((await page.locator('#patch-note li').count()) > 5);
  assert.equal(await page.getAttribute('#patch', 'aria-invalid'), 'true');
  assert.deepEqual(await violations(page), []);
  await page.fill('#patch', 'The Eiffel tower is in the city in');
  await page.locator('#patch').blur();
  await page.waitForFunction(() =>
    /^Both have \d+ tokens/.test(document.querySelector('#patch-note')?.textContent ?? ''),
  );
  assert.equal(await page.locator('#patch-note li.other').count(), 1);
  await page.check('#measure');
  assert.match((await run(page)) ?? '', /^Done/);
  assert.match(await text(page, '#title'), /against “The Eiffel tower is in the city in”/);
  await page.waitForSelector('#badge:visible');
  await page.waitForFunction(() => /patch=The/.test(location.hash) && /measure=1/.test(location.hash));
  // What differs in the last token alone has its whole part there.
  await page.focus('.heatmap');
  await page.keyboard.press('n');
  assert.match(
    await text(page, '#measured .sentence'),
    /^Setting it to what it is in “The Eiffel tower is in the city in” \(/,
  );

  // The link asks for all of it again.
  const hash = await page.evaluate(() => location.hash);
  const again = await openPage(browser, hash);
  await settled(again.page);
  assert.equal(await again.page.inputValue('#method'), 'integrated');
  assert.equal(await again.page.inputValue('#steps'), '4');
  assert.equal(await again.page.inputValue('#patch'), 'The Eiffel tower is in the city in');
  assert.ok(await again.page.isChecked('#measure'));
  await again.page.close();

  // Tokens have neither.
  await page.check('input[value=token_to_latent]');
  assert.ok((await page.isHidden('#patch')) && (await page.locator('#method option[value=integrated]').isDisabled()));
  await page.selectOption('#method', 'frozen');
  assert.match((await run(page)) ?? '', /^Done/);
  assert.match(await text(page, '#title'), /attention and LayerNorms frozen/);
  assert.deepEqual(problems, []);
  await page.close();
});

test('of integrated gradients, what lacks to the whole falls as 1 / steps', async () => {
  const page = await browser.context.newPage();
  await page.goto(`${browser.url}/results/index.json`);
  const found = await page.evaluate(
    async ([from, steps]) => {
      const load = (/** @type {string} */ path) => import(`${location.origin}/${path}`);
      const [{ Client }, { SOURCES }] = await Promise.all(['runtime/client.js', 'app/sources.js'].map(load));
      const client = new Client();
      const { model, saes } = SOURCES.tiny;
      await client.open({ model, saes }, { device: 'cpu' });
      const asked = {
        prompt: 'Fact: Serena Williams plays the sport of',
        from,
        to: { logit_difference: [' tennis', ' golf'] },
      };
      const add = (/** @type {number} */ sum, /** @type {number} */ value) => sum + value;
      const gaps = [];
      for (const patch of [undefined, 'Fact: Serena Jordan plays the sport of']) {
        const against = patch === undefined ? asked : { ...asked, patch };
        const of = [];
        for (const integrated of steps) {
          const { attributions, completeness } = await client.attribute({ ...against, method: { integrated } });
          of.push(attributions.reduce(add, 0) + completeness.error.reduce(add, 0) - completeness.total[0]);
        }
        gaps.push(of);
      }
      client.close();
      return gaps;
    },
    /** @type {const} */ ([resid(2), [4, 8, 16, 32]]),
  );
  for (const gaps of found) {
    assert.ok(Math.abs(gaps[0]) > 0.1, `${gaps}`);
    // Left sums: to first order half of what the gradient changes by from one end to the other, over the steps.
    for (const [i, gap] of gaps.slice(1).entries())
      assert.ok(gap / gaps[i] > 0.4 && gap / gaps[i] < 0.55, `${gaps}: twice the steps, half the gap`);
  }
  await page.close();
});
