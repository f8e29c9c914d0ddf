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
  }

  async function copyLink() {
    const { href } = new URL(link(), location.href);
    try {
      history.replaceState(null, '', href);
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
    address.hash = encodeState(source(), result.request, explorer.view);
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
      'The same gradients with TransformerLens and SAELens. Sources and targets are in the order of this result.',
      snippet.python({ ...result.request, threshold: explorer.view.threshold }, snippet.originsOf(result)),
    );
  }

  /** @param {Attribution} result */
  async function json(result) {
    const [{ download }, { toJsonParts }] = await Promise.all([import('./export.js'), import('../figure/write.js')]);
    const parts = [];
    for await (const part of toJsonParts(explorer.labelled())) parts.push(part);
    download(document, new Blob(parts, { type: 'application/json' }), `${viewOf(result.request)}.json`);
  }

  /** @param {Attribution} result */
  async function csv(result) {
    const { csv, download } = await import('./export.js');
    download(document, await csv(result), `${viewOf(result.request)}.csv`);
  }

  /** @param {'svg' | 'png'} form */
  const picture = (form) => async (/** @type {Attribution} */ result) => {
    const { download, picture, png } = await import('./export.js');
    const drawn = picture(explorer.matrix(), {
      document,
      title: `${explorer.view.shown} · ${element('title').textContent}`,
      notes: [
        `columns: ${result.sources.pos.length} sources, rows: ${result.targets.pos.length} targets; colours end at ±${explorer.limit}`,
        location.href,
      ],
    });
    const blob = form === 'png' ? await png(drawn, document) : new Blob([drawn.svg], { type: 'image/svg+xml' });
    download(document, blob, `${viewOf(result.request)}.${form}`);
  };

  /** @type {Record<string, (result: Attribution) => Promise<unknown>>} */
  const acts = {
    save: json,
    'save-csv': csv,
    'save-svg': picture('svg'),
    'save-png': picture('png'),
    'copy-embed': embed,
    python,
  };
  for (const [id, act] of Object.entries(acts)) {
    element(id).addEventListener('click', () => {
      if (explorer.result) act(explorer.result).catch(fail);
      else say('There is no result to take away yet.');
    });
  }
  element('copy-link').addEventListener('click', () => copyLink().catch(fail));
  element('code-close').addEventListener('click', () => element('code').close());
  element('code-copy').addEventListener('click', async () => {
    if (await copy(element('code-text').value, element('code-title').textContent)) element('code').close();
    else element('code-text').select();
  });
}
