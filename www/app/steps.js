// Steps of the browser's history: one for each result that the reader asks for. How it is looked at, and what the
// form asks beside it, change its step in place. A step lives in its tab: others do not see it.

import { object, optional, passed, text } from '../figure/schema.js';

/**
 * What a step remembers beside its address.
 * @typedef {object} State
 * @property {string} [key] of the result that was shown
 * @property {string} [asked] link to what the form asked where that was something else
 */
/** @typedef {{hash: string, title: string, state: State}} Step */

/** The address follows at most this often: browsers refuse to change it all the time. */
const FOLLOW_MS = 250;
/** Longer addresses are kept by no browser. */
const MOST = 2 ** 21;

const STATE = object({ key: optional(text(MOST)), asked: optional(text(MOST)) });

/**
 * @param {Window} window
 * @param {object} options
 * @param {() => Step} options.now what is shown and how
 * @param {(state: State) => Promise<void>} options.open brings back what the address and the state say
 */
export function createSteps(window, { now, open }) {
  const { document, history, location } = window;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let timer;
  let followed = -Infinity;
  /** Steps that are being brought back: until they are there, there is nothing to follow. */
  let opening = 0;
  /** The address that was brought back last: some browsers tell of it twice. */
  let opened = '';

  /** @returns {State} */
  const state = () => passed(STATE, history.state) ?? {};

  /** @param {'pushState' | 'replaceState'} method @param {Step} step */
  function write(method, { hash, title, state: next }) {
    clearTimeout(timer);
    timer = undefined;
    document.title = title;
    const { key, asked } = state();
    if (method === 'replaceState' && hash === location.hash && key === next.key && asked === next.asked) return;
    followed = performance.now();
    try {
      history[method](next, '', hash);
    } catch {
      // Too often, or a prompt longer than an address may be: the page goes on without it.
    }
  }

  async function bringBack() {
    if (location.href === opened && opening > 0) return;
    opened = location.href;
    clearTimeout(timer);
    timer = undefined;
    opening++;
    try {
      await open(state());
    } finally {
      opening--;
    }
    if (opening === 0) write('replaceState', now());
  }

  // An address that is typed is told as a change of hash, and by some browsers as a step, too.
  window.addEventListener('popstate', () => void bringBack());
  window.addEventListener('hashchange', () => {
    if (location.href !== opened) void bringBack();
  });

  return {
    /** What the address says when the page is opened. */
    begin: bringBack,

    /** The step follows what is shown. */
    follow() {
      if (opening > 0) return;
      timer ??= setTimeout(() => write('replaceState', now()), Math.max(0, FOLLOW_MS - performance.now() + followed));
    },

    /** What is shown is about to be left for another result: its step remembers it alone. */
    leave() {
      const { hash, title, state: left } = now();
      write('replaceState', { hash, title, state: { key: left.key } });
    },

    /** Another result is shown: a step of its own. */
    push() {
      write('pushState', now());
      opened = location.href;
    },
  };
}
