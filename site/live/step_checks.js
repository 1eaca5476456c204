/**
 * What the steps in a file may be: the inputs, settings and tensors of each function have to fit what it gives. So none
 * reads beyond its numbers, or goes on for long.
 */

import { sizeOf, windowsOf } from "./functions.js";
import { LARGEST, insist, isListOf, isWhole } from "./plain_data.js";

/** @typedef {import("./walk.js").Step} Step */

class StepCheck {
  /**
   * @param {Step} step
   * @param {number[][]} from The shapes of its inputs.
   * @param {string} said What a sentence calls it.
   */
  constructor(step, from, said) {
    this.step = step;
    this.from = from;
    this.said = said;
    this.size = sizeOf(step.shape);
    this.sizes = from.map(sizeOf);
    this.total = this.sizes.reduce((sum, size) => sum + size, 0);
  }

  /** @param {unknown} holds @param {string} fault */
  is(holds, fault) {
    insist(holds, `${this.said} ${fault}.`);
  }

  /** @param {boolean} holds */
  fits(holds) {
    this.is(holds, "does not give what its shape says");
  }

  /** @param {number} work What is not done in slices has to be little. */
  isLittle(work) {
    this.is(work <= LARGEST.work, "is too large for the page");
  }

  /** @param {string} name */
  setting(name) {
    return this.step.settings.get(name);
  }

  /** @param {string} part How many numbers it has; −1 if it is missing. */
  lengthOf(part) {
    return this.step.tensors.get(part)?.[0].length ?? -1;
  }

  /** @param {string} part @param {number} length */
  has(part, length) {
    this.is(this.lengthOf(part) === length, `has no ${part} that fits its shape`);
  }

  /** @param {string} part @param {number} length */
  mayHave(part, length) {
    if (this.lengthOf(part) >= 0) this.has(part, length);
  }

  /** @param {string} part One number for all, or one for each of equal parts. */
  hasSpread(part) {
    this.is(this.lengthOf(part) > 0 && this.size % this.lengthOf(part) === 0, `has no ${part} that fits its shape`);
  }

  /** @param {string} part @param {number} low @param {number} end */
  reads(part, low, end) {
    for (const numbers of new Set(this.step.tensors.get(part))) {
      this.is(
        numbers.every((one) => one >= low && one < end),
        "reads beyond its input",
      );
    }
  }

  /** The maps, rows and columns before and behind it. */
  planes() {
    const [before, behind] = [this.from[0], this.step.shape];
    for (const shape of [before, behind]) {
      const planes = shape.slice(-3);
      const isPlain = planes.length === 3 && sizeOf(planes) === sizeOf(shape);
      this.is(isPlain && Math.max(planes[1], planes[2]) <= LARGEST.side, "does not take and give planes");
    }
    return [before.slice(-3), behind.slice(-3)];
  }

  /** How many places a window has, whose settings are looked at. */
  taps() {
    const [before, behind] = this.planes();
    for (const [name, low] of /** @type {[string, number][]} */ (Object.entries(WINDOW))) {
      const isPair = (/** @type {unknown} */ one) => isWhole(one, low, LARGEST.kernel);
      this.is(isListOf(this.setting(name), 2, isPair) && this.setting(name).length === 2, `has no ${name}`);
    }
    for (const axis of [0, 1]) {
      const last = (behind[axis + 1] - 1) * this.setting("stride")[axis] - this.setting("padding")[axis];
      this.fits(last < before[axis + 1]);
    }
    return sizeOf(this.setting("kernel"));
  }
}

/** The settings of a window, and the least that they can be. */
const WINDOW = { kernel: 1, stride: 1, padding: 0, dilation: 1 };

/** @type {Record<string, (check: StepCheck) => number>} Each gives the number of multiplications. */
const CHECKS = {
  conv2d(check) {
    const taps = check.taps();
    const [[from], [to, ...plane]] = check.planes();
    const groups = check.setting("groups");
    const isDivided = isWhole(groups, 1, LARGEST.numbers) && from % groups === 0 && to % groups === 0;
    check.is(isDivided, "has groups that don't fit its maps");
    check.has("weight", ((to * from) / groups) * taps);
    check.mayHave("bias", to);
    return sizeOf(plane) * check.lengthOf("weight");
  },
  max_pool2d(check) {
    const work = check.size * check.taps();
    const [[from], [to]] = check.planes();
    check.fits(from === to);
    check.isLittle(work);
    const windows = windowsOf({ ...check.step, from: check.from }).flat();
    check.is(
      windows.every((pairs) => pairs.length > 0),
      "has a window that holds nothing but padding",
    );
    return work;
  },
  adaptive_max_pool2d(check) {
    const [[from], [to]] = check.planes();
    check.fits(from === to);
    return check.size + check.total;
  },
  relu(check) {
    check.fits(check.size === check.total);
    const most = check.setting("max");
    check.is(most === undefined || (Number.isFinite(most) && most > 0), "has a maximum that is none");
    return check.size;
  },
  local_response_norm(check) {
    const [size, alpha, beta, k] = ["size", "alpha", "beta", "k"].map((name) => check.setting(name));
    check.fits(check.size === check.total && check.step.shape.length > 1 && check.step.shape[0] === 1);
    check.is(isWhole(size, 1, LARGEST.side) && [alpha, beta, k].every(Number.isFinite), "has settings that are none");
    check.is(alpha >= 0 && k > 0, "divides by zero, or by less");
    check.isLittle(check.size * size);
    return check.size * size;
  },
  linear(check) {
    check.has("weight", check.size * check.total);
    check.mayHave("bias", check.size);
    return check.size * check.total;
  },
  add(check) {
    check.fits(check.sizes.every((size) => size === check.size));
    check.is(Number.isFinite(check.setting("alpha")), "has no alpha");
    return check.size;
  },
  cat(check) {
    check.fits(check.size === check.total);
    return check.size;
  },
  reshape(check) {
    check.fits(check.size === check.total);
    return check.size;
  },
  take(check) {
    check.has("index", check.size);
    check.mayHave("constant", check.size);
    check.reads("index", -1, check.total);
    return check.size;
  },
  scale(check) {
    check.fits(check.size === check.total);
    check.hasSpread("factor");
    check.hasSpread("shift");
    return check.size;
  },
  matrix(check) {
    const [parts, entries] = [check.setting("planes"), check.lengthOf("weight")];
    const isCut = isWhole(parts, 1, LARGEST.numbers) && check.size % parts === 0 && check.total % parts === 0;
    check.is(isCut, "is cut into parts that don't fit it");
    check.has("starts", check.size / parts + 1);
    check.has("columns", entries);
    check.hasSpread("shift");
    check.reads("columns", 0, check.total / parts);
    for (const starts of new Set(check.step.tensors.get("starts"))) {
      const isInOrder = starts.every((one, row) => one >= (row ? starts[row - 1] : 0));
      check.is(
        isInOrder && starts[0] === 0 && starts[starts.length - 1] === entries,
        "has rows that don't follow each other",
      );
    }
    check.isLittle(parts * entries);
    return parts * entries;
  },
};

/**
 * How many multiplications a step takes.
 *
 * @param {Step} step Whose function is known.
 * @param {number[][]} from The shapes of its inputs.
 * @param {string} said What a sentence calls it.
 * @throws {import("./plain_data.js").Unreadable}
 */
export function multiplicationsOf(step, from, said) {
  const check = new StepCheck(step, from, said);
  const count = from.length;
  const isRight = ["cat", "take"].includes(step.function) ? count > 0 : count === (step.function === "add" ? 2 : 1);
  check.is(isRight, "takes another number of inputs");
  check.is(check.total <= LARGEST.numbers, "takes too much");
  return CHECKS[step.function](check);
}
