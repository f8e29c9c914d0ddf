// The four rooms of www/ import one way, and what they import is there.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize } from 'node:path';
import { test } from 'node:test';

const WWW = new URL('../../www/', import.meta.url).pathname;

/** Stands where all of the site is below it, and imports nothing. */
const SERVICE_WORKER = 'service-worker.js';
/** Which other rooms each imports. @type {Record<string, string[]>} */
const ROOMS = {
  app: ['embed', 'figure', 'runtime', SERVICE_WORKER],
  embed: ['figure', 'runtime'],
  figure: [],
  runtime: [],
  [SERVICE_WORKER]: [],
};
/** And of which it names types. @type {typeof ROOMS} */
const TYPES = { ...ROOMS, figure: ['runtime'] };

/** Built, and not there before. */
const BUILT = /^runtime\/pkg\//;
/** What the page reads as data. */
const DATA = /^(models|results)\//;

const MODULES = /** @type {string[]} */ (readdirSync(WWW, { recursive: true }))
  .filter((path) => path.endsWith('.js') && !BUILT.test(path))
  .sort();

/**
 * What a module imports, by static and dynamic imports and by addresses relative to itself, and whose types
 * its comments name.
 * @param {string} text
 */
function importsOf(text) {
  const comments = /\/\*[^]*?\*\//g;
  const code = text.replace(comments, '');
  const found = (/** @type {string} */ within, /** @type {RegExp} */ pattern) =>
    [...within.matchAll(pattern)].map(([, path]) => path);
  return {
    modules: [
      ...found(code, /(?:(?<!['"`])\bfrom|^\s*import)\s*['"`](.+?)['"`]/gm),
      ...found(code, /\bimport\(\s*['"`](.+?)['"`]/g),
      // Whatever else begins so: the address of a worker.
      ...found(code, /['"`](\.{1,2}\/[^'"`$]*)['"`]/g),
    ],
    types: found((text.match(comments) ?? []).join('\n'), /\bimport\(\s*['"](.+?)['"]\s*\)/g),
  };
}

/** A module of types alone is a declaration of one. @param {string} target @param {boolean} isType */
const isThere = (target, isType) =>
  existsSync(join(WWW, target)) || (isType && existsSync(join(WWW, target.replace(/\.js$/, '.d.ts'))));

/**
 * What a module may not import, in words.
 * @param {string} path of the module in www/
 * @param {string} text
 */
function refused(path, text) {
  const problems = [];
  for (const [how, paths] of Object.entries(importsOf(text))) {
    for (const to of new Set(paths)) {
      const target = normalize(join(dirname(path), to));
      const [[from], [room]] = [path.split('/'), target.split('/')];
      const allowed = [from, ...((how === 'types' ? TYPES : ROOMS)[from] ?? [])];
      // Addresses relative to the page begin like those relative to a module.
      const isPage = /^(\.\/)?[\w-]+\.(html|json)$/.test(to);
      if (isPage || (path.startsWith('app/') && DATA.test(`${target}/`))) continue;
      if (!to.startsWith('.') || !allowed.includes(room)) problems.push(`${path} may not import ${how} of ${to}`);
      else if (!BUILT.test(`${target}/`) && !isThere(target, how === 'types'))
        problems.push(`${path} imports ${to}, which is not there`);
    }
  }
  return problems;
}

test('the rooms of www/ import one way, and what they import is there', () => {
  assert.deepEqual([...new Set(MODULES.map((path) => path.split('/')[0]))], Object.keys(ROOMS));
  assert.deepEqual(
    MODULES.flatMap((path) => refused(path, readFileSync(join(WWW, path), 'utf8'))),
    [],
  );
});

test('an import the other way is found, whatever its form', () => {
  for (const [path, line] of [
    ['figure/x.js', "import { fromAddress } from '../app/sources.js';"],
    ['figure/x.js', "import '../app/trusted.js';"],
    ['figure/x.js', "import {\n  a,\n  b,\n} from '../app/sources.js';"],
    ['figure/x.js', "const { a } = await import('../app/sources.js');"],
    ['figure/x.js', "export { a } from '../app/sources.js';"],
    ['figure/x.js', "new Worker(new URL('../app/result-worker.js', import.meta.url));"],
    ['figure/x.js', "/** @typedef {import('../app/sources.js').NamedSource} A */"],
    // Of the runtime it knows the types, and nothing else.
    ['figure/x.js', "import { codedError } from '../runtime/error.js';"],
    ['runtime/loading/x.js', "import { short } from '../../figure/text.js';"],
    ['runtime/x.js', "/** @typedef {import('../figure/view.js').View} A */"],
    ['embed/x.js', "import { fromAddress } from '../app/sources.js';"],
    ['app/x.js', "import { gone } from './gone.js';"],
    // What is only declared is imported as types alone.
    ['runtime/x.js', "import { Nodes } from './types.js';"],
    ['runtime/x.js', "/** @typedef {import('./gone.js').Nodes} A */"],
    ['app/x.js', "import { chromium } from 'playwright-core';"],
    ['x.js', "import { short } from './figure/text.js';"],
  ]) {
    assert.notDeepEqual(refused(path, line), [], `${path}: ${line}`);
  }
  for (const [path, line] of [
    ['figure/x.js', "/** @typedef {import('../runtime/protocol.js').Nodes} A */"],
    ['runtime/x.js', "/** @typedef {import('./types.js').Nodes} A */"],
    ['figure/x.js', "import { short } from './text.js';"],
    ['embed/x.js', "import { codedError } from '../runtime/error.js';\nimport { short } from '../figure/text.js';"],
    ['app/panels/x.js', "import { codedError } from '../../runtime/error.js';"],
  ]) {
    assert.deepEqual(refused(path, line), [], `${path}: ${line}`);
  }
});
