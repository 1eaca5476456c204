/**
 * Finds the digit in a photograph, as `helpers.photographed` does, which says more of each step: change both.
 *
 * On the same pixels it gives the same in double precision, to rounding. Two libraries round otherwise before it: a file's
 * JPEG is decoded, and a large picture reduced, by the browser here and by Pillow and PyTorch there.
 */

import { areaMeans } from "./area.js";
import { asMnist } from "./as_mnist.js";
import { closing, gaussian, mapped, median, medianFiltered, opening, otsu, plane, quantile } from "./ndimage.js";
import { toEven } from "./numbers.js";
import { boxAround, near, piecesOf, sideOf } from "./pieces.js";
import { withoutRuling } from "./ruling.js";

/**
 * @typedef {import("./ndimage.js").Plane} Plane
 * @typedef {import("./pieces.js").Box} Box
 *
 * @typedef {object} Found
 * @property {import("./deconvnet.js").Maps | null} image As MNIST's are; null if there is no digit.
 * @property {Box | null} frame Of the digit, in the photograph's pixels.
 * @property {string} says Why there is none, or what is unusual; "" if nothing is.
 * @property {Plane} ink What was taken for ink, 0 to 1, in a picture that is smaller than the photograph.
 *
 * @typedef {object} Region Ink that belongs together.
 * @property {Int32Array} labels The piece of each pixel.
 * @property {Set<number>} pieces Those that belong to it.
 * @property {Box} box
 * @property {boolean} cut Whether the border cuts it.
 */

const LONGEST = 320;
const SHORTEST = 28;
const SMALLEST = 12;
const DARKEST_PAPER = 0.15;
const BRIGHTEST_BOARD = 0.5;

/**
 * @param {{height: number, width: number, data: Uint8ClampedArray}} photo Red, green, blue and opacity of each pixel, as
 *   in an `ImageData`. No side is shorter than 28 pixels, nor than a tenth of the other.
 * @returns {Found}
 * @throws {RangeError} It is smaller or longer.
 */
export function findDigit({ height, width, data }) {
  if (Math.min(height, width) < SHORTEST || Math.max(height, width) > 10 * Math.min(height, width)) {
    throw new RangeError(
      `The picture is ${height}×${width} pixels large; it needs sides of ${SHORTEST} pixels or more, ` +
        "the longer at most ten times the shorter.",
    );
  }
  const small = reducedGrey(height, width, data);
  const ink = inkOf(small);
  const regions = regionsOf(ink);
  const whole = regions.filter((region) => !region.cut);
  const brightest = small.values.reduce((most, value) => Math.max(most, value), 0);
  const dark = brightest > 0.25 ? "" : `The picture is dark: at its brightest ${brightest.toFixed(2)} of 1.`;
  /** @param {string} why */
  const none = (why) => ({ image: null, frame: null, says: `No digit is in this picture${why}.`, ink });
  // What reaches the border may be no ink, but light that falls off to the sides of empty paper.
  if (regions.length === 0 || (whole.length === 0 && regionsOf(inkOf(evenlyLit(small))).length === 0)) {
    return none(`. ${dark || "Nothing stands out from the paper."} Write it large, with a thick pen, on plain paper`);
  }
  const chosen = largest(whole.length ? whole : regions);
  if (chosen.cut && !fills(chosen, ink)) {
    return none(": what stands out reaches its border. Leave some paper around the digit");
  }
  const notes = dark ? [dark] : [];
  if (chosen.cut) {
    notes.push("The digit reaches the border, and some of it may be missing: take the picture from farther away.");
  }
  const others = whole.filter((region) => sideOf(region.box) > 0.5 * sideOf(chosen.box)).length;
  if (others > 1) notes.push(`There are ${others} digits: this is the largest.`);
  const [down, across] = [height / small.height, width / small.width];
  const [top, left, bottom, right] = chosen.box;
  /** @type {Box} */
  const frame = [
    Math.floor(top * down),
    Math.floor(left * across),
    Math.min(height, Math.ceil(bottom * down)),
    Math.min(width, Math.ceil(right * across)),
  ];
  const { values, width: columns } = strokes(ink, chosen);
  return { image: asMnist(values, columns), frame, says: notes.join(" "), ink };
}

/**
 * Grey, with sides of at most `LONGEST`.
 *
 * @param {number} height
 * @param {number} width
 * @param {Uint8ClampedArray} data
 */
function reducedGrey(height, width, data) {
  // As television weights red, green and blue (ITU-R BT.601).
  const [red, green, blue] = [0.299, 0.587, 0.114].map((weight) =>
    Float64Array.from({ length: 256 }, (_, level) => weight * (level / 255)),
  );
  const grey = new Float64Array(height * width);
  for (let k = 0, at = 0; k < grey.length; k++, at += 4) grey[k] = red[data[at]] + green[data[at + 1]] + blue[data[at + 2]];
  const side = Math.max(height, width);
  const [rows, columns] = [height, width].map((length) =>
    side > LONGEST ? Math.max(1, toEven((length * LONGEST) / side)) : length,
  );
  return plane(rows, columns, areaMeans(grey, height, width, rows, columns));
}

/**
 * How much ink each pixel holds, 0 to 1.
 *
 * @param {Plane} picture
 */
function inkOf(picture) {
  const { height, width } = picture;
  const smooth = gaussian(picture);
  // Strokes are what a median of the surroundings has not: on paper they are darker, on a blackboard lighter.
  const [few, around] = [everyFourth(smooth), surroundings(smooth)];
  const skew = few.values.reduce((sum, value, k) => sum + (value - around.values[k]) ** 3, 0);
  // A closing fills strokes and leaves the edges of shadows where they are.
  const element = Math.max(9, Math.floor(Math.min(height, width) / 5));
  const ground = (skew > 0 ? opening : closing)(smooth, element).values;
  const contrast = withoutRuling(
    mapped(smooth, (value, k) =>
      skew > 0
        ? (value - ground[k]) / (1 - Math.min(ground[k], BRIGHTEST_BOARD))
        : (ground[k] - value) / Math.max(ground[k], DARKEST_PAPER),
    ),
  );
  const usual = median(contrast.values);
  const noise = 1.4826 * median(contrast.values.map((value) => Math.abs(value - usual)));
  const floor = usual + 4 * noise;
  const values = contrast.values.filter(inside(contrast, Math.max(0.08, floor)));
  if (values.length === 0) return plane(height, width);
  const threshold = otsu(values);
  const full = quantile(
    values.filter((value) => value >= threshold),
    0.6,
  );
  if (full < Math.max(0.12, 1.5 * floor)) return plane(height, width);
  return mapped(contrast, (value) => Math.min(Math.max(0, (value - 0.2 * full) / (0.6 * full)), 1));
}

/** @param {Plane} given */
function everyFourth({ height, width, values }) {
  const few = plane(Math.ceil(height / 4), Math.ceil(width / 4));
  return mapped(few, (_, k) => values[4 * Math.floor(k / few.width) * width + 4 * (k % few.width)]);
}

/**
 * The median of what surrounds each fourth pixel of each fourth row.
 *
 * @param {Plane} smooth
 */
function surroundings(smooth) {
  const side = Math.floor(Math.min(smooth.height, smooth.width) / 16);
  return medianFiltered(everyFourth(smooth), Math.max(5, side));
}

/**
 * `picture` less the light that slants, or falls off to the corners: a surface of second degree.
 *
 * @param {Plane} picture
 */
function evenlyLit(picture) {
  const { height, width } = picture;
  const paper = surroundings(gaussian(picture));
  /**
   * @param {number} y
   * @param {number} x
   */
  const terms = (y, x) => {
    const [down, across] = [(2 * y) / (height - 1) - 1, (2 * x) / (width - 1) - 1];
    return [1, down, across, down * down, across * down, across * across];
  };
  // Least squares: the sums of its normal equations. Overexposed places do not show how the light falls.
  const sums = Array.from({ length: 6 }, () => new Array(7).fill(0));
  let told = 0;
  paper.values.forEach((value, k) => {
    if (value >= 0.99) return;
    told++;
    const row = [...terms(4 * Math.floor(k / paper.width), 4 * (k % paper.width)), value];
    for (let i = 0; i < 6; i++) for (let j = 0; j < 7; j++) sums[i][j] += row[i] * row[j];
  });
  if (told / paper.values.length < 0.1) return picture;
  const factors = solved(sums);
  const level = median(paper.values);
  const least = Math.max(0.25 * level, 0.01);
  return mapped(picture, (value, k) => {
    const light = terms(Math.floor(k / width), k % width).reduce((sum, term, i) => sum + term * factors[i], 0);
    return Math.min(Math.max(0, (value * level) / Math.min(Math.max(least, light), 1)), 1);
  });
}

/**
 * The solution of linear equations whose matrix is symmetric and not negative (Gauss): of several, one with zeros.
 *
 * @param {number[][]} rows Each with its right side as the last.
 */
function solved(rows) {
  const left = rows.map((row) => row.slice());
  const isGiven = (/** @type {number[]} */ row, /** @type {number} */ i) => row[i] > 1e-9;
  left.forEach((pivot, i) => {
    if (!isGiven(pivot, i)) return;
    for (const row of left) {
      if (row === pivot) continue;
      const factor = row[i] / pivot[i];
      for (let j = i; j < row.length; j++) row[j] -= factor * pivot[j];
    }
  });
  return left.map((row, i) => (isGiven(row, i) ? row[row.length - 1] / row[i] : 0));
}

/**
 * Which pixels have more than `low`, less what reaches the border, such as a thumb, if anything large remains.
 *
 * @param {Plane} contrast
 * @param {number} low
 * @returns {(value: number, k: number) => boolean}
 */
function inside({ height, width, values }, low) {
  const { labels, boxes } = piecesOf(height, width, (k) => values[k] > low);
  const isIn = [false, ...boxes.map((box) => !isCut(box, height, width) && sideOf(box) >= SMALLEST)];
  return isIn.includes(true) ? (_, k) => isIn[labels[k]] : (_, k) => labels[k] > 0;
}

/**
 * What is inked, in pieces: strokes that almost touch are one.
 *
 * @param {Plane} ink
 * @returns {Region[]}
 */
function regionsOf(ink) {
  const { height, width, values } = ink;
  const pieces = piecesOf(height, width, (k) => values[k] > 0.4);
  const most = new Float64Array(pieces.boxes.length + 1);
  pieces.labels.forEach((label, k) => {
    if (values[k] > most[label]) most[label] = values[k];
  });
  const box = (/** @type {number} */ piece) => pieces.boxes[piece - 1];
  // The largest first; of equal ones the last.
  const left = new Set(
    pieces.boxes
      .map((_, k) => k + 1)
      .filter((piece) => most[piece] > 0.8 && sideOf(box(piece)) >= 4)
      .sort((one, other) => sideOf(box(other)) - sideOf(box(one)) || other - one),
  );
  /** @type {Region[]} */
  const regions = [];
  for (const first of left) {
    if (sideOf(box(first)) < SMALLEST) break;
    left.delete(first);
    const region = { labels: pieces.labels, pieces: new Set([first]), box: box(first), cut: false };
    for (;;) {
      const free = [...left].filter((piece) => !isCut(box(piece), height, width));
      const limits = new Map(free.map((piece) => [piece, reachOf(region.box, box(piece))]));
      const joined = near(pieces, region.pieces, region.box, limits);
      if (joined.length === 0) break;
      region.box = boxAround([region.box, ...joined.map(box)]);
      for (const piece of joined) {
        left.delete(piece);
        region.pieces.add(piece);
      }
    }
    region.cut = isCut(region.box, height, width);
    regions.push(region);
  }
  return regions;
}

/**
 * How near a piece must come to one that it is to belong to.
 *
 * @param {Box} box Of that.
 * @param {Box} piece
 */
function reachOf(box, piece) {
  // A 5's bar may stand apart, and a stroke may break; another digit is about as large, and stands beside.
  const [top, , bottom] = piece;
  const rows = Math.min(bottom, box[2]) - Math.max(top, box[0]);
  const beside = sideOf(piece) > 0.7 * sideOf(box) && rows > 0.5 * Math.min(bottom - top, box[2] - box[0]);
  return (beside ? 0.1 : 0.25) * sideOf(box);
}

/** @param {Region[]} regions */
function largest(regions) {
  return regions.reduce((most, region) => (sideOf(region.box) > sideOf(most.box) ? region : most));
}

/**
 * Whether a box comes as near to the border as that something may be cut off.
 *
 * @param {Box} box
 * @param {number} height
 * @param {number} width
 */
function isCut([top, left, bottom, right], height, width) {
  return Math.min(top, left, height - bottom, width - right) <= 3;
}

/**
 * Whether a region reaches from one border almost to the opposite one.
 *
 * @param {Region} region
 * @param {Plane} picture
 */
function fills({ box: [top, left, bottom, right] }, { height, width }) {
  return bottom - top > 0.8 * height || right - left > 0.8 * width;
}

/**
 * A region's ink, with a margin: its pixels and those that touch them at a side.
 *
 * @param {Plane} ink
 * @param {Region} region
 */
function strokes(ink, { labels, pieces, box: [top, left, bottom, right] }) {
  const margin = Math.floor(Math.max(bottom - top, right - left) / 8) + 2;
  const drawn = plane(bottom - top + 2 * margin, right - left + 2 * margin);
  const holds = (/** @type {number} */ y, /** @type {number} */ x) =>
    y >= top && y < bottom && x >= left && x < right && pieces.has(labels[y * ink.width + x]);
  for (let y = top; y < bottom; y++) {
    for (let x = left; x < right; x++) {
      const isIn = holds(y, x) || holds(y - 1, x) || holds(y + 1, x) || holds(y, x - 1) || holds(y, x + 1);
      const k = (y - top + margin) * drawn.width + x - left + margin;
      if (isIn) drawn.values[k] = ink.values[y * ink.width + x];
    }
  }
  return drawn;
}
