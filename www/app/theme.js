// Light, dark, or as the system: what the reader chose is remembered.

const KEY = 'sae-attribution.theme';
/** @type {[string, string][]} */
const THEMES = [
  ['auto', '◐ Auto'],
  ['light', '☀ Light'],
  ['dark', '☾ Dark'],
];

/**
 * @param {Document} document
 * @param {Storage} storage
 * @param {() => void} onChange what is painted by hand is painted anew
 */
export function createTheme(document, storage, onChange) {
  const root = document.documentElement;
  /** @param {number} chosen */
  const set = (chosen) => {
    const [theme, name] = THEMES[chosen];
    if (theme === 'auto') delete root.dataset.theme;
    else root.dataset.theme = theme;
    /** @type {any} */ (document.getElementById('theme-name')).textContent = name;
    onChange();
  };
  const current = () =>
    Math.max(
      0,
      THEMES.findIndex(([theme]) => theme === root.dataset.theme),
    );
  set(
    Math.max(
      0,
      THEMES.findIndex(([theme]) => theme === storage.getItem(KEY)),
    ),
  );
  document.getElementById('theme')?.addEventListener('click', () => {
    const next = (current() + 1) % THEMES.length;
    storage.setItem(KEY, THEMES[next][0]);
    set(next);
  });
  document.defaultView?.matchMedia('(prefers-color-scheme: dark)').addEventListener('change', onChange);
}

/** What a browser keeps for the page, where the reader allows it; else one that forgets. @returns {Storage} */
export function storageOr() {
  try {
    return localStorage;
  } catch {
    return /** @type {any} */ ({ getItem: () => null, setItem() {}, removeItem() {} });
  }
}
