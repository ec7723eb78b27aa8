/** Fills on candles: a triangle below the price of what was bought, above that of what was sold. */
import { ms } from '../../core/time.js';

/** @typedef {{ts: number, symbol: string, side: string, price: string, gap: string}} Fill */

const SIZE = 6;

export class FillMarks {
  /** @type {{time: number, price: number, isBuy: boolean, isInGap: boolean}[]} */
  #marks = [];
  /** @type {any} */
  #place = null;

  /** Those that have a place on the chart. */
  get count() {
    return this.#marks.length;
  }

  /** @param {any} place  chart, series, and how to have them drawn anew */
  attached(place) {
    this.#place = place;
  }

  detached() {
    this.#place = null;
  }

  /** @param {Fill[]} fills  in their order @param {number[]} times  of the points of the chart, in order */
  show(fills, times) {
    let at = 0;
    this.#marks = [];
    for (const { ts, price, side, gap } of fills) {
      const time = ms(ts);
      while (at + 1 < times.length && times[at + 1] <= time) at += 1;
      if (times.length && times[at] <= time) {
        this.#marks.push({ time: times[at], price: Number(price), isBuy: side === 'buy', isInGap: gap === 'inside' });
      }
    }
    this.#place?.requestUpdate();
  }

  updateAllViews() {}

  paneViews() {
    const draw = this.#draw;
    return [{ zOrder: () => 'top', renderer: () => ({ draw: (/** @type {any} */ target) => target.useBitmapCoordinateSpace(draw) }) }];
  }

  /** @param {{context: CanvasRenderingContext2D, horizontalPixelRatio: number, verticalPixelRatio: number}} scope */
  #draw = ({ context, horizontalPixelRatio: wide, verticalPixelRatio: high }) => {
    const scale = this.#place?.chart.timeScale();
    if (!scale) return;
    const style = getComputedStyle(document.documentElement);
    const ink = (/** @type {string} */ name) => style.getPropertyValue(name).trim();
    const [bought, sold, edge, gap] = ['--link', '--warn', '--ground', '--bad'].map(ink);
    context.lineWidth = wide;
    for (const { time, price, isBuy, isInGap } of this.#marks) {
      const [x, y] = [scale.timeToCoordinate(time / 1000), this.#place.series.priceToCoordinate(price)];
      if (x === null || y === null) continue;
      const sign = isBuy ? 1 : -1;
      context.fillStyle = isBuy ? bought : sold;
      context.strokeStyle = isInGap ? gap : edge;
      context.beginPath();
      context.moveTo(x * wide, (y + sign * 2) * high);
      context.lineTo((x - SIZE) * wide, (y + sign * (2 + 2 * SIZE)) * high);
      context.lineTo((x + SIZE) * wide, (y + sign * (2 + 2 * SIZE)) * high);
      context.closePath();
      context.fill();
      context.stroke();
    }
  };
}
