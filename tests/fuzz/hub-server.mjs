// A hub that lies, breaks off, changes its mind and its files, as the random numbers say.

/**
 * @typedef {ReturnType<typeof import('./random.mjs').random>} Random
 * @typedef {object} Served
 * @property {Uint8Array[]} versions
 * @property {number} now index of the version that is served
 */

const NONSENSE = [
  'bytes nonsense',
  'bytes -5-10/20',
  'bytes 0-99999999999999999999/99999999999999999999',
  'bytes 9-2/100',
  'items 0-1/2',
  'bytes 0-1/1',
  'bytes 0x0-0x5/0x10',
  'bytes */*',
  'bytes 0-0/-1',
  '',
  'bytes 1e3-2e3/3e3',
  'bytes 0-/10',
  'bytes 0-NaN/Infinity',
];
const WAITS = [
  '0',
  '-1',
  '1e9',
  '99999999999999999999',
  'soon',
  '',
  'Thu, 01 Jan 1970 00:00:00 GMT',
  'Fri, 31 Dec 9999 23:59:59 GMT',
  '0.5',
  '1',
];
const LENGTHS = ['nonsense', '-1', '1e3', '99999999999999999999', '', '0x10', '5, 5'];
const STATUSES = [
  201, 204, 205, 300, 304, 400, 401, 403, 404, 405, 408, 410, 412, 416, 418, 425, 429, 451, 500, 501, 502, 503, 504,
  599,
];

/**
 * @param {Random} chance
 * @param {Map<string, Served>} files by address
 * @param {object} manner
 * @param {boolean} manner.showsEtag @param {boolean} manner.showsRange
 * @param {boolean} manner.ranges whether it knows ranges at all
 * @param {number} manner.faults how many answers of one are bad
 * @param {boolean} manner.changes whether files may change at any moment
 */
export function hostileServer(chance, files, manner) {
  /** What it did that makes a file look shorter or longer than it is. */
  const seen = { lied: false, open: 0, requests: 0, endless: 0 };

  /**
   * A body that comes in parts, and ends as it is told to.
   * @param {Uint8Array} bytes
   * @param {'ends' | 'fails' | 'stalls' | 'endless'} end
   * @param {AbortSignal} signal
   */
  function bodyOf(bytes, end, signal) {
    let at = 0;
    let isOpen = true;
    seen.open++;
    const shut = () => {
      if (isOpen) seen.open--;
      isOpen = false;
    };
    const isBytes = chance.chance(0.5);
    /** @param {any} controller */
    const abort = (controller) => {
      if (!isOpen) return;
      shut();
      controller.error(new DOMException('aborted', 'AbortError'));
    };
    /** @type {any} */
    const source = {
      type: isBytes ? 'bytes' : undefined,
      start: (/** @type {any} */ controller) => signal.addEventListener('abort', () => abort(controller)),
      pull(/** @type {any} */ controller) {
        if (!isOpen) return undefined;
        if (at < bytes.length) {
          const size = 1 + chance.int(chance.chance(0.5) ? bytes.length : 20);
          if (!isBytes && chance.chance(0.1)) controller.enqueue(new Uint8Array(0));
          controller.enqueue(bytes.slice(at, (at += size)));
          return undefined;
        }
        if (end === 'endless') {
          seen.endless += 100;
          controller.enqueue(new Uint8Array(100).fill(7));
          return undefined;
        }
        if (end === 'stalls') return new Promise(() => {});
        shut();
        if (end === 'fails') controller.error(new TypeError('network error'));
        else {
          controller.close();
          controller.byobRequest?.respond(0);
        }
        return undefined;
      },
      cancel: shut,
    };
    return new ReadableStream(source);
  }

  /** @param {string} address @param {{signal: AbortSignal, headers: Record<string, string>}} request */
  async function fetch(address, { signal, headers: asked }) {
    seen.requests++;
    const file = files.get(address.replace(/\?.*/, ''));
    if (signal.aborted) throw new DOMException('aborted', 'AbortError');
    const isBad = chance.chance(manner.faults);
    if (isBad && chance.chance(0.1)) {
      return new Promise((_, reject) =>
        signal.addEventListener('abort', () => reject(new DOMException('aborted', 'AbortError'))),
      );
    }
    if (isBad && chance.chance(0.1)) throw new TypeError('Failed to fetch');
    if (!file) return new Response(null, { status: 404 });
    if (manner.changes && chance.chance(0.05)) file.now = chance.int(file.versions.length);
    const bytes = file.versions[file.now];
    /** @type {Record<string, string>} */
    const headers = {};
    if (manner.showsEtag) headers.ETag = chance.chance(0.1) ? `W/"v${file.now}-gzip"` : `"v${file.now}"`;

    if (isBad && chance.chance(0.25)) {
      const status = chance.pick(STATUSES);
      if (chance.chance(0.7)) headers['Retry-After'] = chance.pick(WAITS);
      if (status === 416) {
        seen.lied = true;
        if (chance.chance(0.7))
          headers['Content-Range'] = chance.pick([...NONSENSE, 'bytes */99999999999999999999', 'bytes */3']);
      }
      return new Response(null, { status, headers });
    }

    const range =
      manner.ranges && !(isBad && chance.chance(0.15)) ? /^bytes=(\d+)-(\d*)$/.exec(asked.Range ?? '') : null;
    let [start, end] = [0, bytes.length];
    let told = '';
    if (range) {
      start = Number(range[1]);
      end = Math.min(range[2] ? Number(range[2]) + 1 : end, end);
      if (start >= end) {
        if (manner.showsRange) headers['Content-Range'] = `bytes */${bytes.length}`;
        return new Response(null, { status: 416, headers });
      }
      if (isBad && chance.chance(0.1)) end = start + 1 + chance.int(end - start);
      if (isBad && chance.chance(0.1) && manner.showsRange) start = chance.int(bytes.length);
      end = Math.max(end, start + 1);
      told = `bytes ${start}-${end - 1}/${bytes.length}`;
      if (isBad && chance.chance(0.1)) told = `bytes ${start}-${end - 1}/*`;
      if (isBad && chance.chance(0.1)) told = chance.pick(NONSENSE);
      if (isBad && chance.chance(0.05)) {
        seen.lied = true;
        told = `bytes ${start}-${end - 1}/${chance.pick([end, end + 5, 4e14, Number.MAX_SAFE_INTEGER])}`;
      }
      if (manner.showsRange) headers['Content-Range'] = told;
      if (isBad && chance.chance(0.03)) headers['Content-Type'] = 'multipart/byteranges; boundary=x';
    }
    let body = bytes.subarray(start, end);
    /** @type {'ends' | 'fails' | 'stalls' | 'endless'} */
    let way = 'ends';
    if (isBad && chance.chance(0.3)) {
      way = chance.pick(['fails', 'stalls']);
      body = body.subarray(0, chance.int(body.length + 1));
    } else if (isBad && chance.chance(0.15) && range) {
      body = body.subarray(0, chance.int(body.length + 1));
    } else if (isBad && chance.chance(0.1) && (range ? manner.showsRange : true)) {
      // Behind what was promised comes more; of a whole file, that is the file, as far as one can tell.
      way = 'endless';
      if (!range) seen.lied = true;
    }
    const isNothing = isBad && chance.chance(0.03) && range;
    const response = new Response(isNothing ? null : bodyOf(body, way, signal), { status: range ? 206 : 200, headers });
    const isBasic = chance.chance(0.2);
    if (isBasic && !range) {
      // A browser sees to it that a length that can be read is that of the body.
      if (isBad && chance.chance(0.3)) response.headers.set('Content-Length', chance.pick(LENGTHS));
      else if (way === 'ends') response.headers.set('Content-Length', String(body.length));
    }
    Object.defineProperty(response, 'type', { value: isBasic ? 'basic' : 'cors' });
    Object.defineProperty(response, 'url', {
      value: chance.chance(0.5) ? `${address.replace(/\?.*/, '')}?signed=${chance.int(9)}` : address,
    });
    return response;
  }

  return { fetch: /** @type {any} */ (fetch), seen };
}
