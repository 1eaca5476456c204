/** A picture that was looked at, with a frame around what was found in it. */

import { make } from "../../helpers/explorers/page/make.js";

export function sight() {
  const element = make("canvas", "sight");
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", "no picture yet");
  [element.width, element.height] = [640, 480];
  const context = /** @type {CanvasRenderingContext2D} */ (element.getContext("2d"));
  return {
    element,
    /**
     * @param {HTMLCanvasElement} picture
     * @param {import("./pieces.js").Box | null} frame
     */
    show(picture, frame) {
      if (element.width !== picture.width || element.height !== picture.height) {
        [element.width, element.height] = [picture.width, picture.height];
      }
      context.drawImage(picture, 0, 0);
      const label = frame ? "the picture, with a frame around the digit" : "the picture, in which no digit was found";
      if (element.getAttribute("aria-label") !== label) element.setAttribute("aria-label", label);
      if (!frame) return;
      const [top, left, bottom, right] = frame;
      const wide = Math.max(picture.width, picture.height) / 160;
      // Of two colours, so that it stands out from any paper.
      for (const [colour, width] of /** @type {[string, number][]} */ ([
        ["#000", 2 * wide],
        ["#ffee58", wide],
      ])) {
        context.strokeStyle = colour;
        context.lineWidth = width;
        context.strokeRect(left - wide, top - wide, right - left + 2 * wide, bottom - top + 2 * wide);
      }
    },
    clear() {
      context.clearRect(0, 0, element.width, element.height);
      element.setAttribute("aria-label", "no picture yet");
    },
  };
}
