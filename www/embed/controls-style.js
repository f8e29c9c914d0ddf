// How the controls of a figure look.

import { COLOURS } from '../figure/style.js';

const { INK, QUIET, PANEL, EDGE, ACCENT, MONO } = COLOURS;
const BAD = 'var(--sae-bad, light-dark(#b91c1c, #fca5a5))';

export const CONTROLS_STYLE = `
form { display: grid; gap: 0.4rem; margin: 0; }
label { display: grid; gap: 0.1rem; min-inline-size: 0; font-size: 0.8rem; color: ${QUIET}; }
.row { display: grid; grid-template-columns: repeat(auto-fit, minmax(6.5rem, 1fr)); gap: 0.4rem 0.75rem; align-items: end; }
.row.run { display: flex; flex-wrap: wrap; align-items: start; }
.buttons { display: flex; flex: 0 1 auto; align-items: start; gap: 0.4rem; max-inline-size: 100%; }

input, select, button {
  min-block-size: 2rem;
  inline-size: 100%;
  min-inline-size: 0;
  padding: 0.15rem 0.5rem;
  font: inherit;
  font-size: 0.875rem;
  color: ${INK};
  background: ${PANEL};
  border: 1px solid ${EDGE};
  border-radius: 6px;
}

input { font-family: ${MONO}; }
input:read-only { color: ${QUIET}; border-style: dashed; }
button { inline-size: auto; cursor: pointer; }
button:disabled { color: ${QUIET}; cursor: default; }
:is(input, select, button):focus-visible { outline: 2px solid ${ACCENT}; outline-offset: 2px; }

.state { display: grid; flex: 1 1 18rem; gap: 0.2rem; }
.status { margin: 0; min-block-size: 3.9em; font-size: 0.8rem; line-height: 1.3; color: ${QUIET}; overflow-wrap: anywhere; }
.status.failed { color: ${BAD}; }
progress { display: block; inline-size: 100%; block-size: 4px; accent-color: ${ACCENT}; visibility: hidden; }
progress.busy { visibility: visible; }

/* Where the button has two lines before it is pressed, it keeps them. */
@container (width < 26rem) {
  .buttons { min-block-size: 3rem; }
}
`;
