/**
 * Where the numbers come from: a file beside this script, which a page that was opened as a file may not read. There
 * the same file comes as a script, in base64.
 *
 * @typedef {import("./deconvnet.js").Maps} Maps
 *
 * @typedef {object} Given What the explorers show.
 * @property {import("./lenet5.js").LeNet5} network The shipped one.
 * @property {Maps[]} images Test images,
 * @property {number[]} labels and the digit that each of them shows.
 * @property {Maps[]} ten A typical image of each digit.
 * @property {Record<string, DataView>} palettes Three bytes for each colour of a scale.
 * @property {() => Promise<Run>} training
 *
 * @typedef {object} Run A network on its way through training.
 * @property {number[]} steps
 * @property {number[]} accuracies The share of the test images that it reads after so many steps.
 * @property {import("./lenet5.js").LeNet5[]} networks
 */

import { lenet5 } from "./lenet5.js";
import { unpack } from "./tensors.js";

// A script knows its place only while it runs for the first time.
export const HERE = new URL(".", /** @type {HTMLScriptElement | null} */ (document.currentScript)?.src ?? location.href);
const SIDE_OF_AN_IMAGE = 28;
const UNITS = { I8: 128, I16: 4096 };

/** @type {Map<string, Promise<import("./tensors.js").Tensors>>} */
const files = new Map();

/** @param {string} name */
function tensorsOf(name) {
  const known = files.get(name) ?? bytesOf(name).then(unpack);
  files.set(name, known);
  return known;
}

/**
 * @param {string} name
 * @returns {Promise<BlobPart>}
 */
async function bytesOf(name) {
  if (HERE.protocol !== "file:") {
    const answer = await fetch(new URL(`${name}.bin`, HERE));
    if (!answer.ok) throw new Error(`${answer.url}: ${answer.status}`);
    return answer.arrayBuffer();
  }
  const script = document.createElement("script");
  script.src = new URL(`${name}.js`, HERE).href;
  await new Promise((resolve, reject) => {
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${script.src} is missing`));
    document.head.append(script);
  });
  return Uint8Array.from(atob(script.dataset.bytes ?? ""), (letter) => letter.charCodeAt(0));
}

/** @returns {Promise<Given>} */
export async function given() {
  const tensors = await tensorsOf("network");
  return {
    network: lenet5(tensors.numbers),
    images: imagesOf(tensors.numbers("images")),
    labels: Array.from(tensors.numbers("labels")),
    ten: imagesOf(tensors.numbers("ten")),
    palettes: Object.fromEntries(
      ["ink", "signed", "activation", "channel"].map((scale) => {
        const bytes = Uint8Array.from(tensors.numbers(`palette.${scale}`));
        return [scale, new DataView(bytes.buffer)];
      }),
    ),
    training: trainingRun,
  };
}

/** @param {ArrayLike<number>} pixels 0 to 255. */
function imagesOf(pixels) {
  const count = SIDE_OF_AN_IMAGE ** 2;
  // As PyTorch has them, in single precision.
  const all = Float64Array.from(pixels, (pixel) => Math.fround(pixel / 255));
  return Array.from({ length: all.length / count }, (_, k) => asImage(all.subarray(k * count, (k + 1) * count)));
}

/**
 * @param {Float64Array} values
 * @returns {Maps}
 */
export function asImage(values) {
  return { channels: 1, height: SIDE_OF_AN_IMAGE, width: SIDE_OF_AN_IMAGE, values };
}

/**
 * The networks of the training. The file tells what has changed from one to the next, in whole multiples of a unit.
 *
 * @returns {Promise<Run>}
 */
async function trainingRun() {
  const { about, numbers } = await tensorsOf("training");
  const steps = about.steps.split(" ").map(Number);
  /** @type {Map<string, Float64Array>} */
  const sums = new Map();
  const networks = steps.map((_, k) =>
    lenet5((name) => {
      const changes = numbers(name);
      const count = changes.length / steps.length;
      const unit = changes instanceof Int8Array ? UNITS.I8 : UNITS.I16;
      const sum = sums.get(name) ?? new Float64Array(count);
      for (let at = 0; at < count; at++) sum[at] += changes[k * count + at] / unit;
      sums.set(name, sum);
      return sum;
    }),
  );
  return { steps, accuracies: about.accuracies.split(" ").map(Number), networks };
}
