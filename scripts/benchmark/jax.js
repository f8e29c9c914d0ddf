// jax-js in the browser, to compare with: a GPT-2-shaped transformer block and rows of its Jacobian,
// and one matrix product.

import { checkProduct, randomFloats } from './check.js';

const D_MODEL = 768;
const HEADS = 12;
const D_HEAD = D_MODEL / HEADS;
const D_MLP = 3072;

/**
 * jax-js with the backend of `device` ready and the default.
 * @param {'webgpu' | 'cpu'} device
 */
async function load(device) {
  // jax-js starts a worker for each of the machine's threads when it is imported where there is a
  // SharedArrayBuffer, with no option for fewer. Elsewhere it runs on the calling thread.
  Object.defineProperty(navigator, 'hardwareConcurrency', { value: 1, configurable: true });
  let jax;
  try {
    jax = await import('./node_modules/@jax-js/jax/dist/index.js');
  } finally {
    delete navigator.hardwareConcurrency;
  }
  const backend = device === 'cpu' ? 'wasm' : device;
  const ready = await jax.init(backend);
  if (!ready.includes(backend)) throw new Error(`jax-js has no ${backend} here`);
  jax.defaultDevice(backend);
  return jax;
}

/**
 * Best milliseconds of a function, after runs that compile it.
 * @param {any} jax
 * @param {() => any[]} run its results, of which a little is read back
 * @param {number} times
 */
async function best({ numpy: np }, run, times) {
  let least = Infinity;
  // V8 too compiles wasm a second time once it has run a while.
  const warmUps = 2;
  for (let i = 0; i < warmUps + times; i++) {
    const start = performance.now();
    // blockUntilReady reads no bytes on WebGPU, which need not wait for the work.
    await Promise.all(run().map((result) => np.ravel(result).slice([0, 8]).data()));
    if (i >= warmUps) least = Math.min(least, performance.now() - start);
  }
  return least;
}

/**
 * The block as a function of its weights and resid [positions, D_MODEL]. As everywhere in jax-js, a
 * function consumes its arguments, and `.ref` keeps one for another use.
 *
 * It is compiled in pieces around gelu: compiled whole, jax-js fuses gelu's derivative into the
 * product after it and computes it anew for every entry, at several times the time.
 * @param {any} jax
 */
function makeBlock({ jit, nn, numpy: np, tree }) {
  const heads = (/** @type {any} */ x) => x.reshape([x.shape[0], HEADS, D_HEAD]);
  const linear = (/** @type {any} */ x, /** @type {any} */ w, /** @type {any} */ b) => np.matmul(x, w).add(b);
  const toHidden = jit(function toHidden(/** @type {any} */ w, /** @type {any} */ resid) {
    const x = nn.standardize(resid.ref, -1, { epsilon: 1e-5 });
    const q = heads(linear(x.ref, w.wq, w.bq));
    const k = heads(linear(x.ref, w.wk, w.bk));
    const v = heads(linear(x, w.wv, w.bv));
    // Scaled by 1 / sqrt(D_HEAD).
    const z = nn.dotProductAttention(q, k, v, { isCausal: true });
    const middle = resid.add(linear(z.reshape([z.shape[0], D_MODEL]), w.wo, w.bo));
    return [middle.ref, linear(nn.standardize(middle, -1, { epsilon: 1e-5 }), w.win, w.bin)];
  });
  const toOut = jit(function toOut(/** @type {any} */ w, /** @type {any} */ middle, /** @type {any} */ hidden) {
    return middle.add(linear(hidden, w.wout, w.bout));
  });
  return (/** @type {any} */ { first, second }, /** @type {any} */ resid) => {
    const [middle, hidden] = toHidden(tree.ref(first), resid);
    return toOut(tree.ref(second), middle, nn.gelu(hidden, { approximate: true }));
  };
}

/**
 * The block's output, then for each cotangent [positions, D_MODEL] its product with the Jacobian.
 *
 * The cotangents go back one by one: vmap moves their axis to the end of every product, where
 * jax-js's wasm kernels are tens of times slower, and compiled whole on WebGPU it needs gigabytes.
 * @param {any} jax
 * @param {(resid: any) => any} block
 * @param {any} resid
 * @param {any[]} cotangents
 */
function jacobian({ vjp }, block, resid, cotangents) {
  const [out, backward] = vjp(block, [resid]);
  const rows = cotangents.map((cotangent) => backward(cotangent)[0]);
  backward.dispose();
  return [out, ...rows];
}

/**
 * The block's inputs on the device.
 * @param {any} jax
 * @param {number} nPos
 * @param {number} nTargets
 */
async function makeInputs({ blockUntilReady, numpy: np }, nPos, nTargets) {
  const random = (/** @type {number[]} */ shape, /** @type {number} */ scale) =>
    np
      .array(
        randomFloats(
          shape.reduce((a, b) => a * b),
          scale,
        ),
      )
      .reshape(shape);
  const cotangents = Array.from({ length: nTargets }, (_, t) => {
    const position = Math.floor(((t + 1) * nPos) / nTargets) - 1;
    const cotangent = new Float32Array(nPos * D_MODEL);
    cotangent.set(randomFloats(D_MODEL, 1), position * D_MODEL);
    return np.array(cotangent).reshape([nPos, D_MODEL]);
  });
  const first = {
    wq: random([D_MODEL, D_MODEL], 0.05),
    wk: random([D_MODEL, D_MODEL], 0.05),
    wv: random([D_MODEL, D_MODEL], 0.05),
    wo: random([D_MODEL, D_MODEL], 0.05),
    win: random([D_MODEL, D_MLP], 0.05),
    bq: random([D_MODEL], 0.1),
    bk: random([D_MODEL], 0.1),
    bv: random([D_MODEL], 0.1),
    bo: random([D_MODEL], 0.1),
    bin: random([D_MLP], 0.1),
  };
  const second = { wout: random([D_MLP, D_MODEL], 0.05), bout: random([D_MODEL], 0.1) };
  return blockUntilReady({ weights: { first, second }, resid: random([nPos, D_MODEL], 1), cotangents });
}

/**
 * Milliseconds of the block's forward pass, and of a forward pass with one row of the Jacobian for
 * each target: a direction read at one position, by every position's residual.
 * @param {{device: 'webgpu' | 'cpu', nPos?: number, nTargets?: number, times?: number}} options
 */
export async function jaxBlock({ device, nPos = 64, nTargets = 8, times = 3 }) {
  const jax = await load(device);
  const { jit, tree } = jax;
  const { weights, resid, cotangents } = await makeInputs(jax, nPos, nTargets);
  const pieces = makeBlock(jax);
  const block = (/** @type {any} */ x) => pieces(weights, x);
  // The forward pass alone is fastest as a whole.
  const forward = jit(block);
  const forwardMs = await best(jax, () => [forward(resid.ref)], times);
  const run = () => jacobian(jax, block, resid.ref, tree.ref(cotangents));
  const jacobianMs = await best(jax, run, times);
  await checkJacobian(jax, forward, run(), resid, cotangents);
  forward.dispose();
  tree.dispose([weights, resid, cotangents]);
  return { forwardMs, jacobianMs };
}

/**
 * Compares a row of the Jacobian with a difference of outputs. jax-js only logs an error on the GPU,
 * and goes on with zeros.
 * @param {any} jax
 * @param {(resid: any) => any} forward
 * @param {any[]} results
 * @param {any} resid
 * @param {any[]} cotangents
 */
async function checkJacobian({ numpy: np }, forward, results, resid, cotangents) {
  const [row] = await Promise.all(results.map((result) => result.data()).reverse());
  const cotangent = await cotangents[cotangents.length - 1].ref.data();
  const x = await resid.ref.data();
  const norm = Math.hypot(...row);
  const step = 0.05;
  /** @param {number} sign */
  const readAt = async (sign) => {
    const moved = x.map(
      (/** @type {number} */ value, /** @type {number} */ i) => value + (sign * step * row[i]) / norm,
    );
    const out = await forward(np.array(moved).reshape(resid.shape)).data();
    return out.reduce(
      (/** @type {number} */ sum, /** @type {number} */ value, /** @type {number} */ i) => sum + value * cotangent[i],
      0,
    );
  };
  // Along the row itself the slope is the row's length.
  const slope = ((await readAt(1)) - (await readAt(-1))) / (2 * step);
  if (!(Math.abs(slope - norm) <= 0.01 * norm))
    throw new Error(`a row of the Jacobian has length ${norm}, not ${slope}`);
}

/**
 * Milliseconds of a product [rows, inner] x [inner, columns].
 * @param {{device: 'webgpu' | 'cpu', rows: number, inner: number, columns: number, times?: number}} options
 */
export async function jaxMatmul({ device, rows, inner, columns, times = 3 }) {
  const jax = await load(device);
  const { blockUntilReady, jit, numpy: np } = jax;
  const left = randomFloats(rows * inner, 1);
  const right = randomFloats(inner * columns, 1);
  const [a, b] = await blockUntilReady([
    np.array(left).reshape([rows, inner]),
    np.array(right).reshape([inner, columns]),
  ]);
  const matmul = jit(function matmul(/** @type {any} */ x, /** @type {any} */ y) {
    return np.matmul(x, y);
  });
  const ms = await best(jax, () => [matmul(a.ref, b.ref)], times);
  checkProduct(left, right, await matmul(a, b).data(), { rows, inner, columns });
  matmul.dispose();
  return ms;
}
