/** A picture of fewer, larger pixels, as PyTorch's `interpolate(mode="area")` makes it. */

/**
 * The mean of the pixels below each of the larger ones. Some lie below two.
 *
 * @param {Float64Array} pixels Row by row.
 * @param {number} height
 * @param {number} width
 * @param {number} rows Of the result.
 * @param {number} columns
 */
export function areaMeans(pixels, height, width, rows, columns) {
  const means = new Float64Array(rows * columns);
  for (let y = 0, k = 0; y < rows; y++) {
    const top = Math.floor((y * height) / rows);
    const bottom = Math.ceil(((y + 1) * height) / rows);
    for (let x = 0; x < columns; x++, k++) {
      const left = Math.floor((x * width) / columns);
      const right = Math.ceil(((x + 1) * width) / columns);
      let sum = 0;
      for (let row = top; row < bottom; row++) {
        const end = row * width + right;
        for (let at = row * width + left; at < end; at++) sum += pixels[at];
      }
      // As PyTorch divides, so that what lies between two levels of grey is rounded alike.
      means[k] = sum / (bottom - top) / (right - left);
    }
  }
  return means;
}
