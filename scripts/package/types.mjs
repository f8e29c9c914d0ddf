// Declarations of the package, made from the JSDoc of the sources.

import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import * as prettier from 'prettier';
import ts from 'typescript';

/** @type {ts.CompilerOptions} */
const OPTIONS = {
  allowJs: true,
  checkJs: true,
  declaration: true,
  emitDeclarationOnly: true,
  strict: true,
  skipLibCheck: true,
  target: ts.ScriptTarget.ESNext,
  module: ts.ModuleKind.ESNext,
  moduleResolution: ts.ModuleResolutionKind.Bundler,
  lib: ['lib.esnext.d.ts', 'lib.dom.d.ts', 'lib.dom.iterable.d.ts'],
  types: [],
};

/**
 * Writes declarations of these modules and of what they name, and of nothing else.
 * @param {string[]} entries paths in www/
 * @param {string} www
 * @param {string} out
 */
export async function declare(entries, www, out) {
  const program = ts.createProgram(
    entries.map((path) => join(www, path)),
    { ...OPTIONS, rootDir: www, outDir: out },
  );
  const problems = ts.getPreEmitDiagnostics(program);
  if (problems.length > 0) {
    const host = { getCanonicalFileName: String, getCurrentDirectory: () => www, getNewLine: () => '\n' };
    throw new Error(ts.formatDiagnostics(problems, host));
  }
  /** @type {Map<string, string>} */
  const emitted = new Map();
  program.emit(undefined, (path, text) => void emitted.set(relative(out, path), text));

  const config = await prettier.resolveConfig(join(www, 'x.ts'));
  const wanted = entries.map((path) => path.replace(/\.js$/, '.d.ts'));
  for (const path of wanted) {
    // Declarations that are written by hand or by the crate are not emitted.
    const text = emitted.get(path) ?? (existsSync(join(www, path)) ? readFileSync(join(www, path), 'utf8') : undefined);
    if (text === undefined) throw new Error(`${path} is named by a declaration, and there is none of it`);
    for (const [, named] of text.matchAll(/(?:from|import\()\s*['"](\.[^'"]+)\.js['"]/g)) {
      const target = join(dirname(path), `${named}.d.ts`);
      if (!wanted.includes(target)) wanted.push(target);
    }
    mkdirSync(dirname(join(out, path)), { recursive: true });
    writeFileSync(join(out, path), await prettier.format(text, { ...config, parser: 'typescript' }));
  }
}
