/** A picture of fewer, larger pixels, as PyTorch's `interpolate(mode="area")` makes it. */

/**
 * The mean of the pixels below each of the larger ones. Some lie below two.
 *
 * @param {number} height
 * @param {number} width
 * @param {(k: number) => number} at The value of pixel k, row by row.
 * @param {number} rows Of the result.
 * @param {number} columns
 */
export function areaMeans(height, width, at, rows, columns) {
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
        for (let place = row * width + left; place < end; place++) sum += at(place);
      }
      // As PyTorch divides, so that what lies between two levels of grey is rounded alike.
      means[k] = sum / (bottom - top) / (right - left);
    }
  }
  return means;
}
