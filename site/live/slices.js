/** Long work in slices, so that the page never stands still: work is a generator that yields now and then. */

/** How long one slice lasts, in milliseconds: a picture that is ready by then is on the screen with the next frame. */
const SLICE = 12;

/**
 * What `work` returns in the end; or undefined if it has become of no use meanwhile.
 * @template T
 * @param {Generator<void, T, void>} work
 * @param {() => boolean} wanted  asked after each slice
 * @returns {Promise<T | undefined>}
 */
export async function inSlices(work, wanted = () => true) {
  let end = performance.now() + SLICE;
  for (;;) {
    const step = work.next();
    if (step.done) {
      return step.value;
    }
    if (performance.now() > end) {
      await nextTask();
      if (!wanted()) {
        return undefined;
      }
      end = performance.now() + SLICE;
    }
  }
}

/** Comes after what the browser has to do, sooner than a timer does. */
function nextTask() {
  return new Promise((resolve) => {
    const { port1, port2 } = new MessageChannel();
    port1.onmessage = () => {
      port1.close();
      resolve(undefined);
    };
    port2.postMessage(undefined);
  });
}
