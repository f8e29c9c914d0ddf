// Projects that use the package as strangers do: each is copied out of the source tree, installs what its lock file
// says and the package as npm packs it, and is built by its own bundler.

import { execFile, spawn } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

const HERE = new URL('./', import.meta.url).pathname;
const PROJECT = new URL('../../', import.meta.url).pathname;
export const PACKAGE = join(PROJECT, 'dist/package');
const WORK = join(PROJECT, 'target/package-tests');

/** Whether there are sources of the element and the figure; without, the package has neither. */
export const hasFigures = () =>
  ['embed/element.js', 'figure/figure.js'].every((path) => existsSync(join(PROJECT, 'www', path)));

const execute = promisify(execFile);

/**
 * Runs a program to its end; resolves to all that it says, rejects with it.
 * @param {string} program @param {string[]} args @param {string} cwd
 */
export async function run(program, args, cwd) {
  try {
    const { stdout, stderr } = await execute(program, args, { cwd, env, maxBuffer: 2 ** 24 });
    return stdout + stderr;
  } catch (error) {
    const { message, stdout, stderr } = /** @type {any} */ (error);
    throw new Error(`${program} ${args.join(' ')}: ${message}\n${stdout}${stderr}`);
  }
}
const env = { ...process.env, NEXT_TELEMETRY_DISABLED: '1', NO_COLOR: '1' };

/** Makes the package and packs it; resolves to the tarball. */
export async function pack() {
  await run('node', ['scripts/package/build.mjs'], PROJECT);
  mkdirSync(WORK, { recursive: true });
  const said = await run('npm', ['pack', '--json', '--pack-destination', WORK], PACKAGE);
  return join(WORK, JSON.parse(said.slice(said.search(/[[{]/)))[0].filename);
}

/**
 * Copies a project and installs it; what its lock file names is there from the second time on.
 * @param {string} name
 * @param {string} tarball
 */
export async function install(name, tarball) {
  const folder = join(WORK, name);
  const lock = readFileSync(join(HERE, name, 'package-lock.json'), 'utf8');
  const stamp = join(folder, 'node_modules/.installed');
  const isThere = existsSync(stamp) && readFileSync(stamp, 'utf8') === lock;
  for (const path of ['dist', 'out']) rmSync(join(folder, path), { recursive: true, force: true });
  cpSync(join(HERE, name), folder, { recursive: true });
  cpSync(join(HERE, 'app'), folder, { recursive: true });
  // Without the element there is nothing that shows a saved result.
  if (!hasFigures()) writeFileSync(join(folder, 'saved.js'), 'export const saved = () => {};\n');
  if (!isThere) {
    await run('npm', ['ci', '--no-audit', '--no-fund', '--silent'], folder);
    writeFileSync(stamp, lock);
  }
  // Not in the lock file, which would have to know its hash.
  await run('npm', ['install', '--no-save', '--no-audit', '--no-fund', '--silent', tarball], folder);
  return folder;
}

/**
 * Starts a server of a project's own; resolves when it says that it listens.
 * @param {string[]} args of node @param {string} cwd @param {RegExp} ready what it says then; its first group: where
 */
export function startServer(args, cwd, ready) {
  const server = spawn('node', args, { cwd, env });
  /** @type {Promise<string>} */
  const url = new Promise((resolve, reject) => {
    let said = '';
    const hear = (/** @type {Buffer} */ bytes) => {
      said += bytes;
      const [, where] = ready.exec(said) ?? [];
      if (where) resolve(where);
    };
    server.stdout.on('data', hear);
    server.stderr.on('data', hear);
    server.once('exit', (code) => reject(new Error(`node ${args.join(' ')} ended with ${code}:\n${said}`)));
  });
  return { url, close: () => server.kill() };
}
