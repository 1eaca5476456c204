/**
 * What each function of a recipe gives, and what goes back to its inputs, as in `helpers/deconvnet/ways_back.py`. The
 * paper's steps are those of `deconvnet.js`.
 *
 * @typedef {import("./deconvnet.js").Maps} Maps
 * @typedef {import("./deconvnet.js").Rule} Rule
 * @typedef {Float32Array | Int32Array} Numbers
 *
 * @typedef {object} Call One function, as it is called.
 * @property {Float64Array[]} inputs
 * @property {number[][]} from Their shapes.
 * @property {number[]} shape Of the output.
 * @property {Map<string, any>} settings
 * @property {(part: string) => any} tensor The weights of this part.
 * @property {(way: string, pack: (weight: Float32Array) => Float64Array) => Float64Array} packed Them, packed once.
 * @property {Float64Array} output Once it is there.
 * @property {Int32Array} [switches] Of a max pooling.
 *
 * @typedef {Float64Array | Generator<void, Float64Array, void>} Given
 * @typedef {Float64Array[] | Generator<void, Float64Array[], void>} Back A signal for each input.
 *
 * @typedef {object} Entry
 * @property {(call: Call) => Given} up
 * @property {(signal: Float64Array, call: Call, rule: Rule) => Back} back
 */

import { RULES, unpool } from "./deconvnet.js";
import { addRows, filtered, filtersByTap, pairsOfPlaces, planesOf } from "./filters.js";

/** @type {Entry} */
const MAX_POOLING = {
  up(call) {
    const [rows, columns] = windowsOf(call);
    const { maps, sides, size } = planesOf(call.from[0]);
    const [input] = call.inputs;
    const pooled = new Float64Array(maps * rows.length * columns.length);
    const switches = new Int32Array(pooled.length);
    for (let map = 0, at = 0; map < maps; map++) {
      for (const row of rows) {
        for (const column of columns) {
          let strongest = row[0][1] * sides[1] + column[0][1];
          for (let r = 0; r < row.length; r++) {
            for (let c = 0; c < column.length; c++) {
              const place = row[r][1] * sides[1] + column[c][1];
              if (input[map * size + place] > input[map * size + strongest]) strongest = place;
            }
          }
          pooled[at] = input[map * size + strongest];
          switches[at++] = strongest;
        }
      }
    }
    call.switches = switches;
    return pooled;
  },
  back(signal, { switches, from, shape }) {
    const { sides } = planesOf(from[0]);
    const size = { height: sides[0], width: sides[1] };
    return [unpool(asMaps(signal, shape), /** @type {Int32Array} */ (switches), size).values];
  },
};

/** @type {Record<string, Entry>} */
const ENTRIES = {
  // the paper's three
  max_pool2d: MAX_POOLING,
  relu: {
    up({ inputs: [input], settings }) {
      const most = settings.get("max") ?? Infinity;
      return input.map((value) => Math.min(Math.max(value, 0), most));
    },
    back(signal, { output, shape, settings }, rule) {
      // Above a maximum a gradient ends as it does below zero.
      const most = settings.get("max") ?? Infinity;
      const passed = most < Infinity ? output.map((value) => (value < most ? value : 0)) : output;
      return [RULES[rule](asMaps(signal, shape), asMaps(passed, shape)).values];
    },
  },
  conv2d: {
    up(call) {
      const { geometry, weights } = filtersOf(call, false);
      return filtered(call.inputs[0], geometry, weights, call.tensor("bias"));
    },
    *back(signal, call) {
      const { geometry, weights } = filtersOf(call, true);
      return [yield* filtered(signal, geometry, weights)];
    },
  },
  adaptive_max_pool2d: MAX_POOLING,
  // the paper leaves its normalisation out on the way down
  local_response_norm: {
    up({ inputs: [input], shape, settings }) {
      const [size, alpha, beta, k] = ["size", "alpha", "beta", "k"].map((name) => settings.get(name));
      const maps = shape[1];
      const plane = input.length / maps;
      return input.map((value, i) => {
        const map = Math.floor(i / plane);
        const last = Math.min(maps - 1, map + Math.floor((size - 1) / 2));
        let squares = 0;
        for (let other = Math.max(0, map - Math.floor(size / 2)); other <= last; other++) {
          squares += input[i + (other - map) * plane] ** 2;
        }
        return value / (k + (alpha * squares) / size) ** beta;
      });
    },
    back: (signal) => [signal],
  },
  // linear but for a constant: back by the transpose
  linear: {
    up({ inputs: [input], shape, tensor }) {
      const [weight, bias] = [tensor("weight"), tensor("bias")];
      const output = new Float64Array(sizeOf(shape));
      for (let k = 0, at = 0; k < output.length; k++) {
        let sum = bias ? bias[k] : 0;
        for (let i = 0; i < input.length; i++) sum += weight[at++] * input[i];
        output[k] = sum;
      }
      return output;
    },
    back(signal, { inputs: [input], tensor }) {
      const sums = new Float64Array(input.length);
      const there = Int32Array.from(signal.keys()).filter((k) => signal[k] !== 0);
      const starts = there.map((k) => k * input.length);
      addRows(
        sums,
        Float64Array.from(there, (k) => signal[k]),
        starts,
        there.length,
        tensor("weight"),
      );
      return [sums];
    },
  },
  add: {
    up({ inputs: [one, other], settings }) {
      const alpha = settings.get("alpha");
      return one.map((value, i) => value + alpha * other[i]);
    },
    back(signal, { settings }) {
      const alpha = settings.get("alpha");
      return [signal, alpha === 1 ? signal : signal.map((value) => alpha * value)];
    },
  },
  cat: {
    up: ({ inputs }) => inARow(inputs),
    back: partsOfInputs,
  },
  reshape: {
    up: ({ inputs: [input] }) => input,
    back: (signal) => [signal],
  },
  take: {
    up({ inputs, tensor }) {
      const [index, constant, all] = [tensor("index"), tensor("constant"), inARow(inputs)];
      const output = new Float64Array(index.length);
      for (let i = 0; i < index.length; i++) {
        output[i] = (index[i] < 0 ? 0 : all[index[i]]) + (constant ? constant[i] : 0);
      }
      return output;
    },
    back(signal, call) {
      const index = call.tensor("index");
      const all = new Float64Array(call.inputs.reduce((sum, { length }) => sum + length, 0));
      for (let i = 0; i < index.length; i++) if (index[i] >= 0) all[index[i]] += signal[i];
      return partsOfInputs(all, call);
    },
  },
  scale: {
    up({ inputs: [input], tensor }) {
      const [factor, shift] = [spread(tensor("factor"), input.length), spread(tensor("shift"), input.length)];
      return input.map((value, i) => value * factor(i) + shift(i));
    },
    back(signal, { tensor }) {
      const factor = spread(tensor("factor"), signal.length);
      return [signal.map((value, i) => value * factor(i))];
    },
  },
  matrix: {
    up(call) {
      const output = new Float64Array(sizeOf(call.shape));
      const shift = spread(call.tensor("shift"), output.length);
      forEachEntry(call, (to, from, weight) => (output[to] += weight * call.inputs[0][from]));
      return output.map((value, i) => value + shift(i));
    },
    back(signal, call) {
      const back = new Float64Array(call.inputs[0].length);
      forEachEntry(call, (to, from, weight) => (back[from] += weight * signal[to]));
      return [back];
    },
  },
};

export const FUNCTIONS = new Map(Object.entries(ENTRIES));

/**
 * What a max pooling sees along both axes: for each window, its places.
 *
 * @param {Pick<Call, "from" | "shape" | "settings">} call
 */
export function windowsOf({ from, shape, settings }) {
  return [0, 1].map((axis) => {
    const [places, count] = [planesOf(from[0]).sides[axis], planesOf(shape).sides[axis]];
    return settings.has("kernel")
      ? pairsOfPlaces(alongAxis(settings, axis), places, count).up
      : covering(places, count);
  });
}

/**
 * So many windows that together cover all places.
 *
 * @param {number} places
 * @param {number} count
 */
function covering(places, count) {
  return Array.from({ length: count }, (_, i) => {
    const [start, end] = [Math.floor((i * places) / count), Math.ceil(((i + 1) * places) / count)];
    return Array.from({ length: end - start }, (_, tap) => /** @type {[number, number]} */ ([tap, start + tap]));
  });
}

/** @param {Map<string, any>} settings @param {number} axis 0 for rows. */
function alongAxis(settings, axis) {
  const names = ["kernel", "stride", "padding", "dilation"];
  const [kernel, stride, padding, dilation] = names.map((name) => /** @type {number} */ (settings.get(name)[axis]));
  return { kernel, stride, padding, dilation };
}

/** @param {Call} call @param {boolean} back */
function filtersOf(call, back) {
  const [from, to] = [planesOf(call.from[0]), planesOf(call.shape)];
  const [rows, columns] = [0, 1].map((axis) => {
    const pairs = pairsOfPlaces(alongAxis(call.settings, axis), from.sides[axis], to.sides[axis]);
    return back ? pairs.back : pairs.up;
  });
  const [taps, groups] = [call.settings.get("kernel"), call.settings.get("groups")];
  const sizes = { from: from.maps / groups, to: to.maps / groups, taps: sizeOf(taps) };
  const weights = call.packed(back ? "back" : "up", (weight) => filtersByTap(weight, sizes, back));
  const [inside, outside] = back ? [to, from] : [from, to];
  return { geometry: { inside, outside, rows, columns, taps, groups }, weights };
}

/** @param {Float64Array} values @param {number[]} shape `[1, C, h, w]` or `[1, C]` @returns {Maps} */
export function asMaps(values, shape) {
  const [height, width] = shape.length > 2 ? shape.slice(-2) : [1, 1];
  return { channels: values.length / (height * width), height, width, values };
}

/** @param {Float64Array[]} inputs */
function inARow(inputs) {
  const all = new Float64Array(inputs.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const input of inputs) {
    all.set(input, at);
    at += input.length;
  }
  return all;
}

/** @param {Float64Array} signal @param {Call} call */
function partsOfInputs(signal, { inputs }) {
  let at = 0;
  return inputs.map(({ length }) => signal.subarray(at, (at += length)));
}

/**
 * One number for all, one for each map, or one for each value: which of them is that of the value i?
 *
 * @param {Float32Array} numbers
 * @param {number} count Of the values.
 */
function spread(numbers, count) {
  const share = count / numbers.length;
  return (/** @type {number} */ i) => numbers[Math.floor(i / share)];
}

/**
 * The entries of a sparse matrix that each of a few equal parts goes through.
 *
 * @param {Call} call
 * @param {(to: number, from: number, weight: number) => void} visit
 */
function forEachEntry({ inputs, shape, settings, tensor }, visit) {
  const [starts, columns, weight] = [tensor("starts"), tensor("columns"), tensor("weight")];
  const parts = settings.get("planes");
  const [inputsOfPart, outputsOfPart] = [inputs[0].length / parts, sizeOf(shape) / parts];
  for (let part = 0, to = 0; part < parts; part++) {
    for (let row = 0; row < outputsOfPart; row++, to++) {
      for (let at = starts[row]; at < starts[row + 1]; at++) {
        visit(to, part * inputsOfPart + columns[at], weight[at]);
      }
    }
  }
}

/** @param {number[]} shape How many numbers have it. */
export function sizeOf(shape) {
  return shape.reduce((product, side) => product * side, 1);
}
