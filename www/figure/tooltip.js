// What is told beside the pointer.

/** Between the pointer and the text. */
const APART = 16;
/** Between the text and the window's edge. */
const EDGE = 8;

/**
 * Shows lines of text beside a point of an element: right of it and below, or where that leaves the window, left
 * and above.
 * @param {HTMLElement} tooltip
 * @param {string[]} lines
 * @param {Element} element
 * @param {{x: number, y: number}} point in it
 */
export function showTooltip(tooltip, lines, element, point) {
  tooltip.hidden = false;
  tooltip.textContent = lines.join('\n');
  const box = element.getBoundingClientRect();
  const [x, y] = [box.left + point.x, box.top + point.y];
  const left = beside(x, tooltip.offsetWidth, innerWidth);
  tooltip.style.transform = `translate(${left}px, ${beside(y, tooltip.offsetHeight, innerHeight)}px)`;
}

/** @param {number} at @param {number} size @param {number} end of the window */
function beside(at, size, end) {
  return Math.max(EDGE, at + APART + size < end ? at + APART : at - size - 12);
}
