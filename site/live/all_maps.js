/** What the network reads in an image, and what all 22 maps saw in it: the parts of an explorer that show it. */

import { project, zeros } from "./deconvnet.js";
import { record } from "./lenet5.js";
import { rangeOf, signedLimit } from "./numbers.js";
import { rememberLast } from "./page_model.js";
import { Option } from "./settings.js";
import { largePicture, panelOf, shareBars, smallPictures } from "./shown.js";
import { everyMap } from "./steps.js";

/** @typedef {import("./deconvnet.js").Maps} Maps */

const CLASSES = [...Array(10).keys()].map(String);
const LAYERS = [1, 2];

export function allMaps() {
  const map = new Option(everyMap());
  const [read, seen] = [1, 2].map(largePicture);
  const shares = shareBars("probability", CLASSES);
  const thumbnails = LAYERS.map((layer) =>
    smallPictures(layer === 1 ? 6 : 16, (k) => (map.at = layer === 1 ? k : 6 + k)),
  );
  const nothing = zeros(1, 28, 28);

  const traceOf = rememberLast(
    (/** @type {import("./lenet5.js").LeNet5} */ network, /** @type {Maps | null} */ image) => {
      const trace = record(network, image ?? nothing);
      const pictures = LAYERS.map((layer) => {
        const layers = trace.layers.slice(0, layer);
        const { channels } = layers[layer - 1].pooled;
        return Array.from({ length: channels }, (_, k) => (image ? project(layers, k) : nothing));
      });
      const end = signedLimit(...pictures.flat().map(({ values }) => values));
      const places = pictures.map((maps) => maps.map((one) => [panelOf(one, 0, "signed")]));
      return { trace, pictures, places, end };
    },
  );

  return {
    /** Which of them is shown large. */
    map,
    parts: [shares, read, seen, ...thumbnails],
    /** As what the last image was read; null if there was none. @type {string | null} */
    reading: null,
    /**
     * @param {import("./lenet5.js").LeNet5} network
     * @param {Maps | null} image null where there is none.
     * @param {{none: string, text: string}} words In the place of what is read, if there is none; and what the image is.
     */
    show(network, image, { none, text }) {
      const { trace, pictures, places, end } = traceOf(network, image);
      const [layer, k] = map.value;
      const large = pictures[layer - 1][k];
      const best = trace.probabilities.indexOf(Math.max(...trace.probabilities));
      shares.show(image ? trace.probabilities : null);
      this.reading = image ? CLASSES[best] : null;
      read.show(image ? `read as ${CLASSES[best]}` : none, [panelOf(image ?? nothing, 0, "ink")], 1, text);
      const range = `in pixels: ${rangeOf(large.values)}`;
      seen.show(`what map ${k} of layer ${layer} saw`, [panelOf(large, 0, "signed")], end, range);
      LAYERS.forEach((one, n) => {
        const names = pictures[n].map((_, number) => `${one}·${number}`);
        thumbnails[n].show(names, places[n], end, one === layer ? k : null, "map");
      });
    },
  };
}
