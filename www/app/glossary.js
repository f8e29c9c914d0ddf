// What the terms of the field mean, told where they stand: each is a button that opens a note beside it.

import { make } from './panels/tables.js';

/** @typedef {keyof typeof GLOSSARY} Term */

export const GLOSSARY = {
  SAE: 'A sparse autoencoder. It writes what the model holds at one place as a sum of a few directions out of many, its latents, and an error that is left.',
  latent:
    'One direction that an SAE has learned. It is active on a token where its activation is over 0, and then often stands for something that has a name.',
  'F1.854':
    'The name of a latent: its SAE stands before block 1, and there it is number 854. At other places than the residual stream before a block, the place’s name stands in between.',
  logit:
    'The model’s score of one token as the next. A logit that is larger by 1 makes its token e = 2.7 times as likely, beside one that stays.',
  gradient:
    'How much the target would change for a change of the source by 1, if it went on as it begins: exact for small changes at this prompt, not for large ones.',
  attribution:
    'Gradient × activation of the source: to first order, how much of the target the source accounts for. Positive pushes it up, negative holds it down.',
  position:
    'Where a token stands in the prompt, counted from 0. A latent that is active at several positions has a row or column for each.',
  '<|endoftext|>':
    'The token that begins every prompt (BOS), at position 0. What is active there dwarfs the rest and says little of the prompt, so it is not ranked unless you ask for it.',
  clipped: 'Larger than where the colours end. It is drawn in the colour of that end; the number is told by its cell.',
};

/** Other forms of the terms, as they stand in sentences. @type {Record<string, Term>} */
const FORMS = {
  SAEs: 'SAE',
  latents: 'latent',
  logits: 'logit',
  gradients: 'gradient',
  Gradients: 'gradient',
  Gradient: 'gradient',
  attributions: 'attribution',
  Attributions: 'attribution',
  Attribution: 'attribution',
  positions: 'position',
  Positions: 'position',
  BOS: '<|endoftext|>',
};
/** A term in any of its forms, as a word of its own; or what is quoted, where there are none. */
const WORDS = new RegExp(
  `“[^”]*”|(?<![\\w|])(?:${[...Object.keys(FORMS), ...Object.keys(GLOSSARY)]
    .sort((a, b) => b.length - a.length)
    .map((word) => word.replace(/[|.]/g, '\\$&'))
    .join('|')})(?![\\w|])`,
);

/** Between a term and its note, and between the note and the window's edge. */
const [APART, EDGE] = [4, 8];

/** @type {WeakMap<Document, ReturnType<typeof createNote>>} */
const notes = new WeakMap();

/** The one note of a document. @param {Document} document */
function createNote(document) {
  const box = make(document, 'div.note');
  box.id = 'term-note';
  box.setAttribute('role', 'note');
  box.tabIndex = -1;
  const isNative = typeof box.showPopover === 'function';
  if (isNative) box.popover = 'auto';
  else box.hidden = true;
  (document.querySelector('main') ?? document.body).append(box);
  /** @type {HTMLElement | undefined} */
  let owner;
  /** Where it stood when the note was opened. */
  let top = 0;

  function closed() {
    owner?.setAttribute('aria-expanded', 'false');
    owner?.removeAttribute('aria-describedby');
    owner = undefined;
  }

  function close() {
    if (isNative) {
      if (box.matches(':popover-open')) box.hidePopover();
    } else box.hidden = true;
    closed();
  }

  /** @param {HTMLElement} button @param {Term} term */
  function open(button, term) {
    close();
    box.replaceChildren(make(document, 'strong', term), ' ', GLOSSARY[term]);
    if (isNative) box.showPopover();
    else box.hidden = false;
    owner = button;
    button.setAttribute('aria-expanded', 'true');
    button.setAttribute('aria-describedby', box.id);
    const [at, { width, height }] = [button.getBoundingClientRect(), box.getBoundingClientRect()];
    top = at.top;
    const below = at.bottom + APART + height < innerHeight;
    box.style.left = `${Math.max(EDGE, Math.min(at.left, innerWidth - width - EDGE))}px`;
    box.style.top = `${Math.max(EDGE, below ? at.bottom + APART : at.top - APART - height)}px`;
  }

  // A browser that closes it by itself says so.
  box.addEventListener('toggle', (event) => {
    if (/** @type {ToggleEvent} */ (event).newState === 'closed' && !box.matches(':popover-open')) closed();
  });
  // Where its term went away from it, it would be a note on something else.
  addEventListener('scroll', () => owner && owner.getBoundingClientRect().top !== top && close(), {
    capture: true,
    passive: true,
  });
  if (!isNative) {
    document.addEventListener('keydown', ({ key }) => key === 'Escape' && close());
    document.addEventListener('pointerdown', ({ target }) => {
      if (owner && !owner.contains(/** @type {Node} */ (target)) && !box.contains(/** @type {Node} */ (target)))
        close();
    });
  }
  return {
    /** @param {HTMLElement} button @param {Term} term */
    toggle: (button, term) => (owner === button ? close() : open(button, term)),
    /** Whether it was open for this button when the press began: a press outside closes it before the click. @param {HTMLElement} button */
    isOpenFor: (button) => owner === button,
  };
}

/**
 * A term that tells what it means.
 * @param {Document} document
 * @param {Term} term
 * @param {string} [words] it as it stands in the text
 */
export function termButton(document, term, words = term) {
  const button = make(document, 'button.term', words);
  button.setAttribute('type', 'button');
  button.setAttribute('aria-expanded', 'false');
  const note = notes.get(document) ?? createNote(document);
  notes.set(document, note);
  let wasOpen = false;
  button.addEventListener('pointerdown', () => (wasOpen = note.isOpenFor(button)));
  button.addEventListener('click', () => {
    if (!wasOpen) note.toggle(button, term);
    wasOpen = false;
  });
  return button;
}

/**
 * A text in which each term that it has is a button, the first time it stands there.
 * @param {Document} document
 * @param {string} text
 * @param {Set<string>} [told] terms that are buttons already, and will be
 * @returns {(string | Node)[]}
 */
export function withTerms(document, text, told = new Set()) {
  /** @type {(string | Node)[]} */
  const parts = [];
  let rest = text;
  let kept = '';
  for (let found = WORDS.exec(rest); found; found = WORDS.exec(rest)) {
    const [words] = found;
    const term = /** @type {Term} */ (Object.hasOwn(FORMS, words) ? FORMS[words] : words);
    kept += rest.slice(0, found.index);
    rest = rest.slice(found.index + words.length);
    if (words.startsWith('“') || told.has(term)) kept += words;
    else {
      told.add(term);
      parts.push(kept, termButton(document, term, words));
      kept = '';
    }
  }
  return [...parts, kept + rest].filter((part) => part !== '');
}

/** All of them, as a list. @param {Document} document */
export function glossary(document) {
  const list = document.createElement('dl');
  for (const [term, meaning] of Object.entries(GLOSSARY))
    list.append(make(document, 'dt', term), make(document, 'dd', meaning));
  return list;
}
