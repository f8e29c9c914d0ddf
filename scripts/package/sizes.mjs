// How large the package's files are, on disk and as hosts send them.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { brotliCompressSync, constants } from 'node:zlib';

/** Bytes as hosts send them, compressed once. scripts/size.mjs counts so, too. @param {Uint8Array} bytes */
export const brotli = (bytes) => brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } }).length;

/** @param {string} folder @param {string[]} files @returns {string} a table in Markdown */
export function sizes(folder, files) {
  const kb = (/** @type {number} */ bytes) => `${(bytes / 1000).toFixed(1)}`;
  const rows = files.map((file) => {
    const bytes = readFileSync(join(folder, file));
    return `| \`${file}\` | ${kb(bytes.length)} | ${kb(brotli(bytes))} |`;
  });
  return ['| file | kB | kB, brotli |', '|---|---|---|', ...rows].join('\n');
}
