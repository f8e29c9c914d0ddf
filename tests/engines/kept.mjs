// What is kept of weights for the next visit, and where an engine refuses to keep it.

import assert from 'node:assert/strict';
import { setTimeout as sleep } from 'node:timers/promises';
import { problems, run, settled, text, until } from './engines.mjs';
import { withoutIn } from './faults.mjs';
import { noAccessHandles, noCaches, noLocks, noStorageManager, noWorkersInWorkers, refuseOpfs } from './lacks.mjs';
import { ASK, SIZE, testPage } from './ways.mjs';

/** @typedef {import('./engines.mjs').Engine} Engine */
/** @typedef {import('./engines.mjs').Tab} Tab */
/** @typedef {import('./site.mjs').Site} Site */

const TINY = new URL('../../www/models/tiny/', import.meta.url).pathname;
/** As on a hub, at an address that names a commit: what comes from there is kept, and never changes. */
const KEPT = `kept/resolve/${'0123456789'.repeat(4)}`;

/** After which a tab lets go of files that it does not use, for others. */
const IDLE_MS = 3_000;

/** Waits until files that came are kept: they are written when there is nothing else to do. @param {Tab} tab */
async function areKept(tab) {
  const shown = await until(tab, async () => {
    const panel = /** @type {HTMLDetailsElement} */ (document.querySelector('#cache'));
    panel.open = false;
    await new Promise((resolve) => setTimeout(resolve, 50));
    panel.open = true;
    await new Promise((resolve) => setTimeout(resolve, 250));
    const shown = document.querySelector('#cached')?.textContent ?? '';
    return shown.match(/\.safetensors/g)?.length === 3 && shown;
  });
  // The last of their bytes may still be on their way.
  await sleep(300);
  return shown;
}

/**
 * Runs one request in two visits on kept weights.
 * @param {{site: Site, engine: Engine}} given
 * @param {boolean} [keeps] whether what came is waited for to be kept
 * @returns {Promise<{first: string[], second: string[], advice: string, stores: string[], wrong: string[]}>} ranges of
 *   weights that were asked for in each, which stores the first one filled, and what went wrong there
 */
async function twoVisits({ site, engine }, keeps = true) {
  const visit = async () => {
    const tab = await engine.newTab();
    const ask = ASK.replace('source=tiny', 'source=given');
    await tab.open(`${site.url}/?model=${KEPT}/model&saes=${KEPT}/saes&places=0,3&device=cpu${ask}`);
    await settled(tab);
    assert.match(await run(tab), SIZE);
    return tab;
  };
  const one = await visit();
  const advice = await text(one, '#advice');
  if (keeps) await areKept(one);
  const found = { advice, stores: await storesOf(one), wrong: await problems(one), first: site.weights() };
  if (engine.isForgetful) await sleep(IDLE_MS);
  else await one.close();
  const before = site.asked.length;
  const two = await visit();
  const second = site.weights(before);
  await two.close();
  if (engine.isForgetful) await one.close();
  return { ...found, second };
}

/** The stores that hold something of the page. @param {Tab} tab @returns {Promise<string[]>} */
const storesOf = (tab) =>
  tab.evaluate(async () => {
    const names = (await globalThis.caches?.keys().catch(() => [])) ?? [];
    const stores = names.some((name) => name.startsWith('sae-attribution/')) ? ['Cache API'] : [];
    try {
      const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('sae-attribution');
      for await (const _ of /** @type {any} */ (folder).keys()) return [...stores, 'private file system'];
    } catch {
      // Not there, or refused.
    }
    return stores;
  });

/** Where the weights of `twoVisits` are. */
const KEPT_MOUNTS = new Map([[`/${KEPT}/`, TINY]]);

/** @param {() => Engine} engine */
export function kept(engine) {
  testPage(
    engine,
    'no byte of weights is fetched twice, nor at the second visit',
    async ({ site, engine, t }) => {
      const { first, second, stores, wrong } = await twoVisits({ site, engine });
      t.diagnostic(`kept in the ${stores.join(' and the ')}`);
      assert.ok(first.length > 3 && first.every((range) => / bytes=\d+-\d+$/.test(range)), first.join());
      assert.equal(new Set(first).size, first.length, 'no range twice');
      assert.deepEqual([second, wrong], [[], []]);
    },
    { mounts: KEPT_MOUNTS },
  );
}

/** @param {() => Engine} engine */
export function keptFaults(engine) {
  const without = withoutIn(engine);

  for (const [what, scripts] of /** @type {[string, (() => void)[]][]} */ ([
    ['the private file system is refused', [refuseOpfs]],
    ['files of it have no access handles', [noAccessHandles]],
    ['there is no storage manager', [noStorageManager]],
  ])) {
    without(
      `where ${what}, weights are kept in the Cache API`,
      scripts,
      async (given) => {
        const { first, second, stores, wrong } = await twoVisits(given);
        assert.deepEqual([first.length > 3, second, stores, wrong], [true, [], ['Cache API'], []]);
      },
      { mounts: KEPT_MOUNTS },
    );
  }

  without(
    'where there is no Cache API either, nothing is kept, and the page says so',
    [refuseOpfs, noCaches],
    async (given) => {
      const { first, second, advice } = await twoVisits(given, false);
      assert.match(advice, /^Nothing is kept for the next visit: .*\[cache-none\]$/);
      assert.equal(second.length, first.length);
    },
    { mounts: KEPT_MOUNTS },
  );

  for (const [what, scripts] of /** @type {[string, (() => void)[]][]} */ ([
    ['no worker can start another', [noWorkersInWorkers]],
    ['there are no locks', [noLocks]],
  ])) {
    without(
      `where ${what}, weights are kept all the same`,
      scripts,
      async (given) => {
        const { second, stores } = await twoVisits(given);
        assert.deepEqual(second, []);
        assert.ok(stores.length > 0);
        const workers = given.site.asked.filter(({ path }) => path.endsWith('/worker.js')).length;
        if (what.includes('worker')) assert.ok(workers <= 2, `${workers} workers were started`);
      },
      { mounts: KEPT_MOUNTS },
    );
  }
}
