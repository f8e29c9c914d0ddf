// Attributions against ablations as points: the line y = x, hover and keys to each pair.

import { ticks } from '../../figure/ticks.js';
import { brief } from '../../figure/text.js';
import { make } from './tables.js';

/** Size of the picture and room for its numbers, in CSS pixels. */
const [WIDTH, HEIGHT, LEFT, BOTTOM, EDGE] = [420, 340, 52, 40, 12];
/** How far from a point it is still meant, in pixels. */
const NEAR = 14;

/** @typedef {{cells: number[], x: (cell: number) => number, y: (cell: number) => number}} Points predicted and measured */

/**
 * A focusable picture. Arrow keys go to the next larger and smaller |attribution|, Enter pins the pair.
 * @param {Points} points
 * @param {object} options
 * @param {Document} options.document
 * @param {(cell: number) => string} options.tell a pair in words
 * @param {(cell: number) => void} options.onPick
 */
export function scatter({ cells, x, y }, { document, tell, onPick }) {
  const window = /** @type {Window & typeof globalThis} */ (document.defaultView);
  const root = make(document, 'div.scatter');
  const canvas = document.createElement('canvas');
  const said = make(document, 'p.quiet');
  said.setAttribute('aria-live', 'polite');
  const HINT = 'Point at a pair, or focus the picture and use the arrow keys; Enter pins it.';
  said.textContent = HINT;
  canvas.tabIndex = 0;
  canvas.setAttribute('role', 'application');
  canvas.setAttribute(
    'aria-label',
    `Attribution, from left to right, against ablation, from below, of ${cells.length} pairs. Left and right go through them by attribution, Enter pins one.`,
  );
  root.append(canvas, said);

  let most = 0;
  for (const cell of cells) most = Math.max(most, Math.abs(x(cell)), Math.abs(y(cell)));
  const reach = most * 1.05 || 1;
  const marks = ticks(-reach, reach, 5);
  /** Where a pair stands, in CSS pixels. */
  const across = (/** @type {number} */ value) => LEFT + ((value / reach + 1) / 2) * (WIDTH - LEFT - EDGE);
  const up = (/** @type {number} */ value) => EDGE + ((1 - value / reach) / 2) * (HEIGHT - EDGE - BOTTOM);
  const byAttribution = [...cells].sort((a, b) => x(a) - x(b) || a - b);
  let at = -1;

  /** All but the pair that is meant: painted once, as a pointer that moves would have it painted all the time. */
  const picture = document.createElement('canvas');

  function paint() {
    const scale = window.devicePixelRatio || 1;
    [picture.width, picture.height] = [WIDTH * scale, HEIGHT * scale];
    const context = /** @type {CanvasRenderingContext2D} */ (picture.getContext('2d'));
    const style = window.getComputedStyle(canvas);
    context.setTransform(scale, 0, 0, scale, 0, 0);
    [context.fillStyle, context.strokeStyle] = [style.color, style.color];
    context.font = `11px ${style.fontFamily}`;
    context.lineWidth = 1;
    for (const mark of marks) {
      context.globalAlpha = mark === 0 ? 0.5 : 0.12;
      line(context, across(mark), EDGE, across(mark), HEIGHT - BOTTOM);
      line(context, LEFT, up(mark), WIDTH - EDGE, up(mark));
      context.globalAlpha = 0.85;
      context.textAlign = 'center';
      context.fillText(brief(mark), across(mark), HEIGHT - BOTTOM + 15);
      context.textAlign = 'right';
      context.fillText(brief(mark), LEFT - 5, up(mark) + 4);
    }
    context.textAlign = 'center';
    context.fillText('attribution (predicted)', (LEFT + WIDTH) / 2, HEIGHT - 5);
    context.save();
    context.translate(11, (HEIGHT - BOTTOM) / 2);
    context.rotate(-Math.PI / 2);
    context.fillText('ablation (measured)', 0, 0);
    context.restore();
    context.globalAlpha = 0.6;
    context.setLineDash([5, 4]);
    line(context, across(-reach), up(-reach), across(reach), up(reach));
    context.setLineDash([]);
    // The accent as computed: a canvas does not know light-dark().
    context.fillStyle = window.getComputedStyle(said).borderTopColor;
    context.globalAlpha = cells.length > 500 ? 0.4 : 0.7;
    // Squares: thousands of circles would take a tenth of a second.
    for (const cell of cells) context.fillRect(across(x(cell)) - 2.5, up(y(cell)) - 2.5, 5, 5);
  }

  function mark() {
    const scale = picture.width / WIDTH;
    [canvas.width, canvas.height] = [picture.width, picture.height];
    const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext('2d'));
    context.drawImage(picture, 0, 0);
    if (at < 0) return;
    const cell = byAttribution[at];
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.strokeStyle = window.getComputedStyle(canvas).color;
    context.lineWidth = 2;
    context.beginPath();
    context.arc(across(x(cell)), up(y(cell)), 6, 0, 2 * Math.PI);
    context.stroke();
  }

  /** @param {number} next in the order of attributions; below 0: none */
  function point(next) {
    if (next === at) return;
    at = next;
    said.textContent = at < 0 ? HINT : tell(byAttribution[at]);
    mark();
  }

  /** The pair nearest to the pointer, if it is near. @param {PointerEvent | MouseEvent} event */
  function nearest({ clientX, clientY }) {
    const box = canvas.getBoundingClientRect();
    const [px, py] = [((clientX - box.left) * WIDTH) / box.width, ((clientY - box.top) * HEIGHT) / box.height];
    let [found, least] = [-1, NEAR ** 2];
    byAttribution.forEach((cell, i) => {
      const away = (across(x(cell)) - px) ** 2 + (up(y(cell)) - py) ** 2;
      if (away < least) [found, least] = [i, away];
    });
    return found;
  }

  canvas.addEventListener('pointermove', (event) => point(nearest(event)));
  canvas.addEventListener('pointerleave', () => point(-1));
  canvas.addEventListener('click', (event) => {
    const found = nearest(event);
    if (found >= 0) onPick(byAttribution[found]);
  });
  canvas.addEventListener('keydown', (event) => {
    const { length } = byAttribution;
    if (length === 0) return;
    const steps = /** @type {Record<string, number>} */ ({
      ArrowRight: Math.min(length - 1, at + 1),
      ArrowLeft: at < 0 ? length - 1 : Math.max(0, at - 1),
      Home: 0,
      End: length - 1,
    });
    if (Object.hasOwn(steps, event.key)) point(steps[event.key]);
    else if (event.key === 'Enter' && at >= 0) onPick(byAttribution[at]);
    else return;
    event.preventDefault();
  });
  return {
    element: root,
    /** Paints anew, where it stands on a page: in its colours. */
    draw() {
      paint();
      mark();
    },
  };
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {number} x2 @param {number} y2 */
function line(context, x, y, x2, y2) {
  context.beginPath();
  context.moveTo(x, y);
  context.lineTo(x2, y2);
  context.stroke();
}
