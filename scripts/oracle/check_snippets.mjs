// Runs the Python that the page offers, as it is offered, and compares it with the page's own results.
//
//   ORACLE_VENV=target/oracle-venv node scripts/oracle/check_snippets.mjs [FILE...]
//
// Each entry of www/results/index.json on the bundled trained model, or those of these files. ORACLE_VENV
// is a virtual environment of Python 3.11 with requirements.lock.txt. Exits 1 where a result differs.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fromJson } from '../../www/figure/result.js';
import { originsOf, python } from '../../www/app/snippet.js';
import { SOURCES } from '../../www/app/sources.js';

/** Part of the largest value that a number may be off: what the page says of itself. */
const WITHIN = 5e-5;
const RESULTS = new URL('../../www/results/', import.meta.url);
const interpreter = join(resolve(process.env.ORACLE_VENV ?? 'target/oracle-venv'), 'bin', 'python');
const wanted = process.argv.slice(2);

/** What a snippet leaves behind, for us. */
const TAIL = `
import json
with open("found.json", "w") as file:
    json.dump({"gradients": gradients.flatten().tolist(), "attributions": attributions.flatten().tolist()}, file)
`;

/** How far two arrays are apart, as a part of the largest value. @param {ArrayLike<number>} found @param {Float32Array} expected */
function apart(found, expected) {
  if (found.length !== expected.length) return Infinity;
  const most = expected.reduce((size, value) => Math.max(size, Math.abs(value)), 0);
  return expected.reduce((size, value, i) => Math.max(size, Math.abs(value - found[i])), 0) / most;
}

/** @type {import('../../www/app/results.js').Precomputed[]} */
const index = JSON.parse(readFileSync(new URL('index.json', RESULTS), 'utf8'));
// The folders that the snippet tells its reader to download stand beside it.
const folder = mkdtempSync(join(tmpdir(), 'sae-attribution-snippet-'));
/** @param {string} name @param {string | undefined} address relative to the site */
function link(name, address) {
  rmSync(join(folder, name), { force: true });
  if (address) symlinkSync(fileURLToPath(new URL(`../../www/${address}`, import.meta.url)), join(folder, name));
}
try {
  for (const { file, source, request } of index) {
    if (source !== 'demo' || (wanted.length > 0 && !wanted.includes(file))) continue;
    const result = fromJson(readFileSync(new URL(file, RESULTS), 'utf8'));
    const origins = originsOf(result);
    link('model', origins.model);
    link('source', origins.from?.address);
    link('target', origins.to?.address);
    writeFileSync(join(folder, 'snippet.py'), python(request, origins) + TAIL);
    execFileSync(interpreter, ['snippet.py'], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
    const found = JSON.parse(readFileSync(join(folder, 'found.json'), 'utf8'));
    const off = [apart(found.gradients, result.gradients), apart(found.attributions, result.attributions)];
    const good = off.every((part) => part <= WITHIN);
    if (!good) process.exitCode = 1;
    const figures = off.map((part) => part.toExponential(1)).join(' and ');
    console.log(`${good ? 'same' : 'DIFFERS'}: ${file}: gradients and attributions off by ${figures} of the largest`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
