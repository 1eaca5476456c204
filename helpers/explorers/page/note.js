/** Sentences below the pictures, a line each, for what is no caption of a single picture. */

import { make } from "./make.js";

export function note() {
  const element = make("div", "note");
  return {
    element,
    /** @param {{sentences: string[]}} shown */
    show({ sentences }) {
      element.replaceChildren(...sentences.map((sentence) => make("p", "", sentence)));
    },
  };
}
