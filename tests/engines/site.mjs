// The page on an origin of its own, with scripts that run before the page's and take away what an engine may lack.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { PAGE, serve } from '../../scripts/serve.mjs';

/** @typedef {Awaited<ReturnType<typeof serveSite>>} Site */

/** What becomes of an answer that is held until the test lets it go. @typedef {{path: RegExp, go: Promise<void>}} Hold */

const BEFORE = '<script src="/made/before.js"></script>';

/** Notes what goes wrong, of workers too, for `problems` of a tab. */
function heed() {
  const channel = new BroadcastChannel('problems');
  const isPage = 'document' in globalThis;
  /** @type {string[]} */
  const problems = [];
  const note = (/** @type {unknown} */ problem) =>
    isPage ? problems.push(String(problem)) : channel.postMessage(problem);
  if (isPage) {
    Object.assign(globalThis, { problems });
    channel.onmessage = ({ data }) => note(data);
  }
  addEventListener('error', ({ message }) => note(message));
  addEventListener('unhandledrejection', ({ reason }) => note(`unhandled: ${reason}`));
  addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI }) =>
    note(`policy: ${violatedDirective} ${blockedURI}`),
  );
  const { error } = console;
  console.error = (...args) => {
    note(args.join(' '));
    error.apply(console, args);
  };
}

/**
 * Changes the text of an answer on its way.
 * @param {import('node:http').IncomingMessage} request
 * @param {import('node:http').ServerResponse} response
 * @param {(text: string) => string} edit
 */
function change(request, response, edit) {
  // Neither packed nor in parts.
  delete request.headers['accept-encoding'];
  delete request.headers.range;
  /** @type {Buffer[]} */
  const parts = [];
  const end = response.end.bind(response);
  response.write = (/** @type {Buffer} */ part) => parts.push(part) > 0;
  response.end = /** @type {any} */ (
    (/** @type {Buffer | string | undefined} */ last) => {
      if (typeof last === 'string' || last?.length) parts.push(Buffer.from(last));
      const text = edit(Buffer.concat(parts).toString());
      response.setHeader('Content-Length', Buffer.byteLength(text));
      delete (/** @type {any} */ (response).write);
      return end(text);
    }
  );
}

/**
 * Serves the page on a port of its own, so that nothing is kept for it yet in any browser.
 * @param {object} [options]
 * @param {(() => void)[]} [options.before] run in the page and in each of its workers before their own code, in this
 *   order
 * @param {(html: string) => string} [options.edit] of every page
 * @param {Map<string, string>} [options.mounts]
 */
export async function serveSite({ before = [], edit = (html) => html, mounts = new Map() } = {}) {
  const made = mkdtempSync(join(tmpdir(), 'sae-attribution-engines-'));
  writeFileSync(join(made, 'before.js'), [heed, ...before].map((script) => `(${script})();\n`).join(''));
  const server = await serve({ mounts: new Map([...PAGE, ['/made/', made], ...mounts]) });
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  /** @type {{path: string, range: string}[]} */
  const asked = [];
  /** @type {Hold | undefined} */
  let held;

  const [answer] = server.listeners('request');
  server.removeAllListeners('request');
  /** @type {import('node:http').RequestListener} */
  const hear = async (request, response) => {
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://site').pathname);
    asked.push({ path, range: request.headers.range ?? '' });
    if (held?.path.test(path)) await held.go;
    if (/(\/|\.html)$/.test(path)) change(request, response, (text) => edit(text).replace('<head>', `<head>${BEFORE}`));
    // What a module imports is run in its order.
    else if (path.endsWith('/worker.js')) change(request, response, (text) => `import '/made/before.js';\n${text}`);
    answer(request, response);
  };
  server.on('request', hear);

  return {
    url: `http://127.0.0.1:${port}`,
    /** What was asked for, in order. */
    asked,
    /** What was asked for of weights, from a length on that `asked` had. */
    weights: (since = 0) =>
      asked
        .slice(since)
        .filter(({ path }) => path.endsWith('.safetensors'))
        .map(({ path, range }) => `${path} ${range}`),
    /** Puts a file on the site; returns its address. @param {string} name @param {string} text */
    put(name, text) {
      mkdirSync(dirname(join(made, name)), { recursive: true });
      writeFileSync(join(made, name), text);
      return `/made/${name}`;
    },
    /** Lets answers for these paths wait until the function that is returned is called. @param {RegExp} path */
    hold(path) {
      let release = () => {};
      const go = new Promise((resolve) => (release = () => resolve(undefined)));
      held = { path, go: /** @type {Promise<void>} */ (go) };
      return () => {
        held = undefined;
        release();
      };
    },
    close() {
      server.closeAllConnections();
      server.close();
      rmSync(made, { recursive: true, force: true });
    },
  };
}
