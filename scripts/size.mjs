// Prints what a file weighs: raw, and as a server sends it.
//
//   node scripts/size.mjs FILE...

import { readFileSync } from 'node:fs';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';

const mb = (/** @type {number} */ bytes) => `${(bytes / 1e6).toFixed(2)} MB`;
for (const file of process.argv.slice(2)) {
  const bytes = readFileSync(file);
  const brotli = brotliCompressSync(bytes, { params: { [constants.BROTLI_PARAM_QUALITY]: 9 } });
  console.log(`${file}: ${mb(bytes.length)} raw, ${mb(gzipSync(bytes).length)} gzip, ${mb(brotli.length)} brotli`);
}
