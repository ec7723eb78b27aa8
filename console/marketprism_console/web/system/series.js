/** What a number was during the last minutes: its rate, its trend, and the holes in which nobody looked. */

/** @typedef {{at: number, value: number}} Sample */

const HOLE_MS = 6000; // of samples that are taken once a second

export class Series {
  /** @type {Sample[]} */
  #samples = [];
  #keptMs;

  /** @param {number} keptMs */
  constructor(keptMs) {
    this.#keptMs = keptMs;
  }

  /** @param {number} value @param {number} [at] milliseconds */
  add(value, at = Date.now()) {
    if (!Number.isFinite(value)) return;
    const last = this.#samples.at(-1);
    if (last && at <= last.at) {
      last.value = value;
      return;
    }
    this.#samples.push({ at, value });
    const first = this.#samples.findIndex((each) => each.at >= at - this.#keptMs);
    if (first > 60) this.#samples.splice(0, first);
  }

  get last() {
    return this.#samples.at(-1);
  }

  /** The value at a time: that of the newest sample before it. NaN in a hole. @param {number} at */
  valueAt(at) {
    const samples = this.#samples;
    let low = 0;
    let high = samples.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (samples[middle].at <= at) low = middle + 1;
      else high = middle;
    }
    const found = samples[low - 1];
    return found && at - found.at <= HOLE_MS ? found.value : NaN;
  }

  /** Change in a second over the last `ms`, NaN where that is not known yet. @param {number} ms @param {number} [now] */
  rate(ms, now = Date.now()) {
    const first = this.#samples.find((each) => each.at >= now - ms);
    const { last } = this;
    if (!first || !last || last.at - first.at < Math.min(ms / 2, 2000)) return NaN;
    return (last.value - first.value) / ((last.at - first.at) / 1000);
  }

  /**
   * Rates of `count` steps up to now, for a counter; a step that nobody saw is NaN, and so is one back (it began anew).
   * @param {number} stepMs
   * @param {number} count
   * @param {number} [now]
   */
  rates(stepMs, count, now = Date.now()) {
    const end = Math.floor(now / stepMs) * stepMs;
    return Array.from({ length: count }, (_, i) => {
      const at = end - (count - 1 - i) * stepMs;
      const rate = (this.valueAt(at) - this.valueAt(at - stepMs)) / (stepMs / 1000);
      return rate < 0 ? NaN : rate;
    });
  }

  /** Values at `count` steps up to now. @param {number} stepMs @param {number} count @param {number} [now] */
  values(stepMs, count, now = Date.now()) {
    const end = Math.floor(now / stepMs) * stepMs;
    return Array.from({ length: count }, (_, i) => this.valueAt(end - (count - 1 - i) * stepMs));
  }
}
