/** The explorer of steps: one feature map goes down to the pixels. Its words are `helpers/explorers/steps.py`'s. */

import { RULES, alone, walk } from "./deconvnet.js";
import { record } from "./lenet5.js";
import { rangeOf, signedLimit } from "./numbers.js";
import { PageModel, rememberLast } from "./page_model.js";
import { Option, choiceOf } from "./settings.js";
import { largePicture, panelOf, panelsOf, sentencesBelow, smallPictures } from "./shown.js";

/** @typedef {import("./shown.js").Panel} Panel */

const LEFT = ["unpooled", "rectified", "filtered"]; // what undoing pooling, ReLU and convolution leaves

/** @param {import("./given.js").Given} given */
export function exploreSteps({ network, ten, palettes }) {
  const digit = new Option(ten.map((image, k) => [`${k}`, image]));
  const map = new Option(everyMap());
  const stage = new Option([["0 pooled", 0]]);
  const rule = choiceOf(Object.keys(RULES));
  const switches = choiceOf(["recorded", "fixed corner"]);
  const [image, here, pixels] = [1, 2, 3].map(largePicture);
  const stages = smallPictures(7, (k) => (stage.at = k));

  const traceOf = rememberLast((/** @type {import("./deconvnet.js").Maps} */ one) => record(network, one));
  // To move on by a stage is no reason to go all the way again.
  const stopsOf = rememberLast(
    (/** @type {ReturnType<typeof record>} */ trace, /** @type {number[]} */ which, asked = "", corner = "") => {
      const [number, k] = which;
      const layers = trace.layers.slice(0, number);
      const way = corner === "fixed corner" ? layers.map(withFixedCorners) : layers;
      const top = alone(layers[number - 1].pooled, k);
      const signals = [top, ...walk(way, top, /** @type {import("./deconvnet.js").Rule} */ (asked))];
      const stops = signals.map((signal, n) => stop(signal, n, signals.length - 1, k));
      const limits = stops.map(({ panels }) => signedLimit(...panels.map(({ values }) => Float64Array.from(values))));
      return { stops, places: stops.map(({ panels }) => panels), end: Math.max(...limits) };
    },
  );

  function draw() {
    const trace = traceOf(digit.value);
    const [layer, k] = map.value;
    const { stops, places, end } = stopsOf(trace, map.value, rule.value, switches.value);
    const at = Math.min(stage.value, stops.length - 1);
    const { name, panels, where } = stops[at];
    const last = stops[stops.length - 1];

    image.show(`digit ${digit.label}`, [panelOf(trace.image, 0, "ink")], 1, `its map ${k} of layer ${layer} goes down`);
    here.show(`${at} ${name}`, panels, end, where);
    pixels.show("at the end: pixels", last.panels, end, `${rule.value}, ${switches.value} switches, ${last.where}`);
    stages.show(stops.map((one) => one.name), places, end, at, "stage");
    stage.options = stops.map((one, n) => [`${n} ${one.name}`, n]);
    stage.at = at;
  }

  return new PageModel({
    settings: { digit, map, stage, rule, switches },
    parts: [image, here, pixels, stages, sentencesBelow()],
    draw,
    palettes,
    start: { digit: "5", map: "2-11", stage: "3", rule: "deconvnet", switches: "recorded" },
  });
}

/** @returns {[label: string, value: number[]][]} The maps of both layers, one after the other: layer and number. */
export function everyMap() {
  return [6, 16].flatMap((count, layer) =>
    Array.from({ length: count }, (_, k) => /** @type {[string, number[]]} */ ([`${layer + 1}·${k}`, [layer + 1, k]])),
  );
}

/**
 * What a stage is called, its signals, and what they are, in words.
 *
 * @param {import("./deconvnet.js").Maps} signal
 * @param {number} n Its number.
 * @param {number} last That of the pixels.
 * @param {number} k The map that goes down: above the first convolution, all others are zero.
 */
function stop(signal, n, last, k) {
  const size = `${signal.height}×${signal.width}`;
  const name = n === last ? "pixels" : n === 0 ? "pooled" : LEFT[(n - 1) % LEFT.length];
  const panels = n < LEFT.length ? [panelOf(signal, k, "signed")] : panelsOf(signal, "signed");
  const several = `${panels.length} signals of ${size}, one for each map of the layer below`;
  const values = panels.length === 1 ? panels[0].values : signal.values;
  return { name, panels, where: `${panels.length === 1 ? size : several}: ${rangeOf(values)}` };
}

/**
 * The layer, with switches that all name the upper left of their window.
 *
 * @param {import("./deconvnet.js").Layer} layer
 */
function withFixedCorners(layer) {
  const { height, width } = layer.pooled;
  const switches = layer.switches.map((_, n) => {
    const place = n % (height * width);
    return 2 * Math.floor(place / width) * layer.active.width + 2 * (place % width);
  });
  return { ...layer, switches };
}
