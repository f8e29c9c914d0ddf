// What the package offers of figures.

export { drawFigure } from './figure.js';
export { shownFromFile as fromFile, shownFromJson as fromJson } from './own.js';
