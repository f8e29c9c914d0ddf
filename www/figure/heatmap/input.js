// What a hand does to a heatmap: pointer, wheel, two fingers, keyboard.

/** @typedef {import('./layout.js').Point} Point */
/** @typedef {{row: number, column: number}} Place */

/**
 * What it comes to.
 * @typedef {object} Acts
 * @property {(point: Point | undefined) => void} hover over a point, or over none any more
 * @property {(point: Point) => void} click
 * @property {(factor: number, at?: Point) => void} zoom
 * @property {(a: Point, b: Point) => void} zoomTo what lies between two points
 * @property {() => void} fit shows all
 * @property {() => {rows: number, columns: number, pinned: Place | undefined}} where one is
 * @property {(place: Place) => void} go to a place
 * @property {() => void} enter the pinned cell
 * @property {(by: 1 | -1) => void} step through the strongest
 * @property {(axis: 'rows' | 'columns') => void} sort by the pinned cell
 */

/** A pointer that moved less has clicked. */
const CLICK_PX = 4;

/**
 * @param {HTMLElement} root
 * @param {HTMLElement} brush what shows the part that is being chosen
 * @param {Acts} acts
 */
export function listen(root, brush, acts) {
  /** @param {{clientX: number, clientY: number}} event */
  function pointOf(event) {
    const box = root.getBoundingClientRect();
    return { x: event.clientX - box.left - root.clientLeft, y: event.clientY - box.top - root.clientTop };
  }

  // --- pointer ---

  /** @type {{x: number, y: number, scrollLeft: number, scrollTop: number, brushing: boolean, moved: boolean} | undefined} */
  let drag;
  /** The last press was a drag: its click, which is still to come, selects nothing. */
  let endsDrag = false;
  /** Clicks after the last drag, whose own is none. */
  let clicks = 0;
  /** Space is held: the next drag pans. */
  let isSpaceDown = false;
  root.addEventListener('pointerdown', (event) => {
    // A click that begins here is not the one that ends a drag, however soon it comes.
    endsDrag = false;
    if (event.button > 1 || event.pointerType === 'touch') return;
    const point = pointOf(event);
    // A scroll bar is not a cell.
    if (point.x > root.clientWidth || point.y > root.clientHeight) return;
    const brushing = event.button === 0 && !event.shiftKey && !isSpaceDown;
    drag = { ...point, scrollLeft: root.scrollLeft, scrollTop: root.scrollTop, brushing, moved: false };
  });
  root.addEventListener('mousedown', (event) => {
    // Shift would select text, and the middle button scroll on its own.
    if (event.shiftKey || event.button === 1) event.preventDefault();
    if (event.shiftKey) root.focus({ preventScroll: true });
  });
  root.addEventListener('pointermove', (event) => {
    const point = pointOf(event);
    if (!drag) {
      if (event.pointerType !== 'touch') acts.hover(point);
      return;
    }
    if (!drag.moved && Math.hypot(point.x - drag.x, point.y - drag.y) < CLICK_PX) return;
    if (!drag.moved) {
      drag.moved = true;
      root.setPointerCapture(event.pointerId);
      root.classList.toggle('dragging', !drag.brushing);
    }
    if (drag.brushing) showBrush(drag, point);
    else root.scrollTo(drag.scrollLeft + drag.x - point.x, drag.scrollTop + drag.y - point.y);
  });
  const release = (/** @type {PointerEvent} */ event) => {
    const ended = drag;
    drag = undefined;
    brush.hidden = true;
    root.classList.remove('dragging');
    if (ended?.moved && ended.brushing && event.type === 'pointerup') acts.zoomTo(ended, pointOf(event));
    if (!ended?.moved) return;
    endsDrag = true;
    clicks = 0;
  };
  root.addEventListener('pointerup', release);
  root.addEventListener('pointercancel', release);
  root.addEventListener('click', (event) => {
    // The click that ends a drag selects nothing.
    if (endsDrag) return;
    clicks++;
    acts.click(pointOf(event));
  });
  root.addEventListener('dblclick', () => {
    if (clicks > 1) acts.fit();
  });
  root.addEventListener('pointerleave', () => acts.hover(undefined));
  root.addEventListener(
    'wheel',
    (event) => {
      // A pinch on a touch pad comes as a wheel with the control key.
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      acts.zoom(Math.exp(-event.deltaY * (event.deltaMode === 1 ? 0.05 : 0.004)), pointOf(event));
    },
    { passive: false },
  );

  /** Distance and middle of two fingers. @param {TouchList} touches */
  const pinchOf = ({ 0: a, 1: b }) => ({
    distance: Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY),
    middle: pointOf({ clientX: (a.clientX + b.clientX) / 2, clientY: (a.clientY + b.clientY) / 2 }),
  });
  let pinched = 0;
  root.addEventListener(
    'touchstart',
    ({ touches }) => (pinched = touches.length === 2 ? pinchOf(touches).distance : 0),
    { passive: true },
  );
  root.addEventListener(
    'touchmove',
    (event) => {
      if (event.touches.length !== 2 || pinched === 0) return;
      event.preventDefault();
      const { distance, middle } = pinchOf(event.touches);
      acts.zoom(distance / pinched, middle);
      pinched = distance;
    },
    { passive: false },
  );

  /** @param {{x: number, y: number}} a @param {{x: number, y: number}} b */
  function showBrush(a, b) {
    brush.hidden = false;
    brush.style.transform = `translate(${Math.min(a.x, b.x)}px, ${Math.min(a.y, b.y)}px)`;
    brush.style.width = `${Math.abs(a.x - b.x)}px`;
    brush.style.height = `${Math.abs(a.y - b.y)}px`;
  }

  // --- keyboard ---

  root.addEventListener('keydown', (event) => {
    const { rows: nRows, columns: nColumns, pinned } = acts.where();
    if (nRows === 0 || nColumns === 0 || event.ctrlKey || event.altKey || event.metaKey) return;
    const { row, column } = pinned ?? { row: 0, column: -1 };
    /** @type {Record<string, [number, number]>} */
    const moves = {
      ArrowRight: [row, column + 1],
      ArrowLeft: [row, column - 1],
      ArrowDown: [pinned ? row + 1 : 0, Math.max(column, 0)],
      ArrowUp: [row - 1, Math.max(column, 0)],
      Home: [row, 0],
      End: [row, nColumns - 1],
      PageUp: [0, Math.max(column, 0)],
      PageDown: [nRows - 1, Math.max(column, 0)],
    };
    /** @type {Record<string, () => void>} */
    const keys = {
      Enter: acts.enter,
      n: () => acts.step(1),
      p: () => acts.step(-1),
      '+': () => acts.zoom(1.4),
      '=': () => acts.zoom(1.4),
      '-': () => acts.zoom(1 / 1.4),
      s: () => acts.sort('columns'),
      S: () => acts.sort('rows'),
      ' ': () => (isSpaceDown = true),
      0: acts.fit,
      Escape: acts.fit,
    };
    const move = moves[event.key];
    if (move) {
      acts.go({
        row: Math.max(0, Math.min(nRows - 1, move[0])),
        column: Math.max(0, Math.min(nColumns - 1, move[1])),
      });
    } else if (Object.hasOwn(keys, event.key)) keys[event.key]();
    else return;
    event.preventDefault();
  });
  root.addEventListener('keyup', ({ key }) => {
    if (key === ' ') isSpaceDown = false;
  });
  root.addEventListener('blur', () => (isSpaceDown = false));
}
