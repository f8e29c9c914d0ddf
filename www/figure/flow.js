// Ways from a token over a latent to an answer: which tokens stand behind what the latents do to a logit.
//
// Two results of one prompt meet at one place: token → latent there, and latent → logit from there. The latent's
// attribution to the answer is divided among the tokens: of all that the tokens' gradients would raise or lower the
// latent by, each token has the share |gradient| / Σ |gradient|, BOS included. A way is
//
//   share of the token in the latent × attribution of the latent to the answer
//
// in units of the answer's logit. It is a way of telling, not a derivative: shares are of sizes, and what a token
// does to the answer past these latents is not in it. Over all tokens the ways of one latent add up to its attribution.

/** @typedef {import('./result.js').Saved} Saved */

/**
 * @typedef {object} Way
 * @property {number} token its position
 * @property {number} latent column of the second result
 * @property {number} share of the token in what moves the latent, in [0, 1]
 * @property {number} gradient of the latent by the token's scale
 * @property {number} attribution of the latent to the answer
 * @property {number} amount share × attribution
 */

/**
 * The first half that a result needs: token → latent at the place that it comes from. Nothing where it comes from tokens,
 * does not end in logits, or leaves the SAE's error out, which is another model.
 * @param {import('../runtime/protocol.js').Request} request
 * @returns {import('../runtime/protocol.js').Request | undefined}
 */
export function firstHalf({ prompt, from, to, error }) {
  if (from === 'tokens' || typeof to === 'string' || error === 'omit') return undefined;
  return { prompt, from: 'tokens', to: from };
}

/**
 * Whether two results are of one model, one SAE and one prompt, and meet.
 * @param {Saved} first
 * @param {Saved} second
 * @param {string} [base] of the page: what came with it is named relative to it, what it computed is not
 */
export function meet(first, second, base) {
  const isOne = (/** @type {string | undefined} */ one = '', /** @type {string | undefined} */ other = '') =>
    one === other ||
    (URL.canParse(one, base) && URL.canParse(other, base) && new URL(one, base).href === new URL(other, base).href);
  return (
    first.targets.hook_name === second.sources.hook_name &&
    isOne(first.targets.sae?.address, second.sources.sae?.address) &&
    isOne(first.model.address, second.model.address) &&
    first.sources.kind === 'token' &&
    first.tokens.token_id.length === second.tokens.token_id.length &&
    first.tokens.token_id.every((id, i) => id === second.tokens.token_id[i])
  );
}

/**
 * The strongest ways to one answer, by |amount|.
 * @param {Saved} first token → latent
 * @param {Saved} second latent → logit, or a difference of logits
 * @param {number} row of the second: the answer
 * @param {object} [options]
 * @param {number} [options.most] ways
 * @param {string} [options.base] as of `meet`
 * @param {boolean} [options.bos] those from or over <|endoftext|>, too
 * @returns {Way[]} none where the results do not meet
 */
export function strongestWays(first, second, row, { most = 5, bos = false, base } = {}) {
  if (!meet(first, second, base)) return [];
  const key = (/** @type {number} */ pos, /** @type {number} */ latent) => `${pos}/${latent}`;
  /** Row of the first result, of each latent at its position. @type {Map<string, number>} */
  const rows = new Map();
  first.targets.pos.forEach((pos, i) => rows.set(key(pos, first.targets.latent[i]), i));
  const [n, nTokens] = [second.sources.pos.length, first.sources.pos.length];
  /** @type {Way[]} */
  const ways = [];
  for (let latent = 0; latent < n; latent++) {
    const attribution = second.attributions[row * n + latent];
    const at = rows.get(key(second.sources.pos[latent], second.sources.latent[latent]));
    if (at === undefined || attribution === 0 || (!bos && second.sources.pos[latent] === 0)) continue;
    const gradients = first.gradients.subarray(at * nTokens, (at + 1) * nTokens);
    const total = gradients.reduce((sum, gradient) => sum + Math.abs(gradient), 0);
    if (total === 0) continue;
    gradients.forEach((gradient, i) => {
      const token = first.sources.pos[i];
      if (gradient === 0 || (!bos && token === 0)) return;
      const share = Math.abs(gradient) / total;
      const way = { token, latent, share, gradient, attribution, amount: share * attribution };
      // Few are kept of a hundred thousand: sorting all would hold the page up.
      const at = ways.findIndex(({ amount }) => Math.abs(amount) < Math.abs(way.amount));
      if (at < 0 && ways.length >= most) return;
      ways.splice(at < 0 ? ways.length : at, 0, way);
      ways.length = Math.min(ways.length, most);
    });
  }
  return ways;
}
