// A self-test that anyone can run: published results, computed again and compared.
//
// `?source=NAME` or `?model=URL&saes=URL` and `?expected=URL` verify other weights; `?device=` as on the page.

import './trusted.js';
import { check } from './checks.js';
import { Client } from './client.js';
import { describeError } from './error.js';
import { fromAddress } from './sources.js';
import { fetchText } from './store.js';

/** @param {string} id @returns {any} */
const element = (id) => document.getElementById(id);

const url = new URL(location.href);
const expected = new URL(url.searchParams.get('expected') ?? './verify.json', url);
const { sources, selected, device } = fromAddress(url);
const given = url.searchParams.has('source') || selected === 'given';
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
  for (const text of [what, expected, got, passed ? 'pass' : 'FAIL']) row.insertCell().textContent = text;
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
    const { cases, source } = await expectations;
    const opened = await client.open(sources[given ? selected : (source ?? selected)], { device, signal: controller.signal });
    for (const [i, { request, expect }] of cases.entries()) {
      const name = `${request.kind.replaceAll('_', ' ')}, “${request.prompt}”`;
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
    const { code, message } = describeError(error);
    status(`${message} [${code}]`);
    element('status').dataset.outcome = code === 'cancelled' ? 'cancelled' : 'error';
  } finally {
    client.close();
    running = undefined;
    element('run').disabled = false;
    element('cancel').disabled = true;
  }
}

/** @type {Promise<import('./checks.js').Expectations>} */
const expectations = fetchText(expected).then(JSON.parse);
expectations.then(
  ({ title, source, cases }) => {
    const from = sources[given ? selected : (source ?? selected)];
    const hosts = [...new Set([from.model, from.saes].map((address) => new URL(address.replace('{hook}', '')).host))];
    const bytes = cases.reduce((most, { request }) => Math.max(most, from.bytes?.(request) ?? 0), 0);
    element('about').textContent =
      `${title} Run fetches weights from ${hosts.join(' and ')}` +
      `${bytes ? `, ${Math.ceil(bytes / 1e6)} MB for the largest of ${cases.length} cases` : ''}; they stay cached here.`;
  },
  (error) => status(describeError(error).message),
);
element('run').addEventListener('click', () => void run());
element('cancel').addEventListener('click', () => running?.abort());
