/**
 * What the finder of digits needs of scipy.ndimage and numpy, with their conventions: at the border a picture is
 * reflected, and a window of even length reaches one farther to the left.
 *
 * Each function gives what theirs gives, to the last bits: sums of many numbers may be taken in another order.
 *
 * @typedef {{height: number, width: number, values: Float64Array}} Plane Row by row.
 */

/**
 * @param {number} height
 * @param {number} width
 * @param {Float64Array} [values] Zeros, if there are none.
 * @returns {Plane}
 */
export function plane(height, width, values = new Float64Array(height * width)) {
  return { height, width, values };
}

/**
 * @param {Plane} given
 * @param {(value: number, k: number) => number} change
 */
export function mapped({ height, width, values }, change) {
  const result = plane(height, width);
  for (let k = 0; k < values.length; k++) result.values[k] = change(values[k], k);
  return result;
}

/** @param {Plane} given */
export function transposed({ height, width, values }) {
  const result = plane(width, height);
  for (let y = 0; y < height; y++) for (let x = 0; x < width; x++) result.values[x * height + y] = values[y * width + x];
  return result;
}

/**
 * The place in a picture of `length` that stands for one beyond its border.
 *
 * @param {number} at
 * @param {number} length
 */
function reflected(at, length) {
  const k = ((at % (2 * length)) + 2 * length) % (2 * length);
  return k < length ? k : 2 * length - 1 - k;
}

// exp(−x²/2) for x from 0 to 4, of which both sides together sum to 1.
const BELL = [0, 1, 2, 3, 4].map((x) => Math.exp(-0.5 * x * x));
const WEIGHTS = BELL.map((weight) => weight / (2 * (BELL[4] + BELL[3] + BELL[2] + BELL[1]) + BELL[0]));

/**
 * Smoothed by a Gaussian of standard deviation 1.
 *
 * @param {Plane} given
 */
export function gaussian({ height, width, values }) {
  const [w0, w1, w2, w3, w4] = WEIGHTS;
  const down = plane(height, width);
  for (let y = 0; y < height; y++) {
    const [a4, a3, a2, a1, a0, b1, b2, b3, b4] = [-4, -3, -2, -1, 0, 1, 2, 3, 4].map(
      (step) => reflected(y + step, height) * width,
    );
    for (let x = 0; x < width; x++) {
      let sum = values[a0 + x] * w0;
      sum += (values[a4 + x] + values[b4 + x]) * w4;
      sum += (values[a3 + x] + values[b3 + x]) * w3;
      sum += (values[a2 + x] + values[b2 + x]) * w2;
      sum += (values[a1 + x] + values[b1 + x]) * w1;
      down.values[y * width + x] = sum;
    }
  }
  const result = plane(height, width);
  const line = new Float64Array(width + 8);
  for (let y = 0; y < height; y++) {
    for (let k = 0; k < line.length; k++) line[k] = down.values[y * width + reflected(k - 4, width)];
    for (let x = 0; x < width; x++) {
      let sum = line[x + 4] * w0;
      sum += (line[x] + line[x + 8]) * w4;
      sum += (line[x + 1] + line[x + 7]) * w3;
      sum += (line[x + 2] + line[x + 6]) * w2;
      sum += (line[x + 3] + line[x + 5]) * w1;
      result.values[y * width + x] = sum;
    }
  }
  return result;
}

/**
 * The median of the square of `size` around each pixel: of the ranks of its values, counted as the square moves on.
 *
 * @param {Plane} given Of 65,535 pixels at most.
 * @param {number} size
 */
export function medianFiltered({ height, width, values }, size) {
  const sorted = values.slice().sort();
  const ranks = Uint16Array.from(values, (value) => firstAt(sorted, value));
  // How many of the square have each rank, and how many each 64 ranks.
  const [counts, coarse] = [new Uint16Array(values.length), new Uint16Array((values.length >> 6) + 1)];
  const before = size >> 1;
  const middle = (size * size) >> 1;
  const result = plane(height, width);
  for (let y = 0; y < height; y++) {
    const rows = Array.from({ length: size }, (_, k) => reflected(y - before + k, height) * width);
    /**
     * @param {number} x
     * @param {1 | -1} change
     */
    const count = (x, change) => {
      const column = reflected(x, width);
      for (let k = 0; k < size; k++) {
        const rank = ranks[rows[k] + column];
        counts[rank] += change;
        coarse[rank >> 6] += change;
      }
    };
    counts.fill(0);
    coarse.fill(0);
    for (let x = -before; x < size - before; x++) count(x, 1);
    for (let x = 0; x < width; x++) {
      let [left, at] = [middle, 0];
      while (left >= coarse[at]) left -= coarse[at++];
      at <<= 6;
      while (left >= counts[at]) left -= counts[at++];
      result.values[y * width + x] = sorted[at];
      count(x - before, -1);
      count(x - before + size, 1);
    }
  }
  return result;
}

/**
 * Where `value` would be put in, before all that are as large.
 *
 * @param {Float64Array} sorted
 * @param {number} value
 */
function firstAt(sorted, value) {
  let [low, high] = [0, sorted.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (sorted[middle] < value) low = middle + 1;
    else high = middle;
  }
  return low;
}

/**
 * The largest value of the square of `size` around each pixel (`sign` 1), or the smallest (−1): grey dilation, erosion.
 *
 * @param {Plane} given
 * @param {number} size
 * @param {1 | -1} sign
 */
function extremes(given, size, sign) {
  return extremesAlong(extremesAlong(given, size, sign), size, sign);
}

/**
 * The extremes along each row, as columns: in blocks of `size`, from both ends (van Herk, 1992; Gil & Werman, 1993).
 *
 * @param {Plane} given
 * @param {number} size
 * @param {1 | -1} sign
 */
function extremesAlong({ height, width, values }, size, sign) {
  // Even windows reach one farther to the left for erosion, to the right for dilation.
  const before = sign > 0 ? (size - 1) >> 1 : size >> 1;
  const long = width + size - 1;
  const places = Int32Array.from({ length: long }, (_, k) => reflected(k - before, width));
  const [line, from, to] = [new Float64Array(long), new Float64Array(long), new Float64Array(long)];
  const result = plane(width, height);
  for (let y = 0; y < height; y++) {
    for (let k = 0; k < long; k++) line[k] = sign * values[y * width + places[k]];
    for (let start = 0; start < long; start += size) {
      const last = Math.min(start + size, long) - 1;
      let most = line[start];
      for (let k = start; k <= last; k++) {
        if (line[k] > most) most = line[k];
        from[k] = most;
      }
      most = line[last];
      for (let k = last; k >= start; k--) {
        if (line[k] > most) most = line[k];
        to[k] = most;
      }
    }
    for (let x = 0, k = size - 1, at = y; x < width; x++, k++, at += height) {
      result.values[at] = sign * (to[x] > from[k] ? to[x] : from[k]);
    }
  }
  return result;
}

/**
 * Dark strokes filled that are narrower than `size`.
 *
 * @param {Plane} given
 * @param {number} size
 */
export function closing(given, size) {
  return extremes(extremes(given, size, 1), size, -1);
}

/**
 * Light strokes filled.
 *
 * @param {Plane} given
 * @param {number} size
 */
export function opening(given, size) {
  return extremes(extremes(given, size, -1), size, 1);
}

/**
 * The median along a line.
 *
 * @param {Float64Array} values
 * @param {number} size Odd.
 */
export function medianAlong(values, size) {
  const window = new Float64Array(size);
  return values.map((_, at) => {
    for (let k = 0; k < size; k++) window[k] = values[reflected(at - (size >> 1) + k, values.length)];
    return median(window);
  });
}

/**
 * The largest of each value and its two neighbours.
 *
 * @param {Float64Array} values
 */
export function largestOfThree(values) {
  return values.map((value, k) => Math.max(values[Math.max(0, k - 1)], value, values[Math.min(values.length - 1, k + 1)]));
}

const BINS = 256;

/**
 * The median; of an even number, between the two in the middle.
 *
 * @param {Float64Array} values
 */
export function median(values) {
  let [first, second] = [(values.length - 1) >> 1, values.length >> 1];
  let few = values;
  // Values are counted in bins, then only those of the bin in the middle, until few are left.
  for (;;) {
    let [least, most] = [few[0], few[0]];
    for (let k = 1; k < few.length; k++) {
      if (few[k] < least) least = few[k];
      else if (few[k] > most) most = few[k];
    }
    if (least === most) return least;
    if (few.length <= 2 * BINS) {
      const sorted = few.slice().sort();
      return (sorted[first] + sorted[second]) / 2;
    }
    const scale = (BINS - 1) / (most - least);
    const codes = new Uint8Array(few.length);
    const counts = new Uint32Array(BINS);
    for (let k = 0; k < few.length; k++) {
      codes[k] = (few[k] - least) * scale;
      counts[codes[k]]++;
    }
    const { low, high, below } = middleOf(counts, first, second);
    const left = new Float64Array(few.length);
    let count = 0;
    for (let k = 0; k < few.length; k++) if (codes[k] === low || codes[k] === high) left[count++] = few[k];
    few = left.subarray(0, count);
    first -= below;
    second -= below;
  }
}

/**
 * The bins in which the values of two ranks lie that follow each other, and how many values lie below.
 *
 * @param {Uint32Array} counts
 * @param {number} first
 * @param {number} second
 */
function middleOf(counts, first, second) {
  let low = 0;
  let below = 0;
  while (below + counts[low] <= first) below += counts[low++];
  let high = low;
  let to = below + counts[low];
  while (to <= second) to += counts[++high];
  return { low, high, below };
}

/**
 * A function that gives the median of some of the `values`, of which a larger one never has a smaller code: of those whose
 * code is in the middle. This takes no branch that a processor can't foresee.
 *
 * @param {Float64Array} values
 * @param {Uint8Array} codes
 * @param {number} count How many there are in each median.
 * @returns {(start: number, places?: Int32Array) => number} Of those at these places after the start, or that follow it.
 */
export function makeMedian(values, codes, count) {
  const [counts, few] = [new Uint32Array(BINS), new Float64Array(count)];
  const following = Int32Array.from({ length: count }, (_, k) => k);
  // Of an even number of values two are in the middle, and their codes may differ.
  const [first, second] = [(count - 1) >> 1, count >> 1];
  return (start, places = following) => {
    counts.fill(0);
    for (let k = 0; k < count; k++) counts[codes[start + places[k]]]++;
    const { low, high, below } = middleOf(counts, first, second);
    let taken = 0;
    for (let k = 0; k < count; k++) {
      const code = codes[start + places[k]];
      if (code === low || code === high) few[taken++] = values[start + places[k]];
    }
    sortFirst(few, taken);
    return (few[first - below] + few[second - below]) / 2;
  };
}

/**
 * @param {Float64Array} values
 * @param {number} count The first so many are sorted.
 */
function sortFirst(values, count) {
  if (count > 40) {
    values.subarray(0, count).sort();
    return;
  }
  for (let k = 1; k < count; k++) {
    const value = values[k];
    let at = k;
    for (; at > 0 && values[at - 1] > value; at--) values[at] = values[at - 1];
    values[at] = value;
  }
}

/**
 * Between the two values that lie nearest to that share of them all.
 *
 * @param {Float64Array} values
 * @param {number} share
 */
export function quantile(values, share) {
  const sorted = values.slice().sort();
  const at = share * (sorted.length - 1);
  const [low, high] = [sorted[Math.floor(at)], sorted[Math.min(Math.floor(at) + 1, sorted.length - 1)]];
  const rest = at - Math.floor(at);
  return rest < 0.5 ? low + (high - low) * rest : high - (high - low) * (1 - rest);
}

/**
 * The threshold between the two classes of `values` that lie farthest apart (Otsu, 1979).
 *
 * @param {Float64Array} values At least one.
 */
export function otsu(values) {
  const bins = 64;
  let [low, high] = [values[0], values[0]];
  for (const value of values) {
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low === high) return low;
  const edges = Array.from({ length: bins + 1 }, (_, k) => (k === bins ? high : low + k * ((high - low) / bins)));
  const counts = new Float64Array(bins);
  for (const value of values) {
    let bin = Math.min(Math.floor(((value - low) / (high - low)) * bins), bins - 1);
    if (value < edges[bin]) bin--;
    else if (bin < bins - 1 && value >= edges[bin + 1]) bin++;
    counts[bin]++;
  }
  const middles = edges.slice(1).map((edge, k) => (edge + edges[k]) / 2);
  const sum = middles.reduce((total, middle, k) => total + counts[k] * middle, 0);
  let [best, chosen, below, sumBelow] = [-1, 0, 0, 0];
  for (let k = 0; k < bins - 1; k++) {
    below += counts[k];
    sumBelow += counts[k] * middles[k];
    const above = values.length - below;
    const between = below * above * (sumBelow / below - (sum - sumBelow) / above) ** 2;
    if (between > best) [best, chosen] = [between, k];
  }
  return middles[chosen];
}
