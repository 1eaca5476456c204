/**
 * The explorer of a digit on paper: in a photograph, or before the camera, frame after frame. Its words are
 * `helpers/explorers/own_digit.py`'s, where that has some.
 */

import { make } from "../../helpers/explorers/page/make.js";
import { pixelsOf } from "../../helpers/explorers/page/photo.js";
import { allMaps } from "./all_maps.js";
import { makeCamera } from "./camera.js";
import { findInThread } from "./finder_thread.js";
import { PageModel } from "./page_model.js";
import { sight } from "./sight.js";

const FRAME = 320; // pixels of a frame's longer side: more the finder does not look at
const CALM = 700; // milliseconds that a sentence must hold before it is read aloud

const PRIVATE = "The camera's pictures stay in this page: none is stored, and none is sent.";
const OPENING = "Choose a photograph, or start the camera.";
const STARTING = "The camera starts. The browser may ask you whether it is allowed.";

/** @param {import("./given.js").Given} given */
export function photographs({ network, palettes }) {
  const maps = allMaps();
  const shown = sight();
  const { element, buttons, choosers, say } = desk(shown.element);
  /** @type {import("./deconvnet.js").Maps | null} */
  let image = null;

  const model = new PageModel({
    settings: { map: maps.map },
    parts: maps.parts,
    draw: () => maps.show(network, image, { none: "no digit", text: "the digit found, brought to MNIST's size and place" }),
    palettes,
    start: { map: "2-11" },
    more: { leftOut: () => (image ? "The photograph is not in it." : "") },
  });

  /** @param {ImageData} pixels What is in them; or why that can't be told. */
  const look = (pixels) =>
    findInThread(pixels).catch((error) => ({ image: null, frame: null, says: /** @type {Error} */ (error).message }));

  /**
   * @param {HTMLCanvasElement} picture
   * @param {Awaited<ReturnType<typeof look>>} told What is in it.
   * @param {string} found What a sentence about a digit begins with.
   */
  function show(picture, told, found) {
    image = told.image;
    shown.show(picture, told.frame);
    model.answer();
    say(image ? `${found}, read as ${maps.reading}. ${told.says}`.trimEnd() : told.says);
  }

  /** @param {string} words Why there is nothing to be seen. */
  function showNothing(words) {
    image = null;
    shown.clear();
    say(words);
    model.answer();
  }

  // --- a photograph

  let asked = 0;
  choosers.forEach((chooser) =>
    chooser.addEventListener("change", async () => {
      const file = chooser.files?.[0];
      if (!file) return;
      camera.stop();
      const mine = ++asked;
      say("The picture is being read.");
      const pixels = await pixelsOf(file);
      chooser.value = ""; // the same file may be chosen again
      if (mine !== asked) return;
      if (!pixels) {
        showNothing(`The file ${file.name} holds no picture that this browser can read; export it as JPEG.`);
        return;
      }
      const picture = make("canvas");
      [picture.width, picture.height] = [pixels.width, pixels.height];
      picture.getContext("2d")?.putImageData(pixels, 0, 0);
      const told = await look(pixels);
      if (mine === asked) show(picture, told, "This is the digit of the photograph");
    }),
  );

  // --- the camera

  // One that is looked at, and one that is shown meanwhile.
  const canvases = [make("canvas"), make("canvas")];
  /** The newest frame that nobody has looked at yet: @type {{video: HTMLVideoElement, at: number} | null} */
  let newest = null;
  let isLooking = false;

  function takeFrame() {
    if (!newest || !camera.isOn()) return null;
    const { video, at } = newest;
    newest = null;
    const picture = canvases.reverse()[0];
    const scale = Math.min(1, FRAME / Math.max(video.videoWidth, video.videoHeight));
    const [width, height] = [video.videoWidth, video.videoHeight].map((side) => Math.max(1, Math.round(side * scale)));
    if (picture.width !== width || picture.height !== height) [picture.width, picture.height] = [width, height];
    const context = /** @type {CanvasRenderingContext2D} */ (picture.getContext("2d", { willReadFrequently: true }));
    context.drawImage(video, 0, 0, width, height);
    return { picture, at, told: look(context.getImageData(0, 0, width, height)) };
  }

  async function lookAtFrames() {
    if (isLooking) return;
    isLooking = true;
    for (let frame = takeFrame(); frame; ) {
      const told = await frame.told;
      if (!camera.isOn()) break;
      // The thread goes on with the next frame while this one is drawn.
      const next = takeFrame();
      show(frame.picture, told, "A digit is there");
      shown.element.dataset.came = `${frame.at}`; // milliseconds, when the frame that is shown came
      frame = next;
    }
    isLooking = false;
  }

  const camera = makeCamera(
    (video, at) => {
      newest = { video, at };
      lookAtFrames();
    },
    (state, why) => {
      // While frames come by themselves, the address stays.
      model.isPlaying = state === "on";
      newest = null;
      buttons.camera.textContent = state === "off" ? "start the camera" : "stop the camera";
      if (state === "starting") showNothing(STARTING);
      else if (state === "off") showNothing(why || OPENING);
    },
  );
  buttons.camera.addEventListener("click", () => {
    asked++;
    if (buttons.camera.textContent === "start the camera") camera.start();
    else camera.stop();
  });
  say(OPENING);
  return { model, element };
}

/**
 * The buttons, the picture, and the sentence below it.
 *
 * @param {HTMLElement} picture
 */
function desk(picture) {
  const element = make("div", "desk");
  const row = make("div", "buttons");
  const choosers = [true, false].map((isTaken) => {
    const chooser = make("input");
    chooser.type = "file";
    chooser.accept = "image/*";
    if (isTaken) chooser.setAttribute("capture", "environment");
    chooser.hidden = true;
    return chooser;
  });
  const [take, choose, camera] = ["take a photograph", "choose a photograph", "start the camera"].map((text) =>
    make("button", "", text),
  );
  // Only devices for fingers have a camera of their own for it.
  take.classList.add("for-fingers");
  [take, choose, camera].forEach((button) => (button.type = "button"));
  [take, choose].forEach((button, k) => button.addEventListener("click", () => choosers[k].click()));
  row.append(take, choose, camera, ...choosers);
  const says = make("p", "says");
  const aloud = make("output", "aloud");
  aloud.setAttribute("role", "status");
  element.append(row, make("p", "private", PRIVATE), picture, says, aloud);

  let timer = 0;
  /** @param {string} words */
  const say = (words) => {
    if (says.textContent === words) return;
    says.textContent = words;
    // A screen reader is not told of each frame.
    clearTimeout(timer);
    timer = window.setTimeout(() => (aloud.textContent = words), CALM);
  };
  return { element, buttons: { camera }, choosers, say };
}
