// What latents mean, told by the texts that they are most active on: `contexts.json` beside each SAE.

/**
 * @typedef {object} Context
 * @property {string[]} tokens
 * @property {Map<number, number>} activation by position
 */

/**
 * @typedef {object} Meaning
 * @property {string} [label]
 * @property {number} [max] largest activation seen
 * @property {number} [density] part of all tokens that it is active on
 * @property {Context[]} contexts
 */

/** The version this page reads. */
const FORMAT_VERSION = 1;

/**
 * Meanings of the latents of one place; an empty map where a file has none that can be read.
 * @param {unknown} file parsed contexts.json
 * @returns {Map<number, Meaning>}
 */
export function readContexts(file) {
  const { format_version, sentences, latents } = /** @type {any} */ (file) ?? {};
  /** @type {Map<number, Meaning>} */
  const meanings = new Map();
  if (format_version !== FORMAT_VERSION || !Array.isArray(sentences) || typeof latents !== 'object' || !latents) {
    return meanings;
  }
  const finite = (/** @type {unknown} */ value) => (typeof value === 'number' && Number.isFinite(value) ? value : undefined);
  for (const [index, latent] of Object.entries(latents)) {
    if (!/^\d+$/.test(index) || typeof latent !== 'object' || !latent) continue;
    const { label, max, density, top } = /** @type {any} */ (latent);
    const contexts = (Array.isArray(top) ? top : []).flatMap((/** @type {any} */ entry) => {
      const [sentence, active] = Array.isArray(entry) ? entry : [];
      const tokens = sentences[sentence];
      if (!Array.isArray(tokens) || !Array.isArray(active)) return [];
      return [{ tokens: tokens.map(String), activation: new Map(active.map(numbers)) }];
    });
    meanings.set(Number(index), {
      label: typeof label === 'string' && label ? label : undefined,
      max: finite(max),
      density: finite(density),
      contexts,
    });
  }
  return meanings;
}

/** A position and its activation. @param {unknown} pair @returns {[number, number]} */
function numbers(pair) {
  const [pos, activation] = Array.isArray(pair) ? pair.map(Number) : [];
  return [Number.isInteger(pos) ? pos : -1, Number.isFinite(activation) ? activation : 0];
}

/**
 * Reads the meanings of each place once, when they are asked for.
 * @param {string} saes base address of the SAEs, or one that says with `{hook}` where a place's name goes
 */
export function createContexts(saes) {
  /** @type {Map<string, Promise<Map<number, Meaning>>>} */
  const asked = new Map();
  /** @type {Map<string, Map<number, Meaning>>} */
  const known = new Map();
  return {
    /** What is known without reading. @param {string} hook @param {number} latent */
    get: (hook, latent) => known.get(hook)?.get(latent),

    /** @param {string} hook TransformerLens' name of the place */
    load(hook) {
      let reading = asked.get(hook);
      if (!reading) {
        reading = fetch(`${saes.includes('{hook}') ? saes.replace('{hook}', hook) : `${saes}/${hook}`}/contexts.json`)
          .then((response) => (response.ok ? response.json() : undefined))
          // An SAE without contexts is as good as any other.
          .catch(() => undefined)
          .then(readContexts);
        asked.set(hook, reading);
        void reading.then((meanings) => known.set(hook, meanings));
      }
      return reading;
    },
  };
}
