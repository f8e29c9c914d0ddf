// Where an engine lacks something or refuses it: a fallback is seen at work, or one sentence with a code.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { linkTo, madeUp, resid } from '../page/browser.mjs';
import { ended, problems, run, settled, text, until } from './engines.mjs';
import {
  listen,
  loadAsClassic,
  loseDevice,
  noAdapter,
  noByob,
  noClipboard,
  noDevice,
  noMemory,
  noRelaxedSimd,
  noTrustedTypes,
  noWebAssembly,
  noWebgpu,
  noYield,
  refuseWebAssembly,
  throwOnModuleWorkers,
} from './lacks.mjs';
import { ASK, SIZE, testPage } from './ways.mjs';

/** @typedef {import('./engines.mjs').Engine} Engine */
/** @typedef {import('./engines.mjs').Tab} Tab */

/** @param {Tab} tab @param {string} what */
const isTold = (tab, what) => until(tab, (what) => /** @type {any} */ (globalThis).told.includes(what), what);

const QUICK = linkTo({ prompt: 'The tower', from: 'tokens', to: resid(1) });
const device = (/** @type {Tab} */ tab) => text(tab, '#device');

/**
 * A way to test without something.
 * @param {() => Engine} engine
 * @returns {(title: string, before: (() => void)[], act: Parameters<typeof testPage>[2], options?: object) => void}
 */
export const withoutIn = (engine) => (title, before, act, options) =>
  testPage(engine, title, act, { before: [listen, ...before], ...options });

/** @param {() => Engine} engine */
export function faults(engine) {
  const without = withoutIn(engine);

  // --- the runtime ---

  for (const [what, script] of /** @type {[string, () => void][]} */ ([
    ['are refused', throwOnModuleWorkers],
    ['are taken for classic ones', loadAsClassic],
  ])) {
    without(`where module workers ${what}, Run says so and a large result opens`, [script], async ({ site, tab }) => {
      await tab.open(`${site.url}/?device=cpu${ASK}`);
      await settled(tab);
      assert.match(await run(tab), /^The runtime did not start: .*\[runtime-unavailable\]$/);
      assert.ok(await tab.evaluate(() => document.querySelector('.heatmap-canvas') !== null));
      await openLarge(tab);
      assert.match(await text(tab, '#statistics'), /900 × 300|300 × 900/);
    });
  }

  for (const [what, script, says] of /** @type {[string, () => void, RegExp][]} */ ([
    ['there is no WebAssembly', noWebAssembly, /^This browser has no WebAssembly.*\[runtime-unavailable\]$/],
    ['WebAssembly has no SIMD', refuseWebAssembly, /^The cpu\S* build .*SIMD unsupported.*\[runtime-unavailable\]$/],
  ])) {
    without(`where ${what}, Run says so`, [script], async ({ site, tab }) => {
      await tab.open(`${site.url}/?device=cpu${QUICK}`);
      await settled(tab);
      assert.match(await run(tab), says);
      assert.deepEqual(await problems(tab), []);
    });
  }

  without('without relaxed SIMD the other CPU build is fetched', [noRelaxedSimd], async ({ site, tab }) => {
    await tab.open(`${site.url}/?device=cpu${ASK}`);
    await settled(tab);
    assert.match(await run(tab), SIZE);
    const builds = site.asked.filter(({ path }) => path.endsWith('.wasm')).map(({ path }) => path.split('/').at(-2));
    assert.deepEqual(builds, ['cpu']);
  });

  without('without BYOB readers bytes come all the same', [noByob], async ({ site, tab }) => {
    await tab.open(`${site.url}/?device=cpu${ASK}`);
    await settled(tab);
    assert.match(await run(tab), SIZE);
    await isTold(tab, 'byob');
    assert.deepEqual(await problems(tab), []);
  });

  // --- the page ---

  without('without scheduler.yield a large result is drawn and searched', [noYield], async ({ site, tab }) => {
    await tab.open(`${site.url}/${QUICK}`);
    await settled(tab);
    assert.equal(await tab.evaluate(() => typeof (/** @type {any} */ (globalThis).scheduler?.yield)), 'undefined');
    await openLarge(tab);
    await until(tab, () => document.querySelectorAll('#strongest tbody tr').length > 10);
    assert.deepEqual(await problems(tab), []);
  });

  without(
    'without Trusted Types the page works',
    [noTrustedTypes],
    async ({ site, tab }) => {
      await tab.open(`${site.url}/?device=cpu${QUICK}`);
      await settled(tab);
      assert.equal(await tab.evaluate(() => typeof (/** @type {any} */ (globalThis).trustedTypes)), 'undefined');
      assert.match(await run(tab), /^Done in/);
      assert.deepEqual(await problems(tab), []);
    },
    // An engine without them does not heed what a policy says of them.
    { edit: (/** @type {string} */ html) => html.replace(/; require-trusted-types-for[^"]*/, '') },
  );

  without('where nothing is remembered and the address stays, the page works', [noMemory], async ({ site, tab }) => {
    await tab.open(`${site.url}/?device=cpu${QUICK}`);
    await settled(tab);
    await tab.type('#prompt', 'The city');
    assert.match(await run(tab), /^Done in/);
    await tab.click('#theme');
    assert.match(await text(tab, '#theme-name'), /Light/);
    assert.deepEqual(await problems(tab), []);
  });

  without('where a page may not copy, the link is offered to be copied', [noClipboard], async ({ site, tab }) => {
    await tab.open(`${site.url}/${ASK}`);
    await settled(tab);
    await tab.click('#copy-link');
    await until(tab, () => /** @type {any} */ (document.querySelector('#code')).open);
    const link = await tab.evaluate(() => /** @type {any} */ (document.querySelector('#code-text')).value);
    assert.ok(link.startsWith(`${site.url}/#source=tiny`), link);
    await tab.click('#code-close');
  });

  // --- WebGPU ---

  without('without WebGPU Run computes on the CPU, unless WebGPU was asked for', [noWebgpu], async ({ site, tab }) => {
    await tab.open(`${site.url}/${QUICK}`);
    await settled(tab);
    assert.match(await run(tab), /^Done in/);
    assert.match(await device(tab), /^Computing on the CPU: this browser has no WebGPU\.$/);
    await tab.open(`${site.url}/?device=webgpu${QUICK}`);
    await settled(tab);
    assert.match(await run(tab), /^No WebGPU adapter is available .*\[webgpu-unavailable\]$/);
  });
}

/** Faults of WebGPU, in an engine that has it. @param {() => Engine} engine */
export function webgpuFaults(engine) {
  const without = withoutIn(engine);

  without('without an adapter Run computes on the CPU', [noAdapter], async ({ site, tab }) => {
    await tab.open(`${site.url}/${QUICK}`);
    await settled(tab);
    assert.match(await run(tab), /^Done in/);
    assert.match(await device(tab), /^Computing on the CPU: the browser offers no WebGPU adapter\.$/);
  });

  without('an adapter that gives no device is as good as none', [noDevice], async ({ site, tab }) => {
    await tab.open(`${site.url}/${QUICK}`);
    await settled(tab);
    assert.match(await run(tab), /^Done in/);
    assert.match(await device(tab), /^Computing on the CPU: .*No device for you/);
    await tab.open(`${site.url}/?device=webgpu${QUICK}`);
    await settled(tab);
    assert.match(await run(tab), /\[webgpu-unavailable\]$/);
  });

  without('a device that is lost while it computes is told; Run gets another', [loseDevice], async ({ site, tab }) => {
    await tab.open(`${site.url}/?device=webgpu${ASK}`);
    await settled(tab);
    const lose = async () => {
      await tab.evaluate(() => new BroadcastChannel('lose').postMessage(''));
      await isTold(tab, 'destroyed');
    };
    const release = site.hold(/3\.hook_resid_pre\/sae_weights/);
    await tab.click('#run');
    while (!site.asked.some(({ path }) => /3\.hook_resid_pre\/sae_weights/.test(path))) await sleep(20);
    await lose();
    release();
    await ended(tab);
    assert.match(await text(tab, '#status'), /\[device-failed\]$/);
    assert.match(await run(tab), SIZE);
    assert.match(await device(tab), /^Computing on WebGPU: asked for/);
  });
}

/** Opens a result that is read by a worker, where there can be one. @param {Tab} tab */
async function openLarge(tab) {
  const path = join(tmpdir(), `sae-attribution-large-${process.pid}.json`);
  writeFileSync(path, JSON.stringify(madeUp(900, 300, (i) => Math.sin(i), { source: 'tiny' })));
  await tab.attach('#file', path);
  await until(
    tab,
    () =>
      /^Opened |\[[a-z-]+\]$/.test(document.querySelector('#status')?.textContent ?? '') &&
      !/runtime-unavailable/.test(document.querySelector('#status')?.textContent ?? ''),
  );
  assert.match(await text(tab, '#status'), /^Opened /);
}
