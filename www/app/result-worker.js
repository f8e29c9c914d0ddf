// A worker that reads a saved result: a large one takes longer than the page may stand still.

import { describeError } from '../runtime/error.js';
import { shownFromFile } from '../figure/own.js';

self.addEventListener('message', async ({ data }) => {
  try {
    const result = await shownFromFile(data);
    const { gradients, attributions } = result;
    self.postMessage({ result }, { transfer: [gradients.buffer, attributions.buffer] });
  } catch (error) {
    self.postMessage({ error: describeError(error) });
  }
});
