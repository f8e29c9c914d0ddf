// What each engine has of what the page uses where it is there: a table for README.md.
//
//   node tests/engines/probe.mjs

import { start } from './engines.mjs';
import { launchChromium } from './chromium.mjs';
import { launchFirefox, launchFirefoxWebgpu } from './firefox.mjs';
import { serveSite } from './site.mjs';
import { launchWebkit } from './webkit.mjs';

/** @type {[string, import('./engines.mjs').Launch][]} */
const ENGINES = [
  ['Chromium', launchChromium],
  ['Firefox', launchFirefox],
  ['Firefox, WebGPU on', launchFirefoxWebgpu],
  ['WebKit', launchWebkit],
];

/**
 * Looks where it runs, in the page or in a worker; by trying rather than by name, where it can.
 * @returns {Promise<Record<string, string>>}
 */
async function probe() {
  const global = /** @type {any} */ (globalThis);
  const isWorker = !('document' in globalThis);
  const { hasRelaxedSimd } = await import(`${location.origin}/runtime/device.js`);
  const tries = async (/** @type {() => unknown} */ act) => {
    try {
      const found = await act();
      return found === undefined || found === false ? '–' : found === true ? 'yes' : String(found);
    } catch {
      return '–';
    }
  };
  const file = async () => {
    const folder = await navigator.storage.getDirectory();
    return folder.getFileHandle(crypto.randomUUID(), { create: true });
  };
  const adapter = async () => global.navigator.gpu.requestAdapter();
  const css = (/** @type {string} */ property, /** @type {string} */ value) => () => CSS.supports(property, value);
  /** @type {[string, () => unknown][]} */
  const both = [
    ['private file system', async () => Boolean(await file())],
    ['… written by createWritable', async () => Boolean(await (await file()).createWritable())],
    ['Cache API', async () => Boolean(await caches.open('probe'))],
    ['Web Locks', () => navigator.locks.request('probe', () => true)],
    [
      'BYOB reader of a fetched body',
      async () => Boolean((await fetch('/style.css')).body?.getReader({ mode: 'byob' })),
    ],
    ['Trusted Types', () => 'trustedTypes' in global],
    [
      'WebGPU adapter',
      async () => {
        const { info, features } = await adapter();
        return `${[info.vendor, info.architecture].filter(Boolean).join(' ') || 'unnamed'}${features.has('subgroups') ? ', subgroups' : ''}`;
      },
    ],
  ];
  /** @type {[string, () => unknown][]} */
  const inWorker = [
    [
      '… written by createSyncAccessHandle',
      async () => Boolean(await /** @type {any} */ (await file()).createSyncAccessHandle()),
    ],
    ['a module worker', () => true],
    ['a worker of its own', () => typeof Worker === 'function'],
    ['relaxed SIMD', hasRelaxedSimd],
  ];
  /** @type {[string, () => unknown][]} */
  const inPage = [
    ['scheduler.yield', () => typeof global.scheduler?.yield === 'function'],
    ['clipboard.writeText', () => typeof navigator.clipboard?.writeText === 'function'],
    ['popover', () => 'popover' in HTMLElement.prototype],
    ['light-dark()', css('color', 'light-dark(red, blue)')],
    ['field-sizing', css('field-sizing', 'content')],
    ['container queries', css('container-type', 'inline-size')],
  ];
  /** @type {Record<string, string>} */
  const found = {};
  for (const [name, act] of [...both, ...(isWorker ? inWorker : inPage)]) {
    found[`${name}${isWorker ? ' (in a worker)' : ''}`] = await tries(act);
  }
  return found;
}

/** @type {string[]} */
const names = [];
/** @type {Record<string, string>[]} */
const columns = [];
for (const [name, launch] of ENGINES) {
  const engine = await start(launch);
  const site = await serveSite();
  try {
    site.put('probe.js', `(${probe})().then((found) => postMessage(found));`);
    const page = site.put('probe.html', '<!doctype html><html lang="en"><head><title>Probe</title></head></html>');
    const tab = await engine.newTab();
    await tab.open(site.url + page);
    const here = await tab.evaluate(probe);
    const there = await tab.evaluate(
      () =>
        new Promise((resolve, reject) => {
          const worker = new Worker('/made/probe.js', { type: 'module' });
          worker.onmessage = ({ data }) => resolve(data);
          worker.onerror = () => reject(new Error('no module worker'));
        }),
    );
    names.push(`${name} ${/[\d.]+$/.exec(engine.version)}`);
    columns.push({ ...here, ...there });
    await tab.close();
  } finally {
    site.close();
    await engine.close();
  }
}
const row = (/** @type {string[]} */ cells) => console.log(`| ${cells.join(' | ')} |`);
row(['', ...names]);
row(['---', ...names.map(() => '---')]);
for (const what of Object.keys(columns[0])) row([what, ...columns.map((column) => column[what])]);
