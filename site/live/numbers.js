/** Numbers of maps, and how they are written: as `helpers.explorers` and `helpers.plotting` do it. */

/** @param {number} value With two decimals where there is room for them. */
export function written(value) {
  const text = Math.abs(value) < 1000 ? value.toFixed(2) : Math.round(value).toLocaleString("en-US");
  return text.replace("-", "−");
}

/** @param {number} value With its sign. */
export function signed(value) {
  return `${value < 0 ? "" : "+"}${value.toFixed(2)}`.replace("-", "−");
}

/** @param {number} share */
export function percent(share) {
  return `${toEven(100 * share)}%`;
}

/** @param {ArrayLike<number>} values The smallest and the largest of them, in words. */
export function rangeOf(values) {
  let [low, high] = [Infinity, -Infinity];
  for (let k = 0; k < values.length; k++) {
    if (values[k] < low) low = values[k];
    if (values[k] > high) high = values[k];
  }
  return `from ${written(low)} to ${written(high)}`;
}

/**
 * The end of a scale for these values, from zero or around it. Never zero.
 *
 * @param {...ArrayLike<number>} several
 */
export function endOf(...several) {
  let most = 0;
  for (const values of several) for (let k = 0; k < values.length; k++) most = Math.max(most, Math.abs(values[k]));
  return most || 1;
}

/**
 * The end of a symmetric scale in which 99.5 % of the values lie. Never zero.
 *
 * @param {...Float64Array} several
 */
export function signedLimit(...several) {
  const magnitudes = new Float64Array(several.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const values of several) for (const value of values) magnitudes[at++] = Math.abs(value);
  magnitudes.sort();
  const place = 0.995 * (magnitudes.length - 1);
  const [low, high] = [magnitudes[Math.floor(place)], magnitudes[Math.ceil(place)]];
  return low + (place % 1) * (high - low) || magnitudes[magnitudes.length - 1] || 1;
}

/** @param {number} value The nearest whole number, and of two the even one, as Python rounds. */
export function toEven(value) {
  const rounded = Math.round(value);
  return rounded - value === 0.5 && rounded % 2 !== 0 ? rounded - 1 : rounded;
}

/**
 * In which direction the strokes of a plane run, in degrees counterclockwise from level, and how clearly, from 0 to 1.
 *
 * The structure tensor, as in `helpers/directions.py`.
 *
 * @param {import("./deconvnet.js").Maps} maps The first of them.
 */
export function strokeDirection({ height, width, values }) {
  let [xx, yy, xy] = [0, 0, 0];
  for (let row = 1; row < height - 1; row++) {
    for (let column = 1; column < width - 1; column++) {
      const at = row * width + column;
      const [down, right] = [values[at + width] - values[at - width], values[at + 1] - values[at - 1]];
      xx += right * right;
      yy += down * down;
      xy += right * down;
    }
  }
  const steepest = (90 / Math.PI) * Math.atan2(2 * xy, xx - yy);
  return { angle: (270 - steepest) % 180, clear: Math.hypot(xx - yy, 2 * xy) / (xx + yy || 1) };
}
