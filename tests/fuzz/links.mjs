// Links and addresses that were tampered with: each opens the page, or is said to be none that can be used;
// what is believed of it is stable, whole, and harmless where it goes.
//
//   node tests/fuzz/links.mjs [SEED] [CASES]

import assert from 'node:assert/strict';
import { pathToFileURL } from 'node:url';
import { decodeState, encodeState } from '../../www/app/links.js';
import { describeRequest } from '../../www/figure/request.js';
import { keyOf } from '../../www/app/results.js';
import { fromAddress, revisionsOf, sorted, SOURCES } from '../../www/app/sources.js';
import { isPlace } from '../../www/runtime/places.js';
import { DEFAULT_VIEW } from '../../www/figure/view.js';
import { describeFetch } from '../../www/app/words.js';
import { assertPython, flipped, hostileText, repeat } from './hostile.mjs';
import { random } from './random.mjs';

/** @typedef {import('./hostile.mjs').Random} Random */

const PAGE = 'https://page.example/sae/';
const HASHES = [
  'source=demo&prompt=The+Eiffel+tower&from=blocks.0.hook_resid_pre&to=blocks.2.hook_mlp_out&error=omit&cell=84%2C14&threshold=0.5',
  'source=tiny&prompt=a&from=tokens&to=blocks.3.attn.hook_z&shown=gradients&rows=total&columns=value&across=1&limit=0.25',
  'prompt=&from=blocks.9.hook_resid_mid&top_logits=25',
  'prompt=x&from=tokens&logit=+a&logit_id=7&logit=b',
  'source=gpt2-small-res-jb&prompt=x&from=blocks.11.hook_resid_post&positive=+tennis&negative_id=13126',
];
const QUERIES = [
  'source=tiny&device=cpu',
  'model=https://huggingface.co/a/b/resolve/main&saes=https://huggingface.co/c/d/resolve/main&places=0,3,blocks.9.hook_mlp_out',
  'model=models/tiny/model&saes=models/tiny/saes/%7Bx%7D&places=1&device=webgpu',
  'model=https://m.example/m/&saes=//s.example:8080/s?x=1',
];
const KEYS = [
  'source',
  'prompt',
  'from',
  'to',
  'top_logits',
  'logit',
  'logit_id',
  'error',
  'positive',
  'negative',
  'positive_id',
  'negative_id',
  'threshold',
  'shown',
  'rows',
  'columns',
  'across',
  'limit',
  'cell',
  'model',
  'saes',
  'places',
  'device',
  '__proto__',
  'constructor',
  'toString',
];
const ADDRESSES = [
  'http://[',
  'javascript:alert(1)',
  'data:,x',
  'blob:x',
  'folder:x',
  'file:///etc/passwd',
  'https://a:b@m/',
  'https://m/{hook}',
  'https://{hook}/',
  'https://m/%7Bhook%7D/%7bblock%7d',
  'https://m/%7B',
  'http://m:99999/',
  '//m',
  '\\\\m\\x',
  'https:m',
  'https://m/?{hook}',
  'https://m/#',
  '../..',
  '?',
  'https://m/\n# x',
  'https://m/"+x+"',
  "https://m/'",
];

/** Some parameters other than they were. @param {string} text @param {Random} rng */
function tampered(text, rng) {
  const { chance, int, pick } = rng;
  if (chance(0.1)) return flipped(text, rng);
  const parameters = new URLSearchParams(text);
  for (let n = 1 + int(3); n > 0; n--) {
    const key = chance(0.7) ? pick([...parameters.keys(), 'source']) : pick(KEYS);
    const value =
      ['model', 'saes'].includes(key) && chance(0.6)
        ? pick(ADDRESSES) + (chance(0.4) ? hostileText(rng) : '')
        : hostileText(rng);
    if (chance(0.1)) parameters.delete(key);
    else if (chance(0.1)) parameters.append(key, value);
    else parameters.set(key, chance(0.3) ? (parameters.get(key) ?? '') + value : value);
  }
  const changed = parameters.toString();
  return chance(0.1) ? flipped(changed, rng) : changed;
}

/** @param {string} query */
function address(query) {
  const page = new URL(PAGE);
  page.search = query;
  const { sources, selected, device, problem } = fromAddress(page);
  assert.ok(device === undefined || device === 'cpu' || device === 'webgpu');
  assert.ok(Object.hasOwn(sources, selected), 'a model that is not there is chosen');
  assert.deepEqual(
    Object.keys(sources).filter((name) => name !== 'given'),
    Object.keys(SOURCES),
  );
  if (problem) {
    assert.equal(problem.code, 'address-invalid');
    assert.equal(selected, 'demo');
    assert.ok(problem.message.length < 400);
  }
  const source = sources[selected];
  if (selected === 'given') {
    for (const { address } of [source.model, ...source.saes]) {
      const url = new URL(address);
      assert.match(url.protocol, /^https?:$/);
      assert.equal(url.username + url.password + url.hash, '');
      assert.ok(!/[\s\0-\x1f\u007f-\uffff]/.test(address), 'not as an address is written');
    }
    assert.ok(source.places.length > 0 && source.places.length <= 256 && source.places.every(isPlace));
    assert.deepEqual(sorted(source.places), source.places);
    assert.ok(source.title.length < 1000);
    assert.ok(!/[\0-\x1f\u202a-\u202e\u2066-\u2069]/.test(source.title + revisionsOf([source.model.address], page)));
  }
  return { source, page };
}

/** @param {{seed: number, cases?: number, seconds?: number}} options */
export const run = (options) =>
  repeat(
    options,
    (rng, note) => {
      const hash = tampered(rng.pick(HASHES), rng);
      const query = tampered(rng.pick(QUERIES), rng);
      note({ hash, query });
      const { source, page } = address(query);
      const state = decodeState(rng.chance(0.5) ? `#${hash}` : hash);
      const { request } = state;
      const view = { ...DEFAULT_VIEW, ...state.view };
      assert.ok(Number.isFinite(view.threshold) && (view.limit === undefined || view.limit > 0));
      const asked = request ?? {
        prompt: '',
        from: 'tokens',
        to: 'blocks.0.hook_resid_pre',
        error: 'keep',
        threshold: view.threshold,
      };
      const again = decodeState(encodeState(state.source, asked, view));
      assert.deepEqual({ ...DEFAULT_VIEW, ...again.view }, view, 'a link to it looks another way');
      assert.equal(again.source ?? '', state.source ?? '');
      assert.deepEqual(again.request, asked, 'a link to it asks for something else');
      assert.equal(keyOf(state.source, asked), keyOf(state.source, /** @type {any} */ (again.request)));
      assert.ok(describeRequest(asked) && describeFetch(source, asked, page));
      assertPython(asked, { model: source.model.address, from: source.saes[0], to: source.saes[0] });
    },
    random,
  );

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [seed = 1, cases = 1e6] = process.argv.slice(2).map(Number);
  const start = Date.now();
  const done = await run({ seed, cases });
  console.log(`seed ${seed}: ${done} links; ${Math.round((1000 * done) / (Date.now() - start))} a second`);
}
