// A hub and its CDN for tests: two origins, a redirect between them, and faults by the script.

import { createCipheriv, createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { gzipSync } from 'node:zlib';

/**
 * What goes wrong with a request.
 * @typedef {object} Fault
 * @property {'ignore-range' | 'wrong-range' | 'malformed-range' | 'hidden-range' | 'unknown-length' | 'short'
 *   | 'truncated' | 'trickle' | 'stall' | 'silent' | 'status' | 'reset' | 'gzip' | 'loop' | 'drip' | 'no-cors'
 *   | 'no-etag'} kind
 * @property {number} [status]
 * @property {Record<string, string>} [headers]
 * @property {number} [times] how often; 1 unless told
 * @property {number} [after] bytes sent before `stall` and `reset`
 * @property {string} [told] the Content-Range of `malformed-range`
 * @property {number} [pause] ms after each tenth of a `drip`
 */

/**
 * What the CDN saw of a file.
 * @typedef {object} Seen
 * @property {number} redirects asked of the hub
 * @property {string[]} ranges asked of the CDN
 * @property {number} pointers asked of the hub
 * @property {number} bytes sent
 * @property {number} open answers under way
 * @property {number} mostOpen
 * @property {number} lastByte when the last byte was sent
 * @property {number} lastClose when an answer last ended before its time
 */

const CHUNK = 64 * 1024;

/** Bytes that look random, the same for the same seed. @param {number} size @param {string} seed */
export function bytesOf(size, seed) {
  const key = createHash('sha256').update(seed).digest();
  return createCipheriv('aes-128-ctr', key.subarray(0, 16), key.subarray(16)).update(Buffer.alloc(size));
}

/** @param {Uint8Array} bytes */
export const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

export async function startHub() {
  /**
   * @typedef {{bytes: Buffer, etag: string, faults: Fault[], pace: number, hides: string[], pointer?: string,
   *   pointerStatus?: number, seen: Seen}} Served
   */
  /** @type {Map<string, Served>} */
  const files = new Map();

  /** @param {string} path */
  const fileOf = (path) => files.get(decodeURIComponent(path.replace(/^\/blob/, '').replace(/\?.*$/, '')));

  /** @param {import('node:http').ServerResponse} response */
  const cors = (response) => {
    response.setHeader('Access-Control-Allow-Origin', '*');
    response.setHeader('Access-Control-Expose-Headers', 'Content-Range, ETag, Retry-After');
  };

  const hub = createServer((request, response) => {
    cors(response);
    const path = request.url ?? '';
    if (path.includes('/raw/')) {
      const { pointer, pointerStatus, seen } = fileOf(path.replace('/raw/', '/resolve/')) ?? {};
      if (seen) seen.pointers++;
      if (!pointer || pointerStatus) return response.writeHead(pointerStatus ?? 404).end();
      // As the hub does, and in two parts.
      response.writeHead(206, { 'Content-Range': `bytes 0-${pointer.length - 1}/${pointer.length}` });
      response.write(pointer.slice(0, 60));
      return void sleep(30).then(() => response.end(pointer.slice(60)));
    }
    const file = fileOf(path);
    if (!file) return response.writeHead(404).end('Entry not found');
    file.seen.redirects++;
    const loops = file.faults[0]?.kind === 'loop';
    const location = loops ? path : `${cdnUrl}/blob${path}?Expires=${Date.now()}&Signature=abc~def`;
    response.writeHead(302, { Location: location, 'X-Linked-ETag': file.etag }).end();
  });

  const cdn = createServer(async (request, response) => {
    const file = fileOf(request.url ?? '');
    if (!file) return response.writeHead(404).end();
    const { bytes, seen } = file;
    const fault = file.faults[0];
    if (fault && (fault.times = (fault.times ?? 1) - 1) <= 0) file.faults.shift();
    const kind = fault?.kind;
    seen.ranges.push(request.headers.range ?? '');
    if (kind !== 'no-cors') cors(response);
    if (kind === 'silent') return undefined;
    if (kind === 'status') return response.writeHead(fault?.status ?? 500, fault?.headers).end('no');
    const hides = (/** @type {string} */ name) => file.hides.includes(name);
    if (kind !== 'no-etag' && !hides('ETag')) response.setHeader('ETag', file.etag);
    response.setHeader('Accept-Ranges', 'bytes');
    const range = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '');
    let [start, end] = [0, bytes.length];
    if (range && kind !== 'ignore-range' && kind !== 'gzip') {
      start = Number(range[1]);
      end = Math.min(range[2] ? Number(range[2]) + 1 : end, end);
      if (start >= end) {
        const told = { 'Content-Range': `bytes */${bytes.length}` };
        return response.writeHead(416, hides('Content-Range') ? {} : told).end();
      }
      if (kind === 'wrong-range') start++;
      if (kind === 'truncated') end = start + Math.ceil((end - start) / 3);
      if (kind === 'trickle') end = start + 100;
      response.statusCode = 206;
      const length = kind === 'unknown-length' ? '*' : bytes.length;
      const told =
        kind === 'malformed-range' ? (fault?.told ?? 'bytes nonsense') : `bytes ${start}-${end - 1}/${length}`;
      if (kind !== 'hidden-range' && !hides('Content-Range')) response.setHeader('Content-Range', told);
    }
    let body = bytes.subarray(start, end);
    if (kind === 'short') body = body.subarray(0, Math.floor(body.length / 2));
    if (kind === 'gzip') {
      response.setHeader('Content-Encoding', 'gzip');
      response.setHeader('ETag', `W/${file.etag.replace(/"$/, '-gzip"')}`);
      body = gzipSync(body);
    }
    response.setHeader('Content-Length', body.length);
    seen.mostOpen = Math.max(seen.mostOpen, ++seen.open);
    const closed = once(response, 'close').then(() => {
      seen.open--;
      if (!response.writableFinished) seen.lastClose = performance.now();
    });
    const step = kind === 'drip' ? Math.ceil(body.length / 10) : CHUNK;
    for (let at = 0; at < body.length && !response.destroyed; at += step) {
      const stop = kind === 'stall' || kind === 'reset' ? (fault?.after ?? Math.floor(body.length / 2)) : Infinity;
      const part = body.subarray(at, Math.min(at + step, stop));
      seen.bytes += part.length;
      seen.lastByte = performance.now();
      if (!response.write(part)) await Promise.race([once(response, 'drain'), closed]);
      if (at + step >= stop) {
        if (kind === 'stall') return undefined;
        // What was written goes out first.
        await sleep(30);
        return response.destroy();
      }
      if (kind === 'drip') await sleep(fault?.pause ?? 30);
      else if (file.pace) await sleep(file.pace);
    }
    return response.end();
  });

  const listen = (/** @type {import('node:http').Server} */ server) =>
    new Promise((resolve) =>
      server.listen(0, '127.0.0.1', () =>
        resolve(`http://127.0.0.1:${/** @type {import('node:net').AddressInfo} */ (server.address()).port}`),
      ),
    );
  const cdnUrl = await listen(cdn);
  const url = await listen(hub);

  return {
    /**
     * Puts a file on the hub, or a new version of it; returns its address.
     * @param {string} name
     * @param {number | Buffer} content size or bytes
     * @param {{faults?: Fault[], pace?: number, hides?: string[], published?: string, revision?: string}} [options]
     *   pace: ms after each 64 KiB; hides: headers that are not shown; published: SHA-256 in its LFS pointer
     */
    put(name, content, { faults = [], pace = 0, hides = [], published, revision = 'main' } = {}) {
      const path = `/owner/repo/resolve/${revision}/${name.replaceAll(/[^\w./-]+/g, '-')}`;
      const bytes = typeof content === 'number' ? bytesOf(content, name) : content;
      const seen = { redirects: 0, ranges: [], pointers: 0, bytes: 0, open: 0, mostOpen: 0, lastByte: 0, lastClose: 0 };
      const lines = [
        'version https://git-lfs.github.com/spec/v1',
        `oid sha256:${published}`,
        `size ${bytes.length}`,
        '',
      ];
      const pointer = published && lines.join('\n');
      files.set(path, { bytes, etag: `"${sha256(bytes).slice(0, 16)}"`, faults, pace, hides, pointer, seen });
      return url + path;
    },
    /** @param {string} address @param {Fault[]} faults */
    script(address, ...faults) {
      this.at(address).faults = faults;
    },
    /** @param {string} address */
    at(address) {
      const file = files.get(new URL(address).pathname);
      if (!file) throw new Error(`nothing at ${address}`);
      return file;
    },
    async close() {
      for (const server of [hub, cdn]) {
        server.closeAllConnections();
        server.close();
      }
    },
  };
}
