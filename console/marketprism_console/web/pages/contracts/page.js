/** The contracts of a product: which one led when, and all of them in one line with the rolls marked. */
import { html, nothing } from '../../vendor/lit.js';
import { address, alter, hrefOf } from '../../core/address.js';
import { ask } from '../../core/api.js';
import { findInstruments } from '../../core/instruments.js';
import { minus } from '../../core/numbers.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { dayText, zoneName } from '../../core/time.js';
import { ContinuousHistory } from '../../market/continuous.js';
import '../../market/quotes_table.js';
import { empty, shown } from '../../parts/states.js';
import { numeric, table } from '../../parts/table.js';
import '../../chart/chart.js';
import '../../chart/table.js';
import { t } from './text.js';

const INTERVALS = ['1m', '15m', '1h', '1d', '1w'];
const ADJUSTMENTS = /** @type {const} */ (['none', 'difference', 'ratio']);
const MOST = 200;

class ContractsPage extends Part {
  static properties = { rest: { attribute: false } };

  constructor() {
    super();
    this.rest = '';
    /** @type {ContinuousHistory | null} */
    this.history = null;
    this.known = new Resource(async (signal) => (await findInstruments('', MOST, { signal })).filter((each) => each.class_ === 'future'));
    /** Of this product, each with its last trading day where that is known. */
    this.contracts = new Resource(async (signal) => {
      const [found, terms] = await Promise.all([
        findInstruments(this.rest, MOST, { signal }),
        ask('/instruments', { product: this.rest, limit: MOST }, { signal }),
      ]);
      const rows = found.filter((each) => each.class_ === 'future' && each.product === this.rest);
      rows.sort((a, b) => (a.symbol < b.symbol ? -1 : 1));
      return { rows, expiries: new Map(terms.data.map((/** @type {any} */ each) => [each.symbol, each.expire_day])) };
    });
    this.bars = new Resource(async (signal) => {
      const { history } = this;
      await history?.load(signal);
      return history;
    });
    /** @type {Resource<any[]>} */
    this.rolls = new Resource(async (signal) => (await ask(`/dominant/${encodeURIComponent(this.rest)}`, {}, { signal })).data);
  }

  begin() {
    this.follow(address, () => this.#choose());
    this.uses(this.known, this.bars, this.rolls, this.contracts);
    void this.known.load();
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has('rest')) this.#choose();
  }

  get interval() {
    return INTERVALS.find((each) => each === address.value.params.i) ?? '1d';
  }

  get adjust() {
    return ADJUSTMENTS.find((each) => each === address.value.params.adjust) ?? 'none';
  }

  #choose() {
    const { rest, interval, adjust, history } = this;
    this.requestUpdate();
    if (!rest || (history?.symbol === rest && history.interval === interval && history.adjust === adjust)) return;
    if (history?.symbol !== rest) {
      void this.rolls.load({ forget: true });
      void this.contracts.load({ forget: true });
    }
    this.history = new ContinuousHistory('', rest, interval, adjust);
    void this.bars.load({ forget: true });
  }

  render() {
    return html`<h1 class="wrap">${t('title')}${this.rest ? ` · ${this.rest}` : ''}</h1>
      ${shown(this.known, (found) => this.#products(found), {
        lines: 2,
        empty: (found) => (found.length || this.rest ? undefined : empty(t('none'), html`<p>${t('none_more')}</p>`)),
      })}
      ${this.rest ? this.#product() : nothing}`;
  }

  /** @param {import('../../core/instruments.js').Instrument[]} found */
  #products(found) {
    const products = [...new Set(found.filter((each) => each.stored).map((each) => each.product))].sort();
    return html`<nav class="tools" aria-label=${t('products')}>
      ${products.map((each) => html`<a class="button" href=${hrefOf(`/contracts/${each}`)} aria-current=${each === this.rest ? 'page' : nothing}>${each}</a>`)}
    </nav>`;
  }

  #product() {
    const isTable = address.value.params.as === 'table';
    return html`<div class="tools">
        <span role="group" aria-label=${t('interval')}>
          ${INTERVALS.map(
            (each) => html`<button type="button" aria-pressed=${each === this.interval} @click=${() => alter({ i: each })}>${each}</button> `,
          )}
        </span>
        <label>${t('adjust')}
          <select @change=${(/** @type {any} */ event) => alter({ adjust: event.target.value })}>
            ${ADJUSTMENTS.map(
              (each) => html`<option value=${each} ?selected=${each === this.adjust}>${t(each === 'none' ? 'none_' : each)}</option>`,
            )}
          </select>
        </label>
        <button type="button" class="apart" aria-pressed=${isTable} @click=${() => alter({ as: isTable ? null : 'table' })}>
          ${t(isTable ? 'chart' : 'table')}
        </button>
      </div>
      ${shown(this.bars, (history) => this.#chart(history, isTable), {
        lines: 12,
        empty: (history) =>
          history?.candles.length ? undefined : empty(t('no_bars', { product: this.rest }), html`<p>${t('no_bars_more')}</p>`),
      })}
      <h2>${t('rolls')}</h2>
      ${shown(this.rolls, (rows) => this.#rolls(rows))}
      <h2>${t('contracts')}</h2>
      ${shown(
        this.contracts,
        ({ rows, expiries }) => html`<mp-quotes .label=${t('contracts')} .rows=${rows} .expiries=${expiries}></mp-quotes>`,
        { empty: ({ rows }) => (rows.length ? undefined : empty(t('none'))) },
      )}`;
  }

  /** @param {ContinuousHistory | null} history @param {boolean} isTable */
  #chart(history, isTable) {
    if (!history) return nothing;
    if (isTable) return html`<mp-bars-table .history=${history}></mp-bars-table>`;
    return html`<mp-chart .history=${history}></mp-chart>
      <p class="dim">${t('marks')} ${t('zone', { zone: zoneName(history.venue || 'shfe') })}</p>`;
  }

  /** @param {any[]} rows */
  #rolls(rows) {
    return html`${rows.length === 1 ? html`<p class="dim">${t('no_rolls')}</p>` : nothing}
      ${table(
        { label: t('rolls') },
        [t('from'), t('contract'), t('previous'), numeric(t('gap')), numeric(t('ratio_of'))],
        rows.toReversed().map(
          (row) => html`<tr>
            <th scope="row" class="time">${dayText(row.trading_day)}</th>
            <td>${row.symbol}</td>
            <td>${row.previous || '–'}</td>
            <td class="number">${minus(row.close, row.previous_close) || '–'}</td>
            <td class="number">${row.previous_close ? (Number(row.close) / Number(row.previous_close)).toFixed(6) : '–'}</td>
          </tr>`,
        ),
      )}`;
  }
}

customElements.define('mp-contracts-page', ContractsPage);
export default 'mp-contracts-page';
