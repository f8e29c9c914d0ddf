// WebKit as Debian has it (WebKitGTK), which has no headless way: on an X server without a screen.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { startSession } from './webdriver.mjs';

function miniBrowser() {
  for (const machine of readdirSync('/usr/lib').filter((name) => name.endsWith('-linux-gnu'))) {
    const folder = `/usr/lib/${machine}/webkit2gtk-4.1`;
    try {
      if (readdirSync(folder).includes('MiniBrowser')) return join(folder, 'MiniBrowser');
    } catch {
      // Another machine's libraries.
    }
  }
  throw new Error('MiniBrowser of webkit2gtk-driver is not there: scripts/setup test installs it.');
}

/** An X server on a display that is free, so large that its pointer, in the middle, is on no page. */
async function startDisplay() {
  const server = spawn('Xvfb', ['-displayfd', '3', '-screen', '0', '3200x2200x24', '-nolisten', 'tcp'], {
    stdio: ['ignore', 'ignore', 'ignore', 'pipe'],
  });
  const told = /** @type {import('node:stream').Readable} */ (server.stdio[3]);
  const [number] = await Promise.race([
    once(told, 'data'),
    once(server, 'exit').then(() => Promise.reject(new Error('Xvfb did not start'))),
  ]);
  return {
    display: `:${String(number).trim()}`,
    async close() {
      const ended = once(server, 'exit');
      server.kill();
      await ended;
    },
  };
}

/** @type {import('./engines.mjs').Launch} */
export async function launchWebkit(folder) {
  const downloads = join(folder, 'Downloads');
  mkdirSync(downloads);
  mkdirSync(join(folder, 'config'));
  writeFileSync(join(folder, 'config/user-dirs.dirs'), `XDG_DOWNLOAD_DIR="${downloads}"\n`);
  const { display, close } = await startDisplay();
  const { XDG_RUNTIME_DIR: _, WAYLAND_DISPLAY: __, ...inherited } = process.env;
  const env = {
    ...inherited,
    ...{ DISPLAY: display, HOME: folder, GDK_BACKEND: 'x11', NO_AT_BRIDGE: '1', GSETTINGS_BACKEND: 'memory' },
    ...{
      XDG_CONFIG_HOME: join(folder, 'config'),
      XDG_DATA_HOME: join(folder, 'data'),
      XDG_CACHE_HOME: join(folder, 'cache'),
    },
  };
  const capabilities = {
    browserName: 'MiniBrowser',
    'webkitgtk:browserOptions': { binary: miniBrowser(), args: ['--automation'] },
  };
  const session = await startSession('WebKitWebDriver', { capabilities, env }).catch(async (error) => {
    await close();
    throw error;
  });
  const { post, get } = session;
  /** @type {string} */
  let current = await get('/window');
  const opener = current;
  const go = async (/** @type {string} */ handle) => {
    if (current === handle) return;
    await post('/window', { handle });
    current = handle;
  };
  return {
    version: `WebKitGTK ${session.capabilities.browserVersion}`,
    downloads,
    // Under automation it is private.
    isForgetful: true,
    async newTab() {
      // Only what a page opens, at a click, is a window without a bar, which can be as narrow as a telephone.
      await go(opener);
      const before = await get('/window/handles');
      await session.evaluate(() => {
        const button = document.createElement('button');
        button.textContent = 'Open';
        button.onclick = () => void open('about:blank', '_blank', 'popup,width=1440,height=900');
        document.body.replaceChildren(button);
      }, []);
      await session.click('button');
      /** @type {string | undefined} */
      let opened;
      for (let tries = 0; !opened; tries++) {
        if (tries === 200) throw new Error('WebKit opened no window.');
        await sleep(25);
        opened = (await get('/window/handles')).find((/** @type {string} */ handle) => !before.includes(handle));
      }
      const handle = opened;
      const here = () => go(handle);
      const evaluate = async (/** @type {(...args: any[]) => unknown} */ look, /** @type {any[]} */ ...args) => {
        await here();
        return session.evaluate(look, args);
      };
      const resize = async (/** @type {number} */ width, /** @type {number} */ height) => {
        await here();
        const { width: outerWidth, height: outerHeight } = await get('/window/rect');
        const [w, h] = await evaluate(() => [innerWidth, innerHeight]);
        await post('/window/rect', { width: width + outerWidth - w, height: height + outerHeight - h });
      };
      await resize(1440, 900);
      return {
        async open(address) {
          await here();
          await post('/url', { url: address });
        },
        evaluate,
        async click(selector) {
          await here();
          await session.click(selector);
        },
        async type(selector, text) {
          await here();
          await session.clear(selector);
          await session.send(selector, text);
        },
        async press(key) {
          await here();
          await session.press(key);
        },
        async attach(selector, path) {
          await here();
          await session.send(selector, path);
        },
        resize,
        async screenshot(path) {
          await here();
          writeFileSync(path, Buffer.from(await get('/screenshot'), 'base64'));
        },
        async close() {
          await here();
          await session.closeWindow();
          await go(opener);
        },
      };
    },
    async close() {
      await session.close();
      await close();
    },
  };
}
