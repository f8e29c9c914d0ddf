// What can be taken away: link, files, embed code, Python. What makes the files is loaded when it is asked for.

import { viewOf } from '../figure/request.js';

/** @typedef {import('../figure/result.js').Shown} Shown */

/**
 * What is looked at: an explorer, or numbers of one's own.
 * @typedef {object} Looked
 * @property {Shown | undefined} result
 * @property {import('../figure/view.js').View} view
 * @property {number} limit
 * @property {import('../figure/axes.js').MeaningOf} meaning
 * @property {() => Shown} labelled
 * @property {() => import('../figure/cells.js').Matrix | Promise<import('../figure/cells.js').Matrix>} matrix
 */

/** Of numbers that name no request. */
const UNASKED = 'These numbers name no model and no prompt: ';

/** What files are named after. @param {Shown} result */
const nameOf = ({ request }) => (request ? viewOf(request) : 'result');

/**
 * @param {Document} document
 * @param {object} options
 * @param {() => Looked} options.looked
 * @param {() => string} options.link the hash of what is shown
 * @param {() => string | undefined} options.source name of the source of what is shown
 * @param {(result: Shown) => string | undefined} options.file in which it came with this site
 * @param {(message: string) => void} options.say
 * @param {(thrown: unknown) => void} options.fail
 */
export function createTake(document, { looked, link, source, file, say, fail }) {
  /** @param {string} id @returns {any} */
  const element = (id) => document.getElementById(id);

  /** @param {string} text @param {string} what */
  async function copy(text, what) {
    try {
      await navigator.clipboard.writeText(text);
      say(`${what} copied.`);
      return true;
    } catch {
      return false;
    }
  }

  /**
   * Shows text to copy, in one form or in several to choose from.
   * @param {string} title
   * @param {string} note
   * @param {string | Record<string, string>} text
   */
  function offer(title, note, text) {
    const forms = typeof text === 'string' ? { '': text } : text;
    const write = (/** @type {string} */ name) => {
      element('code-text').value = forms[name];
      element('code-text').setSelectionRange(0, 0);
    };
    const [first, ...others] = Object.keys(forms);
    const choices = [first, ...others].map((name) => {
      const input = document.createElement('input');
      Object.assign(input, { type: 'radio', name: 'code-form', checked: name === first });
      input.addEventListener('change', () => write(name));
      const label = document.createElement('label');
      label.className = 'check';
      label.append(input, name);
      return label;
    });
    element('code-forms').replaceChildren(...(others.length > 0 ? choices : []));
    element('code-title').textContent = title;
    element('code-note').textContent = note;
    write(first);
    element('code').showModal();
    // Focused, it is scrolled to where its text was ended.
    element('code-text').scrollTop = element('code').scrollTop = 0;
  }

  async function copyLink() {
    const { result } = looked();
    if (result && !result.request) return say(`${UNASKED}there is no link to them. Save JSON holds them all.`);
    const { href } = new URL(link(), location.href);
    try {
      history.replaceState(history.state, '', href);
    } catch {
      // Too often, or longer than an address may be: it can be copied all the same.
    }
    if (!(await copy(href, 'Link'))) offer('Link', 'This browser does not let a page copy: select and copy.', href);
  }

  /** @param {Shown} result */
  async function embed(result) {
    const { view } = looked();
    const { embedding } = await import('./export/embed.js');
    const page = new URL(location.href);
    const { note, forms } = embedding(result, { page, view, source: source(), file: file(result) });
    offer('Embed code', note, forms);
  }

  /** @param {Shown} result */
  async function python(result) {
    if (!result.request) return say(`${UNASKED}there is nothing that Python could compute again.`);
    const [snippet, { measuredPython, notSame }] = await Promise.all([
      import('./snippet.js'),
      import('./snippet-measured.js'),
    ]);
    const { cell, threshold } = looked().view;
    const measured = cell && result.ablations?.[cell.row * result.sources.pos.length + cell.column];
    const python = snippet.python({ ...result.request, threshold }, snippet.originsOf(result), {
      page: new URL(location.href),
      file: `${nameOf(result)}.json`,
    });
    offer(
      'Python',
      notSame(result.request) ||
        'Computes the same with TransformerLens and SAELens, and compares it with the file of “Save JSON”.',
      cell && measured !== undefined ? python + measuredPython(result, cell, measured) : python,
    );
  }

  /** @param {Shown} result */
  async function json(result) {
    const labelled = looked().labelled();
    const [{ download }, { toJsonParts }] = await Promise.all([
      import('./export/download.js'),
      import('../figure/write.js'),
    ]);
    const parts = [];
    for await (const part of toJsonParts(labelled)) parts.push(part);
    download(document, new Blob(parts, { type: 'application/json' }), `${nameOf(result)}.json`);
  }

  /** @param {Shown} result */
  async function csv(result) {
    const { meaning } = looked();
    const [{ download }, { csv }] = await Promise.all([import('./export/download.js'), import('./export/csv.js')]);
    const { zeros } = await getSettings();
    download(document, await csv(result, { meaning, zeros }), `${nameOf(result)}.csv`);
  }

  /** How pictures and tables are saved, from when that is first needed. @type {Promise<import('./export/options.js').Settings> | undefined} */
  let settings;
  const getSettings = () => (settings ??= import('./export/options.js').then(({ DEFAULTS }) => ({ ...DEFAULTS })));

  /** @param {'svg' | 'png'} form */
  const picture = (form) => async (/** @type {Shown} */ result) => {
    const shown = looked();
    const { view, limit } = shown;
    const matrix = await shown.matrix();
    const [{ download }, { draw }] = await Promise.all([import('./export/download.js'), import('./export/draw.js')]);
    const blob = await draw(form, result, { document, matrix, view, limit, settings: await getSettings() });
    download(document, blob, `${nameOf(result)}.${form}`);
  };

  /** @type {HTMLDialogElement | undefined} */
  let dialog;
  async function options() {
    const { createOptions } = await import('./export/options.js');
    const saves = /** @type {const} */ ([
      ['PNG', picture('png')],
      ['SVG', picture('svg')],
      ['CSV', csv],
    ]).map(([name, act]) => /** @type {[string, () => Promise<unknown>]} */ ([name, async () => take(act)]));
    const made = (dialog ??= createOptions(document, { settings: await getSettings(), saves }));
    made.showModal();
  }

  /** @param {(result: Shown) => Promise<unknown>} act */
  function take(act) {
    const { result } = looked();
    if (result) return act(result).catch(fail);
    say('There is no result to take away yet.');
  }

  /** @type {Record<string, (result: Shown) => Promise<unknown>>} */
  const acts = {
    save: json,
    'save-csv': csv,
    'save-svg': picture('svg'),
    'save-png': picture('png'),
    'copy-embed': embed,
    python,
  };
  for (const [id, act] of Object.entries(acts)) element(id).addEventListener('click', () => take(act));
  element('save-options').addEventListener('click', () => options().catch(fail));
  element('copy-link').addEventListener('click', () => copyLink().catch(fail));
  element('code-close').addEventListener('click', () => element('code').close());
  element('code-copy').addEventListener('click', async () => {
    if (await copy(element('code-text').value, element('code-title').textContent)) element('code').close();
    else element('code-text').select();
  });
}
