// What latents mean, told by files beside each SAE: a label of each in `contexts.json`, and in `contexts/` the texts
// that they are most active on, a range of latents to a file. scripts/train_demo/contexts.py has the form.

import { describeError } from '../../runtime/error.js';
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
 * @typedef {object} Found what a file of texts says of a latent
 * @property {number} [max] largest activation seen
 * @property {number} [density] part of all tokens that it is active on
 * @property {Context[]} contexts
 */

/**
 * @typedef {Partial<Found> & {label?: string}} Meaning
 *   without contexts where their file could not be read for now, and with an empty list where there are none
 */

/** The version this page reads. */
const FORMAT_VERSION = integer(2, 2);

/** Of one SAE. */
const LATENTS = 1_000_000;
/** Of one file. */
const SENTENCES = 1_000_000;
const index = like(/^\d{1,9}$/, 'the index of a latent');
const place = integer(0, 65_535);
const LABELS = object({
  format_version: FORMAT_VERSION,
  latents_per_file: integer(1, LATENTS),
  labels: record(index, text(1000), LATENTS),
});
const TEXTS = object({
  format_version: FORMAT_VERSION,
  sentences: array(array(text(LABEL), 65_536), SENTENCES),
  latents: record(
    index,
    object({
      max: optional(finite),
      density: optional(finite),
      // A sentence by its place, and where it is active.
      top: optional(array(pair(integer(0, SENTENCES), array(pair(place, finite), 65_536)), 1000)),
    }),
    LATENTS,
  ),
});
/** The most bytes of either: the labels of a million latents are fewer. */
const MOST = 100e6;

/**
 * The labels of one place's latents, and how many share a file of texts; nothing of a file that cannot be read.
 * @param {unknown} file parsed contexts.json
 */
export function readLabels(file) {
  const { latents_per_file: perFile, labels } = passed(LABELS, file) ?? {};
  if (!perFile || !labels) return undefined;
  const entries = Object.entries(labels).filter(([, label]) => label);
  return { perFile, labels: new Map(entries.map(([latent, label]) => [Number(latent), label])) };
}

/**
 * What a file tells of its latents; an empty map where it cannot be read.
 * @param {unknown} file parsed contexts/N.json
 * @returns {Map<number, Found>}
 */
export function readContexts(file) {
  const { sentences, latents } = passed(TEXTS, file) ?? { sentences: [], latents: {} };
  /** @type {Map<number, Found>} */
  const found = new Map();
  for (const [latent, { max, density, top = [] }] of Object.entries(latents)) {
    const contexts = top.flatMap(([sentence, active]) => {
      const tokens = sentences[sentence];
      return tokens ? [{ tokens, activation: new Map(active.filter(([pos]) => pos < tokens.length)) }] : [];
    });
    found.set(Number(latent), { max, density, contexts });
  }
  return found;
}

/**
 * A file, parsed; nothing where there is none, or no JSON.
 * @param {string} address
 * @returns {Promise<unknown>} rejects with `fetch-failed`: it may be there another time
 */
async function fetched(address) {
  try {
    return JSON.parse(await fetchText(address, MOST));
  } catch (error) {
    if (describeError(error).code === 'fetch-failed') throw error;
    return undefined;
  }
}

/**
 * Reads by name, once each; what rejects may be asked for again.
 * @template T
 * @param {(name: string) => Promise<T>} read
 */
function once(read) {
  /** @type {Map<string, Promise<T>>} */
  const asked = new Map();
  return (/** @type {string} */ name) => {
    const before = asked.get(name);
    if (before) return before;
    const reading = read(name);
    asked.set(name, reading);
    reading.catch(() => asked.delete(name));
    return reading;
  };
}

/**
 * Reads the labels of each place, and the texts of its latents, once each, when they are asked for.
 * @param {import('../../runtime/protocol.js').SaeAddress[]} saes
 */
export function createContexts(saes) {
  /** Labels, by place. @type {Map<string, Map<number, string>>} */
  const known = new Map();

  const ofPlace = once(async (hook) => {
    let failure;
    for (const { address } of saesAt(saes, hook)) {
      try {
        const found = readLabels(await fetched(`${address}/contexts.json`));
        if (!found) continue;
        known.set(hook, found.labels);
        return { ...found, address };
      } catch (error) {
        // It may stand under its other name; an SAE without contexts is as good as any other.
        failure = error;
      }
    }
    if (failure) throw failure;
    return undefined;
  });
  const ofFile = once(async (address) => readContexts(await fetched(address)));

  return {
    /** A latent's label, where it is known without reading. @param {string} hook @param {number} latent */
    get: (hook, latent) => known.get(hook)?.get(latent),

    /** Reads the labels of a place. @param {string} hook TransformerLens' name of it */
    load: (hook) =>
      ofPlace(hook).then(
        () => {},
        () => {},
      ),

    /**
     * Reads all there is on a latent; asks for the file that it stands in alone.
     * @param {string} hook
     * @param {number} latent
     * @returns {Promise<Meaning>}
     */
    async read(hook, latent) {
      try {
        const found = await ofPlace(hook);
        if (!found) return { contexts: [] };
        const file = await ofFile(`${found.address}/contexts/${Math.floor(latent / found.perFile)}.json`);
        return { contexts: [], ...file.get(latent), label: found.labels.get(latent) };
      } catch {
        return { label: known.get(hook)?.get(latent) };
      }
    },
  };
}
