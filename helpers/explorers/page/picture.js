/**
 * Maps as pictures: a large one with its scale and a caption, and sheets of small ones, each of which is a button.
 *
 * A map comes as one byte for each value, and becomes blocks in the colours of its scale. In colour it comes as three.
 */

import { make } from "./make.js";

/**
 * @typedef {object} Place What stands in one square: a map, or a few in rows of three.
 * @property {string} kind In which of the palettes the levels are.
 * @property {[height: number, width: number][]} shapes
 * @property {number} channels 3 in colour, where the red, the green and the blue plane of a map come one after another.
 * @property {[row: number, column: number][]} [dots] On values of the first map.
 *
 * @typedef {object} Measures In pixels of the screen.
 * @property {number} side Of a square.
 * @property {number} small Of each map, where there are a few in it.
 * @property {number} gap Between these.
 *
 * @typedef {{label: string, text: string, marks: string[]}} Words
 * @typedef {{labels: string[], chosen: number | null, name: string}} SheetWords
 * @typedef {{place: Place, levels: DataView}} Drawn
 * @typedef {{places: Place[], levels: DataView}} SheetDrawn
 * @typedef {Record<string, Uint32Array>} Palettes For each scale, the colours of its levels.
 */

const ROW = 3;
const OPAQUE_RED = 0xff0000ff;

/**
 * @param {Measures} measures
 * @param {Palettes} palettes
 */
export function picture(measures, palettes) {
  const element = make("figure", "picture");
  const canvas = square(measures.side);
  canvas.setAttribute("role", "img");
  const scale = make("div", "scale");
  const marks = make("div", "marks");
  const label = make("b");
  const text = make("span");
  const caption = make("figcaption");
  caption.append(scale, marks, label, make("br"), text);
  element.append(canvas, caption);
  element.style.width = `${measures.side}px`;
  return {
    element,
    /** @param {Drawn} drawn */
    draw({ place, levels }) {
      paint(canvas, measures, place, bytes(levels), palettes);
      scale.style.background = gradient(palettes[place.kind]);
    },
    /** @param {Words} words */
    show(words) {
      scale.style.visibility = words.marks.length ? "visible" : "hidden";
      marks.replaceChildren(...words.marks.map((mark) => make("span", "", mark)));
      label.textContent = words.label;
      text.textContent = words.text;
      canvas.title = `${words.label}. ${words.text}`;
      canvas.setAttribute("aria-label", canvas.title);
    },
  };
}

/**
 * @param {Measures & {count: number}} measures And how many places there are.
 * @param {Palettes} palettes
 * @param {(k: number) => void} pick Called with the number of the place that is clicked.
 */
export function thumbnails(measures, palettes, pick) {
  const element = make("div", "thumbnails");
  const places = Array.from({ length: measures.count }, (_, k) => {
    const button = make("button");
    button.type = "button";
    const canvas = square(measures.side);
    const label = make("span");
    button.append(canvas, label);
    button.addEventListener("click", () => pick(k));
    return { button, canvas, label };
  });
  element.append(...places.map(({ button }) => button));
  return {
    element,
    /** @param {SheetDrawn} drawn */
    draw(drawn) {
      const levels = bytes(drawn.levels);
      let from = 0;
      drawn.places.forEach((place, k) => {
        const to = from + place.channels * place.shapes.reduce((sum, [height, width]) => sum + height * width, 0);
        paint(places[k].canvas, measures, place, levels.subarray(from, to), palettes);
        from = to;
      });
    },
    /** @param {SheetWords} words */
    show({ labels, chosen, name }) {
      places.forEach(({ button, label }, k) => {
        button.style.visibility = k < labels.length ? "visible" : "hidden";
        label.textContent = labels[k] ?? "";
        button.title = k < labels.length ? `${name} ${labels[k]}` : "";
        button.setAttribute("aria-pressed", `${k === chosen}`);
      });
    },
  };
}

/**
 * @param {Record<string, DataView>} palettes Three bytes for each colour.
 * @returns {Palettes}
 */
export function colours(palettes) {
  return Object.fromEntries(
    Object.entries(palettes).map(([kind, view]) => {
      const parts = bytes(view);
      const colour = (/** @type {number} */ _, /** @type {number} */ k) =>
        (255 << 24) | (parts[3 * k + 2] << 16) | (parts[3 * k + 1] << 8) | parts[3 * k];
      return [kind, Uint32Array.from({ length: parts.length / 3 }, colour)];
    }),
  );
}

/** @param {number} side */
function square(side) {
  const canvas = make("canvas");
  canvas.width = canvas.height = side;
  return canvas;
}

/** @param {DataView} view */
function bytes(view) {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
}

/**
 * @param {HTMLCanvasElement} canvas
 * @param {Measures} measures
 * @param {Place} place
 * @param {Uint8Array} levels Of all its maps, one after the other.
 * @param {Palettes} palettes
 */
function paint(canvas, measures, { kind, shapes, channels, dots = [] }, levels, palettes) {
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.clearRect(0, 0, measures.side, measures.side);
  context.imageSmoothingEnabled = false;
  let from = 0;
  placesOfMaps(measures, shapes).forEach(({ x, y, block }, k) => {
    const [height, width] = shapes[k];
    const to = from + channels * height * width;
    const map = coloured(levels.subarray(from, to), height, width, palettes[kind], channels === 3);
    context.drawImage(map, x, y, block * width, block * height);
    from = to;
    if (k === 0) {
      for (const [row, column] of dots) {
        context.fillStyle = "black";
        context.fillRect(x + column * block + 1, y + row * block + 1, block - 2, block - 2);
        context.fillStyle = "white";
        context.fillRect(x + column * block + 2, y + row * block + 2, block - 4, block - 4);
      }
    }
  });
}

/**
 * Where the upper left corner of each map stands in its square, and the side of the block that shows a value.
 *
 * @param {Measures} measures
 * @param {Place["shapes"]} shapes
 */
export function placesOfMaps({ side, small, gap }, shapes) {
  const few = shapes.length > 1;
  const step = small + gap;
  const corner = few ? [middle(side, step * Math.ceil(shapes.length / ROW)), middle(side, step * ROW)] : [0, 0];
  return shapes.map(([height, width], k) => {
    const room = few ? small : side;
    const block = Math.floor(room / Math.max(height, width));
    const [top, left] = few
      ? [corner[0] + Math.floor(k / ROW) * step + middle(gap, 0), corner[1] + (k % ROW) * step + middle(gap, 0)]
      : corner;
    return { x: left + middle(room, block * width), y: top + middle(room, block * height), block };
  });
}

/**
 * Where something of that length begins, to stand in the middle.
 *
 * @param {number} room
 * @param {number} length
 */
function middle(room, length) {
  return Math.floor((room - length) / 2);
}

/**
 * A map, a pixel for each value.
 *
 * @param {Uint8Array} levels
 * @param {number} height
 * @param {number} width
 * @param {Uint32Array} palette
 * @param {boolean} inColour
 */
function coloured(levels, height, width, palette, inColour) {
  const canvas = make("canvas");
  canvas.width = width;
  canvas.height = height;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const image = context.createImageData(width, height);
  const pixels = new Uint32Array(image.data.buffer);
  const count = height * width;
  for (let k = 0; k < count; k++) {
    pixels[k] = inColour
      ? (palette[levels[k]] & OPAQUE_RED) |
        (palette[levels[k + count]] & 0xff00) |
        (palette[levels[k + 2 * count]] & 0xff0000)
      : palette[levels[k]];
  }
  context.putImageData(image, 0, 0);
  return canvas;
}

/**
 * A scale from its low end to its high one, in CSS.
 *
 * @param {Uint32Array} palette
 */
function gradient(palette) {
  const stops = Array.from({ length: 9 }, (_, k) => palette[Math.round((k * (palette.length - 1)) / 8)]);
  const names = stops.map((colour) => `rgb(${colour & 255}, ${(colour >> 8) & 255}, ${(colour >> 16) & 255})`);
  return `linear-gradient(to right, ${names.join()})`;
}
