/**
 * What can be chosen in an explorer, and what is, as in `helpers/explorers/controls.py`.
 *
 * @typedef {import("../../helpers/explorers/page/controls.js").Range} Range
 *
 * @typedef {object} Setting
 * @property {"slider" | "buttons"} kind
 * @property {number} at Where it stands. It goes to the nearest place where it can.
 * @property {Range} range
 * @property {string} told How it stands, for an address.
 * @property {(told: string) => boolean} take Let it stand like that; false where it can't.
 */

/**
 * A whole number from `low` to `high`, which may change.
 *
 * @implements {Setting}
 */
export class Whole {
  kind = /** @type {const} */ ("slider");
  #at;

  /**
   * @param {number} low
   * @param {number} high
   */
  constructor(low, high) {
    this.low = low;
    this.high = high;
    this.#at = low <= 0 && 0 <= high ? 0 : low;
  }

  get at() {
    return Math.min(Math.max(this.#at, this.low), this.high);
  }

  set at(number) {
    this.#at = number;
    this.#at = this.at;
  }

  get range() {
    return { low: this.low, high: this.high };
  }

  get told() {
    return `${this.at}`;
  }

  /** @param {string} told */
  take(told) {
    this.at = /^-?\d+$/.test(told) ? Number(told) : this.at;
    return this.told === told;
  }
}

/**
 * One of a few options, each with its label. They may change; what is no longer among them gives way to the first.
 *
 * @template Value
 * @implements {Setting}
 */
export class Option {
  #at = 0;
  /** @type {Range | null} */
  #range = null;
  #options;

  /**
   * @param {[label: string, value: Value][]} options
   * @param {"slider" | "buttons"} kind
   */
  constructor(options, kind = "slider") {
    this.#options = options;
    this.kind = kind;
  }

  get value() {
    return this.#options[this.#at][1];
  }

  get label() {
    return this.#options[this.#at][0];
  }

  set options(/** @type {[label: string, value: Value][]} */ options) {
    const before = this.value;
    this.#options = options;
    this.#range = null;
    this.#at = Math.max(0, options.findIndex(([, value]) => value === before));
  }

  get at() {
    return this.#at;
  }

  set at(number) {
    this.#at = Math.min(Math.max(number, 0), this.#options.length - 1);
  }

  get range() {
    this.#range ??= { low: 0, high: this.#options.length - 1, labels: this.#options.map(([label]) => label) };
    return this.#range;
  }

  get told() {
    return inAddress(this.label);
  }

  /** @param {string} told The label, or what it begins with. */
  take(told) {
    const labels = this.#options.map(([label]) => inAddress(label));
    const at = labels.includes(told) ? labels.indexOf(told) : labels.findIndex((label) => label.startsWith(`${told}-`));
    if (at >= 0) this.at = at;
    return at >= 0;
  }
}

/** @param {string[]} options On buttons. */
export function choiceOf(options) {
  return new Option(
    options.map((option) => /** @type {[string, string]} */ ([option, option])),
    "buttons",
  );
}

/** @param {string} label */
function inAddress(label) {
  return label.replace(/[ ·]/g, "-");
}
