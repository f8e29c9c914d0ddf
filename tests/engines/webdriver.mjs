// WebDriver as the standard has it, as far as a test of a page needs it.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

/** The name under which an element is spoken of. */
const ELEMENT = 'element-6066-11e4-a52e-4f735466cecf';

/** Keys that are no character, by their names in the browser. @type {Record<string, string>} */
const KEYS = {
  Tab: '\ue004',
  Enter: '\ue007',
  Shift: '\ue008',
  Control: '\ue009',
  Escape: '\ue00c',
  ArrowLeft: '\ue012',
  ArrowUp: '\ue013',
  ArrowRight: '\ue014',
  ArrowDown: '\ue015',
};

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address());
  server.close();
  await once(server, 'close');
  return port;
}

/**
 * Starts a driver and, through it, a browser.
 * @param {string} driver a program that takes --port
 * @param {{capabilities: object, env: NodeJS.ProcessEnv}} options
 */
export async function startSession(driver, { capabilities, env }) {
  const port = await freePort();
  const program = spawn(driver, [`--port=${port}`], { env, stdio: 'ignore' });
  /** @type {Error | undefined} */
  let failure;
  program.once('error', (error) => (failure = error));

  /** @param {string} method @param {string} path @param {object} [body] @returns {Promise<any>} */
  async function command(method, path, body) {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, {
      method,
      body: method === 'POST' ? JSON.stringify(body ?? {}) : undefined,
    });
    const { value } = /** @type {any} */ (await response.json());
    if (!response.ok) throw new Error(`${method} ${path}: ${value.error}: ${value.message}`);
    return value;
  }

  for (let tries = 1; ; tries++) {
    if (failure) throw failure;
    try {
      await command('GET', '/status');
      break;
    } catch (error) {
      if (tries === 100) throw error;
      await sleep(50);
    }
  }
  const { sessionId, capabilities: found } = await command('POST', '/session', {
    capabilities: { alwaysMatch: capabilities },
  });
  const session = `/session/${sessionId}`;
  const post = (/** @type {string} */ path, /** @type {object} */ body) => command('POST', session + path, body);
  const get = (/** @type {string} */ path) => command('GET', session + path);
  await post('/timeouts', { script: 120_000, pageLoad: 120_000 });

  /** @param {string} selector @returns {Promise<string>} */
  const find = async (selector) => (await post('/element', { using: 'css selector', value: selector }))[ELEMENT];
  /** @param {string[]} keys pressed in turn and let go the other way */
  const keys = (keys) => {
    const actions = [
      ...keys.map((value) => ({ type: 'keyDown', value })),
      ...keys.toReversed().map((value) => ({ type: 'keyUp', value })),
    ];
    return post('/actions', { actions: [{ type: 'key', id: 'keys', actions }] });
  };

  return {
    capabilities: found,
    post,
    get,
    find,
    /** @param {string} key as in KeyboardEvent.key; with Shift+ before it if that is held */
    press: (key) => keys(key.split(/(?<=.)\+/).map((name) => KEYS[name] ?? name)),
    /** @param {string} selector */
    click: async (selector) => post(`/element/${await find(selector)}/click`, {}),
    /** Types into an element, or gives a file input a path. @param {string} selector @param {string} text */
    send: async (selector, text) => post(`/element/${await find(selector)}/value`, { text }),
    /** @param {string} selector */
    clear: async (selector) => post(`/element/${await find(selector)}/clear`, {}),
    /**
     * What a function returns in the page, or what its promise comes to.
     * @param {(...args: any[]) => unknown} look
     * @param {unknown[]} args
     */
    async evaluate(look, args) {
      const script = `const done = arguments[arguments.length - 1];
        (async () => (${look})(...[].slice.call(arguments, 0, -1)))().then(
          (value) => done({ value }), (error) => done({ error: String(error) }));`;
      const { value, error } = await post('/execute/async', { script, args });
      if (error !== undefined) throw new Error(error);
      return value;
    },
    /** Closes the window that is spoken to. */
    closeWindow: () => command('DELETE', `${session}/window`),
    async close() {
      await command('DELETE', session).catch(() => {});
      const ended = program.exitCode === null ? once(program, 'exit') : undefined;
      program.kill();
      await ended;
    },
  };
}
