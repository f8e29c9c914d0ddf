// Ablations, a second request on a prompt, and continuations through the page's client, for scripts/bench.

/**
 * @param {{base: string, device: string, repeats: number}} options base: a fixture of GPT-2 small's size
 */
export async function measured({ base, device, repeats }) {
  const { Client } = await import(/* @vite-ignore */ `${location.origin}/runtime/client.js`);
  const client = new Client();
  await client.open({ model: { address: `${base}/model` }, saes: [{ address: `${base}/saes` }] }, { device });

  /** Seconds and operations of each phase. @param {(options: object) => Promise<any>} act */
  const timed = async (act) => {
    /** @type {Record<string, {seconds: number, gflop: number}>} */
    const phases = {};
    const start = performance.now();
    let [phase, since, flop] = ['', start, -1];
    const close = (/** @type {number} */ now, /** @type {number} */ done) => {
      if (!phase) return;
      const of = (phases[phase] ??= { seconds: 0, gflop: 0 });
      of.seconds += (now - since) / 1000;
      of.gflop += (done - flop) / 1e9;
    };
    let last = 0;
    const result = await act({
      onProgress: (/** @type {any} */ progress) => {
        last = progress.flop;
        if (flop < 0) flop = last;
        if (progress.phase === phase) return;
        const now = performance.now();
        close(now, last);
        [phase, since, flop] = [progress.phase, now, last];
      },
    });
    close(performance.now(), last);
    return { result, phases, seconds: (performance.now() - start) / 1000 };
  };
  const city = {
    prompt: 'The Eiffel tower is in the city of',
    from: 'blocks.9.hook_resid_pre',
    to: { top_logits: 25 },
  };
  const paris = {
    prompt: 'The Eiffel tower is in Paris',
    from: 'blocks.0.hook_resid_pre',
    to: 'blocks.3.hook_resid_pre',
  };
  const ablations = [];
  for (const request of [city, paris]) {
    const ask = () => timed((options) => client.attribute({ ...request, measure: true }, options));
    const plain = (/** @type {object} */ more = {}) => client.attribute({ ...request, prompt: 'The', ...more });
    // Weights and kernels are there; the prompt has not been run.
    await plain({ measure: true });
    const first = await ask();
    const again = await ask();
    ablations.push({
      name: `${request.from} → ${JSON.stringify(request.to)}`,
      sources: first.result.sources.pos.length,
      targets: first.result.targets.pos.length,
      agreement: first.result.agreement.all,
      first: { phases: first.phases, seconds: first.seconds },
      again: { phases: again.phases, seconds: again.seconds },
    });
  }
  const writing = await timed((options) => client.generate({ prompt: city.prompt, max_tokens: 50 }, options));
  const tokens = writing.result.plain.token_id.length;

  const short = { ...city, prompt: 'The tower', measure: true };
  await client.attribute(short);
  const before = (await client.memory()).wasm;
  for (let i = 0; i < repeats; i++) await client.attribute(short);
  const after = (await client.memory()).wasm;
  client.close();
  return {
    ablations,
    generation: { tokens, seconds: writing.phases.generate.seconds },
    memory: { repeats, before, after },
  };
}
