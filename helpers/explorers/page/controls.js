/**
 * The controls: a slider, and a row of buttons of which one is pressed. Each has its name at its left; the slider has
 * its value at its right, in words. A screen reader is told both.
 */

import { make } from "./make.js";

// Characters that a readout has room for; else the slider gets a line of its own.
const LONG = 11;

/**
 * Where a control can stand: at the whole numbers from `low` to `high`, or at the numbers of its `labels`.
 *
 * @typedef {{low: number, high: number, labels?: string[]}} Range
 *
 * @typedef {object} Control
 * @property {HTMLElement} element
 * @property {(range: Range, at: number) => void} show Let it stand at `at`.
 */

/**
 * @param {string} name
 * @param {(at: number) => void} move Called with each new place to which a hand brings it.
 * @returns {Control}
 */
export function slider(name, move) {
  const element = make("label", "slider");
  const track = document.createElement("input");
  track.type = "range";
  track.title = name;
  track.dataset.lmSuppressShortcuts = "true"; // else JupyterLab takes some keys for its own
  track.setAttribute("aria-label", name);
  const readout = make("output", "readout");
  element.append(make("span", "name", name), track, readout);

  /** @type {Range} */
  let range = { low: 0, high: 0 };
  const tell = () => {
    const words = range.labels?.[track.valueAsNumber] ?? track.value.replace("-", "−");
    if (readout.textContent !== words) readout.textContent = words;
    track.setAttribute("aria-valuetext", words);
  };
  track.addEventListener("input", () => {
    tell();
    move(track.valueAsNumber);
  });
  return {
    element,
    show(given, at) {
      range = given;
      track.min = `${range.low}`;
      track.max = `${range.high}`;
      track.valueAsNumber = at;
      element.classList.toggle("long", range.labels?.some((label) => label.length > LONG) ?? false);
      tell();
    },
  };
}

/**
 * @param {string} name
 * @param {(at: number) => void} move Called with the number of the button that is pressed.
 * @returns {Control}
 */
export function choice(name, move) {
  const element = make("div", "choice");
  element.setAttribute("role", "group");
  element.setAttribute("aria-label", name);
  element.append(make("span", "name", name));

  /** @type {HTMLButtonElement[]} */
  let buttons = [];
  /** @param {number} at */
  const press = (at) => buttons.forEach((button, k) => button.setAttribute("aria-pressed", `${k === at}`));
  return {
    element,
    show({ labels = [] }, at) {
      if (buttons.map((button) => button.textContent).join() !== labels.join()) {
        buttons.forEach((button) => button.remove());
        buttons = labels.map((label, k) => {
          const button = make("button", "", label);
          button.type = "button";
          button.addEventListener("click", () => {
            press(k);
            move(k);
          });
          return button;
        });
        element.append(...buttons);
      }
      press(at);
    },
  };
}
