/** A button that lets a slider run to its end by itself, and stops it. */

import { make } from "../../helpers/explorers/page/make.js";

const PACE = 700; // milliseconds from one place to the next
const SLOW = 2500; // where the system asks for less motion

/**
 * @param {HTMLElement} el That of the explorer, laid out.
 * @param {import("./page_model.js").PageModel} model
 * @param {string} name The slider's.
 */
export function makeFilm(el, model, name) {
  const track = [...el.querySelectorAll("input")].find((input) => input.getAttribute("aria-label") === name);
  const button = make("button", "film", "play");
  button.type = "button";
  track?.closest(".slider")?.after(button);
  const setting = model.settings[name];
  let timer = 0;
  let isUntouched = true;

  const stop = () => {
    clearInterval(timer);
    timer = 0;
    model.isPlaying = false;
    button.textContent = "play";
    button.title = `Let ${name} run to its end`;
  };
  const next = () => {
    const { high } = setting.range;
    if (setting.at + 1 >= high) stop();
    move(setting.at + 1);
  };
  const move = (/** @type {number} */ at) => {
    model.set(`at_${name}`, at);
    model.save_changes();
  };
  button.addEventListener("click", () => {
    if (timer) {
      stop();
      model.answer();
      return;
    }
    model.isPlaying = true;
    // From the beginning, unless a hand has chosen where it goes on.
    if (isUntouched || setting.at >= setting.range.high) move(setting.range.low);
    isUntouched = false;
    const calm = window.matchMedia("(prefers-reduced-motion: reduce)").matches;
    timer = window.setInterval(next, calm ? SLOW : PACE);
    button.textContent = "pause";
    button.title = "Stop here";
  });
  track?.addEventListener("input", () => {
    isUntouched = false;
    stop();
  });
  document.addEventListener("visibilitychange", stop);
  stop();
}
