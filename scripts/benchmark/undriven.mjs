// A page in a Chromium that no developer tools drive: they record every body, which halves the speed of
// loading.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { CHROMIUM_ARGS } from '../../tests/page/browser.mjs';

/**
 * Opens a page and resolves to the JSON that it posts to the address in `?report=`.
 * @param {string} url
 */
export async function undriven(url) {
  /** @type {(value: any) => void} */
  let resolve;
  const reported = new Promise((done) => (resolve = done));
  const reports = createServer(async (request, response) => {
    response.writeHead(204, { 'Access-Control-Allow-Origin': '*' });
    const body = await text(request);
    response.end();
    resolve(JSON.parse(body));
  });
  await new Promise((done) => reports.listen(0, '127.0.0.1', () => done(undefined)));
  const { port } = /** @type {import('node:net').AddressInfo} */ (reports.address());
  const profile = mkdtempSync(join(tmpdir(), 'sae-attribution-bench-'));
  const address = new URL(url);
  address.searchParams.set('report', `http://127.0.0.1:${port}/`);
  const browser = spawn(
    '/usr/bin/chromium',
    ['--headless', ...CHROMIUM_ARGS, `--user-data-dir=${profile}`, address.href],
    { stdio: 'ignore', detached: true },
  );
  const left = new Promise((done) => browser.once('exit', done));
  const found = await Promise.race([reported, left.then(() => undefined)]);
  // With its helpers, which would go on writing to the profile.
  if (browser.pid) process.kill(-browser.pid, 'SIGKILL');
  await left;
  reports.closeAllConnections();
  reports.close();
  rmSync(profile, { recursive: true, force: true, maxRetries: 20, retryDelay: 100 });
  if (!found || found.error) throw new Error(found?.error ?? 'Chromium ended without a report');
  return found;
}
