/** A drawing as MNIST's digits were made: `helpers.data.as_mnist`. */

import { asImage } from "./lenet5.js";
import { toEven } from "./numbers.js";

const FITS_IN = 20;
const WHOLE = 28;

/**
 * As large as fits in 20×20, its centre of mass in the middle of 28×28, in 256 levels of grey.
 *
 * @param {Float32Array} drawing A square, 0 for paper and 1 for ink.
 * @returns {import("./deconvnet.js").Maps | null} null where there is no ink.
 */
export function asMnist(drawing) {
  const side = Math.sqrt(drawing.length);
  let [top, bottom, left, right] = [side, -1, side, -1];
  drawing.forEach((ink, k) => {
    if (toEven(255 * ink) === 0) return;
    const [row, column] = [Math.floor(k / side), k % side];
    [top, bottom] = [Math.min(top, row), Math.max(bottom, row)];
    [left, right] = [Math.min(left, column), Math.max(right, column)];
  });
  if (bottom < 0) return null;
  const sides = [bottom - top + 1, right - left + 1];
  const [height, width] = sides.map((one) => Math.max(1, toEven((FITS_IN * one) / Math.max(...sides))));
  const digit = new Float64Array(height * width);
  let [sum, down, across] = [0, 0, 0];
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const rows = spanOf(row, height, sides[0]).map((one) => top + one);
      const columns = spanOf(column, width, sides[1]).map((one) => left + one);
      const ink = toEven(255 * meanOf(drawing, side, rows, columns)) / 255;
      digit[row * width + column] = ink;
      sum += ink;
      down += row * ink;
      across += column * ink;
    }
  }
  if (sum === 0) return null;
  const [y, x] = [
    [down, height],
    [across, width],
  ].map(([moment, room]) => Math.min(Math.max(0, toEven(WHOLE / 2 - moment / sum)), WHOLE - room));
  const image = new Float64Array(WHOLE * WHOLE);
  for (let row = 0; row < height; row++) {
    image.set(digit.subarray(row * width, (row + 1) * width), (y + row) * WHOLE + x);
  }
  return asImage(image);
}

/** @param {number} k @param {number} few @param {number} many Which of many go into one of few. */
function spanOf(k, few, many) {
  return [Math.floor((k * many) / few), Math.ceil(((k + 1) * many) / few)];
}

/** @param {Float32Array} drawing @param {number} side @param {number[]} rows @param {number[]} columns From, and up to. */
function meanOf(drawing, side, rows, columns) {
  let sum = 0;
  for (let row = rows[0]; row < rows[1]; row++) {
    for (let column = columns[0]; column < columns[1]; column++) sum += drawing[row * side + column];
  }
  // As PyTorch divides, so that what lies between two levels of grey is rounded alike.
  return sum / (rows[1] - rows[0]) / (columns[1] - columns[0]);
}
