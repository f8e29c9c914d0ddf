// The fixtures' cases through www/verify.html: every number of every array, in each engine and on its devices.

import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { ALL } from '../all.mjs';
import { readTensors, requestOf, sourceOf } from '../../scripts/cases.mjs';
import { until, text } from './engines.mjs';
import { serveSite } from './site.mjs';

/** Largest error, as a share of the largest value of an array. */
const TOLERANCE = 2e-5;
const FIXTURES = new URL('../fixtures/', import.meta.url).pathname;

/** @param {string} folder @param {string} name @returns {any} */
const read = (folder, name) => JSON.parse(readFileSync(join(folder, `${name}.json`), 'utf8'));

/**
 * What the reference says of a case, for www/app/checks.js.
 * @param {string} folder of the fixture
 * @param {any} one of its cases
 */
function caseOf(folder, one) {
  const expected = join(folder, 'expected', one.name);
  const json = read(join(folder, 'expected'), one.name);
  const tensors = readTensors(`${expected}.safetensors`);
  const { threshold, pairs } = json.off_staircase?.[0] ?? {};
  const request = { ...requestOf(one), ...(threshold === undefined ? {} : { threshold }) };
  // Nine digits are enough for single precision, and keep the file small.
  const array = (/** @type {string} */ path, /** @type {ArrayLike<number>} */ values, within = TOLERANCE) => ({
    ...{ what: path, path, within },
    values: Array.from(values, (value) => Number(value.toPrecision(9))),
  });
  const expect = [array('tokens.token_id', json.tokens, 0)];
  for (const [side, nodes] of [
    ['from', 'sources'],
    ['to', 'targets'],
  ]) {
    const indices = tensors[`${side}_indices`];
    if (!indices) continue;
    const column = (/** @type {number} */ k) => Array.from(indices).filter((_, i) => i % 3 === k);
    expect.push(array(`${nodes}.pos`, column(1), 0), array(`${nodes}.latent`, column(2), 0));
    expect.push(array(`${nodes}.activation`, tensors[`${side}_acts_f64`]));
  }
  let gradients = Array.from(tensors.gradients_f64);
  assert.ok(gradients.length > 0 && tensors.attributions?.length !== 0, 'nothing to compare');
  if (one.kind === 'token_to_latent') {
    // Cases that have a kind lay them out by source and then target.
    const [rows, columns] = [tensors.to_indices.length / 3, json.tokens.length];
    const bySource = gradients;
    gradients = bySource.map((_, i) => bySource[(i % columns) * rows + Math.floor(i / columns)]);
  }
  expect.push(array('gradients', gradients));
  if (tensors.attributions) expect.push(array('attributions', tensors.attributions));
  if (tensors.logits_f64) {
    const logits = json.token_ids.map((/** @type {number} */ id) => tensors.logits_f64[id]);
    const to = Object(request.to);
    const [list, column] =
      'logits' in to ? ['targets', 'activation'] : ['logit_difference' in to ? 'pair_logits' : 'top_logits', 'logit'];
    expect.push(array(`${list}.token_id`, json.token_ids, 0), array(`${list}.${column}`, logits));
  }
  return { request, expect: [...expect, ...(pairs ? [{ what: 'pairs', pairs }] : [])] };
}

/**
 * What a run of verify.html told.
 * @param {import('./engines.mjs').Tab} tab
 * @param {string} address
 * @returns {Promise<{status: string, rows: string[][]}>} rows: `true` where a check passed, and what its row says
 */
async function verify(tab, address) {
  await tab.open(address);
  await until(tab, () => document.querySelector('#about')?.textContent);
  await tab.click('#run');
  await until(tab, () => document.querySelector('#status[data-outcome]') !== null);
  const rows = await tab.evaluate(() =>
    Array.from(/** @type {HTMLTableElement} */ (document.querySelector('#checks')).tBodies[0].rows, (row) => [
      row.dataset.passed,
      ...Array.from(row.cells, ({ textContent }) => textContent),
    ]),
  );
  return { status: await text(tab, '#status'), rows };
}

/**
 * The same by the page's client, for SAEs that no address can name one by one.
 * @param {import('./engines.mjs').Tab} tab
 * @param {string} address
 * @param {import('../../www/runtime/protocol.js').Source} source
 * @param {'cpu' | 'webgpu'} device
 * @returns {ReturnType<typeof verify>}
 */
async function compute(tab, address, source, device) {
  await tab.open(address);
  const n = await tab.evaluate(
    async (source, device) => {
      const { Client } = await import(String(new URL('runtime/client.js', location.href)));
      const { check } = await import(String(new URL('app/checks.js', location.href)));
      const client = new Client();
      const url = /** @type {string} */ (new URLSearchParams(location.search).get('expected'));
      const [{ cases }] = await Promise.all([
        fetch(url).then((response) => response.json()),
        client.open(source, { device }),
      ]);
      Object.assign(globalThis, { client, check, cases });
      return cases.length;
    },
    source,
    device,
  );
  const rows = [];
  for (let i = 0; i < n; i++) {
    const found = await tab.evaluate(async (i) => {
      const { client, check, cases } = /** @type {any} */ (globalThis);
      const result = await client.attribute(cases[i].request);
      return cases[i].expect.map((/** @type {any} */ one) => {
        const { what, expected, got, passed } = check(result, one);
        return [String(passed), what, expected, got];
      });
    }, i);
    rows.push(...found);
  }
  const failed = rows.filter(([passed]) => passed !== 'true').length;
  return { status: failed ? `${failed} failed` : `All ${rows.length} checks passed, on ${device}.`, rows };
}

/**
 * @param {() => import('./engines.mjs').Engine} engine
 * @param {'cpu' | 'webgpu'} device
 * @param {{title?: string, before?: (() => void)[]}} [options]
 */
export function golden(engine, device, { title = `on ${device}`, before } = {}) {
  test(`the fixtures’ numbers, ${title}`, async (t) => {
    // Of WebGPU these are emulations, which take their time.
    const names = ['tiny', 'demo', ...(device === 'cpu' || ALL ? ['odd', 'places'] : [])];
    const folders = names.map((name) => /** @type {const} */ ([`/${name}/`, join(FIXTURES, name)]));
    const site = await serveSite({ before, mounts: new Map(folders) });
    const tab = await engine().newTab();
    try {
      for (const [base, folder] of folders) {
        const cases = read(folder, 'cases').map((/** @type {any} */ one) => caseOf(folder, one));
        const expected = site.put('expected.json', JSON.stringify({ title: base, cases }));
        const query = new URLSearchParams({ model: `${base}model`, saes: `${base}saes`, expected, device });
        const address = `${site.url}/verify.html?${query}`;
        const { status, rows } = existsSync(join(folder, 'saes.json'))
          ? await compute(tab, address, sourceOf(folder, base.slice(0, -1)), device)
          : await verify(tab, address);
        const wanted = cases.flatMap((/** @type {{expect: object[]}} */ { expect }) => expect).length;
        const wrong = rows.filter(([passed]) => passed !== 'true').map((row) => row.slice(1).join(' | ').slice(0, 300));
        assert.deepEqual([wrong, rows.length], [[], wanted], status);
        assert.equal(status, `All ${wanted} checks passed, on ${device}.`);
        const errors = rows.map((row) => Number(/most (\S+) off/.exec(row[3])?.[1] ?? 0));
        t.diagnostic(`${base} ${wanted} arrays and lists, largest error ${Math.max(...errors).toExponential(1)}`);
      }
    } finally {
      await tab.close();
      site.close();
    }
  });
}
