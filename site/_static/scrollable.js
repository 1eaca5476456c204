// Code and tables wider than the page scroll in their place: by keys, too, and only these stop the tab key.
const boxes = document.querySelectorAll("article pre, article .table-wrapper, article .formula");

function mark() {
  for (const box of boxes) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
}

new ResizeObserver(mark).observe(document.documentElement);
document.addEventListener("toggle", mark, true);
mark();
