/**
 * The address as the state of an explorer: `#feature-maps?digit=5&layer=2&map=11`.
 *
 * @typedef {object} State
 * @property {string} name Of the explorer; empty where the address names none.
 * @property {Record<string, string>} settings
 */

const REST = 300; // milliseconds after which what a hand has moved has come to rest

/** @param {string} hash @returns {State} */
export function stateOf(hash) {
  const [name, settings = ""] = hash.replace(/^#/, "").split("?");
  return { name, settings: Object.fromEntries(new URLSearchParams(settings)) };
}

/** @param {State} state */
export function addressOf({ name, settings }) {
  const told = new URLSearchParams(settings).toString();
  return `#${name}${told ? "?" : ""}${told}`;
}

/**
 * Keep the address as the explorers stand, and these as the address: each rest is a place to go back to.
 *
 * @param {(state: State) => void} arrive Called when the address has become another, by hand or by going back.
 * @returns {(state: () => State) => void} To be called after each change.
 */
export function keepAddress(arrive) {
  let timer = 0;
  const here = () => arrive(stateOf(location.hash));
  window.addEventListener("popstate", here);
  return (state) => {
    clearTimeout(timer);
    timer = window.setTimeout(() => {
      const address = addressOf(state());
      if (address !== location.hash) history.pushState(null, "", address);
    }, REST);
  };
}
