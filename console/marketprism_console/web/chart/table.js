/** The chart as a table, for who does not see it, and for who wants the numbers. */
import { html, nothing } from '../vendor/lit.js';
import { grouped } from '../core/numbers.js';
import { Pace } from '../core/pace.js';
import { Part } from '../core/part.js';
import { dateTime, dayText, zoneName } from '../core/time.js';
import { causeName } from '../parts/causes_text.js';
import { numeric, table } from '../parts/table.js';
import { t } from './text.js';

/** @typedef {import('./series.js').Hole} Hole */

const MOST = 200;

class BarsTable extends Part {
  static properties = { history: { attribute: false } };

  constructor() {
    super();
    /** @type {import('../market/history.js').BarHistory | null} */
    this.history = null;
    /** @type {(() => void)[]} */
    this.ends = [];
    this.pace = new Pace(2, () => this.requestUpdate());
  }

  begin() {
    this.whenGone(() => {
      for (const end of this.ends.splice(0)) end();
      this.pace.stop();
    });
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (!changed.has('history')) return;
    for (const end of this.ends.splice(0)) end();
    if (!this.history) return;
    this.ends.push(this.history.whole.subscribe(() => this.pace.mark()));
    this.ends.push(this.history.newest.subscribe(() => this.pace.mark()));
  }

  render() {
    const { history } = this;
    if (!history) return nothing;
    const { venue, symbol, interval } = history;
    const { times, holes } = history.laid;
    const known = new Map(history.candles.slice(-MOST).map((candle) => [candle.time, candle]));
    if (history.forming) known.set(history.forming.time, history.forming);
    const shown = [...new Set([...times.slice(-MOST), ...known.keys()])].sort((a, b) => b - a).slice(0, MOST);
    /** @param {number} time */
    const holeAt = (time) => holes.find((hole) => time >= hole.from && time <= hole.to);
    const label = t('table', { symbol, interval, zone: zoneName(venue) });
    return table(
      { label, caption: label },
      [
        t('time'), t('day'), numeric(t('open')), numeric(t('high')), numeric(t('low')), numeric(t('close')),
        numeric(t('volume')), numeric(t('turnover')), numeric(t('interest')), numeric(t('ticks')), numeric(t('revision')),
        t('gap'),
      ],
      shown.map((time) => {
        const candle = known.get(time);
        return candle ? this.#row(candle, venue, holeAt(time)) : this.#missing(time, venue, holeAt(time));
      }),
    );
  }

  /** A window of which there is nothing. @param {number} time @param {string} venue @param {Hole | undefined} hole */
  #missing(time, venue, hole) {
    return html`<tr data-time=${time}>
      <th scope="row" class="time">${dateTime(time, venue)}</th>
      <td colspan="10"></td>
      <td>${hole ? this.#gap(hole) : nothing}</td>
    </tr>`;
  }

  /** @param {Hole | undefined} hole */
  #gap(hole) {
    return html`<span class="warn">${t('is_gap')}${hole ? `: ${causeName(hole.gap.cause)}` : ''}</span>`;
  }

  /** @param {import('./series.js').Candle} candle @param {string} venue @param {Hole | undefined} hole */
  #row(candle, venue, hole) {
    const way = Number(candle.close) >= Number(candle.open) ? 'up' : 'down';
    return html`<tr data-time=${candle.time}>
      <th scope="row" class="time">${dateTime(candle.time, venue)}</th>
      <td class="time">${dayText(candle.day)}</td>
      <td class="number">${candle.open}</td><td class="number">${candle.high}</td><td class="number">${candle.low}</td>
      <td class="number ${way}">${candle.close}</td>
      <td class="number">${grouped(candle.volume)}</td><td class="number">${grouped(candle.turnover)}</td>
      <td class="number">${grouped(candle.interest)}</td><td class="number">${candle.ticks}</td>
      <td class="number">${candle.revision || nothing}</td>
      <td>${candle.forming ? t('is_forming') : candle.gap ? this.#gap(hole) : nothing}</td>
    </tr>`;
  }
}

customElements.define('mp-bars-table', BarsTable);
