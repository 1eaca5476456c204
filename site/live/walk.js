/**
 * Up through a network of your own, and back: by the steps that were recorded of it, one after the other.
 *
 * The value 0 is the image, the value i what the i-th step gives. All work is done in generators that yield now and then.
 *
 * @typedef {import("./functions.js").Numbers} Numbers
 * @typedef {import("./deconvnet.js").Rule} Rule
 *
 * @typedef {object} Step
 * @property {string} function
 * @property {number[]} inputs
 * @property {number[]} shape
 * @property {Map<string, any>} settings
 * @property {Map<string, Numbers[]>} tensors By their part in the function, one for each set of weights.
 *
 * @typedef {object} Recipe
 * @property {number[]} shape Of the image.
 * @property {Step[]} steps
 *
 * @typedef {object} Run What is there of an image after the way up.
 * @property {Float64Array[]} values
 * @property {Map<number, Int32Array>} switches
 * @property {number} set Of weights.
 */

import { alone, peakOf } from "./deconvnet.js";
import { FUNCTIONS, asMaps } from "./functions.js";

export class Walk {
  #steps;
  #shapes;
  /** @type {Map<string, {weight: Numbers, packed: Float64Array}>} Filters of the set that was used last. */
  #packed = new Map();

  /** @param {Recipe} recipe */
  constructor({ shape, steps }) {
    this.#steps = steps;
    this.#shapes = [shape, ...steps.map((step) => step.shape)];
  }

  /**
   * @param {ArrayLike<number>} image
   * @param {number} set Of weights.
   * @returns {Generator<void, Run, void>}
   * @throws {RangeError} A function gives NaN or infinity.
   */
  *up(image, set) {
    /** @type {Run} */
    const run = { values: [Float64Array.from(image)], switches: new Map(), set };
    for (const [k, step] of this.#steps.entries()) {
      const call = this.#call(run, k + 1);
      const given = entryOf(step).up(call);
      const output = given instanceof Float64Array ? given : yield* given;
      if (!areFinite(output)) throw new RangeError(`step ${k + 1}, ${step.function}, gives NaN or infinity`);
      run.values.push(output);
      if (call.switches) run.switches.set(k + 1, call.switches);
      yield;
    }
    return run;
  }

  /**
   * One map of a value, alone, back in pixels.
   *
   * @param {Run} run
   * @param {number} value
   * @param {number} map
   * @param {boolean} [peak] The first of its strongest places, rather than all of it.
   * @param {Rule} [rule]
   * @returns {Generator<void, Float64Array, void>}
   */
  *back(run, value, map, peak = false, rule = "deconvnet") {
    const maps = asMaps(run.values[value], this.#shapes[value]);
    const top = alone(maps, map, peak ? peakOf(maps, map) : null);
    const signals = new Map([[value, top.values]]);
    for (let at = value; at > 0; at--) {
      const signal = signals.get(at);
      if (!signal) continue;
      signals.delete(at);
      const step = this.#steps[at - 1];
      const given = entryOf(step).back(signal, this.#call(run, at), rule);
      const back = Array.isArray(given) ? given : yield* given;
      // What goes back to a value adds to what is there already.
      step.inputs.forEach((input, i) => {
        const there = signals.get(input);
        signals.set(input, there ? there.map((one, k) => one + back[i][k]) : back[i]);
      });
      yield;
    }
    return signals.get(0) ?? new Float64Array(run.values[0].length);
  }

  /**
   * @param {Run} run
   * @param {number} value That the call gives.
   * @returns {import("./functions.js").Call}
   */
  #call(run, value) {
    const { inputs, shape, settings, tensors } = this.#steps[value - 1];
    const tensor = (/** @type {string} */ part) => tensors.get(part)?.[run.set];
    return {
      inputs: inputs.map((input) => run.values[input]),
      from: inputs.map((input) => this.#shapes[input]),
      shape,
      settings,
      tensor,
      packed: (way, pack) => {
        const [key, weight] = [`${value} ${way}`, /** @type {Float32Array} */ (tensor("weight"))];
        let there = this.#packed.get(key);
        if (there?.weight !== weight) {
          there = { weight, packed: pack(weight) };
          this.#packed.set(key, there);
        }
        return there.packed;
      },
      output: run.values[value],
      switches: run.switches.get(value),
    };
  }
}

/** @param {Step} step */
function entryOf(step) {
  return /** @type {import("./functions.js").Entry} */ (FUNCTIONS.get(step.function));
}

/** @param {ArrayLike<number>} numbers NaN and infinity times zero are NaN. */
export function areFinite(numbers) {
  let sum = 0;
  for (let i = 0; i < numbers.length; i++) sum += 0 * numbers[i];
  return sum === 0;
}
