// The page: reads the form, asks the client, shows the reply.

import { Client } from './client.js';
import { describeError } from './error.js';
import { fromJson, toJson } from './result.js';
import { fromAddress } from './sources.js';
import { heatmap } from './views/heatmap.js';
import { cssColor, defaultLimit } from './views/scale.js';
import * as tables from './views/tables.js';

/** @typedef {import('./protocol.js').Attribution} Attribution */
/** @typedef {import('./protocol.js').Request} Request */
/** @typedef {import('./protocol.js').Progress} Progress */

/** @param {string} id @returns {any} */
const element = (id) => document.getElementById(id);

const address = fromAddress(new URL(location.href));
const client = new Client();
/** Name of the source that the client has open. @type {string | undefined} */
let opened;
/** @type {AbortController | undefined} */
let running;
/** @type {Attribution | undefined} */
let result;
/** @type {ReturnType<typeof heatmap> | undefined} */
let plot;

/** What each phase is called and counted in. @type {Record<Progress['phase'], [string, string]>} */
const PHASES = {
  load: ['Loading weights', 'MB'],
  forward: ['Running the model', 'blocks'],
  encode: ['Encoding latents', 'positions'],
  jacobian: ['Differentiating', 'targets'],
};

function fillForm() {
  for (const [name, { title }] of Object.entries(address.sources)) {
    element('source').append(new Option(title, name, false, name === address.selected));
  }
  fillLayers();
  showFields();
}

function fillLayers() {
  const { layers } = address.sources[element('source').value];
  const last = layers[layers.length - 1];
  const preferences = { layer_from: layers[0], layer_to: layers.includes(3) ? 3 : last, layer: last };
  for (const [id, preferred] of Object.entries(preferences)) {
    element(id).replaceChildren(
      ...layers.map((layer) => new Option(String(layer), String(layer), false, layer === preferred)),
    );
  }
}

/** @returns {Request['kind']} */
function kind() {
  return /** @type {any} */ (document.querySelector('input[name=kind]:checked')).value;
}

function showFields() {
  for (const field of document.querySelectorAll('[data-kinds]')) {
    /** @type {HTMLElement} */ (field).hidden = !field.getAttribute('data-kinds')?.split(' ').includes(kind());
  }
}

/** @returns {Request} */
function request() {
  const prompt = element('prompt').value;
  const integer = (/** @type {string} */ id) => Number(element(id).value);
  switch (kind()) {
    case 'token_to_latent':
      return { kind: 'token_to_latent', prompt, layer: integer('layer') };
    case 'latent_to_latent':
      return {
        kind: 'latent_to_latent',
        prompt,
        layer_from: integer('layer_from'),
        layer_to: integer('layer_to'),
        threshold: element('threshold').valueAsNumber,
      };
    case 'latent_to_logit':
      return { kind: 'latent_to_logit', prompt, layer: integer('layer'), k: element('k').valueAsNumber };
    case 'logit_difference':
      return {
        kind: 'logit_difference',
        prompt,
        layer: integer('layer'),
        positive: element('positive').value,
        negative: element('negative').value,
      };
  }
}

/** @param {string} text @param {boolean} [failed] */
function status(text, failed = false) {
  element('status').textContent = text;
  element('status').classList.toggle('failed', failed);
}

/** @param {Progress} progress */
function showProgress({ phase, done, total }) {
  const [name, unit] = PHASES[phase];
  const count = (/** @type {number} */ n) => (phase === 'load' ? (n / 1e6).toFixed(1) : String(n));
  status(`${name}: ${count(done)} of ${count(total)} ${unit}`);
  const bar = element('progress');
  bar.hidden = false;
  bar.max = Math.max(total, 1);
  bar.value = total ? done : 1;
}

async function run() {
  const name = element('source').value;
  const controller = new AbortController();
  running = controller;
  element('run').disabled = true;
  element('cancel').disabled = false;
  const start = performance.now();
  try {
    if (opened !== name) {
      status('Starting the runtime and reading the model’s configuration…');
      const { device, reason } = await client.open(address.sources[name], {
        device: address.device,
        signal: controller.signal,
      });
      opened = name;
      element('device').textContent = `Computing on ${device === 'webgpu' ? 'WebGPU' : 'the CPU'}: ${reason}.`;
      element('device').dataset.device = device;
    }
    const reply = await client.attribute(request(), { onProgress: showProgress, signal: controller.signal });
    await show(reply);
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    status(`Done in ${seconds} s: ${reply.sources.pos.length} sources × ${reply.targets.pos.length} targets.`);
  } catch (error) {
    const { code, message } = describeError(error);
    status(code === 'cancelled' ? 'Cancelled. What was loaded is kept.' : `${message} [${code}]`, code !== 'cancelled');
    element('status').dataset.code = code;
  } finally {
    running = undefined;
    element('run').disabled = false;
    element('cancel').disabled = true;
    element('progress').hidden = true;
  }
}

/**
 * Shows a result part by part, so that a large one does not hold the page up.
 * @param {Attribution} shown
 */
async function show(shown) {
  result = shown;
  const breath = () => new Promise((resolve) => setTimeout(resolve));
  delete element('status').dataset.code;
  element('result').hidden = false;
  element('tokens').replaceChildren(
    ...shown.tokens.string.map((string, pos) => {
      const item = document.createElement('li');
      const note = document.createElement('small');
      note.textContent = `${pos} · ${shown.tokens.token_id[pos]}`;
      item.append(JSON.stringify(string).slice(1, -1) || '∅', note);
      return item;
    }),
  );
  const hasAttributions = shown.request.kind !== 'token_to_latent';
  element('shown').value = hasAttributions ? 'attributions' : 'gradients';
  const parts = [
    () => element('statistics').replaceChildren(...tables.statistics(shown, document)),
    () => element('pairs').replaceChildren(...tables.pairs(shown, document)),
    () => element('logits').replaceChildren(...tables.logits(shown, document)),
    () => draw(true),
  ];
  for (const part of parts) {
    await breath();
    // Another result came meanwhile.
    if (result !== shown) return;
    part();
  }
}

/** @param {boolean} [resetLimit] */
function draw(resetLimit = false) {
  if (!result) return;
  const shown = /** @type {'attributions' | 'gradients'} */ (element('shown').value);
  const values = result[shown];
  if (resetLimit) element('limit').value = Number(defaultLimit(values).toPrecision(3));
  const limit = Math.abs(element('limit').valueAsNumber) || defaultLimit(values);
  element('tooltip').hidden = true;
  if (values.length === 0) {
    const empty = document.createElement('p');
    empty.textContent = 'No pairs: at least one side has no active latents.';
    element('plot').replaceChildren(empty);
    return;
  }
  plot = heatmap(
    { values, rows: result.targets.label, columns: result.sources.label, limit },
    {
      document,
      label: `${shown} of ${result.request.kind.replaceAll('_', ' ')}`,
      cell: element('cell').valueAsNumber,
      onCell: (cell) => describeCell(cell),
    },
  );
  element('plot').replaceChildren(plot.element);
  drawLegend(limit);
}

/** @param {number} limit */
function drawLegend(limit) {
  const canvas = element('legend');
  const context = canvas.getContext('2d');
  for (let x = 0; x < canvas.width; x++) {
    context.fillStyle = cssColor((2 * x) / (canvas.width - 1) - 1, 1);
    context.fillRect(x, 0, 1, canvas.height);
  }
  canvas.setAttribute('aria-label', `Colours from red, −${limit}, over white, 0, to blue, ${limit}`);
}

/** @param {{row: number, column: number, x: number, y: number, pointed: boolean} | undefined} cell */
function describeCell(cell) {
  const tooltip = element('tooltip');
  tooltip.hidden = !cell;
  if (!cell || !result || !plot) return;
  const i = cell.row * result.sources.pos.length + cell.column;
  const lines = [
    `${result.sources.label[cell.column]} → ${result.targets.label[cell.row]}`,
    `gradient ${result.gradients[i]}`,
    `attribution ${result.attributions[i]}`,
    `source activation ${result.sources.activation[cell.column]}`,
    `target activation ${result.targets.activation[cell.row]}`,
  ];
  tooltip.textContent = lines.join('\n');
  const box = plot.element.getBoundingClientRect();
  const left = Math.min(box.left + cell.x + 14, innerWidth - tooltip.offsetWidth - 8);
  const top = Math.min(box.top + cell.y + 14, innerHeight - tooltip.offsetHeight - 8);
  tooltip.style.left = `${Math.max(left, 8)}px`;
  tooltip.style.top = `${Math.max(top, 8)}px`;
  // Read aloud for the keyboard; a moving pointer would only flood it.
  if (!cell.pointed) element('cell-text').textContent = lines.join(', ');
}

function save() {
  if (!result) return;
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob([toJson(result)], { type: 'application/json' }));
  link.download = `${result.request.kind}.json`;
  link.click();
  URL.revokeObjectURL(link.href);
}

/** @param {File | undefined} file */
async function openFile(file) {
  if (!file) return;
  try {
    await show(fromJson(await file.text()));
    status(`Opened ${file.name}.`);
  } catch (error) {
    const { code, message } = describeError(error);
    status(`${message} [${code}]`, true);
    element('status').dataset.code = code;
  }
}

fillForm();
element('form').addEventListener('submit', (/** @type {Event} */ event) => {
  event.preventDefault();
  if (!running) void run();
});
element('form').addEventListener('change', showFields);
element('source').addEventListener('change', fillLayers);
element('prompt').addEventListener('keydown', (/** @type {KeyboardEvent} */ event) => {
  if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) element('form').requestSubmit();
});
element('cancel').addEventListener('click', () => running?.abort());
element('shown').addEventListener('change', () => draw(true));
element('limit').addEventListener('change', () => draw());
element('cell').addEventListener('input', () => plot?.zoom(element('cell').valueAsNumber));
element('save').addEventListener('click', save);
element('open').addEventListener('click', () => element('file').click());
element('file').addEventListener('change', () => {
  void openFile(element('file').files[0]);
  element('file').value = '';
});
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  if (running) running.abort();
  else element('tooltip').hidden = true;
});
