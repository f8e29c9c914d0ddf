import { cpSync } from 'node:fs';
import webpack from 'webpack';

const compiler = webpack({
  mode: 'production',
  entry: './main.js',
  // The wasm is as large as it is, and comes when a model is opened.
  performance: { hints: false },
  output: { path: `${import.meta.dirname}/dist`, filename: 'main.js' },
});
compiler?.run((error, stats) => {
  if (error) throw error;
  console.log(stats?.toString({ modules: false }));
  process.exitCode = stats?.hasErrors() || stats?.hasWarnings() ? 1 : 0;
});
cpSync('index.html', 'dist/index.html');
