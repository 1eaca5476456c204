/** Two buttons below an explorer: one copies the link to what it shows, the other saves it as a picture. */

import { make } from "../../helpers/explorers/page/make.js";

const SCALE = 2; // pixels of the saved picture for each one of the screen

/**
 * @param {HTMLElement} el That of the explorer, laid out.
 * @param {() => {link: string, leftOut: string, name: string}} address Leads to what it shows; or, if that can't be told,
 *   to nearly that.
 */
export function makeKeepsakes(el, address) {
  const row = make("div", "keepsakes");
  const [link, picture] = ["copy the link", "save the picture"].map((text) => make("button", "", text));
  link.type = picture.type = "button";
  const told = make("output", "told");
  told.setAttribute("role", "status");
  row.append(link, picture, told);
  el.append(row);

  link.addEventListener("click", async () => {
    const { link: text, leftOut } = address();
    const without = leftOut && ` ${leftOut}`;
    try {
      await navigator.clipboard.writeText(text);
      told.textContent = `The link is copied.${without}`;
    } catch {
      // A page that came without https may not write there.
      const field = make("input");
      field.value = text;
      field.readOnly = true;
      field.setAttribute("aria-label", "link");
      told.replaceChildren(`Copy it from here:${without} `, field);
      field.select();
    }
  });
  picture.addEventListener("click", () => {
    drawnWhole(el).toBlob((blob) => {
      if (!blob) return;
      const anchor = make("a");
      anchor.href = URL.createObjectURL(blob);
      anchor.download = `${address().name}.png`;
      anchor.click();
      URL.revokeObjectURL(anchor.href);
      told.textContent = `The picture is saved: ${anchor.download}`;
    });
  });
}

/** @param {HTMLElement} el All pictures with their words, where they stand, in the colours of the page. */
function drawnWhole(el) {
  const whole = /** @type {HTMLElement} */ (el.querySelector(".pictures"));
  const place = whole.getBoundingClientRect();
  const canvas = make("canvas");
  canvas.width = SCALE * place.width;
  canvas.height = SCALE * place.height;
  const context = /** @type {CanvasRenderingContext2D} */ (canvas.getContext("2d"));
  context.scale(SCALE, SCALE);
  // On a projector the page enlarges them, and its styles tell the sizes without.
  const zoom = place.width / whole.offsetWidth;
  context.translate(-place.left, -place.top);
  context.imageSmoothingEnabled = false;
  context.fillStyle = getComputedStyle(document.body).backgroundColor;
  context.fillRect(place.left, place.top, place.width, place.height);
  for (const part of whole.querySelectorAll("canvas, .bar, .scale, b, span, p")) {
    const style = getComputedStyle(part);
    const { left, top, width, height } = part.getBoundingClientRect();
    if (style.visibility === "hidden" || !width || part.matches(".means, .private")) continue;
    if (part instanceof HTMLCanvasElement) context.drawImage(part, left, top, width, height);
    else if (part.matches(".bar, .scale")) fill(context, style, { left, top, width, height });
    else write(context, style, part, zoom);
  }
  return canvas;
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {CSSStyleDeclaration} style
 * @param {{left: number, top: number, width: number, height: number}} place
 */
function fill(context, style, { left, top, width, height }) {
  const stops = style.backgroundImage.match(/rgb\([^)]*\)/g);
  const gradient = context.createLinearGradient(left, 0, left + width, 0);
  stops?.forEach((colour, k) => gradient.addColorStop(k / (stops.length - 1), colour));
  context.fillStyle = stops ? gradient : style.backgroundColor;
  context.fillRect(left, top, width, height);
}

/**
 * The words of an element, each where it stands.
 *
 * @param {CanvasRenderingContext2D} context
 * @param {CSSStyleDeclaration} style
 * @param {Element} part
 * @param {number} zoom
 */
function write(context, style, part, zoom) {
  context.font = `${style.fontWeight} ${zoom * parseFloat(style.fontSize)}px ${style.fontFamily}`;
  context.fillStyle = style.color;
  context.textBaseline = "middle";
  const range = document.createRange();
  for (const node of part.childNodes) {
    for (const { 0: word, index } of (node.nodeType === Node.TEXT_NODE ? (node.textContent ?? "") : "").matchAll(/\S+/g)) {
      range.setStart(node, index);
      range.setEnd(node, index + word.length);
      const { left, top, height } = range.getBoundingClientRect();
      context.fillText(word, left, top + height / 2);
    }
  }
}
