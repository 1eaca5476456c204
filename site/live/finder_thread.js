/** A thread that finds digits, so that the page goes on meanwhile. */

import { bytesOf } from "./source.js";

/**
 * @param {ImageData} photo Its pixels are handed over, and are gone here.
 * @returns {Promise<import("./photographed.js").Found>}
 * @throws {Error} It is too small, or no thread can be started.
 */
export async function findInThread({ height, width, data }) {
  const worker = await begun();
  return new Promise((resolve, reject) => {
    waiting.push({ resolve, reject });
    worker.postMessage({ height, width, data }, [data.buffer]);
  });
}

/** Who has asked and has no answer yet. Answers come in their order. @type {{resolve: Function, reject: Function}[]} */
const waiting = [];
/** @type {Promise<Worker> | null} */
let thread = null;

function begun() {
  // A page that was opened as a file may not start a thread from another, but from a text that it holds.
  thread ??= bytesOf("finder").then((code) => {
    const worker = new Worker(URL.createObjectURL(new Blob([code], { type: "text/javascript" })));
    worker.onmessage = ({ data: { found, fault } }) => {
      const { resolve, reject } = /** @type {typeof waiting[0]} */ (waiting.shift());
      if (found) resolve(found);
      else reject(new Error(fault));
    };
    worker.onerror = ({ message }) => waiting.splice(0).forEach(({ reject }) => reject(new Error(message)));
    return worker;
  });
  return thread;
}
