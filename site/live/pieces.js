/**
 * The pieces of a picture: pixels that belong together because each touches another, at a side or at a corner.
 *
 * @typedef {[top: number, left: number, bottom: number, right: number]} Box In pixels; the last two are the first beyond.
 *
 * @typedef {object} Pieces
 * @property {number} height
 * @property {number} width
 * @property {Int32Array} labels For each pixel the number of its piece, from 1; 0 for none.
 * @property {Box[]} boxes Of piece 1, of piece 2, …: in the order in which a reader meets them.
 */

/**
 * @param {number} height
 * @param {number} width
 * @param {(k: number) => boolean} isIn Whether pixel k belongs to a piece.
 * @returns {Pieces}
 */
export function piecesOf(height, width, isIn) {
  const labels = new Int32Array(height * width);
  for (let k = 0; k < labels.length; k++) labels[k] = isIn(k) ? -1 : 0;
  const waiting = new Int32Array(height * width);
  /** @type {Box[]} */
  const boxes = [];
  for (let start = 0; start < labels.length; start++) {
    if (labels[start] >= 0) continue;
    const label = boxes.length + 1;
    let [top, left, bottom, right] = [height, width, 0, 0];
    let count = 0;
    waiting[count++] = start;
    labels[start] = label;
    while (count) {
      const k = waiting[--count];
      const y = Math.floor(k / width);
      const x = k - y * width;
      if (y < top) top = y;
      if (y >= bottom) bottom = y + 1;
      if (x < left) left = x;
      if (x >= right) right = x + 1;
      const [firstRow, lastRow] = [y && y - 1, y + 1 < height ? y + 1 : y];
      const [firstColumn, lastColumn] = [x && x - 1, x + 1 < width ? x + 1 : x];
      for (let row = firstRow; row <= lastRow; row++) {
        for (let at = row * width + firstColumn; at <= row * width + lastColumn; at++) {
          if (labels[at] < 0) {
            labels[at] = label;
            waiting[count++] = at;
          }
        }
      }
    }
    boxes.push([top, left, bottom, right]);
  }
  return { height, width, labels, boxes };
}

/**
 * The longer side of a box.
 *
 * @param {Box} box
 */
export function sideOf([top, left, bottom, right]) {
  return Math.max(bottom - top, right - left);
}

/**
 * The box around several.
 *
 * @param {Box[]} boxes
 * @returns {Box}
 */
export function boxAround(boxes) {
  return [
    Math.min(...boxes.map(([top]) => top)),
    Math.min(...boxes.map(([, left]) => left)),
    Math.max(...boxes.map(([, , bottom]) => bottom)),
    Math.max(...boxes.map(([, , , right]) => right)),
  ];
}

/**
 * Those of `others` of which a pixel lies within a distance of their own, from some pixel of the pieces in `set`.
 *
 * @param {Pieces} pieces
 * @param {Set<number>} set Numbers of pieces.
 * @param {Box} box Around these.
 * @param {Map<number, number>} others The distance for each number.
 * @returns {number[]}
 */
export function near({ height, width, labels, boxes }, set, box, others) {
  const farthest = Math.max(...others.values());
  const reach = Math.floor(farthest);
  const inReach = [...others.keys()].filter((other) => gap(boxes[other - 1], box) <= /** @type {number} */ (others.get(other)));
  if (inReach.length === 0) return [];
  const [top, left] = [Math.max(0, box[0] - reach), Math.max(0, box[1] - reach)];
  const [bottom, right] = [Math.min(height, box[2] + reach), Math.min(width, box[3] + reach)];
  const columns = right - left;
  // How far it is from each pixel up or down to the next pixel of the set, in its own column.
  const away = new Int32Array((bottom - top) * columns);
  for (let x = 0; x < columns; x++) {
    let rows = height;
    for (let y = 0; y < bottom - top; y++) {
      rows = set.has(labels[(top + y) * width + left + x]) ? 0 : rows + 1;
      away[y * columns + x] = rows;
    }
    for (let y = bottom - top - 1; y >= 0; y--) {
      rows = away[y * columns + x] === 0 ? 0 : rows + 1;
      if (rows < away[y * columns + x]) away[y * columns + x] = rows;
    }
  }
  return inReach.filter((other) => {
    const limit = /** @type {number} */ (others.get(other));
    const [t, l, b, r] = boxes[other - 1];
    for (let y = Math.max(t, top); y < Math.min(b, bottom); y++) {
      for (let x = Math.max(l, left); x < Math.min(r, right); x++) {
        if (labels[y * width + x] !== other) continue;
        const row = (y - top) * columns;
        const last = Math.min(columns - 1, x - left + reach);
        for (let k = Math.max(0, x - left - reach); k <= last; k++) {
          if (Math.sqrt((k + left - x) ** 2 + away[row + k] ** 2) <= limit) return true;
        }
      }
    }
    return false;
  });
}

/**
 * How far two boxes are apart at least.
 *
 * @param {Box} one
 * @param {Box} other
 */
function gap(one, other) {
  const down = Math.max(0, one[0] - other[2] + 1, other[0] - one[2] + 1);
  const across = Math.max(0, one[1] - other[3] + 1, other[1] - one[3] + 1);
  return Math.sqrt(down ** 2 + across ** 2);
}
