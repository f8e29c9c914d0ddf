// Of answers that take their time, only the last that was asked for counts.

/**
 * Each call of what it returns begins a turn and ends the one before; it returns whether its own turn still lasts.
 * @returns {() => () => boolean}
 */
export function lastOnly() {
  let last = 0;
  return () => {
    const mine = ++last;
    return () => mine === last;
  };
}
