// For a page with frames of embed.html: each <iframe data-sae-attribution> is made as high as it asks to be.
//
// Believed is only what comes from the window and from the origin of such a frame.

const ASK = { type: 'sae-attribution:ask' };
/** The heights that a frame may have, in pixels. */
const [LOWEST, HIGHEST] = [120, 2000];

/** @returns {HTMLIFrameElement[]} */
const frames = () => [...document.querySelectorAll('iframe')].filter((frame) => 'saeAttribution' in frame.dataset);

/** One that is sandboxed without allow-same-origin has no origin. @param {HTMLIFrameElement} frame */
const originOf = (frame) =>
  frame.hasAttribute('sandbox') && !frame.sandbox.contains('allow-same-origin') ? 'null' : new URL(frame.src).origin;

/** @param {HTMLIFrameElement} frame */
function ask(frame) {
  const origin = originOf(frame);
  frame.contentWindow?.postMessage(ASK, origin === 'null' ? '*' : origin);
}

addEventListener('message', ({ data, source, origin }) => {
  const frame = frames().find(({ contentWindow }) => contentWindow === source);
  if (!frame || origin !== originOf(frame) || data?.type !== 'sae-attribution:height') return;
  const { height } = data;
  if (Number.isFinite(height) && height >= LOWEST && height <= HIGHEST) frame.height = String(Math.ceil(height));
});

for (const frame of frames()) {
  frame.addEventListener('load', () => ask(frame));
  // What is there already has loaded.
  ask(frame);
}

export {};
