// The cells of a matrix as a PNG, strip after strip: a canvas would hold the page up while it is read.

import { breath } from '../../figure/analysis.js';
import { paint } from '../../figure/cells.js';

/** @typedef {import('../../figure/cells.js').Matrix} Matrix */

/** Cells looked at between two breaths. */
const SLICE = 1 << 16;
const SIGNATURE = [137, 80, 78, 71, 13, 10, 26, 10];

/** Of each byte, as PNG checks its parts. */
const CRC = Uint32Array.from({ length: 256 }, (_, byte) => {
  let rest = byte;
  for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1;
  return rest;
});

/** @param {Uint8Array} bytes */
function crc(bytes) {
  let rest = 0xffffffff;
  for (const byte of bytes) rest = CRC[(rest ^ byte) & 255] ^ (rest >>> 8);
  return ~rest >>> 0;
}

/** A part of a PNG: its length, name and content, and a checksum of the last two. @param {string} name @param {Uint8Array} content */
function part(name, content) {
  const bytes = new Uint8Array(content.length + 12);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, content.length);
  for (let i = 0; i < 4; i++) bytes[4 + i] = name.charCodeAt(i);
  bytes.set(content, 8);
  view.setUint32(bytes.length - 4, crc(bytes.subarray(4, bytes.length - 4)));
  return bytes;
}

/**
 * @param {Matrix} matrix
 * @param {import('../../figure/scale.js').Theme} theme
 * @param {{width: number, height: number, wide: number, tall: number}} size in pixels, each the strongest of
 *   `tall` × `wide` places
 * @returns {Promise<string>} the address of the image, with all of it
 */
export async function encode(matrix, theme, { width, height, wide, tall }) {
  const { readable, writable } = new CompressionStream('deflate');
  const packed = new Response(readable).arrayBuffer();
  const writer = writable.getWriter();
  const strip = Math.max(1, Math.floor(SLICE / (width * wide * tall)));
  for (let y = 0; y < height; y += strip) {
    const rows = Math.min(strip, height - y);
    const { data } = paint(matrix, theme, { row: y * tall, column: 0, width, height: rows, wide, tall });
    // A line begins with how it was filtered: not at all.
    const lines = new Uint8Array(rows * (1 + 3 * width));
    for (let row = 0, from = 0, to = 0; row < rows; row++) {
      to++;
      for (let column = 0; column < width; column++, from += 4) {
        lines[to++] = data[from];
        lines[to++] = data[from + 1];
        lines[to++] = data[from + 2];
      }
    }
    await writer.write(lines);
    await breath();
  }
  await writer.close();
  const header = new Uint8Array(13);
  const view = new DataView(header.buffer);
  view.setUint32(0, width);
  view.setUint32(4, height);
  // Eight bits each of red, green and blue.
  header.set([8, 2], 8);
  const image = new Blob([
    new Uint8Array(SIGNATURE),
    part('IHDR', header),
    part('IDAT', new Uint8Array(await packed)),
    part('IEND', new Uint8Array()),
  ]);
  return `data:image/png;base64,${await base64(new Uint8Array(await image.arrayBuffer()))}`;
}

/** Bytes written at once; a multiple of three, so that what is written can be put together. */
const CHUNK = 0x6000;

/** @param {Uint8Array} bytes */
async function base64(bytes) {
  const parts = [];
  for (let i = 0; i < bytes.length; i += CHUNK) {
    parts.push(btoa(String.fromCharCode(...bytes.subarray(i, i + CHUNK))));
    if (i % (16 * CHUNK) === 0) await breath();
  }
  return parts.join('');
}
