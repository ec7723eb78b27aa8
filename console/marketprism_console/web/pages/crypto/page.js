/** Perpetual and dated contracts of all crypto exchanges beside one another, and their liquidations as they come. */
import { html, nothing } from '../../vendor/lit.js';
import { address, alter, hrefOf } from '../../core/address.js';
import { grouped, percent, short } from '../../core/numbers.js';
import { Pace } from '../../core/pace.js';
import { Part } from '../../core/part.js';
import { serverNow } from '../../core/server_clock.js';
import { clock, duration, ms, zoneName } from '../../core/time.js';
import { CryptoBoard } from '../../market/board.js';
import { empty } from '../../parts/states.js';
import { numeric, table } from '../../parts/table.js';
import './history.js';
import { priceOf } from './prices_text.js';
import { t } from './text.js';

const ROWS = 200;
const VIEWS = /** @type {const} */ (['funding', 'interest', 'liquidations']);
const COMMANDS = ['marketprism up --source okx:BTC-USDT-PERP+ETH-USDT-PERP', 'marketprism simulate --help'];

class CryptoPage extends Part {
  constructor() {
    super();
    this.pace = new Pace(4, () => this.requestUpdate());
    this.board = new CryptoBoard(() => this.pace.mark());
  }

  begin() {
    this.board.follow();
    this.board.followLiquidations();
    this.whenGone(() => this.board.stop());
    this.whenGone(() => this.pace.stop());
    this.follow(address);
    this.every(1000, () => this.requestUpdate());
  }

  /** The contract whose history is shown, and what of it. */
  get of() {
    return address.value.params.of ?? '';
  }

  get view() {
    return VIEWS.find((each) => each === address.value.params.show) ?? VIEWS[0];
  }

  render() {
    const rows = this.board.rows();
    return html`<h1>${t('title')}</h1>
      ${rows.length ? this.#matrix(rows) : empty(t('none'), html`<p>${t('none_more')}</p>${COMMANDS.map((each) => html`<p><code>${each}</code></p>`)}`)}
      ${this.of ? html`<mp-contract-history .of=${this.of} .view=${this.view}></mp-contract-history>` : nothing}
      <h2>${t('liquidations')}</h2>
      ${this.board.liquidations.length ? this.#liquidations() : html`<p class="dim">${t('no_liquidations')}</p>`}`;
  }

  /** @param {import('../../market/board.js').BoardRow[]} rows */
  #matrix(rows) {
    const heads = /** @type {const} */ (['last', 'mark', 'index', 'basis', 'funding', 'next', 'yearly', 'interest', 'change']);
    return table(
      { label: t('matrix'), caption: t('matrix') },
      [t('instrument'), t('venue'), ...heads.map((key) => numeric(t(key))), t('choose')],
      rows.slice(0, ROWS).map((row) => this.#row(row)),
    );
  }

  /** @param {import('../../market/board.js').BoardRow} row */
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

  /** @param {import('../../market/board.js').BoardRow} row */
  #until(row) {
    if (!row.rate) return this.#not();
    if (Number.isNaN(row.fundingAt)) return t('continuous');
    const left = row.fundingAt - serverNow();
    return left > 0 ? duration(left) : t('settled');
  }

  #liquidations() {
    return html`<p class="dim">${t('incomplete')} ${t('zone', { zone: zoneName('') })}</p>
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

customElements.define('mp-crypto-page', CryptoPage);
export default 'mp-crypto-page';
