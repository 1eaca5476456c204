/** The camera, for as long as somebody looks: its frames as they come, and in words why there are none. */

import { make } from "../../helpers/explorers/page/make.js";

const WANTED = {
  audio: false,
  video: { facingMode: "environment", width: { ideal: 640 }, height: { ideal: 480 }, frameRate: { ideal: 30 } },
};

const INSECURE =
  "There is no camera here: browsers lend theirs only to pages that come by https, or from this computer (localhost). " +
  "A photograph works everywhere.";
const HIDDEN = "The camera went off, as nobody looked at this page. Start it again when you like.";
const TAKEN = "The camera was taken away. Is it still plugged in, and still allowed?";

/** @type {Record<string, string>} By the names of the browser's errors. */
const WHY_NOT = {
  NotAllowedError:
    "The camera was refused. To change that, open what the browser knows of this page, left of its address, and allow it.",
  NotFoundError: "No camera was found. Plug one in, or choose a photograph.",
  NotReadableError: "The camera is there, but gives no picture: perhaps another program uses it.",
};

/**
 * @typedef {object} Camera
 * @property {() => Promise<void>} start
 * @property {(why?: string) => void} stop Lets its light go out.
 * @property {() => boolean} isOn
 *
 * @param {(video: HTMLVideoElement, at: number) => void} seen Called with each frame, and when it came.
 * @param {(is: "starting" | "on" | "off", why: string) => void} changed
 * @returns {Camera}
 */
export function makeCamera(seen, changed) {
  const video = make("video");
  video.muted = video.playsInline = true;
  /** @type {"starting" | "on" | "off"} */
  let state = "off";
  /** @type {MediaStream | null} */
  let stream = null;

  /** @param {"starting" | "on" | "off"} next @param {string} [why] */
  const go = (next, why = "") => {
    state = next;
    changed(state, why);
  };
  /** @param {MediaStream} lent */
  const giveBack = (lent) => lent.getTracks().forEach((track) => track.stop());

  const stop = (why = "") => {
    if (state === "off") return;
    if (stream) giveBack(stream);
    stream = video.srcObject = null;
    go("off", why);
  };

  async function start() {
    if (state !== "off") return;
    if (!navigator.mediaDevices?.getUserMedia) {
      go("off", INSECURE);
      return;
    }
    go("starting");
    let lent;
    try {
      lent = await navigator.mediaDevices.getUserMedia(WANTED);
    } catch (error) {
      const { name } = /** @type {Error} */ (error);
      stop(WHY_NOT[name] ?? `The camera could not be started: ${name}.`);
      return;
    }
    // Meanwhile nobody may want it any more.
    if (/** @type {string} */ (state) !== "starting" || document.hidden) {
      giveBack(lent);
      stop(HIDDEN);
      return;
    }
    stream = lent;
    lent.getTracks().forEach((track) => track.addEventListener("ended", () => stream === lent && stop(TAKEN)));
    video.srcObject = lent;
    go("on");
    // It is told to play, and may be taken away before it does.
    video.play().catch(() => {});
    follow(lent);
  }

  /** @param {MediaStream} lent */
  function follow(lent) {
    /** @param {number} at */
    const next = (at) => {
      if (stream !== lent) return;
      ask();
      if (video.videoWidth) seen(video, at);
    };
    // Older browsers do not say when a frame has come.
    const ask = () => ("requestVideoFrameCallback" in video ? video.requestVideoFrameCallback(next) : requestAnimationFrame(next));
    ask();
  }

  document.addEventListener("visibilitychange", () => document.hidden && stop(HIDDEN));
  window.addEventListener("pagehide", () => stop());
  return { start, stop, isOn: () => state === "on" };
}
