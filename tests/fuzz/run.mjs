// A long run of one of the page's targets, with a seed of its own: `node tests/fuzz/run.mjs TARGET SECONDS [SEED]`.

const [target, seconds, seed = String(Math.floor(Math.random() * 2 ** 31))] = process.argv.slice(2);
if (!['results', 'links', 'hub'].includes(target) || !(Number(seconds) > 0)) {
  console.error('usage: node tests/fuzz/run.mjs results|links|hub SECONDS [SEED]');
  process.exit(2);
}
const { run } = await import(`./${target}.mjs`);
const start = Date.now();
const cases = await run({ seed: Number(seed), seconds: Number(seconds) });
console.log(`${target}: ${cases} cases of seed ${seed} in ${((Date.now() - start) / 1000).toFixed(1)} s, none failed.`);
