/**
 * The explorer of a digit of one's own; and the same with a network on its way through training. The words of the first
 * are `helpers/explorers/own_digit.py`'s.
 */

import { asMnist } from "./as_mnist.js";
import { project, zeros } from "./deconvnet.js";
import { Ink, strokesOf, toldStrokes } from "./ink.js";
import { record } from "./lenet5.js";
import { rangeOf, signedLimit } from "./numbers.js";
import { PageModel, rememberLast } from "./page_model.js";
import { Option } from "./settings.js";
import { largePicture, panelOf, sentencesBelow, shareBars, smallPictures } from "./shown.js";
import { everyMap } from "./steps.js";

/** @typedef {import("./deconvnet.js").Maps} Maps */

const CLASSES = [...Array(10).keys()].map(String);
const LAYERS = [1, 2];
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
  const map = new Option(everyMap());
  const digit = new Option([...ten.map((_, k) => /** @type {[string, number | null]} */ ([`${k}`, k])), ["drawn", null]]);
  const step = new Option((run?.steps ?? []).map((count, k) => [`${count.toLocaleString("en-US")} steps`, k]));
  const [read, seen] = [1, 2].map(largePicture);
  const shares = shareBars("probability", CLASSES);
  const note = sentencesBelow();
  const thumbnails = LAYERS.map((layer) =>
    smallPictures(layer === 1 ? 6 : 16, (k) => (map.at = layer === 1 ? k : 6 + k)),
  );
  const nothing = zeros(1, 28, 28);

  const imageOf = rememberLast((/** @type {number} */ _) => asMnist(ink.values));
  const traceOf = rememberLast((/** @type {typeof network} */ one, /** @type {Maps | null} */ image) => {
    const trace = record(one, image ?? nothing);
    const pictures = LAYERS.map((layer) => {
      const layers = trace.layers.slice(0, layer);
      const { channels } = layers[layer - 1].pooled;
      return Array.from({ length: channels }, (_, k) => (image ? project(layers, k) : nothing));
    });
    const end = signedLimit(...pictures.flat().map(({ values }) => values));
    const places = pictures.map((maps) => maps.map((one) => [panelOf(one, 0, "signed")]));
    return { trace, pictures, places, end };
  });

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
    const image = imageOf(ink.changes);
    const { trace, pictures, places, end } = traceOf(run ? run.networks[step.value] : network, image);
    const [layer, k] = map.value;
    const large = pictures[layer - 1][k];
    const best = trace.probabilities.indexOf(Math.max(...trace.probabilities));

    shares.show(image ? trace.probabilities : null);
    const label = image ? `read as ${CLASSES[best]}` : "nothing yet";
    read.show(label, [panelOf(image ?? nothing, 0, "ink")], 1, "your drawing, brought to MNIST's size and place");
    const text = `in pixels: ${rangeOf(large.values)}`;
    seen.show(`what map ${k} of layer ${layer} saw`, [panelOf(large, 0, "signed")], end, text);
    LAYERS.forEach((one, n) => {
      const names = pictures[n].map((_, number) => `${one}·${number}`);
      thumbnails[n].show(names, places[n], end, one === layer ? k : null, "map");
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
    settings: run ? { step, digit, map } : { map },
    parts: [sheet, shares, read, seen, ...thumbnails, note],
    draw,
    palettes,
    start: { map: "2-11", ...(run ? { step: "300-steps", digit: `${BEGINS_WITH}` } : {}) },
    more: {
      tell() {
        const told = isDrawn() ? toldStrokes(ink.strokes) : null;
        return /** @type {Record<string, string>} */ (told === null ? {} : { ink: told });
      },
      isWhole: () => !isDrawn() || toldStrokes(ink.strokes) !== null,
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
