// SHA-256 beside the thread that asks: `crypto.subtle.digest` hashes on the calling thread in Chromium,
// which would hold up what is being loaded.

/** Fewer bytes are hashed sooner here than sent there. */
const SMALL = 64 * 1024;

/** @type {Map<number, {bytes: Uint8Array, resolve: (hex: string | Promise<string>) => void}>} */
const waiting = new Map();
/** Memory that is new costs more than copying into what is there. @type {ArrayBuffer[]} */
const spare = [];
const SPARE_BYTES = 2 ** 20;
const MOST_SPARE = 48;
/** Null where there is none. @type {Worker | null | undefined} */
let helper;
let lastId = 0;

/**
 * @param {Uint8Array} bytes not to be changed meanwhile
 * @returns {Promise<string>} hex
 */
export function sha256(bytes) {
  if (helper === undefined && bytes.length >= SMALL) helper = startHelper();
  if (!helper || bytes.length < SMALL) return digest(bytes);
  const id = ++lastId;
  const known = bytes.length <= SPARE_BYTES ? spare.pop() : undefined;
  const buffer = known ?? new ArrayBuffer(Math.max(bytes.length, SPARE_BYTES));
  new Uint8Array(buffer).set(bytes);
  helper.postMessage({ id, buffer, length: bytes.length }, [buffer]);
  return new Promise((resolve) => waiting.set(id, { bytes, resolve }));
}

/** Hashes here. @param {Uint8Array} bytes */
export async function digest(bytes) {
  const sum = await crypto.subtle.digest('SHA-256', /** @type {Uint8Array<ArrayBuffer>} */ (bytes));
  return Array.from(new Uint8Array(sum), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

function startHelper() {
  try {
    const worker = new Worker(new URL('./hash-worker.js', import.meta.url), { type: 'module' });
    worker.onmessage = ({ data: { id, hex, buffer } }) => {
      if (buffer.byteLength === SPARE_BYTES && spare.length < MOST_SPARE) spare.push(buffer);
      waiting.get(id)?.resolve(hex);
      waiting.delete(id);
    };
    worker.onerror = () => {
      helper = null;
      for (const { bytes, resolve } of waiting.values()) resolve(digest(bytes));
      waiting.clear();
    };
    return worker;
  } catch {
    return null;
  }
}
