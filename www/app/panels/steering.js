// Steering: a multiple of the pinned latent's row of W_dec is added where its SAE writes, and the model writes on, with
// it and without.

import { nodeLabel } from '../../figure/axes.js';
import { brief, count, short, visible } from '../../figure/text.js';
import { describeError } from '../../runtime/error.js';
import { changesTable, chance } from './changes.js';
import { isolated, make } from './tables.js';

/** @typedef {import('../../figure/result.js').Saved} Saved */
/** @typedef {import('../../runtime/protocol.js').Generation} Generation */
/** @typedef {import('../../runtime/protocol.js').Generated} Generated */

/** What the runtime takes at most. */
const [MOST_TOKENS, MOST_FACTOR] = [50, 1000];

/**
 * @param {HTMLElement} root
 * @param {object} options
 * @param {(request: Generation, say: (text: string) => void, signal: AbortSignal) => Promise<Generated>} options.ask
 * @param {import('../../figure/axes.js').MeaningOf} options.meaning
 */
export function createSteeringPanel(root, { ask, meaning }) {
  const document = root.ownerDocument;
  /** @type {AbortController | undefined} */
  let running;
  /** The latent that steers. @type {{result: Saved, nodes: Saved['sources'], node: number} | undefined} */
  let steers;

  const [which, status, found] = [make(document, 'p'), make(document, 'p.quiet'), make(document, 'div.check-parts')];
  status.setAttribute('role', 'status');

  /** @param {string} words @param {Record<string, string | number>} attributes */
  const field = (words, attributes) => {
    const input = document.createElement('input');
    for (const [name, value] of Object.entries(attributes)) input.setAttribute(name, String(value));
    return { input, label: make(document, 'label', words, input) };
  };
  const slider = field('Factor', { type: 'range', min: -40, max: 40, step: 0.5, value: 10, id: 'steer-factor' });
  const factor = field('', { type: 'number', min: -MOST_FACTOR, max: MOST_FACTOR, step: 'any', value: 10 });
  factor.input.setAttribute('aria-label', 'Factor as a number');
  const tokens = field('Tokens', { type: 'number', min: 1, max: MOST_TOKENS, step: 1, value: 20 });
  const temperature = field('Temperature', { type: 'number', min: 0, max: 100, step: 0.1, value: 0 });
  temperature.input.title = '0 takes the likeliest token';
  const seed = field('Seed', { type: 'number', min: 0, max: 2 ** 32 - 1, step: 1, value: 1 });
  const [write, cancel] = ['Write on', 'Cancel'].map((words) => {
    const button = /** @type {HTMLButtonElement} */ (make(document, 'button', words));
    button.type = 'button';
    return button;
  });
  cancel.disabled = true;
  slider.input.addEventListener('input', () => (factor.input.value = slider.input.value));
  factor.input.addEventListener('change', () => (slider.input.value = factor.input.value));
  const greedy = () => (seed.input.disabled = !(temperature.input.valueAsNumber > 0));
  temperature.input.addEventListener('input', greedy);
  greedy();
  const form = document.createElement('form');
  form.className = 'lab-controls';
  form.noValidate = true;
  form.setAttribute('aria-label', 'Steering');
  write.type = 'submit';
  form.append(slider.label, factor.label, tokens.label, temperature.label, seed.label, write, cancel);
  form.addEventListener('submit', (event) => {
    event.preventDefault();
    if (!running) void run();
  });
  cancel.addEventListener('click', () => running?.abort());
  root.replaceChildren(which, form, status, found);

  /** What the fields ask for; a sentence where one of them holds no such number. @returns {Generation | string} */
  function asked() {
    if (!steers) return 'Pin a pair first: the latent at its source steers.';
    const numbers = {
      factor: factor.input.valueAsNumber,
      max_tokens: tokens.input.valueAsNumber,
      temperature: temperature.input.valueAsNumber,
      seed: temperature.input.valueAsNumber > 0 ? seed.input.valueAsNumber : 0,
    };
    if (!(Math.abs(numbers.factor) <= MOST_FACTOR))
      return `The factor is a number from −${MOST_FACTOR} to ${MOST_FACTOR}.`;
    if (!Number.isInteger(numbers.max_tokens) || numbers.max_tokens < 1 || numbers.max_tokens > MOST_TOKENS)
      return `Tokens are 1 to ${MOST_TOKENS}.`;
    if (!(numbers.temperature >= 0 && numbers.temperature <= 100)) return 'The temperature is 0 to 100.';
    if (!Number.isInteger(numbers.seed) || numbers.seed < 0 || numbers.seed >= 2 ** 32)
      return 'The seed is a whole number from 0.';
    const { result, nodes, node } = steers;
    const { factor: times, ...rest } = numbers;
    return {
      prompt: result.request.prompt,
      steer: [{ place: String(nodes.hook_name), latent: nodes.latent[node], factor: times }],
      ...rest,
    };
  }

  async function run() {
    const request = asked();
    status.classList.toggle('failed', typeof request === 'string');
    if (typeof request === 'string') return void (status.textContent = request);
    const controller = (running = new AbortController());
    [write.disabled, cancel.disabled] = [true, false];
    const of = steers;
    try {
      const generated = await ask(request, (text) => (status.textContent = text), controller.signal);
      if (steers?.result !== of?.result) return;
      show(generated);
    } catch (error) {
      const { code, message } = describeError(error);
      status.classList.toggle('failed', code !== 'cancelled');
      status.textContent = code === 'cancelled' ? 'Cancelled.' : `${message} [${code}]`;
    } finally {
      running = undefined;
      [write.disabled, cancel.disabled] = [false, true];
    }
  }

  /** @param {Generated} generated */
  function show({ plain, steered, logits, generation: { steer = [] } }) {
    const by = brief(steer[0]?.factor ?? 0);
    const first = (/** @type {number[]} */ of) => of.reduce((best, p, i) => (p > of[best] ? i : best), 0);
    const [before, after] = [first(logits.probability_before), first(logits.probability_after)];
    status.textContent =
      before === after
        ? `Steered by ${by}, “${visible(logits.string[before])}” stays the likeliest next token (${chance(logits.probability_after[after])}).`
        : `Steered by ${by}, the likeliest next token becomes “${visible(logits.string[after])}” in the place of “${visible(logits.string[before])}”.`;
    const text = (/** @type {string} */ title, /** @type {Generated['plain']} */ of) => {
      const words = make(document, 'p.written');
      of.string.forEach((token, i) => {
        const part = make(document, 'bdi', visible(token));
        part.title = `token ${of.token_id[i]}, ${chance(of.probability[i])}`;
        // Where the two part.
        if (steered && of === steered && token !== plain.string[i]) part.className = 'other';
        words.append(part);
      });
      const box = make(document, 'section', make(document, 'h3', title), words);
      box.append(make(document, 'p.quiet', count(of.string.length, 'token')));
      return box;
    };
    const texts = make(document, 'div.texts', text('As it is', plain));
    if (steered) texts.append(text(`Steered by ${by}`, steered));
    found.replaceChildren(
      make(document, 'div.wide', texts),
      make(document, 'div', ...changesTable(logits, document, { title: 'Next token, before and after' })),
    );
  }

  return {
    /**
     * The latent of a pinned pair: its source's, or where that is none, its target's.
     * @param {Saved | undefined} result
     * @param {{row: number, column: number}} [cell]
     */
    show(result, cell) {
      if (steers && steers.result !== result) {
        running?.abort();
        found.replaceChildren();
        status.textContent = '';
      }
      const side = result?.sources.kind === 'latent' ? 'sources' : 'targets';
      const nodes = result?.[side];
      steers =
        result && cell && nodes?.kind === 'latent'
          ? { result, nodes, node: side === 'sources' ? cell.column : cell.row }
          : undefined;
      write.disabled = !steers || Boolean(running);
      if (!steers) which.textContent = 'Pin a pair: its latent steers.';
      else {
        const label = short(visible(nodeLabel(steers.nodes, steers.node, meaning)), 90);
        which.replaceChildren(
          make(document, 'strong', isolated(document, label)),
          ' of ',
          isolated(document, steers.nodes.hook_name ?? ''),
          ': its row of W_dec, times the factor, is added at every position, those that are written, too.',
        );
      }
    },
    stop: () => running?.abort(),
  };
}
