// What is tested in each engine; a file for each runs it.

import { after, before, test } from 'node:test';
import { ALL } from '../all.mjs';
import { start } from './engines.mjs';
import { faults, webgpuFaults } from './faults.mjs';
import { golden } from './golden.mjs';
import { kept, keptFaults } from './kept.mjs';
import { noRelaxedSimd } from './lacks.mjs';
import { looks } from './looks.mjs';
import { ways } from './ways.mjs';

/** A part of the tests. @typedef {(engine: () => import('./engines.mjs').Engine, name: string) => void} Part */

/** @type {Part} */
export const everything = (engine, name) => {
  golden(engine, 'cpu');
  // In Chromium the page tests go the same ways.
  if (ALL || name !== 'chromium') {
    ways(engine);
    kept(engine);
    looks(engine, name);
  }
  // What these take away from Firefox, WebKit lacks in large part.
  if (ALL || name === 'firefox') faults(engine);
  if (ALL) keptFaults(engine);
  if (ALL) golden(engine, 'cpu', { title: 'without relaxed SIMD', before: [noRelaxedSimd] });
};

/** @type {Part} */
export const webgpu = (engine, name) => {
  // Chromium's is an emulation, on which the native tests run.
  if (!ALL && name === 'chromium') return;
  golden(engine, 'webgpu');
  webgpuFaults(engine);
};

/**
 * @param {string} name
 * @param {import('./engines.mjs').Launch} launch
 * @param {Part[]} parts
 */
export function testEngine(name, launch, ...parts) {
  /** @type {Awaited<ReturnType<typeof start>>} */
  let running;
  before(async () => {
    running = await start(launch);
  });
  after(() => running?.close());
  test('the engine', (t) => t.diagnostic(running.version));
  for (const part of parts) part(() => running, name);
}
