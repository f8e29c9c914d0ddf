// Small files as text, whole.

import { codedError, describeError, tooLarge } from '../error.js';

/**
 * The text of a file.
 * @param {string | URL} address
 * @param {number} most bytes
 * @returns {Promise<string>} rejects with `file-not-found`, `access-denied`, `fetch-failed` or `file-too-large`
 */
export async function fetchText(address, most) {
  const where = String(address).slice(0, 200);
  let response;
  try {
    response = await fetch(address);
  } catch {
    throw codedError(
      'fetch-failed',
      `${where} could not be read: there is no connection, or the server lets no other site read it.`,
    );
  }
  const { status } = response;
  if (status === 404) throw codedError('file-not-found', `${where} was not found.`);
  if (status === 401 || status === 403)
    throw codedError('access-denied', `The server refuses access to ${where} (${status}).`);
  if (!response.ok) throw codedError('fetch-failed', `${where} could not be read: the server answered ${status}.`);
  return readText(response, where, most);
}

/**
 * The text of an answer.
 * @param {Response} response
 * @param {string} where it comes from
 * @param {number} most bytes
 * @returns {Promise<string>} rejects with `fetch-failed` or `file-too-large`
 */
export async function readText({ body }, where, most) {
  if (!body) return '';
  const [reader, decoder] = [body.getReader(), new TextDecoder()];
  const parts = [];
  try {
    for (let length = 0; ;) {
      const { done, value } = await reader.read();
      if (done) break;
      length += value.length;
      // What it says of its length counts for nothing: what comes is counted.
      if (length > most) throw tooLarge(where, most);
      parts.push(decoder.decode(value, { stream: true }));
    }
  } catch (error) {
    void reader.cancel().catch(() => {});
    const { code, message } = describeError(error);
    throw code === 'file-too-large'
      ? error
      : codedError('fetch-failed', `${where} could not be read to its end: ${message}`);
  }
  return parts.join('') + decoder.decode();
}
