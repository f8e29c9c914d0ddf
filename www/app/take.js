// What can be taken away: link, files, embed code, Python. What makes the files is loaded when it is asked for.

import { encodeState } from './links.js';
import { describeRequest, viewOf } from '../figure/request.js';

/** @typedef {import('../runtime/protocol.js').Attribution} Attribution */
/** @typedef {ReturnType<typeof import('./explorer.js').createExplorer>} Explorer */

/**
 * @param {Document} document
 * @param {object} options
 * @param {Explorer} options.explorer
 * @param {() => string} options.link the hash of what is shown
 * @param {() => string | undefined} options.source name of the source of what is shown
 * @param {() => Promise<string | undefined>} options.file of the shown result, if it was computed before
 * @param {(message: string) => void} options.say
 * @param {(thrown: unknown) => void} options.fail
 */
export function createTake(document, { explorer, link, source, file, say, fail }) {
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

  /** Shows text to copy. @param {string} title @param {string} note @param {string} text */
  function offer(title, note, text) {
    element('code-title').textContent = title;
    element('code-note').textContent = note;
    element('code-text').value = text;
    element('code').showModal();
    element('code-text').setSelectionRange(0, 0);
    // Focused, it is scrolled to where its text was ended.
    element('code-text').scrollTop = element('code').scrollTop = 0;
  }

  async function copyLink() {
    const { href } = new URL(link(), location.href);
    try {
      history.replaceState(history.state, '', href);
    } catch {
      // Too often, or longer than an address may be: it can be copied all the same.
    }
    if (!(await copy(href, 'Link'))) offer('Link', 'This browser does not let a page copy: select and copy.', href);
  }

  /** @param {Attribution} result */
  async function embed(result) {
    const saved = await file();
    const address = new URL('./embed.html', location.href);
    address.search = saved ? `?result=${encodeURIComponent(`results/${saved}`)}` : '?result=ADDRESS-OF-YOUR-SAVED.json';
    address.hash = encodeState(source(), result.request, explorer.view, explorer.first);
    const title = `SAE attribution: ${describeRequest(result.request)}`.replace(/[^\w →−:,.]/g, '');
    const escaped = address.href.replaceAll('&', '&amp;').replaceAll('"', '&quot;');
    offer(
      'Embed code',
      saved
        ? 'Shows this result on any page, without the model.'
        : 'Save the JSON, put it on any server that allows other sites to read it (CORS), and fill in its address.',
      `<iframe src="${escaped}" title="${title}" width="100%" height="560" loading="lazy"></iframe>`,
    );
  }

  /** @param {Attribution} result */
  async function python(result) {
    const snippet = await import('./snippet.js');
    offer(
      'Python',
      'Computes the same with TransformerLens and SAELens, and compares it with the file of “Save JSON”.',
      snippet.python({ ...result.request, threshold: explorer.view.threshold }, snippet.originsOf(result), {
        page: new URL(location.href),
        file: `${viewOf(result.request)}.json`,
      }),
    );
  }

  /** @param {Attribution} result */
  async function json(result) {
    const [{ download }, { toJsonParts }] = await Promise.all([
      import('./export/download.js'),
      import('../figure/write.js'),
    ]);
    const parts = [];
    for await (const part of toJsonParts(explorer.labelled())) parts.push(part);
    download(document, new Blob(parts, { type: 'application/json' }), `${viewOf(result.request)}.json`);
  }

  /** @param {Attribution} result */
  async function csv(result) {
    const [{ download }, { csv }] = await Promise.all([import('./export/download.js'), import('./export/csv.js')]);
    const { zeros } = await getSettings();
    download(document, await csv(result, { meaning: explorer.meaning, zeros }), `${viewOf(result.request)}.csv`);
  }

  /** How pictures and tables are saved, from when that is first needed. @type {Promise<import('./export/options.js').Settings> | undefined} */
  let settings;
  const getSettings = () => (settings ??= import('./export/options.js').then(({ DEFAULTS }) => ({ ...DEFAULTS })));

  /** @param {'svg' | 'png'} form */
  const picture = (form) => async (/** @type {Attribution} */ result) => {
    const [{ download }, { draw }] = await Promise.all([import('./export/download.js'), import('./export/draw.js')]);
    const { matrix, view, limit } = { matrix: explorer.matrix(), view: explorer.view, limit: explorer.limit };
    const blob = await draw(form, result, { document, matrix, view, limit, settings: await getSettings() });
    download(document, blob, `${viewOf(result.request)}.${form}`);
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

  /** @param {(result: Attribution) => Promise<unknown>} act */
  function take(act) {
    if (explorer.result) return act(explorer.result).catch(fail);
    say('There is no result to take away yet.');
  }

  /** @type {Record<string, (result: Attribution) => Promise<unknown>>} */
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
