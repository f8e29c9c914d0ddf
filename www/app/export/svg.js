// SVG, written as text: every word in it is escaped here.

import { visible } from '../../figure/text.js';

/** Of the em that a letter of the font below is wide, and that of scripts whose letters are square. */
const [NARROW, WIDE] = [0.61, 1.1];
/** Letters as wide as they are high. */
const SQUARE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe6f\uff00-\uff60\uffe0-\uffe6]|\p{Emoji_Presentation}|[\u{20000}-\u{3fffd}]/u;
export const FONT = 'ui-monospace, Menlo, Consolas, monospace';

/** How wide a text is at most, in pixels: it is written where nothing can be measured. @param {string} text @param {number} size */
export function widthOf(text, size) {
  let width = 0;
  for (const letter of text) width += SQUARE.test(letter) ? WIDE : NARROW;
  return width * size;
}

/** As much of a text as is so wide; what was cut shows as an ellipsis. @param {string} text @param {number} room @param {number} size */
export function fitted(text, room, size) {
  let [width, kept] = [0, ''];
  const most = room - NARROW * size;
  for (const letter of text) {
    width += (SQUARE.test(letter) ? WIDE : NARROW) * size;
    if (width > most) return widthOf(text.slice(0, 2000), size) <= room ? text : `${kept}…`;
    kept += letter;
  }
  return text;
}

/**
 * A text in lines of a width, at spaces where there are some.
 * @param {string} text
 * @param {number} room
 * @param {number} size
 * @param {number} most lines; the last is cut
 */
export function wrapped(text, room, size, most) {
  const lines = [];
  let rest = text;
  while (rest && lines.length < most - 1) {
    const line = fitted(rest, room, size);
    if (line === rest) break;
    const length = line.length - 1;
    const space = rest.lastIndexOf(' ', length);
    const end = space > length / 2 ? space : Math.max(1, length);
    lines.push(rest.slice(0, end).trimEnd());
    rest = rest.slice(end).trimStart();
  }
  return rest ? [...lines, fitted(rest, room, size)] : lines;
}

/** Two characters are none in XML, however they are written. @param {string} text */
const escaped = (text) => text.replace(/[\ufffe\uffff]/g, '\ufffd').replace(/[&<>"']/g, (c) => `&#${c.charCodeAt(0)};`);

/** @param {number} value */
const at = (value) => Number(value.toFixed(2));

/** @param {string} ink colour of texts and lines */
export function createSvg(ink) {
  /** @type {string[]} */
  const parts = [];
  return {
    /**
     * @param {string} words
     * @param {number} x
     * @param {number} y of the base line
     * @param {{size: number, anchor?: 'start' | 'middle' | 'end', turn?: number, weight?: number}} how
     */
    text(words, x, y, { size, anchor = 'start', turn = 0, weight }) {
      parts.push(
        `<text x="${at(x)}" y="${at(y)}" font-size="${size}" text-anchor="${anchor}"` +
          `${weight ? ` font-weight="${weight}"` : ''}` +
          `${turn ? ` transform="rotate(${turn} ${at(x)} ${at(y)})"` : ''}>${escaped(visible(words))}</text>`,
      );
    },
    /** @param {number} x @param {number} y @param {number} dx @param {number} dy */
    line(x, y, dx, dy, opacity = 0.35) {
      parts.push(
        `<path d="M${at(x)} ${at(y)}l${at(dx)} ${at(dy)}" stroke="${ink}" stroke-opacity="${opacity}" fill="none"/>`,
      );
    },
    /** @param {[number, number][]} points @param {string} fill */
    shape(points, fill) {
      parts.push(`<path d="M${points.map(([x, y]) => `${at(x)} ${at(y)}`).join('L')}Z" fill="${fill}"/>`);
    },
    /**
     * @param {{x: number, y: number, width: number, height: number}} box
     * @param {string} fill
     * @param {{opacity?: number, title?: string}} [how] title: told where the pointer rests on it
     */
    rect({ x, y, width, height }, fill, { opacity = 1, title } = {}) {
      const open = `<rect x="${at(x)}" y="${at(y)}" width="${at(width)}" height="${at(height)}" fill="${fill}"${opacity < 1 ? ` fill-opacity="${opacity}"` : ''}`;
      parts.push(title === undefined ? `${open}/>` : `${open}><title>${escaped(visible(title))}</title></rect>`);
    },
    /** @param {{x: number, y: number, width: number, height: number}} box @param {string} href */
    image({ x, y, width, height }, href) {
      parts.push(
        `<image x="${at(x)}" y="${at(y)}" width="${at(width)}" height="${at(height)}" preserveAspectRatio="none" style="image-rendering:pixelated" href="${href}"/>`,
      );
    },
    /**
     * @param {{width: number, height: number, title: string, ground: string, centimetres?: number}} options
     *   centimetres: its width on paper
     */
    done({ width, height, title, ground, centimetres }) {
      const size = (/** @type {number} */ pixels) => (centimetres ? `${at((pixels / width) * centimetres)}cm` : pixels);
      return (
        `<svg xmlns="http://www.w3.org/2000/svg" width="${size(width)}" height="${size(height)}" viewBox="0 0 ${width} ${height}" ` +
        `font-family="${FONT}" fill="${ink}"><title>${escaped(visible(title))}</title>` +
        `<rect width="100%" height="100%" fill="${ground}"/>${parts.join('')}</svg>\n`
      );
    },
  };
}
