// Random matrices and the check of their products, for what is compared with.

/**
 * Values between -scale and scale.
 * @param {number} length
 * @param {number} scale
 */
export function randomFloats(length, scale) {
  return Float32Array.from({ length }, () => scale * (2 * Math.random() - 1));
}

/**
 * Compares entries of a product with sums on the host: a quick answer that is wrong is no yardstick.
 * @param {Float32Array} left
 * @param {Float32Array} right
 * @param {Float32Array} product
 * @param {{rows: number, inner: number, columns: number}} shape
 */
export function checkProduct(left, right, product, { rows, inner, columns }) {
  if (product.length !== rows * columns) throw new Error(`a product of ${product.length} values`);
  for (let n = 0; n < 64; n++) {
    const i = Math.floor((n * (rows - 1)) / 63);
    const j = Math.floor(Math.random() * columns);
    let sum = 0;
    for (let k = 0; k < inner; k++) sum += left[i * inner + k] * right[k * columns + j];
    const error = Math.abs(product[i * columns + j] - sum);
    if (!(error <= 1e-5 * inner)) throw new Error(`entry ${i}, ${j} of the product is off by ${error}`);
  }
}
