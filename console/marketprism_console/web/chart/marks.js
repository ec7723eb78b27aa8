/** What lies behind the candles: a line where a section begins, a ground where data is missing, a mark on what was corrected. */

/**
 * @typedef {object} Shown
 * @property {{time: number, isDay: boolean}[]} breaks
 * @property {import('./series.js').Hole[]} holes
 * @property {number[]} revised  bars that were corrected
 * @property {number[]} rolls  first bars of other contracts
 */

export class Marks {
  /** @type {Shown} */
  #shown = { breaks: [], holes: [], revised: [], rolls: [] };
  /** @type {any} */
  #chart = null;
  /** @type {() => void} */
  #request = () => {};
  /** @type {(name: string) => string} */
  #colour;

  /** @param {(name: string) => string} colour  the value of a colour of the style sheet */
  constructor(colour) {
    this.#colour = colour;
  }

  /** @param {{chart: any, requestUpdate: () => void}} place */
  attached({ chart, requestUpdate }) {
    this.#chart = chart;
    this.#request = requestUpdate;
  }

  detached() {
    this.#chart = null;
  }

  /** @param {Shown} shown */
  show(shown) {
    this.#shown = shown;
    this.#request();
  }

  updateAllViews() {}

  paneViews() {
    const draw = this.#draw;
    return [{ zOrder: () => 'bottom', renderer: () => ({ draw: (/** @type {any} */ target) => target.useBitmapCoordinateSpace(draw) }) }];
  }

  /** @param {{context: CanvasRenderingContext2D, bitmapSize: {height: number}, horizontalPixelRatio: number}} scope */
  #draw = ({ context, bitmapSize, horizontalPixelRatio: ratio }) => {
    const scale = this.#chart?.timeScale();
    if (!scale) return;
    const half = (scale.options().barSpacing / 2) * ratio;
    /** @param {number} time */
    const x = (time) => {
      const found = scale.timeToCoordinate(time / 1000);
      return found === null ? null : found * ratio;
    };
    for (const { from, to } of this.#shown.holes) {
      const [left, right] = [x(from), x(to)];
      if (left === null || right === null) continue;
      context.fillStyle = this.#colour('--gap');
      context.fillRect(left - half, 0, right - left + 2 * half, bitmapSize.height);
      context.fillStyle = this.#colour('--gap-edge');
      context.fillRect(left - half, 0, right - left + 2 * half, Math.max(2, ratio));
    }
    for (const { time, isDay } of this.#shown.breaks) {
      const at = x(time);
      if (at === null) continue;
      context.fillStyle = this.#colour(isDay ? '--edge' : '--line');
      context.fillRect(Math.round(at - half), 0, isDay ? Math.max(2, 2 * ratio) : Math.max(1, ratio), bitmapSize.height);
    }
    this.#triangles(context, this.#shown.revised, x, bitmapSize.height, half, '--warn');
    this.#triangles(context, this.#shown.rolls, x, bitmapSize.height, half, '--link');
  };

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {number[]} times
   * @param {(time: number) => number | null} x
   * @param {number} height
   * @param {number} half
   * @param {string} colour
   */
  #triangles(context, times, x, height, half, colour) {
    context.fillStyle = this.#colour(colour);
    const size = Math.max(4, Math.min(8, half * 1.5));
    for (const time of times) {
      const at = x(time);
      if (at === null) continue;
      context.beginPath();
      context.moveTo(at, height - 2 * size);
      context.lineTo(at - size, height - 2);
      context.lineTo(at + size, height - 2);
      context.fill();
    }
  }
}
