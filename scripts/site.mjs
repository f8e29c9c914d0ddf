// Writes the page as a site that any host of static files can serve, under any path.
//
//   node scripts/site.mjs [OUT] [--quick]
//
// OUT is dist/site by default. Needs the built runtime; scripts/build --site does both. --quick compresses less well.
//
// Scripts and styles lose their comments and spaces, each file for itself: they stay where they were. Beside each file
// that shrinks stand its gzip and brotli forms, for hosts that send them as they are. The service
// worker gets the names of the page's files and a version that changes with any of them.

import { createHash } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, extname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { brotliCompressSync, constants, gzipSync } from 'node:zlib';
import { transformSync } from 'esbuild';

const PROJECT = dirname(dirname(fileURLToPath(import.meta.url)));
const WWW = join(PROJECT, 'www');
const BUILDS = ['webgpu', 'cpu', 'cpu-relaxed'];
/** Of models, what a page reads. */
const MODEL_FILES = /\.(json|safetensors)$/;
const COMPRESSED = new Set(['.css', '.html', '.js', '.json', '.svg', '.wasm']);
/** What a visit needs before anything is asked of the page; the rest is kept when it is fetched. */
const AT_ONCE =
  /^(?!verify\.|embed\.|embed\/|figure\/result\.schema|models\/|results\/(?!index\.json)|runtime\/pkg\/|service-worker\.js).*\.(html|css|js|json)$/;

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: { quick: { type: 'boolean', default: false } },
});
const out = resolve(positionals[0] ?? join(PROJECT, 'dist/site'));
for (const build of BUILDS) {
  if (existsSync(join(WWW, `runtime/pkg/${build}/sae_attribution_bg.wasm`))) continue;
  console.error(`The ${build} runtime is not built: run scripts/build, or scripts/build --site for all of it.`);
  process.exit(1);
}

/** Whether a file of www/ belongs to the site. @param {string} path below www/ */
function isOfSite(path) {
  if (statSync(join(WWW, path)).isDirectory()) return !/^models\/[^/]+\/expected$/.test(path);
  if (path.startsWith('models/')) return MODEL_FILES.test(path) && !/\/(cases|fixture|metrics)\.json$/.test(path);
  if (path.startsWith('runtime/pkg/')) return /\.(js|wasm)$/.test(path);
  return !/\.(d\.ts|md)$/.test(path);
}

// Whole or not at all.
const unfinished = `${out}.unfinished`;
rmSync(unfinished, { recursive: true, force: true });
mkdirSync(unfinished, { recursive: true });
cpSync(WWW, unfinished, {
  recursive: true,
  dereference: true,
  filter: (from) => from === WWW || isOfSite(from.slice(WWW.length + 1)),
});

/** @param {string} path @param {(text: string) => string} change */
function edit(path, change) {
  const file = join(unfinished, path);
  const before = readFileSync(file, 'utf8');
  const after = change(before);
  if (after === before) throw new Error(`${path} is not as this script knows it`);
  writeFileSync(file, after);
}

const main = '<script type="module" src="app/main.js"></script>';
edit('index.html', (text) => text.replace(main, `${main}\n    <script type="module" src="app/offline.js"></script>`));

const files = /** @type {string[]} */ (readdirSync(unfinished, { recursive: true }))
  .filter((path) => statSync(join(unfinished, path)).isFile())
  .sort();
for (const path of files) {
  // The service worker is edited yet.
  const loader =
    path === 'service-worker.js' ? undefined : /** @type {const} */ ({ '.js': 'js', '.css': 'css' })[extname(path)];
  if (!loader) continue;
  const file = join(unfinished, path);
  writeFileSync(file, transformSync(readFileSync(file, 'utf8'), { loader, minify: true }).code);
}
const hash = createHash('sha256');
for (const path of files) hash.update(`${path}\0`).update(readFileSync(join(unfinished, path)));
const site = { version: hash.digest('hex').slice(0, 16), files: ['./', ...files.filter((path) => AT_ONCE.test(path))] };
edit('service-worker.js', (text) => text.replace(/^const SITE = .*;$/m, `const SITE = ${JSON.stringify(site)};`));

let [bytes, sent] = [0, 0];
for (const path of files) {
  const file = join(unfinished, path);
  const content = readFileSync(file);
  bytes += content.length;
  if (!COMPRESSED.has(extname(path))) {
    sent += content.length;
    continue;
  }
  const params = {
    [constants.BROTLI_PARAM_QUALITY]: options.quick ? 4 : 11,
    [constants.BROTLI_PARAM_SIZE_HINT]: content.length,
  };
  const brotli = brotliCompressSync(content, { params });
  writeFileSync(`${file}.br`, brotli);
  writeFileSync(`${file}.gz`, gzipSync(content, { level: options.quick ? 1 : 9 }));
  sent += brotli.length;
}
rmSync(out, { recursive: true, force: true });
renameSync(unfinished, out);
const megabytes = (/** @type {number} */ n) => `${(n / 1e6).toFixed(1)} MB`;
console.log(`${out}: ${files.length} files, ${megabytes(bytes)}, ${megabytes(sent)} as sent with brotli.`);
