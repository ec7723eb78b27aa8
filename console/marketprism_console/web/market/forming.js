/** The bar that is not closed yet: of a counter's ticks, which are its states, or of a venue's trades, each of which counts. */
import { minus, plus } from '../core/numbers.js';
import { ms } from '../core/time.js';

/** @typedef {import('../chart/series.js').Candle} Candle */

export class FormingBar {
  /** @type {Candle | null} */
  candle = null;
  #baseline = ''; // volume of the trading day when the bar began
  #lastVolume = '';
  #seq = -1; // of the last trade that counts

  /** A bar has closed. @param {number} time  its opening */
  closed(time) {
    if (this.candle && this.candle.time <= time) this.candle = null;
  }

  /** @param {any} tick @param {number} open  of its window, NaN where it is in none that is open */
  tick(tick, open) {
    const volume = tick.volume === null || tick.volume === undefined ? '' : String(tick.volume);
    const before = this.#lastVolume;
    this.#lastVolume = volume;
    if (Number.isNaN(open)) return;
    if (this.candle?.time !== open) this.#baseline = this.candle ? before : volume;
    const candle = this.#moved(open, tick.trading_day, String(tick.last), 1);
    if (volume && this.#baseline) candle.volume = minus(volume, this.#baseline);
    if (tick.open_interest !== null && tick.open_interest !== undefined) candle.interest = String(tick.open_interest);
  }

  /**
   * What is stored of a bar that has begun before anybody looked.
   * @param {number} open
   * @param {string} day
   * @param {any[]} minutes  its bars of a minute
   * @param {any[]} trades  those behind them
   */
  begin(open, day, minutes, trades) {
    this.candle = null;
    this.#seq = -1;
    for (const bar of minutes) {
      this.#moved(open, day, String(bar.open), 0);
      for (const price of [bar.high, bar.low]) this.#moved(open, day, String(price), 0);
      const candle = this.#moved(open, day, String(bar.close), Number(bar.ticks ?? 0));
      candle.volume = plus(candle.volume, bar.volume);
    }
    for (const each of trades) this.trade(each, open, day);
  }

  /** @param {any} trade @param {number} open @param {string} day */
  trade(trade, open, day) {
    if (trade.off_book || Number(trade.seq) <= this.#seq) return;
    this.#seq = Number(trade.seq);
    if (Number.isNaN(open)) return;
    const candle = this.#moved(open, day, String(trade.price), 1);
    candle.volume = plus(candle.volume, trade.quantity);
  }

  /** @param {number} open @param {string} day @param {string} last @param {number} ticks @returns {Candle} */
  #moved(open, day, last, ticks) {
    const { candle } = this;
    if (candle?.time !== open) {
      this.candle = {
        time: open, day, open: last, high: last, low: last, close: last, volume: '0', turnover: '', interest: null, ticks,
        revision: 0, gap: false, forming: true,
      };
      return this.candle;
    }
    const number = Number(last);
    if (number > Number(candle.high)) candle.high = last;
    if (number < Number(candle.low)) candle.low = last;
    candle.close = last;
    candle.ticks += ticks;
    return candle;
  }
}

/** @param {any} row @param {import('../chart/windows.js').Windows} windows @returns {[number, string]} window and trading day of a trade */
export function placeOf(row, windows) {
  const at = ms(row.ts_event);
  return [windows.openOf(at), windows.sectionOf(at)?.day ?? ''];
}
