// Bundles of the package's modules.

import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import * as esbuild from 'esbuild';

/** The client, in the package. */
const CLIENT = './index.js';

/**
 * Where the files lie in the package: addresses relative to the module must be right behind the bundle, too.
 * @type {esbuild.Plugin}
 */
const layout = {
  name: 'layout',
  setup(build) {
    // The element fetches the client for a live run alone, as a module of its own.
    build.onResolve({ filter: /\/runtime\/(client|index)\.js$/ }, ({ kind }) =>
      kind === 'dynamic-import' ? { path: CLIENT, external: true } : undefined,
    );
    build.onLoad({ filter: /\/runtime\/addresses\.js$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace(/\.\/pkg\/([\w-]+)\/sae_attribution_bg\.wasm/g, './wasm/$1.wasm'),
    }));
  },
};

/**
 * @param {[name: string, path: string][]} entries names in the package, paths in www/
 * @param {string} www
 * @param {string} out
 */
export async function bundle(entries, www, out) {
  const { outputFiles } = await esbuild.build({
    entryPoints: Object.fromEntries(entries.map(([name, path]) => [name, join(www, path)])),
    outdir: out,
    bundle: true,
    format: 'esm',
    target: 'es2022',
    minify: true,
    legalComments: 'none',
    plugins: [layout],
    write: false,
    logLevel: 'warning',
    // The module of the WebGPU build names the same import twice.
    logOverride: { 'duplicate-object-key': 'silent' },
  });
  for (const { path, text } of outputFiles) {
    check(path, text);
    writeFileSync(path, text);
  }
}

/**
 * Where the worker's file lies cannot be known: it may have been renamed, inlined, or started through a Blob.
 * @param {string} path @param {string} text
 */
function check(path, text) {
  if (path.endsWith('/worker.js') && /\bimport\.meta\b/.test(text)) {
    throw new Error(
      'worker.js is not self-contained: it asks for its own address. Make the builds anew: scripts/build.',
    );
  }
}
