// A result to take away: picture, tables. Loaded when it is asked for.

import { breath } from '../figure/analysis.js';
import { codedError } from '../runtime/error.js';
import { exact, short, visible } from '../figure/text.js';
import { paint } from '../figure/cells.js';
import { cssColor, themeOf } from '../figure/scale.js';

/** @typedef {import('../runtime/protocol.js').Attribution} Attribution */
/** @typedef {import('../runtime/protocol.js').Nodes} Nodes */
/** @typedef {import('../figure/cells.js').Matrix} Matrix */

/** Largest edge of a picture's cells, in pixels. */
const PICTURE = 6000;
/** Rows of a CSV written between two breaths. */
const SLICE = 4000;

/** @param {Document} document @param {Blob} blob @param {string} name */
export function download(document, blob, name) {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(blob);
  link.download = name;
  link.click();
  // Some browsers start to read later than they return.
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

/** A field of a CSV. @param {string} text */
function field(text) {
  // A field that a spreadsheet would compute is told to be text.
  const safe = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text;
  return /[",\n\r]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe;
}

/**
 * Every pair that is not 0, a line each; by target and then source.
 * @param {Attribution} result
 * @returns {Promise<Blob>}
 */
export async function csv(result) {
  const { sources, targets, gradients, attributions } = result;
  const columns = (/** @type {Nodes} */ nodes) =>
    Array.from(nodes.pos, (pos, i) =>
      [pos, nodes.latent[i] ?? nodes.token_id[i] ?? '', field(nodes.label[i]), exact(nodes.activation[i])].join(','),
    );
  const [from, to] = [columns(sources), columns(targets)];
  const side = (/** @type {string} */ name) => `${name}_pos,${name}_id,${name}_label,${name}_activation`;
  const parts = [`${side('source')},${side('target')},gradient,attribution\n`];
  /** @type {string[]} */
  let lines = [];
  for (let row = 0, i = 0; row < to.length; row++) {
    for (let column = 0; column < from.length; column++, i++) {
      if (gradients[i] === 0) continue;
      lines.push(`${from[column]},${to[row]},${exact(gradients[i])},${exact(attributions[i])}\n`);
      if (lines.length < SLICE) continue;
      parts.push(lines.join(''));
      lines = [];
      await breath();
    }
  }
  return new Blob([...parts, lines.join('')], { type: 'text/csv' });
}

/** @param {string} text */
function escaped(text) {
  return text.replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);
}

/**
 * The heatmap as SVG: cells as an embedded picture, everything else as text and lines.
 * @param {Matrix} matrix
 * @param {object} options
 * @param {Document} options.document
 * @param {string} options.title
 * @param {string[]} options.notes lines beneath
 * @returns {{svg: string, width: number, height: number}}
 */
export function picture(matrix, { document, title, notes }) {
  const theme = themeOf(document.documentElement);
  const { rows, columns, limit } = matrix;
  const [ink, ground] = theme === 'dark' ? ['#e7e5e4', '#171513'] : ['#1c1917', '#ffffff'];
  const cell = (/** @type {number} */ n, /** @type {number} */ room) =>
    Math.max(Math.min(14, room / n), Math.min(1, PICTURE / n));
  const [w, h] = [cell(columns.n, 1600), rows.n === 1 ? 60 : cell(rows.n, 1600)];
  const [width, height] = [columns.n * w, rows.n * h];
  const [left, top] = [230, 200];
  const block = (/** @type {number} */ n) => 2 ** Math.max(0, Math.ceil(Math.log2(n / PICTURE)));
  const [wide, tall] = [block(columns.n), block(rows.n)];
  const image = document.createElement('canvas');
  image.width = Math.ceil(columns.n / wide);
  image.height = Math.ceil(rows.n / tall);
  const part = { row: 0, column: 0, width: image.width, height: image.height, wide, tall };
  image.getContext('2d')?.putImageData(paint(matrix, theme, part), 0, 0);
  const [imageWidth, imageHeight] = [image.width * wide * w, image.height * tall * h];

  const out = [];
  const text = (
    /** @type {string} */ words,
    /** @type {number} */ x,
    /** @type {number} */ y,
    anchor = 'start',
    turn = 0,
    size = 11,
  ) =>
    out.push(
      `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" font-size="${size}" text-anchor="${anchor}"` +
        `${turn ? ` transform="rotate(${turn} ${x.toFixed(1)} ${y.toFixed(1)})"` : ''}>${escaped(visible(words))}</text>`,
    );
  text(short(title, 110), 12, 24, 'start', 0, 15);
  out.push(
    `<image x="${left}" y="${top}" width="${imageWidth}" height="${imageHeight}" preserveAspectRatio="none" style="image-rendering:pixelated" href="${image.toDataURL()}"/>`,
  );
  /** @param {import('../figure/cells.js').Axis} axis @param {number} size @param {(label: string, at: number) => void} write */
  const label = (axis, size, write) => {
    if (size >= 8) axis.order.forEach((node, place) => write(axis.label(node, false), (place + 0.5) * size));
    else {
      let start = 0;
      for (const { end, label } of axis.groups) {
        if ((end - start) * size >= 8) write(label, ((start + end) / 2) * size);
        start = end;
      }
    }
  };
  text(`${columns.name} →`, left - 8, top - 24, 'end');
  text(`${rows.name} ↓`, left - 8, top - 8, 'end');
  const font = (/** @type {number} */ cell) => Math.min(11, Math.max(8, cell));
  label(rows, h, (words, at) => text(short(words, 32), left - 6, top + at + 4, 'end', 0, font(h)));
  label(columns, w, (words, at) => text(short(words, 24), left + at + 4, top - 6, 'start', -90, font(w)));
  const line = (/** @type {number} */ x, /** @type {number} */ y, /** @type {number} */ dx, /** @type {number} */ dy) =>
    out.push(`<path d="M${x.toFixed(1)} ${y.toFixed(1)}l${dx} ${dy}" stroke="${ink}" stroke-opacity=".3"/>`);
  rows.groups.slice(0, -1).forEach(({ end }) => line(left, top + end * h, width, 0));
  columns.groups.slice(0, -1).forEach(({ end }) => line(left + end * w, top, 0, height));
  const below = top + height + 26;
  for (let i = 0; i < 60; i++) {
    out.push(
      `<rect x="${left + 3 * i}" y="${below - 10}" width="3.2" height="10" fill="${cssColor((2 * i) / 59 - 1, 1, theme)}"/>`,
    );
  }
  text(`−${exact(Math.fround(limit))} … ${exact(Math.fround(limit))}`, left + 190, below);
  notes.forEach((note, i) => text(short(note, 160), 12, below + 22 + 16 * i));
  const [fullWidth, fullHeight] = [
    Math.ceil(left + Math.max(width, 420) + 20),
    Math.ceil(below + 30 + 16 * notes.length),
  ];
  const svg =
    `<svg xmlns="http://www.w3.org/2000/svg" width="${fullWidth}" height="${fullHeight}" viewBox="0 0 ${fullWidth} ${fullHeight}" ` +
    `font-family="ui-monospace, Menlo, Consolas, monospace" fill="${ink}">` +
    `<title>${escaped(title)}</title><rect width="100%" height="100%" fill="${ground}"/>${out.join('')}</svg>\n`;
  return { svg, width: fullWidth, height: fullHeight };
}

const tooLarge = () => codedError('picture-too-large', 'The picture is too large for this browser. Save it as SVG.');

/**
 * The same picture as PNG, at twice its size where that is not too large.
 * @param {ReturnType<typeof picture>} drawn
 * @param {Document} document
 * @returns {Promise<Blob>}
 */
export async function png({ svg, width, height }, document) {
  const image = document.createElement('img');
  image.src = URL.createObjectURL(new Blob([svg], { type: 'image/svg+xml' }));
  try {
    await image.decode().catch(() => {
      throw tooLarge();
    });
    const scale = Math.max(width, height) * 2 <= 2 * PICTURE ? 2 : 1;
    const canvas = document.createElement('canvas');
    [canvas.width, canvas.height] = [width * scale, height * scale];
    canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve, reject) =>
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(tooLarge())), 'image/png'),
    );
  } finally {
    URL.revokeObjectURL(image.src);
  }
}
