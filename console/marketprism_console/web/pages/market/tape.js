/** What trades: a venue's own tape, or the steps between a counter's ticks, each with the verdict on it. */
import { html, nothing } from '../../vendor/lit.js';
import { ask } from '../../core/api.js';
import { address, alter } from '../../core/address.js';
import { count, grouped, minus } from '../../core/numbers.js';
import { Pace } from '../../core/pace.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { stream } from '../../core/stream.js';
import { token } from '../../core/subjects.js';
import { clock, isChinese, ms, zoneName } from '../../core/time.js';
import { levelsOf } from '../../market/levels.js';
import { empty, shown } from '../../parts/states.js';
import { numeric, table } from '../../parts/table.js';
import { t } from './tape_text.js';
import { word } from './words.js';

const MOST = 200;
const TICKS_MS = 20;

/**
 * @typedef {object} Print
 * @property {string} key
 * @property {number} time
 * @property {string} price
 * @property {string} quantity
 * @property {string} side
 * @property {string} more  change of the open interest, or what kind of trade it is
 * @property {string} verdict
 * @property {number | null} score
 * @property {string[]} reasons
 */

class Tape extends Part {
  static properties = { venue: { attribute: false }, symbol: { attribute: false } };

  constructor() {
    super();
    this.venue = '';
    this.symbol = '';
    /** @type {Print[]} newest first */
    this.prints = [];
    /** @type {Print[] | null} what stands while it is paused */
    this.held = null;
    /** @type {any} */
    this.before = null;
    /** @type {any[]} */
    this.waiting = [];
    this.isLoaded = false;
    this.skipped = 0; // ticks for which there was a newer one before they could be shown
    this.first = new Resource((signal) => this.#load(signal));
    this.pace = new Pace(8, () => this.requestUpdate());
  }

  begin() {
    const name = token(this.symbol);
    const ch = this.isTicks ? `market.tick.${name}` : `market.${token(this.venue)}.${name}.trade`;
    this.uses(this.first);
    this.follow(address);
    const onMessage = (/** @type {any} */ { d }) => d?.venue === this.venue && this.#take(d);
    // A venue's tape is whole. Ticks are states of a counter: faster than a screen shows them, the newest counts.
    /** @type {import('../../core/channel.js').Wanted} */
    const wanted = this.isTicks ? { ch, mode: 'latest', every_ms: TICKS_MS } : { ch, mode: 'all' };
    const onSkipped = (/** @type {number} */ number) => (this.skipped += number);
    this.whenGone(stream.subscribe(wanted, { onMessage, onSkipped, onGap: () => void this.first.load() }));
    this.whenGone(() => this.pace.stop());
    void this.first.load();
  }

  get isTicks() {
    return isChinese(this.venue);
  }

  /** @param {AbortSignal} signal */
  async #load(signal) {
    this.isLoaded = false;
    const path = `/${this.isTicks ? 'ticks' : 'trades'}/${encodeURIComponent(this.symbol)}`;
    const { data } = await ask(path, { venue: this.venue, last: MOST }, { signal });
    this.prints = [];
    this.before = null;
    this.isLoaded = true;
    const known = Number(data.at(-1)?.seq ?? 0);
    for (const row of [...data, ...this.waiting.splice(0).filter((each) => Number(each.seq) > known)]) this.#take(row);
    return this.prints;
  }

  /** @param {any} row */
  #take(row) {
    if (!this.isLoaded) {
      this.waiting.push(row);
      if (this.waiting.length > 5 * MOST) this.waiting.shift();
      return;
    }
    if (this.before && this.before.seq === row.seq && this.before.ts_event === row.ts_event) return; // after a cut the newest comes again
    const print = this.isTicks ? printOfTick(row, this.before) : printOfTrade(row);
    this.before = row;
    this.prints.unshift(print);
    if (this.prints.length > MOST) this.prints.length = MOST;
    if (!this.held) this.pace.mark();
  }

  get least() {
    return Number(address.value.params.least) || 0;
  }

  render() {
    return html`<div class="tools">
        <button type="button" aria-pressed=${this.held !== null} @click=${this.#hold}>${t(this.held ? 'go_on' : 'pause')}</button>
        <label>${t('least')}
          <input type="number" min="0" step="any" .value=${address.value.params.least ?? ''} @change=${this.#filter} />
        </label>
        ${this.skipped ? html`<span class="warn">${t('skipped', { count: count(this.skipped) })}</span>` : nothing}
        <span class="dim apart">${t('zone', { zone: zoneName(this.venue) })}</span>
      </div>
      ${shown(this.first, () => this.#table())}`;
  }

  #table() {
    const rows = (this.held ?? this.prints).filter((print) => !this.least || Number(print.quantity) >= this.least);
    if (!rows.length) return empty(t('none'));
    return table(
      { label: t('title'), size: 'tall' },
      [
        t('time'), numeric(t('price')), numeric(t('quantity')), t('side'), numeric(t(this.isTicks ? 'interest' : 'kind')),
        ...(this.isTicks ? [t('verdict')] : []),
      ],
      rows.map((print) => this.#row(print)),
    );
  }

  /** @param {Print} print */
  #row(print) {
    const way = { buy: 'up', sell: 'down' }[print.side] ?? '';
    return html`<tr>
      <td class="time">${clock(print.time, this.venue, 3)}</td>
      <td class="number ${way}">${print.price}</td>
      <td class="number">${grouped(print.quantity)}</td>
      <td class=${way}>${word(print.side)}</td>
      <td class="number">${print.more}</td>
      ${this.isTicks
        ? html`<td class="wrap ${print.verdict === 'valid' ? 'dim' : 'warn'}">
            ${word(print.verdict)} ${print.score ?? ''} ${print.reasons.join(', ')}
          </td>`
        : nothing}
    </tr>`;
  }

  #hold = () => {
    this.held = this.held ? null : [...this.prints];
    this.requestUpdate();
  };

  /** @param {any} event */
  #filter = (event) => alter({ least: event.target.value || null });
}

/**
 * What has traded between two ticks. The side is a guess by the prices that stood before.
 * @param {any} tick @param {any} before
 * @returns {Print}
 */
function printOfTick(tick, before) {
  const isNext = before && before.trading_day === tick.trading_day;
  const bid = Number(levelsOf(before?.bids)[0]?.price ?? NaN);
  const offer = Number(levelsOf(before?.asks)[0]?.price ?? NaN);
  const last = Number(tick.last);
  const quantity = isNext ? minus(tick.volume, before.volume) : '';
  const interest = isNext ? minus(tick.open_interest, before.open_interest) : '';
  const hasTraded = quantity !== '' && Number(quantity) > 0;
  return {
    key: String(tick.seq), time: ms(tick.ts_event), price: String(tick.last ?? '–'), quantity,
    side: hasTraded ? (last >= offer ? 'buy' : last <= bid ? 'sell' : '') : '',
    more: Number(interest) > 0 ? `+${interest}` : interest,
    verdict: String(tick.verdict ?? ''), score: tick.quality_score ?? null, reasons: tick.warnings ?? [],
  };
}

/** @param {any} trade @returns {Print} */
function printOfTrade(trade) {
  const more = [trade.off_book ? t('off_book') : '', trade.liquidation ? t('liquidation') : ''].filter(Boolean).join(', ');
  return {
    key: String(trade.trade_id), time: ms(trade.ts_event), price: String(trade.price), quantity: String(trade.quantity),
    side: String(trade.side), more, verdict: '', score: null, reasons: [],
  };
}

customElements.define('mp-tape', Tape);
