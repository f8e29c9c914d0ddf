// How the element looks around its figure. Its height is its own, not that of what it shows: nothing ever moves.
//
// element.css says the same sizes to a page before this module is there.

import { COLOURS } from '../figure/style.js';

const { INK, ACCENT } = COLOURS;

export const ELEMENT_STYLE = `
:host { display: block; block-size: 32rem; color-scheme: light dark; }
:host([controls]) { block-size: 42rem; }
@media (width < 36rem) { :host([controls]) { block-size: 48rem; } }
:host([hidden]) { display: none; }
:host([theme='light']) { color-scheme: light; }
:host([theme='dark']) { color-scheme: dark; }
* { box-sizing: border-box; }
[hidden] { display: none !important; }

.sae-element {
  container-type: inline-size;
  display: flex;
  flex-direction: column;
  gap: 0.5rem;
  block-size: 100%;
  color: ${INK};
  font: 15px/1.4 var(--sae-font, system-ui, sans-serif);
}

/* Picture and what stands in for it, in one place. */
.body { position: relative; flex: 1 1 0; min-block-size: 17rem; }
.body > * { position: absolute; inset: 0; }
.picture { display: grid; }
.picture.coming { visibility: hidden; }
.instead { overflow: auto; }
.message { margin: 0 0 0.5rem; overflow-wrap: anywhere; }
.sae-readout:focus-visible { outline: 2px solid ${ACCENT}; outline-offset: 2px; }
::slotted(*) { max-inline-size: 100%; }
::slotted([slot='caption']) { margin: 0; font: 0.875rem/1.4 var(--sae-font, system-ui, sans-serif); }
`;
