/** The gap ledger: what is stored, and what comes while the page is open. */
import { html, nothing } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { ask, urlOf } from '../../core/api.js';
import { count } from '../../core/numbers.js';
import { Pace } from '../../core/pace.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { stream } from '../../core/stream.js';
import { duration } from '../../core/time.js';
import { causeName } from '../../parts/causes_text.js';
import { empty, shown } from '../../parts/states.js';
import { chosenOf, days, keyOf } from './coverage.js';
import { gapTable, lengthOf } from './gap_table.js';
import { t } from './text.js';

const PAGE = 200;
const MOST_NEW = 1000;
const CAUSES = [
  'silence', 'joined', 'disconnected', 'interrupted', 'restart', 'sequence', 'recording_end', 'reported',
  'missing_trades', 'truncated', 'excluded', 'venue_missing',
];
const KINDS = ['tick', 'trade', 'orderbook', 'ticker', 'funding_rate', 'open_interest', 'liquidation', 'mark_price'];

/** @typedef {{rows: any[], next: string}} Ledger */

class GapLedger extends Part {
  static properties = { missing: { attribute: false } };

  constructor() {
    super();
    this.missing = 0; // days of the calendar of which nothing is there
    this.wanted = PAGE;
    this.asked = '';
    /** @type {any[]} */
    this.live = [];
    this.ledger = new Resource((signal) => this.#read(signal));
    this.pace = new Pace(0.5, () => void this.ledger.load());
  }

  begin() {
    this.uses(this.ledger);
    this.follow(address, () => this.#changed());
    this.whenGone(() => this.pace.stop());
    this.whenGone(stream.subscribe({ ch: 'market.gap.>', mode: 'all' }, { onMessage: ({ d }) => this.#came(d) }));
    this.#changed();
  }

  get params() {
    const { params } = address.value;
    const chosen = chosenOf(params);
    const { symbols, venue, product } = chosen;
    return { symbols, venue, product, ...days(chosen), cause: params.cause ?? '', kind: params.kind ?? '' };
  }

  #changed() {
    const asked = JSON.stringify(this.params);
    if (asked === this.asked) return;
    this.asked = asked;
    this.wanted = PAGE;
    this.live = [];
    void this.ledger.load({ forget: true });
  }

  /** @param {AbortSignal} signal @returns {Promise<Ledger>} */
  async #read(signal) {
    const { data, next } = await ask('/gaps', { ...this.params, limit: this.wanted }, { signal });
    return { rows: data, next };
  }

  /** A gap that somebody has noticed now. @param {any} gap */
  #came(gap) {
    const { params } = this;
    const kind = gap.kind ?? '';
    if (params.venue && gap.venue !== params.venue) return;
    if (params.cause && gap.cause !== params.cause) return;
    if (params.kind && (kind || 'tick') !== params.kind) return;
    if (params.product || params.symbols || params.from_day || params.to_day) {
      this.pace.mark(); // the server knows whether it belongs here
      return;
    }
    if (this.live.length < MOST_NEW) this.live = [gap, ...this.live];
    this.requestUpdate();
  }

  render() {
    return html`<h2>${t('ledger')}</h2>
      ${this.#tools()}
      ${shown(this.ledger, (ledger) => this.#rows(ledger), { empty: (ledger) => this.#nothing(ledger), lines: 6 })}`;
  }

  #tools() {
    const { cause, kind } = this.params;
    return html`<div class="tools">
      <label>${t('cause')}
        <select @change=${(/** @type {any} */ event) => alter({ cause: event.target.value })}>
          <option value="" ?selected=${!cause}>${t('all')}</option>
          ${CAUSES.map((each) => html`<option value=${each} ?selected=${each === cause}>${causeName(each)}</option>`)}
        </select></label>
      <label>${t('kind')}
        <select @change=${(/** @type {any} */ event) => alter({ kind: event.target.value })}>
          <option value="" ?selected=${!kind}>${t('all')}</option>
          ${KINDS.map((each) => html`<option value=${each} ?selected=${each === kind}>${each === 'tick' ? t('kind_ticks') : each}</option>`)}
        </select></label>
      <a class="button apart" download="gaps.csv" href=${urlOf('/gaps', { ...this.params, limit: this.wanted, times: 'iso', format: 'csv' })}>
        ${t('csv')}</a>
    </div>`;
  }

  /** @param {Ledger} ledger */
  #all(ledger) {
    const known = new Set(ledger.rows.map(keyOf));
    return [...this.live.filter((gap) => !known.has(keyOf(gap))), ...ledger.rows];
  }

  /** @param {Ledger} ledger */
  #rows(ledger) {
    const rows = this.#all(ledger);
    /** @type {Map<string, {gaps: number, length: number}>} */
    const sums = new Map();
    for (const gap of rows) {
      const sum = sums.get(gap.cause) ?? { gaps: 0, length: 0 };
      sums.set(gap.cause, { gaps: sum.gaps + 1, length: sum.length + lengthOf(gap) });
    }
    return html`<div class="tiles" aria-label=${t('sum_of')} role="group">
        ${[...sums].map(
          ([cause, sum]) => html`<div class="tile">${causeName(cause)}<b>${duration(sum.length)}</b>
            <span class="dim">${t('gap_count', { count: count(sum.gaps) })}</span></div>`,
        )}
      </div>
      ${this.live.length ? html`<p role="status">${t('new_gaps', { count: count(this.live.length) })}</p>` : nothing}
      ${gapTable(rows, t('ledger'))}
      ${ledger.next ? html`<p><button type="button" @click=${this.#more}>${t('more_rows')}</button></p>` : nothing}`;
  }

  #more = () => {
    this.wanted += PAGE;
    void this.ledger.load();
  };

  /** @param {Ledger} ledger */
  #nothing(ledger) {
    if (ledger.rows.length || this.live.length) return undefined;
    const { symbols, from_day: from, to_day: to } = this.params;
    const range = from || to ? `${from || '…'} – ${to || '…'}` : t('any_time');
    return empty(t('no_gaps'), html`<p>${t('no_gaps_more', { symbols: symbols || t('all'), range, missing: this.missing })}</p>`);
  }
}

customElements.define('mp-gap-ledger', GapLedger);
