// Runs the Python that the page offers, as it is offered, and compares it with the page's own results and with
// the reference's answers.
//
//   ORACLE_VENV=target/oracle-venv node scripts/oracle/check_snippets.mjs [NAME...]
//
// Each entry of www/results/index.json on the bundled trained model, and each case of tests/fixtures/places whose
// SAEs SAELens 5.5.2 reads as they are; or those of these names. ORACLE_VENV is a virtual environment of Python
// 3.11 with requirements.lock.txt. Exits 1 where a result differs.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fromJson } from '../../www/figure/result.js';
import { originsOf, python } from '../../www/app/snippet.js';
import { placesOf } from '../../www/figure/request.js';
import { saesAt } from '../../www/runtime/places.js';
import { readTensors, requestOf, sourceOf } from '../cases.mjs';

/** Part of the largest value that a number may be off: what the page says of itself. */
const WITHIN = 5e-5;
const WWW = fileURLToPath(new URL('../../www/', import.meta.url));
const PLACES = fileURLToPath(new URL('../../tests/fixtures/places', import.meta.url));
const interpreter = join(resolve(process.env.ORACLE_VENV ?? 'target/oracle-venv'), 'bin', 'python');
const wanted = process.argv.slice(2);

/** What a snippet leaves behind, for us. */
const TAIL = `
import json
with open("found.json", "w") as file:
    json.dump({"gradients": gradients.flatten().tolist(), "attributions": attributions.flatten().tolist()}, file)
`;

/** How far two arrays are apart, as a part of the largest value. @param {ArrayLike<number>} found @param {number[]} expected */
function apart(found, expected) {
  if (found.length !== expected.length) return Infinity;
  const most = expected.reduce((size, value) => Math.max(size, Math.abs(value)), 0);
  return expected.reduce((size, value, i) => Math.max(size, Math.abs(value - found[i])), 0) / most;
}

/** @param {string} path */
const json = (path) => JSON.parse(readFileSync(path, 'utf8'));

// The folders that the snippet tells its reader to download stand beside it.
const folder = mkdtempSync(join(tmpdir(), 'sae-attribution-snippet-'));

/**
 * @param {string} name
 * @param {import('../../www/runtime/protocol.js').Request} request
 * @param {import('../../www/app/snippet.js').Origins} origins paths of this computer
 * @param {Record<string, ArrayLike<number>>} expected
 * @param {string} saved as the page saves it: the Python compares itself with this
 */
function compare(name, request, origins, expected, saved) {
  for (const [link, path] of Object.entries({
    model: origins.model,
    source: origins.from?.address,
    target: origins.to?.address,
  })) {
    rmSync(join(folder, link), { force: true });
    if (path) symlinkSync(path, join(folder, link));
  }
  writeFileSync(join(folder, 'saved.json'), saved);
  writeFileSync(join(folder, 'snippet.py'), python(request, origins, { file: 'saved.json' }) + TAIL);
  execFileSync(interpreter, ['snippet.py'], { cwd: folder, stdio: ['ignore', 'ignore', 'pipe'] });
  const found = json(join(folder, 'found.json'));
  const off = ['gradients', 'attributions'].map((key) => apart(found[key], Array.from(expected[key])));
  const good = off.every((part) => part <= WITHIN);
  if (!good) process.exitCode = 1;
  const figures = off.map((part) => part.toExponential(1)).join(' and ');
  console.log(`${good ? 'same' : 'DIFFERS'}: ${name}: gradients and attributions off by ${figures} of the largest`);
}

/** The reference's answer as the page would save it. @param {Record<string, any>} expected @param {any} about */
function savedOf({ from_indices, to_indices, from_acts, gradients, attributions }, { tokens, token_ids }) {
  const side = (/** @type {any} */ indices) => {
    const every = (/** @type {number} */ at) =>
      Array.from(indices)
        .filter((_, i) => i % 3 === at)
        .map(Number);
    return indices ? { pos: every(1), latent: every(2) } : {};
  };
  return JSON.stringify({
    tokens: { token_id: tokens },
    sources: { ...side(from_indices), activation: from_acts ? [...from_acts] : tokens.map(() => 1) },
    targets: { ...side(to_indices), token_id: token_ids },
    gradients: [...gradients],
    attributions: [...attributions],
  });
}

const isWanted = (/** @type {string} */ name) => wanted.length === 0 || wanted.includes(name);
try {
  for (const { file, source } of json(join(WWW, 'results/index.json'))) {
    if (source !== 'demo' || !isWanted(file)) continue;
    const saved = readFileSync(join(WWW, 'results', file), 'utf8');
    const result = fromJson(saved);
    const { model, from, to } = originsOf(result);
    const here = (/** @type {import('../../www/runtime/protocol.js').SaeOrigin | undefined} */ sae) =>
      sae && { ...sae, address: join(WWW, sae.address) };
    const { request, gradients, attributions } = result;
    const origins = { model: join(WWW, model), from: here(from), to: here(to) };
    compare(file, request, origins, { gradients, attributions }, saved);
  }
  const { model, saes } = sourceOf(PLACES, PLACES);
  const saeOf = (/** @type {unknown} */ place) =>
    saesAt(saes, String(place)).find(({ address }) => existsSync(join(address, 'cfg.json')));
  for (const one of json(join(PLACES, 'cases.json'))) {
    const request = requestOf(one);
    const isRead = placesOf(request).every((place) => {
      const sae = saeOf(place);
      const config = sae && json(join(sae.address, 'cfg.json'));
      // Neither the form of SAELens 6, nor one that is not an SAE, nor one that is still to be scaled.
      return config && !config.metadata && config.normalize_activations !== false && !sae.norm_scaling_factor;
    });
    if (!isRead || !isWanted(one.name)) continue;
    const expected = readTensors(join(PLACES, 'expected', `${one.name}.safetensors`));
    const origins = { model: model.address, from: saeOf(request.from), to: saeOf(request.to) };
    compare(
      one.name,
      request,
      origins,
      expected,
      savedOf(expected, json(join(PLACES, 'expected', `${one.name}.json`))),
    );
  }
} finally {
  rmSync(folder, { recursive: true });
}
