/** Perpetual and dated contracts of all crypto exchanges beside one another, and their liquidations as they come. */
import { html, nothing } from '../../vendor/lit.js';
import { address, alter, hrefOf } from '../../core/address.js';
import { ask } from '../../core/api.js';
import { grouped, percent, short } from '../../core/numbers.js';
import { Pace } from '../../core/pace.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { clock, dateTime, duration, ms } from '../../core/time.js';
import { instrumentOf } from '../../core/instruments.js';
import { empty, shown } from '../../parts/states.js';
import { numeric, table } from '../../parts/table.js';
import { CryptoBoard } from './board.js';
import { t } from './text.js';

const ROWS = 200;
const COMMANDS = ['marketprism up --source okx:BTC-USDT-PERP+ETH-USDT-PERP', 'marketprism simulate --help'];

class CryptoPage extends Part {
  constructor() {
    super();
    this.pace = new Pace(4, () => this.requestUpdate());
    this.board = new CryptoBoard(() => this.pace.mark());
    /** @type {Resource<any[]>} */
    this.funding = new Resource(async (signal) => {
      const chosen = instrumentOf(address.value.params.of ?? '');
      if (!chosen) return [];
      return (await ask(`/funding_rates/${encodeURIComponent(chosen.symbol)}`, { venue: chosen.venue, last: ROWS }, { signal })).data;
    });
    this.of = '';
  }

  begin() {
    this.board.follow();
    this.whenGone(() => this.board.stop());
    this.whenGone(() => this.pace.stop());
    this.whenGone(() => this.funding.stop());
    this.follow(this.funding.known);
    this.follow(address, () => this.#choose());
    this.every(1000, () => this.requestUpdate());
    this.#choose();
  }

  #choose() {
    const of = address.value.params.of ?? '';
    if (of !== this.of) {
      this.of = of;
      void this.funding.load({ forget: true });
    }
    this.requestUpdate();
  }

  render() {
    const rows = this.board.rows();
    return html`<h1>${t('title')}</h1>
      ${rows.length ? this.#matrix(rows) : empty(t('none'), html`<p>${t('none_more')}</p>${COMMANDS.map((each) => html`<p><code>${each}</code></p>`)}`)}
      ${this.of ? this.#history() : nothing}
      <h2>${t('liquidations')}</h2>
      ${this.board.liquidations.length ? this.#liquidations() : html`<p class="dim">${t('no_liquidations')}</p>`}`;
  }

  /** @param {import('./board.js').BoardRow[]} rows */
  #matrix(rows) {
    const heads = /** @type {const} */ (['last', 'mark', 'index', 'basis', 'funding', 'next', 'yearly', 'interest', 'change']);
    return table(
      { label: t('matrix'), caption: html`${t('matrix')}. ${t('zone')}` },
      [t('instrument'), t('venue'), ...heads.map((key) => numeric(t(key))), t('choose')],
      rows.slice(0, ROWS).map((row) => this.#row(row)),
    );
  }

  /** @param {import('./board.js').BoardRow} row */
  #row(row) {
    const name = `${row.venue}.${row.symbol}`;
    const way = Number(row.rate) > 0 ? 'up' : Number(row.rate) < 0 ? 'down' : '';
    return html`<tr>
      <th scope="row" class="wrap"><a href=${hrefOf(`/market/${name}`)}>${row.symbol}</a></th>
      <td>${row.venue}</td>
      <td class="number">${this.#or(row.last, grouped)}</td>
      <td class="number">${this.#or(row.mark, grouped)}</td>
      <td class="number">${this.#or(row.index, grouped)}</td>
      <td class="number">${row.mark && row.index ? percent(Number(row.mark) - Number(row.index), row.index, 3) : this.#not()}</td>
      <td class="number ${way}">${this.#or(row.rate, (rate) => percent(rate, 1, 4))}</td>
      <td class="number">${this.#until(row)}</td>
      <td class="number">${row.rate && row.intervalS ? percent((Number(row.rate) * 31_536_000) / row.intervalS, 1, 1) : this.#not()}</td>
      <td class="number">${this.#or(row.interest, short)}</td>
      <td class="number">${row.interestBefore ? percent(Number(row.interest) - Number(row.interestBefore), row.interestBefore, 1) : '–'}</td>
      <td>
        <button type="button" aria-pressed=${this.of === name} @click=${() => alter({ of: this.of === name ? null : name })}>${t('choose')}</button>
      </td>
    </tr>`;
  }

  /** @param {string} value @param {(value: string) => string} written */
  #or(value, written) {
    return value ? written(value) : this.#not();
  }

  #not() {
    return html`<span class="dim" title=${t('not_sent')}>–<span class="unseen">${t('not_sent')}</span></span>`;
  }

  /** @param {import('./board.js').BoardRow} row */
  #until(row) {
    if (!row.rate) return this.#not();
    if (Number.isNaN(row.fundingAt)) return t('continuous');
    const left = row.fundingAt - Date.now();
    return left > 0 ? duration(left) : t('settled');
  }

  #history() {
    const symbol = this.of;
    return html`<h2 class="wrap">${t('history', { symbol })}</h2>
      ${shown(this.funding, (rows) => this.#rates(rows), { empty: (rows) => (rows.length ? undefined : empty(t('no_history', { symbol }))) })}`;
  }

  /** @param {any[]} rows */
  #rates(rows) {
    const title = t('history', { symbol: this.of });
    return table(
      { label: title, size: 'tall' },
      [t('time'), numeric(t('rate')), t('at')],
      rows.toReversed().map(
        (row) => html`<tr>
          <td class="time">${dateTime(ms(row.ts_event), row.venue)}</td>
          <td class="number">${percent(row.rate, 1, 5)}</td>
          <td>${dateTime(ms(row.ts_funding), row.venue)} ${row.settled ? t('settled') : ''}</td>
        </tr>`,
      ),
    );
  }

  #liquidations() {
    return html`<p class="dim">${t('incomplete')}</p>
      ${table(
        { label: t('liquidations'), size: 'tall' },
        [t('time'), t('instrument'), t('side'), numeric(t('price')), numeric(t('quantity'))],
        this.board.liquidations.map(
          (each) => html`<tr>
            <td class="time">${clock(ms(each.ts_event), each.venue, 3)}</td>
            <td class="wrap">${each.venue}.${each.symbol}</td>
            <td class=${each.side === 'sell' ? 'down' : 'up'}>${t(each.side === 'sell' ? 'long' : 'short')}</td>
            <td class="number">${grouped(each.price)} <span class="dim">${priceOf(each.price_of)}</span></td>
            <td class="number">${grouped(each.quantity)}</td>
          </tr>`,
        ),
      )}`;
  }
}

/** @param {string} what */
function priceOf(what) {
  return ['average', 'bankruptcy', 'trade'].includes(what) ? t(/** @type {any} */ (`price_${what}`)) : what;
}

customElements.define('mp-crypto-page', CryptoPage);
export default 'mp-crypto-page';
