// One saved result for another site's page: `embed.html?result=ADDRESS#VIEW`. No form, no model.

import { summarise } from '../figure/analysis.js';
import { codedError, describeError } from '../runtime/error.js';
import { fetchText } from '../runtime/loading/fetch-text.js';
import { usable } from '../runtime/places.js';
import { fromJson, MAX_BYTES, titleOf } from '../figure/result.js';
import { brief, short } from '../figure/text.js';
import { showTooltip } from '../figure/tooltip.js';
import { axes, describeCell, savedLabel } from '../figure/axes.js';
import { heatmap } from '../figure/heatmap.js';
import { defaultLimit } from '../figure/scale.js';
import { DEFAULT_VIEW, readView } from '../figure/view.js';

/** @param {string} id @returns {any} */
const element = (id) => document.getElementById(id);

/** In the place of the heatmap. @param {string} text */
function say(text) {
  const note = document.createElement('p');
  note.className = 'empty';
  note.textContent = text;
  element('plot').replaceChildren(note);
}

async function open() {
  const wanted = new URL(location.href).searchParams.get('result');
  if (!wanted) throw codedError('address-invalid', 'The address names no result: embed.html?result=ADDRESS.');
  const address = usable('result', wanted, new URL(location.href));
  const result = fromJson(await fetchText(address, MAX_BYTES));
  const asked = readView(new URLSearchParams(location.hash.slice(1)));
  const { cell } = asked;
  const inside = cell && cell.row < result.targets.pos.length && cell.column < result.sources.pos.length;
  /** @type {import('../figure/view.js').View} */
  const view = { ...DEFAULT_VIEW, ...asked, cell: inside ? cell : undefined };
  const values = result[view.shown];
  /** @type {import('../figure/axes.js').MeaningOf} */
  const meaning = (nodes, node) => savedLabel(result, nodes, node);
  const title = short(titleOf(result), 160);
  element('title').textContent = document.title = title;
  if (values.length === 0) return say('No pairs: at least one side has no active latents.');
  const summary = await summarise(values, result.targets.pos, result.sources.pos);
  const limit = view.limit ?? defaultLimit(values);
  const plot = heatmap(
    { values, ...axes(result, view, summary, meaning), limit, across: view.across },
    {
      document,
      label: `${view.shown} of ${title}`,
      onCell(cell) {
        element('tooltip').hidden = !cell?.pointed;
        if (!cell) return;
        const total = view.shown === 'attributions' ? summary?.all.rowTotal[cell.row] : undefined;
        const lines = describeCell(result, cell, total, meaning);
        if (!cell.pointed) element('cell-text').textContent = lines.join(', ');
        else showTooltip(element('tooltip'), lines, plot.element, cell);
      },
    },
  );
  element('plot').replaceChildren(plot.element);
  if (view.cell) plot.select(view.cell);
  else element('cell-text').textContent = `Colours end at ±${brief(limit)}. ${element('cell-text').textContent}`;
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => plot.repaint());
}

element('full').href = new URL(`./index.html${location.hash}`, location.href).href;
open().catch((error) => {
  const { code, message } = describeError(error);
  say(`${message} [${code}]`);
});
