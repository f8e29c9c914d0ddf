// Whether a picture can follow each key: it does where the last run of the same model took no time.

/** A run that takes less follows each key; in seconds. */
const INSTANT = 0.5;
/** Keys that come faster are one change; in milliseconds. */
export const PAUSE = 150;

export function createPace() {
  /** How long the last run took, in seconds. */
  let took = Infinity;
  return {
    /** Whether the next key may start a run. */
    get isInstant() {
      return took < INSTANT;
    },

    /** Another model is asked from now on. */
    forget() {
      took = Infinity;
    },

    /** A run begins. What is loaded the first time is not loaded with each key, and does not count. */
    begin(now = () => performance.now()) {
      const isFirst = took === Infinity;
      let since = now();
      return {
        /** @param {{phase: string}} progress */
        progress({ phase }) {
          if (isFirst && phase === 'load') since = now();
        },
        /** It is answered. */
        end() {
          took = (now() - since) / 1000;
        },
      };
    },
  };
}
