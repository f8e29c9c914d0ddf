// onnxruntime-web in the browser, to compare with: one matrix product.

import { checkProduct, randomFloats } from './check.js';

const DIST = new URL('./node_modules/onnxruntime-web/dist/', import.meta.url).href;

/** Of ONNX's TensorProto.DataType. */
const FLOAT = 1;

/**
 * A number in protobuf's variable length.
 * @param {number} value
 */
function varint(value) {
  const bytes = [];
  for (; value >= 128; value = Math.floor(value / 128)) bytes.push((value % 128) + 128);
  return Uint8Array.from([...bytes, value]);
}

/** @param {Uint8Array[]} parts */
function join(...parts) {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/**
 * A protobuf field: a number, a text, or the bytes of a message or of data.
 * @param {number} id
 * @param {number | string | Uint8Array} value
 */
function field(id, value) {
  if (typeof value === 'number') return join(varint(id * 8), varint(value));
  const bytes = typeof value === 'string' ? new TextEncoder().encode(value) : value;
  return join(varint(id * 8 + 2), varint(bytes.length), bytes);
}

/**
 * ONNX's ValueInfoProto of a float32 matrix.
 * @param {string} name
 * @param {number[]} shape
 */
function matrixInfo(name, shape) {
  const dims = shape.map((size) => field(1, field(1, size)));
  const type = join(field(1, FLOAT), field(2, join(...dims)));
  return join(field(1, name), field(2, field(1, type)));
}

/**
 * An ONNX model (ModelProto) of y = x right. With `right` an initializer, a backend may lay it out as
 * it likes before the first run.
 * @param {Float32Array} right
 * @param {{rows: number, inner: number, columns: number}} shape
 */
function matmulModel(right, { rows, inner, columns }) {
  const node = join(field(1, 'x'), field(1, 'right'), field(2, 'y'), field(4, 'MatMul'));
  const initializer = join(
    field(1, inner),
    field(1, columns),
    field(2, FLOAT),
    field(8, 'right'),
    field(9, new Uint8Array(right.buffer)),
  );
  const graph = join(
    field(1, node),
    field(2, 'matmul'),
    field(5, initializer),
    field(11, matrixInfo('x', [rows, inner])),
    field(12, matrixInfo('y', [rows, columns])),
  );
  const irVersion = field(1, 8);
  const opset = field(8, join(field(1, ''), field(2, 13)));
  return join(irVersion, field(7, graph), opset);
}

/** onnxruntime of each device: another import of a blob would be another runtime. @type {Map<string, Promise<any>>} */
const loaded = new Map();

/**
 * onnxruntime's build for the device, on one thread.
 * @param {'webgpu' | 'cpu'} device
 */
async function load(device) {
  const [script, wasm] =
    device === 'webgpu'
      ? ['ort.webgpu.bundle.min.mjs', 'ort-wasm-simd-threaded.asyncify.wasm']
      : ['ort.wasm.bundle.min.mjs', 'ort-wasm-simd-threaded.wasm'];
  // A server may not know that .mjs is JavaScript, so the module is imported from a blob.
  const source = await (await fetch(DIST + script)).blob();
  const url = URL.createObjectURL(new Blob([source], { type: 'text/javascript' }));
  const ort = await import(url);
  ort.env.wasm.wasmPaths = { wasm: DIST + wasm };
  ort.env.wasm.numThreads = 1;
  return ort;
}

/**
 * The left side as a tensor on the GPU.
 * @param {any} ort
 * @param {Float32Array} left
 * @param {number[]} dims
 */
async function upload(ort, left, dims) {
  const device = await ort.env.webgpu.device;
  const buffer = device.createBuffer({
    size: left.byteLength,
    usage: GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_SRC | GPUBufferUsage.COPY_DST,
  });
  device.queue.writeBuffer(buffer, 0, left);
  return ort.Tensor.fromGpuBuffer(buffer, { dataType: 'float32', dims, dispose: () => buffer.destroy() });
}

/**
 * Milliseconds of a product [rows, inner] x [inner, columns], the right side known beforehand. On
 * WebGPU both sides and the product stay on the GPU.
 * @param {{device: 'webgpu' | 'cpu', rows: number, inner: number, columns: number, times?: number}} options
 */
export async function ortMatmul({ device, rows, inner, columns, times = 3 }) {
  if (!loaded.has(device)) loaded.set(device, load(device));
  const ort = await loaded.get(device);
  const onGpu = device === 'webgpu';
  const left = randomFloats(rows * inner, 1);
  const right = randomFloats(inner * columns, 1);
  const session = await ort.InferenceSession.create(matmulModel(right, { rows, inner, columns }), {
    executionProviders: [onGpu ? 'webgpu' : 'wasm'],
    ...(onGpu && {
      preferredOutputLocation: 'gpu-buffer',
      // A product on the CPU must not pass for one on the GPU.
      extra: { session: { disable_cpu_ep_fallback: '1' } },
    }),
  });
  const x = onGpu ? await upload(ort, left, [rows, inner]) : new ort.Tensor('float32', left, [rows, inner]);
  const queue = onGpu ? (await ort.env.webgpu.device).queue : undefined;
  await queue?.onSubmittedWorkDone();
  let least = Infinity;
  for (let i = 0; i <= times; i++) {
    const start = performance.now();
    const { y } = await session.run({ x });
    await queue?.onSubmittedWorkDone();
    const ms = performance.now() - start;
    // The first run warms up.
    if (i > 0) least = Math.min(least, ms);
    else checkProduct(left, right, await y.getData(), { rows, inner, columns });
    y.dispose();
  }
  x.dispose();
  await session.release();
  return least;
}
