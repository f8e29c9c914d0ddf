// What is shown minus what was shown before, drawn in the place of the figure.

/** @typedef {import('../figure/result.js').Saved} Saved */

/**
 * @param {Document} document
 * @param {(thrown: unknown) => void} fail
 */
export function createCompare(document, fail) {
  /** @param {string} id @returns {any} */
  const element = (id) => document.getElementById(id);
  const toggle = element('compare');
  /** @type {Saved | undefined} */
  let shown;
  /** @type {Saved | undefined} */
  let before;
  /** @type {import('../figure/figure.js').Figure | undefined} */
  let figure;

  function close() {
    toggle.checked = false;
    element('result').classList.remove('comparing');
    element('difference').hidden = true;
    figure?.destroy();
    figure = undefined;
  }

  async function open() {
    const [a, b] = [shown, before];
    if (!a || !b) return close();
    try {
      const [{ difference }, { drawFigure }] = await Promise.all([
        import('../figure/difference.js'),
        import('../figure/figure.js'),
      ]);
      const { result, alone } = await difference(a, b);
      // Another may be shown by now, or the reader have thought better of it.
      if (!toggle.checked || shown !== a || before !== b) return;
      element('difference-caption').textContent =
        `${result.title}. ` +
        (alone === 0
          ? 'Both have the same rows and columns.'
          : `${alone} rows and columns are only in one of both, as their labels say: they count as 0 in the other.`);
      element('result').classList.add('comparing');
      element('difference').hidden = false;
      figure?.destroy();
      figure = drawFigure(element('difference-figure'), result, { view: { shown: looked(a) } });
      await figure.drawn;
    } catch (error) {
      close();
      fail(error);
    }
  }

  /** Tokens have no activation. @param {Saved} result */
  const looked = ({ sources }) => (sources.kind === 'token' ? 'gradients' : 'attributions');

  toggle.addEventListener('change', () => {
    if (!toggle.checked) return close();
    void open();
  });

  return {
    /** From now on this one is shown. @param {Saved} result */
    follow(result) {
      if (result === shown) return;
      [before, shown] = [shown, result];
      toggle.disabled = before === undefined;
      close();
    },
  };
}
