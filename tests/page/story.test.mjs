// The page tells the story: sentences, terms, the model, what stands out, which way it goes.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { encodeState } from '../../www/app/links.js';
import { DEFAULT_VIEW } from '../../www/figure/view.js';
import { linkTo, openPage, resid, settled, start } from './browser.mjs';

/** @typedef {import('playwright-core').Page} Page */

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start({ runtime: false });
});
after(() => browser.close());

/** @param {Page} page @param {string} selector */
const text = async (page, selector) => ((await page.textContent(selector)) ?? '').replace(/\s+/g, ' ').trim();

const CAPITAL = linkTo({ source: 'demo', prompt: 'The capital of France is', from: resid(1), to: resid(2) });
const TENNIS = linkTo({
  source: 'demo',
  prompt: 'Fact: Serena Williams plays the sport of',
  from: resid(3),
  top_logits: 10,
});

/** Points at the pinned cell: at its column, then along it. @param {Page} page */
async function pointAtPinned(page) {
  const isFound = await page.evaluate(() => {
    const root = /** @type {HTMLElement} */ (document.querySelector('.heatmap'));
    const { left, top, width, height } = root.getBoundingClientRect();
    const [from, to] = [...document.querySelectorAll('#detail .node strong')].map((node) => node.textContent);
    /** The lines of what is told at a point. @param {number} x @param {number} y */
    const toldAt = (x, y) => {
      root.dispatchEvent(new PointerEvent('pointermove', { clientX: left + x, clientY: top + y }));
      return document.querySelector('#tooltip')?.textContent?.split('\n') ?? [];
    };
    let [x, y] = [60, 0];
    while (x < width && !toldAt(x, height * 0.7)[1]?.startsWith(`${from}`)) x += 2;
    while (y < height && !toldAt(x, y)[1]?.includes(` → ${to}`)) y++;
    return toldAt(x, y)[0] === document.querySelector('#detail .sentence')?.textContent;
  });
  assert.ok(isFound, 'the pinned cell is not told as the pinned one is');
}

test('one sentence is told by pin, pointer and keyboard alike; a caption and three sentences stand by the figure', async () => {
  const { page, problems } = await openPage(browser, CAPITAL);
  await settled(page);
  await page.focus('.heatmap');
  for (const key of ['n', 'n', 'n']) await page.keyboard.press(key);
  const sentence = await text(page, '#detail .sentence');
  assert.match(sentence, /^“.+” \(F1\.\d+: .*\) (pushes|holds) F2\.\d+ \(.*\) on .+ (up|down) by [\d.]+, .+\.$/);
  assert.ok((await text(page, '#cell-text')).startsWith(`${sentence} F1.`));
  await pointAtPinned(page);
  assert.match(
    await text(page, '#caption'),
    /^Attributions, latent → latent, of “demo” on “The capital of France is”\. Columns: 78 active latents .* rows: 82 active latents .* Colours end at ±/,
  );
  const told = await text(page, '#introduction');
  assert.match(
    told,
    /^The model “demo” was given “The capital of France is”\. Each column is a latent .* The strongest pair, without those from “<\|endoftext\|>”: “/,
  );
  await page.selectOption('#columns', 'total');
  assert.match(await text(page, '#caption'), /78 active latents of blocks\.1\.hook_resid_pre, by Σ \|attribution\|;/);
  await page.selectOption('#shown', 'gradients');
  await page.locator('#introduction', { hasText: 'Raising “' }).waitFor();
  assert.match(await text(page, '#caption'), /^Gradients, /);
  assert.deepEqual(problems, []);
  await page.close();
});

/**
 * The pair that a saved result's figure tells as its strongest, and what its numbers say of it: computed here from the
 * file, with none of what the page computes with.
 * @param {string} name
 */
function strongestOf(name) {
  const { request, tokens, sources, targets, gradients } = JSON.parse(
    readFileSync(new URL(`../../www/results/${name}.json`, import.meta.url), 'utf8'),
  );
  const n = sources.pos.length;
  const values = gradients.map((/** @type {number} */ gradient, /** @type {number} */ i) =>
    sources.kind === 'token' ? gradient : Math.fround(gradient * sources.activation[i % n]),
  );
  let best = -1;
  values.forEach((/** @type {number} */ value, /** @type {number} */ i) => {
    // What comes from <|endoftext|> is not ranked.
    if (sources.pos[i % n] !== 0 && (best < 0 || Math.abs(value) > Math.abs(values[best]))) best = i;
  });
  const [row, column] = [Math.floor(best / n), best % n];
  const value = values[best];
  let whole = 0;
  for (let i = row * n; i < row * n + n; i++) if (values[i] > 0 === value > 0) whole += Math.abs(values[i]);
  const size = Math.abs(value) / (sources.kind === 'token' ? 100 : 1);
  return {
    link: `#${encodeState('demo', { ...request, measure: undefined }, DEFAULT_VIEW)}`,
    nodes: [targets.pos.length, n],
    source: sources.kind === 'token' ? `“${tokens.string[column]}”` : sources.label[column].split(',')[0],
    target: targets.label[row].split(',')[0].replaceAll("'", ''),
    isUp: value > 0,
    size: String(Number(size.toPrecision(3))),
    // Of one alone no share is told.
    share: Math.abs(value) === whole ? '' : `${Math.round((100 * Math.abs(value)) / whole)} % of `,
  };
}

/** Of each view, what its figure shows and how a pair is told: up and down. */
const TOLD = {
  'demo-token-latent': {
    verbs: ['would raise', 'would lower'],
    whole: ['all that would raise it', 'all that would lower it'],
  },
  'demo-latent-latent': { verbs: ['pushes', 'holds'], whole: ['all that pushes it up', 'all that holds it down'] },
  'demo-tennis-logit': { verbs: ['pushes', 'holds'], whole: ['all that pushes it up', 'all that holds it down'] },
  'demo-logit-difference': {
    verbs: ['favours “ tennis” over “ golf”', 'favours “ golf” over “ tennis”'],
    whole: ['all that favours it', 'all that favours it'],
  },
};

test('in every view, caption, introduction, tooltip and card say of the first picture what its numbers say', async () => {
  for (const [name, { verbs, whole }] of Object.entries(TOLD)) {
    const { link, nodes, source, target, isUp, size, share } = strongestOf(name);
    const { page, problems } = await openPage(browser, link);
    await settled(page);
    await page.waitForSelector('#statistics table');
    // Where nothing is pinned, the strongest pair is a key away.
    await page.focus('.heatmap');
    await page.keyboard.press('n');
    const card = await text(page, '#detail .sentence');
    const at = isUp ? 0 : 1;
    assert.ok(card.includes(source), `${source} in ${card}`);
    assert.ok(card.includes(verbs[at]), `${verbs[at]} in ${card}`);
    if (name !== 'demo-logit-difference') assert.ok(card.includes(target), `${target} in ${card}`);
    assert.ok(card.endsWith(` by ${size}, ${share}${whole[at]}.`), `${size}, ${share} in ${card}`);
    await pointAtPinned(page);
    assert.ok((await text(page, '#introduction strong')).endsWith(`: ${card}`), name);
    const caption = await text(page, '#caption');
    assert.ok(
      caption.includes(`s: ${nodes[1]} ${source.startsWith('F') ? 'active latents of ' : 'tokens, '}`),
      caption,
    );
    if (nodes[0] > 1)
      assert.match(caption, new RegExp(`rows: ${nodes[0]} (active latents of |logits, ).* Colours end at ±[\\d.]+`));
    else assert.match(caption, /heights: attributions to ' tennis' − ' golf'/);
    assert.deepEqual(problems, []);
    await page.close();
  }
});

test('the element tells the same', async () => {
  const { page } = await openPage(browser, 'embed.html?result=results/demo-latent-latent.json');
  await page.waitForSelector('.heatmap-canvas');
  assert.match(
    await text(page, '[part=readout]'),
    /^Attributions, latent → latent, of “demo” on “The Eiffel .* Point at a cell/,
  );
  // What is pinned first is told first.
  await page.goto(`${browser.url}/embed.html?result=results/demo-tennis-logit.json`);
  await page.waitForSelector('.heatmap-canvas');
  assert.match(await text(page, '[part=readout]'), /^“ of” \(F3\.813: .*\) pushes the logit “ tennis” up by 2\.43,/);
  await page.locator('.heatmap').press('n');
  assert.match(
    await text(page, '[part=readout]'),
    /^“.*” \(F3\.\d+.*\) (pushes|holds) the logit “.*” (up|down) by .* gradient /,
  );
  await page.close();
});

test('a figure in another page has the scale, the legend, the frame and the caption of the page, light and dark', async () => {
  for (const name of ['demo-token-latent', 'demo-latent-latent', 'demo-logit-difference']) {
    for (const colorScheme of /** @type {const} */ (['light', 'dark'])) {
      const here = await openPage(browser, strongestOf(name).link);
      const there = await openPage(browser, `embed.html?result=results/${name}.json`);
      const looks = [];
      for (const { page } of [here, there]) {
        await page.emulateMedia({ colorScheme });
        await page.waitForSelector('.heatmap-canvas');
        const legend = page.locator('.sae-colours svg');
        // Drawn anew where the scheme is another.
        if (name !== 'demo-logit-difference')
          await page.waitForFunction(
            (colour) => {
              const root = document.querySelector('sae-attribution')?.shadowRoot ?? document;
              return root.querySelector('.sae-colours svg')?.getAttribute('aria-label')?.includes(`from ${colour}`);
            },
            colorScheme === 'dark' ? 'orange' : 'red',
          );
        looks.push({
          legend: (await legend.count()) > 0 ? [await legend.getAttribute('aria-label'), await legend.innerHTML()] : [],
          frame: await page.locator('.heatmap').evaluate((heatmap) => {
            const { borderTopColor, borderTopWidth, borderRadius, backgroundColor, color } = getComputedStyle(heatmap);
            return [borderTopColor, borderTopWidth, borderRadius, backgroundColor, color];
          }),
          cut: (await text(page, page === here.page ? '#clipped' : '[part=scale] small')).split(' · ')[0],
        });
      }
      assert.deepEqual(looks[1], looks[0], `${name}, ${colorScheme}`);
      assert.ok((await text(there.page, '[part=readout]')).startsWith(await text(here.page, '#caption')), name);
      for (const { page, problems } of [here, there]) {
        assert.deepEqual(problems, []);
        await page.close();
      }
    }
  }
});

test('statistics say what they count against, by view', async () => {
  const { page } = await openPage(browser, TENNIS);
  await settled(page);
  const statistics = await text(page, '#statistics');
  assert.match(
    statistics,
    /pairs over logits × latents of the SAE; positions left out.*pairs over logits × positions × latents of the SAE/,
  );
  assert.ok(!statistics.includes('later SAE'));
  await page.goto('about:blank');
  await page.goto(
    `${browser.url}/${linkTo({ source: 'demo', prompt: 'The Eiffel tower is in Paris', from: 'tokens', to: resid(2) })}`,
  );
  await settled(page);
  assert.match(
    await text(page, '#statistics'),
    /pairs over positions × latents of the SAE.*tokens × positions × latents/,
  );
  await page.close();
});

test('terms are told where they stand, by keyboard and touch; what is quoted is no term', async () => {
  const { page, problems } = await openPage(
    browser,
    linkTo({ source: 'tiny', prompt: 'The Eiffel tower is in Paris', from: resid(0), to: resid(3) }),
  );
  await settled(page);
  assert.deepEqual(await page.locator('#caption .term').allTextContents(), ['Attributions', 'latent']);
  await page.fill('#limit', '1');
  await page.press('#limit', 'Tab');
  assert.deepEqual(await page.locator('#caption .term').allTextContents(), ['Attributions', 'latent', 'clipped']);
  const note = page.locator('#term-note');
  const term = page.locator('#caption .term', { hasText: 'clipped' });
  await term.focus();
  await page.keyboard.press('Enter');
  assert.match((await note.textContent()) ?? '', /^clipped Larger than where the colours end/);
  assert.ok(await note.isVisible());
  assert.deepEqual(
    [await term.getAttribute('aria-expanded'), await term.getAttribute('aria-describedby')],
    ['true', 'term-note'],
  );
  await page.keyboard.press('Escape');
  await note.waitFor({ state: 'hidden' });
  // The browser tells of its own closing a moment later.
  await page.locator('#caption .term[aria-expanded=false]', { hasText: 'clipped' }).waitFor();
  await page.setViewportSize({ width: 360, height: 700 });
  // Pressed once it opens, pressed again it closes.
  await page.locator('#caption .term').first().click();
  const { x, width } = /** @type {{x: number, width: number}} */ (await note.boundingBox());
  assert.ok(x >= 0 && x + width <= 360, `${x}, ${width}`);
  await page.locator('#caption .term').first().click();
  await note.waitFor({ state: 'hidden' });
  assert.deepEqual(
    await page.evaluate(async () => {
      const { withTerms } = await import(String('/app/glossary.js'));
      const parts = withTerms(document, '“a latent” of latents, xlatent, latents; F1.854 <|endoftext|>');
      return parts.map((/** @type {any} */ part) => part.outerHTML?.replace(/<button [^>]*>/, '<button>') ?? part);
    }),
    [
      '“a latent” of ',
      '<button>latents</button>',
      ', xlatent, latents; ',
      '<button>F1.854</button>',
      ' ',
      '<button>&lt;|endoftext|&gt;</button>',
    ],
  );
  await page.click('#terms summary');
  await page.locator('#terms dt').nth(8).waitFor();
  assert.equal(await page.locator('#terms dt').count(), 9);
  assert.deepEqual(problems, []);
  await page.close();
});

test('a browser without popovers shows and closes the note, too', async () => {
  const page = await browser.context.newPage();
  await page.addInitScript(() => {
    delete (/** @type {any} */ (HTMLElement.prototype).showPopover);
  });
  await page.goto(`${browser.url}/${CAPITAL}`);
  await settled(page);
  await page.locator('#caption .term').first().click();
  const note = page.locator('#term-note');
  await note.getByText('Gradient × activation').waitFor();
  await page.keyboard.press('Escape');
  await note.waitFor({ state: 'hidden' });
  await page.locator('#caption .term').first().click();
  await note.waitFor();
  await page.click('h1');
  await note.waitFor({ state: 'hidden' });
  await page.close();
});
