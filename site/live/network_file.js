/**
 * A network of your own, out of a file that `save_network` has written: `docs/network_file.md` says what stands in it.
 *
 * @typedef {import("./walk.js").Step} Step
 * @typedef {import("./functions.js").Numbers} Numbers
 *
 * @typedef {object} Layer
 * @property {string} name
 * @property {number} value
 * @property {number} maps
 * @property {number[]} plane Its rows and columns; none where a map is one number.
 *
 * @typedef {object} Network
 * @property {number[]} shape Of an image, `[1, C, H, W]`.
 * @property {Step[]} steps
 * @property {Layer[]} layers
 * @property {string[]} classes
 * @property {number[]} mean Of each channel,
 * @property {number[]} std and what it was divided by.
 * @property {string[]} sets What the sets of weights are called.
 * @property {Float32Array[]} images
 * @property {number[] | null} labels
 *
 * @typedef {{kind: string, shape: number[], numbers: Numbers}} Tensor
 */

import { FUNCTIONS, sizeOf } from "./functions.js";
import { LARGEST, fieldsIn, fieldsOf, insist, isListOf, isName, isWhole, quoted, refuse } from "./plain_data.js";
import { multiplicationsOf } from "./step_checks.js";
import { areFinite } from "./walk.js";

const WRITE_ONE = "write one with save_network";

/** @type {[beginning: string, said: string][]} What other files begin with. */
const OTHERS = [
  ["PK", "This is a file of torch.save, or another zip"],
  ["\x80", "This is a pickle, as old files of torch.save are"],
  ["\x89PNG", "This is a picture"],
  ["\xff\xd8\xff", "This is a picture"],
  ["%PDF", "This is a PDF"],
  ["\x89HDF", "This is a file of HDF5, as Keras writes it"],
  ["<", "This is a page of HTML, not the file itself"],
  ["version https://git-lfs", "This is a pointer of Git LFS, not the file itself"],
];

/** @type {Record<string, string>} The parts that functions have, and of which type they are. */
const PARTS = {
  weight: "F32",
  bias: "F32",
  factor: "F32",
  shift: "F32",
  constant: "F32",
  index: "I32",
  starts: "I32",
  columns: "I32",
};

/**
 * @param {Blob} file
 * @returns {Promise<ArrayBuffer>}
 * @throws {Unreadable}
 */
export async function bytesOfFile(file) {
  insist(file.size > 0, "This file is empty.");
  const [size, most] = [file.size, LARGEST.bytes + LARGEST.header].map((bytes) => Math.ceil(bytes / 2 ** 20));
  insist(size <= most, `This file holds ${size} MiB, and the page reads up to ${most}: write fewer sets of weights.`);
  try {
    return await file.arrayBuffer();
  } catch {
    return refuse("The browser can't read this file: it has gone, or is a folder.");
  }
}

/**
 * @param {ArrayBuffer} buffer
 * @returns {Generator<void, Network, void>}
 * @throws {Unreadable}
 */
export function* networkIn(buffer) {
  const { header, end } = headerIn(buffer);
  const recipe = recipeIn(header);
  yield;
  const tensors = yield* tensorsIn(header, buffer, end);
  return networkOf(recipe, tensors);
}

// --- the file

/** @param {ArrayBuffer} buffer */
function headerIn(buffer) {
  insist(buffer.byteLength >= 10, "This file is too short for a network: it has been cut off.");
  const length = Number(new DataView(buffer).getBigUint64(0, true));
  if (length > LARGEST.header) {
    const start = String.fromCharCode(...new Uint8Array(buffer, 0, Math.min(32, buffer.byteLength)));
    const other = OTHERS.find(([beginning]) => start.startsWith(beginning));
    refuse(`${other?.[1] ?? "This is no safetensors file, or its header is too long"}: ${WRITE_ONE}.`);
  }
  insist(8 + length <= buffer.byteLength, "This file has been cut off, within its header: copy it again.");
  let text = "";
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(buffer, 8, length));
  } catch {
    refuse(`The header of this file is no text, so it is no safetensors file: ${WRITE_ONE}.`);
  }
  const header = fieldsIn(text, "The header of this file is no JSON: it is damaged, or no safetensors file.");
  return { header, end: 8 + length };
}

/** @param {Map<string, any>} header */
function recipeIn(header) {
  const unknown = `This safetensors file holds weights, but not the steps that lead through them: ${WRITE_ONE}.`;
  const metadata = fieldsOf(header.get("__metadata__"), unknown);
  insist(metadata.get("format") === "deconvnet" && typeof metadata.get("network") === "string", unknown);
  const recipe = fieldsIn(metadata.get("network"), "The steps in this file are no JSON: the file is damaged.");
  insist(recipe.get("version") === 1, `This file is of another version than the page reads, which is 1: ${WRITE_ONE}.`);
  return recipe;
}

/**
 * @param {Map<string, any>} header
 * @param {ArrayBuffer} buffer
 * @param {number} first Byte behind the header.
 * @returns {Generator<void, Map<string, Tensor>, void>}
 */
function* tensorsIn(header, buffer, first) {
  const places = [...header]
    .filter(([name]) => name !== "__metadata__")
    .map(([name, plain]) => placeOfTensor(name, plain));
  places.sort((one, other) => one.start - other.start || one.end - other.end);
  let reached = 0;
  for (const { name, start, end } of places) {
    insist(start >= reached, `The tensor ${quoted(name)} of this file lies over another one.`);
    insist(start === reached, `Before the tensor ${quoted(name)} of this file there is a gap.`);
    reached = end;
  }
  const [there, wanted] = [buffer.byteLength, first + reached];
  insist(wanted <= there, `This file has been cut off: ${there} of its ${wanted} bytes are there. Copy it again.`);
  insist(wanted === there, "This file goes on behind its last tensor: it is damaged.");
  /** @type {Map<string, Tensor>} */
  const tensors = new Map();
  for (const { name, kind, shape, start, end } of places) {
    const [from, size] = [first + start, (end - start) / 4];
    // Views begin at multiples of four.
    const [bytes, offset] = from % 4 ? [buffer.slice(from, first + end), 0] : [buffer, from];
    const numbers = kind === "I32" ? new Int32Array(bytes, offset, size) : new Float32Array(bytes, offset, size);
    const isSound = kind === "I32" || areFinite(numbers);
    insist(isSound, `The tensor ${quoted(name)} of this file holds NaN or infinity: that training went wrong.`);
    tensors.set(name, { kind, shape, numbers });
    yield;
  }
  return tensors;
}

/** @param {string} name @param {any} plain */
function placeOfTensor(name, plain) {
  const said = `The tensor ${quoted(name)} of this file`;
  const fields = fieldsOf(plain, `${said} is not described as safetensors does.`);
  const [kind, shape, offsets] = ["dtype", "shape", "data_offsets"].map((field) => fields.get(field));
  insist(kind === "F32" || kind === "I32", `${said} is of the type ${quoted(kind)}; a network holds F32 and I32.`);
  insist(
    isListOf(shape, 8, (side) => isWhole(side, 0, LARGEST.bytes)),
    `${said} has a shape that is none.`,
  );
  const isOffset = (/** @type {unknown} */ one) => isWhole(one, 0, Number.MAX_SAFE_INTEGER);
  insist(isListOf(offsets, 2, isOffset) && offsets.length === 2, `${said} has no place in it.`);
  const [start, end] = offsets;
  insist(4 * sizeOf(shape) === end - start, `${said} has another size than its shape: the file is damaged.`);
  return { name, kind, shape, start, end };
}

// --- the network

/** @param {Map<string, any>} recipe @param {Map<string, Tensor>} tensors @returns {Network} */
function networkOf(recipe, tensors) {
  const sets = namesIn(recipe, "weights", LARGEST.sets);
  insist(sets.length > 0, "This file holds no set of weights.");
  const images = tensors.get("images");
  insist(images?.kind === "F32" && images.shape.length === 4 && sizeOf(images.shape) > 0, "This file holds no images.");
  const [count, ...sides] = images.shape;
  insist(count <= LARGEST.images, `This file holds ${count} images, and the page shows up to ${LARGEST.images}.`);
  const channels = sides[0];
  const inWords = `The images in this file have ${channels} channels; the page shows 1, which is grey, or 3, in colour.`;
  insist(channels === 1 || channels === 3, inWords);
  const shape = [1, ...sides];
  const steps = stepsOf(recipe.get("steps"), tensors, sets.length, shape);
  const shapes = [shape, ...steps.map((step) => step.shape)];
  const classes = namesIn(recipe, "classes", LARGEST.classes);
  const scores = shapes[shapes.length - 1];
  const isScored = classes.length === 0 || (scores.length === 2 && sizeOf(scores) === classes.length);
  insist(isScored, `This file names ${classes.length} classes, but the network does not give a score for each.`);
  const [mean, std] = ["mean", "std"].map((name) => {
    const numbers = recipe.get(name);
    insist(
      isListOf(numbers, channels, Number.isFinite) && numbers.length === channels,
      `This file has no ${name} of its images.`,
    );
    return /** @type {number[]} */ (numbers);
  });
  insist(
    std.every((one) => one > 0),
    "This file says that its images were divided by zero, or by less.",
  );
  const size = sizeOf(sides);
  const pixels = /** @type {Float32Array} */ (images.numbers);
  return {
    shape,
    steps,
    layers: layersOf(recipe.get("layers"), shapes),
    classes,
    mean,
    std,
    sets,
    images: Array.from({ length: count }, (_, k) => pixels.subarray(k * size, (k + 1) * size)),
    labels: labelsOf(tensors.get("labels"), count, classes.length || Infinity),
  };
}

/** @param {Map<string, any>} recipe @param {string} field @param {number} most @returns {string[]} */
function namesIn(recipe, field, most) {
  const names = recipe.get(field);
  insist(isListOf(names, most, isName), `The ${field} in this file have no names, or there are too many of them.`);
  return names;
}

/** @param {Tensor | undefined} labels @param {number} images @param {number} classes How many there are. */
function labelsOf(labels, images, classes) {
  if (!labels) return null;
  const isOne = labels.kind === "I32" && labels.numbers.length === images;
  insist(isOne, "This file does not hold one label for each image.");
  const numbers = [...labels.numbers];
  insist(
    numbers.every((label) => label >= 0 && label < classes),
    "A label in this file is none of its classes.",
  );
  return numbers;
}

/** @param {unknown} layers @param {number[][]} shapes Of the values. @returns {Layer[]} */
function layersOf(layers, shapes) {
  insist(isListOf(layers, LARGEST.steps, () => true) && layers.length > 0, "This file names no layers.");
  return layers.map((plain) => {
    const layer = fieldsOf(plain, "A layer in this file is none.");
    const [name, value] = [layer.get("name"), layer.get("value")];
    insist(isName(name), "A layer in this file has no name.");
    insist(isWhole(value, 0, shapes.length - 1), `The layer ${quoted(name)} in this file is none of its steps.`);
    const [first, maps, ...plane] = shapes[value];
    const hasMaps = first === 1 && maps > 0 && (plane.length === 0 || plane.length === 2);
    insist(hasMaps, `The layer ${quoted(name)} in this file has no maps.`);
    insist(maps <= LARGEST.maps, `The layer ${quoted(name)} in this file has ${maps} maps, too many for the page.`);
    return { name, value, maps, plane };
  });
}

/**
 * @param {unknown} plain
 * @param {Map<string, Tensor>} tensors
 * @param {number} sets How many sets of weights there are.
 * @param {number[]} image Its shape.
 * @returns {Step[]}
 */
function stepsOf(plain, tensors, sets, image) {
  insist(Array.isArray(plain) && plain.length > 0, "This file holds no steps.");
  const { length } = plain;
  insist(length <= LARGEST.steps, `This network takes ${length} steps, and the page goes up to ${LARGEST.steps}.`);
  const shapes = [image];
  const counts = { numbers: sizeOf(image), weights: 0, multiplications: 0 };
  return plain.map((one, k) => {
    const settings = fieldsOf(one, `Step ${k + 1} in this file is none.`);
    const [name, inputs, shape] = ["function", "inputs", "shape"].map((field) => settings.get(field));
    const isKnown = typeof name === "string" && FUNCTIONS.has(name);
    insist(isKnown, `Step ${k + 1} in this file is ${quoted(name)}, which the page does not know.`);
    const said = `Step ${k + 1} in this file, ${name},`;
    const isBefore = (/** @type {unknown} */ input) => isWhole(input, 0, k);
    insist(isListOf(inputs, LARGEST.steps, isBefore), `${said} takes what does not come before it.`);
    const isSide = (/** @type {unknown} */ side) => isWhole(side, 1, LARGEST.numbers);
    insist(isListOf(shape, 8, isSide), `${said} gives a shape that is none.`);
    counts.numbers += sizeOf(shape);
    insist(sizeOf(shape) <= LARGEST.value, `${said} gives ${sizeOf(shape)} numbers, too many for the page.`);
    insistOnLittle(counts);
    const step = { function: name, inputs, shape, settings, tensors: partsOf(tensors, k + 1, sets, said) };
    const from = inputs.map((input) => shapes[input]);
    counts.multiplications += multiplicationsOf(step, from, said);
    counts.weights += [...step.tensors.values()].reduce((sum, [first]) => sum + first.length, 0);
    insistOnLittle(counts);
    shapes.push(shape);
    return step;
  });
}

/** @param {Record<"numbers" | "weights" | "multiplications", number>} counts */
function insistOnLittle(counts) {
  const inWords = { numbers: "its maps hold", weights: "it has", multiplications: "an image takes it" };
  for (const what of /** @type {(keyof typeof counts)[]} */ (Object.keys(counts))) {
    const most = Math.round(LARGEST[what] / 1e6);
    const sentence = `This network is too large for the page: ${inWords[what]} more than ${most} million ${what}.`;
    insist(counts[what] <= LARGEST[what], sentence);
  }
}

/**
 * Of each part of a step, one tensor for each set of weights. A set that has none of its own has the first one's.
 *
 * @param {Map<string, Tensor>} tensors
 * @param {number} number Of the step, from 1.
 * @param {number} sets
 * @param {string} said What a sentence calls the step.
 */
function partsOf(tensors, number, sets, said) {
  /** @type {Map<string, Numbers[]>} */
  const parts = new Map();
  for (const [part, kind] of Object.entries(PARTS)) {
    const first = tensors.get(`0.${number}.${part}`);
    if (!first) continue;
    const all = Array.from({ length: sets }, (_, set) => tensors.get(`${set}.${number}.${part}`) ?? first);
    const areAlike = all.every((one) => one.kind === kind && one.numbers.length === first.numbers.length);
    insist(areAlike, `${said} has another ${part} in one set of weights than in the first.`);
    parts.set(
      part,
      all.map((one) => one.numbers),
    );
  }
  return parts;
}
