// <sae-attribution>: a result in any page, saved before or computed here. Importing this module registers the tag.
//
// 1. Until it comes near the window, nothing is fetched; then the saved result of `src` is, and drawn.
// 2. Nothing of the model is fetched until the reader presses Run live, once for all figures of one model.
// 3. From then on the picture follows the prompt: with each key where a run takes no time, with Run else (live.js).
// What stands inside the element is shown until there is a picture, and where there never is one.

import { drawFigure } from '../figure/figure.js';
import { lastOnly } from '../figure/last.js';
import { adoptStyle } from '../figure/style.js';
import { describeError } from '../runtime/error.js';
import { ATTRIBUTES, LOOKED, mirrored, viewOf } from './attributes.js';
import { createBody } from './body.js';
import { readSaved } from './saved.js';
import { ELEMENT_STYLE } from './style.js';

/** @typedef {import('../figure/result.js').Shown} Shown */
/** @typedef {import('../figure/view.js').View} View */
/** @typedef {import('../figure/heatmap.js').Cell} Cell */

const TAG = 'sae-attribution';
/** How far outside the window it is drawn already, so that who scrolls finds it there. */
const NEAR = '50%';
const NOTHING = 'There is nothing to show: “src” names no saved result, and no model can be run.';

/** Where there is no document, as where a site is built, the module can be imported all the same. */
const Base = /** @type {typeof HTMLElement} */ (globalThis.HTMLElement ?? class {});

/**
 * A figure of one result. Events, none of which bubbles:
 * `result` ({result, isLive}) when another one is drawn, `progress` (that of the runtime's client) while one is
 * computed, `error` ({code, message}), `select` ({row, column, gradient, attribution}) when a cell is pinned.
 */
export class SaeAttribution extends mirrored(Base) {
  static observedAttributes = [...ATTRIBUTES, 'view'];

  #shadow = this.attachShadow({ mode: 'open' });
  #body = createBody(this.#shadow);
  /** @type {import('../figure/figure.js').Figure | undefined} */
  #figure;
  /** What is shown. @type {Shown | undefined} */
  #result;
  /** How it is looked at where no attribute says it. @type {Partial<View>} */
  #view = {};
  /** What the reader may change; none where `controls` names nothing. @type {Promise<import('./live.js').Live | undefined>} */
  #live = Promise.resolve(undefined);
  #isNear = false;
  /** @type {IntersectionObserver | undefined} */
  #observer;
  /** Attributes that changed since it was last looked at. @type {Set<string>} */
  #changed = new Set();
  #latestSaved = lastOnly();
  #latestControls = lastOnly();

  /** The result that is shown. @returns {Shown | undefined} */
  get result() {
    return this.#result;
  }

  /** How it is looked at; what is set is laid under what attributes say. @returns {Partial<View>} */
  get view() {
    return this.#figure?.view ?? this.#view;
  }

  set view(view) {
    this.#view = { ...view };
    this.#look();
  }

  /** How high everything is but the picture, in pixels. */
  get chrome() {
    return this.#body.chrome();
  }

  connectedCallback() {
    // Properties that were set before the tag was known.
    for (const name of ATTRIBUTES) {
      if (!Object.hasOwn(this, name)) continue;
      const value = this[name];
      delete (/** @type {any} */ (this)[name]);
      this[name] = value;
    }
    adoptStyle(this.#shadow, ELEMENT_STYLE);
    this.#control();
    if (this.#isNear) return void this.#begin();
    this.#observer = new IntersectionObserver(
      (entries) => {
        if (!entries.some(({ isIntersecting }) => isIntersecting)) return;
        this.#observer?.disconnect();
        this.#isNear = true;
        void this.#begin();
      },
      { rootMargin: NEAR },
    );
    this.#observer.observe(this);
  }

  disconnectedCallback() {
    this.#observer?.disconnect();
    this.#latestSaved();
    this.#release();
    // The result stays, and is drawn again where the element is put back.
    this.#figure?.destroy();
    this.#figure = undefined;
  }

  /** @param {string} name @param {string | null} before @param {string | null} now */
  attributeChangedCallback(name, before, now) {
    if (before === now || !this.isConnected) return;
    // Several that change at once are one change.
    if (this.#changed.size === 0) queueMicrotask(() => void this.#apply());
    this.#changed.add(name);
  }

  async #apply() {
    const changed = this.#changed;
    this.#changed = new Set();
    if (!this.isConnected) return;
    if (changed.has('controls')) this.#control();
    if (changed.has('theme')) this.#figure?.repaint();
    if (changed.has('src') && this.#isNear) void this.#load();
    if (changed.has('view')) void this.#readView();
    if ([...LOOKED].some((name) => changed.has(name))) this.#look();
    (await this.#live)?.changed(changed);
  }

  /** What is shown first. */
  async #begin() {
    await this.#readView().catch(() => {});
    if (this.#result) await this.#draw(this.#result);
    else await this.#load();
  }

  async #load() {
    const alive = this.#latestSaved();
    const live = await this.#live;
    if (!alive()) return;
    if (!this.src) {
      live?.begin();
      if (!live?.isLive && !this.#result) this.#fail(NOTHING, 'request-invalid');
      return;
    }
    try {
      const result = await readSaved(this.src, new URL(this.ownerDocument.baseURI));
      if (alive()) await this.#show(result, false);
    } catch (error) {
      const { message, code } = describeError(error);
      if (alive()) this.#fail(message, code);
    }
  }

  /** @param {Shown} result @param {boolean} isLive */
  async #show(result, isLive) {
    // A cell is one of the result that it was pinned in.
    if (this.#result) delete this.#view.cell;
    this.#result = result;
    if (await this.#draw(result)) this.#tell('result', { result, isLive });
  }

  /** @param {Shown} result @returns {Promise<boolean>} whether it came to the end */
  async #draw(result) {
    const live = await this.#live;
    const view = this.#looked();
    const onSelect = (/** @type {Cell} */ cell) => this.#select(cell);
    // Written where a page sees it, as what is chosen in its controls.
    const onSort = (/** @type {Pick<View, 'rows' | 'columns'>} */ by) => (this.sort = `${by.rows} ${by.columns}`);
    const drawn = this.#figure
      ? this.#figure.update(result, view)
      : (this.#figure = drawFigure(this.#body.picture, result, { view, onSelect, onSort })).drawn;
    if (!(await drawn)) return false;
    this.#body.shown();
    live?.offer();
    return true;
  }

  /** How attributes say that it is looked at; where they do not, what was set. @returns {Partial<View>} */
  #looked() {
    const unsaid = {
      shown: undefined,
      rows: undefined,
      columns: undefined,
      top: undefined,
      limit: undefined,
      threshold: undefined,
    };
    return { ...unsaid, ...this.#view, ...viewOf(this) };
  }

  async #readView() {
    const link = this.getAttribute('view');
    if (!link) return;
    const { readView } = await import('../figure/view-link.js');
    this.view = readView(new URLSearchParams(link));
  }

  #look() {
    void this.#figure?.update(undefined, this.#looked());
  }

  /** @param {Cell} cell */
  #select({ row, column }) {
    if (!this.#result) return;
    this.#view.cell = { row, column };
    const at = row * this.#result.sources.pos.length + column;
    const { gradients, attributions } = this.#result;
    this.#tell('select', { row, column, gradient: gradients[at], attribution: attributions[at] });
  }

  // --- what the reader may change ---

  /** Takes the place of the controls before. */
  #control() {
    this.#release();
    const alive = this.#latestControls();
    if (this.controls.trim() === '') return;
    this.#live = (async () => {
      const { createLive } = await import('./live.js');
      if (!alive()) return undefined;
      const live = createLive(this, {
        result: () => this.#result,
        looked: () => this.#looked(),
        isNear: () => this.#isNear,
        show: async (result) => {
          // This is later than any saved one that is still on its way.
          this.#latestSaved();
          await this.#show(result, true);
        },
        tell: (type, detail) => this.#tell(type, detail),
      });
      this.#body.control(live.element);
      live.offer();
      return live;
    })();
    // A figure without them is better than none.
    this.#live = this.#live.catch(() => undefined);
  }

  #release() {
    this.#latestControls();
    void this.#live.then((live) => live?.end());
    this.#live = Promise.resolve(undefined);
  }

  // --- what is told ---

  /** @param {string} message @param {string} code */
  #fail(message, code) {
    this.#body.fail(`${message} [${code}]`);
    this.#tell('error', { code, message });
  }

  /** @param {string} type @param {unknown} detail */
  #tell(type, detail) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }
}

if (globalThis.customElements && !customElements.get(TAG)) customElements.define(TAG, SaeAttribution);
