// A headless Chromium with the page under test, for every page test.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { BUILDS, PAGE, serve } from '../../scripts/serve.mjs';
import { SOURCES } from '../../www/app/sources.js';
import { saesAt } from '../../www/runtime/places.js';
import { ALL } from '../all.mjs';

/** Chromium without its windows, a quarter less to do; with scripts/test --all, as readers have it. */
export const CHROMIUM = ALL ? '/usr/bin/chromium' : '/usr/bin/chromium-headless-shell';

/** WebGPU through SwiftShader, and no traffic of Chromium's own. */
export const CHROMIUM_ARGS = [
  '--no-sandbox',
  '--disable-features=SpareRendererForSitePerProcess',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * Serves the page and opens a browser; `close` ends both.
 * @param {{args?: string[], mounts?: Map<string, string>, making?: string, runtime?: boolean}} [options] runtime: false
 *   where nothing is computed: no build is served, and what is tested does not hang on the crate
 */
export async function start({ args = CHROMIUM_ARGS, mounts = new Map(), making, runtime = true } = {}) {
  const noBuilds = runtime ? [] : [/** @type {const} */ ([BUILDS, '/dev/null'])];
  const server = await serve({ mounts: new Map([...PAGE, ...mounts, ...noBuilds]), making });
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  const profile = mkdtempSync(join(tmpdir(), 'sae-attribution-page-'));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath: CHROMIUM,
    headless: true,
    args,
    viewport: { width: 1440, height: 900 },
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  // All of the form is at hand, as for a reader who has unfolded it once.
  await context.addInitScript(() => {
    try {
      if (sessionStorage.getItem('folded') === null) localStorage.setItem('sae-attribution.form', 'open');
    } catch {
      // A frame without storage.
    }
  });
  return {
    context,
    /** Counts what is asked for: workers ask here, too. */
    server,
    url: `http://127.0.0.1:${port}`,
    async close() {
      await context.close();
      server.closeAllConnections();
      server.close();
      rmSync(profile, { recursive: true, force: true });
    },
  };
}

/**
 * Opens the page; the test fails on any error that it lets through to the console.
 * @param {Awaited<ReturnType<typeof start>>} browser
 * @param {string} [address] from the page's own on: query, hash
 */
export async function openPage(browser, address = '') {
  const page = await browser.context.newPage();
  /** @type {string[]} */
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => {
    // A file that is not there is part of a test, and Chromium logs it.
    if (message.type() === 'error' && !/Failed to load resource/.test(message.text())) {
      problems.push(message.text());
    }
  });
  await page.goto(`${browser.url}/${address}`);
  return { page, problems };
}

/**
 * Opens the page as who comes for the first time meets it: with the form folded where there is something to see.
 * @param {Awaited<ReturnType<typeof start>>} browser
 * @param {string} [address]
 */
export async function openFolded(browser, address = '') {
  const { page, problems } = await openPage(browser, 'results/index.json');
  await page.evaluate(() => {
    sessionStorage.setItem('folded', '1');
    localStorage.removeItem('sae-attribution.form');
  });
  await page.goto(`${browser.url}/${address}`);
  return { page, problems };
}

/**
 * Waits until what the page shows first is there: a result computed before, or word that there is none.
 * @param {import('playwright-core').Page} page
 */
export async function settled(page) {
  await page.waitForFunction(() => !/^Ready/.test(document.querySelector('#status')?.textContent ?? ''));
}

/**
 * Presses Run and waits for the end; resolves to the status line.
 * @param {import('playwright-core').Page} page
 * @param {number} [timeout]
 */
export async function run(page, timeout = 120_000) {
  await page.click('#run');
  // Asked at every frame, where waitForSelector asks twice a second.
  await page.waitForFunction(() => document.querySelector('#cancel:disabled'), undefined, { timeout });
  return page.textContent('#status');
}

/** Opens one of the examples by its card. @param {import('playwright-core').Page} page @param {string} file */
export async function openExample(page, file) {
  await page.click('#gallery summary');
  await page.click(`.card[data-file="${file}"]`);
}

/**
 * Opens a result as a saved file.
 * @param {import('playwright-core').Page} page
 * @param {string} name
 * @param {object} result
 */
export async function openResult(page, name, result) {
  // By its path: handing over the bytes would hold the page up, which tests measure.
  const folder = mkdtempSync(join(tmpdir(), 'sae-attribution-result-'));
  writeFileSync(join(folder, name), JSON.stringify(result));
  await page.setInputFiles('#file', join(folder, name));
  await page.waitForFunction((name) => document.querySelector('#status')?.textContent === `Opened ${name}.`, name);
  rmSync(folder, { recursive: true });
}

/** The residual stream before a block. @param {number} block */
export const resid = (block) => `blocks.${block}.hook_resid_pre`;

/** A link to a request on the bundled random model. @param {Record<string, string | number>} state */
export function linkTo(state) {
  return `#${new URLSearchParams(Object.entries({ source: 'tiny', ...state }).map(([key, value]) => [key, String(value)]))}`;
}

/** What the page shows first: on the bundled trained model. */
export const DEMO = linkTo({
  source: 'demo',
  prompt: 'The Eiffel tower is in Paris',
  from: resid(0),
  to: resid(2),
});

export const EIFFEL = 'The Eiffel tower is in Paris';
/** Requests on the bundled random model whose results were computed before. */
export const LINKS = {
  latent_to_latent: linkTo({ prompt: EIFFEL, from: resid(0), to: resid(3) }),
  token_to_latent: linkTo({ prompt: EIFFEL, from: 'tokens', to: resid(3) }),
  latent_to_logit: linkTo({ prompt: 'The Eiffel tower is in the city of', from: resid(3), top_logits: 25 }),
  logit_difference: linkTo({
    prompt: 'Fact: Serena Williams plays the sport of',
    from: resid(3),
    positive: ' tennis',
    negative: ' golf',
  }),
};

/**
 * A made-up latent → latent result.
 * @param {number} rows
 * @param {number} columns
 * @param {(i: number) => number} value
 * @param {{tokens?: string[], pos?: (i: number, n: number) => number, source?: string}} [options] source: one of the
 *   page that it is said to be of, from the first to the second of its places
 */
export function madeUp(rows, columns, value, { tokens = [' x'], pos = () => 0, source } = {}) {
  const { model, saes, places } = source
    ? SOURCES[source]
    : {
        model: { address: 'https://m.example/model' },
        saes: [{ address: 'https://m.example/saes' }],
        places: [resid(0), resid(1)],
      };
  const nodes = (/** @type {number} */ layer, /** @type {number} */ n) => ({
    kind: 'latent',
    hook_name: places[layer],
    sae: { address: saesAt(saes, places[layer])[0].address },
    d_sae: 24576,
    pos: Array.from({ length: n }, (_, i) => pos(i, n)),
    latent: Array.from({ length: n }, (_, i) => i),
    activation: Array(n).fill(1),
    label: Array.from({ length: n }, (_, i) => `F${layer}.${i}, '${tokens[pos(i, n)]}' (${pos(i, n)})`),
  });
  const values = Array.from({ length: rows * columns }, (_, i) => value(i));
  const [sources, targets] = [nodes(0, columns), nodes(1, rows)];
  const counts = (/** @type {{pos: number[]}} */ side) =>
    tokens.map((_, at) => side.pos.filter((pos) => pos === at).length);
  return {
    format_version: 2,
    request: { prompt: '', from: places[0], to: places[1], error: 'keep', threshold: 2 },
    runtime: { version: '0.1.0', device: 'cpu' },
    model,
    tokens: { token_id: tokens.map((_, i) => i), string: tokens },
    sources,
    targets,
    gradients: values,
    attributions: values,
    statistics: {
      sparsity: { nonzero: 1, total: 1, ratio: 1 },
      sparsity_over_positions: { nonzero: 1, total: 1, ratio: 1 },
      ...{ source_l1: 1, target_l1: 1, gradient_l1: 1, attribution_l1: 1 },
      sources_per_position: counts(sources),
      targets_per_position: counts(targets),
      sae_error_norm: [],
    },
  };
}
