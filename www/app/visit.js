// What is shown in a visit, and what it is an answer of: by what was asked, by a link, by a step of the history.
//
// Each result carries its origin, so that nothing else has to be remembered in step with what is shown.

import { lastOnly } from '../figure/last.js';
import { titleOf } from '../figure/result.js';
import { describeRequest } from '../figure/request.js';
import { short, visible } from '../figure/text.js';
import { DEFAULT_VIEW } from '../figure/view.js';
import { decodeState, encodeState } from './links.js';
import { createOpeners, FILE } from './openers.js';
import { answers, BEFORE, KEPT, keyOf, THIS_VISIT, unmeasured } from './results.js';
import { addressesRead, revisionsOf } from './sources.js';
import { compareAsked, createStale } from './stale.js';
import { createSteps } from './steps.js';

/** @typedef {import('../figure/result.js').Saved} Attribution */
/** @typedef {import('../runtime/protocol.js').Request} Request */
/** @typedef {import('../figure/view.js').View} View */
/** @typedef {import('./results.js').Precomputed} Precomputed */
/**
 * What a result is an answer of.
 * @typedef {object} Origin
 * @property {string} key that it is kept under
 * @property {string} [source] where its model is offered
 * @property {string} [file] of those computed before
 * @property {boolean} [isLive] it followed what was typed: such follow each other in one step
 * @property {string} [filled] what the form asked when it was filled with it, where that has another model
 */

/** @typedef {ReturnType<typeof createVisit>} Visit */

/** What followed the typing is kept when nothing else has for so long, in ms. */
const REST = 2000;
/** Characters of what is shown in the title of the tab. */
const TITLE = 100;

/**
 * @param {Document} document
 * @param {object} page
 * @param {ReturnType<typeof import('./form.js').createForm>} page.form
 * @param {ReturnType<typeof import('./layout.js').createLayout>} page.layout
 * @param {ReturnType<typeof import('./explorer.js').createExplorer>} page.explorer
 * @param {ReturnType<typeof import('./results.js').createResults>} page.results
 * @param {Record<string, import('./sources.js').NamedSource>} page.sources
 * @param {(result: Attribution) => string | undefined} page.ownSource the source that a result is of
 * @param {(result: Attribution) => import('./meanings/meanings.js').Meanings} page.meaningsOf
 * @param {() => boolean} page.isRunning
 * @param {() => string} page.willFetch what Run is going to fetch
 * @param {(message: string) => void} page.say
 * @param {(thrown: unknown) => void} page.fail
 * @param {(numbers: import('../figure/own.js').Own, name: string) => Promise<void>} page.openOwn
 */
export function createVisit(document, page) {
  const { form, layout, explorer, results, sources, meaningsOf, isRunning, willFetch, say, fail } = page;
  const window = /** @type {Window} */ (document.defaultView);
  const here = () => new URL(window.location.href);
  /** @param {string} id @returns {any} */
  const element = (id) => document.getElementById(id);
  const untitled = document.title;
  /** @type {WeakMap<Attribution, Origin>} */
  const origins = new WeakMap();
  /** What is about to be shown, where that is a step of its own. @type {Attribution | undefined} */
  let arriving;
  /** How a link wants the answer looked at that it asks for, until there is one. @type {{key: string, view: Partial<View>} | undefined} */
  let awaited;
  /** Of what Run computes, what is opened and what is known already, the last that was asked for is shown. */
  const latest = lastOnly();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let saving;
  /** Whether the reader has asked for something: a result that still loads does not get in between. */
  let touched = false;
  const steps = createSteps(window, { now: step, open: openStep });
  const stale = createStale(document, () => {
    const is = shown();
    if (!is) return;
    fill(is.source, is.result.request, is.result.pair_logits?.string);
    steps.follow();
    element('prompt').focus();
  });

  const request = () => form.request(explorer.threshold);
  const asksNow = () => keyOf(form.source, request());
  /** The result that is shown, and what it answers. */
  const shown = () =>
    explorer.result && { result: explorer.result, .../** @type {Origin} */ (origins.get(explorer.result)) };

  // --- showing ---

  /**
   * Shows a result as a step of its own, but in the place of nothing or of itself.
   * @param {Attribution} result
   * @param {Origin} from
   * @param {Partial<View>} [view] what the reader has chosen for the one before, if not given
   */
  async function show(result, from, view) {
    const before = shown();
    if (before && before.key !== from.key && !(before.isLive && from.isLive)) {
      steps.leave();
      arriving = result;
    }
    await present(result, from, view);
  }

  /** Shows a result in the step that there is. @param {Attribution} result @param {Origin} from @param {Partial<View>} [view] */
  async function present(result, from, view) {
    origins.set(result, from);
    form.offer((result.top_logits?.string ?? []).slice(0, 50));
    await explorer.show(result, view, meaningsOf(result));
    steps.follow();
  }

  /** From now on this one is shown. @param {Attribution} result */
  function tellShown(result) {
    element('title').textContent = short(titleOf(result), 140);
    element('revision').textContent = `Computed from ${revisionsOf(addressesRead(result), here())}.`;
    tellStale();
    if (arriving === result) steps.push();
    else steps.follow();
    arriving = undefined;
  }

  /** Says whether what is shown is what the form asks for. */
  function tellStale() {
    const model = sources[form.source].title.split(':')[0];
    const asked = request();
    const problem = form.problem?.message;
    stale.show(compareAsked(shown(), { source: form.source, request: asked, model, problem }));
    const what = problem ?? describeRequest(asked);
    layout.summarise(`${what} · ${model}`, `“${short(visible(asked.prompt), 80)}”`);
  }

  /** There is nothing to show of what the form asks. */
  function nothingYet() {
    explorer.clear('Press Run to compute this in your browser.');
    element('title').textContent = 'Result';
    element('revision').textContent = '';
    layout.unfold();
    tellStale();
  }

  /** Fills the form with what was asked. @param {string | undefined} source @param {Request} asked @param {string[]} [pair] */
  function fill(source, asked, pair) {
    form.fill(source, asked, pair);
    tellStale();
  }

  // --- what is known already ---

  /** Shows what answers the form: computed in this visit, or before. */
  async function recall() {
    if (isRunning()) return;
    const key = asksNow();
    const known = results.recall(key);
    if (known) {
      if (known !== explorer.result) void show(known, origins.get(known) ?? { key, source: form.source });
      say(THIS_VISIT);
      return;
    }
    const [source, asked, alive] = [form.source, request(), latest()];
    say(willFetch());
    const found = await results.answer(source, asked).catch((error) => void (alive() && fail(error)));
    if (!found || !alive() || asksNow() !== key) return;
    results.keep(key, found.result);
    await show(found.result, { key, source, file: found.file });
    if (alive()) say(`${found.how} ${willFetch()}`);
  }

  /** @param {Precomputed} entry @returns {Origin} */
  const originOf = ({ source, request, file }) => ({ key: keyOf(source, request), source, file });

  const openers = createOpeners({
    ...{ explorer, results, isRunning, willFetch, say, fail, latest, fill, show, originOf, asksNow, meaningsOf },
    ...{ ownSource: page.ownSource, openOwn: page.openOwn },
  });

  // --- links and steps ---

  /** The link to what is shown as it is looked at; to what the form asks where nothing is shown. */
  function link() {
    const is = shown();
    return is ? `#${encodeState(is.source, askedOf(is), explorer.view, explorer.first)}` : linkToAsked();
  }

  /** What was asked for what is shown: one computed before was measured without being asked. @param {{result: Attribution, file?: string}} is */
  const askedOf = ({ result: { request: asked }, file }) => (file ? unmeasured(asked) : asked);

  function linkToAsked() {
    const view = awaitedOf(asksNow()) ?? { threshold: explorer.threshold };
    const first = { ...DEFAULT_VIEW, top: explorer.first.top };
    return `#${encodeState(form.source, request(), { ...first, ...view }, first)}`;
  }

  /** How the answer to what has this key is to be looked at, if a link said it. @param {string} key */
  function awaitedOf(key) {
    // The threshold may be moved while there is no answer.
    if (awaited?.key !== key) return undefined;
    const { threshold } = explorer;
    return { ...awaited.view, ...(threshold !== DEFAULT_VIEW.threshold && { threshold }) };
  }

  /** What a step of the history is to remember. */
  function step() {
    const is = shown();
    const title = is ? `${short(titleOf(is.result), TITLE)} · ${untitled}` : untitled;
    const isAnswered =
      is && (is.filled ? is.filled === asksNow() : is.source === form.source && answers(is.result.request, request()));
    // What else the form asks comes back with it.
    const asked = is && !isAnswered ? linkToAsked() : undefined;
    return { hash: link(), title, state: { key: is?.key, asked } };
  }

  /** Shows what a step showed. @param {import('./steps.js').State} state */
  async function openStep({ key, asked }) {
    const alive = latest();
    touched = false;
    try {
      await openLink(alive, key);
      if (!alive() || touched || !asked) return;
      const { source, request } = decodeState(asked);
      if (request) fill(source, request);
    } catch (error) {
      nothingYet();
      fail(error);
    }
  }

  /**
   * Shows what the address asks for: a result computed before, or the form, filled.
   * @param {() => boolean} alive
   * @param {string} [key] of the result that was shown there
   */
  async function openLink(alive, key) {
    const { source, request: asked, view } = decodeState(window.location.hash);
    const isOffered = source !== undefined && Object.hasOwn(sources, source);
    if (!asked) {
      if (isOffered) form.choose(source);
      const list = await results.precomputed();
      if (!alive()) return;
      const first = list.find((entry) => entry.source === form.source);
      if (first) return openPrecomputed(first, view, alive);
      nothingYet();
      return say(willFetch());
    }
    const name = isOffered ? source : form.source;
    const before = results.recall(key ?? '') ?? results.recall(keyOf(name, asked));
    const opened = before ?? (key?.startsWith(FILE) ? await results.opened(key) : undefined);
    if (!alive()) return;
    if (opened) {
      const source = page.ownSource(opened);
      const from = origins.get(opened) ?? { key: key ?? keyOf(name, asked), source };
      fill(from.source, askedOf({ result: opened, file: from.file }), opened.pair_logits?.string);
      await present(opened, { ...from, filled: from.source ? undefined : asksNow() }, view);
      if (alive()) say(before ? THIS_VISIT : KEPT);
      return;
    }
    fill(name, asked);
    /** @type {unknown} */
    let problem;
    const found = await results.answer(name, asked).catch((error) => void (problem = error));
    if (!alive()) return;
    if (found) {
      const { result, file, how } = found;
      if (touched) return explorer.result ? undefined : nothingYet();
      fill(name, { ...result.request, measure: asked.measure }, result.pair_logits?.string);
      results.keep(keyOf(name, asked), result);
      await present(result, { key: keyOf(name, asked), source: name, file }, view);
      // Another address may have been opened while it was drawn.
      if (alive()) say(`${how} ${willFetch()}`);
      return;
    }
    explorer.threshold = view.threshold ?? DEFAULT_VIEW.threshold;
    awaited = { key: asksNow(), view };
    nothingYet();
    if (problem) fail(problem);
    else say(`The link is read. ${willFetch()}`);
  }

  /** @param {Precomputed} entry @param {Partial<View>} view @param {() => boolean} alive */
  async function openPrecomputed(entry, view, alive) {
    const result = await results.load(entry);
    if (!alive()) return;
    if (touched) return explorer.result ? undefined : nothingYet();
    fill(entry.source, unmeasured(result.request), result.pair_logits?.string);
    await present(result, originOf(entry), view);
    if (alive()) say(`${BEFORE} ${willFetch()}`);
  }

  return {
    /** What the address of the page says. */
    begin: steps.begin,
    /** How what is shown is looked at has changed, or what the form asks. */
    follow: steps.follow,
    /** The reader asks for something: what still loads is not shown any more. */
    touch: () => void (touched = true),
    shown,
    tellShown,
    tellStale,
    link,
    recall,
    ...openers,

    /** Asks the form for what is shown, measured. @returns {boolean} whether its model can be asked */
    askMeasured() {
      const is = shown();
      if (!is || is.source === undefined) return false;
      fill(is.source, { ...is.result.request, measure: true }, is.result.pair_logits?.string);
      return true;
    },

    /** Name of a file on the site that holds what is shown. */
    async file() {
      const is = shown();
      return is && (is.file ?? (await results.find(is.source, is.result.request))?.file);
    },

    /**
     * A run begins; what it returns files and shows the answer, under what was asked of whom.
     * @param {string} source
     * @param {Request} asked
     * @param {boolean} [isLive] as it is typed
     * @returns {(result: Attribution) => Promise<boolean>} whether it is shown: the reader may have opened another
     */
    expect(source, asked, isLive = false) {
      touched = true;
      const alive = latest();
      return async (result) => {
        const key = keyOf(source, asked);
        results.keep(key, result);
        clearTimeout(saving);
        // Of what is typed, what stands a while is kept.
        if (isLive) saving = setTimeout(() => void results.save(result, key, source), REST);
        else void results.save(result, key, source);
        if (!alive()) return false;
        // The same question, now measured, is looked at as before.
        const is = shown();
        const isSame = is?.source === source && answers(asked, unmeasured(is.result.request));
        const linked = awaitedOf(key);
        if (linked) awaited = undefined;
        const view = linked ?? (isSame ? explorer.view : undefined);
        await show(result, { key, source, ...(isLive && { isLive }) }, view);
        return true;
      };
    },

    /** What has this name is another model from now on. @param {string} source */
    forget(source) {
      results.forget(source);
      const is = shown();
      if (is?.source === source) origins.set(is.result, { key: is.key });
    },
  };
}
