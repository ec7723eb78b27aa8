/** The line above the chart: the price, how it has moved, and how good the newest tick is. */
import { html, nothing } from '../../vendor/lit.js';
import { grouped, minus, percent } from '../../core/numbers.js';
import { Pace } from '../../core/pace.js';
import { Part } from '../../core/part.js';
import { serverNow } from '../../core/server_clock.js';
import { token } from '../../core/subjects.js';
import { date, dateTime, dayText, duration, isChinese, ms, zoneName } from '../../core/time.js';
import { CryptoBoard } from '../../market/board.js';
import { movementOf } from '../../market/movement.js';
import { Newest } from '../../market/newest.js';
import { failed } from '../../parts/states.js';
import { t } from './head_text.js';
import { word } from './words.js';

class Head extends Part {
  static properties = { venue: { attribute: false }, symbol: { attribute: false } };

  constructor() {
    super();
    this.venue = '';
    this.symbol = '';
    /** @type {Newest | null} */
    this.tick = null;
    /** @type {CryptoBoard | null} what a venue says of it beside its trades */
    this.board = null;
    this.pace = new Pace(10, () => this.requestUpdate());
  }

  begin() {
    this.tick = new Newest(`market.tick.${token(this.symbol)}`, this.venue);
    this.follow(this.tick.message, () => this.pace.mark());
    this.follow(this.tick.refused);
    if (!isChinese(this.venue)) {
      this.board = new CryptoBoard(() => this.pace.mark(), { venue: this.venue, symbol: this.symbol });
      this.board.follow();
    }
    this.whenGone(() => this.board?.stop());
    this.every(2000, () => this.requestUpdate());
    this.whenGone(() => this.tick?.stop());
    this.whenGone(() => this.pace.stop());
  }

  render() {
    const tick = this.tick?.message.value;
    const refused = this.tick?.refused.value;
    return html`<div class="head">
      <h1 class="wrap">${this.symbol}</h1>
      <span class="dim">${this.venue}</span>
      ${tick ? this.#facts(tick) : html`<span class="dim">${t('none')}</span>`}
    </div>
    ${refused ? failed(refused) : nothing} ${this.#said()}`;
  }

  /** Of the last 24 hours, and of a contract: a venue says it, no tick has it. */
  #said() {
    const row = this.board?.rowOf(this.venue, this.symbol);
    if (!row) return nothing;
    const change = minus(row.last, row.open);
    const way = Number(change) > 0 ? 'up' : Number(change) < 0 ? 'down' : '';
    const plus = way === 'up' ? '+' : '';
    const left = row.fundingAt - serverNow();
    return html`<div class="head said">
      ${change ? html`<span class="dim">${t('day')} <b class=${way}>${plus}${change} (${plus}${percent(change, row.open)})</b></span>` : nothing}
      ${this.#fact('day_high', grouped(row.high))} ${this.#fact('day_low', grouped(row.low))} ${this.#fact('day_volume', grouped(row.volume))}
      ${this.#fact('mark', grouped(row.mark))} ${this.#fact('index', grouped(row.index))}
      ${row.rate ? this.#fact('funding', `${percent(row.rate, 1, 4)}${left > 0 ? ` · ${duration(left)}` : ''}`) : nothing}
      ${this.#fact('interest', grouped(row.interest))}
    </div>`;
  }

  /** @param {any} tick */
  #facts(tick) {
    const { way, sign, base, moved, share, since } = movementOf(tick);
    const age = serverNow() - (this.tick?.at ?? NaN);
    return html`<span class="price ${way}" data-price=${tick.last ?? ''}>${sign} ${grouped(tick.last)}</span>
      ${moved ? html`<span class=${way} title=${t(since, { base })}>${moved} (${share})</span>` : nothing}
      ${this.#fact('volume', grouped(tick.volume))} ${this.#fact('interest', grouped(tick.open_interest))}
      ${this.#limit('limit_up', tick.limit_up, tick.last)} ${this.#limit('limit_down', tick.limit_down, tick.last)}
      <span>${word(tick.phase)}</span>
      ${this.#quality(tick)}
      <span class="dim">${dateTime(ms(tick.ts_event), this.venue, 3)} ${zoneName(this.venue)}${this.#tradingDay(tick)}</span>
      ${age > 10_000 ? html`<span class="warn">${t('age', { time: duration(age) })}</span>` : nothing}`;
  }

  /** Where it is another than the date. @param {any} tick */
  #tradingDay(tick) {
    const day = dayText(tick.trading_day);
    return !tick.trading_day || day === date(ms(tick.ts_event), this.venue) ? '' : ` · ${t('trading_day', { day })}`;
  }

  /** @param {Parameters<typeof t>[0]} key @param {string} value */
  #fact(key, value) {
    return value === '–' ? nothing : html`<span><span class="dim">${t(key)}</span> ${value}</span>`;
  }

  /** @param {'limit_up' | 'limit_down'} key @param {any} limit @param {any} last */
  #limit(key, limit, last) {
    if (limit === null || limit === undefined) return nothing;
    const distance = percent(minus(limit, last), last, 1);
    return html`<span><span class="dim">${t(key)}</span> ${grouped(limit)} <span class="dim">${distance}</span></span>`;
  }

  /** @param {any} tick */
  #quality(tick) {
    if (tick.quality_score === null || tick.quality_score === undefined) return nothing;
    const kind = tick.verdict === 'valid' ? 'good' : 'warn';
    const reasons = (tick.warnings ?? []).join(', ');
    return html`<span class="badge ${kind}" title=${reasons}>
      ${t('quality')} ${tick.quality_score} ${word(tick.verdict)}${reasons ? `: ${reasons}` : ''}
    </span>`;
  }
}

customElements.define('mp-instrument-head', Head);
