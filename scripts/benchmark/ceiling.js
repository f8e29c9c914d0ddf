// What hand-written WGSL reaches on this adapter, for scripts/bench to compare with: f32 matrix
// products with no framework around them. Independent of the crate's kernels.

const INFO = 'struct Info { rows: u32, inner: u32, columns: u32 }\n';

/** @param {string} element of x and w */
const bindings = (element) => `${INFO}
@group(0) @binding(0) var<storage, read> x: array<${element}>;
@group(0) @binding(1) var<storage, read> w: array<${element}>;
@group(0) @binding(2) var<storage, read_write> out: array<f32>;
@group(0) @binding(3) var<uniform> info: Info;
`;

/** @param {number} n @param {(i: number) => string} text */
const times = (n, text) => Array.from({ length: n }, (_, i) => text(i)).join('\n');

/** @param {number} rows @param {number} columns @param {(i: number, j: number) => string} text */
const block = (rows, columns, text) => times(rows, (i) => times(columns, (j) => text(i, j)));

/**
 * Registers only; each invocation a block of rows by single columns, a workgroup apart.
 * @param {number} rows @param {number} columns
 */
function lanes(rows, columns) {
  return {
    name: `registers ${rows}×${columns}`,
    groups: (/** @type {number} */ m, /** @type {number} */ n) => [Math.ceil(n / (64 * columns)), Math.ceil(m / rows)],
    code: `${bindings('f32')}
@compute @workgroup_size(64)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = group.y * ${rows}u; let column = group.x * ${64 * columns}u + lane;
  ${times(rows, (i) => `var x${i} = min(row + ${i}u, info.rows - 1u) * info.inner;`)}
  ${times(columns, (j) => `var w${j} = min(column + ${64 * j}u, info.columns - 1u);`)}
  ${block(rows, columns, (i, j) => `var s${i}_${j} = 0.0;`)}
  for (var k = 0u; k < info.inner; k++) {
    ${times(columns, (j) => `let b${j} = w[w${j}]; w${j} += info.columns;`)}
    ${times(rows, (i) => `let a${i} = x[x${i}]; x${i}++; ${times(columns, (j) => `s${i}_${j} += a${i} * b${j};`)}`)}
  }
  ${block(rows, columns, (i, j) => `if row + ${i}u < info.rows && column + ${64 * j}u < info.columns { out[(row + ${i}u) * info.columns + column + ${64 * j}u] = s${i}_${j}; }`)}
}`,
  };
}

/**
 * Registers only, both sides loaded in fours.
 * @param {number} rows @param {number} fours
 */
function vectors(rows, fours) {
  const parts = ['x', 'y', 'z', 'w'];
  return {
    name: `vectors ${rows}×${4 * fours}`,
    groups: (/** @type {number} */ m, /** @type {number} */ n) => [Math.ceil(n / (128 * fours)), Math.ceil(m / rows)],
    code: `${bindings('vec4<f32>')}
@compute @workgroup_size(32)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let inner = info.inner / 4u; let columns = info.columns / 4u;
  let row = group.y * ${rows}u; let column = group.x * ${32 * fours}u + lane;
  ${times(rows, (i) => `var x${i} = min(row + ${i}u, info.rows - 1u) * inner;`)}
  ${times(fours, (j) => `var w${j} = min(column + ${32 * j}u, columns - 1u);`)}
  ${block(rows, fours, (i, j) => `var s${i}_${j} = vec4<f32>(0.0);`)}
  for (var k = 0u; k < inner; k++) {
    ${times(fours, (j) => `${times(4, (q) => `let b${j}_${q} = w[w${j} + ${q}u * columns];`)} w${j} += 4u * columns;`)}
    ${times(rows, (i) => `let a${i} = x[x${i}]; x${i}++; ${times(fours, (j) => `s${i}_${j} += ${parts.map((p, q) => `a${i}.${p} * b${j}_${q}`).join(' + ')};`)}`)}
  }
  ${block(rows, fours, (i, j) => times(4, (q) => `if row + ${i}u < info.rows && column + ${32 * j}u < columns { out[(row + ${i}u) * info.columns + 4u * (column + ${32 * j}u) + ${q}u] = s${i}_${j}.${parts[q]}; }`))}
}`,
  };
}

/**
 * Registers only; of each row, four of a subgroup load one number each and give it to the others.
 * @param {number} rows @param {number} fours
 */
function subgroups(rows, fours) {
  return {
    name: `subgroups ${rows}×${4 * fours}`,
    needs: 'subgroups',
    groups: (/** @type {number} */ m, /** @type {number} */ n) => [Math.ceil(n / (32 * fours)), Math.ceil(m / rows)],
    code: `enable subgroups;
${bindings('f32').replace('w: array<f32>', 'w: array<vec4<f32>>')}
@compute @workgroup_size(8)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32, @builtin(subgroup_invocation_id) member: u32) {
  let columns = info.columns / 4u;
  let row = group.y * ${rows}u; let column = group.x * ${8 * fours}u + lane;
  ${times(rows, (i) => `var x${i} = min(row + ${i}u, info.rows - 1u) * info.inner + member % 4u;`)}
  ${times(fours, (j) => `var w${j} = min(column + ${8 * j}u, columns - 1u);`)}
  ${block(rows, fours, (i, j) => `var s${i}_${j} = vec4<f32>(0.0);`)}
  for (var k = 0u; k < info.inner; k += 4u) {
    ${times(fours, (j) => `${times(4, (q) => `let b${j}_${q} = w[w${j} + ${q}u * columns];`)} w${j} += 4u * columns;`)}
    ${times(
      rows,
      (
        i,
      ) => `let a${i} = x[x${i}]; x${i} += 4u; ${times(4, (q) => `let a${i}_${q} = vec4<f32>(subgroupBroadcast(a${i}, ${q}u));`)}
    ${times(fours, (j) => times(4, (q) => `s${i}_${j} = fma(a${i}_${q}, b${j}_${q}, s${i}_${j});`))}`,
    )}
  }
  ${block(rows, fours, (i, j) => times(4, (q) => `if row + ${i}u < info.rows && column + ${8 * j}u < columns { out[(row + ${i}u) * info.columns + 4u * (column + ${8 * j}u) + ${q}u] = s${i}_${j}[${q}]; }`))}
}`,
  };
}

/**
 * Tiles of 64 × 64 in workgroup memory.
 * @param {number} side of the result an invocation sums
 */
function tiles(side) {
  const across = 64 / side;
  return {
    name: `tiles, ${side}×${side}`,
    groups: (/** @type {number} */ m, /** @type {number} */ n) => [Math.ceil(n / 64), Math.ceil(m / 64)],
    code: `${bindings('f32')}
var<workgroup> xs: array<f32, 1024>;
var<workgroup> ws: array<f32, 1024>;
@compute @workgroup_size(${across * across})
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
  let row = lane / ${across}u * ${side}u; let column = lane % ${across}u * ${side}u;
  ${block(side, side, (i, j) => `var s${i}_${j} = 0.0;`)}
  for (var first = 0u; first < info.inner; first += 16u) {
    for (var i = lane; i < 1024u; i += ${across * across}u) {
      let r = min(group.y * 64u + i / 16u, info.rows - 1u);
      let c = min(group.x * 64u + i % 64u, info.columns - 1u);
      xs[i % 16u * 64u + i / 16u] = select(0.0, x[r * info.inner + first + i % 16u], first + i % 16u < info.inner);
      ws[i] = select(0.0, w[(first + i / 64u) * info.columns + c], first + i / 64u < info.inner);
    }
    workgroupBarrier();
    for (var k = 0u; k < 16u; k++) {
      ${times(side, (j) => `let b${j} = ws[k * 64u + column + ${j}u];`)}
      ${times(side, (i) => `let a${i} = xs[k * 64u + row + ${i}u]; ${times(side, (j) => `s${i}_${j} += a${i} * b${j};`)}`)}
    }
    workgroupBarrier();
  }
  let r = group.y * 64u + row; let c = group.x * 64u + column;
  ${block(side, side, (i, j) => `if r + ${i}u < info.rows && c + ${j}u < info.columns { out[(r + ${i}u) * info.columns + c + ${j}u] = s${i}_${j}; }`)}
}`,
  };
}

const KERNELS = [
  lanes(8, 4),
  lanes(8, 8),
  vectors(8, 2),
  vectors(9, 2),
  vectors(12, 2),
  subgroups(8, 4),
  subgroups(16, 4),
  subgroups(24, 4),
  tiles(4),
  tiles(8),
];

/**
 * GFLOP/s of each kernel on `[rows, inner] × [inner, columns]`, best of `repeats`.
 * @param {{rows: number, inner: number, columns: number, repeats?: number}} shape
 * @returns {Promise<Record<string, number>>}
 */
export async function ceiling({ rows, inner, columns, repeats = 5 }) {
  const { gpu } = /** @type {any} */ (navigator);
  const usage = /** @type {any} */ (globalThis).GPUBufferUsage;
  const adapter = await gpu.requestAdapter();
  const kernels = KERNELS.filter((kernel) => !('needs' in kernel) || adapter.features.has(kernel.needs));
  const device = await adapter.requestDevice({
    requiredFeatures: adapter.features.has('subgroups') ? ['subgroups'] : [],
  });
  const buffer = (/** @type {number} */ length) => {
    const made = device.createBuffer({ size: 4 * length, usage: usage.STORAGE, mappedAtCreation: true });
    new Float32Array(made.getMappedRange()).forEach((_, i, all) => (all[i] = (i % 7) / 7 - 0.4));
    made.unmap();
    return made;
  };
  const info = device.createBuffer({ size: 16, usage: usage.UNIFORM | usage.COPY_DST });
  device.queue.writeBuffer(info, 0, new Uint32Array([rows, inner, columns, 0]));
  const buffers = [buffer(rows * inner), buffer(inner * columns), buffer(rows * columns), info];
  const flop = 2 * rows * inner * columns;
  const runs = Math.max(1, Math.round(3e8 / flop));
  /** @type {Record<string, number>} */
  const found = {};
  const ready = kernels.map(({ name, code, groups }) => {
    const pipeline = device.createComputePipeline({
      layout: 'auto',
      compute: { module: device.createShaderModule({ code }), entryPoint: 'main' },
    });
    const entries = buffers.map((buffer, binding) => ({ binding, resource: { buffer } }));
    return {
      name,
      groups,
      pipeline,
      group: device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }),
    };
  });
  // Round by round, so that a slow moment of the machine does not fall on one kernel.
  for (let round = 0; round <= repeats; round++) {
    for (const { name, groups, pipeline, group } of ready) {
      const encoder = device.createCommandEncoder();
      const pass = encoder.beginComputePass();
      pass.setPipeline(pipeline);
      pass.setBindGroup(0, group);
      for (let i = 0; i < runs; i++) pass.dispatchWorkgroups(...groups(rows, columns));
      pass.end();
      const start = performance.now();
      device.queue.submit([encoder.finish()]);
      await device.queue.onSubmittedWorkDone();
      const rate = (flop * runs) / (performance.now() - start) / 1e6;
      // The first round compiles.
      if (round > 0) found[name] = Math.max(found[name] ?? 0, rate);
    }
  }
  device.destroy();
  return found;
}
