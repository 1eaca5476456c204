/** The panel of a network of your own: its file is dropped on the page or chosen, and becomes an explorer. */

import { make } from "../../helpers/explorers/page/make.js";
import { exploreNetwork } from "./explore_network.js";
import { makeFilm } from "./film.js";
import { bytesOfFile, networkIn } from "./network_file.js";
import { Unreadable } from "./plain_data.js";
import { inSlices } from "./slices.js";

/**
 * @param {HTMLElement} el
 * @param {import("./given.js").Given} given
 * @param {(place: HTMLElement, model: import("./page_model.js").PageModel) => void} show Lays out the explorer there.
 */
export function ownNetwork(el, { palettes }, show) {
  const drop = make("div", "drop");
  const button = make("button", "", "choose a file");
  button.type = "button";
  const input = make("input");
  input.type = "file";
  input.accept = ".safetensors";
  input.hidden = true;
  drop.append("Drop the file of your network here, or ", button, input);
  const told = make("p", "told");
  told.setAttribute("role", "status");
  const fault = make("div");
  const place = make("div");
  el.replaceChildren(drop, told, fault, place);
  let newest = 0;

  /** @param {File} file */
  async function open(file) {
    const mine = ++newest;
    const before = told.textContent;
    told.textContent = `Reading ${file.name} …`;
    fault.replaceChildren();
    try {
      const network = await inSlices(networkIn(await bytesOfFile(file)), () => mine === newest);
      if (!network) return;
      const model = await exploreNetwork(network, palettes);
      if (mine !== newest) return;
      place.replaceChildren();
      show(place, model);
      if (network.sets.length > 1) makeFilm(place, model, "weights");
      told.textContent = `${file.name}: ${inWords(network)}. It stays in this page.`;
    } catch (error) {
      if (mine !== newest) return;
      told.textContent = before;
      const alert = make("p", "fault", sentenceOf(error));
      alert.setAttribute("role", "alert");
      fault.replaceChildren(alert);
    }
  }

  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    if (input.files?.length) open(input.files[0]);
    input.value = ""; // so that the same file can be chosen again, once it has been mended
  });
  const section = el.closest("section") ?? el;
  const holdsFiles = (/** @type {DragEvent} */ event) => event.dataTransfer?.types.includes("Files") ?? false;
  section.addEventListener("dragover", (event) => {
    if (!holdsFiles(event)) return;
    event.preventDefault();
    drop.classList.add("over");
  });
  section.addEventListener("dragleave", () => drop.classList.remove("over"));
  section.addEventListener("drop", (event) => {
    drop.classList.remove("over");
    const file = event.dataTransfer?.files[0];
    if (!file) return;
    event.preventDefault();
    open(file);
  });
  return null;
}

/** @param {import("./network_file.js").Network} network */
function inWords({ steps, sets, images, layers }) {
  const counts = steps.flatMap(({ tensors }) => [...tensors.values()].map(([first]) => first.length));
  const weights = counts.reduce((sum, count) => sum + count, 0);
  const several = sets.length > 1 ? [counted(sets.length, "set of weights", "sets of weights")] : [];
  return [
    counted(layers.length, "layer"),
    counted(weights, "weight"),
    counted(images.length, "image"),
    ...several,
  ].join(", ");
}

/** @param {number} count @param {string} one @param {string} [more] */
function counted(count, one, more = `${one}s`) {
  return `${count.toLocaleString("en-US")} ${count === 1 ? one : more}`;
}

/** @param {unknown} error */
function sentenceOf(error) {
  if (error instanceof Unreadable) return error.message;
  if (error instanceof RangeError) return `This network can't be walked: ${error.message}.`;
  return `This file can't be read: ${error}.`;
}
