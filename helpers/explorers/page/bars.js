/** Shares of a whole as bars, each with its name before it and its percentage behind. */

import { make } from "./make.js";

/** @param {string} title */
export function bars(title) {
  const element = make("div", "bars");
  const grid = make("div", "grid");
  element.append(make("b", "", title), grid);
  return {
    element,
    /** @param {{names: string[], shares: number[] | null}} shown Without shares, the names alone. */
    show({ names, shares }) {
      grid.replaceChildren(
        ...names.flatMap((name, k) => {
          const bar = make("div", "bar");
          bar.style.width = `${100 * (shares?.[k] ?? 0)}%`;
          return [make("span", "", name), bar, make("span", "", shares ? `${Math.round(100 * shares[k])}%` : "")];
        }),
      );
    },
  };
}
