// What `from`, `to` and `saes` say.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { requestOf, sourceOf } from '../../www/embed/ask.js';
import { viewOf } from '../../www/embed/attributes.js';
import { parseFrom, parseTo, writeFrom, writeTo } from '../../www/embed/grammar.js';

const resid = (/** @type {number} */ block) => `blocks.${block}.hook_resid_pre`;

test('places and logits are read as they are written', () => {
  /** @type {[string, ReturnType<typeof parseTo>][]} */
  const targets = [
    ['3', resid(3)],
    ['blocks.2.hook_mlp_out', 'blocks.2.hook_mlp_out'],
    ['top 25', { top_logits: 25 }],
    ['logits " a"', { logits: [' a'] }],
    ['logits " a", 5, "\\n\\"-, "', { logits: [' a', 5, '\n"-, '] }],
    ['logits " tennis" - " golf"', { logit_difference: [' tennis', ' golf'] }],
    ['logits " - " - 7', { logit_difference: [' - ', 7] }],
  ];
  for (const [text, to] of targets) {
    assert.deepEqual(parseTo(text), to, text);
    assert.equal(writeTo(to), text);
  }
  for (const [text, from] of [
    ['tokens', 'tokens'],
    ['11', resid(11)],
    ['blocks.2.attn.hook_z', 'blocks.2.attn.hook_z'],
  ]) {
    assert.equal(parseFrom(text), from);
    assert.equal(writeFrom(from), text);
  }
  // Spaces are no matter, and numbers have no zeros before them.
  assert.deepEqual(parseTo(' logits  " a"-" b" '), { logit_difference: [' a', ' b'] });
  assert.equal(parseFrom(' 03 '), resid(3));
});

test('what is neither is refused, with what to write', () => {
  for (const text of [
    ...['', 'top', 'top 0', 'top -1', 'top 1e3', 'logits', 'logits a', 'logits " a" " b"', 'logits " a",'],
    ...['logits " a" - " b" - " c"', 'logits "\\x"', 'logits "a', 'tokens', '-1', '3.5', '__proto__', '12345'],
  ]) {
    assert.throws(() => parseTo(text), { code: 'request-invalid', message: /write a place/ }, text);
  }
  for (const text of ['', 'token', 'top 3', 'blocks.x.hook_resid_pre'])
    assert.throws(() => parseFrom(text), { code: 'request-invalid' }, text);
});

const NONE = { src: '', model: '', saes: '', prompt: '', from: '', to: '' };
const UNSAID = {
  ...NONE,
  error: '',
  threshold: '',
  sort: '',
  top: '',
  zeros: '',
  shown: '',
  limit: '',
  theme: '',
  controls: '',
};
const PAGE = new URL('https://blog.example/post/');

test('a source is a model with folders of SAEs, or the folder of one', () => {
  assert.equal(sourceOf(UNSAID, PAGE), undefined);
  assert.deepEqual(
    sourceOf(
      { ...UNSAID, model: '../gpt2/resolve/main/', saes: ' saes\n blocks.2.hook_mlp_out=https://h.example/2?a=b ' },
      PAGE,
    ),
    {
      model: { address: 'https://blog.example/gpt2/resolve/main', name: 'gpt2' },
      saes: [
        { address: 'https://blog.example/post/saes' },
        { address: 'https://h.example/2?a=b', hook_name: 'blocks.2.hook_mlp_out' },
      ],
    },
  );
  const name = (/** @type {string} */ model) => sourceOf({ ...UNSAID, model }, PAGE)?.model.name;
  assert.equal(name('https://h.example/openai-community/gpt2/resolve/main'), 'openai-community/gpt2');
  assert.equal(name('/models/demo/model'), 'demo');
  for (const address of ['javascript:alert(1)', 'data:,', 'https://a:b@h.example/', 'https://h.example/#a']) {
    for (const given of [{ model: address }, { model: '/m', saes: address }])
      assert.throws(() => sourceOf({ ...UNSAID, ...given }, PAGE), {
        code: 'address-invalid',
        message: /of this figure/,
      });
  }
});

test('what attributes do not say, the saved result does', () => {
  const saved = { prompt: 'a', from: resid(0), to: resid(1), error: /** @type {const} */ ('omit'), threshold: 3 };
  assert.deepEqual(requestOf(UNSAID, saved, false), saved);
  assert.deepEqual(requestOf({ ...UNSAID, from: 'tokens', error: 'keep', threshold: '-1e-3' }, saved, true), {
    ...{ prompt: '', from: 'tokens', to: resid(1), error: 'keep', threshold: -1e-3 },
  });
  // How sources are credited stays; with check in the controls, they are taken away, too.
  const credited = { ...saved, method: { integrated: 5 }, patch: ' b' };
  assert.deepEqual(requestOf({ ...UNSAID, controls: 'live check' }, credited, false), { ...credited, measure: true });
  const ofTokens = requestOf({ ...UNSAID, from: 'tokens', error: 'keep' }, credited, false);
  assert.deepEqual(ofTokens, { ...saved, from: 'tokens', error: 'keep' });
  assert.equal(requestOf({ ...UNSAID, from: 'tokens' }, { ...saved, method: 'frozen' }, false).method, 'frozen');
  assert.throws(() => requestOf(UNSAID, undefined, false), { code: 'request-invalid', message: /“from”/ });
  assert.throws(() => requestOf({ ...UNSAID, error: 'no' }, saved, false), { code: 'request-invalid' });
});

test('a way to look that cannot be understood is as if it were not there', () => {
  assert.deepEqual(viewOf({ ...UNSAID, shown: 'misses' }), { shown: 'misses' });
  for (const shown of ['Misses', 'constructor', 'all']) assert.deepEqual(viewOf({ ...UNSAID, shown }), {});
  assert.deepEqual(viewOf({ ...UNSAID, sort: 'largest', limit: '0.5', threshold: '1' }), {
    ...{ rows: 'largest', columns: 'largest', limit: 0.5, threshold: 1 },
  });
  assert.deepEqual(viewOf({ ...UNSAID, top: ' 20 ', zeros: 'shown' }), { top: 20, zeros: true });
  assert.deepEqual(viewOf({ ...UNSAID, sort: 'total value' }), { rows: 'total', columns: 'value' });
  assert.deepEqual(
    viewOf({ ...UNSAID, sort: 'constructor', limit: '-1', threshold: '1e99', top: '0', zeros: '1' }),
    {},
  );
});
