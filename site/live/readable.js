/**
 * What stands beside a picture of an explorer: what its colours mean, where zero lies, and the value under the pointer,
 * or under a mark that the arrow keys move.
 */

import { make } from "../../helpers/explorers/page/make.js";
import { placesOfMaps } from "../../helpers/explorers/page/picture.js";
import { written } from "./numbers.js";

const MEANS = {
  ink: "Black is 0, white is 1.",
  activation: "Black is 0. The brighter, the larger.",
  signed: "Grey is 0. Yellow is above, blue below. Beyond the ends it is as at them.",
  channel: "Grey is 0. In each colour, lighter is above, darker below.",
};
const HINT = "Point at a square for its value.";

/** @type {Record<string, [down: number, right: number]>} */
const MOVES = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };

/**
 * @param {HTMLElement} el That of the explorer, laid out.
 * @param {import("./page_model.js").PageModel} model
 */
export function makeReadable(el, model) {
  const { parts } = model.get("page");
  const elements = [...el.querySelectorAll(".pictures > *")];
  parts.forEach((/** @type {any} */ part, /** @type {number} */ k) => {
    if (part.kind === "picture") readPicture(/** @type {HTMLElement} */ (elements[k]), part, model, k);
    if (part.kind === "thumbnails") sayScale(/** @type {HTMLElement} */ (elements[k]), model, k);
  });
}

/**
 * @param {HTMLElement} figure
 * @param {import("../../helpers/explorers/page/picture.js").Measures} measures
 * @param {import("./page_model.js").PageModel} model
 * @param {number} k The number of the part.
 */
function readPicture(figure, measures, model, k) {
  const canvas = /** @type {HTMLCanvasElement} */ (figure.querySelector("canvas"));
  const mark = make("div", "mark");
  mark.hidden = true;
  const means = make("p", "means");
  const value = make("output", "value", HINT);
  canvas.after(mark);
  figure.append(value, means);
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-roledescription", "picture; arrow keys read its values");

  /** @type {{map: number, row: number, column: number} | null} */
  let at = null;
  const drawn = () => /** @type {import("./shown.js").Drawn & {place: any}} */ (model.get(`drawn_${k}`));
  const show = () => {
    const { panels, place } = drawn();
    means.textContent = MEANS[/** @type {keyof typeof MEANS} */ (place.kind)];
    const panel = at && panels[at.map];
    const there = at && panel && at.row < panel.height && at.column < panel.width;
    mark.hidden = !there;
    if (!there || !panel || !at) {
      if (value.textContent !== HINT) value.textContent = HINT;
      return;
    }
    const { x, y, block } = placesOfMaps(measures, place.shapes)[at.map];
    const scale = canvas.clientWidth / measures.side;
    mark.style.left = `${(x + at.column * block) * scale}px`;
    mark.style.top = `${(y + at.row * block) * scale}px`;
    mark.style.width = mark.style.height = `${block * scale}px`;
    const which = panels.length > 1 ? `picture ${at.map}, ` : "";
    const first = at.row * panel.width + at.column;
    const channels = [...Array(panel.channels ?? 1).keys()];
    const numbers = channels.map((channel) => written(panel.values[first + channel * panel.height * panel.width]));
    value.textContent = `${which}row ${at.row}, column ${at.column}: ${numbers.join(", ")}`;
  };
  model.on(`change:drawn_${k}`, show);
  show();

  /** @param {PointerEvent} event */
  const point = (event) => {
    const { left, top, width } = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - left, event.clientY - top].map((length) => (length * measures.side) / width);
    const { panels, place } = drawn();
    at = null;
    placesOfMaps(measures, place.shapes).forEach((corner, map) => {
      const [row, column] = [y - corner.y, x - corner.x].map((length) => Math.floor(length / corner.block));
      const { height, width } = panels[map];
      if (0 <= row && row < height && 0 <= column && column < width) at = { map, row, column };
    });
    show();
  };
  const leave = () => {
    at = null;
    show();
  };
  canvas.addEventListener("pointermove", point);
  canvas.addEventListener("pointerdown", point);
  canvas.addEventListener("pointerleave", (event) => {
    if (event.pointerType === "mouse") leave();
  });
  canvas.addEventListener("blur", leave);
  canvas.addEventListener("keydown", (event) => {
    const move = MOVES[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    const { panels } = drawn();
    const now = at ?? { map: 0, row: 0, column: 0 };
    const { height, width } = panels[now.map] ?? panels[0];
    const [row, column] = at ? [now.row + move[0], now.column + move[1]] : [0, 0];
    // Beyond the right end of a map begins the next one, if there are a few.
    const next = now.map + (column >= width ? 1 : column < 0 ? -1 : 0);
    if (next !== now.map && next in panels) at = { map: next, row, column: column < 0 ? panels[next].width - 1 : 0 };
    else at = { ...now, row: between(row, height), column: between(column, width) };
    event.preventDefault();
    show();
  });
}

/**
 * @param {HTMLElement} sheet
 * @param {import("./page_model.js").PageModel} model
 * @param {number} k
 */
function sayScale(sheet, model, k) {
  const means = make("p", "means");
  sheet.append(means);
  const show = () => {
    const { panels, places, end } = /** @type {import("./shown.js").Drawn & {places: any}} */ (model.get(`drawn_${k}`));
    const { kind } = panels[0];
    const ends = kind === "signed" ? `from ${written(-end)} to ${written(end)}` : `up to ${written(end)}`;
    const words = `All on one scale, ${ends}. ${MEANS[/** @type {keyof typeof MEANS} */ (places[0].kind)]}`;
    if (means.textContent !== words) means.textContent = words;
  };
  model.on(`change:drawn_${k}`, show);
  show();
}

/** @param {number} place @param {number} room */
function between(place, room) {
  return Math.min(Math.max(place, 0), room - 1);
}
