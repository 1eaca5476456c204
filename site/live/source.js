/**
 * Where the numbers come from: a file beside this script, which a page that was opened as a file may not read. There
 * the same file comes as a script, in base64.
 */

import { unpack } from "./tensors.js";

// A script knows its place only while it runs for the first time.
export const HERE = new URL(".", /** @type {HTMLScriptElement | null} */ (document.currentScript)?.src ?? location.href);

/** @type {Map<string, Promise<import("./tensors.js").Tensors>>} */
const files = new Map();

/** @param {string} name */
export function tensorsOf(name) {
  const known = files.get(name) ?? bytesOf(name).then(unpack);
  files.set(name, known);
  return known;
}

/**
 * @param {string} name
 * @returns {Promise<BlobPart>}
 */
async function bytesOf(name) {
  if (HERE.protocol !== "file:") {
    const answer = await fetch(new URL(`${name}.bin`, HERE));
    if (!answer.ok) throw new Error(`${answer.url}: ${answer.status}`);
    return answer.arrayBuffer();
  }
  const script = document.createElement("script");
  script.src = new URL(`${name}.js`, HERE).href;
  await new Promise((resolve, reject) => {
    script.onload = resolve;
    script.onerror = () => reject(new Error(`${script.src} is missing`));
    document.head.append(script);
  });
  const letters = atob(script.dataset.bytes ?? "");
  const bytes = new Uint8Array(letters.length);
  for (let k = 0; k < bytes.length; k++) bytes[k] = letters.charCodeAt(k);
  return bytes;
}
