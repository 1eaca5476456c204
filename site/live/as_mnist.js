/** A drawing as MNIST's digits were made: `helpers.data.as_mnist`. */

import { areaMeans } from "./area.js";
import { toEven } from "./numbers.js";

const FITS_IN = 20;
const WHOLE = 28;

/**
 * As large as fits in 20×20, its centre of mass in the middle of 28×28, in 256 levels of grey.
 *
 * @param {ArrayLike<number>} drawing 0 for paper and 1 for ink, row by row.
 * @param {number} [across] The length of a row; without it, the drawing is a square.
 * @returns {import("./deconvnet.js").Maps | null} null where there is no ink.
 */
export function asMnist(drawing, across = Math.sqrt(drawing.length)) {
  let [top, bottom, left, right] = [Infinity, -1, across, -1];
  for (let k = 0; k < drawing.length; k++) {
    if (toEven(255 * drawing[k]) === 0) continue;
    const row = Math.floor(k / across);
    const column = k - row * across;
    if (row < top) top = row;
    bottom = row;
    if (column < left) left = column;
    if (column > right) right = column;
  }
  if (bottom < 0) return null;
  const sides = [bottom - top + 1, right - left + 1];
  const [height, width] = sides.map((one) => Math.max(1, toEven((FITS_IN * one) / Math.max(...sides))));
  const cropped = new Float64Array(sides[0] * sides[1]);
  for (let row = top, k = 0; row <= bottom; row++) {
    for (let column = left; column <= right; column++, k++) cropped[k] = drawing[row * across + column];
  }
  const digit = areaMeans(cropped, sides[0], sides[1], height, width).map((ink) => toEven(255 * ink) / 255);
  let [sum, down, along] = [0, 0, 0];
  digit.forEach((ink, k) => {
    sum += ink;
    down += Math.floor(k / width) * ink;
    along += (k % width) * ink;
  });
  if (sum === 0) return null;
  const [y, x] = [
    [down, height],
    [along, width],
  ].map(([moment, room]) => Math.min(Math.max(0, toEven(WHOLE / 2 - moment / sum)), WHOLE - room));
  const values = new Float64Array(WHOLE * WHOLE);
  for (let row = 0; row < height; row++) {
    values.set(digit.subarray(row * width, (row + 1) * width), (y + row) * WHOLE + x);
  }
  return { channels: 1, height: WHOLE, width: WHOLE, values };
}
