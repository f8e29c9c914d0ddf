// The examples as a reader meets them: accessible, reached by keyboard, nothing moves. Screenshots go to
// target/screenshots for a person to look at; nothing compares them.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { WITH_ALL } from '../all.mjs';
import { figureOf, HEAD, openMade, problemsOf, start, violations } from './pages.mjs';

/** @typedef {import('playwright-core').Page} Page */

const SHOTS = new URL('../../target/screenshots/', import.meta.url).pathname;
const EXAMPLES = ['blog', 'plain', 'strict-csp'];

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  mkdirSync(SHOTS, { recursive: true });
  browser = await start();
});
after(() => browser.close());

/** @param {string} name @param {number} [width] */
async function openExample(name, width = 1000) {
  const page = await browser.context.newPage();
  await page.setViewportSize({ width, height: 800 });
  const problems = problemsOf(page);
  // What moves without a hand is added up, in the figures' shadows too.
  await page.addInitScript(() => {
    /** @type {any} */ (window).shifts = [];
    new PerformanceObserver((list) => {
      for (const entry of /** @type {any[]} */ (list.getEntries()))
        if (!entry.hadRecentInput)
          /** @type {any} */ (window).shifts.push([
            entry.value,
            ...entry.sources.map((/** @type {any} */ { node, previousRect, currentRect }) =>
              [
                node?.nodeName,
                node?.className,
                node?.textContent?.slice(0, 40),
                JSON.stringify([previousRect, currentRect]),
              ].join(' '),
            ),
          ]);
    }).observe({ type: 'layout-shift', buffered: true });
  });
  // What is there before the module is seen, and may not move either.
  await page.route('**/embed/element.js', async (route) => {
    await new Promise((resolve) => setTimeout(resolve, 300));
    await route.continue();
  });
  await page.goto(`${browser.url}/examples/${name}.html`);
  return { page, problems };
}

/** Every figure of a page, scrolled to and drawn. @param {Page} page */
async function drawn(page) {
  const n = await page.locator('sae-attribution').count();
  for (let i = 0; i < n; i++) {
    const { element, shows } = figureOf(page, i);
    await element.scrollIntoViewIfNeeded();
    await shows(/./);
  }
  return n;
}

for (const name of EXAMPLES) {
  test(`${name}.html has no accessibility violation, light or dark, wide or narrow`, async () => {
    const { page, problems } = await openExample(name);
    // axe is a script of the test's, not of the page.
    await drawn(page);
    for (const [colorScheme, width] of /** @type {const} */ ([
      ['light', 1000],
      ['dark', 720],
      ['light', 360],
    ])) {
      await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
      await page.setViewportSize({ width, height: 800 });
      await drawn(page);
      assert.deepEqual(await violations(page), [], `${colorScheme} ${width}`);
      await page.screenshot({ path: `${SHOTS}example-${name}-${colorScheme}-${width}.png`, fullPage: true });
    }
    assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth));
    assert.deepEqual(problems, []);
    await page.close();
  });
}

test('a figure in any state has no accessibility violation', async () => {
  const { page } = await openMade(
    browser,
    `<sae-attribution src="none.json" controls="sort live"><p>Instead</p></sae-attribution>
     <sae-attribution src="results/demo-capital.json" model="models/demo/model" saes="models/demo/saes"
       controls="prompt places sort threshold live"></sae-attribution>`,
  );
  const [gone, full] = [figureOf(page), figureOf(page, 1)];
  await gone.part('message').waitFor();
  await full.shows('France');
  assert.deepEqual(await violations(page), [], 'before a run');
  await full.run.click();
  await full.says('Computed here');
  await full.element.getByLabel('To', { exact: true }).fill('nonsense');
  await full.run.click();
  await full.element.locator('.status.failed').waitFor();
  await full.part('heatmap').press('n');
  assert.deepEqual(await violations(page), [], 'after one that failed');
  await page.close();
});

for (const width of [360, 1000]) {
  test(`nothing moves, from the first look to a live run, ${width} pixels wide`, async () => {
    const { page, problems } = await openExample('blog', width);
    const n = await drawn(page);
    const heights = () =>
      page
        .locator('sae-attribution')
        .evaluateAll((all) => all.map((element) => element.getBoundingClientRect().height));
    const before = await heights();
    const live = figureOf(page, 1);
    await live.element.scrollIntoViewIfNeeded();
    await live.run.click();
    await live.says('Computed here');
    await live.prompt.fill('The Eiffel tower is in the city of the');
    await live.run.click();
    await live.shows('city of the');
    await live.says('Computed here');
    assert.deepEqual(await heights(), before);
    assert.equal(before.length, n);
    const shifts = await page.evaluate(() => /** @type {any} */ (window).shifts);
    assert.deepEqual(shifts, []);
    assert.deepEqual(problems, []);
    await page.close();
  });
}

test('the keyboard reaches everything of a figure, in the order in which it stands', async () => {
  const { page } = await openMade(
    browser,
    `<sae-attribution src="results/demo-capital.json" model="models/demo/model" saes="models/demo/saes"
       controls="prompt places sort threshold live"></sae-attribution><a href="#">After</a>`,
  );
  const figure = figureOf(page);
  await figure.shows('France');
  const reached = [];
  for (let i = 0; i < 20; i++) {
    await page.keyboard.press('Tab');
    const name = await page.evaluate(() => {
      const within = document.activeElement?.shadowRoot?.activeElement;
      if (!within) return document.activeElement?.textContent ?? '';
      const field = /** @type {HTMLInputElement} */ (within);
      return (field.labels?.[0]?.firstChild?.textContent || within.getAttribute('part')) ?? '';
    });
    reached.push(name);
    if (name === 'After') break;
  }
  assert.deepEqual(reached, [
    ...[
      'heatmap',
      'fold',
      'readout',
      'Prompt',
      'From',
      'To',
      'Rows by',
      'Columns by',
      'Across positions over',
      'button',
    ],
    'After',
  ]);
  // And runs it: nothing needs a pointer.
  await figure.run.press('Enter');
  await figure.says('Computed here');
  await figure.part('heatmap').press('ArrowRight');
  await figure.part('readout').getByText('gradient').waitFor();
  await page.close();
});

test('what a figure costs a page before Run', WITH_ALL, async (t) => {
  /** All in milliseconds. @param {string} body */
  const cost = async (body) => {
    const { page } = await openMade(browser, '', { head: HEAD.replace(/<script.*/, '') });
    const session = await page.context().newCDPSession(page);
    await session.send('Performance.enable');
    const measure = async () => {
      const { metrics } = await session.send('Performance.getMetrics');
      const of = (/** @type {string} */ name) => 1000 * (metrics.find((metric) => metric.name === name)?.value ?? 0);
      return {
        task: of('TaskDuration'),
        work: of('ScriptDuration') + of('LayoutDuration') + of('RecalcStyleDuration'),
      };
    };
    const before = await measure();
    const picture = await page.evaluate(async (body) => {
      const start = performance.now();
      const main = /** @type {HTMLElement} */ (document.querySelector('main'));
      main.insertAdjacentHTML('beforeend', body);
      if (!body) return 0;
      const shown = new Promise((resolve) =>
        document.querySelector('sae-attribution')?.addEventListener('result', resolve),
      );
      const load = (/** @type {string} */ path) => import(path);
      await load('/embed/element.js');
      await shown;
      return performance.now() - start;
    }, body);
    await page.waitForTimeout(300);
    const after = await measure();
    await page.close();
    return { task: after.task - before.task, work: after.work - before.work, picture };
  };
  const body = '<sae-attribution src="results/demo-capital.json"></sae-attribution>';
  await cost(body);
  const [none, one] = [await cost(''), await cost(body)];
  const [work, task] = [one.work - none.work, one.task - none.task];
  t.diagnostic(
    `main thread: ${work.toFixed(1)} ms of script, style and layout, ${task.toFixed(1)} ms with painting and loading; ` +
      `first picture after ${one.picture.toFixed(0)} ms`,
  );
  assert.ok(one.picture > 0);
});
