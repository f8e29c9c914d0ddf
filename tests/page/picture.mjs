// A screenshot of a page as a small PNG, of 256 colours: a page has few more that anybody tells apart.

import { deflateSync } from 'node:zlib';

/**
 * @param {import('playwright-core').Page} blank decodes
 * @param {Buffer} png
 * @returns {Promise<Buffer>} the same picture, a byte a pixel
 */
export async function indexed(blank, png) {
  const { width, height, data } = await blank.evaluate(async (base64) => {
    const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
    const bitmap = await createImageBitmap(new Blob([bytes]));
    const { width, height } = bitmap;
    const context = /** @type {OffscreenCanvasRenderingContext2D} */ (
      new OffscreenCanvas(width, height).getContext('2d')
    );
    context.drawImage(bitmap, 0, 0);
    const { data } = context.getImageData(0, 0, width, height);
    let text = '';
    for (let i = 0; i < data.length; i += 32_768) text += String.fromCharCode(...data.subarray(i, i + 32_768));
    return { width, height, data: btoa(text) };
  }, png.toString('base64'));
  const pixels = new Uint32Array(new Uint8Array(Buffer.from(data, 'base64')).buffer);
  /** @type {Map<number, number>} */
  const counts = new Map();
  for (const pixel of pixels) counts.set(pixel, (counts.get(pixel) ?? 0) + 1);
  const palette = paletteOf([...counts.keys()].sort((a, b) => Number(counts.get(b)) - Number(counts.get(a))));
  /** @type {Map<number, number>} */
  const nearest = new Map();
  for (const pixel of counts.keys()) {
    const distances = palette.map((colour) => distance(colour, pixel));
    nearest.set(pixel, distances.indexOf(Math.min(...distances)));
  }
  const rows = Buffer.alloc(height * (width + 1));
  for (let i = 0; i < pixels.length; i++)
    rows[Math.floor(i / width) * (width + 1) + 1 + (i % width)] = /** @type {number} */ (nearest.get(pixels[i]));
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  // 8 bits of an index into the palette.
  header.set([8, 3], 8);
  return Buffer.concat([
    Buffer.from('89504e470d0a1a0a', 'hex'),
    chunk('IHDR', header),
    chunk('PLTE', Buffer.from(palette.flatMap(channels))),
    chunk('IDAT', deflateSync(rows, { level: 9 })),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

/** @param {number} pixel */
const channels = (pixel) => [pixel & 255, (pixel >> 8) & 255, (pixel >> 16) & 255];

/** @param {number} a @param {number} b */
function distance(a, b) {
  const [one, other] = [channels(a), channels(b)];
  return Math.max(...one.map((value, i) => Math.abs(value - other[i])));
}

/** At most 256 colours, no further from any pixel than need be. @param {number[]} pixels commonest first */
function paletteOf(pixels) {
  for (let most = 0; ; most++) {
    /** @type {number[]} */
    const palette = [];
    for (const pixel of pixels) {
      if (palette.length > 256) break;
      if (palette.every((colour) => distance(colour, pixel) > most)) palette.push(pixel);
    }
    if (palette.length <= 256) return palette;
  }
}

/** What ends a chunk of a PNG. Node has it only from 20.15 on. @param {Buffer} bytes */
function crc32(bytes) {
  let crc = ~0;
  for (const byte of bytes) {
    crc ^= byte;
    for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0);
  }
  return ~crc >>> 0;
}

/** @param {string} name @param {Buffer} content */
function chunk(name, content) {
  const body = Buffer.concat([Buffer.from(name, 'latin1'), content]);
  const frame = Buffer.alloc(8);
  frame.writeUInt32BE(content.length, 0);
  frame.writeUInt32BE(crc32(body), 4);
  return Buffer.concat([frame.subarray(0, 4), body, frame.subarray(4)]);
}
