// What the page shows before anything is run: each example with the question that it answers, and what is to be seen.
//
// Those of the demo model are measured, too, where that is small: how well attributions predict is to be seen before
// anything is run.
//
// scripts/results.mjs computes them and writes www/results/index.json; the first is what the page opens with.

/** @typedef {import('../www/app/results.js').Precomputed} Example */

/** @param {number} block */
const before = (block) => `blocks.${block}.hook_resid_pre`;
const EIFFEL = 'The Eiffel tower is in Paris';
const SERENA = 'Fact: Serena Williams plays the sport of';
const RANDOM = 'Random weights: numbers to test with, without meaning';

/** @type {Example[]} */
export const EXAMPLES = [
  {
    file: 'demo-tennis-logit.json',
    title: `latent → logit, resid_pre 3: “${SERENA}”`,
    question: 'What makes “ tennis” the next word?',
    seen: 'One latent at the last word, for “ tennis” in facts, gives a third of all that moves its logit, and takes from “ rugby”.',
    source: 'demo',
    request: { prompt: SERENA, from: before(3), to: { top_logits: 10 }, measure: true },
  },
  {
    file: 'demo-logit-difference.json',
    title: `“ tennis” − “ golf”, resid_pre 3: “${SERENA}”`,
    question: 'Why tennis, not golf?',
    seen: 'A single row: what speaks for “ tennis” is blue, what speaks for “ golf” is red, the strongest first.',
    source: 'demo',
    request: { prompt: SERENA, from: before(3), to: { logit_difference: [' tennis', ' golf'] }, measure: true },
  },
  {
    file: 'demo-capital.json',
    title: 'latent → latent, resid_pre 1 → 2: “The capital of France is”',
    question: 'How does “ France” reach the word after it?',
    seen: 'Cells off the staircase are pairs across positions: there, attention has carried a latent to a later word.',
    source: 'demo',
    request: { prompt: 'The capital of France is', from: before(1), to: before(2), measure: true },
  },
  {
    file: 'demo-latent-logit.json',
    title: 'latent → logit, resid_pre 3: “The Eiffel tower is in the city of”',
    question: 'How does it know that the tower is in Paris?',
    seen: 'The latents that raise “ Paris”, the largest logit, stand left, those that lower it right.',
    source: 'demo',
    request: { prompt: 'The Eiffel tower is in the city of', from: before(3), to: { top_logits: 10 }, measure: true },
  },
  {
    file: 'demo-token-latent.json',
    title: `token → latent, resid_pre 2: “${EIFFEL}”`,
    question: 'Which words switch which latents on?',
    seen: 'Most latents answer to the word that they stand at; some rows have a second, earlier column.',
    source: 'demo',
    request: { prompt: EIFFEL, from: 'tokens', to: before(2), measure: true },
  },
  {
    file: 'demo-tennis-token.json',
    title: `token → latent, resid_pre 3: “${SERENA}”`,
    question: 'Which words call up the latents that say “ tennis”?',
    seen: 'The latents at the last word, in the lowest rows, answer to earlier words, too.',
    source: 'demo',
    request: { prompt: SERENA, from: 'tokens', to: before(3) },
  },
  {
    file: 'demo-city-token.json',
    title: 'token → latent, resid_pre 3: “The Eiffel tower is in the city of”',
    question: 'Which words call up the latents that say “ Paris”?',
    seen: 'What the last word knows of the tower has come from words before it.',
    source: 'demo',
    request: { prompt: 'The Eiffel tower is in the city of', from: 'tokens', to: before(3) },
  },
  {
    file: 'demo-latent-latent.json',
    title: `latent → latent, resid_pre 0 → 2: “${EIFFEL}”`,
    question: 'What becomes of a word’s latents two blocks later?',
    seen: 'A staircase of blocks, one a word; below it, what words hand on to later ones.',
    source: 'demo',
    request: { prompt: EIFFEL, from: before(0), to: before(2) },
  },
  {
    file: 'tiny-latent-latent.json',
    title: 'Random weights: latent → latent, resid_pre 0 → 3',
    question: 'Latent → latent, untrained',
    seen: '100 × 181 pairs between the first and the last place.',
    group: RANDOM,
    source: 'tiny',
    request: { prompt: EIFFEL, from: before(0), to: before(3) },
  },
  {
    file: 'tiny-token-latent.json',
    title: 'Random weights: token → latent, resid_pre 3',
    question: 'Token → latent, untrained',
    seen: 'Nine tokens, 181 latents.',
    group: RANDOM,
    source: 'tiny',
    request: { prompt: EIFFEL, from: 'tokens', to: before(3) },
  },
  {
    file: 'tiny-latent-logit.json',
    title: 'Random weights: latent → logit, resid_pre 3',
    question: 'Latent → logit, untrained',
    seen: '205 latents, the 25 largest logits.',
    group: RANDOM,
    source: 'tiny',
    request: { prompt: 'The Eiffel tower is in the city of', from: before(3), to: { top_logits: 25 } },
  },
  {
    file: 'tiny-logit-difference.json',
    title: 'Random weights: “ tennis” − “ golf”, resid_pre 3',
    question: 'Logit difference, untrained',
    seen: '188 latents, one difference.',
    group: RANDOM,
    source: 'tiny',
    request: { prompt: SERENA, from: before(3), to: { logit_difference: [' tennis', ' golf'] } },
  },
];
