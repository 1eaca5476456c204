/**
 * The explorer of a network of your own: what it reads, a map, what the map saw, among the maps of its layer. Its words
 * are `helpers/explorers/feature_maps.py`'s.
 *
 * A large network takes longer than a frame. So what is shown is what was computed last, and what is asked for follows:
 * first the large picture, then the small ones.
 *
 * @typedef {import("./network_file.js").Network} Network
 * @typedef {import("./network_file.js").Layer} Layer
 * @typedef {import("./walk.js").Run} Run
 *
 * @typedef {object} Asked
 * @property {number} image
 * @property {number} set Of weights.
 * @property {Layer} layer
 * @property {number} map
 * @property {boolean} peak
 * @property {string} order
 *
 * @typedef {object} Look What has been computed.
 * @property {Asked} asked
 * @property {Run} run
 * @property {Float64Array} large
 * @property {number[]} numbers Of the maps that are shown small.
 * @property {import("./shown.js").Panel[][]} small
 * @property {number} end Of the scale of all pictures.
 * @property {boolean} isWhole Whether the small pictures are there, too.
 */

import { fitted } from "./fitted.js";
import { softmax } from "./lenet5.js";
import { endOf, percent, rangeOf, signedLimit, written } from "./numbers.js";
import { PageModel } from "./page_model.js";
import { Option, Whole, choiceOf } from "./settings.js";
import { pictureOfSide, sentencesBelow, shareBars, smallPictures } from "./shown.js";
import { inSlices } from "./slices.js";
import { Walk } from "./walk.js";

const MOST_SMALL = 16;
const MOST_BARS = 10;
const USUAL_SIDE = 196; // of a large picture, in pixels of the screen, or nearly so
const MOST_OF_A_SIDE = 256;
const SMALL_SIDE = 56;

/**
 * @param {Network} network
 * @param {Record<string, DataView>} palettes
 * @returns {Promise<PageModel>} Once there is something to be seen.
 * @throws {RangeError} The network gives NaN or infinity for its first image.
 */
export async function exploreNetwork(network, palettes) {
  const walk = new Walk(network);
  const withPlanes = network.layers.filter(({ plane: [height = 1, width = 1] }) => height * width > 1);
  const begins = withPlanes[withPlanes.length - 1] ?? network.layers[0];
  const image = new Whole(0, network.images.length - 1);
  const layer = new Option(network.layers.map((one) => [one.name, one]));
  const map = new Whole(0, begins.maps - 1);
  const show = choiceOf(["whole map", "peak"]);
  const order = choiceOf(["strongest", "number"]);
  const weights = new Option(network.sets.map((name, k) => [name, k]));
  const side = sideOfPicture(Math.max(...network.shape.slice(2)));
  const [input, featureMap, seen] = [1, 2, 3].map(() => pictureOfSide(side));
  const bars = shareBars("probability", network.classes.slice(0, MOST_BARS));
  const thumbnails = smallPictures(MOST_SMALL, (k) => (map.at = look?.numbers[k] ?? map.at));
  const note = sentencesBelow();

  /** @type {PageModel | null} */
  let model = null;
  /** @type {Asked | null} */
  let last = null;
  /** @type {Look | null} */
  let look = null;
  /** @type {unknown} */
  let failure = null;
  let drawing = false;
  /** @type {Run & {image: number} | null} */
  let run = null;
  /** @type {{run: Run, value: number, peak: boolean, pictures: Map<number, Float64Array>} | null} */
  let known = null;

  /** @param {Asked} asked @returns {Generator<void, void, void>} */
  function* looks(asked) {
    if (run?.image !== asked.image || run.set !== asked.set) {
      run = Object.assign(yield* walk.up(network.images[asked.image], asked.set), { image: asked.image });
    }
    const now = run;
    const { value } = asked.layer;
    if (known?.run !== now || known.value !== value || known.peak !== asked.peak) {
      known = { run: now, value, peak: asked.peak, pictures: new Map() };
    }
    const { pictures } = known;
    const pictureOf = function* (/** @type {number} */ k) {
      const picture = pictures.get(k) ?? (yield* walk.back(now, value, k, asked.peak));
      pictures.set(k, picture);
      return picture;
    };
    const large = yield* pictureOf(asked.map);
    const numbers = shownSmall(now.values[value], asked.layer.maps, asked.order);
    const before = look;
    const isLike = before?.asked.layer === asked.layer && before.asked.peak === asked.peak;
    if (!numbers.every((k) => pictures.has(k))) {
      // Until the small pictures are there, those of before are, and their scale, if they are of the same layer.
      const nothing = inPixels(new Float64Array(large.length), SMALL_SIDE);
      const { small, end } = isLike ? before : { small: numbers.map(() => [nothing]), end: signedLimit(large) };
      const theirs = isLike ? before.numbers : numbers;
      arrived({ asked, run: now, large, numbers: theirs, small, end, isWhole: false });
    }
    const all = [];
    for (const k of numbers) all.push(yield* pictureOf(k));
    // Those of maps that were looked at before would fill the memory.
    for (const k of pictures.keys()) if (k !== asked.map && !numbers.includes(k)) pictures.delete(k);
    // The same list as before is not drawn again.
    const isSame = isLike && before.isWhole && before.run === now && `${before.numbers}` === `${numbers}`;
    const small = isSame ? before.small : all.map((one) => [inPixels(one, SMALL_SIDE)]);
    arrived({ asked, run: now, large, numbers, small, end: signedLimit(...all), isWhole: true });
  }

  /** @param {Look} found */
  function arrived(found) {
    look = found;
    if (!drawing) model?.answer();
  }

  /** @param {Asked} asked */
  async function follow(asked) {
    try {
      await inSlices(looks(asked), () => asked === last);
    } catch (error) {
      if (asked !== last) return;
      failure = error;
      if (!drawing) model?.answer();
    }
  }

  function draw() {
    map.high = layer.value.maps - 1;
    const asked = {
      image: image.at,
      set: weights.value,
      layer: layer.value,
      map: map.at,
      peak: show.value === "peak",
      order: order.value,
    };
    if (!last || Object.entries(asked).some(([name, one]) => last?.[/** @type {keyof Asked} */ (name)] !== one)) {
      last = asked;
      failure = null;
      drawing = true;
      follow(asked); // as far as it comes in a slice
      drawing = false;
    }
    if (failure) throw failure;
    if (look) paint(look);
  }

  /** @param {Look} look */
  function paint({ asked, run, large, numbers, small, end }) {
    const { layer, map: k } = asked;
    const shares = network.classes.length ? softmax(run.values[run.values.length - 1]) : null;
    const read = shares ? shares.indexOf(Math.max(...shares)) : 0;
    const shown = Float64Array.from(network.images[asked.image], asItWas);
    const sure = shares ? `with a probability of ${percent(shares[read])}` : "";
    input.show(titleOf(asked.image, shares ? read : null), [panelOfImage(shown, "ink", side)], 1, sure);

    const values = run.values[layer.value];
    const [height, width] = layer.plane.length ? layer.plane : [1, 1];
    const own = values.subarray(k * height * width, (k + 1) * height * width);
    const kind = values.some((value) => value < 0) ? "signed" : "activation";
    const size = layer.plane.length ? `${height}×${width}: ${rangeOf(own)}` : `one number: ${written(own[0])}`;
    const panel = fitted({ values: own, height, width, kind }, side);
    featureMap.show(`map ${k} of ${layer.name}`, [panel], endOf(values), size);

    const what = asked.peak ? "its peak" : "it";
    seen.show(`what ${what} saw`, [inPixels(large, side)], end, `in pixels: ${rangeOf(large)}`);
    thumbnails.show(numbers.map(String), small, end, numbers.indexOf(k), "map");
    if (shares) {
      const most = [...shares.keys()].sort((one, other) => shares[other] - shares[one]).slice(0, MOST_BARS);
      const those = network.classes.length > MOST_BARS ? most : [...shares.keys()];
      bars.show(
        those.map((one) => shares[one]),
        those.map((one) => network.classes[one]),
      );
    }
    note.show([whichAreSmall(layer, asked.order), whatWasTakenOff(network)]);
  }

  /** @param {number} value @param {number} at Of an image: as it was before anything was taken off. */
  function asItWas(value, at) {
    const channel = Math.floor(at / (network.shape[2] * network.shape[3]));
    return Math.min(1, Math.max(0, value * network.std[channel] + network.mean[channel]));
  }

  /** @param {Float64Array} values @param {"ink" | "signed"} kind @param {number} side */
  function panelOfImage(values, kind, side) {
    const [, channels, height, width] = network.shape;
    return fitted({ values, height, width, kind, channels }, side);
  }

  /** @param {Float64Array} values @param {number} side */
  function inPixels(values, side) {
    return panelOfImage(values, "signed", side);
  }

  /** @param {number} number @param {number | null} read The class. */
  function titleOf(number, read) {
    const label = network.labels?.[number];
    const title = label === undefined ? `image ${number}` : `image ${number}, ${network.classes[label] ?? label}`;
    if (read === null) return title;
    return `${title}, ${label === undefined || label === read ? "read" : "misread"} as ${network.classes[read]}`;
  }

  layer.at = network.layers.indexOf(begins);
  weights.at = network.sets.length - 1;
  const first = await until(() => {
    draw();
    return look;
  });
  const start = {
    image: "0",
    layer: layer.told,
    map: `${first.numbers[0]}`,
    show: "whole-map",
    weights: weights.told,
  };
  model = new PageModel({
    settings: { image, layer, map, ...(network.sets.length > 1 ? { weights } : {}), show },
    further: { order },
    parts: [input, featureMap, seen, thumbnails, ...(network.classes.length ? [bars] : []), note],
    draw,
    palettes,
    start,
    more: { leftOut: () => "Whoever opens it needs the same file." },
  });
  return model;
}

/**
 * @template Found
 * @param {() => Found | null} found Asked again and again, with what the browser has to do in between.
 * @returns {Promise<Found>}
 */
async function until(found) {
  for (;;) {
    const one = found();
    if (one) return one;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/**
 * The maps that are shown small: the first, or those with the largest values, in that order.
 *
 * @param {Float64Array} values
 * @param {number} maps
 * @param {string} order
 */
function shownSmall(values, maps, order) {
  const numbers = [...Array(Math.min(maps, MOST_SMALL)).keys()];
  if (order === "number") return numbers;
  const most = new Float64Array(maps).fill(-Infinity);
  const size = values.length / maps;
  for (let at = 0; at < values.length; at++) {
    const k = Math.floor(at / size);
    if (values[at] > most[k]) most[k] = values[at];
  }
  return numbers.map(() => {
    let strongest = 0;
    for (let k = 1; k < maps; k++) if (most[k] > most[strongest]) strongest = k;
    most[strongest] = -Infinity;
    return strongest;
  });
}

/** @param {number} longest Side of an image: of a picture in which each pixel is a square of whole pixels. */
function sideOfPicture(longest) {
  if (longest <= MOST_OF_A_SIDE) return longest * Math.max(1, Math.round(USUAL_SIDE / longest));
  return Math.ceil(longest / Math.ceil(longest / MOST_OF_A_SIDE));
}

/** @param {Layer} layer @param {string} order */
function whichAreSmall({ name, maps }, order) {
  if (maps <= MOST_SMALL) return "";
  const which = order === "number" ? "first" : "strongest in this image";
  return `Shown small: the ${MOST_SMALL} of the ${maps} maps of ${name} that are the ${which}.`;
}

/** @param {Network} network */
function whatWasTakenOff({ mean, std }) {
  if (mean.every((one) => one === 0) && std.every((one) => one === 1)) return "";
  const inWords = (/** @type {number[]} */ numbers) => {
    const words = numbers.map((one) => `${Number(one.toPrecision(3))}`);
    return new Set(words).size === 1 ? words[0] : `(${words.join(", ")})`;
  };
  return `The images are shown as they were: times ${inWords(std)}, plus ${inWords(mean)}.`;
}
