// The example notebook as it was saved: valid, executed with the code that it holds, and its figure is a result.
//
// scripts/notebook/run_example.py executes it; nothing is executed here.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { shownFromJson } from '../../www/figure/own.js';

const PROJECT = new URL('../../', import.meta.url);
const text = readFileSync(new URL('scripts/notebook/example.ipynb', PROJECT), 'utf8');
const notebook = JSON.parse(text);

/** Texts of a notebook may be lists of lines. @param {string | string[]} source */
const whole = (source) => (Array.isArray(source) ? source.join('') : source);
/** @type {any[]} */
const code = notebook.cells.filter((/** @type {any} */ { cell_type }) => cell_type === 'code');
/** What a frame's `srcdoc` says. @param {string} html */
const unescaped = (html) =>
  [
    ['&lt;', '<'],
    ['&gt;', '>'],
    ['&quot;', '"'],
    ['&#x27;', "'"],
    ['&amp;', '&'],
  ].reduce((text, [from, to]) => text.replaceAll(from, to), html);

test('the example notebook has the form of one, and its code is what was executed', () => {
  assert.deepEqual([notebook.nbformat, notebook.metadata.kernelspec.language], [4, 'python']);
  assert.ok(notebook.nbformat_minor >= 5);
  const ids = notebook.cells.map((/** @type {any} */ { id }) => id);
  assert.ok(ids.every((/** @type {string} */ id) => /^[\w-]{1,64}$/.test(id)) && new Set(ids).size === ids.length);
  for (const { cell_type, source, metadata } of notebook.cells) {
    assert.ok(['code', 'markdown'].includes(cell_type) && whole(source).trim() && metadata, whole(source));
  }
  assert.deepEqual(
    code.map(({ execution_count }) => execution_count),
    code.map((_, i) => i + 1),
  );
  const executed = code.map(({ source }) => whole(source)).join('\n\n');
  assert.equal(createHash('sha256').update(executed).digest('hex'), notebook.metadata.executed.sha256);
  assert.ok(text.length < 300_000, `${text.length} bytes`);
});

test('its outputs tell of no failure and of no computer, and hold a result that can be shown', () => {
  const outputs = code.flatMap(({ outputs }) => outputs);
  assert.ok(outputs.every(({ output_type, name }) => output_type !== 'error' && name !== 'stderr'));
  const said = outputs.map(({ text = '' }) => whole(text)).join('');
  assert.match(said, /167 active latents, 1670 pairs/);
  const [, apart] = /largest difference: (\S+) of the largest gradient/.exec(said) ?? [];
  assert.ok(Number(apart) < 5e-5, apart);
  assert.ok(!/\/(work|home|root|usr|tmp)\//.test(said));

  const [{ data }] = outputs.filter(({ data }) => data?.['text/html']);
  const page = unescaped(/srcdoc="([^"]*)"/.exec(whole(data['text/html']))?.[1] ?? '');
  assert.match(page, /default-src 'none'/);
  const json = /<script type="application\/json">([^]*?)<\/script>/.exec(page)?.[1] ?? '';
  const validate = new Ajv2020({ strictTypes: false }).compile(
    JSON.parse(readFileSync(new URL('www/figure/result.schema.json', PROJECT), 'utf8')),
  );
  assert.ok(validate(JSON.parse(json)), JSON.stringify(validate.errors));
  const shown = shownFromJson(json);
  assert.deepEqual([shown.sources.label.length, shown.targets.label.length], [40, 10]);
  assert.equal(shown.targets.label[0], "' tennis'");

  // Its numbers are those of the page, for the latents that it shows.
  const saved = JSON.parse(readFileSync(new URL('www/results/demo-tennis-logit.json', PROJECT), 'utf8'));
  const largest = Math.max(...saved.gradients.map(Math.abs));
  const columns = shown.sources.label.map((label, i) =>
    saved.sources.latent.findIndex(
      (/** @type {number} */ latent, /** @type {number} */ node) =>
        label.startsWith(`F3.${latent},`) && saved.sources.pos[node] === shown.sources.pos[i],
    ),
  );
  for (let row = 0; row < 10; row++) {
    for (const [i, column] of columns.entries()) {
      const [found, expected] = [
        shown.gradients[row * 40 + i],
        saved.gradients[row * saved.sources.pos.length + column],
      ];
      assert.ok(Math.abs(found - expected) <= 5e-5 * largest, `${shown.sources.label[i]}: ${found}, not ${expected}`);
    }
  }
});
