// Which models the reader has let the figures of a page fetch: asked once, for all of them.

const KEY = 'sae-attribution.live';

/** What was agreed to, also where nothing can be stored. @type {Set<string>} */
const agreed = new Set(stored());
const told = new EventTarget();

/** @returns {string[]} */
function stored() {
  try {
    const keys = JSON.parse(sessionStorage.getItem(KEY) ?? '[]');
    return Array.isArray(keys) ? keys.filter((key) => typeof key === 'string') : [];
  } catch {
    // No storage here, or not ours: the reader is asked again.
    return [];
  }
}

/** @param {string} key of a model with its SAEs */
export const hasAgreed = (key) => agreed.has(key);

/** @param {string} key */
export function agree(key) {
  agreed.add(key);
  try {
    sessionStorage.setItem(KEY, JSON.stringify([...agreed]));
  } catch {
    // Likewise.
  }
  told.dispatchEvent(new Event('agree'));
}

/** Calls when the reader has agreed to something, until the signal aborts. @param {() => void} act @param {AbortSignal} signal */
export const onAgree = (act, signal) => told.addEventListener('agree', act, { signal });
