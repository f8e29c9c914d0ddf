// Long prompts and long sessions through the page's client, for scripts/bench.

/**
 * @param {{base: string, prompt: string, device: string, repeats: number}} options
 *   prompt: a long one; its beginnings are run too
 */
export async function long({ base, prompt, device, repeats }) {
  const { Client } = await import(/* @vite-ignore */ `${location.origin}/runtime/client.js`);
  const client = new Client();
  await client.open({ model: { address: `${base}/model` }, saes: [{ address: `${base}/saes` }] }, { device });
  const ask = async (/** @type {string} */ prompt) => {
    let flop = 0;
    const request = { prompt, from: 'blocks.0.hook_resid_pre', to: 'blocks.3.hook_resid_pre' };
    let before = -1;
    const result = await client.attribute(request, {
      onProgress: (/** @type {any} */ progress) => {
        if (before < 0) before = progress.flop;
        flop = progress.flop;
      },
    });
    return { result, gflop: (flop - before) / 1e9 };
  };
  const prompts = [];
  const { string } = await client.tokenize(prompt);
  for (const tokens of [9, 16, 32, 64]) {
    const text = string.slice(1, tokens).join('');
    await ask(text.slice(0, 1));
    const start = performance.now();
    const { result, gflop } = await ask(text);
    const seconds = (performance.now() - start) / 1000;
    const { wasm } = await client.memory();
    prompts.push({ tokens: result.tokens.token_id.length, pairs: result.gradients.length, gflop, seconds, wasm });
  }
  const short = string.slice(1, 9).join('');
  await ask(short);
  const first = (await client.memory()).wasm;
  for (let i = 1; i < repeats; i++) await ask(short);
  const last = (await client.memory()).wasm;
  client.close();
  return { prompts, repeats, first, last };
}
