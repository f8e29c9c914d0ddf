// What a reader does with the page, by real input.

import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { linkTo, resid } from '../page/browser.mjs';
import { ended, problems, run, saved, settled, text, until } from './engines.mjs';
import { serveSite } from './site.mjs';

/** @typedef {import('./engines.mjs').Engine} Engine */
/** @typedef {import('./engines.mjs').Tab} Tab */
/** @typedef {import('./site.mjs').Site} Site */

/** Of the bundled random model; quick. */
export const ASK = linkTo({ prompt: 'The Eiffel tower is in Paris', from: resid(0), to: resid(3) });
export const SIZE = /100 sources × 181 targets/;
/**
 * A test on a site and in a tab of its own.
 * @param {() => Engine} engine
 * @param {string} title
 * @param {(given: {site: Site, tab: Tab, engine: Engine, t: import('node:test').TestContext}) => Promise<void>} act
 * @param {Parameters<typeof serveSite>[0]} [options]
 */
export function testPage(engine, title, act, options) {
  test(title, async (t) => {
    const site = await serveSite(options);
    const tab = await engine().newTab();
    try {
      await act({ site, tab, engine: engine(), t });
    } finally {
      await tab.close();
      site.close();
    }
  });
}

/** @param {() => Engine} engine */
export function ways(engine) {
  testPage(engine, 'a picture is there before anything of a model is fetched', async ({ site, tab }) => {
    await tab.open(`${site.url}/`);
    await settled(tab);
    await until(tab, () => document.querySelector('.heatmap-canvas') !== null);
    assert.match(await text(tab, '#title'), /Serena Williams plays the sport of/);
    assert.match(await text(tab, '#status'), /^Computed before\. Run fetches/);
    const ofModel = site.asked.filter(({ path }) => /wasm|pkg|safetensors|worker\.js|client\.js/.test(path));
    assert.deepEqual(ofModel, []);
    assert.deepEqual(await problems(tab), []);
  });

  testPage(engine, 'a prompt of one’s own is computed, a link to it asks the same', async ({ site, tab, engine }) => {
    await tab.open(`${site.url}/?device=cpu${ASK}`);
    await settled(tab);
    await tab.type('#prompt', 'The tower is in Rome');
    assert.match(await run(tab), /^Done in .*sources × \d+ targets/);
    assert.equal(
      await tab.evaluate(() => /** @type {any} */ (document.querySelector('#device')).dataset.device),
      'cpu',
    );
    assert.match(await text(tab, '#title'), /The tower is in Rome/);
    await tab.evaluate(() => /** @type {any} */ (document.querySelector('.heatmap')).focus());
    for (const key of ['n', 'ArrowRight', 'Enter']) await tab.press(key);
    const statistics = await text(tab, '#statistics');
    await tab.click('#copy-link');
    const said = await until(tab, () => {
      const dialog = /** @type {HTMLDialogElement} */ (document.querySelector('#code'));
      if (dialog.open) return 'offered';
      return /^Link copied/.test(document.querySelector('#status')?.textContent ?? '') && 'copied';
    });
    const link = await tab.evaluate(() => location.href);
    if (said === 'offered') {
      assert.equal(await tab.evaluate(() => /** @type {any} */ (document.querySelector('#code-text')).value), link);
      await tab.click('#code-close');
    } else {
      await tab.evaluate(() => /** @type {any} */ (document.querySelector('#prompt')).select());
      await tab.press('Control+v');
      const pasted = await until(
        tab,
        () =>
          /http/.test(/** @type {any} */ (document.querySelector('#prompt')).value) &&
          /** @type {any} */ (document.querySelector('#prompt')).value,
      );
      assert.equal(pasted, link);
    }
    assert.match(link, /prompt=The[+%20]+tower[+%20]+is[+%20]+in[+%20]+Rome.*cell=\d+(,|%2C)\d+/);
    const other = await engine.newTab();
    try {
      await other.open(link);
      await settled(other);
      // Answered by what the first has kept, where that stays.
      assert.match(await text(other, '#status'), /^(The link is read|Kept in this browser from before)/);
      assert.match(await run(other), /^Done in/);
      assert.equal(await text(other, '#statistics'), statistics);
      assert.deepEqual(await problems(other), []);
    } finally {
      await other.close();
    }
    assert.deepEqual(await problems(tab), []);
  });

  testPage(engine, 'a run that waits for bytes is cancelled, and the next one goes on', async ({ site, tab }) => {
    await tab.open(`${site.url}/?device=cpu${ASK}`);
    await settled(tab);
    const release = site.hold(/sae_weights\.safetensors$/);
    await tab.click('#run');
    while (!site.asked.some(({ path }) => /sae_weights/.test(path))) await sleep(20);
    await tab.click('#cancel');
    await ended(tab);
    assert.equal(await text(tab, '#status'), 'Cancelled. What was loaded is kept.');
    release();
    assert.match(await run(tab), SIZE);
    assert.deepEqual(await problems(tab), []);
  });

  testPage(engine, 'saved JSON opens again; text in it stays text', async ({ site, tab, engine }) => {
    await tab.open(`${site.url}/?device=cpu${ASK}`);
    await settled(tab);
    assert.match(await run(tab), SIZE);
    const statistics = await text(tab, '#statistics');
    await tab.click('#save');
    const json = await saved(engine, /^latent_to_latent.*\.json$/);
    const result = JSON.parse(json);
    assert.equal(result.gradients.length, 100 * 181);

    const evil = structuredClone(result);
    evil.sources.label[0] = '<img src=x onerror="document.title=1">';
    evil.tokens.string[0] = '<b>bold</b>\u202e';
    const other = await engine.newTab();
    try {
      await other.open(`${site.url}/?source=tiny`);
      await settled(other);
      const open = async (/** @type {string} */ name, /** @type {string} */ content, /** @type {RegExp} */ says) => {
        const path = join(tmpdir(), name);
        writeFileSync(path, content);
        await other.attach('#file', path);
        await until(
          other,
          (says) => new RegExp(says).test(document.querySelector('#status')?.textContent ?? ''),
          says.source,
        );
      };
      const name = `sae-attribution-${process.pid}.json`;
      await open(name, json, /^Opened /);
      assert.equal(await text(other, '#statistics'), statistics);
      await open(name, '{"format_version": 2}', /\[result-invalid\]$/);
      assert.equal(await text(other, '#statistics'), statistics);
      await open(name, JSON.stringify(evil), /^Opened /);
      await other.evaluate(() => /** @type {any} */ (document.querySelector('.heatmap')).focus());
      for (const key of ['ArrowRight', 'n', 'Enter']) await other.press(key);
      const found = await other.evaluate(() => [
        document.title,
        document.querySelectorAll('#result img, #tokens b').length,
        document.querySelector('#tokens')?.textContent?.includes('<b>bold</b>⟨U+202E⟩'),
      ]);
      const [title, ...rest] = found;
      assert.match(title, /· SAE attribution in the browser$/);
      assert.deepEqual(rest, [0, true]);
      assert.deepEqual(await problems(other), []);
    } finally {
      await other.close();
    }
  });

  testPage(engine, 'the figure in other pages: in a frame, as an element, live', async ({ site, tab }) => {
    const result = 'results/demo-latent-logit.json';
    const page = site.put(
      'article.html',
      `<!doctype html><html lang="en"><head><meta charset="utf-8"><base href="/"><title>An article</title>
      <link rel="stylesheet" href="embed/element.css"><script type="module" src="embed/element.js"></script>
      <script type="module" src="embed/resize.js"></script></head><body>
      <sae-attribution src="${result}" model="models/demo/model" saes="models/demo/saes" controls="prompt live"></sae-attribution>
      <iframe src="${site.url}/embed.html?result=${result}" title="A figure" width="100%" height="200" data-sae-attribution></iframe>
      </body></html>`,
    );
    // Of another site than the frame.
    await tab.open(site.url.replace('127.0.0.1', 'localhost') + page);
    const says = (/** @type {string} */ selector, /** @type {RegExp} */ pattern) =>
      until(
        tab,
        (selector, pattern) => {
          const said =
            document.querySelector('sae-attribution')?.shadowRoot?.querySelector(selector)?.textContent ?? '';
          return new RegExp(pattern).test(said) && said;
        },
        selector,
        pattern.source,
      );
    await says('.picture:not(.coming) [part=title]', /Eiffel/);
    // In a room of half pixels, too, the picture is as large as that: a larger one would bring scroll bars, and be drawn
    // again beside them.
    await until(tab, () => {
      const plot = document.querySelector('sae-attribution')?.shadowRoot?.querySelector('.heatmap');
      const layer = plot?.querySelector('.heatmap-layer');
      if (!plot || !layer) return false;
      const [room, drawn] = [plot, layer].map((element) => element.getBoundingClientRect());
      const borders = plot.clientLeft * 2;
      const over = [drawn.width - room.width + borders, drawn.height - room.height + borders];
      return over.every((pixels) => pixels <= 0.01 && pixels > -1);
    });
    // Only a frame that has drawn tells how high it would be.
    await until(tab, () => Number(document.querySelector('iframe')?.height) > 400);
    await says('[part=button]', /Run live/);
    await tab.evaluate(() => {
      const figure = document.querySelector('sae-attribution')?.shadowRoot;
      /** @type {any} */ (figure?.querySelector('[part=button]')).focus();
    });
    await tab.press('Enter');
    assert.match(await says('[part=status]', /Computed here|\[[a-z-]+\]/), /Computed here, on the CPU/);
    // That the page's own scroll bar comes or goes while it is drawn, an observer tells as if it were an error.
    const wrong = (await problems(tab)).filter((problem) => !/^ResizeObserver loop completed/.test(problem));
    assert.deepEqual(wrong, []);
  });

  testPage(
    engine,
    'by keyboard alone: to the heatmap, its strongest pair, the latent behind it',
    async ({ site, tab }) => {
      await tab.open(`${site.url}/${ASK}`);
      await settled(tab);
      await until(tab, () => document.querySelector('.heatmap-canvas') !== null);
      const at = () =>
        tab.evaluate(
          () => document.activeElement?.id || document.activeElement?.className || document.activeElement?.tagName,
        );
      await tab.press('Tab');
      assert.equal(await at(), 'skip');
      await tab.press('Enter');
      await until(tab, () => document.activeElement?.classList.contains('heatmap'));
      await tab.press('ArrowRight');
      const first = await text(tab, '#cell-text');
      assert.match(first, /^“.* F0\.\d+, .* → F3\.\d+, .*gradient/);
      await tab.press('ArrowDown');
      assert.notEqual(await text(tab, '#cell-text'), first);
      await tab.press('n');
      await tab.press('Enter');
      await until(tab, () => document.activeElement?.id === 'open-source');
      await until(tab, () => document.querySelector('#latent')?.textContent);
      await tab.press('Shift+Tab');
      assert.notEqual(await at(), 'open-source');
      assert.deepEqual(await problems(tab), []);
    },
  );
}
