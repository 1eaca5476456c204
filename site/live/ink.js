/**
 * The ink on a sheet of paper, as `helpers/explorers/drawing.py` keeps it, and its strokes as an address tells them.
 */

const SHEET = 280; // pixels: ten for each one of an image of MNIST
const NIB = 12; // the pen's radius
const MOST = 400; // bytes of a drawing in an address
const TOLERANCES = [0.5, 1, 2]; // pixels by which a stroke may be simplified for it

export class Ink {
  /** 0 for paper and 1 for ink, row by row. */
  values = new Float32Array(SHEET * SHEET);
  /** @type {number[][]} Each through these points: x, y, x, y, … */
  strokes = [];
  /** How many changes there have been. */
  changes = 0;
  /** Whether the first stroke is to take it away. */
  isExample = false;
  /** Told of each change: @type {(news: object, buffers?: ArrayBuffer[]) => void} */
  changed = () => {};

  /** @param {string} by Names the sheet on which it is gone already. */
  clear(by = "") {
    this.#wipe();
    this.#note({ by, clear: true });
  }

  /**
   * Draw a line through these points, as thick as the pen and with round ends.
   *
   * @param {number[]} points
   * @param {string} by Names the sheet on which it is drawn already.
   */
  stroke(points, by = "") {
    if (this.isExample) this.#wipe();
    for (let k = 0; k + 3 < points.length; k += 2) this.#line(points[k], points[k + 1], points[k + 2], points[k + 3]);
    const last = this.strokes[this.strokes.length - 1];
    const [x, y] = last?.slice(-2) ?? [];
    if (x === points[0] && y === points[1]) last.push(...points.slice(2));
    else this.strokes.push([...points]);
    this.#note({ by, stroke: points });
  }

  /**
   * Show an image of MNIST's size until the next stroke.
   *
   * @param {import("./deconvnet.js").Maps} image
   */
  put({ width, values }) {
    this.#wipe();
    const block = SHEET / width;
    for (let y = 0, k = 0; y < SHEET; y++) {
      for (let x = 0; x < SHEET; x++, k++) this.values[k] = values[Math.floor(y / block) * width + Math.floor(x / block)];
    }
    this.isExample = true;
    this.#note({ by: "", example: true }, [this.bytes()]);
  }

  /** @param {number[][]} strokes Those that are to stand there, and nothing else. */
  draw(strokes) {
    this.clear();
    strokes.forEach((points) => this.stroke(points));
  }

  /** A byte for each pixel. */
  bytes() {
    const levels = new Uint8ClampedArray(this.values.length);
    for (let k = 0; k < levels.length; k++) levels[k] = 255 * this.values[k];
    return levels.buffer;
  }

  get isEmpty() {
    return this.values.every((value) => value === 0);
  }

  #wipe() {
    this.values.fill(0);
    this.strokes = [];
    this.isExample = false;
  }

  /** @param {object} news @param {ArrayBuffer[]} buffers */
  #note(news, buffers = []) {
    this.changes++;
    this.changed(news, buffers);
  }

  /** @param {number} x0 @param {number} y0 @param {number} x1 @param {number} y1 */
  #line(x0, y0, x1, y1) {
    const inside = (/** @type {number} */ place) => Math.min(Math.max(0, Math.trunc(place)), SHEET);
    const reach = NIB + 1;
    const [top, bottom] = [inside(Math.min(y0, y1) - reach), inside(Math.max(y0, y1) + reach + 1)];
    const [left, right] = [inside(Math.min(x0, x1) - reach), inside(Math.max(x0, x1) + reach + 1)];
    const length = (x1 - x0) ** 2 + (y1 - y0) ** 2;
    for (let y = top; y < bottom; y++) {
      for (let x = left; x < right; x++) {
        const [across, down] = [x + 0.5 - x0, y + 0.5 - y0];
        const share = length ? (across * (x1 - x0) + down * (y1 - y0)) / length : 0;
        const along = Math.min(Math.max(share, 0), 1);
        const away = Math.hypot(across - along * (x1 - x0), down - along * (y1 - y0));
        const ink = Math.min(Math.max(NIB + 0.5 - away, 0), 1);
        if (ink > this.values[y * SHEET + x]) this.values[y * SHEET + x] = ink;
      }
    }
  }
}

/**
 * Strokes as a text that an address can hold: simplified a little, and rounded to a pixel.
 *
 * @param {number[][]} strokes
 * @returns {string | null} null if they are too many for a few hundred bytes.
 */
export function toldStrokes(strokes) {
  for (const tolerance of TOLERANCES) {
    const bytes = strokes.flatMap((points) => {
      const few = simplified(points, tolerance).map((place) => Math.round((Math.min(Math.max(place, 0), SHEET) * 255) / SHEET));
      return few.length / 2 < 256 ? [few.length / 2, ...few] : Array(MOST).fill(0);
    });
    if (bytes.length <= MOST) {
      return btoa(String.fromCharCode(...bytes)).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
    }
  }
  return null;
}

/**
 * @param {string} told
 * @returns {number[][]} None if it is no such text.
 */
export function strokesOf(told) {
  let bytes;
  try {
    bytes = Array.from(atob(told.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  } catch {
    return [];
  }
  const strokes = [];
  for (let k = 0; k < bytes.length; k += 1 + 2 * bytes[k]) {
    const points = bytes.slice(k + 1, k + 1 + 2 * bytes[k]).map((place) => (place * SHEET) / 255);
    if (points.length < 2 * bytes[k] || points.length === 0) return strokes;
    strokes.push(points.length === 2 ? [...points, ...points] : points);
  }
  return strokes;
}

/**
 * The stroke with fewer points: none that is left out lies farther from it than that (Douglas & Peucker, 1973).
 *
 * @param {number[]} points
 * @param {number} tolerance
 * @returns {number[]}
 */
function simplified(points, tolerance) {
  const [x0, y0] = points;
  const [x1, y1] = points.slice(-2);
  const length = Math.hypot(x1 - x0, y1 - y0);
  let [farthest, most] = [0, tolerance];
  for (let k = 2; k < points.length - 2; k += 2) {
    const [across, down] = [points[k] - x0, points[k + 1] - y0];
    const away = length ? Math.abs(across * (y1 - y0) - down * (x1 - x0)) / length : Math.hypot(across, down);
    if (away > most) [farthest, most] = [k, away];
  }
  if (farthest === 0) return length ? [x0, y0, x1, y1] : [x0, y0];
  const before = simplified(points.slice(0, farthest + 2), tolerance);
  return [...before.slice(0, -2), ...simplified(points.slice(farthest), tolerance)];
}
