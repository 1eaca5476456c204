/**
 * The parts of an explorer, and what they show, as in `helpers/explorers/explorer.py`: what the modules in
 * `helpers/explorers/page` lay out and draw.
 *
 * @typedef {import("./deconvnet.js").Maps} Maps
 *
 * @typedef {object} Panel A plane of numbers.
 * @property {ArrayLike<number>} values
 * @property {number} height
 * @property {number} width
 * @property {"ink" | "signed" | "activation"} kind
 * @property {number} [channels] 3 in colour: three planes, one after the other.
 * @property {[row: number, column: number][]} [dots]
 *
 * @typedef {object} Drawn
 * @property {Panel[]} panels Of each place the first, or all of the only one.
 * @property {number} end
 *
 * @typedef {object} ShownPart
 * @property {any} page What there is to be laid out.
 * @property {any} [words] What it says.
 * @property {any} [drawn] What is drawn in it.
 * @property {(news: any, buffers: ArrayBuffer[]) => void} [receive] What a hand has done to it.
 * @property {(news: object, buffers?: ArrayBuffer[]) => void} [tell] Tells the page; it is set where the part is shown.
 */

import { fitted } from "./fitted.js";
import { written } from "./numbers.js";

const WIDE = 196; // pixels on the screen of a large picture: 7 for each one of an image
const BETWEEN = 5; // a few panels in one picture
const THUMBNAIL = { side: 56, small: 18, gap: 0 };
// The highest level of each scale. That of signed values has an odd number of them, so that one is the middle.
const LAST = { ink: 255, signed: 254, activation: 255 };

/**
 * A plane of maps.
 *
 * @param {Maps} maps
 * @param {number} k Its number.
 * @param {Panel["kind"]} kind
 * @returns {Panel}
 */
export function panelOf({ height, width, values }, k, kind) {
  return { values: values.subarray(k * height * width, (k + 1) * height * width), height, width, kind };
}

/** @param {Maps} maps @param {Panel["kind"]} kind Every plane. */
export function panelsOf(maps, kind) {
  return Array.from({ length: maps.channels }, (_, k) => panelOf(maps, k, kind));
}

/** A large picture of one panel, or of a few, with their scale and a caption. */
export function largePicture() {
  return pictureOfSide(WIDE);
}

/** @param {number} side In pixels of the screen. */
export function pictureOfSide(side) {
  const page = { kind: "picture", side, small: Math.floor(side / 3) - BETWEEN, gap: BETWEEN };
  return {
    page,
    words: {},
    drawn: {},
    /**
     * @param {string} label
     * @param {Panel[]} panels
     * @param {number} end Of the scale.
     * @param {string} text
     */
    show(label, panels, end, text = "") {
      this.words = { label, text, marks: marks(panels[0].kind, end) };
      const fitting = fittingIn(page, panels);
      this.drawn = { place: placeOf(fitting), levels: asView(levelsOf(fitting, end)), panels, end };
    },
  };
}

/**
 * Small pictures in rows of four, each a button with its label.
 *
 * @param {number} count How many places there are.
 * @param {(k: number) => void} pick Called with the number of the place that is clicked.
 */
export function smallPictures(count, pick) {
  /** @type {Panel[][]} */
  let places = [];
  return {
    page: { kind: "thumbnails", count, ...THUMBNAIL },
    words: {},
    drawn: /** @type {any} */ ({}),
    /**
     * @param {string[]} labels
     * @param {Panel[][]} given The same list as before is not drawn again.
     * @param {number} end
     * @param {number | null} chosen
     * @param {string} name What a place is called.
     */
    show(labels, given, end, chosen, name) {
      this.words = { labels, chosen, name };
      if (given === places && end === this.drawn.end) return;
      places = given;
      const fitting = places.map((panels) => fittingIn(THUMBNAIL, panels));
      this.drawn = {
        places: fitting.map(placeOf),
        levels: asView(joined(fitting.map((panels) => levelsOf(panels, end)))),
        panels: places.map(([first]) => first),
        end,
      };
    },
    /** @param {{pick: number}} news */
    receive(news) {
      pick(news.pick);
    },
  };
}

/**
 * Shares of a whole as bars.
 *
 * @param {string} title
 * @param {string[]} names
 */
export function shareBars(title, names) {
  return {
    page: { kind: "bars", title },
    words: { names, shares: /** @type {number[] | null} */ (null) },
    /**
     * @param {number[] | null} shares Without them, the names alone.
     * @param {string[]} [of] Other names than before.
     */
    show(shares, of = names) {
      this.words = { names: of, shares };
    },
  };
}

/** Sentences below the pictures, a line each; empty ones are left out. */
export function sentencesBelow() {
  return {
    page: { kind: "note" },
    words: { sentences: /** @type {string[]} */ ([]) },
    /** @param {string[]} sentences */
    show(sentences) {
      this.words = { sentences: sentences.filter(Boolean) };
    },
  };
}

/** @param {Panel["kind"]} kind @param {number} end What stands at the ends of a scale, and at zero. */
function marks(kind, end) {
  return { ink: [], activation: ["0", written(end)], signed: [written(-end), "0", written(end)] }[kind];
}

/** @param {{side: number, small: number}} room @param {Panel[]} panels */
function fittingIn({ side, small }, panels) {
  return panels.map((panel) => fitted(panel, panels.length > 1 ? small : side));
}

/** @param {Panel[]} panels What stands in one square. */
function placeOf(panels) {
  const [{ kind, dots, channels = 1 }] = panels;
  const shapes = panels.map(({ height, width }) => [height, width]);
  return { kind: channels === 3 && kind === "signed" ? "channel" : kind, shapes, channels, ...(dots ? { dots } : {}) };
}

/** @param {Panel[]} panels @param {number} end A byte for each value. */
function levelsOf(panels, end) {
  return joined(
    panels.map(({ values, kind }) => {
      const last = LAST[kind];
      const [low, high] = { ink: [0, 1], signed: [-end, end], activation: [0, end] }[kind];
      const levels = new Uint8ClampedArray(values.length); // which rounds as Python does
      const scale = last / (high - low);
      for (let k = 0; k < values.length; k++) levels[k] = Math.min(last, scale * (values[k] - low));
      return levels;
    }),
  );
}

/** @param {Uint8ClampedArray[]} parts */
function joined(parts) {
  if (parts.length === 1) return parts[0];
  const all = new Uint8ClampedArray(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** @param {Uint8ClampedArray} levels */
function asView({ buffer }) {
  return new DataView(buffer);
}
