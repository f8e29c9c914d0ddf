// Reads a model from files of this computer, as hub.js reads one from a server.

import { codedError, tooLarge } from '../error.js';

/**
 * @param {Map<string, File>} files by path: `folder:gpt2/config.json` reads `gpt2/config.json`
 * @returns {import('./hub.js').Reader}
 */
export function createFolderReader(files) {
  let [read, since] = [0, performance.now()];
  /** @param {string} path */
  const fileAt = (path) => {
    const name = path.replace(/^folder:\/*/, '');
    const file = files.get(name);
    if (file) return { name, file };
    throw codedError('file-not-found', `The folder has no file ${name}. Choose the folder that holds it.`);
  };
  /** @param {string} path @param {number} start @param {number} end */
  const readRange = async (path, start, end) => {
    const { name, file } = fileAt(path);
    try {
      const bytes = new Uint8Array(await file.slice(start, Math.min(end, file.size)).arrayBuffer());
      read += bytes.length;
      return { bytes, fileLength: file.size };
    } catch {
      throw codedError('file-changed', `${name} changed or went away while it was read; choose its folder again.`);
    }
  };
  return {
    read: readRange,
    async readWhole(path, most) {
      const { name, file } = fileAt(path);
      if (file.size > most) throw tooLarge(name, most);
      return readRange(path, 0, file.size);
    },
    expect() {},
    progress: () => ({ network: 0, cached: read, ahead: 0, rate: (read * 1000) / (performance.now() - since) }),
    begin() {
      [read, since] = [0, performance.now()];
    },
    async disown() {},
    close() {},
  };
}
