// The page: reads the form, asks the runtime, shows the reply. What is shown, and of what it is the answer, visit.js knows.

import './trusted.js';
import { codedError, describeError } from '../runtime/error.js';
import { createExplorer } from './explorer.js';
import { createPace, PAUSE } from '../embed/pace.js';
import { createCompare } from './compare.js';
import { createForm } from './form.js';
import { glossary } from './glossary.js';
import { firstHalf } from '../figure/flow.js';
import { createLab } from './lab.js';
import { createLists } from './lists.js';
import { createLayout } from './layout.js';
import { createMeanings } from './meanings/meanings.js';
import { createResults, keyOf } from './results.js';
import { createRunner } from './runner.js';
import { addressesOf, fromAddress, sourceOf } from './sources.js';
import { createTake } from './take.js';
import { count } from '../figure/text.js';
import { createTheme, storageOr } from './theme.js';
import { createVisit } from './visit.js';
import { advice, describeFetch, progressTeller } from './words.js';

/** @typedef {import('../runtime/protocol.js').Attribution} Attribution */

/** @param {string} id @returns {any} */
const element = (id) => document.getElementById(id);
const on = (/** @type {string} */ id, /** @type {string} */ type, /** @type {(event: any) => void} */ act) =>
  element(id).addEventListener(type, act);

/** Name of the source in a folder of this computer. */
const FOLDER = 'folder';
/** Where it is kept that tables are to be fetched whole. */
const PRIVATE = 'sae-attribution.private';
/** Where it is kept that the figure is not to follow what is typed. */
const LIVE = 'sae-attribution.live';

/** What fields are called that may be wrong. @type {Record<string, string>} */
const FIELDS = { k: 'Logits (k)', steps: 'Steps', patch: 'Against another prompt' };

const address = fromAddress(new URL(location.href));
const storage = storageOr();
/** What the runtime noted of the run, beside what comes of it. */
let notice = '';
const form = createForm(document, address.sources, address.selected);
const explorer = createExplorer(element('result'), {
  onView: () => visit.follow(),
  onPin: (view) => lab.follow(view),
  half,
  say: status,
  onResult(result) {
    if (own?.isOpen) own.end();
    compare.follow(result);
    visit.tellShown(result);
    lab.show(result);
  },
});
const results = createResults(new URL('../results/', import.meta.url), {
  identify(source, request) {
    // Another visit may pick another folder.
    if (source === FOLDER) return undefined;
    const addresses = addressesOf(address.sources[source], request).map((at) => new URL(at, location.href).href);
    return keyOf(addresses.join(' '), request);
  },
  isOf: (source, result) => sourceOf(address.sources, result, new URL(location.href), source) === source,
});
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
/** The run under way, and the source that it asks; isLive: nobody pressed Run. @type {{source: string, controller: AbortController, isLive: boolean} | undefined} */
let running;
const compare = createCompare(document, fail);
const pace = createPace();
/** @type {ReturnType<typeof setTimeout> | undefined} */
let typed;
/** Numbers without a request that were opened last. @type {import('./own-result.js').OwnView | undefined} */
let own;
/** @type {Map<string, ReturnType<typeof createMeanings>>} */
const meanings = new Map();
const visit = createVisit(document, {
  ...{
    form,
    layout: createLayout(document, storage),
    explorer,
    results,
    ownSource,
    meaningsOf,
    willFetch,
    fail,
    openOwn,
  },
  sources: address.sources,
  isRunning: () => running !== undefined,
  say: status,
});
const lists = createLists(document, {
  ...{ results, runner, visit, fail },
  sources: address.sources,
  isRunning: () => running !== undefined,
  say: status,
});

const lab = createLab(document, {
  explorer,
  source: () => visit.shown()?.source,
  ask: (name, kind, asked, options) => runner.ask(name, kind, asked, { ...options, isPrivate: form.isPrivate }),
  vocabulary: runner.vocabulary,
  onCheck() {
    if (running) return status('A run is under way: cancel it, or wait for it.');
    if (visit.askMeasured()) void run();
    else status('The model of this result is not offered here: it cannot be measured.', true);
  },
});

/** The source that a result is of, whichever is chosen. @param {Attribution} result */
function ownSource(result) {
  return sourceOf(address.sources, result, new URL(location.href), form.source);
}

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

/** Says what Run is going to fetch. */
function willFetch() {
  const request = form.request(explorer.threshold);
  return describeFetch(address.sources[form.source], request, new URL(location.href), { isPrivate: form.isPrivate });
}

// --- running ---

/** @param {{isLive?: boolean}} [options] isLive: as it is typed */
async function run({ isLive = false } = {}) {
  stopFollowing();
  const { problem } = form;
  if (problem) {
    if (isLive) return;
    // What is wrong stands beside the field, and is not said twice.
    status(`Nothing was run: see ${FIELDS[problem.field] ?? 'the two tokens'}. [${problem.code}]`, true, problem.code);
    element('more').open = true;
    return element(problem.field).focus();
  }
  const controller = new AbortController();
  notice = '';
  // As asked now, whatever is chosen meanwhile.
  const [source, asked] = [form.source, form.request(explorer.threshold)];
  const mine = (running = { source, controller, isLive });
  const isLast = () => running === mine;
  const answered = visit.expect(source, asked, isLive);
  if (!runner.isOpen(source)) pace.forget();
  const timed = pace.begin();
  element('run').disabled = !isLive;
  element('cancel').disabled = false;
  element('progress').classList.add('busy');
  const start = performance.now();
  try {
    const tell = progressTeller(asked);
    if (!isLive) status('Starting the runtime and reading the model’s configuration…');
    const reply = await runner.run(source, asked, {
      isPrivate: form.isPrivate,
      onProgress: (progress) => {
        timed.progress(progress);
        if (!isLast()) return;
        if (!isLive) status(tell(progress));
        element('progress').max = Math.max(progress.total, 1);
        element('progress').value = progress.total ? progress.done : 1;
      },
      signal: controller.signal,
    });
    timed.end();
    const isShown = await answered(reply);
    if (!isLast()) return;
    const done = `${isLive ? 'Followed' : 'Done'} in ${((performance.now() - start) / 1000).toFixed(1)} s`;
    if (isShown) {
      const [sources, targets] = [reply.sources.pos.length, reply.targets.pos.length];
      status(`${done}: ${count(sources, 'source')} × ${count(targets, 'target')}.`);
      void explorer.learn();
    } else status(`${done}. Something else was opened meanwhile: ask again, and it is shown at once.`);
    void lists.showKept();
    // What came from elsewhere was long in coming. Some browsers ask the reader whether to keep it.
    const { protocol, host } = new URL(reply.model.address, location.href);
    if (protocol.startsWith('http') && host !== location.host) void (await runner.client()).persist();
  } catch (error) {
    if (!isLast()) return;
    fail(error);
    // The field tells which tokens it is.
    if (describeError(error).code === 'not-one-token') void checkTargets();
    if (describeError(error).code === 'patch-length') void alignPatch();
  } finally {
    if (isLast()) rest();
  }
}

/** No run is under way any more. */
function rest() {
  running = undefined;
  element('run').disabled = false;
  element('cancel').disabled = true;
  element('progress').classList.remove('busy');
  element('progress').value = 0;
}

/** Something else is asked than what was typed. */
function stopFollowing() {
  clearTimeout(typed);
  typed = undefined;
  if (!running?.isLive) return;
  running.controller.abort();
  rest();
}

/** The figure follows what is typed where a run takes no time; the run before is given up. */
function followTyping() {
  clearTimeout(typed);
  typed = undefined;
  if (!element('live').checked || !pace.isInstant || !runner.isOpen(form.source)) return;
  typed = setTimeout(() => {
    typed = undefined;
    // What was asked for by hand is waited for.
    if (!running || running.isLive) void run({ isLive: true });
  }, PAUSE);
}

/** Token → latent before a result of logits: known from this visit or computed before, or to be computed. @param {Attribution} result */
async function half(result) {
  const [source, asked] = [ownSource(result), firstHalf(result.request)];
  if (!source || !asked) return undefined;
  const known =
    results.recall(keyOf(source, asked)) ?? (await results.answer(source, asked).catch(() => undefined))?.result;
  return { known, compute: () => compute(source, asked) };
}

/** Computes what is not to be shown by itself. @param {string} source @param {import('../runtime/protocol.js').Request} asked */
async function compute(source, asked) {
  if (running) throw codedError('busy', 'Another run is under way: ask again when it has ended.');
  const controller = new AbortController();
  running = { source, controller, isLive: false };
  element('cancel').disabled = false;
  try {
    const { signal } = controller;
    const reply = await runner.run(source, asked, { isPrivate: form.isPrivate, signal, onProgress() {} });
    results.keep(keyOf(source, asked), reply);
    return reply;
  } finally {
    running = undefined;
    element('cancel').disabled = true;
  }
}

/** @param {import('../figure/own.js').Own} numbers @param {string} name of their file */
async function openOwn(numbers, name) {
  const { openOwn } = await import('./own-result.js');
  if (own?.isOpen) own.end();
  explorer.hideTooltip();
  own = openOwn(element('result'), numbers);
  if (await own.drawn) status(`Opened ${name}.`);
}

createTake(document, {
  looked: () => (own?.isOpen ? own : explorer),
  link: visit.link,
  source: () => visit.shown()?.source,
  file: results.fileOf,
  say: status,
  fail,
});

/** @param {FileList} files of a folder that holds a model and SAEs */
async function openFolder(files) {
  if (files.length === 0) return;
  try {
    const { localSource } = await import('./picked-folder.js');
    const found = localSource(files);
    // What was computed of the folder before is no answer of this one.
    if (running?.source === FOLDER) running.controller.abort();
    visit.forget(FOLDER);
    runner.forget(FOLDER);
    meanings.delete(FOLDER);
    picked = found.files;
    form.add(FOLDER, found.source);
    visit.tellStale();
    await visit.recall();
    visit.follow();
  } catch (error) {
    fail(error);
  }
}

async function checkTargets() {
  const client = await runner.client();
  await form.checkTargets((text) => client.tokenize(text));
}

/** Only who has the tokenizer can tell; before the first Run, Run will. */
async function alignPatch() {
  if (!runner.isOpen(form.source)) return;
  const client = await runner.client();
  await form.alignPatch((text) => client.tokenize(text));
  visit.tellStale();
}

// --- the form ---

on('form', 'submit', (event) => {
  event.preventDefault();
  if (!running || running.isLive) void run();
});
on('prompt', 'input', followTyping);
on('live', 'change', () => storage.setItem(LIVE, String(element('live').checked)));
element('live').checked = storage.getItem(LIVE) !== 'false';
on('form', 'input', () => {
  visit.touch();
  visit.tellStale();
});
on('form', 'change', (event) => {
  if (['file', 'folder', 'private', 'live'].includes(event.target.id)) return;
  visit.tellStale();
  visit.follow();
  // What was typed is on its way already.
  if (event.target.id === 'prompt' && (typed || running?.isLive)) return;
  stopFollowing();
  void visit.recall();
});
for (const id of ['prompt', 'patch']) on(id, 'change', () => running ?? void alignPatch().catch(fail));
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
    checkTargets().catch(fail);
  });
}
on('cancel', 'click', () => running?.controller.abort());
on('open', 'click', () => element('file').click());
on('file', 'change', () => {
  const [file] = element('file').files;
  if (file) void visit.openFile(file);
  element('file').value = '';
});
on('open-folder', 'click', () => element('folder').click());
on('folder', 'change', () => {
  // Emptied only when they have been read: the list would be emptied with it.
  void openFolder(element('folder').files).then(() => (element('folder').value = ''));
});
on('cache', 'toggle', () => void lists.showKept());
on('terms', 'toggle', () => element('terms').childElementCount > 1 || element('terms').append(glossary(document)));
document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape') return;
  if (running) running.controller.abort();
  else explorer.hideTooltip();
});

if (!('gpu' in navigator)) {
  element('device').textContent = 'This browser has no WebGPU: Run computes on the CPU, with the same numbers.';
}
on('private', 'change', () => {
  storage.setItem(PRIVATE, String(form.isPrivate));
  if (!running) status(willFetch());
});
element('private').checked = storage.getItem(PRIVATE) === 'true';
createTheme(document, storage, () => {
  explorer.repaint();
  own?.repaint();
  lab.repaint();
});
void visit.begin().then(() => {
  const { problem } = address;
  if (problem) fail(codedError(problem.code, `${problem.message} The demo is offered instead.`));
});
void lists.fillExamples();
