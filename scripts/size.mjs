// Prints the size of a wasm file as it is on disk and as servers send it; fails if it is too large.
//
//   node scripts/size.mjs FILE [MAX_BROTLI_MB]

import { readFileSync } from 'node:fs';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const [path, limit] = process.argv.slice(2);
const file = readFileSync(path);
const brotli = brotliCompressSync(file, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } });
const mb = (/** @type {number} */ bytes) => `${(bytes / 1e6).toFixed(2)} MB`;
console.log(`${path}: ${mb(file.length)} raw, ${mb(gzipSync(file).length)} gzip, ${mb(brotli.length)} brotli`);
if (limit && brotli.length > Number(limit) * 1e6) {
  console.error(`That is over ${limit} MB: what readers download must stay small.`);
  process.exitCode = 1;
}
