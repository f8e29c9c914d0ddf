import { cpSync } from 'node:fs';
import { build } from 'esbuild';

await build({ entryPoints: ['main.js'], bundle: true, format: 'esm', minify: true, outfile: 'dist/main.js' });
// esbuild follows no address: what lies beside the package's modules is put beside the bundle.
for (const path of ['worker.js', 'wasm']) {
  cpSync(`node_modules/sae-attribution/${path}`, `dist/${path}`, { recursive: true });
}
cpSync('index.html', 'dist/index.html');
