// Finds the digit in each of the photographs of a folder by the page's own module: `node find_digits.mjs MODULE FOLDER`.

import { readFileSync, writeFileSync } from "node:fs";

const [file, folder] = process.argv.slice(2);
const { findDigit } = await import(file);
const bytes = readFileSync(`${folder}/photographs.bin`);
let from = 0;
const found = JSON.parse(readFileSync(`${folder}/shapes.json`, "utf-8")).map(([height, width]) => {
  // Plane by plane in the file, pixel by pixel as a canvas has them.
  const count = height * width;
  const data = new Uint8ClampedArray(4 * count).fill(255);
  for (let channel = 0; channel < 3; channel++) {
    for (let k = 0; k < count; k++) data[4 * k + channel] = bytes[from + channel * count + k];
  }
  from += 3 * count;
  const start = performance.now();
  const { image, frame, says, ink } = findDigit({ height, width, data });
  const seconds = (performance.now() - start) / 1000;
  return { image: image && Array.from(image.values), frame, says, ink: Array.from(ink.values, Math.fround), seconds };
});
writeFileSync(`${folder}/found.json`, JSON.stringify(found));
