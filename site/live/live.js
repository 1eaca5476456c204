/**
 * What runs in a page of the web edition: each element `<div class="live-explorer" data-explorer="steps">` becomes that
 * explorer. A page with `<body data-address>` keeps in its address how they stand.
 *
 * To add a panel, write a module with a function `(el, given) => model`, and name it in `PANELS`.
 */

import { render } from "../../helpers/explorers/page/explorer.js";
import { addressOf, keepAddress, stateOf } from "./address.js";
import { drawADigit, watchTraining } from "./drawing.js";
import { exploreFeatureMaps } from "./feature_maps.js";
import { makeFilm } from "./film.js";
import { givenOf, runOf } from "./given.js";
import { makeKeepsakes } from "./keepsakes.js";
import { ownNetwork } from "./own_network.js";
import { photographs } from "./photographs.js";
import { makeReadable } from "./readable.js";
import { HERE, tensorsOf } from "./source.js";
import { exploreSteps } from "./steps.js";
import { exploreSwitches } from "./switches.js";

/**
 * @typedef {import("./page_model.js").PageModel} PageModel
 * @typedef {import("./given.js").Given} Given
 *
 * @typedef {(el: HTMLElement, given: Given) => PageModel | null | Promise<PageModel | null>} Panel Fills the element, and
 *   gives the model whose state stands in the address, if there is one.
 */

/** @type {Record<string, Panel>} */
const PANELS = {
  drawing: (el, source) => show(el, drawADigit(source)),
  photo: (el, source) => {
    const { model, element } = photographs(source);
    show(el, model);
    el.querySelector(".pictures")?.prepend(element);
    return model;
  },
  "feature-maps": (el, source) => show(el, exploreFeatureMaps(source)),
  "own-network": (el, source) => ownNetwork(el, source, (place, model) => keepLater("own-network", place, show(place, model))),
  steps: (el, source) => show(el, exploreSteps(source)),
  switches: (el, source) => show(el, exploreSwitches(source)),
  training: async (el, source) => {
    const model = show(el, watchTraining(source, runOf(await tensorsOf("training"))));
    makeFilm(el, model, "step");
    return model;
  },
};

/** @param {HTMLElement} el @param {PageModel} model */
function show(el, model) {
  render({ model, el });
  makeReadable(el, model);
  return model;
}

const keepsAddress = "address" in document.body.dataset;
// From a notebook, a link leads to the page that keeps it.
const LINKED = keepsAddress ? location.href : new URL("../../live.html", HERE);
/** @type {Map<string, Promise<PageModel | null>>} */
const models = new Map();
const given = tensorsOf("network").then(givenOf); // it comes while the page is laid out
/** Whether the address has moved an explorer just now, rather than a hand. */
let arriving = false;
/** @type {(state: () => import("./address.js").State) => void} */
let changed = () => {};

/** @param {HTMLElement} el The explorer is laid out there, the first time that it is asked for. */
function lay(el) {
  const name = el.dataset.explorer ?? "";
  const known = models.get(name) ?? laid(el, name);
  models.set(name, known);
  return known;
}

/** @param {HTMLElement} el @param {string} name */
async function laid(el, name) {
  try {
    const model = await PANELS[name](el, await given);
    if (model) keep(name, el, model);
    return model;
  } catch (error) {
    // What stands there, a still picture, stays.
    const fault = document.createElement("p");
    fault.textContent = `This explorer could not be loaded: ${error}`;
    el.append(fault);
    return null;
  }
}

/** @param {string} name @param {HTMLElement} el @param {PageModel} model The address follows it, and so do two buttons. */
function keep(name, el, model) {
  const state = () => ({ name, settings: model.told() });
  model.on("answer", () => arriving || model.isPlaying || changed(state));
  makeKeepsakes(el, () => {
    const { ink, ...settings } = model.told();
    const link = new URL(addressOf(state()), LINKED).href;
    return { link, leftOut: model.leftOut(), name: [name, ...Object.values(settings)].join("_") };
  });
}

/** @type {Set<string>} The panels whose explorer has come. */
const came = new Set();

/** @param {string} name @param {HTMLElement} el @param {PageModel} model The same for one that comes after its panel. */
function keepLater(name, el, model) {
  models.set(name, Promise.resolve(model));
  keep(name, el, model);
  const asked = stateOf(location.hash);
  // What the address says later is of the one before.
  if (asked.name === name && !came.has(name)) arriveAt(model, asked.settings);
  came.add(name);
}

/** @param {PageModel | null} model @param {Record<string, string>} settings */
function arriveAt(model, settings) {
  arriving = true;
  model?.take(settings);
  arriving = false;
}

/** @param {import("./address.js").State} state Go where the address leads. */
async function arrive({ name, settings }) {
  const el = /** @type {HTMLElement | null} */ (document.querySelector(`[data-explorer="${CSS.escape(name)}"]`));
  if (!el) return;
  const model = await lay(el);
  arriveAt(model, settings);
  if (name === stateOf(location.hash).name) stayAt(el.closest("section") ?? el);
}

/** @param {Element} el Scroll there, and again when what stands before it has been laid out, until a hand takes over. */
function stayAt(el) {
  const watch = new ResizeObserver(() => el.scrollIntoView());
  watch.observe(document.body);
  for (const event of ["wheel", "pointerdown", "touchstart", "keydown"]) {
    window.addEventListener(event, () => watch.disconnect(), { once: true, passive: true });
  }
}

async function begin() {
  const places = /** @type {HTMLElement[]} */ ([...document.querySelectorAll(".live-explorer")]);
  const state = stateOf(location.hash);
  if (keepsAddress) {
    changed = keepAddress(arrive);
    await arrive(state);
  }
  const watch = new IntersectionObserver(
    (seen) =>
      seen.forEach(({ isIntersecting, target }) => {
        if (!isIntersecting) return;
        watch.unobserve(target);
        lay(/** @type {HTMLElement} */ (target));
      }),
    { rootMargin: "50%" },
  );
  places.forEach((place) => watch.observe(place));
}

begin();
