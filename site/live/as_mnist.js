/** A drawing brought to MNIST's size and place, as `helpers.data.as_mnist` does it. */

import { plane, reduced, roundEven } from "./ndimage.js";

/**
 * As large as fits in 20×20, its centre of mass in the middle of 28×28, in 256 levels of grey.
 *
 * @param {import("./ndimage.js").Plane} drawing 0 for paper and 1 for ink.
 * @returns {import("./ndimage.js").Plane | null} 28×28 values, 0 to 1; null if there is no ink, or none is left of it at that size.
 * @see LeCun, Bottou, Bengio & Haffner (1998), section III.A.
 */
export function asMnist({ height, width, values }) {
  let [top, left, bottom, right] = [height, width, 0, 0];
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      if (roundEven(255 * values[y * width + x]) === 0) continue;
      [top, left] = [Math.min(top, y), Math.min(left, x)];
      [bottom, right] = [y + 1, Math.max(right, x + 1)];
    }
  }
  if (bottom === 0) return null;
  const [tall, wide] = [bottom - top, right - left];
  const [rows, columns] = [tall, wide].map((side) => Math.max(1, roundEven((20 * side) / Math.max(tall, wide))));
  const at = (/** @type {number} */ k) => values[(top + Math.floor(k / wide)) * width + left + (k % wide)];
  const levels = reduced(tall, wide, at, rows, columns).values.map((value) => roundEven(255 * value));
  let [sum, down, across] = [0, 0, 0];
  levels.forEach((level, k) => {
    sum += level;
    down += level * Math.floor(k / columns);
    across += level * (k % columns);
  });
  if (sum === 0) return null;
  const [y, x] = [
    [down, rows],
    [across, columns],
  ].map(([moment, side]) => Math.min(Math.max(0, roundEven(14 - moment / sum)), 28 - side));
  const image = plane(28, 28);
  levels.forEach((level, k) => {
    image.values[(y + Math.floor(k / columns)) * 28 + x + (k % columns)] = level / 255;
  });
  return image;
}
