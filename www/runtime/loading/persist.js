// Asks the browser, once, not to clear what is kept when room is short. From the page: some ask the person.

/** @returns {Promise<boolean>} whether it agreed */
export function persist() {
  persisting ??= Promise.resolve(navigator.storage?.persist?.()).then(Boolean, () => false);
  return persisting;
}
/** @type {Promise<boolean> | undefined} */
let persisting;
