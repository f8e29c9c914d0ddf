// A server that has some builds of the runtime, and the others later: as while scripts/demo makes them.

import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { WITH_ALL } from '../all.mjs';
import { openPage as open, run, settled, start } from './browser.mjs';

const BUILT = new URL('../../www/runtime/pkg/', import.meta.url).pathname;
/** What the server has. */
const served = mkdtempSync(join(tmpdir(), 'sae-attribution-builds-'));
/** Is there while builds are made. */
const making = join(mkdtempSync(join(tmpdir(), 'sae-attribution-making-')), 'making');

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start({ mounts: new Map([['/runtime/pkg/', served]]), making });
});
after(async () => {
  await browser.close();
  rmSync(served, { recursive: true });
  rmSync(join(making, '..'), { recursive: true });
});
beforeEach(() => {
  for (const name of readdirSync(served)) rmSync(join(served, name), { recursive: true });
  rmSync(making, { force: true });
});

/** Whole or not at all, as scripts/build does. @param {...string} names */
function make(...names) {
  for (const name of names) {
    cpSync(join(BUILT, name), join(served, `${name}.unfinished`), { recursive: true });
    renameSync(join(served, `${name}.unfinished`), join(served, name));
  }
}

/** The page, which takes the emulated adapter for a real one. @param {string} [query] */
async function openPage(query = '?source=tiny') {
  const opened = await open(browser, 'results/index.json');
  const { page } = opened;
  await page.route('**/runtime/device.js', async (route) => {
    const response = await route.fetch();
    const text = await response.text();
    const real = text.replace('(adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter)', 'false');
    assert.notEqual(real, text);
    await route.fulfill({ response, body: real });
  });
  await page.goto(`${browser.url}/${query}`);
  await settled(page);
  return opened;
}

test('while the WebGPU build is being made the CPU answers, and the next run takes the other', WITH_ALL, async () => {
  make('cpu');
  writeFileSync(making, '');
  const { page, problems } = await openPage();
  assert.match((await run(page)) ?? '', /Done in .* 100 sources × 181 targets/);
  const device = () => page.textContent('#device');
  assert.match(
    (await device()) ?? '',
    /^Computing on the CPU: the WebGPU build .* is still being made; run again .*, or reload the page\.$/,
  );
  // Not yet: nothing is opened again, and the answer comes at once.
  assert.match((await run(page)) ?? '', /Done in .* 100 sources × 181 targets/);
  assert.match((await device()) ?? '', /still being made/);

  make('cpu-relaxed', 'webgpu');
  rmSync(making);
  assert.match((await run(page, 300_000)) ?? '', /Done in .* 100 sources × 181 targets/);
  assert.match((await device()) ?? '', /^Computing on WebGPU: adapter google swiftshader\.$/);
  assert.deepEqual(problems, []);
  await page.close();

  const { page: next } = await openPage();
  assert.match((await run(next, 300_000)) ?? '', /Done in/);
  assert.match((await next.textContent('#device')) ?? '', /^Computing on WebGPU/);
  await next.close();
});

test('a server without the WebGPU build: the CPU answers, and the client hears of it', async () => {
  make('cpu', 'cpu-relaxed');
  const { page, problems } = await openPage();
  assert.match((await run(page)) ?? '', /Done in/);
  assert.match(
    (await page.textContent('#device')) ?? '',
    /^Computing on the CPU: the server has no WebGPU build of the runtime\.$/,
  );
  const heard = await page.evaluate(async () => {
    const load = (/** @type {string} */ path) => import(`${location.origin}/${path}`);
    const [{ Client }, { SOURCES }] = await Promise.all(['runtime/client.js', 'app/sources.js'].map(load));
    /** @type {any[]} */
    const notices = [];
    const client = new Client({ onNotice: (/** @type {any} */ notice) => notices.push(notice) });
    const { device, missing } = await client.open(SOURCES.tiny);
    client.close();
    return { device, missing, notices };
  });
  assert.deepEqual(heard, {
    device: 'cpu',
    missing: `${browser.url}/runtime/pkg/webgpu/sae_attribution_bg.wasm`,
    notices: [
      {
        code: 'build-missing',
        message: 'Computing on the CPU: the server has no WebGPU build of the runtime.',
      },
    ],
  });
  assert.deepEqual(problems, []);
  await page.close();
});

test('no build yet, or not the one that was asked for: an error that says so, and the next run is answered', async () => {
  writeFileSync(making, '');
  const { page } = await openPage('?source=tiny&device=cpu');
  assert.match(
    (await run(page)) ?? '',
    /The cpu build of the runtime is still being made\. Run again .*\[runtime-unavailable\]$/,
  );
  make('cpu');
  assert.match((await run(page)) ?? '', /Done in/);
  await page.close();

  const { page: asking } = await openPage('?source=tiny&device=webgpu');
  assert.match(
    (await run(asking)) ?? '',
    /The WebGPU build of the runtime is still being made\. Run again .*\[runtime-unavailable\]$/,
  );
  rmSync(making);
  assert.match(
    (await run(asking)) ?? '',
    /The webgpu build .* could not be started: the server answered 404\. Check.*\[runtime-unavailable\]$/,
  );
  await asking.close();
});
