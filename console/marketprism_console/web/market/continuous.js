/** Bars of a product's main contracts in one line: what is stored, without what is live. */
import { ask } from '../core/api.js';
import { candleOf } from '../chart/series.js';
import { BarHistory } from './history.js';

export class ContinuousHistory extends BarHistory {
  /** @param {string} venue @param {string} product @param {string} interval @param {string} adjust `none`, `difference`, `ratio` */
  constructor(venue, product, interval, adjust) {
    super(venue, product, interval);
    this.adjust = adjust;
    this.contract = '';
  }

  follow() {}

  /** Where another contract goes on. @param {any[]} rows */
  candlesOf(rows) {
    let before = '';
    return rows.map((row) => {
      const candle = { ...candleOf(row), contract: String(row.symbol), rolled: before !== '' && row.symbol !== before };
      before = row.symbol;
      this.contract = before;
      this.venue = row.venue;
      return candle;
    });
  }

  /** @param {Record<string, any>} params @param {{signal?: AbortSignal}} options */
  readBars(params, options) {
    const asked = { venue: this.venue, interval: this.interval, adjust: this.adjust, ...params };
    return ask(`/continuous/${encodeURIComponent(this.symbol)}`, asked, options);
  }

  /** @param {number | null} from @param {number | null} to @param {{signal?: AbortSignal}} options */
  async readSections(from, to, options) {
    if (!this.contract) return [];
    return super.readSections(from, to, options, this.contract);
  }

  /** Gaps lie in the bars, each of its contract. */
  async readGaps() {
    return [];
  }
}
