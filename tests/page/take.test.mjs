// What is taken away as a picture: size, labels, scale, bars, caption; nothing of the computer it was made on.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { WITH_ALL } from '../all.mjs';
import { isLocal, publicOrigins } from '../../www/app/export/about.js';
import { csv } from '../../www/app/export/csv.js';
import { ticks } from '../../www/figure/ticks.js';
import { fitted, widthOf, wrapped } from '../../www/app/export/svg.js';
import { fromJson } from '../../www/figure/result.js';
import { colorBits } from '../../www/figure/scale.js';
import { DEMO, LINKS, madeUp, openPage, openResult, settled, start } from './browser.mjs';

/** @typedef {import('playwright-core').Page} Page */

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
/** Where pictures are laid out: the page's own policy makes no elements from text. @type {Page} */
let paper;
/** Pages of others. @type {string} */
let made;
before(async () => {
  made = mkdtempSync(join(tmpdir(), 'sae-attribution-take-'));
  browser = await start({ runtime: false, mounts: new Map([['/made/', made]]) });
  paper = await browser.context.newPage();
});
after(async () => {
  await browser?.close();
  rmSync(made, { recursive: true });
});

/** What a button saves. @param {Page} page @param {string} id */
async function take(page, id) {
  const download = page.waitForEvent('download');
  await page.click(`#${id}`);
  return readFileSync(await (await download).path());
}

/** @param {Page} page @param {Record<string, string>} fields of the dialog, by what follows `picture-` */
async function setOptions(page, fields) {
  await page.click('#save-options');
  for (const [name, value] of Object.entries(fields)) {
    if (name === 'width') await page.fill('#picture-width', value);
    else await page.selectOption(`#picture-${name}`, value);
  }
  await page.keyboard.press('Escape');
}

/**
 * A picture as a browser lays it out: its texts with their boxes, its bars with what they tell.
 * @param {Buffer} bytes
 */
const laidOut = (bytes) =>
  paper.evaluate((svg) => {
    const root = /** @type {SVGSVGElement} */ (
      /** @type {unknown} */ (new DOMParser().parseFromString(svg, 'image/svg+xml').documentElement)
    );
    if (root.nodeName !== 'svg') throw new Error(root.textContent ?? 'no SVG');
    document.body.append(root);
    // Beneath the page, at its own size.
    const from = root.getBoundingClientRect();
    const boxOf = (/** @type {Element} */ element) => {
      const { left, top, right, bottom } = element.getBoundingClientRect();
      return { left: left - from.left, top: top - from.top, right: right - from.left, bottom: bottom - from.top };
    };
    const texts = [...root.querySelectorAll('text')].map((text) => ({ words: text.textContent ?? '', ...boxOf(text) }));
    const bars = [...root.querySelectorAll('rect:has(title)')].map((bar) => ({
      ...boxOf(bar),
      value: Number(/[^ ]+$/.exec(bar.textContent ?? '')?.[0]),
    }));
    const found = {
      texts,
      bars,
      size: [root.getAttribute('width'), root.getAttribute('viewBox')],
      width: from.width,
      height: from.height,
      ground: root.querySelector('rect')?.getAttribute('fill'),
      arrows: root.querySelectorAll('path[d$=Z]').length,
    };
    root.remove();
    return found;
  }, bytes.toString());

/** Texts that reach out of a picture, or lie over each other. @param {Awaited<ReturnType<typeof laidOut>>} drawn */
function unreadable({ texts, width, height }) {
  const out = texts.filter(
    ({ left, top, right, bottom }) => left < 0 || top < 0 || right > width + 0.5 || bottom > height + 0.5,
  );
  const over = texts.flatMap((a, i) =>
    texts
      .slice(i + 1)
      .filter(
        (b) =>
          Math.min(a.right, b.right) - Math.max(a.left, b.left) > 1 &&
          Math.min(a.bottom, b.bottom) - Math.max(a.top, b.top) > 3,
      )
      .map((b) => `${a.words} over ${b.words}`),
  );
  return [...out.map(({ words }) => `${words} reaches out`), ...over];
}

test('a picture has the width that is asked for, and texts that can be read at it', async () => {
  for (const [name, link] of Object.entries({ ...LINKS, sorted: `${DEMO}&rows=total&columns=total&across=1` })) {
    const { page, problems } = await openPage(browser, link);
    await settled(page);
    for (const [width, unit] of /** @type {const} */ ([
      ['1200', 'px'],
      ['8.5', 'cm'],
      ['240', 'px'],
    ])) {
      await setOptions(page, { width, unit });
      const drawn = await laidOut(await take(page, 'save-svg'));
      const pixels = unit === 'cm' ? 321 : Number(width);
      assert.equal(drawn.size[0], unit === 'cm' ? '8.5cm' : width, name);
      assert.equal(drawn.size[1], `0 0 ${pixels} ${drawn.size[1]?.split(' ')[3]}`);
      assert.deepEqual(unreadable(drawn), [], `${name} at ${width} ${unit}`);
      assert.ok(drawn.texts.length > 12, `${name} at ${width}: ${drawn.texts.length} texts`);
    }
    assert.deepEqual(problems, []);
    await page.close();
  }
});

test('a picture says what it is of, and nothing of this computer', async () => {
  const { page } = await openPage(browser, `${DEMO}&across=1&limit=0.5&columns=total`);
  await settled(page);
  const svg = (await take(page, 'save-svg')).toString();
  assert.ok(!/127\.0\.0\.1|localhost|models\/|file:/.test(svg));
  assert.deepEqual(svg.match(/https?:[^"]*/g), ['http://www.w3.org/2000/svg']);
  const { texts, arrows } = await laidOut(Buffer.from(svg));
  const words = texts.map(({ words }) => words).join(' ');
  for (const part of [
    'demo · latent → latent, resid_pre 0 → resid_pre 2 · The Eiffel tower is in Paris',
    'Model demo, SAEs demo at blocks.0.hook_resid_pre and demo at blocks.2.hook_resid_pre.',
    'Prompt “The Eiffel tower is in Paris” (10 tokens).',
    '86 sources × 190 targets.',
    'The scale ends at ±0.5; 1,403 values lie beyond.',
    'Drawn: 85 sources × 189 targets, without what is 0 everywhere. Pairs at one position are pale.',
    'Computed by sae-attribution 0.1.0 on the CPU from files of a local server.',
    'Sources: latents of blocks.0.hook_resid_pre, largest total first',
    'Targets: latents of blocks.2.hook_resid_pre, by position',
  ])
    assert.ok(words.includes(part), `${part}\n${words}`);
  // Values lie beyond both ends.
  assert.equal(arrows, 2);
  await page.close();

  const part = await openPage(browser, `${DEMO}&source_pos=4&top=20`);
  await settled(part.page);
  const less = (await laidOut(await take(part.page, 'save-svg'))).texts.map(({ words }) => words).join(' ');
  assert.match(
    less,
    /Drawn: 6 sources × 20 targets, sources on “f” alone, the 20 largest, without what is 0 everywhere\./,
  );
  await part.page.close();
  const all = await openPage(browser, `${DEMO}&zeros=1`);
  await settled(all.page);
  const told = (await laidOut(await take(all.page, 'save-svg'))).texts.map(({ words }) => words).join(' ');
  assert.match(told, /The scale ends at ±13\.1, chosen without the first token; 1 value lies beyond\. Computed/);
  await all.page.close();
});

test('the scale of colours has round ticks in their places', async () => {
  assert.deepEqual(ticks(-14.6, 14.6, 6), [-10, -5, 0, 5, 10]);
  assert.deepEqual(ticks(-0.3, 0.3, 6), [-0.3, -0.2, -0.1, 0, 0.1, 0.2, 0.3]);
  assert.deepEqual(ticks(0, 7e-9, 4), [0, 2e-9, 4e-9, 6e-9]);
  assert.deepEqual(ticks(3, 3, 4), [3]);
  const { page } = await openPage(browser, `${DEMO}&bos=1&zeros=1`);
  await settled(page);
  const { texts, arrows } = await laidOut(await take(page, 'save-svg'));
  const labelled = texts.filter(({ words }) => /^−?[\d.]+$/.test(words));
  const at = labelled.map(({ words, left, right }) => [Number(words.replace('−', '-')), (left + right) / 2]);
  assert.deepEqual(
    at.map(([value]) => value),
    [-14.6, -10, -5, 0, 5, 10, 14.6],
  );
  const [[least, first], [most, last]] = [at[0], at[at.length - 1]];
  for (const [value, x] of at) {
    const place = first + ((value - least) / (most - least)) * (last - first);
    // What is measured of a text is its letters, minus sign and all.
    assert.ok(Math.abs(x - place) < 2, `${value} at ${x}, not ${place}`);
  }
  assert.equal(arrows, 0);

  // Each cell is a pixel of its colour.
  const svg = (await take(page, 'save-svg')).toString();
  const result = fromJson((await take(page, 'save')).toString());
  const pixels = await paper.evaluate(
    async (href) => {
      const image = Object.assign(new Image(), { src: href });
      await image.decode();
      const canvas = Object.assign(document.createElement('canvas'), { width: image.width, height: image.height });
      const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
      context.drawImage(image, 0, 0);
      const { data } = context.getImageData(0, 0, image.width, image.height);
      return { width: image.width, height: image.height, bits: [...new Uint32Array(data.buffer)] };
    },
    /href="(data:[^"]+)"/.exec(svg)?.[1] ?? '',
  );
  assert.deepEqual([pixels.width, pixels.height], [86, 190]);
  assert.deepEqual(
    pixels.bits,
    Array.from(result.attributions, (value) => colorBits(value, most)),
  );
  await page.close();
});

test('bars are as high as their values; what is cut off is marked and told', async () => {
  const { page } = await openPage(browser, `${LINKS.logit_difference}&columns=position&zeros=1`);
  await settled(page);
  const { bars, texts, arrows } = await laidOut(await take(page, 'save-svg'));
  const result = JSON.parse((await take(page, 'save')).toString());
  assert.deepEqual(
    bars.map(({ value }) => Math.fround(value)),
    result.attributions.map(Math.fround),
  );
  const [tallest] = [...bars].sort((a, b) => b.bottom - b.top - (a.bottom - a.top));
  const scale = (tallest.bottom - tallest.top) / Math.abs(tallest.value);
  for (const { top, bottom, value } of bars)
    assert.ok(Math.abs(bottom - top - scale * Math.abs(value)) < 0.5, `${value} is ${bottom - top} high`);
  // The axis tells values where bars of them would end.
  const zero = tallest.value < 0 ? tallest.top : tallest.bottom;
  const axis = texts.filter(({ words, right }) => /^−?[\d.]+$/.test(words) && right < tallest.left);
  assert.ok(axis.length >= 3, JSON.stringify(axis));
  for (const { words, top, bottom } of axis) {
    const y = zero - scale * Number(words.replace('−', '-'));
    assert.ok(Math.abs((top + bottom) / 2 - y) < 3, `${words} at ${(top + bottom) / 2}, not ${y}`);
  }
  assert.ok(texts.some(({ words }) => words === 'attribution to “ tennis” − “ golf”'));
  assert.equal(arrows, 0);

  await page.fill('#limit', '0.5');
  await page.press('#limit', 'Enter');
  const cut = await laidOut(await take(page, 'save-svg'));
  const beyond = bars.filter(({ value }) => Math.abs(value) > 0.5);
  assert.ok(beyond.length > 3);
  assert.equal(cut.arrows, beyond.length);
  for (const { value } of beyond)
    assert.ok(cut.texts.some(({ words }) => Number(words.replace('−', '-')) === Number(value.toPrecision(3))));
  assert.match(cut.texts.map(({ words }) => words).join(' '), new RegExp(`${beyond.length} values lie beyond`));
  await page.close();
});

test('pictures are light whatever the page is, dark where that is asked for, and PNGs as large as is said', async () => {
  const { page, problems } = await openPage(browser, DEMO);
  await page.emulateMedia({ colorScheme: 'dark' });
  await settled(page);
  assert.equal((await laidOut(await take(page, 'save-svg'))).ground, '#ffffff');
  const size = async () => {
    const png = await take(page, 'save-png');
    assert.equal(png.subarray(1, 4).toString(), 'PNG');
    return [png.readUInt32BE(16), png.readUInt32BE(20)];
  };
  const [width, height] = await size();
  assert.equal(width, 2400);
  await setOptions(page, { scale: '1', theme: 'dark' });
  assert.deepEqual(await size(), [1200, height / 2]);
  assert.equal((await laidOut(await take(page, 'save-svg'))).ground, '#171513');

  await page.click('#save-options');
  for (const [wide, unit, sentence] of [
    ['', 'px', /between 240 and 6,000 px/],
    ['239', 'px', /between 240 and 6,000 px/],
    ['1e9', 'px', /between 240 and 6,000 px/],
    ['6', 'cm', /between 6\.4 and 158\.8 cm/],
  ]) {
    await page.fill('#picture-width', String(wide));
    await page.selectOption('#picture-unit', String(unit));
    assert.match((await page.textContent('#picture-note')) ?? '', /** @type {RegExp} */ (sentence));
    assert.equal(await page.getAttribute('#picture-width', 'aria-invalid'), 'true');
    assert.ok(await page.getByRole('button', { name: 'Save PNG' }).isDisabled());
  }
  await page.fill('#picture-width', '20');
  assert.match((await page.textContent('#picture-note')) ?? '', /A PNG is 756 pixels wide/);
  // From the dialog as from beside it.
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Save SVG' }).click();
  assert.match(readFileSync(await (await download).path(), 'utf8'), /^<svg [^>]*width="20cm"/);
  assert.deepEqual(problems, []);
  await page.close();
});

test('a picture of three million pairs holds the page up at no time', WITH_ALL, async (t) => {
  const { page } = await openPage(browser, '?source=tiny');
  await settled(page);
  const tokens = Array.from({ length: 64 }, (_, i) => ` t${i}`);
  await openResult(
    page,
    'large.json',
    madeUp(1500, 2000, (i) => Math.sin(i) ** 9, { tokens, pos: (i, n) => Math.floor((i * 64) / n) }),
  );
  await page.waitForTimeout(1500);
  await page.evaluate(() => {
    /** @type {number[]} */
    const long = [];
    Object.assign(window, { long });
    new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => long.push(duration))).observe({
      type: 'longtask',
    });
  });
  // The machine is shared: the best of five is the page's own doing.
  let [longest, svg] = [Infinity, ''];
  for (let i = 0; i < 5 && longest > 50; i++) {
    await page.evaluate(() => /** @type {any} */ (window).long.splice(0));
    svg = (await take(page, 'save-svg')).toString();
    await page.waitForTimeout(300);
    longest = await page.evaluate(() => Math.max(0, .../** @type {any} */ (window).long));
  }
  t.diagnostic(
    `${(svg.length / 1e6).toFixed(1)} MB; longest task ${longest ? `${longest.toFixed(0)} ms` : 'under 50 ms'}`,
  );
  assert.deepEqual(unreadable(await laidOut(Buffer.from(svg))), []);
  assert.ok(longest <= 50, `${longest} ms`);
  await page.close();
});

test('addresses that help nobody elsewhere are not told', () => {
  const page = new URL('https://site.example/sae/index.html');
  for (const address of [
    'http://127.0.0.1:8000/model',
    'http://localhost/model',
    'http://[::1]:80/model',
    'http://192.168.1.7/model',
    'http://172.20.0.1/model',
    'http://box.local/model',
    'file:///home/someone/model',
  ]) {
    assert.ok(isLocal(new URL(address)), address);
    assert.equal(publicOrigins([address], page), 'files of a local server');
  }
  for (const address of ['https://172.example/', 'https://10.example.org/', 'https://huggingface.co/'])
    assert.ok(!isLocal(new URL(address)), address);
  assert.equal(publicOrigins(['folder:mine/model', 'http://'], page), 'files of a local folder');
  assert.equal(
    publicOrigins(
      [
        'models/demo/model',
        'https://huggingface.co/openai-community/gpt2/resolve/607a30d783dfa663caf39e06633721c8d4cfcd7e',
        'https://other.example/saes',
      ],
      page,
    ),
    'files of site.example, openai-community/gpt2 at 607a30d, files of other.example, which may change',
  );
});

test('texts are cut and wrapped by how wide they are', () => {
  assert.equal(fitted('abc', 1000, 10), 'abc');
  assert.equal(fitted('abcdefgh', widthOf('abcd', 10), 10), 'abc…');
  assert.ok(widthOf(fitted('漢字仮名交じり文', 50, 10), 10) <= 50);
  assert.deepEqual(wrapped('one two three', widthOf('one two', 10), 10, 5), ['one', 'two', 'three']);
  assert.deepEqual(wrapped('x'.repeat(25), widthOf('x'.repeat(11), 10), 10, 9), ['xxxxxxxxxx', 'xxxxxxxxxx', 'xxxxx']);
  assert.equal(wrapped('word '.repeat(500), 100, 10, 4).length, 4);
  assert.deepEqual(wrapped('', 100, 10, 4), []);
});

/** A table as Python's own module reads it. @param {Buffer} csv @returns {Record<string, string>[]} */
const tableOf = (csv) =>
  JSON.parse(
    execFileSync(
      'python3',
      [
        '-c',
        'import csv, io, json, sys; print(json.dumps(list(csv.DictReader(io.StringIO(sys.stdin.read(), newline="")))))',
      ],
      { input: csv, maxBuffer: 1e9, env: { ...process.env, PYTHONUTF8: '1' } },
    ).toString(),
  );

test('a CSV tells of each pair what it is of, what its latents mean, and zeros where they are wanted', async () => {
  const { page, problems } = await openPage(browser, DEMO);
  await settled(page);
  const result = fromJson((await take(page, 'save')).toString());
  const rows = tableOf(await take(page, 'save-csv'));
  const at = [...result.gradients.keys()].filter((i) => result.gradients[i] !== 0);
  assert.equal(rows.length, at.length);
  const n = result.sources.pos.length;
  const labels = result.latent_labels ?? {};
  for (const [row, i] of at.entries()) {
    const { source_activation, target_activation, gradient, attribution, ...found } = rows[row];
    const [source, target] = [i % n, Math.floor(i / n)];
    const side = (/** @type {'source' | 'target'} */ name, /** @type {number} */ node) => {
      const { pos, latent, label, hook_name = '' } = result[name === 'source' ? 'sources' : 'targets'];
      return {
        [`${name}_pos`]: String(pos[node]),
        [`${name}_id`]: String(latent[node]),
        [`${name}_label`]: label[node],
        [`${name}_meaning`]: labels[hook_name]?.[latent[node]] ?? '',
      };
    };
    assert.deepEqual(found, {
      model: 'demo',
      prompt: 'The Eiffel tower is in Paris',
      from: 'blocks.0.hook_resid_pre',
      to: 'blocks.2.hook_resid_pre',
      ...side('source', source),
      ...side('target', target),
    });
    const numbers = [source_activation, target_activation, gradient, attribution].map((text) =>
      Math.fround(Number(text)),
    );
    const expected = [result.sources.activation[source], result.targets.activation[target]];
    assert.deepEqual(numbers, [...expected, result.gradients[i], result.attributions[i]]);
  }
  assert.ok(rows.filter(({ source_meaning }) => source_meaning).length > rows.length / 2);

  await page.click('#save-options');
  await page.check('#csv-zeros');
  const download = page.waitForEvent('download');
  await page.getByRole('button', { name: 'Save CSV' }).click();
  const all = tableOf(readFileSync(await (await download).path()));
  assert.deepEqual(
    all.map(({ gradient }) => Math.fround(Number(gradient))),
    [...result.gradients],
  );
  assert.deepEqual(problems, []);
  await page.close();
});

test('a CSV of many pairs does not hold a long prompt as often as pairs', async () => {
  const result = fromJson(JSON.stringify(madeUp(300, 400, (i) => i)));
  result.request.prompt = 'a long prompt '.repeat(200);
  const { size } = await csv(result);
  assert.ok(size < 120_000 * 250, `${size} bytes`);
  result.request.prompt = 'x'.repeat(400);
  assert.ok((await (await csv(result)).text()).includes(`,${'x'.repeat(400)},`));
});

const OWN = {
  format_version: 2,
  title: 'Heads of one layer <b>',
  sources: { label: ['a', 'b', '=1+1'], pos: [0, 1, 1], activation: [1, 2, 3] },
  targets: { label: ['x', 'y'], pos: [1, 2] },
  tokens: { string: ['<bos>', ' a', ' b'] },
  attributions: [0.5, -1.25, 0, 2, 0.125, -0.5],
};

test('a file of numbers of its own is opened in the place of a result, and taken away as far as there is something', async () => {
  const { page, problems } = await openPage(browser, DEMO);
  await settled(page);
  const before = await page.textContent('#title');
  await openResult(page, 'own.json', OWN);
  assert.equal(await page.textContent('#title'), OWN.title);
  assert.equal(await page.locator('#own .heatmap-canvas').count(), 1);
  for (const id of ['plot', 'strongest', 'statistics', 'tokens', 'revision'])
    assert.ok(!(await page.locator(`#${id}`).isVisible()), id);
  // There are no gradients to show.
  assert.equal(await page.locator('#own-shown').count(), 0);
  await page.focus('#own .heatmap');
  await page.keyboard.press('n');
  assert.match((await page.textContent('#own .sae-readout')) ?? '', /^“a” → “y”: 2, .*\. a → y, attribution 2,/);
  await page.selectOption('#own-columns', 'largest');
  await page.check('#own-across');

  const json = JSON.parse((await take(page, 'save')).toString());
  assert.deepEqual([json.title, json.attributions, json.request], [OWN.title, OWN.attributions, undefined]);
  assert.deepEqual(
    tableOf(await take(page, 'save-csv')).map(({ title, source_label, target_label, gradient, attribution }) => [
      ...[title, source_label, target_label, gradient, attribution],
    ]),
    [
      [OWN.title, 'a', 'x', '', '0.5'],
      [OWN.title, 'b', 'x', '', '-1.25'],
      [OWN.title, 'a', 'y', '', '2'],
      [OWN.title, 'b', 'y', '', '0.125'],
      [OWN.title, "'=1+1", 'y', '', '-0.5'],
    ],
  );
  const drawn = await laidOut(await take(page, 'save-svg'));
  const words = drawn.texts.map(({ words }) => words);
  assert.deepEqual(unreadable(drawn), []);
  for (const part of [OWN.title, 'Sources, largest first', 'Targets', 'a', 'b', '=1+1', 'x', 'y'])
    assert.ok(words.includes(part), `${part}\n${words.join('\n')}`);
  // By their largest value at another position, as they are on the page.
  const columns = drawn.texts.filter(({ words }) => ['a', 'b', '=1+1'].includes(words));
  assert.deepEqual(
    columns.sort((a, b) => a.left - b.left).map(({ words }) => words),
    ['a', '=1+1', 'b'],
  );
  assert.equal((await take(page, 'save-png')).subarray(1, 4).toString(), 'PNG');

  const { hash } = new URL(page.url());
  await page.click('#copy-link');
  assert.match((await page.textContent('#status')) ?? '', /name no model and no prompt: there is no link/);
  assert.equal(new URL(page.url()).hash, hash);
  await page.click('#python');
  assert.match((await page.textContent('#status')) ?? '', /nothing that Python could compute again/);
  assert.equal(await page.locator('#code[open]').count(), 0);

  // Another of its kind takes its place; what is refused does not.
  await openResult(page, 'second.json', { ...OWN, title: 'Second', gradients: [1, 2, 3, 4, 5, 6] });
  assert.equal(await page.locator('#own').count(), 1);
  await page.selectOption('#own-shown', 'gradients');
  await page.focus('#own .heatmap');
  await page.keyboard.press('n');
  assert.match((await page.textContent('#own .sae-readout')) ?? '', /^“=1\+1” → “y”: 6, .*\. =1\+1 → y, gradient 6/);
  await page.setInputFiles('#file', {
    name: 'bad.json',
    mimeType: 'application/json',
    buffer: Buffer.from(JSON.stringify({ ...OWN, attributions: [1] })),
  });
  await page.waitForSelector('#status[data-code=result-invalid]');
  assert.equal(await page.textContent('#title'), 'Second');

  await page.click('#own-close');
  assert.equal(await page.textContent('#title'), before);
  assert.ok(await page.locator('#plot').isVisible());
  assert.equal(await page.locator('#own').count(), 0);
  // An answer takes the place, too.
  await openResult(page, 'own.json', OWN);
  await page.fill('#prompt', 'The capital of France is');
  await page.selectOption('#from', 'blocks.1.hook_resid_pre');
  await page.waitForFunction(() => /^Computed before/.test(document.querySelector('#status')?.textContent ?? ''));
  assert.match((await page.textContent('#title')) ?? '', /capital of France/);
  assert.equal(await page.locator('#own').count(), 0);
  assert.deepEqual(problems, []);
  await page.close();
});

test('both forms of embed code show what is shown, with its title, on another page', async () => {
  const { page, problems } = await openPage(browser, `${DEMO}&columns=total&across=1&limit=3&cell=84,14`);
  await settled(page);
  const shown = await page.textContent('#cell-text');
  await page.click('#copy-embed');
  await page.waitForSelector('#code[open]');
  assert.match((await page.textContent('#code-note')) ?? '', /^Shows this result on any page.*those of this computer/);
  const title = 'demo · latent → latent, resid_pre 0 → resid_pre 2 · The Eiffel tower is in Paris';
  const element = await page.inputValue('#code-text');
  assert.deepEqual(element.split('\n').length, 2);
  assert.match(element, new RegExp(`<a href="[^"]*/index.html#source=demo[^"]*">${title}</a>`));
  await page.getByLabel('Frame').check();
  const frame = await page.inputValue('#code-text');
  assert.ok(frame.startsWith('<iframe ') && frame.includes(` title="${title}"`), frame);
  await page.click('#code-copy');
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), frame);

  // Pages of others: this one's origin is another.
  const other = await browser.context.newPage();
  writeFileSync(join(made, 'other.html'), `<!doctype html><meta charset="utf-8"><title>Other</title>${element}`);
  await other.goto(`http://localhost:${new URL(browser.url).port}/made/other.html`);
  const figure = other.locator('sae-attribution');
  await figure.locator('[part=title]', { hasText: title }).waitFor();
  await figure.locator('[part=readout]', { hasText: /→/ }).waitFor();
  const view = await figure.evaluate((element) => /** @type {any} */ (element).view);
  assert.deepEqual(
    [view.columns, view.rows, view.across, view.limit, view.cell],
    ['total', 'position', true, 3, { row: 84, column: 14 }],
  );
  assert.ok(shown, 'a cell is pinned');
  // Another view is another look at the same.
  await figure.evaluate((element) => element.setAttribute('view', 'shown=gradients'));
  await other.waitForFunction(
    () => /** @type {any} */ (document.querySelector('sae-attribution')).view.shown === 'gradients',
  );
  // So is that of one that is made by a script.
  await other.evaluate(() => {
    const made = document.createElement('sae-attribution');
    for (const name of ['src', 'view'])
      made.setAttribute(name, document.querySelector('sae-attribution')?.getAttribute(name) ?? '');
    document.body.prepend(made);
  });
  await other.waitForFunction(
    () => /** @type {any} */ (document.querySelector('sae-attribution')).view.shown === 'gradients',
  );
  await other.close();
  assert.deepEqual(problems, []);
  await page.close();
});

test('what is embedded is what is shown: an opened file is not taken for the one of its request', async () => {
  const { page } = await openPage(browser, DEMO);
  await settled(page);
  const json = JSON.parse((await take(page, 'save')).toString());
  json.gradients[0] *= 2;
  json.attributions[0] *= 2;
  await openResult(page, 'mine.json', json);
  await page.click('#copy-embed');
  await page.waitForSelector('#code[open]');
  assert.match((await page.textContent('#code-note')) ?? '', /^Save the JSON.*ADDRESS-OF-YOUR-SAVED\.json/);
  assert.match(await page.inputValue('#code-text'), /src="ADDRESS-OF-YOUR-SAVED\.json"/);
  await page.close();
});
