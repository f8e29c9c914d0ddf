// Live runs: nothing before they are agreed to, one runtime for all figures of a model, the picture behind the prompt.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { asked, figureOf, live, openMade, start } from './pages.mjs';

/** @typedef {import('playwright-core').Page} Page */

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start();
});
after(() => browser.close());

const SAVED = 'src="results/demo-latent-logit.json"';
const OF_RUNTIME = /wasm|worker\.js|client\.js|\/models\//;

/** Resolves when a page has as many workers. @param {Page} page @param {(n: number) => boolean} enough */
async function workers(page, enough) {
  while (!enough(page.workers().length)) await new Promise((resolve) => setTimeout(resolve, 50));
}

/** In this page, a run takes these many milliseconds, whatever the machine does. @param {Page} page @param {number} ms */
const taking = (page, ms) =>
  page.evaluate((ms) => {
    let now = 0;
    performance.now = () => (now += ms);
  }, ms);

test('nothing of the model is fetched before Run live is pressed, which says how much from where', async () => {
  const requests = asked(browser);
  const { page, problems } = await openMade(browser, live(`${SAVED} controls="prompt places live"`));
  const figure = figureOf(page);
  await figure.shows('Eiffel');
  await figure.run.getByText('Run live (about 2.4 MB from this site)').waitFor();
  assert.match((await figure.part('status').textContent()) ?? '', /The prompt is not sent, but this site can tell it/);
  assert.equal(await figure.prompt.evaluate((field) => /** @type {HTMLInputElement} */ (field).readOnly), true);
  assert.deepEqual(
    requests.paths.filter((path) => OF_RUNTIME.test(path)),
    [],
  );
  const before = await figure.element.evaluate((element) => [.../** @type {any} */ (element).result.attributions]);
  await figure.run.click();
  await figure.says('Computed here, on the CPU.');
  assert.equal(await figure.run.textContent(), 'Run');
  // The same request, and the same numbers.
  const now = await figure.element.evaluate((element) => [.../** @type {any} */ (element).result.attributions]);
  const largest = Math.max(...before.map(Math.abs));
  assert.ok(before.every((value, i) => Math.abs(value - now[i]) < 1e-5 * largest));
  requests.end();
  assert.deepEqual(problems, []);
  await page.close();
});

test('two figures of one model fetch its weights once, and its worker ends when all are gone', async (t) => {
  const requests = asked(browser);
  const { page, problems } = await openMade(
    browser,
    live(`${SAVED} controls="prompt live"`) + live(`${SAVED} controls="prompt live"`),
  );
  const [one, two] = [figureOf(page), figureOf(page, 1)];
  await Promise.all([one.shows('Eiffel'), two.shows('Eiffel')]);
  await one.run.click();
  // Agreed to for both: this one asks at the same time, and is answered in turn.
  await two.run.getByText(/^Run$/).waitFor();
  await two.run.click();
  await Promise.all([one.says('Computed here'), two.says('Computed here')]);
  requests.end();
  const once = requests.parts.filter((part) => OF_RUNTIME.test(part));
  assert.ok(once.filter((part) => /safetensors bytes=/.test(part)).length > 2, once.join('\n'));
  assert.deepEqual(once, [...new Set(once)]);
  const runtimes = () => page.workers().filter((worker) => /runtime\/worker\.js/.test(worker.url())).length;
  assert.equal(runtimes(), 1);
  // A third, later, has what is there.
  const more = asked(browser);
  await page.evaluate(
    (html) => document.querySelector('main')?.insertAdjacentHTML('beforeend', html),
    live(`${SAVED} controls="prompt live"`),
  );
  const three = figureOf(page, 2);
  await three.element.scrollIntoViewIfNeeded();
  await three.shows('Eiffel');
  await three.run.click();
  await three.says('Computed here');
  more.end();
  assert.deepEqual(
    more.paths.filter((path) => OF_RUNTIME.test(path)),
    [],
  );
  await page.evaluate(() => document.querySelector('sae-attribution')?.remove());
  await page.evaluate(() => document.querySelector('sae-attribution')?.remove());
  assert.equal(runtimes(), 1);
  const gone = performance.now();
  await page.evaluate(() => document.querySelector('sae-attribution')?.remove());
  await workers(page, (n) => n === 0);
  t.diagnostic(`freed after ${Math.round(performance.now() - gone)} ms`);
  assert.deepEqual(problems, []);
  await page.close();
});

test('the picture follows each key where a run takes no time, and only the last counts', async () => {
  const { page, problems } = await openMade(browser, live(`${SAVED} controls="prompt places live"`));
  const figure = figureOf(page);
  await figure.shows('Eiffel');
  await taking(page, 0);
  await figure.run.click();
  await figure.says('Computed here');
  await page.evaluate(() => {
    /** @type {any} */ (window).prompts = [];
    document
      .querySelector('sae-attribution')
      ?.addEventListener('result', (/** @type {any} */ event) =>
        /** @type {any} */ (window).prompts.push(event.detail.result.request.prompt),
      );
  });
  await figure.prompt.press('End');
  await figure.prompt.pressSequentially(' the', { delay: 1 });
  await figure.shows('in the city of the');
  const prompts = await page.evaluate(() => /** @type {any} */ (window).prompts);
  assert.equal(prompts.at(-1), 'The Eiffel tower is in the city of the');
  assert.equal(await figure.element.getAttribute('prompt'), 'The Eiffel tower is in the city of the');
  // Places, too.
  await figure.element.getByLabel('To', { exact: true }).fill('logits " Paris" - " the"');
  await figure.element.getByLabel('To', { exact: true }).press('Tab');
  await figure.shows('logit difference');
  assert.deepEqual(problems, []);
  await page.close();
});

test('where a run takes long, Run is pressed', async () => {
  const { page } = await openMade(browser, live(`${SAVED} controls="prompt live"`));
  const figure = figureOf(page);
  await figure.shows('Eiffel');
  await taking(page, 1000);
  await figure.run.click();
  await figure.says('Computed here');
  await figure.prompt.fill('The capital of Spain is');
  await figure.says('Press Run to compute this.');
  await figure.prompt.press('Enter');
  await figure.shows('The capital of Spain is');
  await page.close();
});

test('a run is cancelled, and what is wrong with one is said beneath the picture before', async () => {
  const { page } = await openMade(browser, live(`${SAVED} controls="prompt places live"`));
  const figure = figureOf(page);
  await figure.shows('Eiffel');
  // What the worker is told.
  const told = await figure.element.evaluate(async (element) => {
    /** @type {string[]} */
    const told = [];
    const { postMessage } = Worker.prototype;
    Worker.prototype.postMessage = function (/** @type {any} */ message, /** @type {any} */ ...rest) {
      told.push(message.type);
      return postMessage.call(this, message, ...rest);
    };
    const [run, cancel] = /** @type {any} */ (element.shadowRoot?.querySelectorAll('[part=button]'));
    run.click();
    while (!told.includes('attribute')) await new Promise((resolve) => setTimeout(resolve));
    cancel.click();
    return told;
  });
  assert.deepEqual(told, ['open', 'attribute', 'cancel']);
  await figure.says('Cancelled.');
  assert.equal(await figure.cancel.isDisabled(), true);
  await figure.run.click();
  await figure.says('Computed here');
  for (const [to, words] of [
    ['nonsense', 'cannot be understood'],
    ['0', /place/],
    ['logits " not one token at all"', 'token'],
  ]) {
    await figure.element.getByLabel('To', { exact: true }).fill(String(to));
    await figure.element.getByLabel('To', { exact: true }).press('Tab');
    await figure.run.click();
    await figure.element.locator('.status.failed', { hasText: words }).waitFor();
    await figure.shows('Eiffel');
  }
  await figure.element.getByLabel('To', { exact: true }).fill('top 3');
  await figure.element.getByLabel('To', { exact: true }).press('Tab');
  await figure.run.click();
  await figure.shows('3 logits');
  await page.close();
});

test('the answer is remembered: a figure without a saved result runs where its model was agreed to', async () => {
  const without = live('prompt="The capital of France is" from="1" to="2" controls="live"');
  const requests = asked(browser);
  const { page, problems } = await openMade(browser, without + live(`${SAVED} controls="live"`));
  const [one, two] = [figureOf(page), figureOf(page, 1)];
  await one.run.getByText('from this site').waitFor();
  assert.equal(
    requests.paths.some((path) => OF_RUNTIME.test(path)),
    false,
  );
  await two.shows('Eiffel');
  await two.run.click();
  await one.shows('The capital of France is');
  // Also when the page is opened again, as long as this tab is.
  await page.reload();
  await one.shows('The capital of France is');
  requests.end();
  assert.deepEqual(problems, []);
  await page.close();
  // Another model, or another tab, is asked for anew.
  const { page: other } = await openMade(browser, without);
  await figureOf(other).run.getByText('from this site').waitFor();
  await other.close();
});
