// The element alone, as large as a frame: `embed.html?result=ADDRESS&model=…#VIEW`. Each part of the address is an
// attribute of that name; `result` is `src`. How high the frame would like to be, it tells the page around it:
//
// 1. The page asks: {type: 'sae-attribution:ask'}.
// 2. The frame answers whoever asked, if that is its parent, now and whenever it changes:
//    {type: 'sae-attribution:height', height}, in pixels.
// resize.js is the page's part.

import { titleOf } from '../figure/result.js';
import { short } from '../figure/text.js';
import { readView } from '../figure/view-link.js';
import { ATTRIBUTES } from './attributes.js';
import { SaeAttribution } from './element.js';

/** The figure is this much of its width high, between two bounds in pixels. */
const ASPECT = 0.66;
const [LOWEST, HIGHEST] = [340, 600];

const figure = new SaeAttribution();
figure.addEventListener('result', () => {
  const title = figure.result ? short(titleOf(figure.result), 160) : '';
  const heading = document.getElementById('title');
  if (heading) heading.textContent = document.title = title;
});
const asked = new URL(location.href).searchParams;
for (const name of ATTRIBUTES) {
  const value = asked.get(name === 'src' ? 'result' : name);
  if (value !== null) figure.setAttribute(name, value);
}
figure.view = readView(new URLSearchParams(location.hash.slice(1)));
document.querySelector('main')?.append(figure);
const full = /** @type {HTMLAnchorElement} */ (document.getElementById('full'));
full.href = new URL(`./index.html${location.hash}`, location.href).href;

/** Who asked, as an origin. @type {string | undefined} */
let origin;
let told = 0;

function tell() {
  if (origin === undefined) return;
  const height = wantedHeight();
  if (height === told) return;
  told = height;
  // A page without an origin of its own cannot be named.
  parent.postMessage({ type: 'sae-attribution:height', height }, origin === 'null' ? '*' : origin);
}

/** Of all but the picture as it is, and of the picture as its width says: not of how high the frame is now. */
function wantedHeight() {
  const picture = Math.min(HIGHEST, Math.max(LOWEST, figure.clientWidth * ASPECT));
  return Math.ceil(document.body.clientHeight - figure.clientHeight + figure.chrome + picture);
}

addEventListener('message', ({ data, source, origin: from }) => {
  if (source !== parent || parent === window || data?.type !== 'sae-attribution:ask') return;
  [origin, told] = [from, 0];
  tell();
});
new ResizeObserver(tell).observe(figure);
