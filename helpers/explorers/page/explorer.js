/**
 * An explorer: its controls, what went wrong, and the pictures. `helpers.explorers.explorer` is its other half, and says
 * what stands in the model.
 *
 * The form is anywidget's: a default export with a `render` (https://anywidget.dev/en/afm).
 */

import { bars } from "./bars.js";
import { choice, slider } from "./controls.js";
import { make } from "./make.js";
import { note } from "./note.js";
import { paper } from "./paper.js";
import { colours, picture, thumbnails } from "./picture.js";

/**
 * @typedef {object} Model
 * @property {(key: string) => any} get
 * @property {(key: string, value: unknown) => void} set
 * @property {() => void} save_changes
 * @property {(content: unknown, callbacks?: undefined, buffers?: ArrayBuffer[]) => void} send
 * @property {(event: string, callback: (...values: any[]) => void) => void} on
 *
 * @typedef {object} Part
 * @property {HTMLElement} element
 * @property {(words: any) => void} [show] What it says.
 * @property {(drawn: any) => void} [draw] What is drawn in it.
 * @property {(news: any, buffers: DataView[]) => void} [receive]
 */

/** @param {{model: Model, el: HTMLElement}} given */
export function render({ model, el }) {
  const page = model.get("page");
  el.classList.add("explorer");
  /**
   * @param {string} key
   * @param {(value: any) => void} show Called with what stands in the model there, now and whenever it changes.
   */
  const follow = (key, show) => {
    model.on(`change:${key}`, () => show(model.get(key)));
    show(model.get(key));
  };

  const controls = make("div", "controls");
  for (const { name, kind } of page.controls) {
    const control = (kind === "slider" ? slider : choice)(name, (at) => {
      model.set(`at_${name}`, at);
      model.save_changes();
    });
    const show = () => control.show(model.get(`range_${name}`), model.get(`at_${name}`));
    model.on(`change:range_${name}`, show);
    model.on(`change:at_${name}`, show);
    show();
    controls.append(control.element);
  }

  const fault = make("div");
  follow("fault", (told) => {
    const alert = make("div", "fault");
    alert.setAttribute("role", "alert");
    alert.append(
      make("b", "", "This could not be drawn."),
      ` ${told}`,
      make("br"),
      "The pictures may be those of an earlier setting.",
    );
    fault.replaceChildren(...(told ? [alert] : []));
  });

  const pictures = make("div", "pictures");
  const palettes = colours(page.palettes);
  /** @type {Part[]} */
  const parts = page.parts.map((/** @type {any} */ part, /** @type {number} */ k) =>
    makePart(part, palettes, (news, buffers) => model.send({ part: k, ...news }, undefined, buffers)),
  );
  parts.forEach(({ element, show, draw }, k) => {
    if (draw) follow(`drawn_${k}`, draw);
    if (show) follow(`words_${k}`, show);
    pictures.append(element);
  });
  model.on("msg:custom", ({ part, ...news }, buffers) => parts[part].receive?.(news, buffers));
  el.replaceChildren(controls, fault, pictures);
}

/**
 * @param {any} part
 * @param {import("./picture.js").Palettes} palettes
 * @param {(news: object, buffers?: ArrayBuffer[]) => void} tell
 * @returns {Part}
 */
function makePart(part, palettes, tell) {
  switch (part.kind) {
    case "picture":
      return picture(part, palettes);
    case "thumbnails":
      return thumbnails(part, palettes, (pick) => tell({ pick }));
    case "bars":
      return bars(part.title);
    case "note":
      return note();
    case "paper":
      return paper(tell, part.photo);
    default:
      throw new Error(`there is no part of the kind ${part.kind}`);
  }
}

export default { render };
