// How the page is laid out by hand: what of the form is folded away, where lists stand on a narrow screen, skipping.

/** Where it is kept whether the reader wants all of the form. */
const KEY = 'sae-attribution.form';
const NARROW = '(max-width: 600px)';

/**
 * @param {Document} document
 * @param {Storage} storage
 */
export function createLayout(document, storage) {
  /** @param {string} id @returns {any} */
  const element = (id) => document.getElementById(id);
  const more = element('more');
  const chosen = () => storage.getItem(KEY);
  more.open = chosen() === 'open';
  // By hand alone: what the page unfolds is no choice of the reader.
  more.querySelector('summary').addEventListener('click', () => storage.setItem(KEY, more.open ? 'closed' : 'open'));

  // On a narrow screen a list says more than a matrix that is smaller than a hand: it comes first.
  const narrow = document.defaultView?.matchMedia(NARROW);
  const [strongest, side, plot] = [
    element('strongest'),
    document.querySelector('.side'),
    document.querySelector('.plot-side'),
  ];
  const place = () => (narrow?.matches ? plot?.before(strongest) : side?.append(strongest));
  narrow?.addEventListener('change', place);
  place();

  const [toggle, take] = [element('take-toggle'), element('take')];
  toggle.addEventListener('click', () => {
    const isOpen = take.classList.toggle('open');
    toggle.setAttribute('aria-expanded', String(isOpen));
    if (isOpen) take.querySelector('button').focus();
  });

  // To what takes the keys.
  const toHeatmap = () => (document.querySelector('#plot .heatmap') ?? element('plot')).focus();
  // Not by the address, which is a link to what is shown.
  document.querySelector('.skip')?.addEventListener('click', (event) => {
    event.preventDefault();
    toHeatmap();
  });
  // Hundreds of pairs may stand between a list and what can be done with the one that was picked in it.
  element('result').addEventListener('keydown', (/** @type {KeyboardEvent} */ { key, target }) => {
    const isInList = /** @type {Element} */ (target).closest('.pick, .scatter') !== null;
    // While something runs, Escape ends that.
    if (key === 'Escape' && isInList && element('cancel').disabled) toHeatmap();
  });

  return {
    /** There is nothing to see yet: what can be asked is. */
    unfold() {
      if (chosen() !== 'closed') more.open = true;
    },

    /** What the folded part asks. @param {string} what @param {string} prompt */
    summarise(what, prompt) {
      const words = document.createElement('span');
      words.id = 'asked-prompt';
      words.textContent = ` · ${prompt}`;
      element('asked').replaceChildren(what, words);
    },
  };
}
