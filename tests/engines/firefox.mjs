// Firefox as Debian has it, through WebDriver BiDi.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import puppeteer from 'puppeteer-core';
import { PATIENCE_MS } from './engines.mjs';

/** WebGPU on a Vulkan driver that computes on the CPU (Mesa's llvmpipe). */
const WEBGPU = {
  'dom.webgpu.enabled': true,
  'dom.webgpu.workers.enabled': true,
  'gfx.webgpu.ignore-blocklist': true,
};

/** @param {boolean} hasWebgpu @returns {import('./engines.mjs').Launch} */
const launch = (hasWebgpu) => async (folder) => {
  const downloads = join(folder, 'downloads');
  mkdirSync(downloads);
  const browser = await puppeteer.launch({
    browser: 'firefox',
    executablePath: '/usr/bin/firefox-esr',
    headless: true,
    defaultViewport: { width: 1440, height: 900 },
    extraPrefsFirefox: {
      'browser.download.folderList': 2,
      'browser.download.dir': downloads,
      ...(hasWebgpu ? WEBGPU : { 'dom.webgpu.enabled': false }),
    },
  });
  return {
    version: await browser.version(),
    downloads,
    async newTab() {
      const page = await browser.newPage();
      page.setDefaultTimeout(PATIENCE_MS);
      return {
        open: async (address) => void (await page.goto(address)),
        evaluate: (look, ...args) => page.evaluate(look, ...args),
        click: (selector) => page.locator(selector).click(),
        async type(selector, text) {
          await page.locator(selector).click();
          await page.keyboard.down('Control');
          await page.keyboard.press('a');
          await page.keyboard.up('Control');
          await page.keyboard.press('Delete');
          await page.keyboard.type(text);
        },
        async press(key) {
          const keys = /** @type {import('puppeteer-core').KeyInput[]} */ (key.split(/(?<=.)\+/));
          for (const held of keys.slice(0, -1)) await page.keyboard.down(held);
          await page.keyboard.press(keys[keys.length - 1]);
          for (const held of keys.slice(0, -1)) await page.keyboard.up(held);
        },
        async attach(selector, path) {
          const input = /** @type {import('puppeteer-core').ElementHandle<HTMLInputElement>} */ (
            await page.$(selector)
          );
          await input.uploadFile(path);
        },
        resize: (width, height) => page.setViewport({ width, height }),
        screenshot: async (path) => void (await page.screenshot({ path: /** @type {`${string}.png`} */ (path) })),
        close: () => page.close(),
      };
    },
    close: () => browser.close(),
  };
};

export const launchFirefox = launch(false);
export const launchFirefoxWebgpu = launch(true);
