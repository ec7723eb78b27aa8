/** Instruments with their newest prices, live, each with a star that puts it on the watch list. */
import { html, nothing } from '../vendor/lit.js';
import { hrefOf } from '../core/address.js';
import { grouped, short } from '../core/numbers.js';
import { Pace } from '../core/pace.js';
import { Part } from '../core/part.js';
import { dateTime, dayText, ms, zoneName } from '../core/time.js';
import { numeric, table, unseen } from '../parts/table.js';
import { movementOf } from './movement.js';
import { Quotes } from './quotes.js';
import { t } from './quotes_text.js';
import { toggleWatched, watchList } from './watch_list.js';

const MOST_QUOTED = 60; // rows with live prices: what is seen without much scrolling
const TEXTS = /** @type {const} */ (['symbol', 'name', 'venue', 'class']);
const FIGURES = /** @type {const} */ (['last', 'change', 'volume', 'interest']);

/** @typedef {import('../core/instruments.js').Instrument} Instrument */

/** As in addresses. @param {Instrument} row */
export function nameOf(row) {
  return `${row.venue}.${row.symbol}`;
}

class QuotesTable extends Part {
  static properties = { label: { attribute: false }, rows: { attribute: false }, expiries: { attribute: false } };

  constructor() {
    super();
    this.label = '';
    /** @type {Instrument[]} */
    this.rows = [];
    /** @type {Map<string, string> | null} last trading day of each symbol, where that is shown */
    this.expiries = null;
    this.pace = new Pace(4, () => this.requestUpdate());
    this.quotes = new Quotes(() => this.pace.mark());
  }

  begin() {
    this.follow(watchList);
    this.whenGone(() => this.quotes.stop());
    this.whenGone(() => this.pace.stop());
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has('rows')) this.quotes.follow(this.rows.filter((row) => row.stored).slice(0, MOST_QUOTED));
  }

  render() {
    const expiry = this.expiries ? [t('expiry')] : [];
    return table(
      { label: this.label },
      [unseen(t('watch_list')), ...TEXTS.map((key) => t(key)), ...expiry, ...FIGURES.map((key) => numeric(t(key))), t('time')],
      this.rows.map((row) => this.#row(row)),
    );
  }

  /** @param {Instrument} row */
  #row(row) {
    const name = nameOf(row);
    const isWatched = watchList.value.includes(name);
    return html`<tr>
      <td>
        <button
          type="button" class="star" aria-pressed=${isWatched} aria-label=${t('watch', { name })} title=${t('watch', { name })}
          @click=${() => toggleWatched(name)}
        >${isWatched ? '★' : '☆'}</button>
      </td>
      <th scope="row" class="wrap"><a href=${hrefOf(`/market/${name}`)}>${row.symbol}</a></th>
      <td class="wrap">${row.name}</td><td>${row.venue}</td><td>${row.class_}</td>
      ${this.expiries ? html`<td class="time">${dayText(this.expiries.get(row.symbol))}</td>` : nothing}
      ${this.#quote(this.quotes.of(name), row)}
    </tr>`;
  }

  /** @param {any} tick @param {Instrument} row */
  #quote(tick, row) {
    if (!tick) return html`<td class="dim" colspan="5">${row.stored ? '' : t('no_data')}</td>`;
    const { way, sign, moved, share } = movementOf(tick);
    return html`<td class="number ${way}">${sign} ${grouped(tick.last)}</td>
      <td class="number ${way}">${moved ? `${moved} (${share})` : '–'}</td>
      <td class="number">${short(tick.volume)}</td>
      <td class="number">${short(tick.open_interest)}</td>
      <td class="time">${dateTime(ms(tick.ts_event), row.venue)} <span class="dim">${zoneName(row.venue)}</span></td>`;
  }
}

customElements.define('mp-quotes', QuotesTable);
