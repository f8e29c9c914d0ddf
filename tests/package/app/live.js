// What every project here does: one live run, its numbers told in the page.

import { Client, describeError } from 'sae-attribution';

/** @param {object} told */
function tell(told) {
  const output = document.createElement('output');
  output.id = 'live';
  output.textContent = JSON.stringify(told);
  document.body.append(output);
}

/** @param {import('sae-attribution').ClientOptions} [options] */
export async function live(options) {
  const client = new Client(options);
  const models = new URLSearchParams(location.search).get('models');
  try {
    const { device } = await client.open(
      { model: { address: `${models}model` }, saes: [{ address: `${models}saes` }] },
      { device: 'cpu' },
    );
    const { sources, targets, attributions } = await client.attribute({
      prompt: 'The Eiffel tower is in Paris',
      from: 'blocks.0.hook_resid_pre',
      to: 'blocks.2.hook_resid_pre',
    });
    const l1 = attributions.reduce((sum, value) => sum + Math.abs(value), 0);
    tell({ device, size: [targets.pos.length, sources.pos.length], l1, kept: (await client.cached()).length });
  } catch (error) {
    tell(describeError(error));
  }
}
