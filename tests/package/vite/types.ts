// What a program in TypeScript sees of the package; compiled, never run.

import { Client, describeError, isPlace, type Attribution, type ClientOptions, type Request } from 'sae-attribution';

const options: ClientOptions = { wasmUrl: 'wasm/', onNotice: ({ code, message }) => console.log(code, message) };
const request: Request = { prompt: 'a', from: 'tokens', to: { logit_difference: [' tennis', 3] }, error: 'omit' };

Client.defaults = { workerUrl: new URL('https://a.example/worker.js') };

export async function strongest(signal: AbortSignal): Promise<[string, string, number] | undefined> {
  const client = new Client(options);
  try {
    const { config } = await client.open(
      { model: { address: 'model' }, saes: [{ address: 'saes' }] },
      { device: 'cpu' },
    );
    if (!isPlace(`blocks.${config.n_layer - 1}.hook_resid_post`)) return undefined;
    const onProgress = ({ done, total, rate }: { done: number; total: number; rate?: number }) =>
      done / total / (rate ?? 1);
    const { sources, targets, attributions }: Attribution = await client.attribute(request, { signal, onProgress });
    const best = attributions.reduce((best, value, i) => (value > attributions[best]! ? i : best), 0);
    const [row, column] = [Math.floor(best / sources.pos.length), best % sources.pos.length];
    return [sources.label[column]!, targets.label[row]!, attributions[best]!];
  } catch (error) {
    const { code, message }: { code: string; message: string } = describeError(error);
    throw new Error(`${code}: ${message}`);
  } finally {
    client.close();
  }
}

// @ts-expect-error A request names its places.
void new Client().attribute({ prompt: 'a' });
