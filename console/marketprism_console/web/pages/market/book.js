/** The book: five levels of a counter's ticks, the best levels of a venue's book, or all of it, with its depth. */
import { html, nothing, svg } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { grouped, minus, percent } from '../../core/numbers.js';
import { Pace } from '../../core/pace.js';
import { Part } from '../../core/part.js';
import { serverNow } from '../../core/server_clock.js';
import { stream } from '../../core/stream.js';
import { token } from '../../core/subjects.js';
import { duration, isChinese, ms } from '../../core/time.js';
import { DepthBook, joined, levelsOf } from '../../market/levels.js';
import { heardAt } from '../../market/newest.js';
import { t } from './book_text.js';
import { word } from './words.js';

/** @typedef {import('../../market/levels.js').Level} Level */

const ROWS = 20;
const CHART_LEVELS = 400;
const OLD_MS = 10_000;

class Book extends Part {
  static properties = { venue: { attribute: false }, symbol: { attribute: false } };

  constructor() {
    super();
    this.venue = '';
    this.symbol = '';
    /** @type {{bids: Level[], asks: Level[], isValid: boolean, cause: string, seq: number} | null} */
    this.shown = null;
    this.depth = new DepthBook();
    this.isFull = false;
    this.lostAt = -Infinity; // when it was published that the book is not known any more
    this.heard = NaN; // when the newest message came
    /** @type {(() => void)[]} */
    this.ends = [];
    this.pace = new Pace(20, () => this.requestUpdate());
  }

  begin() {
    this.follow(address, () => this.#choose());
    this.whenGone(() => this.#stop());
    this.every(2000, () => this.requestUpdate());
    this.isFull = !this.#wantsFull();
    this.#choose();
  }

  #wantsFull() {
    return address.value.params.book === 'full' && !isChinese(this.venue);
  }

  #choose() {
    if (this.#wantsFull() === this.isFull) return;
    this.#stop();
    this.isFull = this.#wantsFull();
    this.shown = null;
    this.depth = new DepthBook();
    const name = `market.${token(this.venue)}.${token(this.symbol)}`;
    if (this.isFull) {
      this.#hear({ ch: `${name}.orderbook`, mode: 'all' }, (step) => this.depth.take(step));
    } else {
      this.#hear({ ch: `market.tick.${token(this.symbol)}`, mode: 'latest', every_ms: 50 }, (tick) => this.#fromTick(tick));
      if (!isChinese(this.venue)) {
        this.#hear({ ch: `${name}.orderbook.top`, mode: 'latest', every_ms: 50 }, (top) => this.#fromTop(top));
        // That a book is not known any more, no message of its best levels says.
        this.#hear({ ch: `${name}.orderbook`, mode: 'latest', every_ms: 250, snapshot: 1 }, (step) => this.#fromStep(step));
      }
    }
    this.requestUpdate();
  }

  #stop() {
    for (const end of this.ends.splice(0)) end();
    this.pace.stop();
  }

  /** @param {import('../../core/channel.js').Wanted} wanted @param {(message: any) => void} take */
  #hear(wanted, take) {
    const onMessage = (/** @type {any} */ { d, snapshot }) => {
      if (d?.venue !== this.venue) return;
      this.heard = heardAt(d, snapshot);
      take(d);
      this.pace.mark();
    };
    const onGap = () => {
      this.depth.take({ form: 'invalid', cause: 'sequence' });
      this.pace.mark();
    };
    this.ends.push(stream.subscribe(wanted, { onMessage, onGap }));
  }

  /** @param {any} tick */
  #fromTick(tick) {
    if (this.shown?.seq) return; // the venue's own book is better
    this.shown = { bids: levelsOf(tick.bids), asks: levelsOf(tick.asks), isValid: true, cause: '', seq: 0 };
  }

  /** @param {any} step  of the whole book */
  #fromStep(step) {
    if (step.form !== 'invalid') return;
    this.lostAt = ms(step.ts_pub);
    const { bids = [], asks = [], seq = 0 } = this.shown ?? {};
    this.shown = { bids, asks, isValid: false, cause: step.cause || 'invalid', seq: Number(step.seq) || seq || 1 };
  }

  /** @param {any} top */
  #fromTop(top) {
    if (ms(top.ts_pub) <= this.lostAt) return; // it was published before the book was lost
    this.shown = { bids: levelsOf(top.bids), asks: levelsOf(top.asks), isValid: top.valid, cause: top.valid ? '' : 'invalid', seq: Number(top.seq) };
  }

  get #step() {
    const step = Number(address.value.params.step);
    return step > 0 && Number.isFinite(step) ? step : 0;
  }

  render() {
    const { isValid, cause, seq } = this.isFull ? this.depth : (this.shown ?? { isValid: false, cause: 'none_yet', seq: 0 });
    const all = this.isFull ? this.depth.levels : (this.shown ?? { bids: [], asks: [] });
    const bids = joined(all.bids, this.#step, -1);
    const asks = joined(all.asks, this.#step, 1);
    const age = serverNow() - this.heard;
    // A counter sends nothing while nobody trades; a venue's book is never quiet for long.
    const isOld = age > OLD_MS && !isChinese(this.venue);
    return html`<section class="panel" aria-label=${t('book')}>
      <div class="tools">
        <strong>${t('book')}</strong>
        <span class=${isValid ? 'good' : 'bad'} role="status">
          ${isValid ? html`✓ ${t('valid')}` : html`✕ ${t('invalid', { cause: word(cause) })}`}
        </span>
        ${seq ? html`<span class="dim">${t('seq', { seq })}</span>` : nothing}
        ${isOld ? html`<span class="warn">${t('age', { time: duration(age) })}</span>` : nothing}
      </div>
      ${isChinese(this.venue) ? nothing : this.#choices(all)}
      ${bids.length || asks.length
        ? html`<div class=${isValid && !isOld ? '' : 'stale'}>${this.#ladder(bids, asks)} ${bids.length > 5 ? this.#chart(bids, asks) : nothing}</div>`
        : html`<p class="dim">${t('none')}</p>`}
    </section>`;
  }

  /** @param {{bids: Level[], asks: Level[]}} all */
  #choices(all) {
    const near = Number(all.bids[0]?.price) || 0;
    const tick = near ? 10 ** (Math.floor(Math.log10(near)) - 4) : 0;
    const steps = near ? [0, tick, tick * 10, tick * 100].map((step) => Number(step.toPrecision(2))) : [0];
    return html`<div class="tools">
      <button type="button" aria-pressed=${this.isFull} @click=${() => alter({ book: this.isFull ? null : 'full' })}>${t('full')}</button>
      <label>${t('step')}
        <select @change=${(/** @type {any} */ event) => alter({ step: event.target.value === '0' ? null : event.target.value })}>
          ${steps.map((step) => html`<option value=${step} ?selected=${step === this.#step}>${step || t('each')}</option>`)}
        </select>
      </label>
    </div>`;
  }

  /** @param {Level[]} bids @param {Level[]} asks */
  #ladder(bids, asks) {
    const [shownBids, shownAsks] = [bids.slice(0, ROWS), asks.slice(0, ROWS)];
    const most = Math.max(1e-12, ...[...shownBids, ...shownAsks].map((level) => Number(level.quantity)));
    const spread = minus(asks[0]?.price, bids[0]?.price);
    const sums = [shownBids, shownAsks].map((side) => side.reduce((sum, level) => sum + Number(level.quantity), 0));
    return html`<table class="book">
      <caption class="unseen">${t('book')}</caption>
      <thead>
        <tr>
          <th scope="col">${t('side')}</th><th scope="col" class="number">${t('price')}</th>
          <th scope="col" class="number">${t('quantity')}</th><td></td>
        </tr>
      </thead>
      <tbody>
        ${shownAsks.toReversed().map((level) => this.#level(level, 'ask', most))}
        <tr class="spread"><td colspan="4">${t('spread', { spread: spread || '–', imbalance: percent(sums[0], sums[0] + sums[1], 0) })}</td></tr>
        ${shownBids.map((level) => this.#level(level, 'bid', most))}
      </tbody>
    </table>`;
  }

  /** @param {Level} level @param {'bid' | 'ask'} side @param {number} most */
  #level(level, side, most) {
    const share = Math.min(100, (Number(level.quantity) / most) * 100);
    return html`<tr class=${side}>
      <td class="dim">${t(side)}</td>
      <td class="number ${side === 'bid' ? 'up' : 'down'}">${level.price}</td>
      <td class="number">${grouped(level.quantity)}</td>
      <td class="bar" aria-hidden="true">
        <svg viewBox="0 0 100 10" preserveAspectRatio="none">${svg`<rect class=${side} width=${share.toFixed(1)} height="10"></rect>`}</svg>
      </td>
    </tr>`;
  }

  /** How much lies up to each price. @param {Level[]} bids @param {Level[]} asks */
  #chart(bids, asks) {
    const sides = [bids.slice(0, CHART_LEVELS), asks.slice(0, CHART_LEVELS)].map((levels) => {
      let sum = 0;
      return levels.map((level) => [Number(level.price), (sum += Number(level.quantity))]);
    });
    const prices = sides.flat().map(([price]) => price);
    const [low, high] = [Math.min(...prices), Math.max(...prices)];
    const most = Math.max(...sides.map((side) => side.at(-1)?.[1] ?? 0), 1e-12);
    const lines = sides.map((side) =>
      side.map(([price, sum]) => `${(((price - low) / (high - low || 1)) * 300).toFixed(1)},${(100 - (sum / most) * 100).toFixed(1)}`).join(' '),
    );
    const label = t('depth', { count: sides.flat().length, low, high });
    return html`<svg class="depth" viewBox="0 0 300 100" preserveAspectRatio="none" role="img" aria-label=${label}>
        ${svg`<polyline class="bid" points=${lines[0]}></polyline><polyline class="ask" points=${lines[1]}></polyline>`}
      </svg>
      <p class="dim" aria-hidden="true">${label}</p>`;
  }
}

customElements.define('mp-book', Book);
