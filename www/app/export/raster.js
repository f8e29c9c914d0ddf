// The same picture as PNG.

import { codedError } from '../../runtime/error.js';

/** @typedef {import('./picture.js').Picture} Picture */

/** The largest edge, and the most pixels, that every browser paints. */
const [EDGE, PIXELS] = [12_000, 64e6];

const tooLarge = () =>
  codedError('picture-too-large', 'The picture is too large for this browser. Save it smaller, or as SVG.');

/**
 * @param {Picture} drawn
 * @param {Document} document
 * @param {number} scale pixels for each of the picture's own
 * @returns {Promise<Blob>} rejects with `picture-too-large`
 */
export async function png({ svg, width, height }, document, scale) {
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [Math.round(width * scale), Math.round(height * scale)];
  if (Math.max(canvas.width, canvas.height) > EDGE || canvas.width * canvas.height > PIXELS) throw tooLarge();
  const image = document.createElement('img');
  image.src = URL.createObjectURL(new Blob([svg], { type: 'image/svg+xml' }));
  try {
    await image.decode().catch(() => {
      throw tooLarge();
    });
    canvas.getContext('2d')?.drawImage(image, 0, 0, canvas.width, canvas.height);
    return await new Promise((resolve, reject) =>
      canvas.toBlob((blob) => (blob ? resolve(blob) : reject(tooLarge())), 'image/png'),
    );
  } finally {
    URL.revokeObjectURL(image.src);
  }
}
