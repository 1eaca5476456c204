// Notes of each frame that the page has looked at what the film says of it, what the page says, and when.
() => {
  const canvas = document.querySelector(".sight");
  const context = canvas.getContext("2d");
  const box = document.querySelector("#photo");
  const level = (x) => {
    const scale = canvas.width / 640; // to the film's pixels
    const { data } = context.getImageData(scale * (x + 2), canvas.height - scale * 6, scale * 4, scale * 4);
    const greys = data.filter((_, k) => k % 4 === 0);
    return greys.reduce((sum, value) => sum + value, 0) / greys.length;
  };
  window.seen = [];
  new MutationObserver(() => {
    const one = {
      levels: [level(0), level(16)],
      label: box.querySelector("figcaption b").textContent,
      says: box.querySelector(".says").textContent,
      shares: box.querySelector(".bars .grid").textContent.includes("%"),
      came: Number(canvas.dataset.came),
      painted: null,
    };
    window.seen.push(one);
    // A message that is posted before a frame is drawn arrives after it.
    requestAnimationFrame(() => {
      const { port1, port2 } = new MessageChannel();
      port1.onmessage = () => (one.painted = performance.now());
      port2.postMessage(0);
    });
  }).observe(canvas, { attributeFilter: ["data-came"] });
}
