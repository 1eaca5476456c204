/**
 * Filters on the way up, and filtered back: both go through the same pairs of places, from the other side.
 *
 * For each place, what reaches it is listed, but for zeros, of which there are many behind a ReLU and more behind an
 * unpooling. Then each number of the list adds its row of weights: a walk through memory from left to right.
 *
 * @typedef {{ maps: number, sides: number[], size: number }} Planes
 * @typedef {[number, number][]} Pairs  the number of a tap, and of a place on the other side
 */

/** So many multiplications are done between two yields: some milliseconds. */
const PORTION = 2 ** 20;

/** The shape `[..., C, h, w]` as C planes. @param {number[]} shape @returns {Planes} */
export function planes(shape) {
  const sides = shape.slice(-2);
  return { maps: shape[shape.length - 3], sides, size: sides[0] * sides[1] };
}

/**
 * Which places windows see along one axis: of each window, and of each place seen.
 * @param {{ kernel: number, stride: number, padding: number, dilation: number }} window
 * @param {number} places
 * @param {number} windows
 */
export function reach({ kernel, stride, padding, dilation }, places, windows) {
  const [up, back] = [windows, places].map((count) => Array.from({ length: count }, () => /** @type {Pairs} */ ([])));
  for (let i = 0; i < windows; i++) {
    for (let tap = 0; tap < kernel; tap++) {
      const place = i * stride - padding + tap * dilation;
      if (place >= 0 && place < places) {
        up[i].push([tap, place]);
        back[place].push([tap, i]);
      }
    }
  }
  return { up, back };
}

/**
 * @param {Float32Array} source
 * @param {{ inside: Planes, outside: Planes, rows: Pairs[], columns: Pairs[], taps: number[], groups: number }} geometry
 *   from the planes inside to those outside; for each row and column outside, what reaches it
 * @param {Float64Array} weights  as `packed` gives them
 * @param {Float32Array} [bias]
 * @returns {Generator<void, Float32Array, void>}
 */
export function* filtered(source, { inside, outside, rows, columns, taps, groups }, weights, bias) {
  const [maps, width] = [inside.maps / groups, outside.maps / groups];
  const places = byPlace(source, inside);
  const sums = new Float64Array(width);
  const numbers = new Float64Array(maps * taps[0] * taps[1]);
  const starts = new Int32Array(numbers.length);
  const result = new Float32Array(outside.maps * outside.size);
  let work = 0;
  for (let place = 0; place < outside.size; place++) {
    const [reachedRows, reachedColumns] = [rows[Math.floor(place / outside.sides[1])], columns[place % outside.sides[1]]];
    for (let group = 0; group < groups; group++) {
      let count = 0;
      for (let r = 0; r < reachedRows.length; r++) {
        for (let c = 0; c < reachedColumns.length; c++) {
          const [tapRow, row] = reachedRows[r];
          const [tapColumn, column] = reachedColumns[c];
          const first = (row * inside.sides[1] + column) * inside.maps + group * maps;
          let start = ((group * taps[0] + tapRow) * taps[1] + tapColumn) * maps * width;
          for (let at = first; at < first + maps; at++) {
            if (places[at] !== 0) {
              numbers[count] = places[at];
              starts[count++] = start;
            }
            start += width;
          }
        }
      }
      for (let k = 0; k < width; k++) {
        sums[k] = bias ? bias[group * width + k] : 0;
      }
      addRows(sums, numbers, starts, count, weights);
      for (let k = 0, at = group * width * outside.size + place; k < width; k++, at += outside.size) {
        result[at] = sums[k];
      }
      work += numbers.length + (count + 1) * width;
      if (work > PORTION) {
        work = 0;
        yield;
      }
    }
  }
  return result;
}

/**
 * Adds to `sums` each of the first `count` numbers times its row of weights, four at a time.
 * @param {Float64Array} sums
 * @param {Float64Array} numbers
 * @param {Int32Array} starts
 * @param {number} count
 * @param {Float64Array | Float32Array} weights
 */
export function addRows(sums, numbers, starts, count, weights) {
  const width = sums.length;
  let i = 0;
  for (; i + 3 < count; i += 4) {
    const a = numbers[i], b = numbers[i + 1], c = numbers[i + 2], d = numbers[i + 3];
    const p = starts[i], q = starts[i + 1], r = starts[i + 2], s = starts[i + 3];
    for (let k = 0; k < width; k++) {
      sums[k] += a * weights[p + k] + b * weights[q + k] + c * weights[r + k] + d * weights[s + k];
    }
  }
  for (; i < count; i++) {
    const a = numbers[i], p = starts[i];
    for (let k = 0; k < width; k++) {
      sums[k] += a * weights[p + k];
    }
  }
}

/**
 * Filters `(K, C, taps)`, C in a group, as `filtered` reads them: a row for each tap and map from which it comes.
 * @param {Float32Array} weight
 * @param {{ from: number, to: number, taps: number }} sizes  maps in a group, below and above
 * @param {boolean} back
 */
export function packed(weight, { from, to, taps }, back) {
  const rows = new Float64Array(weight.length);
  const count = weight.length / (from * taps);
  for (let above = 0, at = 0; above < count; above++) {
    const [group, k] = [Math.floor(above / to), above % to];
    for (let c = 0; c < from; c++) {
      for (let tap = 0; tap < taps; tap++, at++) {
        rows[(group * taps + tap) * from * to + (back ? k * from + c : c * to + k)] = weight[at];
      }
    }
  }
  return rows;
}

/** With all maps of a place beside each other. @param {Float32Array} source @param {Planes} planes */
function byPlace(source, { maps }) {
  const places = new Float64Array(source.length);
  for (let map = 0, at = 0; map < maps; map++) {
    for (let place = map; place < source.length; place += maps) {
      places[place] = source[at++];
    }
  }
  return places;
}
