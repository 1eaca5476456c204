/**
 * The explorer of a digit of one's own; and the same with a network on its way through training. The words of the first
 * are `helpers/explorers/own_digit.py`'s.
 */

import { allMaps } from "./all_maps.js";
import { asMnist } from "./as_mnist.js";
import { Ink, strokesOf, toldStrokes } from "./ink.js";
import { PageModel, rememberLast } from "./page_model.js";
import { Option } from "./settings.js";
import { sentencesBelow } from "./shown.js";

const BEGINS_WITH = 5; // what stands on the paper until the first stroke

/** @param {import("./given.js").Given} given */
export function drawADigit(given) {
  return reader(given, null);
}

/**
 * The network as it was after so many steps, and what it sees in a digit.
 *
 * @param {import("./given.js").Given} given
 * @param {import("./given.js").Run} run
 */
export function watchTraining(given, run) {
  return reader(given, run);
}

/**
 * @param {import("./given.js").Given} given
 * @param {import("./given.js").Run | null} run
 */
function reader({ network, ten, palettes }, run) {
  const ink = new Ink();
  const maps = allMaps();
  const digit = new Option([...ten.map((_, k) => /** @type {[string, number | null]} */ ([`${k}`, k])), ["drawn", null]]);
  const step = new Option((run?.steps ?? []).map((count, k) => [`${count.toLocaleString("en-US")} steps`, k]));
  const note = sentencesBelow();

  const imageOf = rememberLast((/** @type {number} */ _) => asMnist(ink.values));
  /** @param {object} news @param {ArrayBuffer[]} [buffers] */
  ink.changed = (news, buffers) => sheet.tell(news, buffers);
  const sheet = {
    page: { kind: "paper", photo: false },
    /** @type {(news: object, buffers?: ArrayBuffer[]) => void} */
    tell: () => {},
    /** @param {{stroke?: number[], clear?: boolean, by?: string}} news */
    receive({ stroke, clear, by }) {
      if (stroke || clear) digit.at = ten.length;
      if (stroke) ink.stroke(stroke, by);
      else if (clear) ink.clear(by);
      // One that is just being laid out hears it when it has been.
      else queueMicrotask(() => sheet.tell({ example: ink.isExample }, [ink.bytes()]));
      if (stroke || clear) soon();
    },
  };
  /** @type {number | null} The digit that lies on the paper, if it is none that was drawn. */
  let lies = null;

  function draw() {
    if (run && digit.value !== lies) {
      lies = digit.value;
      if (lies !== null) ink.put(ten[lies]);
      else if (ink.isExample) ink.clear();
    }
    maps.show(run ? run.networks[step.value] : network, imageOf(ink.changes), {
      none: "nothing yet",
      text: "your drawing, brought to MNIST's size and place",
    });
    if (run) note.show(sentences(run, step.value));
  }

  const isDrawn = () => !ink.isExample && !ink.isEmpty;

  let waits = false;
  /** Answer once a frame, however often the pen has moved. */
  function soon() {
    if (waits) return;
    waits = true;
    requestAnimationFrame(() => {
      waits = false;
      model.answer();
    });
  }

  const model = new PageModel({
    settings: run ? { step, digit, map: maps.map } : { map: maps.map },
    parts: [sheet, ...maps.parts, note],
    draw,
    palettes,
    start: { map: "2-11", ...(run ? { step: "300-steps", digit: `${BEGINS_WITH}` } : {}) },
    more: {
      tell() {
        const told = isDrawn() ? toldStrokes(ink.strokes) : null;
        return /** @type {Record<string, string>} */ (told === null ? {} : { ink: told });
      },
      leftOut: () =>
        !isDrawn() || toldStrokes(ink.strokes) !== null ? "" : "The drawing is too long for a link, and is not in it.",
      take({ ink: told }) {
        const strokes = strokesOf(told ?? "");
        if (strokes.length) {
          digit.at = ten.length;
          lies = null;
          ink.draw(strokes);
        } else if (!run) {
          ink.put(ten[BEGINS_WITH]);
        }
      },
    },
  });
  return model;
}

/** @param {import("./given.js").Run} run @param {number} k */
function sentences({ steps, accuracies }, k) {
  const reads = `${(100 * accuracies[k]).toFixed(1)}\u00a0%`;
  return [
    `After ${steps[k].toLocaleString("en-US")} steps of training the network reads ${reads} of the 10,000 test images. ` +
      "A step is 25 digits.",
    "The scale of the 22 maps is another one at each step: where it ends stands below the large picture.",
  ];
}
