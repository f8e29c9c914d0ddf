// One saved result for another site's page: `embed.html?result=ADDRESS#VIEW`. No form, no model.

import { summarise } from './analysis.js';
import { codedError, describeError } from './error.js';
import { fromJson } from './result.js';
import { usable } from './sources.js';
import { DEFAULT_VIEW, decodeState } from './state.js';
import { fetchText } from './store.js';
import { brief, short, visible } from './text.js';
import { axes, describeCell, savedLabel } from './views/axes.js';
import { heatmap } from './views/heatmap.js';
import { defaultLimit } from './views/scale.js';
import { describeRequest } from './words.js';

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
  const result = fromJson(await fetchText(usable('result', wanted, new URL(location.href), false)));
  const state = decodeState(location.hash);
  const { cell } = state.view;
  const inside = cell && cell.row < result.targets.pos.length && cell.column < result.sources.pos.length;
  /** @type {import('./state.js').View} */
  const view = { ...DEFAULT_VIEW, ...state.view, cell: inside ? cell : undefined };
  const values = result[view.shown];
  /** @type {import('./views/axes.js').MeaningOf} */
  const meaning = (nodes, node) => savedLabel(result, nodes, node);
  const title = short(`${describeRequest(result.request)} · ${visible(result.request.prompt)}`, 160);
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
        else {
          const tooltip = element('tooltip');
          tooltip.textContent = lines.join('\n');
          const box = plot.element.getBoundingClientRect();
          const left = Math.min(box.left + cell.x + 16, innerWidth - tooltip.offsetWidth - 8);
          const top = Math.min(box.top + cell.y + 16, innerHeight - tooltip.offsetHeight - 8);
          tooltip.style.transform = `translate(${Math.max(8, left)}px, ${Math.max(8, top)}px)`;
        }
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
