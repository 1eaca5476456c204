/**
 * The model of an explorer, in the page, in the place of the kernel's: `helpers/explorers/page/explorer.js` finds in it
 * what `helpers.explorers.explorer` keeps in the other.
 *
 * @typedef {import("./settings.js").Setting} Setting
 * @typedef {import("./shown.js").ShownPart} ShownPart
 *
 * @typedef {object} More What an address tells beside the settings, such as a drawing.
 * @property {() => Record<string, string>} [tell]
 * @property {(told: Record<string, string>) => void} [take]
 * @property {() => string} leftOut In a sentence, what an address can't tell of it; "" if that is nothing.
 *
 * @typedef {object} Explorer
 * @property {Record<string, Setting>} settings Those that an address always tells, by their names.
 * @property {Record<string, Setting>} [further] Those that it tells if they stand otherwise than in the beginning.
 * @property {ShownPart[]} parts
 * @property {() => void} draw Lets the parts show what the settings ask for.
 * @property {Record<string, DataView>} palettes
 * @property {Record<string, string>} start How it stands in the beginning, as an address tells it.
 * @property {More} [more]
 */

export class PageModel {
  /** @type {Map<string, ((...values: any[]) => void)[]>} */
  #listeners = new Map();
  /** @type {Map<string, any>} */
  #shown = new Map();
  #explorer;
  #further;

  /** Whether it moves by itself just now. */
  isPlaying = false;

  /** @param {Explorer} explorer */
  constructor(explorer) {
    this.#explorer = explorer;
    this.settings = { ...explorer.settings, ...explorer.further };
    explorer.parts.forEach((part, k) => {
      part.tell = (news, buffers = []) => {
        const views = buffers.map((buffer) => new DataView(buffer));
        this.#emit("msg:custom", { part: k, ...news }, views);
      };
    });
    this.#shown.set("page", {
      controls: Object.entries(this.settings).map(([name, { kind }]) => ({ name, kind })),
      parts: explorer.parts.map(({ page }) => page),
      palettes: explorer.palettes,
    });
    this.#further = Object.entries(explorer.further ?? {}).map(([name, { told }]) => /** @type {const} */ ([name, told]));
    this.take({});
  }

  // --- what anywidget's modules ask for

  /** @param {string} key */
  get(key) {
    return this.#shown.get(key);
  }

  /**
   * @param {string} key `at_NAME`: a hand has moved that control, perhaps to where it can no longer stand.
   * @param {any} value
   */
  set(key, value) {
    this.settings[key.slice("at_".length)].at = value;
  }

  save_changes() {
    this.answer();
  }

  /**
   * @param {any} content What a hand has done to a part.
   * @param {undefined} _
   * @param {ArrayBuffer[]} buffers
   */
  send({ part, ...news }, _ = undefined, buffers = []) {
    this.#explorer.parts[part].receive?.(news, buffers);
    if ("pick" in news) this.answer();
  }

  /**
   * @param {string} event
   * @param {(...values: any[]) => void} callback
   */
  on(event, callback) {
    this.#listeners.set(event, [...(this.#listeners.get(event) ?? []), callback]);
  }

  // --- what the page asks for

  /** Draw what the settings ask for, or say what went wrong; and tell those who listen to `"answer"`. */
  answer() {
    let fault = "";
    try {
      this.#explorer.draw();
    } catch (error) {
      fault = `${error}`;
    }
    const shown = Object.entries(this.settings).flatMap(([name, setting]) => [
      [`range_${name}`, setting.range],
      [`at_${name}`, setting.at],
    ]);
    this.#explorer.parts.forEach((part, k) => {
      if (part.words) shown.push([`words_${k}`, part.words]);
      if (part.drawn) shown.push([`drawn_${k}`, part.drawn]);
    });
    /** @type {string[]} */
    const changed = [];
    for (const [key, value] of /** @type {[string, any][]} */ ([...shown, ["fault", fault]])) {
      if (same(value, this.#shown.get(key))) continue;
      this.#shown.set(key, value);
      changed.push(key);
    }
    changed.forEach((key) => this.#emit(`change:${key}`));
    this.#emit("answer");
  }

  /** How it stands, for an address. */
  told() {
    const told = Object.entries(this.#explorer.settings).map(([name, setting]) => [name, setting.told]);
    const other = this.#further.map(([name]) => [name, this.settings[name].told]);
    const changed = other.filter(([, now], k) => now !== this.#further[k][1]);
    return { ...Object.fromEntries([...told, ...changed]), ...this.#explorer.more?.tell?.() };
  }

  /** In a sentence, what an address can't tell of that. */
  leftOut() {
    return this.#explorer.more?.leftOut() ?? "";
  }

  /**
   * Let it stand as an address tells; what that leaves out is as in the beginning, and what can't be, as near as it can.
   *
   * @param {Record<string, string>} told
   */
  take(told) {
    const all = { ...Object.fromEntries(this.#further), ...this.#explorer.start, ...told };
    for (const [name, setting] of Object.entries(this.settings)) {
      if (!(name in all) || setting.take(all[name])) continue;
      // Where it can stand may hang on the settings before it.
      this.#explorer.draw();
      setting.take(all[name]);
    }
    this.#explorer.more?.take?.(told);
    this.answer();
  }

  /**
   * @param {string} event
   * @param {...any} values
   */
  #emit(event, ...values) {
    this.#listeners.get(event)?.forEach((callback) => callback(...values));
  }
}

/** @param {any} one @param {any} other Words and ranges are compared by what they say, pictures by being the same. */
function same(one, other) {
  return one === other || (!one?.levels && !other?.levels && JSON.stringify(one) === JSON.stringify(other));
}

/**
 * `answer`, which gives its last answer again if it is asked the same again.
 *
 * @template {any[]} Asked
 * @template Answer
 * @param {(...asked: Asked) => Answer} answer
 * @returns {(...asked: Asked) => Answer}
 */
export function rememberLast(answer) {
  /** @type {{asked: Asked, answer: Answer} | null} */
  let last = null;
  return (...asked) => {
    if (!last || last.asked.some((one, k) => one !== asked[k])) last = { asked, answer: answer(...asked) };
    return last.answer;
  };
}
