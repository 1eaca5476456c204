/**
 * Filters on the way up, and filtering back: both go through the same pairs of places, from the other side.
 *
 * For each place, what reaches it is listed, but for zeros, of which there are many behind a ReLU and more behind an
 * unpooling. Then each value of the list adds its row of weights: a walk through memory from left to right.
 *
 * @typedef {{maps: number, sides: number[], size: number}} Planes
 * @typedef {[tap: number, place: number][]} Pairs With places on the other side.
 *
 * @typedef {object} Geometry
 * @property {Planes} inside From these planes,
 * @property {Planes} outside to those.
 * @property {Pairs[]} rows For each row outside, what reaches it.
 * @property {Pairs[]} columns
 * @property {number[]} taps The sides of a filter.
 * @property {number} groups
 */

/** So many multiplications are done between two yields: a few milliseconds. */
const PORTION = 2 ** 20;

/** @param {number[]} shape `[..., C, h, w]` @returns {Planes} */
export function planesOf(shape) {
  const sides = shape.slice(-2);
  return { maps: shape[shape.length - 3], sides, size: sides[0] * sides[1] };
}

/**
 * Which places windows see along one axis: for each window, and for each place that is seen.
 *
 * @param {{kernel: number, stride: number, padding: number, dilation: number}} window
 * @param {number} places
 * @param {number} windows
 */
export function pairsOfPlaces({ kernel, stride, padding, dilation }, places, windows) {
  const [up, back] = [windows, places].map((count) => Array.from({ length: count }, () => /** @type {Pairs} */ ([])));
  for (let i = 0; i < windows; i++) {
    for (let tap = 0; tap < kernel; tap++) {
      const place = i * stride - padding + tap * dilation;
      if (place < 0 || place >= places) continue;
      up[i].push([tap, place]);
      back[place].push([tap, i]);
    }
  }
  return { up, back };
}

/**
 * @param {Float64Array} source
 * @param {Geometry} geometry
 * @param {Float64Array} weights As `filtersByTap` gives them.
 * @param {Float32Array} [bias]
 * @returns {Generator<void, Float64Array, void>}
 */
export function* filtered(source, { inside, outside, rows, columns, taps, groups }, weights, bias) {
  const [maps, width] = [inside.maps / groups, outside.maps / groups];
  const places = placeByPlace(source, inside.maps);
  const sums = new Float64Array(width);
  const listed = new Float64Array(maps * taps[0] * taps[1]);
  const starts = new Int32Array(listed.length);
  const result = new Float64Array(outside.maps * outside.size);
  let work = 0;
  for (let place = 0; place < outside.size; place++) {
    const reaching = rows[Math.floor(place / outside.sides[1])];
    const besides = columns[place % outside.sides[1]];
    for (let group = 0; group < groups; group++) {
      let count = 0;
      for (let r = 0; r < reaching.length; r++) {
        for (let c = 0; c < besides.length; c++) {
          const first = (reaching[r][1] * inside.sides[1] + besides[c][1]) * inside.maps + group * maps;
          let start = ((group * taps[0] + reaching[r][0]) * taps[1] + besides[c][0]) * maps * width;
          for (let at = first; at < first + maps; at++, start += width) {
            if (places[at] === 0) continue;
            listed[count] = places[at];
            starts[count++] = start;
          }
        }
      }
      for (let k = 0; k < width; k++) sums[k] = bias ? bias[group * width + k] : 0;
      addRows(sums, listed, starts, count, weights);
      for (let k = 0, at = group * width * outside.size + place; k < width; k++, at += outside.size)
        result[at] = sums[k];
      work += listed.length + (count + 1) * width;
      if (work > PORTION) {
        work = 0;
        yield;
      }
    }
  }
  return result;
}

/**
 * Adds to `sums` each of the first values times its row of weights, four at a time.
 *
 * @param {Float64Array} sums
 * @param {Float64Array} values
 * @param {Int32Array} starts Of the rows.
 * @param {number} count
 * @param {Float64Array | Float32Array} weights
 */
export function addRows(sums, values, starts, count, weights) {
  const width = sums.length;
  let i = 0;
  for (; i + 3 < count; i += 4) {
    const [a, b, c, d] = [values[i], values[i + 1], values[i + 2], values[i + 3]];
    const [p, q, r, s] = [starts[i], starts[i + 1], starts[i + 2], starts[i + 3]];
    for (let k = 0; k < width; k++) {
      sums[k] += a * weights[p + k] + b * weights[q + k] + c * weights[r + k] + d * weights[s + k];
    }
  }
  for (; i < count; i++) {
    const [a, p] = [values[i], starts[i]];
    for (let k = 0; k < width; k++) sums[k] += a * weights[p + k];
  }
}

/**
 * Filters `(K, C, taps)`, C in a group, as `filtered` reads them: a row for each tap and each map from which it comes.
 *
 * @param {Float32Array} weight
 * @param {{from: number, to: number, taps: number}} sizes Maps in a group, below and above.
 * @param {boolean} back
 */
export function filtersByTap(weight, { from, to, taps }, back) {
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

/** @param {Float64Array} source @param {number} maps With all maps of a place beside each other. */
function placeByPlace(source, maps) {
  const places = new Float64Array(source.length);
  for (let map = 0, at = 0; map < maps; map++) {
    for (let place = map; place < source.length; place += maps) places[place] = source[at++];
  }
  return places;
}
