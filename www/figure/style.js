// How a figure looks, as one sheet that a document or a shadow root adopts.
//
// A constructed sheet needs neither a file nor a style element: `style-src 'self'` and Trusted Types let it pass.
// Whoever shows a figure sets its custom properties; what they are where nobody does follows `color-scheme`.

const INK = 'var(--sae-ink, light-dark(#1c1917, #e7e5e4))';
const QUIET = 'var(--sae-quiet, light-dark(#57534e, #b0aaa4))';
const PANEL = 'var(--sae-panel, light-dark(#ffffff, #1e1b19))';
const LINE = 'var(--sae-line, light-dark(#dcd8d3, #403b37))';
const EDGE = 'var(--sae-edge, light-dark(#8a837b, #837b74))';
const ACCENT = 'var(--sae-accent, light-dark(#b45309, #f59e0b))';
const MONO = "var(--sae-mono, ui-monospace, 'SF Mono', Menlo, Consolas, monospace)";

/** Those that more than one sheet needs. */
export const COLOURS = { INK, QUIET, PANEL, LINE, EDGE, ACCENT, MONO };

const STYLE = `
.sae-figure, .sae-figure * { box-sizing: border-box; }
.sae-figure [hidden] { display: none; }

.sae-figure {
  container-type: inline-size;
  display: flex;
  flex-direction: column;
  gap: 0.35rem;
  min-inline-size: 0;
  min-block-size: 100%;
  color: ${INK};
  font: 15px/1.4 var(--sae-font, system-ui, sans-serif);
  overflow-wrap: anywhere;
}

/* Room for two lines whether there are two or none: what is beneath never moves. */
.sae-title {
  display: -webkit-box;
  -webkit-box-orient: vertical;
  -webkit-line-clamp: 2;
  overflow: hidden;
  block-size: 2.6em;
  margin: 0;
  line-height: 1.3;
  font-weight: 600;
}

.sae-figure > * { flex: none; }
/* As high as there is room, but not higher than what it shows. */
.sae-figure > .sae-plot { flex: 1 1 0; min-block-size: 10rem; }

.sae-plot .heatmap,
.sae-plot .empty {
  position: relative;
  height: 100%;
  margin: 0;
  overflow: auto;
  border: 1px solid ${LINE};
  border-radius: 6px;
  background: ${PANEL};
  color: ${INK};
}

.sae-plot .heatmap {
  touch-action: pan-x pan-y;
  user-select: none;
  -webkit-user-select: none;
  cursor: crosshair;
  overscroll-behavior: contain;
  /* Scripts know sizes in whole pixels: half of one more than there is would bring scroll bars. */
  inline-size: round(down, 100%, 1px);
  block-size: round(down, 100%, 1px);
}

.sae-plot .heatmap:focus-visible {
  outline: 2px solid ${ACCENT};
  outline-offset: 2px;
}

.sae-plot .heatmap.dragging { cursor: grabbing; }

/* There to be seen where there is more: the system's own may hide until one scrolls. */
.sae-plot .heatmap::-webkit-scrollbar { width: 10px; height: 10px; }
.sae-plot .heatmap::-webkit-scrollbar-thumb { border: 2px solid ${PANEL}; border-radius: 5px; background: ${EDGE}; }
.sae-plot .heatmap::-webkit-scrollbar-corner { background: none; }

.sae-plot .empty {
  display: grid;
  place-content: center;
  padding: 1rem;
  text-align: center;
  color: ${QUIET};
}

.sae-plot .heatmap-layer { position: sticky; top: 0; left: 0; overflow: hidden; }
.sae-plot .heatmap-canvas { display: block; }

.sae-plot .heatmap-hover,
.sae-plot .heatmap-brush {
  position: absolute;
  top: 0;
  left: 0;
  pointer-events: none;
  border: 1.5px solid ${INK};
}

.sae-plot .heatmap-brush {
  border: 1px dashed ${ACCENT};
  background: color-mix(in srgb, ${ACCENT} 15%, transparent);
}

.sae-plot :is(.heatmap-hover, .heatmap-brush)[hidden] { display: none; }

.sae-scale {
  display: grid;
  grid-template: 'colours told fold' 2rem / auto minmax(0, 1fr) auto;
  gap: 0.1rem 0.75rem;
  align-items: center;
  justify-items: start;
  overflow: hidden;
  margin: 0;
  font-size: 0.8rem;
  line-height: 1.2;
  color: ${QUIET};
}

.sae-colours { grid-area: colours; display: flex; gap: 0.25rem; align-items: start; }
.sae-colours[hidden] { display: none; }
.sae-colours svg { display: block; overflow: visible; color: ${INK}; }
.sae-colours text { font-variant-numeric: tabular-nums; }
.sae-scale small { grid-area: told; font-size: 1em; max-block-size: 2.4em; overflow: hidden; }
.sae-fold {
  grid-area: fold;
  padding: 0 0.4rem;
  color: inherit;
  background: none;
  border: 1px solid ${EDGE};
  border-radius: 4px;
  font: inherit;
  line-height: 1.5;
  cursor: pointer;
}
.sae-fold[hidden] { display: none; }
.sae-plot .heatmap.labels { cursor: pointer; }
@container (width < 50rem) {
  .sae-scale { grid-template: 'colours fold' 1.9rem 'told told' 1.2em / auto minmax(0, 1fr); }
}
@container (width < 36rem) {
  .sae-scale { grid-template: 'colours' 1.9rem 'told' 2.4em 'fold' 1.6rem / minmax(0, 1fr); }
}

.sae-readout {
  block-size: 4.35em;
  overflow: auto;
  margin: 0;
  color: ${QUIET};
  font: 12.5px/1.45 ${MONO};
}

@container (width >= 36rem) {
  .sae-title { block-size: 1.3em; -webkit-line-clamp: 1; }
  .sae-readout { block-size: 2.9em; }
}

.sae-tooltip {
  position: fixed;
  top: 0;
  left: 0;
  z-index: 2;
  max-width: min(26rem, 90vw);
  max-height: 50vh;
  overflow: hidden;
  padding: 0.4rem 0.6rem;
  pointer-events: none;
  white-space: pre-wrap;
  color: ${INK};
  background: ${PANEL};
  border: 1px solid ${EDGE};
  border-radius: 6px;
  box-shadow: 0 2px 10px rgb(0 0 0 / 20%);
  font: 12.5px/1.45 ${MONO};
}
`;

/** A document's own sheets, by their text: a sheet cannot be adopted elsewhere. @type {WeakMap<Document, Map<string, CSSStyleSheet>>} */
const made = new WeakMap();

/**
 * Gives a sheet to the document or the shadow root that a node is in, once.
 * @param {Node} node
 * @param {string} [css] the figure's own
 */
export function adoptStyle(node, css = STYLE) {
  const document = node.ownerDocument ?? /** @type {Document} */ (node);
  const top = node.getRootNode();
  const root = /** @type {Document | ShadowRoot} */ ('adoptedStyleSheets' in top ? top : document);
  const sheets = made.get(document) ?? new Map();
  made.set(document, sheets);
  let sheet = sheets.get(css);
  if (!sheet) {
    const { CSSStyleSheet } = /** @type {typeof globalThis} */ (/** @type {unknown} */ (document.defaultView));
    sheets.set(css, (sheet = new CSSStyleSheet()));
    sheet.replaceSync(css);
  }
  if (!root.adoptedStyleSheets.includes(sheet)) root.adoptedStyleSheets = [...root.adoptedStyleSheets, sheet];
}
