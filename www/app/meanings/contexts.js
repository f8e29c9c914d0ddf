// What latents mean, told by the texts that they are most active on: `contexts.json` beside each SAE.

import { fetchText } from '../../runtime/loading/fetch-text.js';
import { saesAt } from '../../runtime/places.js';
import {
  array,
  finite,
  integer,
  LABEL,
  like,
  object,
  optional,
  pair,
  passed,
  record,
  text,
} from '../../figure/schema.js';

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

const place = integer(0, 65_535);
/** Of all latents of one SAE together. */
const SENTENCES = 1_000_000;
const FILE = object({
  format_version: integer(FORMAT_VERSION, FORMAT_VERSION),
  sentences: array(array(text(LABEL), 65_536), SENTENCES),
  latents: record(
    like(/^\d{1,9}$/, 'the index of a latent'),
    object({
      label: optional(text(1000)),
      max: optional(finite),
      density: optional(finite),
      // A sentence by its place, and where it is active.
      top: optional(array(pair(integer(0, SENTENCES), array(pair(place, finite), 65_536)), 1000)),
    }),
    1_000_000,
  ),
});
/** The most bytes of such a file: one of 49,152 latents with ten texts each is smaller. */
const MOST = 200e6;

/**
 * Meanings of the latents of one place; an empty map where a file has none that can be read.
 * @param {unknown} file parsed contexts.json
 * @returns {Map<number, Meaning>}
 */
export function readContexts(file) {
  const { sentences, latents } = passed(FILE, file) ?? { sentences: [], latents: {} };
  /** @type {Map<number, Meaning>} */
  const meanings = new Map();
  for (const [index, { label, max, density, top = [] }] of Object.entries(latents)) {
    const contexts = top.flatMap(([sentence, active]) => {
      const tokens = sentences[sentence];
      return tokens ? [{ tokens, activation: new Map(active.filter(([pos]) => pos < tokens.length)) }] : [];
    });
    meanings.set(Number(index), { label: label || undefined, max, density, contexts });
  }
  return meanings;
}

/**
 * Reads the meanings of each place once, when they are asked for.
 * @param {import('../../runtime/protocol.js').SaeAddress[]} saes
 */
export function createContexts(saes) {
  /** @type {Map<string, Promise<Map<number, Meaning>>>} */
  const asked = new Map();
  /** @type {Map<string, Map<number, Meaning>>} */
  const known = new Map();

  /** @param {string} hook */
  async function read(hook) {
    for (const { address } of saesAt(saes, hook)) {
      try {
        return readContexts(JSON.parse(await fetchText(`${address}/contexts.json`, MOST)));
      } catch {
        // It may stand under its other name; an SAE without contexts is as good as any other.
      }
    }
    return new Map();
  }

  return {
    /** What is known without reading. @param {string} hook @param {number} latent */
    get: (hook, latent) => known.get(hook)?.get(latent),

    /** @param {string} hook TransformerLens' name of the place */
    load(hook) {
      let reading = asked.get(hook);
      if (!reading) {
        reading = read(hook);
        asked.set(hook, reading);
        void reading.then((meanings) => known.set(hook, meanings));
      }
      return reading;
    },
  };
}
