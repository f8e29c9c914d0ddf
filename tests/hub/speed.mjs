// How fast the reader is: a file from this machine, against a bare fetch in the same worker.
//
//   node tests/hub/speed.mjs [MIB]
//
// The browser is not driven by its developer tools, which would record every body.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serve } from '../../scripts/serve.mjs';
import { startHub } from './server.mjs';

const size = Number(process.argv[2] ?? 512) * 2 ** 20;
const folder = (/** @type {string} */ path) => fileURLToPath(new URL(path, import.meta.url));
const hub = await startHub();
const url = hub.put('speed.bin', size);
const server = await serve({ mounts: new Map([['/hub/', folder('.')], ['/www/', folder('../../www')]]) });
/** @type {() => void} */
let end = () => {};
const ended = new Promise((resolve) => (end = () => resolve(undefined)));
const reports = createServer((request, response) => {
  const row = decodeURIComponent(request.url ?? '').slice(1);
  if (row === 'end') end();
  else console.log(row);
  response.writeHead(204, { 'Access-Control-Allow-Origin': '*' }).end();
});
await new Promise((resolve) => reports.listen(0, '127.0.0.1', () => resolve(undefined)));
const port = (/** @type {any} */ listening) => listening.address().port;

const profile = mkdtempSync(join(tmpdir(), 'sae-attribution-speed-'));
const query = new URLSearchParams({ url, size: String(size), reports: `http://127.0.0.1:${port(reports)}/` });
const browser = spawn(
  '/usr/bin/chromium',
  ['--headless', '--no-sandbox', '--disable-quic', '--no-first-run', '--disable-background-networking',
    '--disable-component-update', '--disable-sync', `--user-data-dir=${profile}`,
    `http://127.0.0.1:${port(server)}/hub/speed.html?${query}`],
  { stdio: 'ignore' },
);
const left = new Promise((resolve) => browser.once('exit', resolve));
await Promise.race([ended, left]);
browser.kill();
await left;
await hub.close();
for (const open of [server, reports]) open.close();
for (const open of [server, reports]) open.closeAllConnections();
rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
