/** The bar that is not closed yet: of a counter's ticks, which are its states, or of a venue's trades, each of which counts. */
import { minus, plus } from '../core/numbers.js';
import { ms } from '../core/time.js';

/** @typedef {import('../chart/series.js').Candle} Candle */

export class FormingBar {
  /** @type {Candle | null} */
  candle = null;
  /** @type {{at: number, volume: string, day: string} | null} the newest tick */
  #before = null;
  #baseline = ''; // volume of the trading day when the bar began
  #isBegun = false; // with what is stored, and no tick has come since
  #seq = -1; // of the last trade that counts

  /** A bar has closed. @param {number} time  its opening */
  closed(time) {
    if (this.candle && this.candle.time <= time) this.candle = null;
  }

  /** @param {any} tick @param {number} open  of its window, NaN where it is in none that is open */
  tick(tick, open) {
    const at = ms(tick.ts_event);
    const volume = tick.volume === null || tick.volume === undefined ? '' : String(tick.volume);
    const before = this.#before;
    if (before && at < before.at) return;
    this.#before = { at, volume, day: tick.trading_day };
    if (Number.isNaN(open)) return;
    const known = this.#isBegun && this.candle?.time === open ? this.candle.volume : '0';
    if (this.candle?.time !== open || this.#isBegun) {
      // The volume of a counter is that of the trading day: it begins anew with the day.
      this.#baseline = minus(!before ? volume : before.day === tick.trading_day ? before.volume : '0', known);
      this.#isBegun = false;
    }
    const candle = this.#moved(open, tick.trading_day, String(tick.last), 1);
    if (volume && this.#baseline) candle.volume = minus(volume, this.#baseline);
    if (tick.open_interest !== null && tick.open_interest !== undefined) candle.interest = String(tick.open_interest);
  }

  /**
   * What is stored of a bar that has begun before anybody looked. The ticks or trades behind these minutes follow.
   * @param {number} open
   * @param {string} day
   * @param {any[]} minutes  its bars of a minute
   */
  begin(open, day, minutes) {
    this.candle = null;
    this.#before = null;
    this.#seq = -1;
    this.#isBegun = minutes.length > 0;
    for (const bar of minutes) {
      this.#moved(open, day, String(bar.open), 0);
      for (const price of [bar.high, bar.low]) this.#moved(open, day, String(price), 0);
      const candle = this.#moved(open, day, String(bar.close), Number(bar.ticks ?? 0));
      candle.volume = plus(candle.volume, bar.volume);
      candle.interest = bar.open_interest ?? null;
    }
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
