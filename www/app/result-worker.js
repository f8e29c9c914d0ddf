// A worker that reads a saved result, and writes one: a large one takes longer than the page may stand still.

import { describeError } from '../runtime/error.js';
import { shownFromFile } from '../figure/own.js';
import { toJsonParts } from '../figure/write.js';

self.addEventListener('message', async ({ data }) => {
  try {
    if (data instanceof Blob) {
      const answer = await shownFromFile(data);
      const { gradients, attributions } = answer;
      self.postMessage({ answer }, { transfer: [gradients.buffer, attributions.buffer] });
      return;
    }
    const parts = [];
    for await (const part of toJsonParts(data)) parts.push(part);
    self.postMessage({ answer: new Blob(parts, { type: 'application/json' }) });
  } catch (error) {
    self.postMessage({ error: describeError(error) });
  }
});
