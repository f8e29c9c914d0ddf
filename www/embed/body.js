// The element's own tree: the picture or what stands in for it, controls, a caption.
//
// Controls come later than what stands in for a picture. They are beneath it, so that it does not move.

/** @param {ShadowRoot} shadow */
export function createBody(shadow) {
  const document = shadow.ownerDocument;
  /** @template {keyof HTMLElementTagNameMap} T @param {T} tag @param {string} name */
  const make = (tag, name) => {
    const element = document.createElement(tag);
    element.className = name;
    return element;
  };
  const root = make('div', 'sae-element');
  const [body, picture, instead] = [make('div', 'body'), make('div', 'picture coming'), make('div', 'instead')];
  const message = make('p', 'message');
  message.setAttribute('part', 'message');
  message.setAttribute('role', 'status');
  message.hidden = true;
  const caption = document.createElement('slot');
  caption.name = 'caption';
  instead.append(message, document.createElement('slot'));
  body.append(picture, instead);
  root.append(body, caption);
  shadow.append(root);

  return {
    picture,
    /** @param {HTMLElement} element */
    control: (element) => body.after(element),
    /** How high the controls are. */
    chrome: () => root.querySelector('form')?.offsetHeight ?? 0,
    /** There is a picture. */
    shown() {
      picture.classList.remove('coming');
      instead.hidden = message.hidden = true;
    },
    /** There is none. @param {string} text why */
    fail(text) {
      picture.classList.add('coming');
      instead.hidden = message.hidden = false;
      message.textContent = text;
    },
  };
}
