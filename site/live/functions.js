/**
 * What each function of a recipe gives, and what goes back to its inputs, as in Python's `ways_back.py`.
 *
 * @typedef {Float32Array | Int32Array} Numbers
 * @typedef {"deconvnet" | "gradient" | "guided"} Rule
 *
 * One function, as it is called:
 * @typedef {object} Call
 * @property {Float32Array[]} inputs
 * @property {number[][]} from  the shapes of the inputs
 * @property {number[]} shape  of the output
 * @property {Map<string, any>} settings
 * @property {(part: string) => any} tensor  the weights of this part
 * @property {(way: string, pack: (weight: Float32Array) => Float64Array) => Float64Array} packed  them, packed once
 * @property {Float32Array} [output]  once it is there
 * @property {Int32Array} [switches]  of a max pooling
 * @property {Rule} [rule]
 *
 * @typedef {Float32Array | Generator<void, Float32Array, void>} Up
 * @typedef {Float32Array[] | Generator<void, Float32Array[], void>} Back  a signal for each input
 * @typedef {{ up: (call: Call) => Up, back: (signal: Float32Array, call: Call) => Back }} Entry
 */

import { addRows, filtered, packed, planes, reach } from "./filters.js";

// Max pooling is undone by unpooling

/** @param {Call} call @returns {import("./filters.js").Pairs[][]} the windows along both axes */
export function windows({ from, shape, settings }) {
  return [0, 1].map((axis) => {
    const [places, count] = [planes(from[0]).sides[axis], planes(shape).sides[axis]];
    return settings.has("kernel") ? reach(along(settings, axis), places, count).up : adaptive(places, count);
  });
}

/** @param {Map<string, any>} settings @param {number} axis */
export function along(settings, axis) {
  const [kernel, stride, padding, dilation] = ["kernel", "stride", "padding", "dilation"].map(
    (name) => /** @type {number} */ (settings.get(name)[axis]),
  );
  return { kernel, stride, padding, dilation };
}

/** So many windows that together cover all places. @param {number} places @param {number} count */
function adaptive(places, count) {
  return Array.from({ length: count }, (_, i) => {
    const [start, end] = [Math.floor((i * places) / count), Math.ceil(((i + 1) * places) / count)];
    return Array.from({ length: end - start }, (_, tap) => /** @type {[number, number]} */ ([tap, start + tap]));
  });
}

/** @param {Call} call */
function maxPool(call) {
  const [rows, columns] = windows(call);
  const { maps, sides, size } = planes(call.from[0]);
  const [input] = call.inputs;
  const pooled = new Float32Array(maps * rows.length * columns.length);
  const switches = new Int32Array(pooled.length);
  for (let map = 0, at = 0; map < maps; map++) {
    for (const row of rows) {
      for (const column of columns) {
        let strongest = row[0][1] * sides[1] + column[0][1];
        for (let r = 0; r < row.length; r++) {
          for (let c = 0; c < column.length; c++) {
            const place = row[r][1] * sides[1] + column[c][1];
            if (input[map * size + place] > input[map * size + strongest]) {
              strongest = place;
            }
          }
        }
        pooled[at] = input[map * size + strongest];
        switches[at++] = strongest;
      }
    }
  }
  call.switches = switches;
  return pooled;
}

/** Each number returns to where its switch says the maximum stood. Where windows overlap, they add.
 * @param {Float32Array} signal @param {Call} call */
function unpool(signal, { switches, from }) {
  const { maps, size } = planes(from[0]);
  const unpooled = new Float32Array(maps * size);
  const pooled = signal.length / maps;
  for (let map = 0, at = 0; map < maps; map++) {
    for (let i = 0; i < pooled; i++, at++) {
      unpooled[map * size + /** @type {Int32Array} */ (switches)[at]] += signal[at];
    }
  }
  return [unpooled];
}

// ReLU is undone by rectifying

/** @type {Record<Rule, (signal: number, open: boolean) => number>} */
const RULES = {
  deconvnet: (signal) => Math.max(signal, 0),
  gradient: (signal, open) => (open ? signal : 0),
  guided: (signal, open) => (open ? Math.max(signal, 0) : 0),
};

/** @type {Entry} */
const relu = {
  up({ inputs, settings }) {
    const most = settings.get("max") ?? Infinity;
    return inputs[0].map((number) => Math.min(Math.max(number, 0), most));
  },
  back(signal, { output, settings, rule = "deconvnet" }) {
    const most = settings.get("max") ?? Infinity;
    const passes = RULES[rule];
    const given = /** @type {Float32Array} */ (output);
    return [signal.map((number, i) => passes(number, given[i] > 0 && given[i] < most))];
  },
};

// Convolution is undone by filtering back

/** @param {Call} call @param {boolean} back */
function convolution(call, back) {
  const [from, to] = [planes(call.from[0]), planes(call.shape)];
  const [rows, columns] = [0, 1].map((axis) => {
    const pairs = reach(along(call.settings, axis), from.sides[axis], to.sides[axis]);
    return back ? pairs.back : pairs.up;
  });
  const [taps, groups] = [call.settings.get("kernel"), call.settings.get("groups")];
  const sizes = { from: from.maps / groups, to: to.maps / groups, taps: taps[0] * taps[1] };
  const weights = call.packed(back ? "back" : "up", (weight) => packed(weight, sizes, back));
  const [inside, outside] = back ? [to, from] : [from, to];
  return { geometry: { inside, outside, rows, columns, taps, groups }, weights };
}

/** @type {Entry} */
const conv2d = {
  up(call) {
    const { geometry, weights } = convolution(call, false);
    return filtered(call.inputs[0], geometry, weights, call.tensor("bias"));
  },
  *back(signal, call) {
    const { geometry, weights } = convolution(call, true);
    return [yield* filtered(signal, geometry, weights)];
  },
};

// All others are linear but for a constant, and undone by their transpose

/** @type {Entry} */
const linear = {
  up({ inputs: [input], shape, tensor }) {
    const [weight, bias] = [tensor("weight"), tensor("bias")];
    const output = new Float32Array(count(shape));
    for (let k = 0, at = 0; k < output.length; k++) {
      let sum = bias ? bias[k] : 0;
      for (let i = 0; i < input.length; i++) {
        sum += weight[at++] * input[i];
      }
      output[k] = sum;
    }
    return output;
  },
  back(signal, { inputs: [input], tensor }) {
    const sums = new Float64Array(input.length);
    const there = Int32Array.from(signal.keys()).filter((k) => signal[k] !== 0);
    const numbers = Float64Array.from(there, (k) => signal[k]);
    addRows(sums, numbers, there.map((k) => k * input.length), there.length, tensor("weight"));
    return [Float32Array.from(sums)];
  },
};

/** @type {Entry} */
const add = {
  up({ inputs: [one, other], settings }) {
    const alpha = settings.get("alpha");
    return one.map((number, i) => number + alpha * other[i]);
  },
  back(signal, { settings }) {
    const alpha = settings.get("alpha");
    return [signal, alpha === 1 ? signal : signal.map((number) => alpha * number)];
  },
};

/** @type {Entry} */
const cat = {
  up: ({ inputs }) => joined(inputs),
  back: parted,
};

/** @param {Float32Array[]} inputs */
function joined(inputs) {
  const all = new Float32Array(inputs.reduce((sum, input) => sum + input.length, 0));
  let at = 0;
  for (const input of inputs) {
    all.set(input, at);
    at += input.length;
  }
  return all;
}

/** @param {Float32Array} signal @param {Call} call */
function parted(signal, { inputs }) {
  let at = 0;
  return inputs.map((input) => signal.subarray(at, (at += input.length)));
}

/** @type {Entry} */
const reshape = {
  up: ({ inputs: [input] }) => input,
  back: (signal) => [signal],
};

/** @type {Entry} */
const take = {
  up({ inputs, tensor }) {
    const [index, constant, all] = [tensor("index"), tensor("constant"), joined(inputs)];
    const output = new Float32Array(index.length);
    for (let i = 0; i < index.length; i++) {
      output[i] = (index[i] < 0 ? 0 : all[index[i]]) + (constant ? constant[i] : 0);
    }
    return output;
  },
  back(signal, call) {
    const index = call.tensor("index");
    const all = new Float32Array(call.inputs.reduce((sum, input) => sum + input.length, 0));
    for (let i = 0; i < index.length; i++) {
      if (index[i] >= 0) {
        all[index[i]] += signal[i];
      }
    }
    return parted(all, call);
  },
};

/** One number for all, for each map, or for each number: which of them is that of the number i?
 * @param {Numbers} numbers @param {number} count @returns {(i: number) => number} */
function shared(numbers, count) {
  const share = count / numbers.length;
  return (i) => numbers[Math.floor(i / share)];
}

/** @type {Entry} */
const scale = {
  up({ inputs: [input], tensor }) {
    const [factor, shift] = [shared(tensor("factor"), input.length), shared(tensor("shift"), input.length)];
    return input.map((number, i) => number * factor(i) + shift(i));
  },
  back(signal, { tensor }) {
    const factor = shared(tensor("factor"), signal.length);
    return [signal.map((number, i) => number * factor(i))];
  },
};

/** @type {Entry} */
const matrix = {
  up({ inputs: [input], shape, settings, tensor }) {
    const output = new Float32Array(count(shape));
    const shift = shared(tensor("shift"), output.length);
    forEachEntry(settings.get("planes"), output.length, input.length, tensor, (to, from, weight) => {
      output[to] += weight * input[from];
    });
    return output.map((number, i) => number + shift(i));
  },
  back(signal, { inputs: [input], settings, tensor }) {
    const back = new Float32Array(input.length);
    forEachEntry(settings.get("planes"), signal.length, input.length, tensor, (to, from, weight) => {
      back[from] += weight * signal[to];
    });
    return [back];
  },
};

/** The entries of a sparse matrix that each of so many parts goes through.
 * @param {number} parts @param {number} outputs @param {number} inputs @param {(part: string) => any} tensor
 * @param {(to: number, from: number, weight: number) => void} visit */
function forEachEntry(parts, outputs, inputs, tensor, visit) {
  const [starts, columns, weight] = [tensor("starts"), tensor("columns"), tensor("weight")];
  for (let part = 0, to = 0; part < parts; part++) {
    const first = (part * inputs) / parts;
    for (let row = 0; row < outputs / parts; row++, to++) {
      for (let at = starts[row]; at < starts[row + 1]; at++) {
        visit(to, first + columns[at], weight[at]);
      }
    }
  }
}

/** The paper leaves its normalisation out on the way down. @type {Entry} */
const localResponseNorm = {
  up({ inputs: [input], shape, settings }) {
    const [size, alpha, beta, k] = ["size", "alpha", "beta", "k"].map((name) => settings.get(name));
    const maps = shape[1];
    const plane = input.length / maps;
    return input.map((number, i) => {
      const map = Math.floor(i / plane);
      let squares = 0;
      for (let other = map - Math.floor(size / 2); other <= map + Math.floor((size - 1) / 2); other++) {
        if (other >= 0 && other < maps) {
          squares += input[i + (other - map) * plane] ** 2;
        }
      }
      return number / (k + (alpha * squares) / size) ** beta;
    });
  },
  back: (signal) => [signal],
};

/** How many numbers have this shape. @param {number[]} shape */
export function count(shape) {
  return shape.reduce((all, side) => all * side, 1);
}

/** @type {Map<string, Entry>} */
export const FUNCTIONS = new Map([
  // the paper's three
  ["max_pool2d", { up: maxPool, back: unpool }],
  ["relu", relu],
  ["conv2d", conv2d],
  // others
  ["adaptive_max_pool2d", { up: maxPool, back: unpool }],
  ["local_response_norm", localResponseNorm],
  ["linear", linear],
  ["add", add],
  ["cat", cat],
  ["reshape", reshape],
  ["take", take],
  ["scale", scale],
  ["matrix", matrix],
]);
