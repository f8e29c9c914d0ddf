// The page: reads the form, asks the client, shows the reply; keeps the address a link to what is shown.

import './trusted.js';
import { codedError, describeError } from '../runtime/error.js';
import { createExplorer } from './explorer.js';
import { createForm } from './form.js';
import { glossary } from './glossary.js';
import { createMeanings } from './meanings/meanings.js';
import { decodeState, encodeState } from './links.js';
import { titleOf } from '../figure/result.js';
import { readResult } from './read-result.js';
import { createResults, keyOf } from './results.js';
import { createRunner } from './runner.js';
import { fromAddress, addressesRead, revisionsOf, sourceOf } from './sources.js';
import { compareAsked, createStale } from './stale.js';
import { createTake } from './take.js';
import { lastOnly } from '../figure/last.js';
import { count, short, visible } from '../figure/text.js';
import { createTheme, storageOr } from './theme.js';
import { DEFAULT_VIEW } from '../figure/view.js';
import { kept } from './panels/kept.js';
import { advice, describeFetch, progressTeller } from './words.js';

/** @typedef {import('../runtime/protocol.js').Attribution} Attribution */
/** @typedef {import('../figure/view.js').View} View */

/** @param {string} id @returns {any} */
const element = (id) => document.getElementById(id);
const on = (/** @type {string} */ id, /** @type {string} */ type, /** @type {(event: any) => void} */ act) =>
  element(id).addEventListener(type, act);

/** Name of the source in a folder of this computer. */
const FOLDER = 'folder';
/** Where it is kept that tables are to be fetched whole. */
const PRIVATE = 'sae-attribution.private';
/** The address follows at most this often: browsers refuse to change it all the time. */
const LINK_MS = 250;

const address = fromAddress(new URL(location.href));
const form = createForm(document, address.sources, address.selected);
const explorer = createExplorer(element('result'), { onView: syncLink, say: status, onResult: tellShown });
const results = createResults(new URL('../results/', import.meta.url));
const storage = storageOr();
/** What the runtime noted of the run, beside what comes of it. */
let notice = '';
/** Files of the folder that the reader picked. @type {Map<string, File> | undefined} */
let picked;
const runner = createRunner({
  sources: address.sources,
  device: address.device,
  files: (name) => (name === FOLDER ? picked : undefined),
  onNotice({ message, code }) {
    element('advice').textContent = notice = `${message} [${code}]`;
  },
  onOpen(device, reason) {
    element('device').textContent = `Computing on ${device === 'webgpu' ? 'WebGPU' : 'the CPU'}: ${reason}.`;
    element('device').dataset.device = device;
  },
});
/** @type {AbortController | undefined} */
let running;
/** The source that it asks. @type {string | undefined} */
let runningName;
/** Of what Run computes and of what is known already, the last that was asked for is shown. */
const latest = lastOnly();
/** Whether the reader has asked for something: a result that still loads does not get in between. */
let touched = false;
/**
 * What a result is an answer of, where that is known, and what the form asked when it was filled with it.
 * @typedef {{source?: string, file?: string, filled?: string}} Origin
 */
/** @type {WeakMap<Attribution, Origin>} */
const origins = new WeakMap();
/** @type {Map<string, ReturnType<typeof createMeanings>>} */
const meanings = new Map();

/** The source that a result is of, whichever is chosen. @param {Attribution} result */
const ownSource = (result) => sourceOf(address.sources, result, new URL(location.href), form.source);

/** What its latents mean: told by its own source, if that is known. @param {Attribution} result */
function meaningsOf(result) {
  const source = ownSource(result) ?? '';
  let known = meanings.get(source);
  if (!known) meanings.set(source, (known = createMeanings(address.sources[source], storage)));
  return known;
}

/** @param {string} text @param {boolean} [failed] @param {string} [code] */
function status(text, failed = false, code) {
  element('status').textContent = text;
  element('status').classList.toggle('failed', failed);
  element('advice').textContent = code ? advice(code) : notice;
  if (code) element('status').dataset.code = code;
  else delete element('status').dataset.code;
}

/** @param {unknown} thrown */
function fail(thrown) {
  const { code, message } = describeError(thrown);
  if (code === 'cancelled') status('Cancelled. What was loaded is kept.', false, code);
  else status(`${message} [${code}]`, true, code);
}

const request = () => form.request(explorer.view.threshold);
const asksNow = () => keyOf(form.source, request());
/** The result that is shown, and what it answers. */
const shown = () => explorer.result && { result: explorer.result, ...origins.get(explorer.result) };

/** Says what Run is going to fetch. @param {string} [name] of the source @param {import('../runtime/protocol.js').Request} [asked] */
function willFetch(name = form.source, asked = request()) {
  return describeFetch(address.sources[name], asked, new URL(location.href), { isPrivate: form.isPrivate });
}

// --- running ---

async function run() {
  const controller = new AbortController();
  running = controller;
  touched = true;
  notice = '';
  latest();
  element('run').disabled = true;
  element('cancel').disabled = false;
  element('progress').classList.add('busy');
  const start = performance.now();
  try {
    const [name, asked] = [form.source, request()];
    runningName = name;
    const tell = progressTeller(asked);
    status('Starting the runtime and reading the model’s configuration…');
    const reply = await runner.run(name, asked, {
      isPrivate: form.isPrivate,
      onProgress: (progress) => {
        status(tell(progress));
        element('progress').max = Math.max(progress.total, 1);
        element('progress').value = progress.total ? progress.done : 1;
      },
      signal: controller.signal,
    });
    results.keep(name, reply);
    await show(reply, { source: name });
    const seconds = ((performance.now() - start) / 1000).toFixed(1);
    const [sources, targets] = [reply.sources.pos.length, reply.targets.pos.length];
    status(`Done in ${seconds} s: ${count(sources, 'source')} × ${count(targets, 'target')}.`);
    void explorer.learn();
    void showCache();
    // What came from elsewhere was long in coming. Some browsers ask the reader whether to keep it.
    const { protocol, host } = new URL(address.sources[name].model.address, location.href);
    if (protocol.startsWith('http') && host !== location.host) void (await runner.client()).persist();
  } catch (error) {
    fail(error);
  } finally {
    running = undefined;
    element('run').disabled = false;
    element('cancel').disabled = true;
    element('progress').classList.remove('busy');
    element('progress').value = 0;
  }
}

/**
 * @param {Attribution} result
 * @param {Origin} from
 * @param {Partial<View>} [view] as it was looked at before, if not given
 */
async function show(result, from, view) {
  const { rows, columns, across, bos, threshold } = explorer.view;
  origins.set(result, from);
  element('examples').value = '';
  form.offer((result.top_logits?.string ?? []).slice(0, 50));
  await explorer.show(result, view ?? { rows, columns, across, bos, threshold }, meaningsOf(result));
  syncLink();
}

/** From now on this one is shown. @param {Attribution} result */
function tellShown(result) {
  element('title').textContent = short(titleOf(result), 140);
  element('revision').textContent = `Computed from ${revisionsOf(addressesRead(result), new URL(location.href))}.`;
  tellStale();
}

/** Says whether what is shown is what the form asks for. */
function tellStale() {
  const model = address.sources[form.source].title.split(':')[0];
  stale.show(compareAsked(shown(), { source: form.source, request: request(), model }));
}

/** Shows what answers the form already: computed in this visit, or before. */
async function recall() {
  if (running) return;
  const known = results.recall(form.source, request());
  if (known) {
    if (known !== explorer.result) void show(known, { source: form.source });
    status('Shown at once: this was computed or opened earlier in this visit.');
    return;
  }
  const [name, asked, alive] = [form.source, request(), latest()];
  status(willFetch(name, asked));
  const entry = await results.find(name, asked);
  const result = entry && (await results.load(entry).catch(() => undefined));
  const isAsked = alive() && asksNow() === keyOf(name, asked);
  if (!entry || !result || !isAsked) return;
  await show(result, { source: name, file: entry.file });
  status(`Computed before. ${willFetch(name, asked)}`);
}

// --- links ---

/** @type {ReturnType<typeof setTimeout> | undefined} */
let linking;
/** The link to what is shown as it is looked at; to what the form asks where nothing is shown. */
function link() {
  const is = shown();
  if (is) return `#${encodeState(is.source, is.result.request, explorer.view)}`;
  return linkToAsked();
}

const linkToAsked = () =>
  `#${encodeState(form.source, request(), { ...DEFAULT_VIEW, threshold: explorer.view.threshold })}`;

function syncLink() {
  linking ??= setTimeout(() => {
    linking = undefined;
    const [hash, asked] = [link(), linkToAsked()];
    if (hash === location.hash && history.state?.asked === asked) return;
    try {
      // What the form asks for, too: a reload brings back both.
      history.replaceState({ asked }, '', hash);
    } catch {
      // Too often, or a prompt longer than an address may be: the page goes on without it.
    }
  }, LINK_MS);
}

/** Shows what the address asks for: a result computed before, or the form, filled. */
async function openLink() {
  touched = false;
  const { source, request: asked, view } = decodeState(location.hash);
  if (!asked) {
    if (source && Object.hasOwn(address.sources, source)) form.choose(source);
    const list = await results.precomputed();
    const first = list.find((entry) => entry.source === form.source);
    if (first) return openPrecomputed(first, view);
    nothingYet();
    return status(willFetch());
  }
  const name = source && Object.hasOwn(address.sources, source) ? source : form.source;
  const known = results.recall(name, asked);
  form.fill(name, asked, known?.pair_logits?.string);
  if (known) return void show(known, { source: name }, view);
  const entry = await results.find(name, asked);
  if (entry) return openPrecomputed(entry, view);
  if (view.threshold !== undefined) explorer.threshold = view.threshold;
  nothingYet();
  status(`The link is read. ${willFetch()}`);
}

function nothingYet() {
  if (explorer.result) return;
  const empty = document.createElement('p');
  empty.className = 'empty';
  empty.textContent = 'Press Run to compute this in your browser.';
  element('plot').replaceChildren(empty);
}

/** @param {import('./results.js').Precomputed} entry @param {Partial<View>} [view] */
async function openPrecomputed(entry, view = {}) {
  try {
    const result = await results.load(entry);
    if (touched) return nothingYet();
    form.fill(entry.source, result.request, result.pair_logits?.string);
    await show(result, { source: entry.source, file: entry.file }, view);
    status(`Computed before. ${willFetch()}`);
  } catch (error) {
    nothingYet();
    fail(error);
  }
}

async function fillExamples() {
  const list = await results.precomputed();
  element('examples').append(
    ...list
      .filter(({ source }) => Object.hasOwn(address.sources, source))
      .map(({ title, file }) => new Option(short(visible(String(title)), 90), file)),
  );
}

const stale = createStale(document, () => {
  const is = shown();
  if (!is) return;
  form.fill(is.source, is.result.request, is.result.pair_logits?.string);
  tellStale();
  syncLink();
  element('prompt').focus();
});

createTake(document, {
  explorer,
  link,
  source: () => shown()?.source,
  async file() {
    const is = shown();
    return is && (is.file ?? (await results.find(is.source, is.result.request))?.file);
  },
  say: status,
  fail,
});

// --- saved results ---

/** @param {File | undefined} file */
async function openFile(file) {
  if (!file) return;
  try {
    const result = await readResult(file);
    const source = ownSource(result);
    form.fill(source, result.request, result.pair_logits?.string);
    if (source) results.keep(source, result);
    await show(result, { source, filled: asksNow() });
    status(`Opened ${file.name}.`);
    // Contexts are read when a latent is opened; who agreed to explanations gets them at once.
    if (meaningsOf(result).neuronpedia) void explorer.learn();
  } catch (error) {
    fail(error);
  }
}

/** @param {FileList} files of a folder that holds a model and SAEs */
async function openFolder(files) {
  if (files.length === 0) return;
  try {
    const { localSource } = await import('./picked-folder.js');
    const found = localSource(files);
    // What was computed of the folder before is no answer of this one.
    if (runningName === FOLDER) running?.abort();
    results.forget(FOLDER);
    const is = shown();
    if (is?.source === FOLDER) origins.set(is.result, {});
    picked = found.files;
    runner.forget(FOLDER);
    meanings.delete(FOLDER);
    form.add(FOLDER, found.source);
    await recall();
    syncLink();
  } catch (error) {
    fail(error);
  }
}

// --- what is kept ---

async function showCache() {
  if (!element('cache').open) return;
  try {
    const client = await runner.client();
    const onDelete = async (/** @type {string | undefined} */ url) => {
      await client.uncache(url).catch(fail);
      await showCache();
      element('cache').querySelector('summary').focus();
    };
    element('cached').replaceChildren(...kept(await client.cached(), { document, onDelete }));
  } catch (error) {
    element('cached').textContent = describeError(error).message;
  }
}

// --- the form ---

on('form', 'submit', (event) => {
  event.preventDefault();
  if (!running) void run();
});
on('form', 'input', () => {
  touched = true;
  tellStale();
});
on('form', 'change', (event) => {
  if (['examples', 'file', 'folder', 'private'].includes(event.target.id)) return;
  tellStale();
  void recall();
  syncLink();
});
for (const id of ['positive', 'negative']) {
  on(id, 'input', async () => {
    if (!runner.isOpen(form.source) || running) return;
    const text = element(id).value;
    // A list that does not come takes nothing from what is typed.
    const { string } = await runner
      .client()
      .then((client) => client.complete(text))
      .catch(() => ({ string: [] }));
    if (element(id).value === text) form.offer(string);
  });
  on(id, 'change', () => {
    // Only who has the tokenizer can tell; before the first Run, Run will.
    if (!runner.isOpen(form.source) || running) return;
    runner
      .client()
      .then((client) => form.checkTargets((text) => client.tokenize(text)))
      .catch(fail);
  });
}
on('examples', 'change', async () => {
  const entry = (await results.precomputed()).find(({ file }) => file === element('examples').value);
  touched = false;
  if (entry && !running) await openPrecomputed(entry, { threshold: explorer.view.threshold });
});
on('cancel', 'click', () => running?.abort());
on('open', 'click', () => element('file').click());
on('file', 'change', () => {
  void openFile(element('file').files[0]);
  element('file').value = '';
});
on('open-folder', 'click', () => element('folder').click());
on('folder', 'change', () => {
  // Emptied only when they have been read: the list would be emptied with it.
  void openFolder(element('folder').files).then(() => (element('folder').value = ''));
});
on('cache', 'toggle', () => void showCache());
on('terms', 'toggle', () => element('terms').childElementCount > 1 || element('terms').append(glossary(document)));
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  if (running) running.abort();
  else explorer.hideTooltip();
});
addEventListener('hashchange', () => openLink().catch(fail));

if (!('gpu' in navigator)) {
  element('device').textContent = 'This browser has no WebGPU: Run computes on the CPU, with the same numbers.';
}
on('private', 'change', () => {
  storage.setItem(PRIVATE, String(form.isPrivate));
  if (!running) status(willFetch());
});
element('private').checked = storage.getItem(PRIVATE) === 'true';
createTheme(document, storage, () => explorer.repaint());
void openLink().then(() => {
  const { problem } = address;
  if (problem) fail(codedError(problem.code, `${problem.message} The demo is offered instead.`));
}, fail);
void fillExamples();
