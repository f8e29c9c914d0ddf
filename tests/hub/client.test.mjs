// The client and its worker where something never answers: nobody waits without end, and after Cancel nobody
// waits at all. A runtime of a few lines stands for the real one.

import assert from 'node:assert/strict';
import { after, before, test as testWithin } from 'node:test';
import { chooseDevice } from '../../www/runtime/device.js';
import { LIMITS } from '../../www/runtime/wait.js';
import { start } from '../page/browser.mjs';

/**
 * No test may hang.
 * @param {string} name
 * @param {(t: import('node:test').TestContext) => void | Promise<void>} body
 */
const test = (name, body) => testWithin(name, { timeout: 60_000 }, body);

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start({ runtime: false });
});
after(() => browser.close());

/** Opens what is named `right`; hangs, fails or works as a prompt says. */
const RUNTIME = `
  export default async ({ module_or_path }) => {
    if ((await (await module_or_path).text()) === 'never') await new Promise(() => {});
    return { __wbindgen_malloc() {}, __wasm_call_ctors() {}, memory: { buffer: new ArrayBuffer(8) } };
  };
  export const onFault = () => {};
  const never = () => new Promise(() => {});
  export class Session {
    static async open({ model: { address } }, reader) {
      const model = address.replace(/^.*\\//, '');
      if (model.includes('never')) await never();
      if (model.includes('bad')) {
        await reader.readWhole(address + '/config.json', 1000);
        throw Object.assign(new Error('It is bad.'), { code: 'config-invalid', file: address + '/config.json' });
      }
      return Object.assign(new Session(), { model, shape: '', config: {}, peakDeviceMemory: 0 });
    }
    free() {}
    tokenize(prompt) {
      return { token_id: [], string: [this.model, prompt] };
    }
    async attribute({ prompt }, report) {
      if (prompt === 'never') await never();
      for (let i = 0; prompt === 'long'; i++) {
        if (!(await report({ phase: 'forward', done: i, total: 9, flop: 0 }))) throw Object.assign(new Error('Cancelled.'), { code: 'cancelled' });
      }
      return { model: this.model };
    }
  }
`;

/**
 * A tab with a client. What takes long by default takes 300 ms where it is named.
 * @param {import('node:test').TestContext} t
 * @param {Partial<typeof LIMITS>} [limits]
 */
async function visit(t, limits = {}) {
  const page = await browser.context.newPage();
  t.after(() => page.close());
  await page.route('**/wait.js', async (route) => {
    const response = await route.fetch();
    await route.fulfill({
      response,
      body: `${await response.text()}\nObject.assign(LIMITS, ${JSON.stringify(limits)});`,
    });
  });
  await page.route('**/pkg/**/*.js', (route) => route.fulfill({ contentType: 'text/javascript', body: RUNTIME }));
  await page.route('**/pkg/**/*.wasm', (route) => route.fulfill({ contentType: 'application/wasm', body: 'wasm' }));
  await page.goto(`${browser.url}/results/index.json`);
  await page.evaluate(async () => {
    const { Client } = await import(/* @vite-ignore */ `${location.origin}/runtime/client.js`);
    const client = new Client();
    /** Calls the client; resolves to what it answers, or to the code and the words of its error. */
    const call = (/** @type {string} */ name, /** @type {any[]} */ ...args) =>
      client[name](...args).then(
        (/** @type {any} */ value) => value ?? 'done',
        (/** @type {any} */ error) => ({ code: error.code, message: error.message }),
      );
    Object.assign(globalThis, { client, call });
  });
  return {
    page,
    /** Calls; cancelled after so many ms, if told. @param {string} name @param {any} what @param {number} [cancelAfter] */
    ask: (name, what, cancelAfter) =>
      page.evaluate(([name, what, cancelAfter]) => {
        const { call } = /** @type {any} */ (globalThis);
        const signal = cancelAfter === undefined ? undefined : AbortSignal.timeout(cancelAfter);
        return name === 'open'
          ? call(name, { model: { address: what }, saes: [{ address: what }] }, { device: 'cpu', signal })
          : call(name, name === 'tokenize' ? what : { prompt: what }, { signal });
      }, /** @type {[string, any, any]} */ ([name, what, cancelAfter])),
  };
}

/** Takes a request and never answers it. */
const never = () => {};

const PATHS = {
  'the worker': '**/worker.js',
  'a module of the worker': '**/hub.js',
  'the module of the runtime': '**/pkg/**/*.js',
  'the runtime': '**/pkg/**/*.wasm',
};
for (const [what, path] of Object.entries(PATHS)) {
  test(`${what} never comes: Cancel answers at once, and the next request is answered`, async (t) => {
    const { page, ask } = await visit(t, { cancel: 300 });
    await page.route(path, never);
    assert.equal((await ask('open', 'right', 200)).code, 'cancelled');
    await page.unroute(path, never);
    assert.equal((await ask('open', 'right')).device, 'cpu');
    assert.deepEqual((await ask('tokenize', 'a')).string, ['right', 'a']);
  });

  test(`${what} never comes: an error says so, and the next request is answered`, async (t) => {
    const { page, ask } = await visit(t, { start: 1_000 });
    await page.route(path, never);
    const { code, message } = await ask('open', 'right');
    assert.equal(code, 'runtime-unavailable', message);
    assert.match(message, /nothing came for 1 seconds\. Check the connection and run again/);
    await page.unroute(path, never);
    for (let tries = 0; (await ask('open', 'right')).device !== 'cpu'; tries++) assert.ok(tries < 20);
  });
}

test('a runtime that never gets ready: an error says so, and the next request is answered', async (t) => {
  const { page, ask } = await visit(t, { load: 500 });
  const halfway = (/** @type {import('playwright-core').Route} */ route) =>
    route.fulfill({ contentType: 'application/wasm', body: 'never' });
  await page.route('**/pkg/**/*.wasm', halfway);
  const { code, message } = await ask('open', 'right');
  assert.equal(code, 'runtime-unavailable', message);
  assert.match(message, /it was not there after 0\.5 seconds\. Check the connection and run again/);
  await page.unroute('**/pkg/**/*.wasm', halfway);
  assert.equal((await ask('open', 'right')).device, 'cpu');
});

test('a worker that cannot be loaded is an error that says so', async (t) => {
  const { page, ask } = await visit(t);
  const fail = (/** @type {import('playwright-core').Route} */ route) => route.fulfill({ status: 404, body: 'no' });
  await page.route('**/worker.js', fail);
  assert.equal((await ask('open', 'right')).code, 'runtime-unavailable');
  await page.unroute('**/worker.js', fail);
  assert.equal((await ask('open', 'right')).device, 'cpu');
});

test('a runtime that is not there is an error that says so', async (t) => {
  const { page, ask } = await visit(t);
  const fail = (/** @type {import('playwright-core').Route} */ route) => route.fulfill({ status: 404, body: 'no' });
  await page.route('**/pkg/**/*.wasm', fail);
  const { code, message } = await ask('open', 'right');
  assert.equal(code, 'runtime-unavailable');
  assert.match(message, /the server answered 404\. Check/);
  await page.unroute('**/pkg/**/*.wasm', fail);
  assert.equal((await ask('open', 'right')).device, 'cpu');
});

test('a model that never opens: Cancel answers at once, and the one before answers on', async (t) => {
  const { ask } = await visit(t, { cancel: 300 });
  await ask('open', 'right');
  assert.equal((await ask('open', 'never', 200)).code, 'cancelled');
  assert.deepEqual((await ask('tokenize', 'a')).string, ['right', 'a']);
});

test('a model that never opens: an error says so', async (t) => {
  const { ask } = await visit(t, { open: 1_000 });
  const { code, message } = await ask('open', 'never');
  assert.equal(code, 'device-failed');
  assert.match(message, /does not answer/);
  for (let tries = 0; (await ask('open', 'right')).device !== 'cpu'; tries++) assert.ok(tries < 20);
});

test('a request that never ends: Cancel answers at once, and the next one is answered by a fresh worker', async (t) => {
  const { ask } = await visit(t, { cancel: 300 });
  await ask('open', 'right');
  assert.equal((await ask('attribute', 'never', 200)).code, 'cancelled');
  assert.deepEqual(await ask('attribute', 'a'), { model: 'right' });
});

test('a request that heeds Cancel leaves its worker alone', async (t) => {
  const { page, ask } = await visit(t);
  await ask('open', 'right');
  const [worker] = page.workers();
  assert.equal((await ask('attribute', 'long', 200)).code, 'cancelled');
  assert.deepEqual(await ask('attribute', 'a'), { model: 'right' });
  assert.deepEqual(page.workers(), [worker]);
});

test('a model that opens though it was cancelled is not the one that answers next', async (t) => {
  const { page } = await visit(t);
  const models = await page.evaluate(async () => {
    const { call } = /** @type {any} */ (globalThis);
    const open = (/** @type {string} */ model, /** @type {AbortSignal} */ signal) =>
      call('open', { model: { address: model }, saes: [{ address: model }] }, { device: 'cpu', signal });
    await open('right', new AbortController().signal);
    // Cancelled at every moment from the asking to the answer.
    const found = [];
    for (let i = 0; i < 40; i++) {
      const controller = new AbortController();
      const opening = open('other', controller.signal);
      await new Promise((resolve) => setTimeout(resolve, i / 4));
      controller.abort();
      const { code } = await opening;
      const { string } = await call('tokenize', 'a');
      found.push(string[0]);
      if (code !== 'cancelled') await open('right', new AbortController().signal);
      else if (string[0] !== 'right') return `cancelled, and ${string[0]} answers`;
    }
    return found.length;
  });
  assert.equal(models, 40);
});

test('what cannot be sent to the runtime is an error with a code', async (t) => {
  const { page, ask } = await visit(t);
  await ask('open', 'right');
  const answer = await page.evaluate(() => /** @type {any} */ (globalThis).call('attribute', { prompt: () => {} }));
  assert.equal(answer.code, 'request-invalid');
  assert.match(answer.message, /^The request cannot be sent to the runtime: /);
  assert.deepEqual(await ask('attribute', 'a'), { model: 'right' });
});

test('an adapter that never comes is as good as none', async (t) => {
  const { adapter } = LIMITS;
  t.after(() => (LIMITS.adapter = adapter));
  const gpu = { requestAdapter: () => new Promise(() => {}) };
  const { signal } = new AbortController();
  LIMITS.adapter = 50;
  const { device, reason } = await chooseDevice(undefined, { gpu, signal });
  assert.equal(device, 'cpu');
  assert.match(reason, /does not answer/);
  await assert.rejects(chooseDevice('webgpu', { gpu, signal }), { code: 'webgpu-unavailable' });
  const throws = { requestAdapter: () => Promise.reject(new Error('no')) };
  assert.equal((await chooseDevice(undefined, { gpu: throws })).device, 'cpu');
  LIMITS.adapter = 1e9;
  const controller = new AbortController();
  const choosing = chooseDevice(undefined, { gpu, signal: controller.signal });
  controller.abort();
  await assert.rejects(choosing, { code: 'cancelled' });
});
