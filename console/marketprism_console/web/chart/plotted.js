/** A series of a chart, and the points that it has: one behind the newest may only be changed if it is there. */

/** @typedef {{time: number, [name: string]: any}} Point  seconds, and what is drawn there; nothing else is room that is kept */

export class Plotted {
  #newest = -Infinity;
  /** @type {Set<number>} */
  #times = new Set();

  /** @param {any} series  of lightweight-charts */
  constructor(series) {
    this.series = series;
  }

  /** @param {Point[]} points  in order */
  setData(points) {
    this.series.setData(points);
    this.#newest = points.at(-1)?.time ?? -Infinity;
    this.#times = new Set(points.filter((point) => Object.keys(point).length > 1).map(({ time }) => time));
  }

  /**
   * Put a point in its place: a bar closes behind the one that already forms.
   * @param {Point} point
   * @returns {boolean}  false where it has no place yet, and all points have to be set
   */
  update(point) {
    if (point.time < this.#newest && !this.#times.has(point.time)) return false;
    this.series.update(point, point.time < this.#newest);
    this.#newest = Math.max(this.#newest, point.time);
    this.#times.add(point.time);
    return true;
  }
}
