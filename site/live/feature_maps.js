/**
 * The explorer of feature maps: what a map saw in a digit, among the maps of its layer. Its words are
 * `helpers/explorers/feature_maps.py`'s.
 */

import { project } from "./deconvnet.js";
import { record } from "./lenet5.js";
import { nineStrongest, patches } from "./nine_strongest.js";
import { endOf, percent, rangeOf, signed, signedLimit, strokeDirection } from "./numbers.js";
import { PageModel, rememberLast } from "./page_model.js";
import { Option, Whole, choiceOf } from "./settings.js";
import { classShares } from "./shares.js";
import { largePicture, panelOf, sentencesBelow, smallPictures } from "./shown.js";

const CLEAR = 0.3; // from which on a direction is told

const WHAT_A_SHARE_IS =
  "A share is the map's activation times the gradient of the score, before any softmax, summed over the map. It says " +
  "how the score follows small changes of the map; it does not say what the score would be without it.";

/** @param {import("./given.js").Given} given */
export function exploreFeatureMaps({ network, images, labels, palettes }) {
  const digits = [...Array(10).keys()];
  const digit = new Option(
    digits.map((one) => [`${one}`, [...labels.keys()].filter((number) => labels[number] === one)]),
  );
  const example = new Whole(0, 0);
  const layer = new Option([1, 2].map((number) => [`${number}`, number]));
  const map = new Whole(0, 5);
  const show = choiceOf(["whole map", "peak"]);
  const order = choiceOf(["number", "strongest", "class"]);
  const class_ = new Option([
    /** @type {[string, number | null]} */ (["as read", null]),
    ...digits.map((one) => /** @type {[string, number | null]} */ ([`${one}`, one])),
  ]);
  const see = choiceOf(["this image", "nine strongest"]);
  const [image, featureMap, seen] = [1, 2, 3].map(largePicture);
  /** @type {number[]} */
  let small = []; // the numbers of the maps, in the order in which they are shown small
  const thumbnails = smallPictures(16, (k) => (map.at = small[k]));
  const note = sentencesBelow();

  const traceOf = rememberLast((/** @type {number} */ number) => record(network, images[number]));
  // To look at another map of the same layer is no reason to project or draw them all again.
  const picturesOf = rememberLast(
    (/** @type {ReturnType<typeof record>} */ trace, /** @type {number} */ number, /** @type {boolean} */ peak) => {
      const layers = trace.layers.slice(0, number);
      const { channels } = layers[number - 1].pooled;
      const pictures = Array.from({ length: channels }, (_, k) => project(layers, k, { peak }));
      return { pictures, end: signedLimit(...pictures.map(({ values }) => values)) };
    },
  );
  const placesOf = rememberLast((/** @type {import("./deconvnet.js").Maps[]} */ pictures, /** @type {string} */ numbers) =>
    numbers.split(" ").map((k) => [panelOf(pictures[Number(k)], 0, "signed")]),
  );
  const sharesOf = rememberLast(
    (/** @type {ReturnType<typeof record>} */ trace, /** @type {number} */ number, /** @type {number} */ one) =>
      classShares(network, trace, number, one),
  );
  const excited = rememberLast((/** @type {typeof images} */ all) => nineStrongest(network, all));

  function draw() {
    example.high = digit.value.length - 1;
    const number = digit.value[example.at];
    const trace = traceOf(number);
    map.high = trace.layers[layer.value - 1].pooled.channels - 1;
    const [k, called] = [map.at, `layer ${layer.value}`];
    const { pooled } = trace.layers[layer.value - 1];

    const read = trace.probabilities.indexOf(Math.max(...trace.probabilities));
    const shares = order.value === "class" ? sharesOf(trace, layer.value, class_.value ?? read) : null;
    small = ordered(pooled, order.value, shares);

    const title = `digit ${labels[number]}, ${labels[number] === read ? "read" : "misread"} as ${read}`;
    const sure = `with a probability of ${percent(trace.probabilities[read])}`;
    image.show(title, [panelOf(trace.image, 0, "ink")], 1, sure);
    const { pictures, end } = picturesOf(trace, layer.value, show.value === "peak");
    if (see.value === "nine strongest") {
      const found = excited(images)[layer.value - 1][k];
      const both = patches(network, images, layer.value, k, found);
      const numbers = found.map((one) => one.image).join(", ");
      const crops = both.map(({ crop }) => panelOf(crop, 0, "ink"));
      featureMap.show(`excites map ${k} most`, crops, 1, `in the images ${numbers}`);
      const values = Float64Array.from(both.flatMap(({ projection }) => [...projection.values]));
      const projections = both.map(({ projection }) => panelOf(projection, 0, "signed"));
      seen.show("what it saw in each", projections, signedLimit(values), `in pixels: ${rangeOf(values)}`);
    } else {
      const here = panelOf(pooled, k, "activation");
      const size = `${here.height}×${here.width}`;
      featureMap.show(`map ${k} of ${called}`, [here], endOf(pooled.values), `${size}: ${rangeOf(here.values)}`);
      const what = show.value === "peak" ? "its peak" : "it";
      const large = pictures[k];
      const text = `in pixels: ${rangeOf(large.values)}${direction(large)}`;
      seen.show(`what ${what} saw`, [panelOf(large, 0, "signed")], end, text);
    }
    const names = small.map((n) => (shares ? `${n}: ${signed(shares[n])}` : `${n}`));
    thumbnails.show(names, placesOf(pictures, small.join(" ")), end, small.indexOf(k), "map");
    note.show(shares ? [told(k, called, shares, class_.value ?? read, trace), WHAT_A_SHARE_IS] : []);
  }

  return new PageModel({
    settings: { digit, example, layer, map, show },
    further: { order, class: class_, see },
    parts: [image, featureMap, seen, thumbnails, note],
    draw,
    palettes,
    start: { digit: "5", example: "10", layer: "2", map: "11", show: "whole-map" },
  });
}

/**
 * The numbers of the maps, in that order.
 *
 * @param {import("./deconvnet.js").Maps} maps
 * @param {string} order
 * @param {number[] | null} shares
 */
function ordered({ channels, height, width, values }, order, shares) {
  const numbers = [...Array(channels).keys()];
  if (order === "number") return numbers;
  const count = height * width;
  const most = shares ?? numbers.map((k) => Math.max(...values.subarray(k * count, (k + 1) * count)));
  return numbers.sort((one, other) => most[other] - most[one]);
}

/**
 * @param {number} k
 * @param {string} called
 * @param {number[]} shares
 * @param {number} class_
 * @param {import("./lenet5.js").Trace} trace
 */
function told(k, called, shares, class_, trace) {
  const sum = shares.reduce((one, other) => one + other);
  const score = trace.scores[class_].toFixed(2).replace("-", "−");
  return (
    `Map ${k} of ${called} gives ${signed(shares[k])} to the score of ${class_}, which is ${score}; ` +
    `its ${shares.length} maps together give ${signed(sum)}.`
  );
}

/** @param {import("./deconvnet.js").Maps} pixels In which direction its strokes run, and how clearly, if they do. */
function direction(pixels) {
  const { angle, clear } = strokeDirection(pixels);
  return clear >= CLEAR ? `; strokes at ${angle.toFixed(0)}°, clear to ${clear.toFixed(2)}` : "";
}
