// The colour scale of a heatmap, with its ends and what they cut off.

import { brief } from './text.js';
import { cssColor, themeOf } from './scale.js';

/**
 * @param {HTMLCanvasElement} canvas
 * @param {number} limit
 */
export function legend(canvas, limit) {
  const context = canvas.getContext('2d');
  const theme = themeOf(canvas);
  if (!context) return;
  for (let x = 0; x < canvas.width; x++) {
    context.fillStyle = cssColor((2 * x) / (canvas.width - 1) - 1, 1, theme);
    context.fillRect(x, 0, 1, canvas.height);
  }
  const warm = theme === 'dark' ? 'orange' : 'red';
  canvas.setAttribute(
    'aria-label',
    `Colours from ${warm}, −${brief(limit)}, over ${theme === 'dark' ? 'black' : 'white'}, 0, to blue, ${brief(limit)}`,
  );
}
