/** Which maps speak for a class, as in `helpers/deconvnet/shares.py`: activation times the score's gradient, summed up. */

import { walk } from "./deconvnet.js";

/**
 * The share of each map of a layer in the score of a class, which is the score before any softmax.
 *
 * @param {import("./lenet5.js").LeNet5} network
 * @param {import("./lenet5.js").Trace} trace
 * @param {number} layer 1 or 2.
 * @param {number} class_
 * @returns {number[]} They may be negative.
 */
export function classShares(network, trace, layer, class_) {
  const maps = trace.layers[layer - 1].pooled;
  const gradient = gradientAt(network, trace, layer, class_);
  const count = maps.height * maps.width;
  return Array.from({ length: maps.channels }, (_, k) => {
    let sum = 0;
    for (let at = k * count; at < (k + 1) * count; at++) sum += maps.values[at] * gradient[at];
    return sum;
  });
}

/**
 * @param {import("./lenet5.js").LeNet5} network
 * @param {import("./lenet5.js").Trace} trace
 * @param {number} layer
 * @param {number} class_
 */
function gradientAt(network, trace, layer, class_) {
  const top = trace.layers[trace.layers.length - 1].pooled;
  const inputs = [top.values, ...trace.hidden];
  let gradient = new Float64Array(trace.scores.length);
  gradient[class_] = 1;
  for (let k = network.linears.length - 1; k >= 0; k--) {
    const below = new Float64Array(inputs[k].length);
    gradient.forEach((value, to) => {
      if (value === 0) return;
      const weights = network.linears[k].weight.subarray(to * below.length, (to + 1) * below.length);
      weights.forEach((weight, from) => (below[from] += value * weight));
    });
    // A ReLU stands below each of them but the first, which the pooling's maps go into as they are.
    gradient = k > 0 ? below.map((value, from) => (inputs[k][from] > 0 ? value : 0)) : below;
  }
  if (layer === trace.layers.length) return gradient;
  // Through a layer goes the gradient as the signal does, where the rule is its own.
  const stops = walk(trace.layers.slice(layer), { ...top, values: gradient }, "gradient");
  return stops[stops.length - 1].values;
}
