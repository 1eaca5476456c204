/** What the tests ask the live page's modules for, in node: one module, as the page gets one text. */

import { asMnist } from "../../site/live/as_mnist.js";
import { project, unpool } from "../../site/live/deconvnet.js";
import { drawADigit, watchTraining } from "../../site/live/drawing.js";
import { exploreFeatureMaps } from "../../site/live/feature_maps.js";
import { givenOf, runOf } from "../../site/live/given.js";
import { strokesOf, toldStrokes } from "../../site/live/ink.js";
import { asImage, record } from "../../site/live/lenet5.js";
import { exploreSteps } from "../../site/live/steps.js";
import { exploreSwitches } from "../../site/live/switches.js";
import { unpack } from "../../site/live/tensors.js";

const EXPLORERS = { drawing: drawADigit, "feature-maps": exploreFeatureMaps, steps: exploreSteps, switches: exploreSwitches };

export default {
  EXPLORERS,
  asImage,
  asMnist,
  givenOf,
  project,
  record,
  runOf,
  strokesOf,
  toldStrokes,
  unpack,
  unpool,
  watchTraining,
};
