/** The places that excite a map most, as in `helpers/deconvnet/figure2.py`: what they see, and what the map saw there. */

import { alone, peakOf, walk, zeros } from "./deconvnet.js";
import { record } from "./lenet5.js";

// What a place of a pooled map sees of the image: how wide, how far apart, and where the first one begins.
const FIELDS = [
  { side: 6, step: 2, start: -2 },
  { side: 16, step: 4, start: -2 },
];

/**
 * For each map of each layer the nine images in which it is strongest, strongest first, and where in the map that is.
 *
 * @param {import("./lenet5.js").LeNet5} network
 * @param {import("./deconvnet.js").Maps[]} images
 */
export function nineStrongest(network, images) {
  const traces = images.map((image) => record(network, image));
  return FIELDS.map((_, layer) =>
    Array.from({ length: traces[0].layers[layer].pooled.channels }, (_, k) => {
      const found = traces.map((trace, image) => {
        const { pooled } = trace.layers[layer];
        const place = peakOf(pooled, k);
        return { image, place, value: pooled.values[k * pooled.height * pooled.width + place] };
      });
      return found.sort((one, other) => other.value - one.value).slice(0, 9);
    }),
  );
}

/**
 * What these places see, and what the map saw there: cropped to the field of the place, with zeros beyond the border.
 *
 * @param {import("./lenet5.js").LeNet5} network
 * @param {import("./deconvnet.js").Maps[]} images
 * @param {number} layer 1 or 2.
 * @param {number} k The map's number.
 * @param {{image: number, place: number}[]} found
 */
export function patches(network, images, layer, k, found) {
  const { side, step, start } = FIELDS[layer - 1];
  return found.map(({ image, place }) => {
    const { layers } = record(network, images[image]);
    const { pooled } = layers[layer - 1];
    const stops = walk(layers.slice(0, layer), alone(pooled, k, place));
    const top = start + step * Math.floor(place / pooled.width);
    const left = start + step * (place % pooled.width);
    return {
      crop: cut(images[image], top, left, side),
      projection: cut(stops[stops.length - 1], top, left, side),
    };
  });
}

/**
 * @param {import("./deconvnet.js").Maps} image
 * @param {number} top
 * @param {number} left
 * @param {number} side
 */
function cut({ height, width, values }, top, left, side) {
  const part = zeros(1, side, side);
  for (let row = Math.max(0, -top); row < Math.min(side, height - top); row++) {
    for (let column = Math.max(0, -left); column < Math.min(side, width - left); column++) {
      part.values[row * side + column] = values[(top + row) * width + left + column];
    }
  }
  return part;
}
