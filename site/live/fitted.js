/** Maps that are larger than their picture on the screen, as in `helpers/explorers/frames.py`. */

/** @typedef {import("./shown.js").Panel} Panel */

/**
 * The panel, if each of its values has a pixel. If not, the mean of each small square of an image, and else the largest in
 * magnitude.
 *
 * @param {Panel} panel
 * @param {number} side In pixels of the screen.
 * @returns {Panel}
 */
export function fitted(panel, side) {
  const { values, height, width, kind, channels = 1 } = panel;
  const few = Math.ceil(Math.max(height, width) / side);
  if (few === 1) return panel;
  const [rows, columns] = [Math.ceil(height / few), Math.ceil(width / few)];
  const kept = new Float64Array(channels * rows * columns);
  const counts = new Float64Array(kept.length);
  for (let at = 0; at < channels * height * width; at++) {
    const [channel, row, column] = [Math.floor(at / (height * width)), Math.floor(at / width) % height, at % width];
    const to = (channel * rows + Math.floor(row / few)) * columns + Math.floor(column / few);
    if (kind === "ink") kept[to] += values[at];
    else if (Math.abs(values[at]) > Math.abs(kept[to])) kept[to] = values[at];
    counts[to]++;
  }
  return {
    ...panel,
    height: rows,
    width: columns,
    values: kind === "ink" ? kept.map((sum, k) => sum / counts[k]) : kept,
  };
}
