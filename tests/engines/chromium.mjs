// Chromium, as the page's tests have it.

import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { CHROMIUM_ARGS } from '../page/browser.mjs';
import { PATIENCE_MS } from './engines.mjs';

/** @type {import('./engines.mjs').Launch} */
export async function launchChromium(folder) {
  const downloads = join(folder, 'downloads');
  mkdirSync(downloads);
  const context = await chromium.launchPersistentContext(join(folder, 'profile'), {
    executablePath: '/usr/bin/chromium',
    headless: true,
    args: CHROMIUM_ARGS,
    viewport: { width: 1440, height: 900 },
  });
  return {
    version: `Chromium ${context.browser()?.version()}`,
    downloads,
    async newTab() {
      const page = await context.newPage();
      page.setDefaultTimeout(PATIENCE_MS);
      page.on('download', (download) => void download.saveAs(join(downloads, download.suggestedFilename())));
      return {
        open: async (address) => void (await page.goto(address)),
        evaluate: (look, ...args) => page.evaluate(/** @type {any} */ (`(${look})(...${JSON.stringify(args)})`)),
        click: (selector) => page.click(selector),
        async type(selector, text) {
          await page.click(selector);
          await page.keyboard.press('ControlOrMeta+a');
          await page.keyboard.press('Delete');
          await page.keyboard.type(text);
        },
        press: (key) => page.keyboard.press(key),
        attach: (selector, path) => page.setInputFiles(selector, path),
        resize: (width, height) => page.setViewportSize({ width, height }),
        screenshot: async (path) => void (await page.screenshot({ path })),
        close: () => page.close(),
      };
    },
    close: () => context.close(),
  };
}
