/**
 * LeNet-5 on its way up, as `helpers/lenet5.py` has it: convolution, ReLU, max pooling, twice; then three linear layers.
 *
 * @typedef {import("./deconvnet.js").Maps} Maps
 * @typedef {import("./deconvnet.js").Filters} Filters
 * @typedef {import("./deconvnet.js").Layer} Layer
 *
 * @typedef {object} LeNet5
 * @property {{filters: Filters, bias: Float64Array}[]} convolutions
 * @property {{weight: Float64Array, bias: Float64Array}[]} linears `(to, from)`, and one for each output.
 *
 * @typedef {object} Trace What was noted of one image.
 * @property {Maps} image
 * @property {Layer[]} layers
 * @property {Float64Array[]} hidden What each of the linear layers but the last has left after its ReLU.
 * @property {Float64Array} scores
 * @property {number[]} probabilities
 */

import { zeros } from "./deconvnet.js";

const SIZES = [
  { to: 6, from: 1, size: 5, padding: 2 },
  { to: 16, from: 6, size: 5, padding: 0 },
];

/**
 * @param {(name: string) => ArrayLike<number>} weights Gives those of a name that PyTorch gives them.
 * @returns {LeNet5}
 */
export function lenet5(weights) {
  const numbers = (/** @type {string} */ name) => new Float64Array(weights(name));
  return {
    convolutions: SIZES.map((size, k) => ({
      filters: { ...size, values: numbers(`features.conv${k + 1}.weight`) },
      bias: numbers(`features.conv${k + 1}.bias`),
    })),
    linears: [1, 2, 3].map((k) => ({
      weight: numbers(`classifier.linear${k}.weight`),
      bias: numbers(`classifier.linear${k}.bias`),
    })),
  };
}

/**
 * @param {Float64Array} values 28×28, 0 for paper and 1 for ink.
 * @returns {Maps}
 */
export function asImage(values) {
  return { channels: 1, height: 28, width: 28, values };
}

/**
 * Run the network on an image, and note what the way back needs.
 *
 * @param {LeNet5} network
 * @param {Maps} image 28×28, 0 for paper and 1 for ink.
 * @returns {Trace}
 */
export function record(network, image) {
  const layers = [];
  let given = image;
  for (const { filters, bias } of network.convolutions) {
    const active = relu(convolve(given, filters, bias));
    const { pooled, switches } = maxPool(active);
    layers.push({ filters, given, active, pooled, switches });
    given = pooled;
  }
  const outputs = [given.values];
  network.linears.forEach(({ weight, bias }, k) => {
    const scores = linear(outputs[k], weight, bias);
    outputs.push(k < network.linears.length - 1 ? scores.map((value) => Math.max(value, 0)) : scores);
  });
  const scores = outputs[outputs.length - 1];
  return { image, layers, hidden: outputs.slice(1, -1), scores, probabilities: softmax(scores) };
}

/**
 * @param {Maps} given
 * @param {Filters} filters
 * @param {Float64Array} bias
 */
function convolve(given, { to, from, size, padding, values }, bias) {
  const [height, width] = [given.height, given.width].map((side) => side + 2 * padding - size + 1);
  const result = zeros(to, height, width);
  for (let channel = 0, filter = 0; channel < to; channel++) {
    const plane = channel * height * width;
    result.values.fill(bias[channel], plane, plane + height * width);
    for (let below = 0; below < from; below++) {
      for (let i = 0; i < size; i++) {
        const [first, last] = [Math.max(0, padding - i), Math.min(height, given.height + padding - i)];
        for (let j = 0; j < size; j++, filter++) {
          const weight = values[filter];
          const [start, end] = [Math.max(0, padding - j), Math.min(width, given.width + padding - j)];
          for (let row = first; row < last; row++) {
            const at = plane + row * width;
            const under = (below * given.height + row + i - padding) * given.width + j - padding;
            for (let column = start; column < end; column++) {
              result.values[at + column] += weight * given.values[under + column];
            }
          }
        }
      }
    }
  }
  return result;
}

/** @param {Maps} maps */
function relu(maps) {
  return { ...maps, values: maps.values.map((value) => Math.max(value, 0)) };
}

/**
 * The largest of each 2×2 window, and where it stood: the first of equal ones.
 *
 * @param {Maps} maps
 */
function maxPool({ channels, height, width, values }) {
  const pooled = zeros(channels, height / 2, width / 2);
  const switches = new Int32Array(pooled.values.length);
  for (let channel = 0, k = 0; channel < channels; channel++) {
    const plane = channel * height * width;
    for (let row = 0; row < height; row += 2) {
      for (let column = 0; column < width; column += 2, k++) {
        let best = row * width + column;
        for (const place of [best + 1, best + width, best + width + 1]) {
          if (values[plane + place] > values[plane + best]) best = place;
        }
        switches[k] = best;
        pooled.values[k] = values[plane + best];
      }
    }
  }
  return { pooled, switches };
}

/**
 * @param {Float64Array} given
 * @param {Float64Array} weight
 * @param {Float64Array} bias
 */
function linear(given, weight, bias) {
  return bias.map((sum, to) => {
    for (let k = 0, at = to * given.length; k < given.length; k++, at++) sum += weight[at] * given[k];
    return sum;
  });
}

/** @param {Float64Array} scores */
export function softmax(scores) {
  const most = Math.max(...scores);
  const powers = Array.from(scores, (score) => Math.exp(score - most));
  const sum = powers.reduce((one, other) => one + other);
  return powers.map((power) => power / sum);
}
