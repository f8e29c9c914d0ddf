// A short run of what scripts/fuzz does for long: saved results, links and addresses, answers of servers.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { run as hub } from './hub.mjs';
import { run as links } from './links.mjs';
import { run as results } from './results.mjs';

test('tampered results are refused, or drawn, exported and read back', async (t) => {
  const cases = await results({ seed: 1, cases: 10_000 });
  t.diagnostic(`${cases} cases, ${results.passed} of them let through`);
  assert.ok(results.passed > cases / 10 && results.passed < cases);
});

test('tampered links and addresses ask for what they say, or for nothing', async () => {
  assert.equal(await links({ seed: 1, cases: 10_000 }), 10_000);
});

test('hostile servers: the right bytes of one version, or a typed error', async () => {
  assert.equal(await hub({ seed: 1, cases: 3_000 }), 3_000);
});
