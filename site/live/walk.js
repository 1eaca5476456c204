/**
 * Up through a network of your own, and back: by the steps that were recorded of it, one after the other.
 *
 * The value 0 is the image, the value i what the i-th step gives. All work is done in generators that yield now and then.
 *
 * @typedef {import("./functions.js").Numbers} Numbers
 * @typedef {import("./functions.js").Rule} Rule
 * @typedef {{ function: string, inputs: number[], shape: number[], settings: Map<string, any>,
 *   tensors: Map<string, Numbers[]> }} Step  tensors by their part in the function, one for each set of weights
 * @typedef {{ shape: number[], steps: Step[] }} Recipe  the shape is that of the image
 *
 * What is there of an image after the way up, with a set of weights:
 * @typedef {{ values: Float32Array[], switches: Map<number, Int32Array>, set: number }} Run
 */

import { FUNCTIONS } from "./functions.js";

export class Walk {
  /** @param {Recipe} recipe */
  constructor({ shape, steps }) {
    this.steps = steps;
    this.shapes = [shape, ...steps.map((step) => step.shape)];
    // The filters of the set that was used last, as they lie best in memory.
    /** @type {Map<string, { weight: Numbers, packed: Float64Array }>} */
    this.packed = new Map();
  }

  /**
   * @param {Float32Array} image
   * @param {number} set  of weights
   * @param {number} [last]  the value to end with, if not the last one
   * @returns {Generator<void, Run, void>}
   * @throws {RangeError} a function gives NaN or infinity
   */
  *up(image, set, last = this.steps.length) {
    /** @type {Run} */
    const run = { values: [image], switches: new Map(), set };
    yield* this.further(run, last);
    return run;
  }

  /**
   * Goes on with a run that has ended before the last value.
   * @param {Run} run
   * @param {number} last
   * @returns {Generator<void, void, void>}
   */
  *further(run, last = this.steps.length) {
    for (let value = run.values.length; value <= last; value++) {
      const call = this.call(run, value);
      const given = entry(this.steps[value - 1]).up(call);
      const output = given instanceof Float32Array ? given : yield* given;
      if (!isFinite(output)) {
        throw new RangeError(`step ${value}, ${this.steps[value - 1].function}, gives NaN or infinity`);
      }
      run.values.push(output);
      if (call.switches) {
        run.switches.set(value, call.switches);
      }
      yield;
    }
  }

  /**
   * One map of a value, alone, back in pixels.
   * @param {Run} run
   * @param {number} value
   * @param {number} map
   * @param {"map" | "peak"} select  the whole map, or the first of its strongest places alone
   * @param {Rule} rule
   * @returns {Generator<void, Float32Array, void>}
   */
  *back(run, value, map, select = "map", rule = "deconvnet") {
    /** @type {Map<number, Float32Array>} */
    const signals = new Map([[value, alone(run.values[value], this.shapes[value][1], map, select)]]);
    for (let at = value; at > 0; at--) {
      const signal = signals.get(at);
      if (!signal) {
        continue;
      }
      signals.delete(at);
      const given = entry(this.steps[at - 1]).back(signal, { ...this.call(run, at), rule });
      const back = Array.isArray(given) ? given : yield* given;
      // What goes back to a value adds to what is there already.
      this.steps[at - 1].inputs.forEach((input, i) => {
        const there = signals.get(input);
        signals.set(input, there ? there.map((number, j) => number + back[i][j]) : back[i]);
      });
      yield;
    }
    return signals.get(0) ?? new Float32Array(run.values[0].length);
  }

  /** @param {Run} run @param {number} value @returns {import("./functions.js").Call} */
  call(run, value) {
    const { inputs, shape, settings, tensors } = this.steps[value - 1];
    const tensor = (/** @type {string} */ part) => tensors.get(part)?.[run.set];
    return {
      inputs: inputs.map((input) => run.values[input]),
      from: inputs.map((input) => this.shapes[input]),
      shape,
      settings,
      tensor,
      packed: (way, pack) => {
        const [key, weight] = [`${value} ${way}`, /** @type {Float32Array} */ (tensor("weight"))];
        const there = this.packed.get(key);
        if (there?.weight === weight) {
          return there.packed;
        }
        const packed = pack(weight);
        this.packed.set(key, { weight, packed });
        return packed;
      },
      output: run.values[value],
      switches: run.switches.get(value),
    };
  }
}

/** @param {Step} step */
function entry(step) {
  return /** @type {import("./functions.js").Entry} */ (FUNCTIONS.get(step.function));
}

/** Whether all are: NaN and infinity times zero are NaN. @param {Float32Array} numbers */
function isFinite(numbers) {
  let sum = 0;
  for (let i = 0; i < numbers.length; i++) {
    sum += 0 * numbers[i];
  }
  return sum === 0;
}

/** The map alone, all others of its value being zero. @param {Float32Array} values @param {number} maps
 * @param {number} map @param {"map" | "peak"} select */
function alone(values, maps, map, select) {
  const size = values.length / maps;
  const top = new Float32Array(values.length);
  const own = values.subarray(map * size, (map + 1) * size);
  if (select === "map") {
    top.set(own, map * size);
  } else {
    const peak = own.indexOf(own.reduce((most, number) => Math.max(most, number)));
    top[map * size + peak] = own[peak];
  }
  return top;
}
