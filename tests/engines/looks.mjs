// The four views on a telephone and on a desk: target/screenshots/ENGINE-VIEW-WIDTH.png, to be looked at.

import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { linkTo, resid } from '../page/browser.mjs';
import { problems, settled, until } from './engines.mjs';
import { testPage } from './ways.mjs';

const SHOTS = new URL('../../target/screenshots/', import.meta.url).pathname;
const demo = (/** @type {Record<string, string | number>} */ state) => linkTo({ source: 'demo', ...state });
/** Computed before. */
const VIEWS = {
  'token-latent': demo({ prompt: 'The Eiffel tower is in Paris', from: 'tokens', to: resid(2) }),
  'latent-latent': demo({ prompt: 'The capital of France is', from: resid(1), to: resid(2) }),
  'latent-logit': demo({ prompt: 'The Eiffel tower is in the city of', from: resid(3), top_logits: 10 }),
  'logit-difference': demo({
    prompt: 'Fact: Serena Williams plays the sport of',
    ...{ from: resid(3), positive: ' tennis', negative: ' golf' },
  }),
};

/** @param {() => import('./engines.mjs').Engine} engine @param {string} name */
export function looks(engine, name) {
  testPage(engine, 'no page is wider than a telephone', async ({ site, tab }) => {
    mkdirSync(SHOTS, { recursive: true });
    for (const [view, link] of Object.entries(VIEWS)) {
      for (const width of [360, 1440]) {
        await tab.resize(width, 900);
        // Of a link that differs in its hash alone, the page would not be loaded anew.
        await tab.open('about:blank');
        await tab.open(`${site.url}/${link}`);
        await settled(tab);
        await until(
          tab,
          () =>
            document.querySelector('.heatmap-canvas') &&
            /^Computed before/.test(document.querySelector('#status')?.textContent ?? ''),
        );
        await sleep(200);
        const { inner, scrolls } = await tab.evaluate(() => ({
          inner: innerWidth,
          scrolls: document.documentElement.scrollWidth - document.documentElement.clientWidth,
        }));
        assert.deepEqual([inner, scrolls], [width, 0], `${view} at ${width}`);
        await tab.screenshot(`${SHOTS}${name}-${view}-${width}.png`);
        await tab.evaluate(() => document.querySelector('#plot')?.scrollIntoView());
        await sleep(100);
        await tab.screenshot(`${SHOTS}${name}-${view}-${width}-plot.png`);
      }
    }
    assert.deepEqual(await problems(tab), []);
  });
}
