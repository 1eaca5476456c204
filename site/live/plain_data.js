/** Plain data out of a file that comes from anywhere: none of it is believed before it has been looked at. */

/** What is too large for a page. `helpers/network_file.py` writes no more than the first nine. */
export const LARGEST = {
  bytes: 2 ** 26,
  header: 2 ** 21,
  weights: 2 ** 22,
  numbers: 2 ** 24,
  value: 2 ** 22,
  multiplications: 2 ** 30,
  steps: 1000,
  sets: 256,
  images: 10_000,
  // of a layer
  maps: 2 ** 17,
  classes: 10_000,
  // what is done in one go
  work: 2 ** 25,
  side: 1024,
  kernel: 128,
};

/** Its message is a sentence for whoever has brought the file. */
export class Unreadable extends Error {}

/** @param {string} sentence @returns {never} */
export function refuse(sentence) {
  throw new Unreadable(sentence);
}

/** @param {unknown} holds @param {string} sentence What is said if it does not. @returns {asserts holds} */
export function insist(holds, sentence) {
  if (!holds) refuse(sentence);
}

/** @param {string} text @param {string} sentence What is said if it holds no fields. */
export function fieldsIn(text, sentence) {
  let plain = null;
  try {
    plain = JSON.parse(text);
  } catch {
    refuse(sentence);
  }
  return fieldsOf(plain, sentence);
}

/** @param {any} plain @param {string} sentence @returns {Map<string, any>} Where no name means anything else. */
export function fieldsOf(plain, sentence) {
  insist(typeof plain === "object" && plain !== null && !Array.isArray(plain), sentence);
  return new Map(Object.entries(plain));
}

/** @param {unknown} one @param {number} low @param {number} high */
export function isWhole(one, low, high) {
  return Number.isInteger(one) && /** @type {number} */ (one) >= low && /** @type {number} */ (one) <= high;
}

/** @param {unknown} one @param {number} most @param {(item: any) => boolean} each @returns {one is any[]} */
export function isListOf(one, most, each) {
  return Array.isArray(one) && one.length <= most && one.every(each);
}

/** @param {unknown} one @returns {one is string} */
export function isName(one) {
  return typeof one === "string" && one.length > 0 && one.length <= 200;
}

/** @param {unknown} one So short that it fits a sentence. */
export function quoted(one) {
  const text = typeof one === "string" || typeof one === "number" ? `${one}` : typeof one;
  return `“${text.length > 40 ? `${text.slice(0, 40)}…` : text}”`;
}
