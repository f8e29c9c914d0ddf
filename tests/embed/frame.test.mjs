// embed.html: the element in a frame of another origin, sandboxed or not, and how high the frame is made.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { figureOf, HEAD, openMade, problemsOf, start } from './pages.mjs';

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
/** The site that frames are of, and another one that has them. */
let [site, host] = ['', ''];
before(async () => {
  browser = await start();
  site = browser.url;
  host = site.replace('127.0.0.1', 'localhost');
});
after(() => browser.close());

const LIVE = '&model=models/demo/model&saes=models/demo/saes&controls=prompt+live';

/**
 * A page of another site with a frame.
 * @param {string} address of the frame, behind embed.html
 * @param {{attributes?: string, script?: string, width?: number}} [options]
 */
async function framed(address, { attributes = '', script = '', width } = {}) {
  const frame = `<iframe src="${site}/embed.html${address}" title="A figure" width="100%" height="200" data-sae-attribution ${attributes}></iframe>`;
  const head = `<title>A page</title>${script || `<script type="module" src="${site}/embed/resize.js"></script>`}`;
  const made = await openMade({ ...browser, url: host }, frame, { head, width });
  return { ...made, frame: made.page.frameLocator('iframe') };
}

/** @param {import('playwright-core').Page} page */
const heightOf = (page) => page.locator('iframe').evaluate((frame) => frame.clientHeight);

test('a frame is made as high as its figure wants, and again where it becomes narrow', async () => {
  const { page, frame, problems } = await framed('?result=results/demo-capital.json#rows=largest&cell=3,2');
  await frame.locator('.picture:not(.coming)').waitFor();
  await page.waitForFunction(() => Number(document.querySelector('iframe')?.height) > 400);
  const wide = await heightOf(page);
  const scrolls = () => frame.locator('html').evaluate((html) => html.scrollHeight - html.clientHeight);
  assert.equal(await scrolls(), 0);
  assert.match((await frame.locator('[part=readout]').textContent()) ?? '', / → F2\./);
  await page.setViewportSize({ width: 380, height: 900 });
  await page.waitForFunction((wide) => Number(document.querySelector('iframe')?.height) < wide, wide);
  assert.equal(await scrolls(), 0);
  assert.deepEqual(problems, []);
  await page.close();
});

test('a height counts only from the window and the origin of a frame', async () => {
  const { page, frame } = await framed('?result=results/demo-capital.json');
  await frame.locator('.picture:not(.coming)').waitFor();
  await page.waitForFunction(() => Number(document.querySelector('iframe')?.height) > 400);
  const before = await heightOf(page);
  const heights = await page.evaluate(() => {
    const frame = /** @type {HTMLIFrameElement} */ (document.querySelector('iframe'));
    const claim = (/** @type {unknown} */ height, type = 'sae-attribution:height') => ({ type, height });
    const { contentWindow: source, src } = frame;
    const { origin } = new URL(src);
    // From another window, from another origin, and nonsense from the right ones.
    return [
      { data: claim(150), source: window, origin },
      { data: claim(151), source, origin: 'https://evil.example' },
      { data: claim(152), source, origin: 'null' },
      { data: claim(153, 'other'), source, origin },
      { data: null, source, origin },
      ...[1e9, -1, NaN, '300', null].map((height) => ({ data: claim(height), source, origin })),
    ].map((init) => {
      window.dispatchEvent(new MessageEvent('message', init));
      return Number(frame.height);
    });
  });
  assert.deepEqual(
    heights,
    heights.map(() => before),
  );
  // And from there, it does.
  await page.evaluate(() => {
    const { contentWindow: source, src } = /** @type {HTMLIFrameElement} */ (document.querySelector('iframe'));
    const data = { type: 'sae-attribution:height', height: 321 };
    window.dispatchEvent(new MessageEvent('message', { data, source, origin: new URL(src).origin }));
  });
  assert.equal(await heightOf(page), 321);
  await page.close();
});

test('a frame tells its height to who asked, and to nobody before', async () => {
  const script = `<script>
    window.heard = [];
    addEventListener('message', ({ data, origin }) => window.heard.push([data, origin]));
  </script>`;
  const { page, frame } = await framed('?result=results/demo-capital.json', { script });
  await frame.locator('.picture:not(.coming)').waitFor();
  const heard = () => page.evaluate(() => /** @type {any} */ (window).heard);
  assert.deepEqual(await heard(), []);
  await page.evaluate(() => window.frames[0].postMessage({ type: 'sae-attribution:ask' }, '*'));
  await page.waitForFunction(() => /** @type {any} */ (window).heard.length === 1);
  const [[data, origin]] = await heard();
  assert.equal(origin, site);
  assert.deepEqual(Object.keys(data), ['type', 'height']);
  // What the frame's own window asks, nobody asked.
  await frame.locator('html').evaluate(() => window.postMessage({ type: 'sae-attribution:ask' }, '*'));
  await page.setViewportSize({ width: 500, height: 900 });
  await page.waitForFunction(() => /** @type {any} */ (window).heard.length > 1);
  assert.ok((await heard()).every((/** @type {any} */ [{ type }]) => type === 'sae-attribution:height'));
  await page.close();
});

test('a sandboxed frame without an origin shows its result, is made as high, and says why it runs nothing', async () => {
  const { page, frame, problems } = await framed(`?result=results/demo-latent-logit.json${LIVE}`, {
    attributes: 'sandbox="allow-scripts"',
  });
  await frame.locator('.picture:not(.coming) [part=title]', { hasText: 'Eiffel' }).waitFor();
  await frame.getByText('This frame is sandboxed, where nothing can be computed').waitFor();
  assert.equal(await frame.locator('[part=button]').first().isDisabled(), true);
  await page.waitForFunction(() => Number(document.querySelector('iframe')?.height) > 400);
  assert.deepEqual(problems, []);
  await page.close();
});

test('a frame runs live under its own policy, which requires Trusted Types', async () => {
  const { page, frame, problems } = await framed(`?result=results/demo-latent-logit.json${LIVE}`);
  await frame.locator('[part=button]').first().click();
  await frame.getByText('Computed here, on the CPU.').waitFor();
  assert.deepEqual(problems, []);
  await page.close();
});

test('under strict policies of a page, a figure is shown and runs live', async () => {
  const page = await browser.context.newPage();
  const problems = problemsOf(page);
  await page.goto(`${site}/examples/strict-csp.html`);
  const figure = figureOf(page);
  await figure.shows('token → latent');
  await figure.run.click();
  await figure.says('Computed here, on the CPU.');
  assert.deepEqual(problems, []);
  // The policy is in force.
  assert.equal(
    await page.evaluate(() => {
      try {
        document.createElement('p').innerHTML = '<b>';
        return 'let through';
      } catch (error) {
        return /** @type {Error} */ (error).name;
      }
    }),
    'TypeError',
  );
  await page.close();
});

test('a saved result needs no policy of Trusted Types at all', async () => {
  const policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; require-trusted-types-for 'script'; trusted-types 'none'";
  const { page, problems } = await openMade(
    browser,
    '<sae-attribution src="results/demo-capital.json" controls="sort threshold"></sae-attribution>',
    { head: `<meta http-equiv="Content-Security-Policy" content="${policy}">${HEAD}` },
  );
  const figure = figureOf(page);
  await figure.shows('France');
  assert.equal(await figure.part('heatmap').evaluate((heatmap) => getComputedStyle(heatmap).cursor), 'crosshair');
  assert.deepEqual(problems, []);
  await page.close();
});

/** A figure that may be run, on a page that requires Trusted Types. @param {string} policies @param {string} [script] */
const underTypes = (policies, script = '') =>
  openMade(
    browser,
    '<sae-attribution src="results/demo-capital.json" model="models/demo/model" saes="models/demo/saes" controls="prompt live"></sae-attribution>',
    {
      head: `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; script-src 'self' 'wasm-unsafe-eval'${script && " 'unsafe-inline'"}; worker-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; require-trusted-types-for 'script'; trusted-types ${policies}">${script}${HEAD}`,
    },
  );

test('under Trusted Types a live run needs the runtime’s own policy alone, which passes its worker and nothing else', async () => {
  const { page, problems } = await underTypes('sae-attribution');
  const figure = figureOf(page);
  await figure.shows('France');
  await figure.run.click();
  await figure.says('Computed here');
  // It was made by name, so that a second of that name is refused; and it is not handed out.
  const found = await page.evaluate(async () => {
    const attempt = (/** @type {() => unknown} */ act) => {
      try {
        act();
        return 'let through';
      } catch (error) {
        return /** @type {Error} */ (error).name;
      }
    };
    const types = /** @type {any} */ (window).trustedTypes;
    return [
      attempt(() => new Worker('runtime/worker.js', { type: 'module' })),
      attempt(() => (document.createElement('p').innerHTML = '<b>')),
      types.defaultPolicy,
    ];
  });
  assert.deepEqual(found, ['TypeError', 'TypeError', null]);
  assert.deepEqual(
    problems.filter((problem) => !/TrustedScriptURL|TrustedHTML/.test(problem)),
    [],
  );
  await page.close();
});

test('a page whose policies leave it out is told so, and its own default policy is asked where there is one', async () => {
  const refused = await underTypes("'none'");
  await figureOf(refused.page).shows('France');
  await figureOf(refused.page).run.click();
  await figureOf(refused.page).says(/“sae-attribution” in trusted-types.*\[runtime-unavailable\]/);
  await refused.page.close();

  const script = (/** @type {string} */ answer) =>
    `<script>window.asked = []; trustedTypes.createPolicy('default', { createScriptURL(address) { asked.push(address); ${answer} } });</script>`;
  const own = await underTypes('default', script('return address;'));
  await figureOf(own.page).shows('France');
  await figureOf(own.page).run.click();
  await figureOf(own.page).says('Computed here');
  assert.deepEqual(await own.page.evaluate(() => Reflect.get(window, 'asked')), [`${browser.url}/runtime/worker.js`]);
  assert.deepEqual(own.problems, []);
  await own.page.close();

  const strict = await underTypes('default sae-attribution', script("throw new TypeError('not here');"));
  await figureOf(strict.page).shows('France');
  await figureOf(strict.page).run.click();
  await figureOf(strict.page).says(/not here.*\[runtime-unavailable\]/);
  await strict.page.close();
});
