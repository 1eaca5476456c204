/**
 * The deconvnet: what goes back through each function, and nothing else, as in `helpers/deconvnet/ways_back.py`.
 *
 * Zeiler & Fergus (2013, section 2.1) undo a network's functions in reverse, in three steps:
 *
 *     max pooling     is undone by    unpool         each value returns to where its switch says the maximum stood
 *     ReLU            is undone by    rectify        only what is positive goes on
 *     convolution     is undone by    filterBack     the transposed filters; the bias stays out
 *
 * @typedef {object} Maps Feature maps, or a signal on its way back: a plane for each channel, row by row.
 * @property {number} channels
 * @property {number} height
 * @property {number} width
 * @property {Float64Array} values
 *
 * @typedef {object} Filters Of a convolution, as PyTorch keeps them: `(to, from, size, size)`.
 * @property {number} to The channels of its output.
 * @property {number} from Those of its input.
 * @property {number} size
 * @property {number} padding
 * @property {Float64Array} values
 *
 * @typedef {object} Layer What was noted of convolution, ReLU and pooling on the way up.
 * @property {Filters} filters
 * @property {Maps} given What the convolution was given.
 * @property {Maps} active What the ReLU has left.
 * @property {Maps} pooled
 * @property {Int32Array} switches For each pooled value, where in its plane of `active` it stood.
 *
 * @typedef {"deconvnet" | "gradient" | "guided"} Rule
 */

/**
 * @param {number} channels
 * @param {number} height
 * @param {number} width
 * @returns {Maps}
 */
export function zeros(channels, height, width) {
  return { channels, height, width, values: new Float64Array(channels * height * width) };
}

// --- the paper's three steps

/**
 * Each value goes to where its switch says, in a plane of that size. Where windows overlap, they add.
 *
 * @param {Maps} signal
 * @param {Int32Array} switches
 * @param {{height: number, width: number}} size
 */
export function unpool(signal, switches, { height, width }) {
  const back = zeros(signal.channels, height, width);
  const count = signal.height * signal.width;
  for (let channel = 0, k = 0; channel < signal.channels; channel++) {
    const plane = channel * height * width;
    for (const end = k + count; k < end; k++) back.values[plane + switches[k]] += signal.values[k];
  }
  return back;
}

/**
 * `max(signal, 0)`.
 *
 * @param {Maps} signal
 * @returns {Maps}
 */
export function rectify(signal) {
  return { ...signal, values: signal.values.map((value) => Math.max(value, 0)) };
}

/**
 * The transposed convolution: each value puts down its whole filter, multiplied by it, in every channel below.
 *
 * @param {Maps} signal
 * @param {Filters} filters
 * @param {{height: number, width: number}} size Of the planes below.
 */
export function filterBack(signal, { from, size, padding, values }, { height, width }) {
  const back = zeros(from, height, width);
  let at = 0;
  for (let channel = 0; channel < signal.channels; channel++) {
    for (let row = 0; row < signal.height; row++) {
      for (let column = 0; column < signal.width; column++, at++) {
        const value = signal.values[at];
        if (value === 0) continue;
        const [top, left] = [row - padding, column - padding];
        const [first, last] = [Math.max(0, -top), Math.min(size, height - top)];
        const [start, end] = [Math.max(0, -left), Math.min(size, width - left)];
        for (let below = 0; below < from; below++) {
          const filter = (channel * from + below) * size * size;
          for (let i = first; i < last; i++) {
            const to = (below * height + top + i) * width + left;
            for (let j = start; j < end; j++) back.values[to + j] += value * values[filter + i * size + j];
          }
        }
      }
    }
  }
  return back;
}

/**
 * What the way back does at a ReLU, whose output was `activation`: the one place where the three methods differ.
 *
 * @type {Record<Rule, (signal: Maps, activation: Maps) => Maps>}
 */
export const RULES = {
  // Zeiler & Fergus (2013), section 2.1
  deconvnet: (signal) => rectify(signal),
  // Simonyan, Vedaldi & Zisserman (2013), arXiv:1312.6034
  gradient: (signal, activation) => whereActive(signal, activation),
  // Springenberg et al. (2014), arXiv:1412.6806, "Deconvolution"
  guided: (signal, activation) => whereActive(rectify(signal), activation),
};

/**
 * @param {Maps} signal
 * @param {Maps} activation
 * @returns {Maps}
 */
function whereActive(signal, activation) {
  return { ...signal, values: signal.values.map((value, k) => (activation.values[k] > 0 ? value : 0)) };
}

// --- all the way

/**
 * To look at one feature map, all others are set to zero, once, at the top.
 *
 * @param {Maps} maps
 * @param {number} k Its number.
 * @param {number | null} [place] Of its only value that stays, as for its peak; null for all of them.
 * @returns {Maps}
 */
export function alone(maps, k, place = null) {
  const one = zeros(maps.channels, maps.height, maps.width);
  const plane = k * maps.height * maps.width;
  const [from, to] = place === null ? [plane, plane + maps.height * maps.width] : [plane + place, plane + place + 1];
  one.values.set(maps.values.subarray(from, to), from);
  return one;
}

/**
 * The steps from a signal at the output of the last of these layers down to the pixels, and what each has left.
 *
 * @param {Layer[]} layers
 * @param {Maps} signal
 * @param {Rule} rule
 * @returns {Maps[]} Unpooled, rectified, filtered, unpooled, …
 */
export function walk(layers, signal, rule = "deconvnet") {
  const stops = [];
  for (const { filters, given, active, switches } of [...layers].reverse()) {
    stops.push((signal = unpool(signal, switches, active)));
    stops.push((signal = RULES[rule](signal, active)));
    stops.push((signal = filterBack(signal, filters, given)));
  }
  return stops;
}

/**
 * Feature map `k` of the last of these layers, back in pixels.
 *
 * @param {Layer[]} layers
 * @param {number} k
 * @param {{rule?: Rule, peak?: boolean}} [options] Whether only its strongest value goes back.
 */
export function project(layers, k, { rule, peak = false } = {}) {
  const { pooled } = layers[layers.length - 1];
  return /** @type {Maps} */ (walk(layers, alone(pooled, k, peak ? peakOf(pooled, k) : null), rule).pop());
}

/**
 * Where a map is the strongest, counted row by row: the first of several places that are equally strong.
 *
 * @param {Maps} maps
 * @param {number} k
 */
export function peakOf({ height, width, values }, k) {
  const map = values.subarray(k * height * width, (k + 1) * height * width);
  return map.indexOf(map.reduce((most, value) => Math.max(most, value)));
}
