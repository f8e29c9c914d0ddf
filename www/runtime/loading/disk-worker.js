// The helper of disk.js, in a worker of its own.

import { openHere } from './disk.js';

/** Open files, by the number that names them. @type {Map<number, import('./disk.js').Disk>} */
const disks = new Map();
let last = 0;

const disk = (/** @type {number} */ id) => /** @type {import('./disk.js').Disk} */ (disks.get(id));

/** @type {Record<string, (buffer: ArrayBuffer, ...args: any[]) => Promise<unknown>>} */
const calls = {
  async open(_, file) {
    const opened = await openHere(file);
    disks.set(++last, opened);
    return { disk: last, size: opened.size };
  },
  write: (buffer, id, at, length) => disk(id).write(at, new Uint8Array(buffer, 0, length)),
  read: (buffer, id, at, length, hashes) => disk(id).read(at, new Uint8Array(buffer, 0, length), hashes),
  async close(_, id) {
    const closing = disk(id);
    disks.delete(id);
    await closing.close();
  },
};

/** Answers the one that started this worker. */
export function serveDisk() {
  self.onmessage = async ({ data: { id, call, args, buffer } }) => {
    /** @type {import('./disk.js').Answer} */
    const answer = { id, buffer };
    try {
      answer.value = await calls[call](buffer, ...args);
    } catch (error) {
      const { name, message } = /** @type {Error} */ (error);
      answer.error = { name, message };
    }
    self.postMessage(answer, { transfer: buffer ? [buffer] : [] });
  };
}
