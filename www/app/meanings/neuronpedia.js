// Explanations of GPT-2 small's latents from neuronpedia.org, for readers who agreed to ask it.

import { codedError } from '../../runtime/error.js';
import { readText } from '../../runtime/loading/fetch-text.js';
import { otherName } from '../../runtime/places.js';
import { array, either, integer, like, object, optional, own, pair, passed, text } from '../../figure/schema.js';

export const SITE = 'https://www.neuronpedia.org';
const MODEL = 'gpt2-small';
/** Features that one request may name. */
const BATCH = 2048;
/** Explanations kept from visit to visit: about 2 MB. */
const KEPT = 20_000;
/** The most bytes of an answer. */
const LARGEST = 200e6;
const CONSENT = 'sae-attribution.neuronpedia';
const CACHE = 'sae-attribution.explanations';

/** An explanation is cut to this. */
const WORDS = 300;
/** A feature as it is answered, its index as text or number; of its explanations the first counts. */
const FEATURE = object({
  index: either(like(/^\d{1,9}$/, 'the index of a latent'), integer(0, 999_999_999)),
  explanations: optional(array(object({ description: optional(text(100_000)) }), 1000)),
});
/** What this browser keeps of them. */
const CACHED = array(pair(like(/^\d{1,4}-\w{1,40}-[a-z]{1,10}\/\d{1,9}$/, 'the name of a latent'), text(WORDS)), KEPT);

/** What is sent to whom, in the words of the button's note. */
export const CONSENT_NOTE =
  'Explanations and dashboards come from neuronpedia.org. Asking for them sends it the place and index of ' +
  'the latents shown here, and your address as any website sees it; never your prompt. Nothing is sent before you agree.';

/**
 * @param {Storage} storage localStorage, or one like it
 * @param {Record<string, string>} names of the SAEs there, by place
 */
export function createNeuronpedia(storage, names) {
  /** Explanations by `layer/index`; an empty one where there is none. @type {Map<string, string>} */
  const known = new Map(passed(CACHED, read(storage, CACHE)) ?? []);

  const agreed = () => read(storage, CONSENT) === true;

  /** What the SAE at a place is called there. @param {string} hook */
  const nameOf = (hook) => /** @type {string | undefined} */ (own(names, hook) ?? own(names, otherName(hook) ?? ''));

  /** The page of a latent. @param {string} hook @param {number} latent */
  const pageOf = (hook, latent) => nameOf(hook) && `${SITE}/${MODEL}/${nameOf(hook)}/${latent}`;

  return {
    agreed,
    pageOf,

    /** Its dashboard, for a frame. @param {string} hook @param {number} latent */
    dashboardOf(hook, latent) {
      const page = pageOf(hook, latent);
      return page && `${page}?embed=true&embedexplanation=true&embedplots=true&embedtest=false&height=420`;
    },

    /** @param {boolean} yes `false` also forgets what was fetched */
    agree(yes) {
      write(storage, CONSENT, yes || undefined);
      if (yes) return;
      known.clear();
      write(storage, CACHE, undefined);
    },

    /** What is known without asking. @param {string} hook @param {number} latent */
    get: (hook, latent) => known.get(`${nameOf(hook)}/${latent}`) || undefined,

    /**
     * Asks for the explanations that are not yet known.
     * @param {string} hook
     * @param {Iterable<number>} latents
     * @returns {Promise<boolean>} whether there are new ones; rejects with `neuronpedia-refused` or
     *   `neuronpedia-unreachable`
     */
    async load(hook, latents) {
      const layer = nameOf(hook);
      if (!layer || !agreed()) return false;
      const missing = [...new Set(latents)].filter((latent) => !known.has(`${layer}/${latent}`));
      for (let first = 0; first < missing.length; first += BATCH) {
        const batch = missing.slice(first, first + BATCH);
        const features = await ask(batch.map((index) => ({ modelId: MODEL, layer, index, maxActsToReturn: 1 })));
        // Who withdrew meanwhile is not asked for more, and nothing is kept.
        if (!agreed()) return false;
        batch.forEach((latent) => known.set(`${layer}/${latent}`, ''));
        const asked = new Set(batch);
        for (const answer of features) {
          const feature = passed(FEATURE, answer);
          const index = Number(feature?.index);
          const description = feature?.explanations?.[0]?.description;
          // Of what was not asked for nothing is believed.
          if (description && asked.has(index)) known.set(`${layer}/${index}`, description.slice(0, WORDS));
        }
      }
      if (missing.length === 0) return false;
      for (const key of known.keys()) {
        if (known.size <= KEPT) break;
        known.delete(key);
      }
      write(storage, CACHE, [...known]);
      return true;
    },
  };
}

/** @param {object[]} features @returns {Promise<unknown[]>} */
async function ask(features) {
  let response;
  try {
    response = await fetch(`${SITE}/api/features`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(features),
      credentials: 'omit',
      referrerPolicy: 'no-referrer',
    });
  } catch {
    // A refusal for too many requests comes without CORS headers and looks like this too.
    throw codedError(
      'neuronpedia-unreachable',
      'neuronpedia.org could not be reached: there is no connection, or it refuses more requests for now. Everything else works without it.',
    );
  }
  if (response.ok) {
    try {
      const answer = JSON.parse(await readText(response, 'The answer of neuronpedia.org', LARGEST));
      if (Array.isArray(answer)) return answer;
    } catch {
      // Cut short, too long or no JSON: told as whatever else is no list.
    }
    throw codedError(
      'neuronpedia-refused',
      'neuronpedia.org answered with something else than explanations. Everything else works without it.',
    );
  }
  throw codedError(
    'neuronpedia-refused',
    response.status === 429
      ? 'neuronpedia.org has had too many requests from here for now (429). Try again later; everything else works without it.'
      : `neuronpedia.org answered ${response.status}. Everything else works without it.`,
  );
}

/** @param {Storage} storage @param {string} key @returns {unknown} */
function read(storage, key) {
  try {
    return JSON.parse(storage.getItem(key) ?? 'null') ?? undefined;
  } catch {
    return undefined;
  }
}

/** @param {Storage} storage @param {string} key @param {unknown} value */
function write(storage, key, value) {
  try {
    if (value === undefined) storage.removeItem(key);
    else storage.setItem(key, JSON.stringify(value));
  } catch {
    // No storage, or it is full: asked again next time.
  }
}
