// As much of a document as tables and pictures need, without a browser. An element as text is its text.

/** @param {string} tag @returns {any} */
function createElement(tag) {
  /** @type {any[]} */
  const content = [];
  const into = (/** @type {string} */ name) => () => {
    const child = createElement(name);
    content.push(child);
    return child;
  };
  return {
    tag,
    style: { setProperty() {} },
    dataset: {},
    append: (/** @type {any[]} */ ...more) => void content.push(...more),
    setAttribute() {},
    addEventListener() {},
    createTHead: into('thead'),
    createTBody: into('tbody'),
    insertRow: into('tr'),
    insertCell: into('td'),
    // Nothing is painted.
    getContext: () => null,
    toString: () => content.join(' '),
  };
}

export const document = /** @type {Document} */ (
  /** @type {unknown} */ ({
    createElement,
    createDocumentFragment: () => createElement('fragment'),
    documentElement: { dataset: { theme: 'light' } },
  })
);

/** Node has none. */
globalThis.ImageData ??= /** @type {any} */ (
  class {
    /** @param {number} width @param {number} height */
    constructor(width, height) {
      this.data = new Uint8ClampedArray(4 * width * height);
    }
  }
);
