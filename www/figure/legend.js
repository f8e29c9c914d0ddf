// The scale of colours beneath a heatmap: what a value is, its ends, round numbers between, and what is cut off.

import { brief, count } from './text.js';
import { cssColor, themeOf } from './scale.js';
import { ticks } from './ticks.js';

const SVG = 'http://www.w3.org/2000/svg';
/** Pixels of the strip, of an arrow at its end, and of the room at both sides for halves of numbers. */
const [WIDTH, HEIGHT, ARROW, SIDE] = [200, 10, 8, 22];
/** Shades of the strip. */
const SHADES = 80;
/** Width of a digit. */
const DIGIT = 6.6;

/** @typedef {{low: number, high: number}} Cut how many values are beyond each end */

/**
 * @param {HTMLElement} host whose content it becomes
 * @param {object} scale
 * @param {number} scale.limit where it ends
 * @param {string} scale.quantity what a value is, in a word
 * @param {Cut} scale.cut
 * @param {boolean} [scale.isBars] bars have an axis of values instead
 */
export function legend(host, { limit, quantity, cut, isBars = false }) {
  host.hidden = isBars;
  if (isBars) return host.replaceChildren();
  const theme = themeOf(host);
  const document = host.ownerDocument;
  /** @param {string} name @param {Record<string, string | number>} attributes @param {string} [text] */
  const make = (name, attributes, text = '') => {
    const element = document.createElementNS(SVG, name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, String(value));
    element.textContent = text;
    return element;
  };
  const width = WIDTH + 2 * SIDE;
  const svg = make('svg', { width, height: HEIGHT + 18, viewBox: `0 0 ${width} ${HEIGHT + 18}`, role: 'img' });
  const warm = theme === 'dark' ? 'orange' : 'red';
  const ends = [cut.low > 0 ? ', and below' : '', cut.high > 0 ? ', and above' : ''];
  svg.setAttribute(
    'aria-label',
    `Colours of ${quantity}: from ${warm}, −${brief(limit)}${ends[0]}, over ${theme === 'dark' ? 'black' : 'white'}, 0, to blue, ${brief(limit)}${ends[1]}`,
  );
  const at = (/** @type {number} */ value) => SIDE + ((value / limit + 1) / 2) * WIDTH;
  for (let i = 0; i < SHADES; i++) {
    const part = WIDTH / SHADES;
    svg.append(
      make('rect', {
        ...{ x: SIDE + i * part, y: 0, width: part + 0.5, height: HEIGHT },
        fill: cssColor((2 * i) / (SHADES - 1) - 1, 1, theme),
      }),
    );
  }
  // What is beyond an end has its colour.
  const [left, right, middle] = [SIDE, SIDE + WIDTH, HEIGHT / 2];
  const beyond = [
    { count: cut.low, points: `${left},0 ${left},${HEIGHT} ${left - ARROW},${middle}`, value: -1 },
    { count: cut.high, points: `${right},0 ${right},${HEIGHT} ${right + ARROW},${middle}`, value: 1 },
  ];
  for (const { count, points, value } of beyond)
    if (count > 0) svg.append(make('polygon', { points, fill: cssColor(value, 1, theme) }));
  const [first, last] = [cut.low > 0 ? left - ARROW : left, cut.high > 0 ? right + ARROW : right];
  svg.append(
    make('path', {
      d: `M${left} 0L${right} 0L${last} ${cut.high > 0 ? middle : 0}L${cut.high > 0 ? right : last} ${HEIGHT}L${left} ${HEIGHT}L${first} ${cut.low > 0 ? middle : HEIGHT}Z`,
      fill: 'none',
      stroke: 'currentColor',
      'stroke-opacity': 0.5,
    }),
  );
  for (const value of marks(limit)) {
    svg.append(make('path', { d: `M${at(value)} ${HEIGHT}v4`, stroke: 'currentColor' }));
    const text = { x: at(value), y: HEIGHT + 14, 'font-size': 11, 'text-anchor': 'middle', fill: 'currentColor' };
    svg.append(make('text', text, brief(value)));
  }
  const name = document.createElement('span');
  name.textContent = quantity;
  return host.replaceChildren(name, svg);
}

/**
 * Both ends and 0, and as many round numbers between as have room beside them.
 * @param {number} limit
 */
export function marks(limit) {
  const wide = (/** @type {number} */ value) => brief(value).length * DIGIT;
  const half = WIDTH / 2 / limit;
  /** @param {number[]} between not to stand on each other */
  const fit = (between) => {
    const all = [...between.filter((value) => value > 0 && value < limit), limit];
    return all.every((value, i) => {
      const before = i === 0 ? 0 : all[i - 1];
      // A minus makes those at the left wider.
      return (value - before) * half >= (wide(-value) + (before ? wide(-before) : DIGIT)) / 2 + 4;
    });
  };
  for (const about of [6, 4, 2]) {
    const round = ticks(-limit, limit, about);
    // The one next to the end gives way to it.
    for (const between of [round, round.slice(1, -1)]) {
      if (!fit(between)) continue;
      return [-limit, ...between.filter((value) => Math.abs(value) < limit), limit];
    }
  }
  return [-limit, 0, limit];
}

/**
 * How many values are beyond each end of a scale.
 * @param {Float32Array} values
 * @param {number} limit
 * @returns {Cut}
 */
export function cutOff(values, limit) {
  let low = 0;
  let high = 0;
  const least = -limit;
  for (let i = 0; i < values.length; i++) {
    const value = values[i];
    if (value > limit) high++;
    else if (value < least) low++;
  }
  return { low, high };
}

/** @param {Cut} cut @param {boolean} isBars */
export function tellCut({ low, high }, isBars) {
  const [what, done, n] = isBars ? ['bar', 'cut off', low + high] : ['cell', 'clipped', low + high];
  return n === 0 ? `no ${what} is ${done}` : `${count(n, what)} ${n === 1 ? 'is' : 'are'} ${done}`;
}
