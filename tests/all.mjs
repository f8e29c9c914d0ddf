// What scripts/test --all alone runs.

/** Whether this is such a run, in which nothing else is done beside a test. */
export const ALL = Boolean(process.env.TEST_ALL);

/** Of a test that takes long for what rarely breaks, or that counts milliseconds, which a busy machine adds to. */
export const WITH_ALL = { skip: !ALL && 'with scripts/test --all' };
