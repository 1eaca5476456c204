/** The lines of ruled and squared paper, taken off a picture of contrast. */

import { largestOfThree, makeMedian, medianAlong, plane, transposed } from "./ndimage.js";
import { toEven } from "./numbers.js";

// Of the lines that are looked for, half above and half below the middle of the picture.
const STEEPEST = 0.17;
// In so many steps contrast up to a quarter is told apart before it is compared: in finer ones where there is little.
const LEVELS = 256;

/**
 * Without the lines that run through it, level or upright within 17 degrees.
 *
 * @param {import("./ndimage.js").Plane} contrast
 */
export function withoutRuling(contrast) {
  return transposed(withoutLevelLines(transposed(withoutLevelLines(contrast))));
}

/** @param {import("./ndimage.js").Plane} contrast */
function withoutLevelLines(contrast) {
  const { height, width, values } = contrast;
  /**
   * @param {number[]} slopes
   * @param {number} step
   */
  const best = (slopes, step) => {
    const profile = profiles(contrast, step);
    const found = slopes.map((slope) => {
      const along = profile(slope);
      let sum = 0;
      for (let y = 1; y < height; y++) sum += (along[y] - along[y - 1]) ** 2;
      return sum;
    });
    return slopes[found.indexOf(Math.max(...found))];
  };
  const coarse = best(steps(-0.3, 0.02, 31), 12);
  const slope = best(steps(coarse - 0.02, 0.005, 9), 6);
  const along = profiles(contrast, 1)(slope);
  const around = medianAlong(along, 15);
  // A line that lies between two rows is one of both.
  const line = largestOfThree(along.map((value, y) => Math.max(0, value - around[y])));
  const shifts = shiftsOf(slope, width, 1);
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
 * A function of a slope: what each row that slopes so holds in more than half of its pixels.
 *
 * @param {import("./ndimage.js").Plane} contrast
 * @param {number} step Only each so many-th pixel of a row is looked at.
 */
function profiles({ height, width, values }, step) {
  const count = Math.ceil(width / step);
  // What lies beyond the border is as the row at the border.
  const beyond = Math.ceil(STEEPEST * width);
  const padded = new Float64Array((height + 2 * beyond) * count);
  const codes = new Uint8Array(padded.length);
  for (let y = 0, k = 0; y < height + 2 * beyond; y++) {
    const row = Math.min(Math.max(0, y - beyond), height - 1) * width;
    for (let x = 0; x < width; x += step, k++) {
      padded[k] = values[row + x];
      codes[k] = Math.min(2 * LEVELS * Math.sqrt(Math.max(0, padded[k])), LEVELS - 1);
    }
  }
  const median = makeMedian(padded, codes, count);
  return (/** @type {number} */ slope) => {
    const places = shiftsOf(slope, width, step).map((shift, k) => (beyond + shift) * count + k);
    const result = new Float64Array(height);
    for (let y = 0; y < height; y++) result[y] = median(y * count, places);
    return result;
  };
}

/**
 * How many rows a line of that slope lies lower in each so many-th column than in the middle one.
 *
 * @param {number} slope
 * @param {number} width
 * @param {number} step
 */
function shiftsOf(slope, width, step) {
  return Int32Array.from({ length: Math.ceil(width / step) }, (_, k) => toEven(slope * (k * step - (width >> 1))));
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
