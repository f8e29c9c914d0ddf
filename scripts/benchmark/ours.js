// Times of the runtime's parts, for scripts/bench.

/** @param {string} build folder of www/runtime/pkg */
async function runtime(build) {
  const folder = `${location.origin}/runtime/pkg/${build}`;
  const module = await import(/* @vite-ignore */ `${folder}/sae_attribution.js`);
  const wasm = await module.default({ module_or_path: `${folder}/sae_attribution_bg.wasm` });
  wasm.__wasm_call_ctors();
  return module;
}

/**
 * Best milliseconds of `repeats` after one to warm up.
 * @param {() => Promise<unknown>} work
 * @param {number} repeats
 */
async function best(work, repeats) {
  await work();
  let found = Infinity;
  for (let i = 0; i < repeats; i++) {
    const start = performance.now();
    await work();
    found = Math.min(found, performance.now() - start);
  }
  return found;
}

/**
 * GFLOP/s of linear layers (`transposed`: their input gradients).
 * @param {string} build
 * @param {{rows: number, inner: number, columns: number, transposed: boolean}[]} shapes
 * @param {number} [repeats]
 */
export async function products(build, shapes, repeats = 5) {
  const { ProductBench } = await runtime(build);
  const rates = [];
  for (const { rows, inner, columns, transposed } of shapes) {
    const flop = 2 * rows * inner * columns;
    const runs = Math.max(1, Math.round(3e8 / flop));
    const bench = await ProductBench.create(rows, inner, columns, transposed);
    const ms = await best(() => bench.run(runs), repeats);
    bench.free();
    rates.push((flop * runs) / ms / 1e6);
  }
  return rates;
}

/**
 * Milliseconds of one GPT-2-shaped block: forward, and forward with the Jacobian's rows.
 * @param {string} build
 * @param {{nPos: number, nTargets: number}} shape
 * @param {number} [repeats]
 */
export async function block(build, { nPos, nTargets }, repeats = 5) {
  const { BlockBench } = await runtime(build);
  const bench = await BlockBench.create(nPos, nTargets);
  return {
    forwardMs: await best(() => bench.forward(), repeats),
    jacobianMs: await best(() => bench.jacobian(), repeats),
  };
}
