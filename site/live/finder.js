/** The finder in a thread of its own: a photograph comes, and what was found in it goes. */

import { findDigit } from "./photographed.js";

self.addEventListener("message", ({ data }) => {
  try {
    self.postMessage({ found: findDigit(data) });
  } catch (error) {
    self.postMessage({ fault: /** @type {Error} */ (error).message });
  }
});
