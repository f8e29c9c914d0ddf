// The page and its runtime: types, runs, reads what a person would read.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { resid, openPage as open, openResult, run, settled, start } from './browser.mjs';

const EXPECTED = new URL('../fixtures/tiny/expected/', import.meta.url);

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start();
});
after(() => browser.close());

/** The page on the bundled random model. @param {typeof browser} browser @param {string} [query] */
async function openPage(browser, query = '?') {
  const opened = await open(browser, /source=|model=/.test(query) ? query : `${query}&source=tiny`);
  await settled(opened.page);
  return opened;
}

/** @param {string} name */
const expected = (name) => JSON.parse(readFileSync(new URL(`${name}.json`, EXPECTED), 'utf8'));

test('an emulated adapter is passed over for the CPU build, and the page says so', async () => {
  const { page, problems } = await openPage(browser);
  assert.match((await run(page)) ?? '', /Done in .* 100 sources × 181 targets/);
  const device = await page.textContent('#device');
  assert.match(device ?? '', /Computing on the CPU: the only WebGPU adapter \(google swiftshader\) is emulated/);
  assert.deepEqual(problems, []);
  await page.close();
});

test('each of the four attributions is drawn, with the numbers of the reference', async () => {
  const { page, problems } = await openPage(browser, '?device=cpu');
  const cases = [
    ['latent_to_latent', 'The Eiffel tower is in Paris', '100 × 181', { from: resid(0), to: resid(3) }],
    ['token_to_latent', 'The Eiffel tower is in Paris', '9 × 181', { to: resid(3) }],
    ['latent_to_logit', 'The Eiffel tower is in the city of', '205 × 25', { from: resid(3) }],
    ['logit_difference', 'Fact: Serena Williams plays the sport of', '', { from: resid(3) }],
  ];
  for (const [view, prompt, size, places] of cases) {
    await page.check(`input[value=${view}]`);
    await page.fill('#prompt', /** @type {string} */ (prompt));
    for (const [id, place] of Object.entries(places)) await page.selectOption(`#${id}`, place);
    assert.match((await run(page)) ?? '', /Done in/);
    const statistics = await page.textContent('#statistics');
    assert.ok(statistics?.includes(`${size}`), `${view}: ${statistics}`);
    assert.ok(await page.isVisible('.heatmap-canvas'));
  }
  const { logit_difference, token_logits } = expected('logit_difference_3');
  // Below its head, the first table holds the two logits, positive first.
  const row = page.locator('#logits tbody tr').first();
  const shown = Number((await row.locator('th, td').nth(1).textContent())?.replace('−', '-'));
  assert.ok(Math.abs(shown - token_logits[0]) < 0.05, `${shown}, not ${token_logits[0]}`);
  await page.focus('.heatmap');
  await page.keyboard.press('ArrowRight');
  const read = Number(/target activation ([^\s,]+)/.exec((await page.textContent('#cell-text')) ?? '')?.[1]);
  assert.ok(Math.abs(read - logit_difference) < 1e-4, `${read}, expected ${logit_difference}`);
  assert.deepEqual(problems, []);
  await page.close();
});

test('pairs across positions are those of the reference, and follow the threshold', async () => {
  const { page } = await openPage(browser, '?device=cpu');
  const { off_staircase } = expected('latent_to_latent_0_3');
  let whole = 0;
  for (const { threshold, pairs } of off_staircase) {
    await page.fill('#threshold', String(threshold));
    await run(page);
    // The reference lists those of positive sign.
    await page.waitForFunction(
      ([title, note]) =>
        document.querySelector('#pairs h3')?.textContent?.startsWith(title) &&
        document.querySelector('#pairs .quiet')?.textContent?.startsWith(note),
      [`Cross-position pairs over ${threshold}: `, `${pairs.length} positive, `],
    );
    await page.click('#pairs summary');
    await page.waitForSelector('#pairs details table');
    const shown = (await page.textContent('#pairs')) ?? '';
    // Of more than 200 the largest are listed, of either sign.
    const isWhole = Number(/: (\d+)$/.exec((await page.textContent('#pairs h3')) ?? '')?.[1]) <= 200;
    whole += Number(isWhole);
    for (const [[, from], [, to]] of isWhole ? pairs : []) {
      assert.ok(shown.includes(`F0.${from}, `) && shown.includes(`F3.${to}, `), `${from} to ${to}`);
    }
  }
  assert.ok(whole > 0);
  await page.close();
});

test('results computed before are what the runtime computes now', async () => {
  // After a change of model or runtime: node scripts/results.mjs
  const page = await browser.context.newPage();
  await page.goto(`${browser.url}/results/index.json`);
  const differences = await page.evaluate(async () => {
    const load = (/** @type {string} */ path) => import(`${location.origin}/${path}`);
    const [{ Client }, { SOURCES }, { fromJson }] = await Promise.all(
      ['runtime/client.js', 'app/sources.js', 'figure/result.js'].map(load),
    );
    const client = new Client();
    const found = [];
    let opened = '';
    for (const { file, source, request } of JSON.parse(document.body.textContent ?? '')) {
      const { model, saes } = SOURCES[source];
      if (opened !== source) await client.open({ model, saes }, { device: 'cpu' });
      opened = source;
      const saved = fromJson(await (await fetch(file)).text());
      const now = await client.attribute(request);
      const nodes = (/** @type {any} */ { sources, targets }) => JSON.stringify([sources.label, targets.label]);
      if (nodes(saved) !== nodes(now)) found.push(`${file}: other sources or targets`);
      if (Boolean(saved.ablations) !== Boolean(request.measure)) found.push(`${file}: is measured, or not`);
      for (const values of ['gradients', 'attributions', ...(request.measure ? ['ablations'] : [])]) {
        const most = now[values].reduce(
          (/** @type {number} */ a, /** @type {number} */ b) => Math.max(a, Math.abs(b)),
          0,
        );
        const off = now[values].findIndex(
          (/** @type {number} */ v, /** @type {number} */ i) => !(Math.abs(v - saved[values][i]) <= 1e-5 * most),
        );
        if (off >= 0) found.push(`${file}: ${values}[${off}] is ${now[values][off]}, saved ${saved[values][off]}`);
      }
    }
    client.close();
    return found;
  });
  assert.deepEqual(differences, []);
  await page.close();
});

test('hover and arrow keys read exact numbers', async () => {
  const { page } = await openPage(browser, '?device=cpu');
  await run(page);
  await page.focus('.heatmap');
  for (const key of ['ArrowRight', 'ArrowRight', 'ArrowDown', 'ArrowDown']) await page.keyboard.press(key);
  const text = (await page.textContent('#cell-text')) ?? '';
  assert.match(
    text,
    /^“[^.]+” \(F0\.[^]*\. F0\.\d+, '.+' \(\d+\) → F3\.\d+, '.+' \(\d+\), gradient -?[\d.e-]+, attribution -?[\d.e-]+,/,
  );
  // The first cell, next to where the labels end.
  await page.hover('.heatmap', { position: { x: 121, y: 110 } });
  const tip = (await page.textContent('#tooltip')) ?? '';
  assert.ok(await page.isVisible('#tooltip'));
  assert.match(tip, /^“The” .*\nF0\.\d+, 'The' \(1\) → F3\.\d+, 'The' \(1\)\ngradient/);
  await page.keyboard.press('Escape');
  assert.ok(await page.isHidden('#tooltip'));
  await page.close();
});

test('the saved JSON opens again and shows the same; other files are refused', async () => {
  const { page, problems } = await openPage(browser, '?device=cpu');
  await run(page);
  const download = page.waitForEvent('download');
  await page.click('#save');
  const path = await (await download).path();
  const json = JSON.parse(readFileSync(path, 'utf8'));
  assert.equal(json.format_version, 2);
  assert.equal(json.gradients.length, 100 * 181);
  const statistics = await page.textContent('#statistics');

  const second = await openPage(browser);
  await openResult(second.page, 'r.json', json);
  assert.equal(await second.page.textContent('#statistics'), statistics);

  const evil = structuredClone(json);
  evil.sources.label[0] = '<img src=x onerror="document.title=1">';
  evil.tokens.string[0] = '<b>bold</b>';
  const bad = [
    ['{"format_version": 2}', 'result-invalid'],
    [JSON.stringify({ ...json, format_version: 1 }), 'result-invalid'],
    ['not json', 'result-invalid'],
    ['null', 'result-invalid'],
    [JSON.stringify({ ...json, gradients: [1] }), 'result-invalid'],
  ];
  for (const [text, code] of bad) {
    await second.page.setInputFiles('#file', {
      name: 'bad.json',
      mimeType: 'application/json',
      buffer: Buffer.from(text),
    });
    await second.page.waitForSelector(`#status[data-code=${code}]`);
    assert.equal(await second.page.textContent('#statistics'), statistics);
  }
  await openResult(second.page, 'evil.json', evil);
  assert.equal(await second.page.locator('#tokens b, img').count(), 0);
  assert.match((await second.page.textContent('#tokens')) ?? '', /<b>bold<\/b>/);
  assert.deepEqual([...problems, ...second.problems], []);
  await page.close();
  await second.page.close();
});

test('errors say what to do, and the next good request is answered', async () => {
  const { page, problems } = await openPage(browser, '?device=cpu&source=tiny');
  const fails = async (/** @type {string} */ code, /** @type {RegExp} */ words) => {
    const status = (await run(page)) ?? '';
    assert.ok(status.endsWith(`[${code}]`), status);
    assert.match(status, words);
  };
  const works = async () => {
    await page.fill('#prompt', 'The tower');
    await page.check('input[value=token_to_latent]');
    assert.match((await run(page)) ?? '', /Done in/);
  };
  await page.fill('#prompt', ' the'.repeat(200));
  await fails('prompt-too-long', /201 tokens .* at most 128/);
  await works();
  await page.check('input[value=logit_difference]');
  await page.fill('#positive', ' Barcelona!');
  await fails('not-one-token', /must be exactly one/);
  await works();
  await page.check('input[value=latent_to_logit]');
  for (const [k, code] of [
    ['0', 'k-out-of-range'],
    ['3002', 'k-out-of-range'],
    ['1.5', 'k-out-of-range'],
    ['', 'k-out-of-range'],
  ]) {
    await page.fill('#k', k);
    await fails(code, /./);
  }
  await works();
  assert.deepEqual(problems, []);
  await page.close();
});

test('a missing SAE and a missing model are errors that name the file', async () => {
  const query = '?device=cpu&model=models/tiny/model&saes=models/tiny/saes&places=0,3,7';
  const { page } = await openPage(browser, query);
  await page.check('input[value=token_to_latent]');
  await page.selectOption('#to', resid(7));
  assert.match((await run(page)) ?? '', /\[place-out-of-range\]$/);
  await page.selectOption('#to', resid(3));
  assert.match((await run(page)) ?? '', /Done in/);
  await page.goto(`${browser.url}/?device=cpu&model=models/none&saes=models/none`);
  await settled(page);
  assert.match((await run(page)) ?? '', /models\/none\/config\.json was not found.*\[file-not-found\]$/);
  await page.selectOption('#source', 'tiny');
  assert.match((await run(page)) ?? '', /Done in/);
  await page.close();
});

test('prompts of every kind are answered', async () => {
  const { page, problems } = await openPage(browser, '?device=cpu');
  const prompts = [
    '',
    'The',
    'the the the the',
    'emoji 🗼😀',
    'before<|endoftext|>after',
    '<script>alert(1)</script>',
    '\u202eabc\u0000',
  ];
  for (const prompt of prompts) {
    await page.fill('#prompt', prompt);
    assert.match((await run(page)) ?? '', /Done in/, prompt);
  }
  assert.deepEqual(problems, []);
  await page.close();
});

test('cancel ends a request in any phase and keeps what was loaded', async () => {
  const { page } = await openPage(browser, '?device=webgpu');
  await page.click('#run');
  await page.waitForFunction(
    () => /Differentiating|Encoding|Running/.test(document.querySelector('#status')?.textContent ?? ''),
    undefined,
    { timeout: 60_000 },
  );
  await page.click('#cancel');
  await page.waitForSelector('#cancel:disabled', { timeout: 60_000 });
  assert.equal(await page.textContent('#status'), 'Cancelled. What was loaded is kept.');
  let reads = 0;
  page.on('request', (request) => (reads += Number(/sae_weights|model\.safetensors/.test(request.url()))));
  await page.check('input[value=token_to_latent]');
  await page.selectOption('#to', resid(0));
  assert.match((await run(page)) ?? '', /Done in/);
  assert.match((await page.textContent('#device')) ?? '', /Computing on WebGPU: asked for/);
  await page.close();
});

test('WebGPU that was asked for and is not there is an error with advice', async () => {
  const without = await start({ args: ['--no-sandbox', '--disable-gpu', '--disable-features=WebGPU,WebGPUService'] });
  try {
    const { page } = await openPage(without, '?device=webgpu');
    await page.addInitScript(() => delete (/** @type {any} */ (Navigator.prototype).gpu));
    const status = (await run(page)) ?? '';
    assert.match(status, /No WebGPU adapter is available .*run on the CPU.*\[webgpu-unavailable\]$/);
    await page.goto(`${without.url}/?source=tiny`);
    await settled(page);
    assert.match((await run(page)) ?? '', /Done in/);
    assert.match(
      (await page.textContent('#device')) ?? '',
      /the CPU: (this browser has no WebGPU|the browser offers no WebGPU adapter)/,
    );
  } finally {
    await without.close();
  }
});

test('a lost device is an error, and the next run gets a fresh one', async () => {
  const { page } = await openPage(browser, '?device=webgpu');
  // Hands the test the device that the worker acquires.
  await page.route('**/worker.js', async (route) => {
    const response = await route.fetch();
    const prelude = `{
      const original = GPUAdapter.prototype.requestDevice;
      GPUAdapter.prototype.requestDevice = async function (...args) {
        return (globalThis.deviceForTest = await original.apply(this, args));
      };
    }`;
    await route.fulfill({ response, body: `${await response.text()}\n${prelude}` });
  });
  await page.check('input[value=token_to_latent]');
  await page.selectOption('#to', resid(0));
  assert.match((await run(page)) ?? '', /Done in/);
  const lose = () => page.workers()[0].evaluate(() => /** @type {any} */ (globalThis).deviceForTest.destroy());
  // Between two runs nobody need know.
  await lose();
  assert.match((await run(page)) ?? '', /Done in/);

  await page.check('input[value=latent_to_latent]');
  await page.click('#run');
  const differentiating = () => /Differentiating/.test(document.querySelector('#status')?.textContent ?? '');
  await page.waitForFunction(differentiating, undefined, { timeout: 60_000 });
  await lose();
  await page.waitForSelector('#cancel:disabled', { timeout: 60_000 });
  assert.match((await page.textContent('#status')) ?? '', /\[device-failed\]$/);
  await page.check('input[value=token_to_latent]');
  assert.match((await run(page)) ?? '', /Done in/);
  await page.close();
});

test('a runtime that does not arrive is an error, and can be asked for again', async () => {
  const { page } = await openPage(browser, '?device=cpu');
  await page.route('**/*.wasm', (route) => route.abort());
  assert.match((await run(page)) ?? '', /could not be started.*\[runtime-unavailable\]$/);
  await page.unroute('**/*.wasm');
  assert.match((await run(page)) ?? '', /Done in/);
  await page.close();
});

test('a server that ignores ranges, fails at times or sends too little', async () => {
  const { page, problems } = await openPage(browser, '?device=cpu');
  const weights = '**/sae_weights.safetensors';
  // Whole files where ranges were asked for.
  await page.route('**/*.safetensors', async (route) => {
    const { range, ...headers } = route.request().headers();
    await route.fulfill({ response: await route.fetch({ headers }) });
  });
  assert.match((await run(page)) ?? '', /100 sources × 181 targets/);
  await page.unroute('**/*.safetensors');

  // Two failures, then the answer: nobody need know.
  let failures = 2;
  await page.route(weights, (route) => (failures-- > 0 ? route.fulfill({ status: 503 }) : route.continue()));
  await page.selectOption('#to', resid(1));
  assert.match((await run(page)) ?? '', /Done in/);
  assert.ok(failures < 0);
  await page.unroute(weights);

  await page.selectOption('#to', resid(2));
  await page.route(weights, (route) => route.fulfill({ status: 403 }));
  assert.match((await run(page)) ?? '', /(refuses access|403).*\[access-denied\]$/);
  await page.unroute(weights);
  await page.route(weights, (route) => route.fulfill({ status: 200, body: '<!doctype html>' }));
  assert.match((await run(page)) ?? '', /\[safetensors-invalid\]$/);
  await page.unroute(weights);
  // The file is another one now than when it was first read: told once, then read anew.
  assert.match((await run(page)) ?? '', /Done in|\[file-changed\]$/);
  assert.match((await run(page)) ?? '', /Done in/);
  assert.deepEqual(problems, []);
  await page.close();
});
