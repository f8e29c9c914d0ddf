// What the reader may change of a figure, and run: fetched only where `controls` names something.

import { adoptStyle } from '../figure/style.js';
import { describeError } from '../runtime/error.js';
import { requestOf, sourceOf } from './ask.js';
import { ASKED, LOOKED } from './attributes.js';
import { agree, hasAgreed, onAgree } from './consent.js';
import { createControls } from './controls.js';
import { CONTROLS_STYLE } from './controls-style.js';
import { hasValues, VALUES } from '../figure/values.js';
import { writeFrom, writeTo } from './grammar.js';
import { createPace, PAUSE } from './pace.js';
import { borrow, keyOf } from './pool.js';
import { buttonText, fetched, notice, progressText } from './words.js';

/** @typedef {import('../figure/result.js').Shown} Shown */
/** @typedef {import('../figure/view.js').View} View */

const SANDBOXED =
  'This frame is sandboxed, where nothing can be computed: its page would have to allow “allow-same-origin”.';

/** A frame without an origin of its own may start no worker. */
const isSandboxed = () => globalThis.origin === 'null';

/**
 * What it knows of its figure, and does to it.
 * @typedef {object} Host
 * @property {() => Shown | undefined} result that is shown
 * @property {() => Partial<View>} looked how it is looked at
 * @property {(result: Shown) => Promise<void>} show
 * @property {() => boolean} isNear it is to be seen, or soon
 * @property {(type: string, detail: unknown) => void} tell
 */

/** @typedef {ReturnType<typeof createLive>} Live */

/**
 * @param {HTMLElement & import('./attributes.js').Attributes} figure
 * @param {Host} host
 */
export function createLive(figure, host) {
  const document = figure.ownerDocument;
  adoptStyle(/** @type {ShadowRoot} */ (figure.shadowRoot), CONTROLS_STYLE);
  const controls = createControls(document, new Set(figure.controls.split(/\s+/).filter(Boolean)), {
    set: (name, value) => (figure[name] = value),
    run() {
      try {
        const source = sourceOf(figure, page());
        if (source) agree(keyOf(source));
      } catch {
        // Said by the run that does not start.
      }
      void start();
    },
    cancel() {
      stop();
      controls.say('Cancelled.');
    },
  });
  /** The part in a runtime, from the first run on. @type {ReturnType<typeof borrow> | undefined} */
  let runtime;
  /** The run under way: of several only the last counts. @type {AbortController | undefined} */
  let running;
  const pace = createPace();
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let typed;
  const page = () => new URL(document.baseURI);
  const here = new AbortController();
  onAgree(() => {
    offer();
    begin();
  }, here.signal);

  const request = () => requestOf(figure, host.result()?.request, figure.hasAttribute('prompt'));
  const canRun = () => controls.isLive && figure.model !== '' && !isSandboxed();

  /** Whether the reader has let the figures of this page fetch this model. */
  function isAgreed() {
    try {
      const source = sourceOf(figure, page());
      return source !== undefined && hasAgreed(keyOf(source));
    } catch {
      // What cannot be asked for was not agreed to.
      return false;
    }
  }

  /** Without a saved result, the first is computed as soon as that may be. */
  function begin() {
    if (host.isNear() && !figure.src && !host.result() && !running && canRun() && isAgreed()) void start();
  }

  async function start() {
    clearTimeout(typed);
    running?.abort();
    const run = (running = new AbortController());
    const alive = () => running === run;
    try {
      const [source, asked] = [sourceOf(figure, page()), request()];
      if (!source) return;
      controls.busy({ done: 0, total: 0 });
      runtime ??= borrow(source);
      const timed = pace.begin();
      const result = await runtime.attribute(asked, {
        signal: run.signal,
        onProgress(progress) {
          if (!alive()) return;
          timed.progress(progress);
          controls.busy(progress);
          controls.say(progressText(progress));
          host.tell('progress', progress);
        },
      });
      if (!alive()) return;
      timed.end();
      await host.show(result);
      if (alive()) controls.say(`Computed here, on the ${result.runtime.device === 'cpu' ? 'CPU' : 'GPU'}.`);
    } catch (error) {
      if (alive()) failed(error);
    } finally {
      if (alive()) rest();
    }
  }

  /** @param {unknown} thrown */
  function failed(thrown) {
    const { code, message } = describeError(thrown);
    controls.say(`${message} [${code}]`, true);
    host.tell('error', { code, message });
  }

  /** No run is under way any more. */
  function rest() {
    running = undefined;
    controls.busy();
  }

  function stop() {
    clearTimeout(typed);
    running?.abort();
    rest();
  }

  function giveBack() {
    stop();
    runtime?.giveBack();
    runtime = undefined;
    pace.forget();
  }

  /** What the fields and the button say. */
  function offer() {
    const result = host.result();
    const asked = result?.request;
    const { rows = 'position', columns = 'position', threshold, shown = 'attributions' } = host.looked();
    const values = /** @type {View['shown'][]} */ (Object.keys(VALUES)).filter(
      (one) => result && hasValues(result, one),
    );
    controls.offerValues(values);
    controls.show({
      prompt: figure.hasAttribute('prompt') ? figure.prompt : (asked?.prompt ?? ''),
      from: figure.from || (asked ? writeFrom(asked.from) : ''),
      to: figure.to || (asked ? writeTo(asked.to) : ''),
      ...{ rows, columns, shown: values.includes(shown) ? shown : 'attributions' },
      threshold: String(threshold ?? asked?.threshold ?? ''),
    });
    if (!controls.isLive) return;
    const isOpen = canRun() && isAgreed();
    controls.offer(isOpen ? 'Run' : buttonOf(), canRun(), isOpen);
  }

  /** Before the reader has agreed: how much from where. */
  function buttonOf() {
    if (!canRun()) {
      controls.say(isSandboxed() ? SANDBOXED : '“model” of this figure names no model to run.');
      return 'Run live';
    }
    try {
      const source = /** @type {import('../runtime/protocol.js').Source} */ (sourceOf(figure, page()));
      const what = fetched(source, request(), page(), host.result()?.sources.d_sae);
      if (!running) controls.say(notice(what));
      return buttonText(what);
    } catch {
      // Said when it is pressed; until the saved result is there, its request is not known.
      return 'Run live';
    }
  }

  return {
    element: controls.element,
    isLive: controls.isLive,
    offer,
    begin,
    /** Attributes have changed. @param {Set<string>} names */
    changed(names) {
      const has = (/** @type {Set<string>} */ of) => [...of].some((name) => names.has(name));
      if (names.has('model') || names.has('saes')) giveBack();
      if (has(ASKED) && runtime) {
        clearTimeout(typed);
        if (pace.isInstant) typed = setTimeout(() => void start(), PAUSE);
        else controls.say('Press Run to compute this.');
      }
      if (has(ASKED) || has(LOOKED)) offer();
    },
    end() {
      here.abort();
      giveBack();
      controls.element.remove();
    },
  };
}
