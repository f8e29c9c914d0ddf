// The runtime itself over a hub that counts: it reads what a request needs, once, through good days and
// bad. Bytes are of the tiny fixture; scripts/bench has those of GPT-2 small.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { ALL } from '../all.mjs';
import { resid, run, start } from '../page/browser.mjs';
import { startHub } from './server.mjs';

const FIXTURE = new URL('../fixtures/tiny/', import.meta.url).pathname;
const D_MODEL = 64;
const D_SAE = 512;
const ROW = 4 * D_MODEL;
/** The first read of a safetensors file, which holds its header. */
const HEADER = 64 * 1024;
/** What a server is asked of a file that is kept: whether it is still that one. */
const CHECK = 'bytes=0-0';
const BLOCK = 4 * (12 * D_MODEL ** 2 + 13 * D_MODEL);
const ENCODER = D_SAE * ROW + ROW + 4 * D_SAE;
const REQUEST = { prompt: 'The Eiffel tower is in Paris', from: resid(0), to: resid(3) };

/** @typedef {import('../../www/runtime/protocol.js').Source} Source */

/** @type {Awaited<ReturnType<typeof startHub>>} */
let hub;
/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  hub = await startHub();
  browser = await start();
});
after(async () => {
  await browser.close();
  await hub.close();
});

/**
 * Puts the fixture on the hub, under a name of its own so that nothing of it is kept yet.
 * @param {string} name
 * @param {{pace?: number}} [options]
 */
function publish(name, options) {
  const files = readdirSync(FIXTURE, { recursive: true, encoding: 'utf8' }).filter((path) =>
    /^(model|saes)\/.*\.(json|safetensors)$/.test(path),
  );
  const urls = files.map((path) => hub.put(`${name}/${path}`, readFileSync(FIXTURE + path), options));
  const base = urls[0].slice(0, urls[0].indexOf(name) + name.length);
  const at = (/** @type {string} */ path) => hub.at(`${base}/${path}`);
  return {
    source: { model: { address: `${base}/model` }, saes: [{ address: `${base}/saes` }] },
    at,
    bytes: (/** @type {string} */ path) => at(path).seen.bytes,
    requests: () => urls.flatMap((url) => hub.at(url).seen.ranges),
    total: () => urls.reduce((sum, url) => sum + hub.at(url).seen.bytes, 0),
  };
}

/**
 * A tab with a client of its own that has opened a source.
 * @param {import('node:test').TestContext} t
 * @param {Source} source
 * @param {{isPrivate?: boolean}} [options]
 */
async function visit(t, source, { isPrivate } = {}) {
  const page = await browser.context.newPage();
  t.after(() => page.close());
  await page.goto(`${browser.url}/results/index.json`);
  await page.evaluate(async ([source, isPrivate]) => {
    const { Client } = await import(/* @vite-ignore */ `${location.origin}/runtime/client.js`);
    /** @type {any} */ (globalThis).client = new Client();
    await /** @type {any} */ (globalThis).client.open(source, { device: 'cpu', isPrivate });
  }, /** @type {const} */ ([source, isPrivate]));
  return {
    page,
    /** @param {object} request @param {number} [cancelAfter] ms */
    ask: (request, cancelAfter) =>
      page.evaluate(async ([request, cancelAfter]) => {
        const signal = cancelAfter === undefined ? undefined : AbortSignal.timeout(/** @type {number} */ (cancelAfter));
        try {
          const found = await /** @type {any} */ (globalThis).client.attribute(request, { signal });
          const { sources, targets, tokens, gradients } = found;
          return {
            tokens: tokens.token_id,
            latents: [...sources.latent],
            size: [sources.pos.length, targets.pos.length],
            sum: gradients.reduce((/** @type {number} */ sum, /** @type {number} */ g) => sum + Math.abs(g), 0),
          };
        } catch (error) {
          return { code: /** @type {any} */ (error).code };
        }
      }, /** @type {[object, number | undefined]} */ ([request, cancelAfter])),
    /** Bytes that are kept of a source. @param {Source} source */
    cached: async ({ model }) => {
      const all = await page.evaluate(() => /** @type {any} */ (globalThis).client.cached());
      const base = model.address.replace(/model$/, '');
      return all.reduce(
        (/** @type {number} */ sum, /** @type {any} */ { url, bytes }) => sum + (url.startsWith(base) ? bytes : 0),
        0,
      );
    },
    kept: async () => {
      // What came is kept a moment later.
      await sleep(500);
      await page.close();
    },
  };
}

/**
 * A tab whose worker waits at every step for a message, and so goes on when the tab has been heard: nothing hangs on
 * how busy the machine is.
 * @param {import('node:test').TestContext} t
 * @param {Source} source
 */
async function visitInStep(t, source) {
  const page = await browser.context.newPage();
  t.after(() => page.close());
  await page.route('**/runtime/session.js', async (route) => {
    const response = await route.fetch();
    const changes = /** @type {const} */ ([
      ['const BREATH_MS = 16;', 'const BREATH_MS = -1;'],
      ['const TELL_MS = 100;', 'const TELL_MS = -1;'],
      ['heard.onmessage = resolve;', "self.addEventListener('message', resolve, { once: true });"],
    ]);
    let body = await response.text();
    for (const [is, shall] of changes) {
      assert.ok(body.includes(is), is);
      body = body.replace(is, shall);
    }
    await route.fulfill({ response, body });
  });
  await page.goto(`${browser.url}/results/index.json`);
  await page.evaluate(async (source) => {
    /** @type {any[]} */
    const said = [];
    globalThis.Worker = class extends Worker {
      /** @param {string | URL} url @param {WorkerOptions} [options] */
      constructor(url, options) {
        super(url, options);
        this.addEventListener('message', ({ data }) => said.push(data));
      }
    };
    const { Client } = await import(/* @vite-ignore */ `${location.origin}/runtime/client.js`);
    const client = new Client();
    await client.open(source, { device: 'cpu' });
    // What is kept is asked for at every step, below.
    await client.uncache();
    Object.assign(globalThis, { client, said });
  }, source);
  return {
    page,
    /**
     * Asks, and cancels at a step if one is named: steps are counted from 0.
     * @param {string} kind @param {object} request @param {number} [cancelAt]
     * @returns {Promise<{code?: string, answer?: string, steps: import('../../www/runtime/protocol.js').Progress[], late: number}>}
     *   late: steps that were told after it was cancelled at one
     */
    ask: (kind, request, cancelAt) =>
      page.evaluate(async ([kind, request, cancelAt]) => {
        const { client, said } = /** @type {any} */ (globalThis);
        const controller = new AbortController();
        /** @type {any[]} */
        const steps = [];
        const onProgress = (/** @type {any} */ step) => {
          if (steps.push(step) - 1 !== cancelAt) return void client.cached();
          said.length = 0;
          controller.abort();
        };
        const found = await client[/** @type {string} */ (kind)](request, {
          onProgress,
          signal: controller.signal,
        }).then(
          (/** @type {any} */ result) => ({ answer: JSON.stringify(result) }),
          (/** @type {any} */ error) => ({ code: error.code }),
        );
        // Answered in turn: the worker has let go.
        await client.memory();
        const late = said.filter((/** @type {any} */ { type }) => type === 'progress').length;
        return { ...found, steps, late };
      }, /** @type {[string, object, number | undefined]} */ ([kind, request, cancelAt])),
  };
}

const rows = (/** @type {number[]} */ values) => new Set(values).size * ROW;

test('bytes are those of the tensors needed; the next prompt reads rows alone, the next visit asks for changes', async (t) => {
  const { source, bytes, total, requests } = publish('bytes');
  const first = await visit(t, source);
  const found = await first.ask(REQUEST);
  assert.deepEqual(found.size, [100, 181]);
  const model = 3 * BLOCK + rows(found.tokens ?? []) + (found.tokens?.length ?? 0) * ROW;
  const from = ENCODER + rows(found.latents ?? []);
  const within = (/** @type {number} */ got, /** @type {number} */ needed) =>
    assert.ok(got <= 1.02 * needed && got > 0, `${got} bytes came, ${needed} were needed`);
  within(bytes('model/model.safetensors') - HEADER, model);
  within(bytes('saes/blocks.0.hook_resid_pre/sae_weights.safetensors') - HEADER, from);
  within(bytes('saes/blocks.3.hook_resid_pre/sae_weights.safetensors') - HEADER, ENCODER);
  assert.equal(bytes('saes/blocks.1.hook_resid_pre/sae_weights.safetensors'), 0);

  const before = total();
  const next = await first.ask({ ...REQUEST, prompt: 'The Eiffel tower is in the city of' });
  const fresh = (/** @type {number[]} */ all, /** @type {number[]} */ known) =>
    rows(all.filter((value) => !known.includes(value)));
  const positions = ((next.tokens?.length ?? 0) - (found.tokens?.length ?? 0)) * ROW;
  within(
    total() - before,
    fresh(next.tokens ?? [], found.tokens ?? []) + positions + fresh(next.latents ?? [], found.latents ?? []),
  );
  await first.kept();

  const again = requests().filter((range) => range !== CHECK).length;
  const second = await visit(t, source);
  assert.deepEqual(await second.ask(REQUEST), found);
  const [checks, others] = [true, false].map((is) => requests().filter((range) => (range === CHECK) === is).length);
  assert.equal(others, again, 'the next visit reads what is kept');
  // Once for config.json, tokenizer.json, model.safetensors and the two files of each SAE.
  assert.equal(checks, 7);
});

test('on a branch, bytes are those of the layers before a place, and of its own where it is behind them', async (t) => {
  const from = 'blocks.0.hook_mlp_out';
  const [attention, mlp] = [4 * (4 * D_MODEL ** 2 + 6 * D_MODEL), 4 * (8 * D_MODEL ** 2 + 7 * D_MODEL)];
  for (const [to, mlps] of /** @type {const} */ ([
    ['blocks.2.hook_mlp_out', 3],
    ['blocks.2.hook_attn_out', 2],
  ])) {
    const name = `branch-${mlps}`;
    const { source, bytes } = publish(name);
    // Weights of this width read and write anywhere.
    for (const [place, block] of /** @type {const} */ ([
      [from, 0],
      [to, 3],
    ])) {
      const read = (/** @type {string} */ file) => readFileSync(`${FIXTURE}saes/${resid(block)}/${file}`);
      const config = {
        ...JSON.parse(read('cfg.json').toString()),
        hook_name: place,
        hook_layer: Number(place.split('.')[1]),
      };
      hub.put(`${name}/saes/${place}/cfg.json`, Buffer.from(JSON.stringify(config)));
      hub.put(`${name}/saes/${place}/sae_weights.safetensors`, read('sae_weights.safetensors'));
    }
    const tab = await visit(t, source);
    const found = await tab.ask({ ...REQUEST, from, to });
    assert.ok(
      found.size?.every((n) => n > 0),
      found.code,
    );
    const rows = (/** @type {number[] | undefined} */ values) => new Set(values).size * ROW;
    const tokens = rows(found.tokens) + (found.tokens?.length ?? 0) * ROW;
    const model = 3 * attention + mlps * mlp + tokens;
    const got = bytes('model/model.safetensors') - HEADER;
    assert.ok(got <= 1.02 * model && got > 0.98 * model, `${to}: ${got} bytes came, ${model} were needed`);
    const sae = bytes(`saes/${from}/sae_weights.safetensors`) - HEADER;
    assert.ok(sae <= 1.02 * (ENCODER + rows(found.latents)), `${sae} bytes of the source SAE`);
  }
});

test('whole tables: what is asked for is the same whatever the prompt', async (t) => {
  const logits = { from: resid(3), to: { top_logits: 5 } };
  const prompts = ['The Eiffel tower is in Paris', 'a city'];
  for (const [kind, request] of Object.entries({ latents: REQUEST, logits })) {
    for (const isPrivate of [true, false]) {
      const asked = [];
      for (const [i, prompt] of prompts.entries()) {
        const { source, requests, bytes } = publish(`private-${kind}-${isPrivate}-${i}`);
        const tab = await visit(t, source, { isPrivate });
        const found = await tab.ask({ ...request, prompt });
        assert.equal(found.code, undefined);
        // Another prompt of the same places needs nothing more.
        const before = requests().length;
        await tab.ask({ ...request, prompt: `${prompt} and Rome` });
        if (isPrivate) assert.equal(requests().length, before);
        // Whole pieces may come in another order.
        asked.push(requests().sort());
        // Of logits, the embedding is needed anyway: it comes once.
        const [embedding, blocks] = [3001 * ROW, kind === 'latents' ? 3 : 4];
        if (isPrivate)
          assert.ok(
            bytes('model/model.safetensors') < 1.02 * (embedding + 128 * ROW + blocks * BLOCK + HEADER + 2 * ROW),
          );
        await tab.page.close();
      }
      assert.equal(JSON.stringify(asked[0]) === JSON.stringify(asked[1]), isPrivate);
    }
  }
});

test(
  'requests are answered in turn, and one that is cancelled before its turn is not begun',
  { timeout: 60_000 },
  async (t) => {
    const { source, at, bytes } = publish('turns');
    const sae = (/** @type {number} */ layer) => `saes/blocks.${layer}.hook_resid_pre/sae_weights.safetensors`;
    const tab = await visit(t, source);
    // The first takes longest.
    at(sae(3)).pace = 300;
    const order = await tab.page.evaluate(
      async ([long, middle, short]) => {
        const { client } = /** @type {any} */ (globalThis);
        /** @type {string[]} */
        const order = [];
        const controller = new AbortController();
        const ask = (/** @type {string} */ name, /** @type {object} */ request, /** @type {object} */ options) =>
          client.attribute(request, options).then(
            () => order.push(name),
            (/** @type {any} */ error) => order.push(`${name} ${error.code}`),
          );
        const all = [ask('long', long, {}), ask('middle', middle, controller), ask('short', short, {})];
        setTimeout(() => controller.abort(), 100);
        await Promise.all(all);
        return order;
      },
      [REQUEST, 1, 0].map((what) =>
        typeof what === 'number' ? { prompt: 'The', from: 'tokens', to: resid(what) } : what,
      ),
    );
    assert.deepEqual(order, ['middle cancelled', 'long', 'short']);
    assert.equal(bytes(sae(1)), 0);
  },
);

test('a run ends at the step at which it is cancelled, a step is no more than it counts, and what was loaded is kept', async (t) => {
  const { source, requests } = publish('in-step');
  const { page, ask } = await visitInStep(t, source);
  const prompt = 'The Eiffel tower is in the city of';
  const to = { logit_difference: [' Paris', ' London'] };
  const steer = [{ place: resid(2), latent: 7, factor: 20 }];
  const asked = /** @type {const} */ ([
    ['attribute', { prompt, from: resid(1), to: resid(3), measure: true }],
    ['attribute', { prompt, from: resid(2), to, method: { integrated: 4 } }],
    ['generate', { prompt, max_tokens: 6, steer }],
    ['curves', { request: { prompt, from: resid(2), to }, counts: [1, 4] }],
  ]);
  // Operations of the prompt's way through an MLP, and through a block, and all there is to a pass.
  const { tokens } = JSON.parse((await ask(...asked[0])).answer ?? '');
  const n_pos = tokens.token_id.length;
  const mlp = 16 * D_MODEL ** 2 * n_pos;
  const block = 1.5 * mlp;
  const pass = 4 * block + 2 * 3001 * D_MODEL;
  /** What one unit of a phase may take. @type {Record<string, number>} */
  const unit = { load: pass, forward: mlp, encode: pass, jacobian: block, ablate: mlp, generate: pass };
  for (const [kind, request] of asked) {
    const { answer } = await ask(kind, request);
    const { steps } = await ask(kind, request);
    for (const [i, step] of steps.entries()) {
      const [before, work] = [steps[i - 1], step.flop - (steps[i - 1] ?? step).flop];
      const units = before?.phase === step.phase ? step.done - before.done : 0;
      const most = units > 0 ? units * unit[step.phase] : pass;
      assert.ok(work <= 1.001 * most, `${work} of at most ${most} operations before ${JSON.stringify(step)}`);
    }

    const before = requests().length;
    const [worker] = page.workers();
    for (let at = 1; at < steps.length - 1; at += Math.ceil(steps.length / (ALL ? 9 : 2))) {
      const { code, late } = await ask(kind, request, at);
      assert.equal(code, 'cancelled');
      // One at most, if the tab was slow to be heard.
      assert.ok(late <= 1, `${late} steps after step ${at} of ${kind}`);
    }
    // The same worker answers the same, and reads nothing again.
    assert.equal((await ask(kind, request)).answer, answer);
    assert.equal(requests().length, before);
    assert.ok(page.workers().includes(worker));
  }
});

test('cancelling keeps what came', async (t) => {
  const { source, total } = publish('cancelled', { pace: 20 });
  const tab = await visit(t, source);
  assert.equal((await tab.ask(REQUEST, 150)).code, 'cancelled');
  await sleep(200);
  const before = total();
  await sleep(300);
  assert.equal(total(), before, 'nothing comes after Cancel');
  const kept = await tab.cached(source);
  assert.ok(kept > 0);
  assert.deepEqual((await tab.ask(REQUEST)).size, [100, 181]);
  const needed = 3 * BLOCK + 2 * ENCODER + 3 * HEADER + 125 * ROW;
  const files = 100_000;
  // What was on its way when it was cancelled comes again.
  assert.ok(total() - before < 1.02 * (needed + files) - kept, `${total() - before} bytes for ${needed - kept}`);
});

test('a server that fails now and then only takes longer', async (t) => {
  const { source, at } = publish('failing');
  const tab = await visit(t, source);
  at('model/model.safetensors').faults = [{ kind: 'status', status: 503 }, { kind: 'reset' }, { kind: 'wrong-range' }];
  at('saes/blocks.3.hook_resid_pre/sae_weights.safetensors').faults = [{ kind: 'ignore-range' }, { kind: 'short' }];
  assert.deepEqual((await tab.ask(REQUEST)).size, [100, 181]);
});

test('a file that changes is an error once; the next request starts with the new version', async (t) => {
  const name = 'changing';
  const { source } = publish(name);
  const tab = await visit(t, source);
  const right = await tab.ask({ ...REQUEST, to: resid(1) });
  const path = 'model/model.safetensors';
  const bytes = readFileSync(FIXTURE + path);
  // The same tensors with one number changed in the last block, which the first request did not read.
  const header = Number(bytes.readBigUInt64LE(0));
  const tensors = JSON.parse(bytes.toString('utf8', 8, 8 + header));
  bytes.writeFloatLE(0.125, 8 + header + tensors['h.3.mlp.c_proj.bias'].data_offsets[0]);
  hub.put(`${name}/${path}`, bytes);
  const changed = await tab.ask({ prompt: REQUEST.prompt, from: resid(3), to: { top_logits: 5 } });
  assert.equal(changed.code, 'file-changed');
  assert.equal((await tab.ask({ prompt: REQUEST.prompt, from: resid(3), to: { top_logits: 5 } })).code, undefined);
  assert.deepEqual(await tab.ask({ ...REQUEST, to: resid(1) }), right);
});

test('tensors that lie are refused, and not kept', async (t) => {
  const name = 'damaged';
  const { source } = publish(name);
  const path = 'saes/blocks.3.hook_resid_pre/sae_weights.safetensors';
  const good = readFileSync(FIXTURE + path);
  const bad = Buffer.from(good);
  bad.fill(0xff, bad.length - 4000);
  hub.put(`${name}/${path}`, bad);
  const tab = await visit(t, source);
  assert.equal((await tab.ask(REQUEST)).code, 'tensor-not-finite');
  hub.put(`${name}/${path}`, good);
  // The session knows the old version: it says so, and the next request reads the new one.
  const next = await tab.ask(REQUEST);
  assert.ok([undefined, 'file-changed'].includes(next.code), next.code);
  const found = next.code ? await tab.ask(REQUEST) : next;
  assert.deepEqual(found.size, [100, 181]);
});

test('the page asks once to keep what came from elsewhere', async (t) => {
  const { source } = publish('persisted');
  const page = await browser.context.newPage();
  t.after(() => page.close());
  await page.addInitScript(() => {
    let asked = 0;
    navigator.storage.persist = async () => {
      document.documentElement.dataset.persisted = String(++asked);
      return true;
    };
  });
  await page.goto(
    `${browser.url}/?${new URLSearchParams({ model: source.model.address, saes: source.saes[0].address, places: '0,3', device: 'cpu' })}`,
  );
  for (const prompt of ['The Eiffel tower', 'The Eiffel tower is in Paris']) {
    await page.fill('#prompt', prompt);
    assert.match((await run(page)) ?? '', /^Done/);
  }
  assert.equal(await page.getAttribute('html', 'data-persisted'), '1');
});
