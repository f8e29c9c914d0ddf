// Measures the runtime beside what it can be measured with, in one run and on one machine, and
// prints ratios. See scripts/bench.

import { execFileSync, spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { run as runPage, start } from '../../tests/page/browser.mjs';
import { undriven } from './undriven.mjs';

const HERE = dirname(fileURLToPath(import.meta.url));
const PROJECT = dirname(dirname(HERE));
const PROMPT_64 = Array.from({ length: 9 }, () => 'The Eiffel tower is in the city of').join(' ');

const { values: options } = parseArgs({
  options: {
    fixture: { type: 'string' },
    expected: { type: 'string' },
    only: { type: 'string', multiple: true },
    json: { type: 'string', default: 'target/bench.json' },
  },
});
const wanted = (/** @type {string} */ part) => !options.only || options.only.includes(part);
/** @type {any} */
const report = { machine: `${cpus()[0].model}, ${cpus().length} threads`, date: new Date().toISOString().slice(0, 10) };
const x1 = (/** @type {number} */ n) => n.toFixed(1);
const x2 = (/** @type {number} */ n) => n.toFixed(2);
const percent = (/** @type {number} */ n) => `${Math.round(100 * n)} %`;
const table = (/** @type {string[]} */ head, /** @type {(string | number)[][]} */ rows) => {
  console.log(`\n| ${head.join(' | ')} |\n|${head.map(() => '---').join('|')}|`);
  rows.forEach((row) => console.log(`| ${row.join(' | ')} |`));
};

const mounts = new Map([['/bench/', HERE]]);
if (options.fixture) {
  for (const path of ['/fixture/', '/fixture/resolve/main/']) mounts.set(path, resolve(options.fixture));
}
const browser = await start({ mounts });
const page = await browser.context.newPage();
page.on('console', (message) => message.type() === 'error' && console.error(message.text()));
await page.goto(`${browser.url}/bench/bench.html`);
/**
 * Calls a function of a module of this folder in the page.
 * @param {string} module @param {string} name @param {unknown[]} args
 * @returns {Promise<any>}
 */
const call = (module, name, ...args) =>
  page.evaluate(async ([module, name, args]) => {
    const found = await import(/* @vite-ignore */ `${location.origin}/bench/${module}`);
    return found[/** @type {string} */ (name)](.../** @type {any[]} */ (args));
  }, /** @type {[string, string, unknown[]]} */ ([module, name, args]));
report.adapter = await page.evaluate(async () => {
  const adapter = await /** @type {any} */ (navigator).gpu?.requestAdapter();
  return adapter
    ? [adapter.info.vendor, adapter.info.architecture, adapter.info.description].filter(Boolean).join(' ')
    : 'none';
});
report.browser = browser.context.browser()?.version() ?? '';
console.log(`${report.machine}; ${report.browser}; WebGPU adapter: ${report.adapter}`);

const CEILING = { rows: 512, inner: 768, columns: 3072 };
const LAYERS = [
  [768, 768],
  [768, 2304],
  [768, 3072],
  [3072, 768],
];
const shapes = [9, 64, 512, 2048].flatMap((rows) =>
  LAYERS.flatMap(([inner, columns]) => [false, true].map((transposed) => ({ rows, inner, columns, transposed }))),
);
const shapeName = (/** @type {any} */ s) =>
  `[${s.rows}, ${s.inner}] × [${s.inner}, ${s.columns}]${s.transposed ? ', input gradient' : ''}`;
const cpuBuild = (await page.evaluate(async () =>
  (await import(/* @vite-ignore */ `${location.origin}/runtime/device.js`)).hasRelaxedSimd(),
))
  ? 'cpu-relaxed'
  : 'cpu';

if (wanted('webgpu') && report.adapter !== 'none') {
  const before = await call('ceiling.js', 'ceiling', CEILING);
  const rates = await call('ours.js', 'products', 'webgpu', shapes, 3);
  const after = await call('ceiling.js', 'ceiling', CEILING);
  const kernels = Object.keys(before).map((name) => [name, Math.max(before[name], after[name])]);
  const best = Math.max(...kernels.map(([, rate]) => Number(rate)));
  report.webgpu = {
    ceiling: Object.fromEntries(kernels),
    products: shapes.map((s, i) => ({ ...s, gflops: rates[i] })),
  };
  table(
    [`WebGPU, hand-written WGSL, ${shapeName(CEILING)}`, 'GFLOP/s'],
    kernels.map(([name, rate]) => [name, x2(Number(rate))]),
  );
  const others = {
    'onnxruntime-web': await call('ort.js', 'ortMatmul', { device: 'webgpu', ...CEILING }),
    'jax-js': await call('jax.js', 'jaxMatmul', { device: 'webgpu', ...CEILING }),
  };
  const flop = 2 * CEILING.rows * CEILING.inner * CEILING.columns;
  report.webgpu.others = Object.fromEntries(Object.entries(others).map(([name, ms]) => [name, flop / ms / 1e6]));
  table(
    ['WebGPU, others, the same', 'GFLOP/s'],
    Object.entries(others).map(([name, ms]) => [name, x2(flop / ms / 1e6)]),
  );
  table(
    ['our linear layer on WebGPU', 'GFLOP/s', 'of the ceiling'],
    shapes.map((s, i) => [shapeName(s), x2(rates[i]), percent(rates[i] / best)]),
  );
}

if (wanted('cpu')) {
  const forward = shapes.filter(({ transposed }) => !transposed);
  /** @type {Record<string, number[]>} */
  const rates = { [cpuBuild]: await call('ours.js', 'products', cpuBuild, shapes, 5) };
  rates.cpu ??= await call('ours.js', 'products', 'cpu', shapes, 5);
  /** @type {number[]} */
  const ort = [];
  for (const { rows, inner, columns } of forward) {
    ort.push(
      (2 * rows * inner * columns) /
        (await call('ort.js', 'ortMatmul', { device: 'cpu', rows, inner, columns, times: 5 })) /
        1e6,
    );
  }
  const jax = await call('jax.js', 'jaxMatmul', { device: 'cpu', ...CEILING });
  report.cpu = {
    builds: rates,
    onnxruntime: ort,
    jax: (2 * CEILING.rows * CEILING.inner * CEILING.columns) / jax / 1e6,
  };
  const ortOf = (/** @type {any} */ s) =>
    ort[forward.findIndex((f) => f.rows === s.rows && f.inner === s.inner && f.columns === s.columns)];
  table(
    [
      'our linear layer on the CPU, one thread',
      'relaxed SIMD, GFLOP/s',
      'SIMD, GFLOP/s',
      'onnxruntime-web, one thread',
      'ratio',
    ],
    shapes.map((s, i) => [
      shapeName(s),
      x1(rates[cpuBuild][i]),
      x1(rates.cpu[i]),
      x1(ortOf(s)),
      percent(rates[cpuBuild][i] / ortOf(s)),
    ]),
  );
  console.log(`jax-js on its wasm backend, ${shapeName(CEILING)}: ${x1(report.cpu.jax)} GFLOP/s`);
}

if (wanted('block')) {
  const rows = [];
  report.block = {};
  for (const [device, build] of [
    ['webgpu', 'webgpu'],
    ['cpu', cpuBuild],
  ]) {
    if (device === 'webgpu' && report.adapter === 'none') continue;
    const ours = await call('ours.js', 'block', build, { nPos: 64, nTargets: 8 }, 5);
    const theirs = await call('jax.js', 'jaxBlock', { device, nPos: 64, nTargets: 8 });
    report.block[device] = { ours, jax: theirs };
    for (const what of ['forwardMs', 'jacobianMs']) {
      rows.push([
        device,
        what === 'forwardMs' ? 'forward' : 'forward and Jacobian rows',
        x1(ours[what]),
        x1(theirs[what]),
        `${x1(theirs[what] / ours[what])} ×`,
      ]);
    }
  }
  table(['GPT-2-shaped block, 64 tokens, 8 targets', '', 'ours, ms', 'jax-js, ms', 'faster by'], rows);
}

if (wanted('notebook') && options.fixture) {
  const fixture = resolve(options.fixture);
  const expected = options.expected ? ['--expected', options.expected] : [];
  /** @type {any[]} */
  const cases = [];
  for (const device of ['cpu', ...(report.adapter === 'none' ? [] : ['webgpu'])]) {
    const json = join(PROJECT, 'target', `measure-${device}.json`);
    const done = spawnSync(
      'node',
      [join(PROJECT, 'scripts/measure.mjs'), fixture, ...expected, '--device', device, '--json', json],
      { stdio: ['ignore', 'inherit', 'inherit'] },
    );
    if (done.status !== 0) throw new Error(`measure.mjs failed on ${device}`);
    cases.push(...JSON.parse(readFileSync(json, 'utf8')));
  }
  const python = process.env.ORACLE_VENV && join(process.env.ORACLE_VENV, 'bin/python');
  /** @type {any} */
  let notebook;
  if (python) {
    execFileSync(python, [join(PROJECT, 'scripts/oracle/bench.py'), fixture], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
    notebook = JSON.parse(readFileSync(join(fixture, 'bench.json'), 'utf8'));
  } else console.log('ORACLE_VENV is not set: no comparison with the PyTorch notebook.');
  report.notebook = { cases, pytorch: notebook };
  table(
    [
      'GPT-2 small',
      'device',
      'forward',
      'encode',
      'Jacobian',
      'all, s',
      'Jacobian GFLOP',
      'GFLOP/s',
      'PyTorch, s',
      'ratio',
    ],
    cases.map((c) => {
      const again = c.again;
      const torch = notebook?.cases[c.name]?.median_s;
      return [
        c.name,
        c.device,
        x2(again.seconds.forward),
        x2(again.seconds.encode),
        x2(again.seconds.jacobian),
        x2(c.second),
        x1(again.gflop.jacobian),
        x1(again.gflop.jacobian / again.seconds.jacobian),
        torch ? x2(torch) : '—',
        torch ? `${x2(c.second / torch)} ×` : '—',
      ];
    }),
  );
}

if (wanted('load') && options.fixture) {
  const rows = [];
  report.load = {};
  for (const device of ['cpu', ...(report.adapter === 'none' ? [] : ['webgpu'])]) {
    // Only addresses that look like the hub's are cached.
    const base = `${browser.url}/fixture/resolve/main`;
    const found = await undriven(`${browser.url}/bench/load.html?${new URLSearchParams({ base, device })}`);
    report.load[device] = found;
    rows.push([
      device,
      x1(found.bytes / 1e6),
      Math.round(found.bare),
      Math.round(found.network),
      percent(found.network / found.bare),
      Math.round(found.cache),
      x1(found.again / 1e6),
    ]);
  }
  table(
    [
      'weights of latent → latent 0 → 3',
      'MB',
      'bare fetch, MB/s',
      'ours, MB/s',
      'of the bare fetch',
      'from the cache, MB/s',
      'MB from the network then',
    ],
    rows,
  );
}

if (wanted('measured') && options.fixture) {
  report.measured = {};
  const python = process.env.ORACLE_VENV && join(process.env.ORACLE_VENV, 'bin/python');
  /** @type {{name: string, seconds: number}[] | undefined} */
  let torch;
  if (python) {
    const script = join(PROJECT, 'scripts/oracle/bench_measured.py');
    const found = execFileSync(python, [script, resolve(options.fixture), '--json'], { encoding: 'utf8' });
    torch = JSON.parse(found.trim().split('\n').at(-1) ?? '[]');
  } else console.log('ORACLE_VENV is not set: no comparison with ablations in PyTorch.');
  /** @type {(string | number)[][]} */
  const rows = [];
  for (const device of ['cpu', ...(report.adapter === 'none' ? [] : ['webgpu'])]) {
    const found = await call('measured.js', 'measured', { base: `${browser.url}/fixture`, device, repeats: 50 });
    report.measured[device] = found;
    found.ablations.forEach((/** @type {any} */ of, /** @type {number} */ i) => {
      const { seconds, gflop } = of.again.phases.ablate;
      const theirs = torch?.[i]?.seconds;
      rows.push([
        of.name,
        device,
        `${of.sources} × ${of.targets}`,
        x2(seconds),
        x1(gflop),
        x1(gflop / seconds),
        theirs ? x2(theirs) : '—',
        theirs ? `${x2(seconds / theirs)} ×` : '—',
        percent((of.again.phases.forward?.seconds ?? 0) / of.again.seconds),
      ]);
    });
    const { generation, memory } = found;
    console.log(
      `${device}: ${x1(generation.tokens / generation.seconds)} tokens/s of ${generation.tokens} greedy tokens; wasm memory ${Math.round(memory.before / 1e6)} MB before and ${Math.round(memory.after / 1e6)} MB after ${memory.repeats} requests with ablations`,
    );
  }
  table(
    ['ablations', 'device', 'pairs', 's', 'GFLOP', 'GFLOP/s', 'PyTorch, s', 'ratio', 'forward in a second request'],
    rows,
  );
}

if (wanted('long') && options.fixture) {
  const found = await call('long.js', 'long', {
    base: `${browser.url}/fixture`,
    prompt: PROMPT_64,
    device: 'cpu',
    repeats: 50,
  });
  report.long = found;
  table(
    ['latent → latent 0 → 3, CPU build', 'pairs', 'GFLOP', 'seconds', 'GFLOP/s', 'wasm MB'],
    found.prompts.map((/** @type {any} */ p) => [
      `${p.tokens} tokens`,
      p.pairs,
      x1(p.gflop),
      x2(p.seconds),
      x1(p.gflop / p.seconds),
      Math.round(p.wasm / 1e6),
    ]),
  );
  console.log(
    `${found.repeats} requests in one session: wasm memory ${Math.round(found.first / 1e6)} MB after the first, ${Math.round(found.last / 1e6)} MB after the last`,
  );
  const shown = await browser.context.newPage();
  await shown.goto(`${browser.url}/?device=cpu&model=/fixture/model&saes=/fixture/saes&places=0,3,9`);
  await shown.evaluate(() => {
    const tasks = /** @type {number[]} */ (/** @type {any} */ (globalThis).tasks = []);
    new PerformanceObserver((list) => tasks.push(...list.getEntries().map((entry) => entry.duration))).observe({
      type: 'longtask',
    });
  });
  await shown.check('input[value=latent_to_latent]');
  await shown.fill('#prompt', PROMPT_64);
  const status = await runPage(shown, 600_000);
  report.longTasks = await shown.evaluate(() => /** @type {any} */ (globalThis).tasks);
  console.log(
    `64 tokens on the page (${status?.trim()}): main-thread tasks over 50 ms: ${report.longTasks.length ? report.longTasks.map(Math.round).join(', ') + ' ms' : 'none'}`,
  );
}

await browser.close();
writeFileSync(resolve(PROJECT, options.json), `${JSON.stringify(report, null, 1)}\n`);
console.log(`\nAll numbers: ${options.json}`);
