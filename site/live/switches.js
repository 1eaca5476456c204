/** The explorer of switches: a digit is shifted, and a pooled map follows. Its words are `helpers/explorers/switches.py`'s. */

import { zeros } from "./deconvnet.js";
import { record } from "./lenet5.js";
import { endOf } from "./numbers.js";
import { PageModel } from "./page_model.js";
import { Option, Whole } from "./settings.js";
import { largePicture, panelOf, sentencesBelow } from "./shown.js";

/** @param {import("./given.js").Given} given */
export function exploreSwitches({ network, ten, palettes }) {
  const digit = new Option(ten.map((image, k) => [`${k}`, image]));
  const settings = { digit, map: new Whole(0, 5), right: new Whole(-4, 4), down: new Whole(-4, 4) };
  const [shifted, whole, pooled, moved] = [1, 2, 3, 4].map(largePicture);

  function draw() {
    const { map, right, down } = settings;
    const after = record(network, shiftedBy(digit.value, right.at, down.at));
    const k = map.at;
    const both = [record(network, digit.value), after].map(({ layers: [{ pooled, switches }] }) => {
      const { values, height, width } = panelOf(pooled, k, "activation");
      const most = Math.max(...Array.from(values));
      const from = k * height * width;
      return {
        values,
        places: switches.subarray(from, from + height * width),
        strong: Array.from(values, (value) => value > 0.1 * most),
      };
    });
    const [one, other] = both;
    const either = one.strong.map((strong, n) => strong || other.strong[n]);
    const changed = either.map((strong, n) => Number(strong && one.places[n] !== other.places[n]));
    const full = panelOf(after.layers[0].active, k, "activation");
    const dots = [...other.places].filter((_, n) => other.strong[n]).map(
      (place) => /** @type {[number, number]} */ ([Math.floor(place / full.width), place % full.width]),
    );
    const end = endOf(one.values, other.values);
    const { height, width } = after.layers[0].pooled;
    const total = (/** @type {(boolean | number)[]} */ flags) => flags.filter(Boolean).length;

    shifted.show(`digit ${digit.label}`, [panelOf(after.image, 0, "ink")], 1, way(right.at, down.at));
    const winners = "a dot in each window that holds more than a tenth of the maximum";
    whole.show(`map ${k}, with its winners`, [{ ...full, dots }], end, winners);
    const alike = { height, width, kind: /** @type {const} */ ("activation") };
    pooled.show("pooled", [{ ...alike, values: other.values }], end, "the winners, without their places");
    const text = `in ${total(changed)} of ${total(either)} strong windows`;
    moved.show("white: the winner has moved", [{ height, width, kind: "ink", values: changed }], 1, text);
  }

  const start = { digit: "5", map: "5", right: "1", down: "0" };
  return new PageModel({
    settings,
    parts: [shifted, whole, pooled, moved, sentencesBelow()],
    draw,
    palettes,
    start,
  });
}

/**
 * @param {import("./deconvnet.js").Maps} image
 * @param {number} right
 * @param {number} down
 */
function shiftedBy({ channels, height, width, values }, right, down) {
  const image = zeros(channels, height, width);
  values.forEach((value, k) => {
    const [row, column] = [Math.floor(k / width) + down, (k % width) + right];
    if (0 <= row && row < height && 0 <= column && column < width) image.values[row * width + column] = value;
  });
  return image;
}

/** @param {number} right @param {number} down Where the image has gone. */
function way(right, down) {
  const parts = [];
  if (right) parts.push(`${Math.abs(right)} ${right > 0 ? "right" : "left"}`);
  if (down) parts.push(`${Math.abs(down)} ${down > 0 ? "down" : "up"}`);
  return parts.length ? `moved ${parts.join(", ")}` : "not moved";
}
