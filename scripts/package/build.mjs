// Makes the npm package in dist/package from www/ and the builds in www/runtime/pkg.
//
//   node scripts/package/build.mjs
//
// Every module that it exports is one self-contained file, but for what the element loads for a live run.

import { copyFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundle } from './bundle.mjs';
import { sizes } from './sizes.mjs';
import { declare } from './types.mjs';

const PROJECT = new URL('../../', import.meta.url).pathname;
const OUT = join(PROJECT, 'dist/package');

/** What is exported, by its name in the package. Those of which there is no source are left out. */
const ENTRIES = Object.entries({
  index: 'runtime/index.js',
  worker: 'runtime/worker.js',
  element: 'embed/element.js',
  figure: 'figure/index.js',
}).filter(([, path]) => existsSync(join(PROJECT, 'www', path)));

const read = (/** @type {string} */ path) => readFileSync(join(PROJECT, path), 'utf8');

function manifest() {
  const [, version] = /^version = "(.*)"$/m.exec(read('crate/Cargo.toml')) ?? [];
  const { name, description, ...rest } = JSON.parse(read('scripts/package/template.json'));
  for (const path of Object.keys(rest.exports)) {
    const { default: file } = rest.exports[path];
    if (file && !existsSync(join(OUT, file))) delete rest.exports[path];
  }
  return { name, version, description, ...rest };
}

/** What is exported, for the README: as the manifest says, of what is there. */
function exported() {
  /** @type {Record<string, string>} */
  const words = {
    '.': 'the client, `describeError`, names of places',
    './element':
      'registers `<sae-attribution>`, which shows a saved result and computes live when the reader asks for it',
    './figure': '`drawFigure(node, result)` draws a result',
    './worker.js': 'the worker, one self-contained file',
    './wasm/*': '`webgpu.wasm`, `cpu.wasm`, `cpu-relaxed.wasm`',
  };
  const rows = Object.keys(manifest().exports).flatMap((path) =>
    words[path] ? [`| \`${path.replace('.', 'sae-attribution')}\` | ${words[path]} |`] : [],
  );
  return ['| export | |', '|---|---|', ...rows].join('\n');
}

rmSync(OUT, { recursive: true, force: true });
mkdirSync(join(OUT, 'wasm'), { recursive: true });
await bundle(ENTRIES, join(PROJECT, 'www'), OUT);
for (const build of ['webgpu', 'cpu', 'cpu-relaxed']) {
  copyFileSync(join(PROJECT, `www/runtime/pkg/${build}/sae_attribution_bg.wasm`), join(OUT, `wasm/${build}.wasm`));
}
await declare(
  ENTRIES.map(([, path]) => path),
  join(PROJECT, 'www'),
  join(OUT, 'types'),
);
for (const licence of ['LICENSE-MIT', 'LICENSE-APACHE']) copyFileSync(join(PROJECT, licence), join(OUT, licence));
writeFileSync(join(OUT, 'package.json'), `${JSON.stringify(manifest(), undefined, 2)}\n`);
const table = sizes(OUT, [
  ...ENTRIES.map(([name]) => `${name}.js`),
  ...['cpu', 'cpu-relaxed', 'webgpu'].map((build) => `wasm/${build}.wasm`),
]);
const readme = read('scripts/package/README.md')
  .replace('<!-- sizes -->', table)
  .replace('<!-- exports -->', exported());
writeFileSync(join(OUT, 'README.md'), readme);
console.log(table);
