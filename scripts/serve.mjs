// A static server for development and tests, with byte ranges and CORS as the hub has them; text is sent
// compressed, as hosts of static pages do.
//
//   node scripts/serve.mjs [--port N] [--root DIR] [--mount /PATH=DIR]... [--fixtures] [--making FILE]
//
// While FILE is there, builds of the runtime that are not are said to be still being made.
// --fixtures mounts every folder of FIXTURES (colon-separated; default tests/fixtures/*) under
// /fixtures/NAME and lists the names at /fixtures.json.

import { createReadStream, existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import { basename, dirname, extname, join, normalize, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { gzipSync } from 'node:zlib';

const PROJECT = dirname(dirname(fileURLToPath(import.meta.url)));

/** @type {Record<string, string>} */
const TYPES = {
  '.css': 'text/css; charset=utf-8',
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json; charset=utf-8',
  '.svg': 'image/svg+xml',
  '.wasm': 'application/wasm',
};

const WWW = join(PROJECT, 'www');
/** Where the page has its builds of the runtime. */
export const BUILDS = '/runtime/pkg/';

/**
 * What www/README.md tells a server to send with the page: workers have no head to carry a policy, and who may
 * frame a page is told by a header alone. Here, models may also come without https.
 */
const POLICY =
  "default-src 'none'; script-src 'self' 'wasm-unsafe-eval'; worker-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self' https:; frame-src 'self' https://www.neuronpedia.org; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/** @param {string} file @returns {Record<string, string>} */
function pageHeaders(file) {
  const policy = POLICY.replace('https:;', 'http: https:;');
  return {
    'Content-Security-Policy':
      basename(file) === 'embed.html' ? policy.replace("frame-ancestors 'none'", 'frame-ancestors *') : policy,
    'X-Content-Type-Options': 'nosniff',
    'Referrer-Policy': 'no-referrer',
  };
}

/** Folders named in FIXTURES, by name. */
export function fixtureFolders() {
  const given = process.env.FIXTURES;
  const all = join(PROJECT, 'tests', 'fixtures');
  // A named folder that is no fixture must fail its test, so it is not left out here.
  const folders =
    given !== undefined
      ? given
          .split(':')
          .filter(Boolean)
          .map((path) => resolve(PROJECT, path))
      : readdirSync(all)
          .map((name) => join(all, name))
          .filter((path) => existsSync(join(path, 'cases.json')));
  // Two folders of one name must not hide each other.
  return new Map(folders.sort().map((folder, i) => [`${i}-${basename(folder)}`, folder]));
}

/**
 * Starts a server on 127.0.0.1.
 * @param {{port?: number, mounts: Map<string, string>, lists?: Map<string, unknown>, making?: string}} options
 *   mounts: folder of each URL prefix; lists: JSON of each URL; making: a file that is there while builds are made
 */
export function serve({ port = 0, mounts, lists = new Map(), making }) {
  const prefixes = [...mounts.keys()].sort((a, b) => b.length - a.length);
  const server = createServer((request, response) => {
    response.setHeader('Access-Control-Allow-Origin', '*');
    response.setHeader('Access-Control-Expose-Headers', 'Content-Range, ETag');
    response.setHeader('Cache-Control', 'no-cache');
    const path = pathOf(request.url);
    if (path === undefined) {
      response.statusCode = 400;
      return response.end('not an address');
    }
    if (lists.has(path)) {
      response.setHeader('Content-Type', TYPES['.json']);
      return response.end(JSON.stringify(lists.get(path)));
    }
    const prefix = prefixes.find((prefix) => path.startsWith(prefix));
    const folder = prefix && mounts.get(prefix);
    let file = folder ? join(folder, normalize('/' + path.slice(prefix.length))) : undefined;
    if (file?.endsWith('/')) file += 'index.html';
    const stat = file ? statSync(file, { throwIfNoEntry: false }) : undefined;
    if (!file || !stat?.isFile()) {
      response.statusCode = 404;
      if (making && path.startsWith(BUILDS) && existsSync(making)) {
        response.statusCode = 503;
        response.setHeader('Retry-After', 30);
        response.setHeader('X-Being-Made', 'yes');
      }
      return response.end('not found');
    }
    response.setHeader('Content-Type', TYPES[extname(file)] ?? 'application/octet-stream');
    if (folder === WWW) response.setHeaders(new Map(Object.entries(pageHeaders(file))));
    response.setHeader('Accept-Ranges', 'bytes');
    const tag = `"${stat.size}-${stat.mtimeMs}"`;
    response.setHeader('ETag', tag);
    if (request.headers['if-none-match'] === tag && !request.headers.range) {
      response.statusCode = 304;
      return response.end();
    }
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
    let [start, end] = [0, stat.size - 1];
    if (range) {
      [start, end] = [Number(range[1]), Math.min(Number(range[2]), end)];
      if (start > end) {
        response.writeHead(416, { 'Content-Range': `bytes */${stat.size}` });
        return response.end();
      }
      response.statusCode = 206;
      response.setHeader('Content-Range', `bytes ${start}-${end}/${stat.size}`);
    }
    const isText = !/octet-stream|wasm/.test(String(response.getHeader('Content-Type')));
    if (isText && !range && /\bgzip\b/.test(request.headers['accept-encoding'] ?? '')) {
      response.setHeader('Content-Encoding', 'gzip');
      response.setHeader('Vary', 'Accept-Encoding');
      return response.end(gzipSync(readFileSync(file)));
    }
    response.setHeader('Content-Length', end - start + 1);
    if (request.method === 'HEAD' || stat.size === 0) return response.end();
    createReadStream(file, { start, end })
      .on('error', () => response.destroy())
      .pipe(response);
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', () => resolve(server));
  });
}

/** @param {string | undefined} url */
function pathOf(url) {
  try {
    return decodeURIComponent(new URL(url ?? '/', 'http://localhost').pathname);
  } catch {
    return undefined;
  }
}

/** The page, its wasm and the bundled model. */
export const PAGE = new Map([['/', WWW]]);

/** Mounts and lists of the fixtures. */
export function fixtureMounts() {
  const folders = fixtureFolders();
  return {
    mounts: new Map([...folders].map(([name, folder]) => [`/fixtures/${name}/`, folder])),
    lists: new Map([['/fixtures.json', [...folders.keys()]]]),
  };
}

async function main() {
  const args = process.argv.slice(2);
  const mounts = new Map();
  let [port, lists] = [0, new Map()];
  /** @type {string | undefined} */
  let making;
  while (args.length > 0) {
    const arg = args.shift();
    const value = () => args.shift() ?? usage(`${arg} needs a value`);
    if (arg === '--port') port = Number(value());
    else if (arg === '--making') making = resolve(value());
    else if (arg === '--root') mounts.set('/', resolve(value()));
    else if (arg === '--mount') {
      const [path, folder] = value().split('=');
      mounts.set(path.endsWith('/') ? path : `${path}/`, resolve(folder));
    } else if (arg === '--fixtures') {
      const fixtures = fixtureMounts();
      fixtures.mounts.forEach((folder, path) => mounts.set(path, folder));
      lists = fixtures.lists;
    } else usage(`unknown argument ${arg}`);
  }
  if (!mounts.has('/')) PAGE.forEach((folder, path) => mounts.set(path, folder));
  const server = await serve({ port, mounts, lists, making }).catch((error) => {
    console.error(error.code === 'EADDRINUSE' ? `Port ${port} is taken: name another with --port.` : String(error));
    process.exit(1);
  });
  console.log(`http://127.0.0.1:${server.address().port}/`);
}

/** @param {string} problem @returns {never} */
function usage(problem) {
  console.error(
    `${problem}\nusage: node scripts/serve.mjs [--port N] [--root DIR] [--mount /PATH=DIR]... [--fixtures] [--making FILE]`,
  );
  process.exit(2);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main();
