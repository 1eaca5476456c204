/**
 * A sheet of paper to draw on with mouse, pen, finger or keys: white ink on black, and buttons that clear it, and that
 * take a photograph.
 *
 * Strokes are drawn here at once, and told on: whoever keeps the ink tells them to all sheets that show it.
 */

import { make } from "./make.js";
import { pixelsOf } from "./photo.js";

const SIDE = 280;
const PEN = 12; // its radius
const STEP = 10; // that an arrow key moves the pen

/** @type {Record<string, [right: number, down: number]>} */
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * @typedef {object} News What has happened to the ink.
 * @property {string} by The sheet on which it has.
 * @property {number[]} [stroke] Through these points: x, y, x, y, …
 * @property {boolean} [clear]
 * @property {boolean} [example] There is other ink, and whether the first stroke is to take it away.
 */

/**
 * @param {(news: News | {ready: true} | {photo: number[]} | {unreadable: string}, buffers?: ArrayBuffer[]) => void} tell
 * @param {boolean} [readsPhotos] Whether it takes photographs.
 */
export function paper(tell, readsPhotos = true) {
  const by = Math.random().toString(36);
  const element = make("div", "paper");
  const sheet = make("canvas");
  sheet.width = sheet.height = SIDE;
  sheet.tabIndex = 0;
  sheet.title = "Draw with mouse, pen or finger; or with the arrow keys, and space to put the pen down or lift it";
  sheet.setAttribute("role", "application");
  sheet.setAttribute("aria-label", sheet.title);
  sheet.dataset.lmSuppressShortcuts = "true"; // else JupyterLab takes the keys for its own
  const ring = make("div", "ring");
  const frame = make("div", "frame");
  frame.append(sheet, ring);
  const button = make("button", "", "clear");
  button.type = "button";
  button.title = "Clear the paper";
  const chooser = make("input");
  chooser.type = "file";
  chooser.accept = "image/*"; // a telephone offers its camera, too
  chooser.hidden = true;
  const photo = make("button", "", "photo");
  photo.type = "button";
  photo.hidden = !readsPhotos;
  photo.title = "Read the digit of a photograph: choose a file, or take one";
  photo.addEventListener("click", () => chooser.click());
  chooser.addEventListener("change", async () => {
    const file = chooser.files?.[0];
    if (!file) return;
    const pixels = await pixelsOf(file);
    chooser.value = ""; // the same file may be chosen again
    if (pixels) tell({ photo: [pixels.height, pixels.width] }, [pixels.data.buffer]);
    else tell({ unreadable: file.name });
  });
  const buttons = make("div", "buttons");
  buttons.append(button, photo, chooser);
  element.append(frame, buttons);
  const context = /** @type {CanvasRenderingContext2D} */ (sheet.getContext("2d"));
  context.strokeStyle = "white";
  context.lineWidth = 2 * PEN;
  context.lineCap = context.lineJoin = "round";

  let isExample = false;
  const wipe = () => {
    isExample = false;
    context.fillStyle = "black";
    context.fillRect(0, 0, SIDE, SIDE);
  };
  wipe();

  /** @param {number[]} points */
  const draw = (points) => {
    if (isExample) wipe();
    context.beginPath();
    context.moveTo(points[0], points[1]);
    // A line without length is not drawn at all.
    for (let k = 2; k < points.length; k += 2) context.lineTo(points[k] + 0.01, points[k + 1]);
    context.stroke();
  };
  /** @param {number[]} points */
  const stroke = (points) => {
    draw(points);
    tell({ by, stroke: points });
  };
  const clear = () => {
    wipe();
    tell({ by, clear: true });
  };
  button.addEventListener("click", clear);

  // --- by hand

  /** @type {{id: number, at: number[]} | null} */
  let hand = null;
  /** @param {PointerEvent} event */
  const place = (event) => {
    const { left, top, width, height } = sheet.getBoundingClientRect();
    return [((event.clientX - left) * SIDE) / width, ((event.clientY - top) * SIDE) / height];
  };
  sheet.addEventListener("pointerdown", (event) => {
    if (hand) return; // a second finger
    const at = place(event);
    hand = { id: event.pointerId, at };
    stroke([...at, ...at]);
  });
  /** @param {PointerEvent} event */
  const follow = (event) => {
    if (hand?.id !== event.pointerId) return;
    const several = event.getCoalescedEvents();
    const points = (several.length ? several : [event]).flatMap(place);
    stroke([...hand.at, ...points]);
    hand.at = points.slice(-2);
    if (hand.at.some((length) => length < 0 || length > SIDE)) hand = null;
  };
  /** @param {PointerEvent} event */
  const lift = (event) => {
    if (hand?.id === event.pointerId) hand = null;
  };
  sheet.addEventListener("pointermove", follow);
  sheet.addEventListener("pointerleave", (event) => {
    follow(event);
    lift(event);
  });
  sheet.addEventListener("pointerup", lift);
  sheet.addEventListener("pointercancel", lift);

  // --- by keys

  let pen = [SIDE / 2, SIDE / 2];
  let down = false;
  /** @param {boolean} there */
  const showPen = (there) => {
    ring.hidden = !there;
    ring.style.left = `${(100 * pen[0]) / SIDE}%`;
    ring.style.top = `${(100 * pen[1]) / SIDE}%`;
    ring.classList.toggle("down", down);
  };
  showPen(false);
  sheet.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key in ARROWS) {
      const before = pen;
      pen = pen.map((at, k) => Math.min(Math.max(0, at + STEP * ARROWS[event.key][k]), SIDE));
      if (down) stroke([...before, ...pen]);
    } else if (event.key === " ") {
      down = !down;
      if (down) stroke([...pen, ...pen]);
    } else if (event.key === "Delete" || event.key === "Backspace") {
      clear();
    } else {
      return;
    }
    event.preventDefault();
    event.stopPropagation();
    showPen(true);
  });
  sheet.addEventListener("blur", () => {
    down = false;
    showPen(false);
  });

  tell({ ready: true });
  return {
    element,
    /**
     * @param {News} news
     * @param {DataView[]} buffers With other ink, a byte for each pixel.
     */
    receive(news, [ink]) {
      if (ink) {
        const image = context.createImageData(SIDE, SIDE);
        for (let k = 0; k < SIDE * SIDE; k++) image.data.fill(ink.getUint8(k), 4 * k, 4 * k + 3);
        for (let k = 3; k < image.data.length; k += 4) image.data[k] = 255;
        context.putImageData(image, 0, 0);
        isExample = news.example ?? false;
      } else if (news.by !== by) {
        if (news.clear) wipe();
        if (news.stroke) draw(news.stroke);
      }
    },
  };
}
