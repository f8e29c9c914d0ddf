// The documentation: a README of two screens, and links in all of it that lead somewhere.

import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { test } from 'node:test';

const PROJECT = new URL('../../', import.meta.url).pathname;
/** Built or of others. */
const NOT_OURS = new Set(['.git', 'node_modules', 'target', 'dist', 'fixtures', 'pkg', 'test-results']);

/** Markdown files below a folder, from the project on. @param {string} folder @returns {string[]} */
function documents(folder) {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) return NOT_OURS.has(entry.name) ? [] : documents(path);
    return entry.isFile() && entry.name.endsWith('.md') ? [relative(PROJECT, path)] : [];
  });
}

/** What a line of code shows is no link. @param {string} text */
const prose = (text) =>
  text.replace(/^```[^]*?^```/gm, '').replace(/`[^`\n]*`/g, (code) => code.replace(/[[\]]/g, ' '));

/** @param {string} text */
const linksOf = (text) => [...prose(text).matchAll(/\]\(([^)\s]+)\)/g)].map(([, to]) => to);

/** Names of the headings, as GitHub makes them. @param {string} text */
const anchorsOf = (text) =>
  [...text.replace(/^```[^]*?^```/gm, '').matchAll(/^#+ (.*)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N} _-]/gu, '')
      .replaceAll(' ', '-'),
  );

/** Links of a document that lead nowhere. @param {string} path @param {string} text */
function broken(path, text) {
  return linksOf(text).filter((to) => {
    if (/^https?:/.test(to)) return false;
    const [file, anchor] = to.split('#');
    const target = file ? join(PROJECT, dirname(path), file) : join(PROJECT, path);
    if (!existsSync(target)) return true;
    return anchor !== undefined && !anchorsOf(file ? readFileSync(target, 'utf8') : text).includes(anchor);
  });
}

const DOCUMENTS = documents(PROJECT);

test('the README has at most 120 lines, none of them longer than a screen is wide but those that are a link or a table', () => {
  const lines = readFileSync(join(PROJECT, 'README.md'), 'utf8').trimEnd().split('\n');
  assert.ok(lines.length <= 120, `${lines.length} lines`);
  assert.deepEqual(
    lines.filter((line) => line.length > 125 && !/^[|!]/.test(line)),
    [],
  );
});

test('every link in the documentation leads to a file, and to a heading where it names one', () => {
  assert.ok(DOCUMENTS.length >= 12, DOCUMENTS.join('\n'));
  let links = 0;
  for (const path of DOCUMENTS) {
    const text = readFileSync(join(PROJECT, path), 'utf8');
    links += linksOf(text).length;
    assert.deepEqual(broken(path, text), [], path);
  }
  assert.ok(links > 60, `only ${links} links`);
});

test('a link that leads nowhere is found', () => {
  for (const [path, text] of [
    ['README.md', '[x](no-such-file.md)'],
    ['www/README.md', '[x](www/README.md)'],
    ['README.md', '[x](www/README.md#no-such-heading)'],
    ['README.md', '# A heading\n\n[x](#another)'],
    ['README.md', '[`x`](no-such-file.md)'],
    ['README.md', '![x](no-such-picture.png)'],
  ])
    assert.equal(broken(path, text).length, 1, text);
  for (const text of [
    '[x](LICENSE-MIT)',
    '# A heading: of `two`\n[x](#a-heading-of-two)',
    '```\n[x](y)\n```',
    '`[x](y)`',
  ])
    assert.deepEqual(broken('README.md', text), [], text);
});
