// Places by their names, the SAEs that stand there, and the list of what is published.

import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { RELEASES } from '../../www/app/releases.js';
import { addressesOf, SOURCES, sorted, sourceOf } from '../../www/app/sources.js';
import { describeRequest } from '../../www/figure/request.js';
import { hookName, passed } from '../../www/figure/schema.js';
import { isAfter, isPlace, isSame, layersTo, order, otherName, saesAt, writesAt } from '../../www/runtime/places.js';
import { madeUp } from './browser.mjs';

/** What crate/src/places.rs is held to as well. */
const TABLE = JSON.parse(readFileSync(new URL('../common/places.json', import.meta.url), 'utf8'));
/** @type {string[][]} */
const ORDER = TABLE.order.map((/** @type {string | string[]} */ names) => [names].flat());

test('places stand in the order in which they are computed, under either name', () => {
  ORDER.forEach((names, at) => {
    for (const name of names) {
      assert.equal(order(name), at, name);
      assert.equal(passed(hookName, name), name);
      assert.deepEqual(
        names.filter((other) => other !== name).filter((other) => otherName(name) !== other),
        [],
      );
    }
    for (const [other, others] of ORDER.entries()) {
      assert.equal(isSame(names[0], others[others.length - 1]), at === other);
      assert.equal(isAfter(others[0], names[0]), other > Number(order(writesAt(names[0]))));
    }
  });
  assert.equal(otherName('blocks.0.hook_resid_pre'), undefined);
  assert.equal(otherName('blocks.9999.hook_resid_post'), undefined);
  assert.equal(otherName('blocks.3.hook_mlp_out'), undefined);
});

test('what names no place is none', () => {
  for (const name of TABLE.invalid) {
    assert.equal(isPlace(name), false, name);
    assert.equal(passed(hookName, name), undefined, name);
    assert.equal(otherName(name), undefined, name);
    assert.ok(!isSame(name, name) && !isAfter(name, 'blocks.0.hook_resid_pre') && !isAfter(ORDER[9][0], name), name);
  }
});

test('a transcoder reaches what comes after the MLP that it stands for', () => {
  const transcoder = 'blocks.1.ln2.hook_normalized';
  assert.equal(writesAt(transcoder), 'blocks.1.hook_mlp_out');
  assert.ok(isAfter('blocks.1.hook_resid_post', transcoder));
  assert.ok(!isAfter('blocks.1.hook_mlp_out', transcoder));
  assert.ok(isAfter('blocks.1.hook_mlp_out', 'blocks.1.hook_attn_out'));
});

test('the SAE at a place is the one that the runtime reads', () => {
  for (const { saes, hook_name, address } of TABLE.entries) {
    assert.equal(saesAt(saes, hook_name)[0]?.address ?? null, address, hook_name);
  }
  // In a folder, what is not there under one name may be there under the other.
  assert.deepEqual(
    saesAt([{ address: 'a' }, { address: 'b' }], 'blocks.4.hook_resid_pre').map(({ address }) => address),
    [
      'a/blocks.4.hook_resid_pre',
      'a/blocks.3.hook_resid_post',
      'b/blocks.4.hook_resid_pre',
      'b/blocks.3.hook_resid_post',
    ],
  );
});

test('a request in words names places as labels do', () => {
  const of = (/** @type {string} */ from, /** @type {any} */ to) =>
    describeRequest({ prompt: '', from, to, error: 'omit' });
  assert.equal(
    of('blocks.1.attn.hook_z', 'blocks.10.hook_resid_mid'),
    'latent → latent, z 1 → resid_mid 10, without the SAE’s error',
  );
  assert.match(of('blocks.0.ln2.hook_normalized', 'blocks.1.hook_mlp_out'), /, ln2 0 → mlp_out 1,/);
  assert.match(
    of('blocks.0.hook_attn_out', { logits: ['a', 'b', 3, 4, 5, 6, 7] }),
    /, attn_out 0, “a”, .*token 5 and 2 more,/,
  );
});

test('a place needs the layers before it, and its own where it is behind them', () => {
  /** @type {[string, number, number][]} */
  const cases = [
    ['blocks.0.hook_resid_pre', 0, 0],
    ['blocks.3.hook_resid_pre', 3, 3],
    ['blocks.2.hook_resid_post', 3, 3],
    ['blocks.3.attn.hook_z', 4, 3],
    ['blocks.3.hook_attn_out', 4, 3],
    ['blocks.3.hook_resid_mid', 4, 3],
    ['blocks.3.ln2.hook_normalized', 4, 3],
    ['blocks.3.hook_mlp_out', 4, 4],
  ];
  for (const [place, attention, mlp] of cases) assert.deepEqual(layersTo(place), { attention, mlp }, place);
});

test('each release has its SAEs at an address of their own, at places of the model', () => {
  const counts = Object.fromEntries(RELEASES.map(({ name, saes }) => [name, saes.length]));
  assert.deepEqual(counts, {
    'gpt2-small-res-jb': 13,
    ...Object.fromEntries(
      [768, 1536, 3072, 6144, 12288, 24576, 49152, 98304].map((d_sae) => [
        `gpt2-small-res-jb-feature-splitting-${d_sae}`,
        1,
      ]),
    ),
    ...Object.fromEntries(
      ['attn-out', 'mlp-out', 'resid-mid', 'resid-post'].flatMap((point) =>
        ['32k', '128k'].map((size) => [`gpt2-small-${point}-v5-${size}`, 12]),
      ),
    ),
    'gpt2-small-v5-32k': 48,
    'gpt2-small-mlp-tm': 12,
    ...Object.fromEntries(
      ['sce', 'scefr', 'scl', 'sle', 'slefr', 'sll'].map((kind) => [`gpt2-small-res_${kind}-ajt`, 3]),
    ),
    'gpt2-small-transcoders': 9,
  });
  /** @type {Map<string, string>} */
  const owners = new Map();
  for (const { name, saes, neuronpedia } of RELEASES) {
    assert.equal(sorted(saes.map(({ hook_name }) => hook_name)).length, saes.length, `${name}: two at one place`);
    for (const { address, hook_name, hook_name_out, norm_scaling_factor } of saes) {
      assert.match(address, /^https:\/\/huggingface\.co\/[\w-]+\/[\w-]+\/resolve\/([0-9a-f]{40}|main)\/[\w.%-]+$/);
      assert.ok(Number(order(hook_name)) <= 12 * 6, hook_name);
      assert.equal(hook_name_out !== undefined, writesAt(hook_name) !== hook_name, hook_name);
      if (hook_name_out) assert.equal(hook_name_out, writesAt(hook_name));
      assert.equal(norm_scaling_factor !== undefined, name === 'gpt2-small-mlp-tm');
      if (name !== 'gpt2-small-mlp-tm') {
        const block =
          hook_name === 'blocks.11.hook_resid_post' && name === 'gpt2-small-res-jb' ? 12 : hook_name.split('.')[1];
        assert.match(neuronpedia[hook_name], new RegExp(`^${block}-\\w+-(jb|oai|ajt|dc)$`));
      }
      // The one that combines others has theirs.
      if (name !== 'gpt2-small-v5-32k') {
        assert.equal(owners.get(address), undefined, address);
        owners.set(address, name);
      } else assert.ok(owners.has(address));
    }
  }
  const one = (/** @type {string} */ name, /** @type {string} */ place) => saesAt(SOURCES[name].saes, place)[0];
  assert.match(one('gpt2-small-resid-post-v5-32k', 'blocks.8.hook_resid_pre').address, /v5_32k_layer_7\.pt$/);
  assert.match(one('gpt2-small-mlp-tm', 'blocks.11.hook_mlp_out').address, /blocks\.11\.hook_mlp_out_24576%3Av2$/);
  assert.equal(one('gpt2-small-mlp-tm', 'blocks.11.hook_mlp_out').norm_scaling_factor, 0.2851548652550073);
  assert.match(one('gpt2-small-res-jb', 'blocks.12.hook_resid_pre').address, /\/blocks\.11\.hook_resid_post$/);
});

test('a request reads the SAEs of its places, and its bytes are of the layers that it needs', () => {
  const source = SOURCES['gpt2-small-v5-32k'];
  const request = { prompt: '', from: 'blocks.0.hook_attn_out', to: 'blocks.2.hook_mlp_out' };
  assert.deepEqual(
    addressesOf(source, request).map((address) => address.replace(/^.*?\.co\/|resolve\/\w+\//g, '')),
    [
      'openai-community/gpt2/resolve/607a30d783dfa663caf39e06633721c8d4cfcd7e',
      'jbloom/GPT2-Small-OAI-v5-32k-attn-out-SAEs/v5_32k_layer_0',
      'jbloom/GPT2-Small-OAI-v5-32k-mlp-out-SAEs/v5_32k_layer_2',
    ],
  );
  const [d, d_mlp, d_sae] = [768, 3072, 32_768];
  const [attention, mlp] = [4 * d * d + 6 * d, 2 * d * d_mlp + 3 * d + d_mlp];
  const encoder = d * d_sae + d_sae + d;
  const bytes = (/** @type {object} */ change) => source.bytes?.({ ...request, ...change });
  assert.equal(bytes({}), 4 * (3 * attention + 3 * mlp + 2 * encoder));
  assert.equal(bytes({ to: 'blocks.2.hook_attn_out' }), 4 * (3 * attention + 2 * mlp + 2 * encoder));
  assert.equal(bytes({ from: 'tokens' }), 4 * (3 * attention + 3 * mlp + encoder));
  assert.equal(bytes({ from: 'tokens', to: { logits: [1] } }), 4 * (12 * (attention + mlp) + 50_257 * d));
});

test('a result is of the source that would read it from the same addresses, if there is one', () => {
  const page = new URL('https://page.example/sae/');
  const result = /** @type {any} */ (madeUp(1, 1, () => 1, { source: 'gpt2-small-res-jb' }));
  const of = (/** @type {any} */ result, chosen = 'demo') => sourceOf(SOURCES, result, page, chosen);
  assert.equal(of(result), 'gpt2-small-res-jb');
  assert.equal(of({ ...result, model: { address: 'https://m.example/gpt2' } }), undefined);
  assert.equal(of({ ...result, model: { address: 'http://[' } }), undefined);
  const other = { ...result.targets, sae: { address: 'https://m.example/sae' } };
  assert.equal(of({ ...result, targets: other }), undefined);
  assert.equal(of({ ...result, targets: { ...result.targets, sae: undefined } }), undefined);
  // Of two that would, the chosen one.
  const one = /** @type {any} */ (madeUp(1, 1, () => 1, { source: 'gpt2-small-v5-32k' }));
  const tokens = { ...one, sources: { kind: 'token' } };
  assert.match(of(tokens) ?? '', /^gpt2-small-\w+-\w+-v5-32k$/);
  assert.equal(of(tokens, 'gpt2-small-v5-32k'), 'gpt2-small-v5-32k');
  // Relative addresses are those of this site.
  const home = new URL('../../www/', import.meta.url);
  const relative = (/** @type {string} */ hook_name) => ({
    hook_name,
    sae: { address: `models/demo/saes/${hook_name}` },
  });
  const bundled = {
    model: { address: 'models/demo/model' },
    sources: relative('blocks.0.hook_resid_pre'),
    targets: relative('blocks.3.hook_resid_post'),
  };
  assert.equal(sourceOf(SOURCES, /** @type {any} */ (bundled), home, 'tiny'), 'demo');
  assert.equal(of(bundled), undefined);
});
