// Runs a fixture's cases through the page's own client in headless Chromium, compares every answer
// with the expected one, and prints seconds of each phase and peak memory as a Markdown table; the
// JSON also has the matrix products' GFLOP.
//
//   node scripts/measure.mjs FIXTURE [--expected DIR] [--device cpu|webgpu] [--case NAME]...
//                            [--tolerance X] [--json FILE]
//
// FIXTURE is a folder in the hub's layout: model/, saes/, cases.json; expected results are in its
// expected/ unless --expected says where. Run scripts/build before.

import { readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { readTensors, requestOf, sourceOf } from './cases.mjs';
import { start } from '../tests/page/browser.mjs';

const { values: options, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    expected: { type: 'string' },
    device: { type: 'string', default: 'cpu' },
    case: { type: 'string', multiple: true },
    tolerance: { type: 'string', default: '1e-4' },
    json: { type: 'string' },
  },
});
const fixture = positionals[0] && resolve(positionals[0]);
if (!fixture) {
  console.error(
    'usage: node scripts/measure.mjs FIXTURE [--expected DIR] [--device cpu|webgpu] [--case NAME]... [--tolerance X] [--json FILE]',
  );
  process.exit(2);
}
const expectedFolder = options.expected ? resolve(options.expected) : join(fixture, 'expected');
const tolerance = Number(options.tolerance);

/**
 * Largest error relative to the largest expected value.
 * @param {ArrayLike<number>} got
 * @param {ArrayLike<number>} want
 */
function errorOf(got, want) {
  if (got.length !== want.length) return Infinity;
  let [worst, largest] = [0, 0];
  for (let i = 0; i < want.length; i++) {
    const error = Math.abs(got[i] - want[i]);
    if (!(error <= worst)) worst = error;
    largest = Math.max(largest, Math.abs(want[i]));
  }
  return largest ? worst / largest : worst;
}

/**
 * What differs from the reference, and the largest errors.
 * @param {any} result
 * @param {string} name
 */
function compare(result, name) {
  const json = JSON.parse(readFileSync(join(expectedFolder, `${name}.json`), 'utf8'));
  const tensors = readTensors(join(expectedFolder, `${name}.safetensors`));
  /** @type {string[]} */
  const wrong = [];
  /** @type {Record<string, number>} */
  const errors = {};
  const equal = (/** @type {string} */ what, /** @type {any} */ got, /** @type {any} */ want) => {
    if (JSON.stringify(got) !== JSON.stringify(want)) wrong.push(what);
  };
  const close = (/** @type {string} */ what, /** @type {any} */ got, /** @type {any} */ want) => {
    errors[what] = errorOf(got, want);
    if (!(errors[what] <= tolerance)) wrong.push(`${what} (${errors[what].toExponential(1)})`);
  };
  equal('tokens', result.tokens.token_id, json.tokens);
  for (const [side, nodes] of [
    ['from', result.sources],
    ['to', result.targets],
  ]) {
    if (!json[side]) continue;
    const at = tensors[`${side}_indices`];
    const column = (/** @type {number} */ c) => Array.from({ length: at.length / 3 }, (_, i) => at[3 * i + c]);
    equal(`active latents (${side})`, [[...nodes.pos], [...nodes.latent]], [column(1), column(2)]);
    close(`activations (${side})`, nodes.activation, tensors[`${side}_acts_f64`] ?? tensors[`${side}_acts`]);
  }
  let { gradients } = result;
  const [rows, columns] = [result.targets.pos.length, result.sources.pos.length];
  if (json.case.kind === 'token_to_latent') {
    // The reference lays these out as [1, pos, latents].
    gradients = Float32Array.from(
      gradients,
      (_, /** @type {number} */ i) => result.gradients[(i % rows) * columns + Math.floor(i / rows)],
    );
  }
  close('gradients', gradients, tensors.gradients_f64 ?? tensors.gradients);
  if (tensors.attributions) close('attributions', result.attributions, tensors.attributions);
  if (json.token_ids) {
    const { token_id, activation } = result.targets;
    const logits = result.pair_logits ?? { token_id, logit: activation };
    equal('token ids', logits.token_id, json.token_ids);
    const all = tensors.logits_f64 ?? tensors.logits;
    close(
      'logits',
      logits.logit,
      json.token_ids.map((/** @type {number} */ id) => all[id]),
    );
  }
  if (json.sparsity) equal('sparsity', result.statistics.sparsity, json.sparsity);
  for (const { threshold, pairs } of json.off_staircase ?? []) {
    if (threshold !== result.off_staircase.threshold) continue;
    const { source, target } = result.off_staircase;
    const end = (/** @type {any} */ nodes, /** @type {number} */ i) => [nodes.pos[i], nodes.latent[i]];
    const found = [...source].map((s, i) => [end(result.sources, s), end(result.targets, target[i])]);
    equal(`pairs over ${threshold}`, found, pairs);
  }
  return { wrong, errors };
}

/**
 * A meter of the JavaScript heaps of a page and its workers together, in bytes. A worker answers
 * only between two pieces of its work.
 * @param {import('playwright-core').CDPSession} page
 */
async function heapMeter(page) {
  /** Heap of each worker, as last heard. @type {Map<string, number>} */
  const workers = new Map();
  page.on('Target.attachedToTarget', ({ sessionId }) => workers.set(sessionId, 0));
  page.on('Target.detachedFromTarget', ({ sessionId }) => workers.delete(sessionId));
  page.on('Target.receivedMessageFromTarget', ({ sessionId, message }) => {
    workers.set(sessionId, sizeOf(JSON.parse(message).result));
  });
  await page.send('Target.setAutoAttach', { autoAttach: true, waitForDebuggerOnStart: false, flatten: false });
  return async () => {
    const message = JSON.stringify({ id: 1, method: 'Runtime.getHeapUsage' });
    for (const sessionId of workers.keys()) {
      page.send('Target.sendMessageToTarget', { sessionId, message }).catch(() => {});
    }
    const usage = await page.send('Runtime.getHeapUsage').catch(() => undefined);
    return [...workers.values()].reduce((sum, size) => sum + size, sizeOf(usage));
  };
}

/**
 * Objects and array buffers, the wasm memory among these.
 * @param {any} usage an answer of Runtime.getHeapUsage
 */
function sizeOf(usage) {
  return (usage?.usedSize ?? 0) + (usage?.backingStorageSize ?? 0);
}

/** Peak resident memory of Chromium's largest process, in bytes. */
function peakResident() {
  let peak = 0;
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('--type=renderer')) continue;
      const status = readFileSync(`/proc/${pid}/status`, 'utf8');
      peak = Math.max(peak, 1024 * Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0));
    } catch {
      // The process ended meanwhile.
    }
  }
  return peak;
}

const cases = JSON.parse(readFileSync(join(fixture, 'cases.json'), 'utf8')).filter(
  (/** @type {any} */ { name }) => !options.case || options.case.includes(name),
);
const browser = await start({
  mounts: new Map([['/fixture/', fixture]]),
});
const page = await browser.context.newPage();
page.on('console', (message) => message.type() === 'error' && console.error(message.text()));
await page.goto(browser.url);
const heapUsed = await heapMeter(await browser.context.newCDPSession(page));
const report = [];
let failed = 0;
try {
  for (const one of cases) {
    const { name } = one;
    let heap = 0;
    const sampling = setInterval(async () => {
      heap = Math.max(heap, await heapUsed());
    }, 50);
    const answer = await page.evaluate(
      async ([source, device, request]) => {
        const { Client } = await import(/* @vite-ignore */ `${location.origin}/runtime/client.js`);
        const { toJson } = await import(/* @vite-ignore */ `${location.origin}/figure/write.js`);
        const client = new Client();
        /** Seconds and GFLOP of each phase of what `work` does. */
        const phases = async (
          /** @type {string} */ first,
          /** @type {(enter: (progress: any) => void) => Promise<any>} */ work,
        ) => {
          /** @type {Record<string, number>} */
          const seconds = {};
          /** @type {Record<string, number>} */
          const gflop = {};
          let [phase, since, before] = [first, performance.now(), -1];
          const enter = (/** @type {any} */ { phase: next, flop }) => {
            if (before < 0) before = flop;
            if (next === phase) return;
            const now = performance.now();
            seconds[phase] = (seconds[phase] ?? 0) + (now - since) / 1000;
            gflop[phase] = (gflop[phase] ?? 0) + (flop - before) / 1e9;
            [phase, since, before] = [next, now, flop];
          };
          const value = await work(enter);
          return { value, seconds, gflop };
        };
        const last = { flop: 0 };
        const answer = async (/** @type {(progress: any) => void} */ enter) => {
          const result = await client.attribute(request, {
            onProgress: (/** @type {any} */ progress) => enter(Object.assign(last, progress)),
          });
          enter({ phase: 'end', flop: last.flop });
          return result;
        };
        const once = await phases('open', async (enter) => {
          const opened = await client.open(source, { device });
          return { opened, result: await answer(enter) };
        });
        const { opened, result } = once.value;
        const start = performance.now();
        const { seconds, gflop } = await phases('load', answer);
        const second = (performance.now() - start) / 1000;
        const memory = await client.memory();
        client.close();
        return {
          device: opened.device,
          shape: opened.shape,
          seconds: once.seconds,
          again: { seconds, gflop },
          second,
          wasm: memory.wasm,
          result: toJson(result),
        };
      },
      /** @type {const} */ ([sourceOf(fixture, `${browser.url}/fixture`), options.device, requestOf(one)]),
    );
    clearInterval(sampling);
    const { wrong, errors } = compare(JSON.parse(answer.result), name);
    failed += Number(wrong.length > 0);
    const { result, ...rest } = answer;
    const entry = { name, ...rest, heap, resident: peakResident(), errors, wrong };
    report.push(entry);
    console.error(
      `${name} on ${answer.device} (${answer.shape}): ${wrong.length ? `WRONG: ${wrong.join(', ')}` : 'equal to the reference'}, ` +
        Object.entries(errors)
          .map(([what, error]) => `${what} ${error.toExponential(1)}`)
          .join(', '),
    );
  }
} finally {
  await browser.close();
}

const s = (/** @type {number | undefined} */ seconds) => (seconds ?? 0).toFixed(2);
const mb = (/** @type {number} */ bytes) => (bytes / 1e6).toFixed(0);
console.log(
  '| case | device | open | load | forward | encode | Jacobian | second run, all | wasm MB | JS heap MB | process MB | largest gradient error |',
);
console.log('|---|---|---|---|---|---|---|---|---|---|---|---|');
for (const r of report) {
  const t = r.seconds;
  console.log(
    `| ${r.name} | ${r.device} | ${s(t.open)} | ${s(t.load)} | ${s(t.forward)} | ${s(t.encode)} | ${s(t.jacobian)} | ${s(r.second)} | ${mb(r.wasm)} | ${mb(r.heap)} | ${mb(r.resident)} | ${r.errors.gradients.toExponential(1)} |`,
  );
}
if (options.json) writeFileSync(options.json, `${JSON.stringify(report, null, 1)}\n`);
console.log(`${report.length - failed} passed, ${failed} failed`);
process.exitCode = failed ? 1 : 0;
