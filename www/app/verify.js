// A self-test that anyone can run: published results, computed again and compared.
//
// `?source=NAME` or `?model=URL&saes=URL` and `?expected=URL` verify other weights; `?device=` as on the page.

import './trusted.js';
import { asExpectations, check } from './checks.js';
import { Client } from '../runtime/client.js';
import { codedError, describeError } from '../runtime/error.js';
import { fetchText } from '../runtime/loading/fetch-text.js';
import { usable } from '../runtime/places.js';
import { Mismatch } from '../figure/schema.js';
import { describeRequest } from '../figure/request.js';
import { addressesOf, fromAddress } from './sources.js';
import { visible } from '../figure/text.js';

/** The most bytes of a file of expectations. */
const MOST = 4e6;

/** @param {string} id @returns {any} */
const element = (id) => document.getElementById(id);

const url = new URL(location.href);
const { sources, selected, device, problem } = fromAddress(url);
const given = url.searchParams.has('source') || selected === 'given';
/** @type {Promise<import('./checks.js').Expectations> | undefined} */
let expectations;
/** @type {AbortController | undefined} */
let running;

/** @param {string} text */
function status(text) {
  element('status').textContent = text;
}

/** @param {import('./checks.js').Outcome} outcome */
function addRow({ what, expected, got, passed }) {
  const row = element('checks').tBodies[0].insertRow();
  row.dataset.passed = String(passed);
  for (const text of [what, expected, got, passed ? 'pass' : 'FAIL']) row.insertCell().textContent = visible(text);
}

async function run() {
  const controller = new AbortController();
  running = controller;
  element('run').disabled = true;
  element('cancel').disabled = false;
  element('checks').hidden = false;
  element('checks').tBodies[0].replaceChildren();
  delete element('status').dataset.outcome;
  const client = new Client();
  /** @type {import('./checks.js').Outcome[]} */
  const outcomes = [];
  try {
    const { cases, source } = await read();
    const { model, saes } = sourceOf(source);
    const opened = await client.open({ model, saes }, { device, signal: controller.signal });
    for (const [i, { request, expect }] of cases.entries()) {
      const name = `${describeRequest(request)}, “${visible(request.prompt)}”`;
      const result = await client.attribute(request, {
        signal: controller.signal,
        onProgress({ phase, done, total }) {
          const share = total ? Math.floor((100 * done) / total) : 100;
          status(`Case ${i + 1} of ${cases.length}, ${name}: ${phase} ${share} %`);
        },
      });
      for (const expectation of expect) {
        const outcome = check(result, expectation);
        outcomes.push(outcome);
        addRow(outcome);
      }
    }
    const failed = outcomes.filter(({ passed }) => !passed).length;
    status(
      failed
        ? `${failed} of ${outcomes.length} checks failed, on ${opened.device}.`
        : `All ${outcomes.length} checks passed, on ${opened.device}.`,
    );
    element('status').dataset.outcome = failed || outcomes.length === 0 ? 'failed' : 'passed';
  } catch (error) {
    fail(error);
  } finally {
    client.close();
    running = undefined;
    element('run').disabled = false;
    element('cancel').disabled = true;
  }
}

/** Where the expectations stand. */
const expected = () => usable('expected', url.searchParams.get('expected') ?? './verify.json', url);

/** Reads them once; what did not arrive can be asked for again. */
function read() {
  expectations ??= (async () => {
    const json = await fetchText(expected(), MOST);
    try {
      return asExpectations(JSON.parse(json), '');
    } catch (error) {
      const why = error instanceof Mismatch ? error.message : 'it is not JSON';
      throw codedError('expectations-invalid', `The file of expectations cannot be used: ${why}.`);
    }
  })();
  expectations.catch(() => (expectations = undefined));
  return expectations;
}

/** The source to verify. @param {string | undefined} named by the expectations */
function sourceOf(named) {
  if (problem) throw problem;
  const name = given ? selected : (named ?? selected);
  if (!Object.hasOwn(sources, name))
    throw codedError('expectations-invalid', 'The file of expectations names a model that this page does not offer.');
  return sources[name];
}

/** Says what Run will fetch. */
async function tell() {
  const address = new URL(expected());
  if (address.origin !== url.origin) {
    // Another site learns of the reader when the reader wants it.
    element('about').textContent =
      `Run reads expectations from ${address.host}, and fetches the weights that they name; these stay cached here.`;
    return;
  }
  const { title, source, cases } = await read();
  const from = sourceOf(source);
  const addresses = cases.flatMap(({ request }) => addressesOf(from, request));
  const hosts = [...new Set(addresses.map((address) => new URL(address).host))];
  const bytes = cases.reduce((most, { request }) => Math.max(most, from.bytes?.(request) ?? 0), 0);
  element('about').textContent =
    `${visible(title)} Run fetches weights from ${hosts.join(' and ')}` +
    `${bytes ? `, ${Math.ceil(bytes / 1e6)} MB for the largest of ${cases.length} cases` : ''}; they stay cached here.`;
}

/** @param {unknown} thrown */
function fail(thrown) {
  const { code, message } = describeError(thrown);
  status(`${message} [${code}]`);
  element('status').dataset.outcome = code === 'cancelled' ? 'cancelled' : 'error';
}

tell().catch((error) => {
  fail(error);
  // Only Run has an outcome.
  delete element('status').dataset.outcome;
});
element('run').addEventListener('click', () => void run());
element('cancel').addEventListener('click', () => running?.abort());
