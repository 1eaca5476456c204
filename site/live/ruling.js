/** The lines of ruled and squared paper, taken off a picture of contrast. */

import { largestOfThree, median, medianAlong, plane, roundEven, transposed } from "./filters.js";

/**
 * Without the lines that run through it, level or upright within 17 degrees.
 *
 * @param {import("./filters.js").Plane} contrast
 */
export function withoutRuling(contrast) {
  return transposed(withoutLevelLines(transposed(withoutLevelLines(contrast))));
}

/** @param {import("./filters.js").Plane} contrast */
function withoutLevelLines(contrast) {
  const { height, width, values } = contrast;
  const across = (/** @type {number} */ x) => x - (width >> 1);
  const held = new Float64Array(width);

  /**
   * What each row that slopes so holds in more than half of its pixels.
   *
   * @param {number} slope
   * @param {number} step
   */
  const profile = (slope, step) => {
    const count = Math.ceil(width / step);
    const shifts = Int32Array.from({ length: count }, (_, k) => roundEven(slope * across(k * step)));
    const result = new Float64Array(height);
    for (let y = 0; y < height; y++) {
      for (let k = 0; k < count; k++) {
        const row = y + shifts[k];
        held[k] = values[(row < 0 ? 0 : row < height ? row : height - 1) * width + k * step];
      }
      result[y] = median(held, count);
    }
    return result;
  };
  /** @param {number} slope */
  const lines = (slope) => {
    const along = profile(slope, 6);
    let sum = 0;
    for (let y = 1; y < height; y++) sum += (along[y] - along[y - 1]) ** 2;
    return sum;
  };
  /** @param {number[]} slopes */
  const best = (slopes) => {
    const found = slopes.map(lines);
    return slopes[found.indexOf(Math.max(...found))];
  };

  const coarse = best(steps(-0.3, 0.02, 31));
  const slope = best(steps(coarse - 0.02, 0.005, 9));
  const along = profile(slope, 1);
  const around = medianAlong(along, 15);
  // A line that lies between two rows is one of both.
  const line = largestOfThree(along.map((value, y) => Math.max(0, value - around[y])));
  const shifts = Int32Array.from({ length: width }, (_, x) => roundEven(slope * across(x)));
  const result = plane(height, width);
  for (let y = 0, k = 0; y < height; y++) {
    for (let x = 0; x < width; x++, k++) {
      const under = line[Math.min(Math.max(0, y - shifts[x]), height - 1)];
      result.values[k] = under > 0.03 && values[k] < 1.7 * under ? 0 : values[k];
    }
  }
  return result;
}

/**
 * As numpy counts them: its step is the difference of the first two.
 *
 * @param {number} from
 * @param {number} step
 * @param {number} count
 */
function steps(from, step, count) {
  return Array.from({ length: count }, (_, k) => from + k * (from + step - from));
}
