// Saved results that are none, from servers that are none: one sentence in the figure, and the page as it was.

import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { madeUp } from '../page/browser.mjs';
import { figureOf, openMade, start } from './pages.mjs';

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
/** Another origin, where anything may be. @type {import('node:http').Server} */
let other;
let address = '';
/** Bytes of the endless file that were written. */
let written = 0;

const EVIL = '<img src=x onerror="document.title=1"><script>document.title=2</script>\u202e\u0000';
const made = madeUp(2, 2, (i) => i + 1);
/** A result that is changed, as JSON. @param {(result: any) => unknown} change */
const changed = (change) => {
  const result = structuredClone(/** @type {any} */ (made));
  change(result);
  return JSON.stringify(result);
};
const fine = JSON.stringify(made);

/** What is at each path, and what its figure says. @type {Record<string, [string, RegExp]>} */
const FILES = {
  '/text': ['<!doctype html><title>Not found</title>', /it is not JSON\. \[result-invalid\]$/],
  '/empty': ['', /it is not JSON\. \[result-invalid\]$/],
  '/half': [fine.slice(0, -40), /it is not JSON\. \[result-invalid\]$/],
  '/list': ['[1, 2]', /\[result-invalid\]$/],
  '/null': ['null', /\[result-invalid\]$/],
  '/deep': ['['.repeat(200_000), /\[(result-invalid|internal)\]$/],
  '/long': [changed((result) => result.gradients.push(1)), /gradients has 5 entries, not 4\. \[result-invalid\]$/],
  '/short': [changed((result) => result.sources.label.pop()), /\[result-invalid\]$/],
  '/nan': [fine.replace('"gradients":[1', '"gradients":[NaN'), /it is not JSON\. \[result-invalid\]$/],
  '/huge': [
    fine.replace('"gradients":[1', '"gradients":[1e99'),
    /gradients\[0\] is not a finite number\. \[result-invalid\]$/,
  ],
  '/none': [
    fine.replace('"gradients":[1', '"gradients":[null'),
    /gradients\[0\] is not a finite number\. \[result-invalid\]$/,
  ],
  '/proto': [`{"__proto__": ${fine}}`, /\[result-invalid\]$/],
  '/labels': [
    fine.replace(/}$/, ',"latent_labels":{"__proto__":{"0":"x"}}}'),
    /a key of latent_labels is not a place.*\[result-invalid\]$/,
  ],
  '/index': [changed((result) => (result.sources.pos[0] = 7)), /\[result-invalid\]$/],
};

before(async () => {
  browser = await start({ runtime: false });
  other = createServer((request, response) => {
    const path = request.url ?? '';
    if (path !== '/private') response.setHeader('Access-Control-Allow-Origin', '*');
    if (path === '/loop') return response.writeHead(302, { Location: '/loop' }).end();
    if (path === '/closed') return response.writeHead(403).end();
    if (path === '/broken') return response.writeHead(500).end();
    if (path === '/reset') return void (response.write('{'), setTimeout(() => response.destroy(), 50));
    if (path === '/private' || path === '/fine') return response.end(fine);
    if (path === '/evil')
      return response.end(
        changed((result) => {
          result.request.prompt = EVIL;
          result.model.name = EVIL;
          result.tokens.string[0] = EVIL;
          for (const side of [result.sources, result.targets]) side.label.fill(EVIL);
        }),
      );
    if (path === '/endless') {
      const chunk = Buffer.alloc(1e6, ' ');
      const more = () => {
        while (written < 200e6) {
          written += chunk.length;
          if (!response.write(chunk)) return void response.once('drain', more);
        }
        response.end();
      };
      response.on('error', () => {});
      return more();
    }
    if (!Object.hasOwn(FILES, path)) return response.writeHead(404).end();
    return response.end(FILES[path][0]);
  });
  await new Promise((resolve) => other.listen(0, '127.0.0.1', () => resolve(undefined)));
  address = `http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (other.address()).port}`;
});
after(async () => {
  await browser.close();
  other.closeAllConnections();
  other.close();
});

/** Everything of the page but the figures. @param {import('playwright-core').Page} page */
const around = (page) =>
  page.evaluate(() => [document.title, document.body.innerHTML, document.scripts.length, 'x' in Object.prototype]);

test('each is told in one sentence, beside what stands inside, and the next good one is shown', async () => {
  /** @type {Record<string, RegExp>} */
  const words = {
    ...Object.fromEntries(Object.entries(FILES).map(([path, [, told]]) => [address + path, told])),
    [`${address}/gone`]: /was not found\. \[file-not-found\]$/,
    [`${address}/closed`]: /refuses access .*\[access-denied\]$/,
    [`${address}/broken`]: /the server answered 500\. \[fetch-failed\]$/,
    [`${address}/reset`]: /\[fetch-failed\]$/,
    [`${address}/loop`]: /could not be read.*\[fetch-failed\]$/,
    [`${address}/private`]: /the server lets no other site read it\. \[fetch-failed\]$/,
    'http://127.0.0.1:1/': /there is no connection.*\[fetch-failed\]$/,
    'javascript:alert(1)': /“src” of this figure cannot be used: it does not begin with https.*\[address-invalid\]$/,
    'data:application/json,{}': /\[address-invalid\]$/,
    'https://name:word@h.example/': /\[address-invalid\]$/,
    'http://[': /it is not an address\. \[address-invalid\]$/,
    'embed.html': /it is not JSON\. \[result-invalid\]$/,
  };
  const { page, problems } = await openMade(
    browser,
    '<p>Around</p><sae-attribution>Instead</sae-attribution><p>Beneath</p>',
  );
  const figure = figureOf(page);
  await figure.part('message').getByText('There is nothing to show').waitFor();
  const height = (await figure.element.boundingBox())?.height;
  for (const [src, told] of Object.entries(words)) {
    await figure.element.evaluate((element, src) => {
      /** @type {any} */ (element).told = new Promise((resolve) => {
        for (const type of ['error', 'result']) element.addEventListener(type, resolve, { once: true });
      });
      element.setAttribute('src', src);
    }, src);
    await figure.element.evaluate((element) => /** @type {any} */ (element).told.then(() => {}));
    const text = (await figure.part('message').textContent()) ?? '';
    assert.match(text, told, src);
    assert.ok(text.length < 400, text);
    assert.equal(await page.getByText('Instead').isVisible(), true, src);
    assert.equal((await figure.element.boundingBox())?.height, height);
    const [title, body, scripts, polluted] = await around(page);
    assert.deepEqual([title, scripts, polluted], ['A page', 1, false], src);
    assert.match(
      String(body),
      /^<main><h1>A page<\/h1><p>Around<\/p><sae-attribution src="[^"]*">Instead<\/sae-attribution><p>Beneath<\/p><\/main>$/,
    );
  }
  await figure.element.evaluate((element, src) => element.setAttribute('src', src), `${address}/fine`);
  await figure.shows('latent → latent');
  assert.equal(await figure.part('message').isVisible(), false);
  assert.deepEqual(
    problems.filter((problem) => !/CORS policy/.test(problem)),
    [],
  );
  await page.close();
});

test('of a file of 200 MB no more is read than a figure may have', async (t) => {
  const { page } = await openMade(browser, `<sae-attribution src="${address}/endless"></sae-attribution>`);
  const figure = figureOf(page);
  await figure.part('message').getByText('[file-too-large]').waitFor();
  t.diagnostic(`${written / 1e6} MB were sent`);
  // What the system had under way when the reading stopped comes on top.
  assert.ok(written < 150e6, `${written}`);
  await page.close();
});

test('labels are text, whatever they hold', async () => {
  const { page, problems } = await openMade(browser, `<sae-attribution src="${address}/evil"></sae-attribution>`);
  const figure = figureOf(page);
  await figure.shows('<img src=x');
  await figure.part('heatmap').hover({ position: { x: 700, y: 250 } });
  await figure.part('heatmap').press('n');
  await figure.part('readout').getByText('<script>').waitFor();
  assert.equal(await figure.element.locator('img, script').count(), 0);
  assert.ok(!/[\u202e\u0000]/.test((await figure.part('readout').textContent()) ?? ''));
  assert.equal(await page.title(), 'A page');
  assert.deepEqual(problems, []);
  await page.close();
});
