/**
 * What the explorers show: the network and the images of one file, the networks of a training of another.
 *
 * @typedef {import("./deconvnet.js").Maps} Maps
 * @typedef {import("./tensors.js").Tensors} Tensors
 *
 * @typedef {object} Given
 * @property {import("./lenet5.js").LeNet5} network The shipped one.
 * @property {Maps[]} images Test images,
 * @property {number[]} labels and the digit that each of them shows.
 * @property {Maps[]} ten A typical image of each digit.
 * @property {Record<string, DataView>} palettes Three bytes for each colour of a scale.
 *
 * @typedef {object} Run A network on its way through training.
 * @property {number[]} steps
 * @property {number[]} accuracies The share of the test images that it reads after so many steps.
 * @property {import("./lenet5.js").LeNet5[]} networks
 */

import { asImage, lenet5 } from "./lenet5.js";

const SCALES = ["ink", "signed", "activation", "channel"];
// How many of the units in which a weight of the training is stored make 1: few for the large layers.
const UNITS = { few: 128, many: 4096 };

/** @param {Tensors} tensors @returns {Given} */
export function givenOf({ numbers }) {
  const palette = (/** @type {string} */ scale) => new DataView(Uint8Array.from(numbers(`palette.${scale}`)).buffer);
  return {
    network: lenet5(numbers),
    images: imagesOf(numbers("images")),
    labels: Array.from(numbers("labels")),
    ten: imagesOf(numbers("ten")),
    palettes: Object.fromEntries(SCALES.map((scale) => [scale, palette(scale)])),
  };
}

/** @param {ArrayLike<number>} pixels 0 to 255. */
function imagesOf(pixels) {
  const count = 28 * 28;
  // As PyTorch has them, in single precision.
  const inks = Float64Array.from({ length: 256 }, (_, pixel) => Math.fround(pixel / 255));
  const all = new Float64Array(pixels.length);
  for (let k = 0; k < pixels.length; k++) all[k] = inks[pixels[k]];
  return Array.from({ length: all.length / count }, (_, k) => asImage(all.subarray(k * count, (k + 1) * count)));
}

/**
 * The networks of a training. The file tells what has changed from one to the next, in whole multiples of a unit.
 *
 * @param {Tensors} tensors
 * @returns {Run}
 */
export function runOf({ about, numbers }) {
  const [steps, accuracies] = [about.steps, about.accuracies].map((told) => told.split(" ").map(Number));
  /** @type {Map<string, Float64Array>} */
  const sums = new Map();
  const networks = steps.map((_, k) =>
    lenet5((name) => {
      const changes = numbers(name);
      const count = changes.length / steps.length;
      const unit = changes instanceof Int8Array ? UNITS.few : UNITS.many;
      const sum = sums.get(name) ?? new Float64Array(count);
      for (let at = 0; at < count; at++) sum[at] += changes[k * count + at] / unit;
      sums.set(name, sum);
      return sum;
    }),
  );
  return { steps, accuracies, networks };
}
