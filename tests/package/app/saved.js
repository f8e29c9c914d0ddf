// A saved result, drawn by the element and by the figure's own module; the element computes it anew when it is told to.

import 'sae-attribution/element';
import { drawFigure, fromJson } from 'sae-attribution/figure';

export function saved() {
  const asked = new URLSearchParams(location.search);
  const src = `${asked.get('results')}demo-latent-latent.json`;
  const element = document.createElement('sae-attribution');
  const attributes = {
    src,
    model: `${asked.get('models')}model`,
    saes: `${asked.get('models')}saes`,
    prompt: 'The Eiffel tower is in Paris',
    from: '0',
    to: '2',
    controls: 'live prompt',
  };
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  for (const type of ['result', 'error']) {
    element.addEventListener(type, (event) => {
      element.dataset[type] = JSON.stringify(/** @type {CustomEvent} */ (event).detail?.isLive ?? event.detail);
    });
  }
  const node = document.createElement('div');
  node.id = 'figure';
  node.style.blockSize = '300px';
  document.body.append(element, node);
  void fetch(src)
    .then((response) => response.text())
    .then((text) => drawFigure(node, fromJson(text)));
}
