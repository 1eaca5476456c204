/**
 * A network of your own, out of a file that `save_network` has written: docs/network_file.md says what stands in it.
 *
 * A file comes from anywhere. So nothing in it is believed: each number is looked at before it is used, and what is wrong
 * is said in one sentence.
 *
 * @typedef {import("./walk.js").Step} Step
 * @typedef {import("./functions.js").Numbers} Numbers
 * @typedef {{ name: string, value: number, maps: number, plane: number[] }} Layer
 * @typedef {{ shape: number[], steps: Step[], layers: Layer[], classes: string[], mean: number[], std: number[],
 *   sets: string[], images: Float32Array[], labels: number[] | null }} Network
 */

import { FUNCTIONS, sizeOf, windowsOf } from "./functions.js";
import { areFinite } from "./walk.js";

/** What is too large for a page. docs/network_file.md names these, and Python writes no more. */
export const LARGEST = {
  bytes: 2 ** 26,
  header: 2 ** 21,
  weights: 2 ** 22,
  multiplications: 2 ** 30,
  at_once: 2 ** 25,
  numbers: 2 ** 24,
  side: 1024,
  kernel: 128,
  steps: 1000,
  sets: 256,
};

/** Its message is a sentence for whoever has brought the file. */
export class Unreadable extends Error {}

/** @param {string} sentence @returns {never} */
function refuseFile(sentence) {
  throw new Unreadable(sentence);
}

/** @param {boolean} holds @param {string} sentence @returns {asserts holds} */
function hold(holds, sentence) {
  if (!holds) {
    refuseFile(sentence);
  }
}

/**
 * @param {Blob} file
 * @returns {Promise<ArrayBuffer>}
 * @throws {Unreadable}
 */
export async function bytesOfFile(file) {
  hold(file.size > 0, "This file is empty.");
  const [size, most] = [file.size, LARGEST.bytes + LARGEST.header].map((bytes) => Math.ceil(bytes / 2 ** 20));
  hold(size <= most, `This file holds ${size} MiB, and the page reads up to ${most}: write fewer checkpoints, or a smaller network.`);
  try {
    return await file.arrayBuffer();
  } catch {
    return refuseFile("The browser can't read this file: it has gone, or is a folder.");
  }
}

/**
 * @param {ArrayBuffer} buffer
 * @returns {Generator<void, Network, void>}
 * @throws {Unreadable}
 */
export function* networkIn(buffer) {
  const header = headerOf(buffer);
  const recipe = recipeIn(header.plain);
  yield;
  const tensors = yield* tensorsIn(header.plain, buffer, header.end);
  return networkOf(recipe, tensors);
}

// The file

/** What other files begin with. @type {[string, string][]} */
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
const WRITE_ONE = "write one with save_network";

/** @param {ArrayBuffer} buffer */
function headerOf(buffer) {
  hold(buffer.byteLength >= 10, "This file is too short for a network: it has been cut off.");
  const long = new DataView(buffer).getBigUint64(0, true);
  if (long > LARGEST.header) {
    const start = String.fromCharCode(...new Uint8Array(buffer, 0, Math.min(32, buffer.byteLength)));
    const other = OTHERS.find(([beginning]) => start.startsWith(beginning));
    refuseFile(`${other?.[1] ?? "This is no safetensors file, or its header is too long"}: ${WRITE_ONE}.`);
  }
  const end = 8 + Number(long);
  hold(end <= buffer.byteLength, "This file has been cut off, within its header: copy it again.");
  let text = "";
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(buffer, 8, Number(long)));
  } catch {
    refuseFile(`This is no safetensors file: its header is no text. Please ${WRITE_ONE}.`);
  }
  return { plain: jsonOf(text, "The header of this file is no JSON: it is damaged, or no safetensors file."), end };
}

/** @param {string} text @param {string} otherwise  what to say if it is none @returns {Map<string, any>} */
function jsonOf(text, otherwise) {
  try {
    return fieldsOf(JSON.parse(text), otherwise);
  } catch {
    return refuseFile(otherwise);
  }
}

/** An object's fields as a map, where no name means anything else. @param {any} plain @param {string} otherwise
 * @returns {Map<string, any>} */
function fieldsOf(plain, otherwise) {
  hold(typeof plain === "object" && plain !== null && !Array.isArray(plain), otherwise);
  return new Map(Object.entries(plain));
}

/** The recipe, as plain data. @param {Map<string, any>} header */
function recipeIn(header) {
  const unknown = `This safetensors file holds weights, but not the steps that lead through them: ${WRITE_ONE}.`;
  const metadata = fieldsOf(header.get("__metadata__"), unknown);
  hold(metadata.get("format") === "deconvnet" && typeof metadata.get("network") === "string", unknown);
  const recipe = jsonOf(metadata.get("network"), "The steps in this file are no JSON: the file is damaged.");
  hold(recipe.get("version") === 1, `This file is of another version than the page reads, which is 1: ${WRITE_ONE} of the same edition.`);
  return recipe;
}

/** @typedef {{ kind: string, shape: number[], numbers: Numbers }} Tensor */

/**
 * @param {Map<string, any>} header
 * @param {ArrayBuffer} buffer
 * @param {number} first  byte behind the header
 * @returns {Generator<void, Map<string, Tensor>, void>}
 */
function* tensorsIn(header, buffer, first) {
  /** @type {{ name: string, kind: string, shape: number[], start: number, end: number }[]} */
  const places = [];
  for (const [name, plain] of header) {
    if (name === "__metadata__") {
      continue;
    }
    const said = `The tensor ${quoted(name)} of this file`;
    const place = fieldsOf(plain, `${said} is not described as safetensors does.`);
    const kind = place.get("dtype");
    hold(kind === "F32" || kind === "I32", `${said} is of the type ${quoted(kind)}; a network holds F32 and I32.`);
    const shape = place.get("shape");
    hold(isList(shape, 8) && shape.every((/** @type {any} */ side) => isWhole(side, 0, LARGEST.bytes)), `${said} has a shape that is none.`);
    const offsets = place.get("data_offsets");
    hold(isList(offsets, 2) && offsets.length === 2 && offsets.every((/** @type {any} */ one) => isWhole(one, 0, Number.MAX_SAFE_INTEGER)), `${said} has no place in it.`);
    const [start, end] = offsets;
    hold(sizeOf(shape) * 4 === end - start, `${said} has another size than its shape: the file is damaged.`);
    places.push({ name, kind, shape, start, end });
  }
  places.sort((one, other) => one.start - other.start || one.end - other.end);
  let reached = 0;
  for (const { name, start, end } of places) {
    hold(start >= reached, `The tensor ${quoted(name)} of this file lies over another one.`);
    hold(start === reached, `Before the tensor ${quoted(name)} of this file there is a gap.`);
    reached = end;
  }
  hold(first + reached <= buffer.byteLength, `This file has been cut off: ${buffer.byteLength} of its ${first + reached} bytes are there. Copy it again.`);
  hold(first + reached === buffer.byteLength, "This file goes on behind its last tensor: it is damaged.");
  /** @type {Map<string, Tensor>} */
  const tensors = new Map();
  for (const { name, kind, shape, start, end } of places) {
    const [from, size] = [first + start, (end - start) / 4];
    // Views begin at multiples of four.
    const [bytes, offset] = from % 4 ? [buffer.slice(from, first + end), 0] : [buffer, from];
    const numbers = kind === "I32" ? new Int32Array(bytes, offset, size) : new Float32Array(bytes, offset, size);
    hold(numbers instanceof Int32Array || areFinite(numbers), `The tensor ${quoted(name)} of this file holds NaN or infinity: that training went wrong.`);
    tensors.set(name, { kind, shape, numbers });
    yield;
  }
  return tensors;
}

// The network

/** @param {Map<string, any>} recipe @param {Map<string, Tensor>} tensors @returns {Network} */
function networkOf(recipe, tensors) {
  const sets = textsOf(recipe, "weights", LARGEST.sets);
  hold(sets.length > 0, "This file holds no set of weights.");
  const images = tensors.get("images");
  hold(images?.kind === "F32" && images.shape.length === 4 && sizeOf(images.shape) > 0, "This file holds no images.");
  const [n, ...sides] = images.shape;
  const channels = sides[0];
  hold(channels === 1 || channels === 3, `The images in this file have ${channels} channels; the page shows 1, which is grey, or 3, in colour.`);
  const shape = [1, ...sides];
  const steps = stepsOf(recipe, tensors, sets.length, shape);
  const shapes = [shape, ...steps.map((step) => step.shape)];
  const classes = textsOf(recipe, "classes", 10000);
  const scores = shapes[shapes.length - 1];
  hold(classes.length === 0 || (scores.length === 2 && scores[1] === classes.length), `This file names ${classes.length} classes, but the network does not give a score for each.`);
  const [mean, std] = ["mean", "std"].map((name) => {
    const numbers = recipe.get(name);
    hold(isList(numbers, channels) && numbers.length === channels && numbers.every(Number.isFinite), `This file has no ${name} of its images.`);
    return /** @type {number[]} */ (numbers);
  });
  hold(std.every((number) => number > 0), "This file says that its images were divided by zero, or by less.");
  return {
    shape,
    steps,
    layers: layersOf(recipe, shapes),
    classes,
    mean,
    std,
    sets,
    images: Array.from({ length: n }, (_, i) => /** @type {Float32Array} */ (images.numbers).subarray(i * sizeOf(sides), (i + 1) * sizeOf(sides))),
    labels: labelsOf(tensors.get("labels"), n, classes.length || Infinity),
  };
}

/** @param {Tensor | undefined} labels @param {number} images @param {number} classes */
function labelsOf(labels, images, classes) {
  if (!labels) {
    return null;
  }
  hold(labels.kind === "I32" && labels.shape.length === 1 && labels.numbers.length === images, "This file does not hold one label for each image.");
  const numbers = [...labels.numbers];
  hold(numbers.every((label) => label >= 0 && label < classes), "A label in this file is none of its classes.");
  return numbers;
}

/** @param {Map<string, any>} recipe @param {number[][]} shapes @returns {Layer[]} */
function layersOf(recipe, shapes) {
  const layers = recipe.get("layers");
  hold(isList(layers, LARGEST.steps) && layers.length > 0, "This file names no layers.");
  return layers.map((plain) => {
    const layer = fieldsOf(plain, "A layer in this file is none.");
    const [name, value] = [layer.get("name"), layer.get("value")];
    hold(isText(name), "A layer in this file has no name.");
    hold(isWhole(value, 0, shapes.length - 1), `The layer ${quoted(name)} in this file is none of its steps.`);
    const [first, maps, ...plane] = shapes[value];
    hold(first === 1 && maps > 0 && (plane.length === 0 || plane.length === 2), `The layer ${quoted(name)} in this file has no maps.`);
    return { name, value, maps, plane };
  });
}

/** @param {Map<string, any>} recipe @param {Map<string, Tensor>} tensors @param {number} sets @param {number[]} image
 * @returns {Step[]} */
function stepsOf(recipe, tensors, sets, image) {
  const plain = recipe.get("steps");
  hold(Array.isArray(plain) && plain.length > 0, "This file holds no steps.");
  hold(plain.length <= LARGEST.steps, `This network takes ${plain.length} steps, and the page goes up to ${LARGEST.steps}.`);
  const shapes = [image];
  let [numbers, weights, multiplications] = [sizeOf(image), 0, 0];
  return plain.map((one, i) => {
    const settings = fieldsOf(one, `Step ${i + 1} in this file is none.`);
    const name = settings.get("function");
    hold(typeof name === "string" && FUNCTIONS.has(name), `Step ${i + 1} in this file is ${quoted(name)}, which the page does not know.`);
    const said = `Step ${i + 1} in this file, ${name},`;
    const [inputs, shape] = [settings.get("inputs"), settings.get("shape")];
    hold(isList(inputs, LARGEST.steps) && inputs.every((/** @type {any} */ input) => isWhole(input, 0, i)), `${said} takes what does not come before it.`);
    hold(isList(shape, 8) && shape.every((/** @type {any} */ side) => isWhole(side, 1, LARGEST.numbers)), `${said} gives a shape that is none.`);
    numbers += sizeOf(shape);
    hold(numbers <= LARGEST.numbers, `This network is too large for the page: its maps hold more than ${millions(LARGEST.numbers)} million numbers.`);
    const from = inputs.map((/** @type {number} */ input) => shapes[input]);
    const parts = partsOf(tensors, i + 1, sets, said);
    const step = { function: name, inputs, shape, settings, tensors: parts };
    multiplications += looked(step, from, said);
    weights += [...parts.values()].reduce((sum, [first]) => sum + first.length, 0);
    hold(weights <= LARGEST.weights, `This network is too large for the page: it has more than ${millions(LARGEST.weights)} million weights.`);
    hold(multiplications <= LARGEST.multiplications, `This network is too large for the page: an image takes it more than ${millions(LARGEST.multiplications)} million multiplications.`);
    shapes.push(shape);
    return step;
  });
}

/** The parts that functions may have. @type {Record<string, "F32" | "I32">} */
const KINDS_OF_PARTS = { weight: "F32", bias: "F32", factor: "F32", shift: "F32", constant: "F32", index: "I32", starts: "I32", columns: "I32" };

/** Of each part of a step, one tensor for each set of weights. A set that has none of its own has the first one's.
 * @param {Map<string, Tensor>} tensors @param {number} number @param {number} sets @param {string} said */
function partsOf(tensors, number, sets, said) {
  /** @type {Map<string, Numbers[]>} */
  const parts = new Map();
  for (const [part, kind] of Object.entries(KINDS_OF_PARTS)) {
    const first = tensors.get(`0.${number}.${part}`);
    if (first) {
      const all = Array.from({ length: sets }, (_, set) => tensors.get(`${set}.${number}.${part}`) ?? first);
      hold(all.every((one) => one.kind === kind && one.numbers.length === first.numbers.length), `${said} has another ${part} in one set of weights than in the first.`);
      parts.set(part, all.map((one) => one.numbers));
    }
  }
  return parts;
}

/** How many multiplications a step takes. What it takes and gives is looked at.
 * @param {Step} step @param {number[][]} from  the shapes of its inputs @param {string} said */
function looked({ function: name, shape, settings, tensors, inputs }, from, said) {
  const sizes = from.map(sizeOf);
  const total = sizes.reduce((sum, size) => sum + size, 0);
  const size = sizeOf(shape);
  const is = (/** @type {boolean} */ holds, /** @type {string} */ what) => hold(holds, `${said} ${what}.`);
  // It is done in one go.
  const small = (/** @type {number} */ work) => is(work <= LARGEST.at_once, "is too large for the page");
  const fits = (/** @type {boolean} */ holds) => is(holds, "does not give what its shape says");
  const sides = (/** @type {number} */ i) => /** @type {number[]} */ (i ? shape : from[0]).slice(-3);
  const long = (/** @type {string} */ part) => tensors.get(part)?.[0].length ?? -1;
  const has = (/** @type {string} */ part, /** @type {number} */ length, optional = false) =>
    is(long(part) === length || (optional && long(part) < 0), `has no ${part} that fits its shape`);
  const spread = (/** @type {string} */ part) => is(long(part) > 0 && size % long(part) === 0, `has no ${part} that fits its shape`);
  const within = (/** @type {string} */ part, /** @type {number} */ low, /** @type {number} */ high) =>
    is([...new Set(tensors.get(part))].every((all) => all.every((one) => one >= low && one < high)), "reads beyond its input");
  is(name === "cat" || name === "take" ? inputs.length > 0 : inputs.length === (name === "add" ? 2 : 1), "takes another number of inputs");
  is(total <= LARGEST.numbers, "takes too much");
  switch (name) {
    case "conv2d":
    case "max_pool2d":
    case "adaptive_max_pool2d": {
      is([shape, from[0]].every((one) => one.length >= 3 && sizeOf(one) === sizeOf(one.slice(-3)) && Math.max(...one.slice(-2)) <= LARGEST.side), "does not take and give planes");
      if (name === "adaptive_max_pool2d") {
        fits(sides(0)[0] === sides(1)[0]);
        return size + sizes[0];
      }
      for (const [setting, low] of /** @type {[string, number][]} */ ([["kernel", 1], ["stride", 1], ["padding", 0], ["dilation", 1]])) {
        const pair = settings.get(setting);
        is(isList(pair, 2) && pair.length === 2 && pair.every((/** @type {any} */ one) => isWhole(one, low, LARGEST.kernel)), `has no ${setting}`);
      }
      const taps = sizeOf(settings.get("kernel"));
      for (const axis of [0, 1]) {
        const [stride, padding] = [settings.get("stride")[axis], settings.get("padding")[axis]];
        fits((sides(1)[axis + 1] - 1) * stride - padding < sides(0)[axis + 1]);
      }
      if (name === "max_pool2d") {
        fits(sides(0)[0] === sides(1)[0]);
        small(size * taps);
        is(windowsOf(/** @type {any} */ ({ from, shape, settings })).flat().every((pairs) => pairs.length > 0), "has a window that holds nothing but padding");
        return size * taps;
      }
      const groups = settings.get("groups");
      is(isWhole(groups, 1, LARGEST.numbers) && sides(0)[0] % groups === 0 && sides(1)[0] % groups === 0, "has groups that don't fit its maps");
      has("weight", ((sides(1)[0] * sides(0)[0]) / groups) * taps);
      has("bias", sides(1)[0], true);
      return (size / sides(1)[0]) * long("weight");
    }
    case "linear":
      has("weight", size * total);
      has("bias", size, true);
      return size * total;
    case "relu":
      fits(size === total);
      is(!settings.has("max") || (Number.isFinite(settings.get("max")) && settings.get("max") > 0), "has a maximum that is none");
      return size;
    case "local_response_norm":
      fits(size === total && shape.length > 1 && shape[0] === 1);
      is(isWhole(settings.get("size"), 1, 4096) && ["alpha", "beta", "k"].every((one) => Number.isFinite(settings.get(one))), "has settings that are none");
      is(settings.get("alpha") >= 0 && settings.get("k") > 0, "divides by zero, or by less");
      small(size * settings.get("size"));
      return size * settings.get("size");
    case "add":
      fits(sizes.every((one) => one === size));
      is(Number.isFinite(settings.get("alpha")), "has no alpha");
      return size;
    case "cat":
    case "reshape":
      fits(size === total);
      return size;
    case "take":
      has("index", size);
      has("constant", size, true);
      within("index", -1, total);
      return size;
    case "scale":
      fits(size === total);
      spread("factor");
      spread("shift");
      return size;
    default: {
      const parts = settings.get("planes");
      is(isWhole(parts, 1, LARGEST.numbers) && size % parts === 0 && total % parts === 0, "is cut into parts that don't fit it");
      has("starts", size / parts + 1);
      has("columns", long("weight"));
      spread("shift");
      within("columns", 0, total / parts);
      for (const starts of new Set(tensors.get("starts"))) {
        is(starts[0] === 0 && starts[starts.length - 1] === long("weight") && starts.every((one, i) => i === 0 || one >= starts[i - 1]), "has rows that don't follow each other");
      }
      small(parts * long("weight"));
      return parts * long("weight");
    }
  }
}

// What plain data may be

/** @param {unknown} one @param {number} low @param {number} high */
function isWhole(one, low, high) {
  return Number.isInteger(one) && /** @type {number} */ (one) >= low && /** @type {number} */ (one) <= high;
}

/** @param {unknown} one @param {number} most @returns {one is any[]} */
function isList(one, most) {
  return Array.isArray(one) && one.length <= most;
}

/** @param {unknown} one @returns {one is string} */
function isText(one) {
  return typeof one === "string" && one.length > 0 && one.length <= 200;
}

/** @param {Map<string, any>} recipe @param {string} name @param {number} most @returns {string[]} */
function textsOf(recipe, name, most) {
  const list = recipe.get(name);
  hold(isList(list, most) && list.every(isText), `The ${name} in this file have no names, or too many of them.`);
  return list;
}

/** What a file says, so short that it fits a sentence. @param {unknown} one */
function quoted(one) {
  const text = typeof one === "string" || typeof one === "number" ? `${one}` : typeof one;
  return `“${text.length > 40 ? `${text.slice(0, 40)}…` : text}”`;
}

/** @param {number} number */
function millions(number) {
  return Math.round(number / 1e6);
}
