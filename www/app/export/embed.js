// What another page writes to show a result: the element, or a frame.

import { short } from '../../figure/text.js';
import { titleOf } from '../../figure/result.js';
import { defaultView } from '../../figure/view.js';
import { writeView } from '../../figure/view-link.js';
import { encodeState } from '../links.js';
import { isLocal } from './about.js';

/** @typedef {import('../../figure/result.js').Shown} Shown */

/** In the place of an address that only the author knows. */
const PLACEHOLDER = 'ADDRESS-OF-YOUR-SAVED.json';

/** @param {string} text */
const escaped = (text) =>
  text.replaceAll('&', '&amp;').replaceAll('"', '&quot;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');

/**
 * @param {Shown} result
 * @param {object} options
 * @param {URL} options.page of the site that shows it
 * @param {import('../../figure/view.js').View} options.view
 * @param {string} [options.source] name of its model on this site
 * @param {string} [options.file] of `results/`, that holds it
 * @returns {{note: string, forms: Record<string, string>}} forms: by what they are called
 */
export function embedding(result, { page, view, source, file }) {
  const at = (/** @type {string} */ path) => {
    const address = new URL(path, page);
    [address.search, address.hash] = ['', ''];
    return address;
  };
  const title = escaped(short(titleOf(result), 140));
  const src = file ? at(`./results/${file}`).href : PLACEHOLDER;
  const [looks, first] = [new URLSearchParams(), defaultView(result)];
  writeView(view, looks, first);
  const hash = result.request ? encodeState(source, result.request, view, first) : String(looks);

  const frame = at('./embed.html');
  frame.search = `?result=${file ? encodeURIComponent(`results/${file}`) : PLACEHOLDER}`;
  frame.hash = hash;
  const full = at('./index.html');
  full.hash = hash;
  const inside = result.request && source ? `<a href="${escaped(full.href)}">${title}</a>` : title;
  const look = String(looks) && ` view="${escaped(String(looks))}"`;
  return {
    note: [
      file
        ? 'Shows this result on any page, without the model.'
        : `Save the JSON, put it on any server that allows other sites to read it (CORS), and write its address for ${PLACEHOLDER}.`,
      isLocal(page) &&
        'The addresses of this site are those of this computer: write those of your copy, or of the package.',
    ]
      .filter(Boolean)
      .join(' '),
    forms: {
      Element:
        `<script type="module" src="${escaped(at('embed/element.js').href)}"></script>\n` +
        `<sae-attribution src="${escaped(src)}"${look}>${inside}</sae-attribution>`,
      Frame: `<iframe src="${escaped(frame.href)}" title="${title}" width="100%" height="560" loading="lazy"></iframe>`,
    },
  };
}
