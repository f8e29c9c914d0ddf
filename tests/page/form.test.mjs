// The form: which places it offers, and what it asks for that it cannot show; results of other models.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import {
  DEMO,
  LINKS,
  linkTo,
  madeUp,
  openFolded,
  openPage,
  openResult,
  resid,
  run,
  settled,
  start,
} from './browser.mjs';

/** @typedef {import('playwright-core').Page} Page */

/** @type {Awaited<ReturnType<typeof start>>} */
let browser;
before(async () => {
  browser = await start();
});
after(() => browser.close());

/** @param {Page} page @param {string} id */
const offered = (page, id) => page.locator(`#${id} option`).allTextContents();
/** What the form asks: the address of the page where nothing is shown, beside that of what is. @param {Page} page @param {RegExp} wanted */
const hashed = (page, wanted) =>
  page.waitForFunction(
    (wanted) => new RegExp(wanted).test(decodeURIComponent(history.state?.asked ?? location.hash)),
    wanted.source,
  );

const COMBINED = linkTo({
  source: 'gpt2-small-v5-32k',
  prompt: 'a',
  from: 'blocks.1.hook_attn_out',
  to: 'blocks.1.hook_mlp_out',
});

test('places are offered in order; those to go to come after where the SAE writes', async () => {
  const { page, problems } = await openPage(browser, COMBINED);
  await settled(page);
  const [from, to] = [await offered(page, 'from'), await offered(page, 'to')];
  // The last place has nothing behind it.
  assert.equal(from.length, 47);
  assert.deepEqual(from.slice(0, 3), ['blocks.0.hook_attn_out', 'blocks.0.hook_resid_mid', 'blocks.0.hook_mlp_out']);
  assert.deepEqual(to.slice(0, 2), ['blocks.1.hook_resid_mid', 'blocks.1.hook_mlp_out']);
  assert.equal(to.length, 48 - 5);
  assert.match(
    (await page.textContent('#status')) ?? '',
    /SAEs at blocks\.1\.hook_attn_out and blocks\.1\.hook_mlp_out/,
  );

  // One that comes before is no more offered, and another takes its place; one that still comes after stays.
  await page.selectOption('#from', 'blocks.0.hook_mlp_out');
  assert.equal(await page.inputValue('#to'), 'blocks.1.hook_mlp_out');
  await page.selectOption('#from', 'blocks.9.hook_resid_post');
  assert.deepEqual((await offered(page, 'to'))[0], 'blocks.10.hook_attn_out');
  assert.equal(await page.inputValue('#to'), 'blocks.11.hook_resid_post');
  await hashed(page, /from=blocks\.9\.hook_resid_post&to=blocks\.11\.hook_resid_post$/);

  // Logits are asked for from anywhere, and tokens go anywhere.
  await page.check('input[value=logit_difference]');
  assert.equal((await offered(page, 'from')).length, 48);
  assert.ok((await page.isVisible('#from')) && (await page.isHidden('#to')));
  await page.check('input[value=token_to_latent]');
  assert.equal((await offered(page, 'to')).length, 48);
  assert.ok((await page.isHidden('#from')) && (await page.isVisible('#to')) && (await page.isHidden('#omit')));

  // A transcoder writes where its MLP does.
  await page.selectOption('#source', 'gpt2-small-transcoders');
  await page.check('input[value=latent_to_latent]');
  await page.selectOption('#from', 'blocks.3.ln2.hook_normalized');
  assert.equal((await offered(page, 'to'))[0], 'blocks.4.ln2.hook_normalized');
  assert.deepEqual(problems, []);
  await page.close();
});

test('places are chosen with the keyboard', async () => {
  const { page } = await openPage(browser, LINKS.latent_to_latent);
  await settled(page);
  await page.focus('#from');
  await page.keyboard.press('ArrowDown');
  await hashed(page, /from=blocks\.1\.hook_resid_pre&to=blocks\.3/);
  assert.deepEqual(await offered(page, 'to'), [resid(2), resid(3)]);
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'to');
  await page.keyboard.press('Home');
  await hashed(page, /from=blocks\.1\.hook_resid_pre&to=blocks\.2/);
  // And without another form control in between, the option to leave the error out.
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'omit');
  await page.keyboard.press('Space');
  await hashed(page, /&error=omit$/);
  await page.close();
});

test('places stay where another model has them, and never stick at a pair that is none', async () => {
  const { page, problems } = await openPage(
    browser,
    linkTo({ source: 'gpt2-small-res-jb', prompt: 'a', from: resid(2), to: resid(8) }),
  );
  await settled(page);
  const pair = async () => [await page.inputValue('#from'), await page.inputValue('#to')];
  const choose = (/** @type {string} */ source) => page.selectOption('#source', source);
  await choose('gpt2-small-resid-post-v5-32k');
  // The same places under their other names.
  assert.deepEqual(await pair(), ['blocks.1.hook_resid_post', 'blocks.7.hook_resid_post']);
  await choose('gpt2-small-res-jb');
  assert.deepEqual(await pair(), [resid(2), resid(8)]);
  await choose('gpt2-small-mlp-tm');
  assert.deepEqual(await pair(), ['blocks.0.hook_mlp_out', 'blocks.11.hook_mlp_out']);
  // What was chosen comes back where there is such a place.
  await choose('gpt2-small-res-jb');
  assert.deepEqual(await pair(), [resid(2), resid(8)]);

  // A model with one place has no pair, and says so.
  await choose('gpt2-small-res-jb-feature-splitting-768');
  const view = page.locator('input[value=latent_to_latent]');
  assert.ok(await view.isDisabled());
  assert.equal(
    await page.textContent('#no-pair'),
    'Latent → latent cannot be asked: none of this model’s SAEs comes after another.',
  );
  assert.equal(await view.getAttribute('aria-describedby'), 'no-pair');
  assert.ok(await page.isChecked('input[value=token_to_latent]'));
  await page.check('input[value=latent_to_logit]');
  assert.equal(await page.inputValue('#from'), resid(8));
  await choose('gpt2-small-res-jb');
  assert.ok(await view.isEnabled());
  assert.equal(await page.textContent('#no-pair'), '');
  await page.check('input[value=latent_to_latent]');
  // Nobody asked for 8 → 8, though the model between had nothing else.
  assert.deepEqual(await pair(), [resid(2), resid(8)]);
  assert.deepEqual(problems, []);
  await page.close();
});

test('logits are asked from a place where more than the last position matters, until another is chosen', async () => {
  const { page } = await openPage(browser, '?source=gpt2-small-res-jb');
  await settled(page);
  const from = () => page.inputValue('#from');
  assert.equal(await from(), resid(0));
  await page.check('input[value=latent_to_logit]');
  assert.equal(await from(), resid(6));
  await page.selectOption('#source', 'demo');
  assert.equal(await from(), resid(1));
  await page.check('input[value=logit_difference]');
  assert.equal(await from(), resid(1));
  await page.check('input[value=latent_to_latent]');
  assert.equal(await from(), resid(0));
  await page.selectOption('#from', resid(2));
  await page.check('input[value=latent_to_logit]');
  assert.equal(await from(), resid(2));
  await page.close();
});

test('models are listed by what their SAEs read', async () => {
  const { page } = await openPage(browser);
  await settled(page);
  const groups = await page
    .locator('#source optgroup')
    .evaluateAll((groups) => groups.map((group) => [group.getAttribute('label'), group.children.length]));
  assert.deepEqual(groups, [
    ['Bundled', 2],
    ['GPT-2 small (from Hugging Face): residual stream', 19],
    ['GPT-2 small: attention and MLPs', 6],
    ['GPT-2 small: transcoders', 1],
  ]);
  await page.close();
});

test('what no view asks for is kept as it was asked until that part is changed', async () => {
  const { page, problems } = await openPage(browser, linkTo({ prompt: 'a', from: 'tokens', top_logits: 3 }));
  await settled(page);
  assert.match((await page.textContent('#status')) ?? '', /^The link is read\. Run fetches the model from this site/);
  assert.ok(await page.isChecked('input[value=latent_to_logit]'));
  assert.equal(await page.inputValue('#from'), 'tokens');
  await hashed(page, /from=tokens&top_logits=3$/);
  await page.fill('#k', '4');
  await page.press('#k', 'Tab');
  await hashed(page, /from=tokens&top_logits=4$/);
  await page.check('#omit');
  await page.fill('#prompt', 'b');
  await page.press('#prompt', 'Tab');
  // Tokens have no error.
  await hashed(page, /prompt=b&from=tokens&top_logits=4$/);
  await page.selectOption('#from', resid(1));
  await hashed(page, /from=blocks\.1\.hook_resid_pre&top_logits=4&error=omit$/);

  await page.goto('about:blank');
  const listed = `${linkTo({ prompt: 'a', from: resid(2) })}&logit=+golf&logit_id=5&logit=%0A`;
  await page.goto(`${browser.url}/${listed}`);
  await settled(page);
  assert.equal(await page.textContent('#listed'), '“ golf”, token 5, “\\n”; another k asks for the largest.');
  await page.selectOption('#from', resid(3));
  await hashed(page, /from=blocks\.3\.hook_resid_pre&logit=\+golf&logit_id=5&logit=\n$/);
  await page.fill('#k', '7');
  await page.press('#k', 'Tab');
  await hashed(page, /from=blocks\.3\.hook_resid_pre&top_logits=7$/);
  assert.equal(await page.textContent('#listed'), '');

  // Places that this model has no SAE at, in an order that is none.
  await page.goto('about:blank');
  await page.goto(
    `${browser.url}/${linkTo({ prompt: 'a', from: 'blocks.3.hook_mlp_out', to: resid(1), error: 'omit' })}`,
  );
  await settled(page);
  assert.ok(await page.isChecked('#omit'));
  await page.fill('#prompt', 'b');
  await page.press('#prompt', 'Tab');
  await hashed(page, /prompt=b&from=blocks\.3\.hook_mlp_out&to=blocks\.1\.hook_resid_pre&error=omit$/);
  await page.selectOption('#from', resid(0));
  assert.deepEqual(await offered(page, 'to'), [resid(1), resid(2), resid(3)]);
  assert.deepEqual(problems, []);
  await page.close();
});

test('what no view asks for is answered as it was asked', async () => {
  const { page, problems } = await openPage(
    browser,
    `?device=cpu${linkTo({ prompt: 'The tower', from: 'tokens', top_logits: 3 })}`,
  );
  await settled(page);
  assert.match((await run(page)) ?? '', /^Done .*: 3 sources × 3 targets/);
  assert.match((await page.textContent('#title')) ?? '', /^tiny · token → logit, 3 logits · The tower/);
  assert.equal(await page.inputValue('#shown'), 'gradients');
  await page.goto('about:blank');
  await page.goto(
    `${browser.url}/?device=cpu${linkTo({ prompt: 'The tower', from: resid(2) })}&logit=+golf&logit_id=5`,
  );
  await settled(page);
  assert.match((await run(page)) ?? '', /^Done .* × 2 targets/);
  assert.match((await page.textContent('#title')) ?? '', /latent → logit, resid_pre 2, “ golf”, token 5/);
  await page.check('#omit');
  assert.match((await run(page)) ?? '', /^Done/);
  assert.match((await page.textContent('#title')) ?? '', /without the SAE’s error/);
  await page.goto('about:blank');
  await page.goto(`${browser.url}/?device=cpu${linkTo({ prompt: 'a', from: resid(2), to: resid(1) })}`);
  await settled(page);
  assert.match((await run(page)) ?? '', /\[place-order\]$/);
  await page.goto('about:blank');
  await page.goto(`${browser.url}/?device=cpu${linkTo({ prompt: 'a', from: 'tokens', to: 'blocks.1.hook_mlp_out' })}`);
  await settled(page);
  assert.match((await run(page)) ?? '', /\[(sae-missing|file-not-found)\]$/);
  assert.deepEqual(problems, []);
  await page.close();
});

test('a result tells its own model, whichever is chosen', async () => {
  const { page, problems } = await openPage(browser, '?source=gpt2-small-res-jb');
  await settled(page);
  const made = madeUp(3, 4, (i) => i);
  const stranger = { ...made, model: { ...made.model, name: 'of a stranger \u202e' } };
  await openResult(page, 'stranger.json', stranger);
  assert.equal(await page.inputValue('#source'), 'gpt2-small-res-jb');
  assert.match((await page.textContent('#title')) ?? '', /^of a stranger ⟨U\+202E⟩ · latent → latent/);
  assert.equal(await page.textContent('#revision'), 'Computed from files of m.example, which may change.');
  await page.click('#python');
  await page.waitForSelector('#code[open]');
  const code = await page.inputValue('#code-text');
  assert.match(code, /Files of the model from https:\/\/m\.example\/model\n/);
  assert.match(
    code,
    /files\("saes-blocks\.1\.hook_resid_pre", "https:\/\/m\.example\/saes\/blocks\.1\.hook_resid_pre", "cfg\.json"/,
  );
  await page.click('#code-close');
  // Its latents mean nothing that is known, though the chosen model's do.
  const open = async () => {
    await page.focus('.heatmap');
    for (const key of ['ArrowRight', 'Enter']) await page.keyboard.press(key);
    await page.waitForFunction(() => document.querySelector('#latent')?.textContent);
    return page.textContent('#latent');
  };
  assert.match((await open()) ?? '', /comes without descriptions/);
  // It is not what the chosen model answers.
  await page.check('input[value=token_to_latent]');
  await page.check('input[value=latent_to_latent]');
  assert.match((await page.textContent('#status')) ?? '', /^Run fetches/);

  // One of a model that is known is told of by that.
  await page.selectOption('#source', 'demo');
  await openResult(
    page,
    'jb.json',
    madeUp(3, 4, (i) => i, { source: 'gpt2-small-res-jb' }),
  );
  assert.equal(await page.inputValue('#source'), 'gpt2-small-res-jb');
  assert.match((await open()) ?? '', /neuronpedia\.org/);
  assert.deepEqual(problems, []);
  await page.close();
});

test('Enter runs, Shift+Enter breaks the line, and breaks are seen', async () => {
  const { page, problems } = await openPage(
    browser,
    `?device=cpu${linkTo({ prompt: '', from: 'tokens', to: resid(1) })}`,
  );
  await settled(page);
  await page.focus('#prompt');
  await page.keyboard.type('The city');
  assert.equal(await page.textContent('#breaks'), '');
  await page.keyboard.press('Shift+Enter');
  await page.keyboard.type('of');
  assert.equal(await page.inputValue('#prompt'), 'The city\nof');
  assert.equal(await page.textContent('#breaks'), 'One line break: The city⏎ of');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => /^Done/.test(document.querySelector('#status')?.textContent ?? ''));
  assert.equal(await page.inputValue('#prompt'), 'The city\nof');
  assert.match((await page.textContent('#title')) ?? '', /The city\\nof$/);
  assert.deepEqual(problems, []);
  await page.close();
});

test('what cannot be answered is said beside its field, once, and not run', async () => {
  const { page } = await openPage(browser, `?device=cpu${LINKS.latent_to_logit}`);
  await settled(page);
  await page.fill('#k', '');
  assert.equal(await page.textContent('#k-note'), 'Logits (k) is empty: how many of the largest logits?');
  assert.equal(await page.getAttribute('#k', 'aria-invalid'), 'true');
  assert.match((await page.textContent('#stale-text')) ?? '', /— Logits \(k\) is empty/);
  await page.click('#run');
  assert.equal(await page.textContent('#status'), 'Nothing was run: see Logits (k). [k-out-of-range]');
  assert.equal(await page.evaluate(() => document.activeElement?.id), 'k');
  await page.fill('#k', '25');
  assert.deepEqual([await page.textContent('#k-note'), await page.getAttribute('#k', 'aria-invalid')], ['', 'false']);

  await page.check('input[value=logit_difference]');
  await page.fill('#positive', ' golf');
  await page.fill('#negative', ' golf');
  const same = '“ golf” minus itself is 0 whatever happens: choose two tokens.';
  assert.equal(await page.textContent('#token-note'), same);
  await page.click('#run');
  assert.equal(await page.textContent('#status'), 'Nothing was run: see the two tokens. [same-logits]');
  // Two tokens instead of one: the status and the field each say their part, and neither speaks of another model.
  await page.fill('#positive', ' the sport');
  assert.match((await run(page)) ?? '', /\[not-one-token\]$/);
  await page.waitForFunction(() => /is 2 tokens/.test(document.querySelector('#token-note')?.textContent ?? ''));
  assert.equal(await page.textContent('#advice'), '');
  assert.doesNotMatch((await page.textContent('#form')) ?? '', /GPT-2, “tennis”/);
  await page.click('#run');
  assert.equal(await page.textContent('#status'), 'Nothing was run: see the two tokens. [not-one-token]');
  await page.fill('#positive', ' tennis');
  assert.equal(await page.textContent('#token-note'), 'A leading space belongs to the token.');
  assert.match((await run(page)) ?? '', /^Done/);
  await page.close();
});

test('the heatmap is eight Tabs from the top, and the skip link leads to it', async () => {
  const { page, problems } = await openFolded(browser);
  await settled(page);
  await page.waitForSelector('.heatmap');
  const onHeatmap = () => page.evaluate(() => document.activeElement?.classList.contains('heatmap') ?? false);
  let tabs = 0;
  do {
    await page.keyboard.press('Tab');
    tabs++;
  } while (!(await onHeatmap()) && tabs < 40);
  assert.ok(tabs <= 8, `${tabs} Tabs`);
  const hash = await page.evaluate(() => location.hash);
  await page.evaluate(() => /** @type {HTMLElement} */ (document.activeElement).blur());
  await page.focus('.skip');
  await page.keyboard.press('Enter');
  assert.ok(await onHeatmap());
  const before = await page.textContent('#cell-text');
  await page.keyboard.press('ArrowDown');
  assert.notEqual(await page.textContent('#cell-text'), before);
  assert.doesNotMatch(hash, /plot/);
  assert.doesNotMatch(await page.evaluate(() => location.hash), /plot/);

  // What is folded away says what it asks; unfolded, it stays so.
  assert.ok(await page.isHidden('#source'));
  assert.match(
    (await page.textContent('#asked')) ?? '',
    /^latent → logit, resid_pre 3, 10 logits · Demo · “Fact: Serena/,
  );
  await page.click('#more summary');
  assert.ok(await page.isVisible('#source'));
  await page.reload();
  await settled(page);
  assert.ok(await page.isVisible('#source'));
  await page.close();
  // Where there is nothing to see, the form is.
  const other = await openFolded(browser, linkTo({ prompt: 'never run', from: 'tokens', to: resid(2) }));
  await settled(other.page);
  assert.ok(await other.page.isVisible('#source'));
  await other.page.close();
  assert.deepEqual(problems, []);
});

test('buttons of lists name both ends', async () => {
  const { page } = await openPage(browser, DEMO);
  await settled(page);
  await page.waitForSelector('#pairs tbody tr');
  const names = (/** @type {string} */ list) =>
    page.locator(`#${list} .pick`).evaluateAll((all) => all.map((one) => one.getAttribute('aria-label') ?? ''));
  const [strongest, across] = [await names('strongest'), await names('pairs')];
  assert.ok(strongest.length > 10 && across.length > 1);
  for (const name of strongest) assert.match(name, /^F0\.\d+, .* → F2\.\d+, /);
  for (const name of across) assert.match(name, /^.+ \(\d+\) → .+ \(\d+\): F0\.\d+, .* → F2\.\d+, /);
  await page.close();
});
