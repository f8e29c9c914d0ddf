// The self-test of www/verify.html, on the tiny fixture with the reference's own answers.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { readTensors, requestOf } from '../../scripts/cases.mjs';
import { start } from './browser.mjs';

const FIXTURE = new URL('../fixtures/tiny/', import.meta.url).pathname;
const read = (/** @type {string} */ name) =>
  JSON.parse(readFileSync(join(FIXTURE, 'expected', `${name}.json`), 'utf8'));
const folder = mkdtempSync(join(tmpdir(), 'sae-attribution-verify-'));

/** What the reference says of two cases, in the form of www/verify.json. */
function expectations() {
  const latents = read('latent_to_latent_0_3');
  const logits = read('latent_to_logit_3_k25');
  const { threshold, pairs } = latents.off_staircase[0];
  const activations = Array.from(
    readTensors(join(FIXTURE, 'expected/latent_to_logit_3_k25.safetensors')).from_acts,
    Number,
  );
  return {
    title: 'The tiny fixture.',
    cases: [
      {
        request: { ...requestOf(latents.case), threshold },
        expect: [
          { what: 'active latents before', path: 'sources.pos.length', equals: latents.from.n_active },
          { what: 'sparsity', path: 'statistics.sparsity.ratio', near: latents.sparsity.ratio, within: 1e-12 },
          { what: 'pairs', pairs },
        ],
      },
      {
        request: requestOf(logits.case),
        expect: [
          { what: 'activations', path: 'sources.activation', values: activations, within: 2e-5 },
          { what: 'a logit', token: logits.token_strings[1], rank: 1, logit: logits.token_logits[1], within: 1e-4 },
          { what: 'tokens', path: 'tokens.string', equals: logits.str_tokens },
        ],
      },
    ],
  };
}

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start({
    mounts: new Map([
      ['/fixture/', FIXTURE],
      ['/expected/', folder],
    ]),
  });
});
after(async () => {
  await browser.close();
  rmSync(folder, { recursive: true });
});

/** @param {unknown} expected @param {string} [saes] */
async function verify(expected, saes = '/fixture/saes') {
  writeFileSync(join(folder, 'expected.json'), JSON.stringify(expected));
  const page = await browser.context.newPage();
  const query = new URLSearchParams({ model: '/fixture/model', saes, expected: '/expected/expected.json' });
  await page.goto(`${browser.url}/verify.html?${query}`);
  await page.waitForFunction(() => document.querySelector('#about')?.textContent);
  await page.click('#run');
  await page.waitForSelector('#status[data-outcome]', { timeout: 60_000 });
  const outcomes = await page
    .locator('#checks tbody tr')
    .evaluateAll((rows) => rows.map((row) => row.getAttribute('data-passed')));
  const found = {
    outcome: await page.getAttribute('#status', 'data-outcome'),
    text: await page.textContent('#status'),
    outcomes,
  };
  await page.close();
  return found;
}

test('what is published is found again', async () => {
  const { outcome, text, outcomes } = await verify(expectations());
  assert.deepEqual([outcome, outcomes], ['passed', Array(6).fill('true')], text ?? '');
});

test('each expectation that does not hold fails, and only that', async () => {
  const changed = expectations();
  /** @type {any[]} */
  const [count, ratio, pairs] = changed.cases[0].expect;
  count.equals += 1;
  ratio.near *= 1.001;
  pairs.pairs = pairs.pairs.slice(1);
  /** @type {any[]} */
  const [array, token] = changed.cases[1].expect;
  array.values[7] += 1e-4 * Math.max(...array.values);
  token.rank = 2;
  const { outcome, outcomes } = await verify(changed);
  assert.deepEqual([outcome, outcomes], ['failed', ['false', 'false', 'false', 'false', 'false', 'true']]);
  // One number too many, or of another array.
  for (const change of [{ values: [...array.values, 0] }, { path: 'targets.activation' }, { path: 'none.such' }]) {
    const [, { request, expect }] = expectations().cases;
    const { outcomes } = await verify({ title: '', cases: [{ request, expect: [{ ...expect[0], ...change }] }] });
    assert.deepEqual(outcomes, ['false']);
  }
});

test('weights that are not there are an error, not a pass', async () => {
  const { outcome, text } = await verify(expectations(), '/nowhere');
  assert.equal(outcome, 'error');
  assert.match(text ?? '', /nowhere.*\[file-not-found\]/);
});
