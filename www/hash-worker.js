// The helper of hash.js.

import { digest } from './hash.js';

self.onmessage = async ({ data: { id, buffer, length } }) => {
  const hex = await digest(new Uint8Array(buffer, 0, length));
  self.postMessage({ id, hex, buffer }, { transfer: [buffer] });
};
