/** What is stored of one contract: its funding, its open interest, its liquidations; newest first, and as a line. */
import { html, nothing, svg } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { ask } from '../../core/api.js';
import { grouped, percent } from '../../core/numbers.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { dateTime, ms, zoneName } from '../../core/time.js';
import { instrumentOf } from '../../core/instruments.js';
import { empty, shown } from '../../parts/states.js';
import { numeric, table } from '../../parts/table.js';
import { tabs } from '../../parts/tabs.js';
import { priceOf } from './prices_text.js';
import { t } from './text.js';

const ROWS = 200;
const VIEWS = /** @type {const} */ (['funding', 'interest', 'liquidations']);
const PATHS = { funding: '/funding_rates', interest: '/open_interest', liquidations: '/liquidations' };

class ContractHistory extends Part {
  static properties = { of: { attribute: false }, view: { attribute: false } };

  constructor() {
    super();
    this.of = '';
    /** @type {typeof VIEWS[number]} */
    this.view = 'funding';
    /** @type {Resource<any[]>} */
    this.rows = new Resource(async (signal) => {
      const chosen = instrumentOf(this.of);
      if (!chosen) return [];
      return (await ask(`${PATHS[this.view]}/${encodeURIComponent(chosen.symbol)}`, { venue: chosen.venue, last: ROWS }, { signal })).data;
    });
  }

  begin() {
    this.uses(this.rows);
    this.follow(address);
    this.every(10_000, () => void this.rows.load());
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has('of') || changed.has('view')) void this.rows.load({ forget: true });
  }

  render() {
    const symbol = this.of;
    const all = VIEWS.map((key) => ({ key, title: t(`view_${key}`) }));
    return html`<h2 class="wrap">${t('history', { symbol })}</h2>
      ${tabs(all, this.view, (key) => alter({ show: key === 'funding' ? null : key }), t('history', { symbol }))}
      <div id="view-${this.view}" role="tabpanel" aria-labelledby="tab-${this.view}">
        ${shown(this.rows, (rows) => this.#shown(rows), {
          none: () => empty(t('no_history', { symbol, what: t(`view_${this.view}`) })),
        })}
      </div>`;
  }

  /** @param {any[]} rows  oldest first */
  #shown(rows) {
    const newest = rows.toReversed();
    if (this.view === 'funding') {
      return html`${line(rows.map((row) => Number(row.rate)), (value) => percent(value, 1, 4), t('view_funding'))}
        ${this.#table(['rate', 'at'], newest, (row) => [
          number(percent(row.rate, 1, 5)),
          html`<td>${dateTime(ms(row.ts_funding), row.venue)} ${row.settled ? t('settled') : ''}</td>`,
        ])}`;
    }
    if (this.view === 'interest') {
      return html`${line(rows.map((row) => Number(row.open_interest)), (value) => grouped(value), t('view_interest'))}
        ${this.#table(['interest', 'value'], newest, (row) => [number(grouped(row.open_interest)), number(grouped(row.value))])}`;
    }
    return html`<p class="dim">${t('incomplete')}</p>
      ${this.#table(['side', 'price', 'quantity'], newest, (row) => [
        html`<td class=${row.side === 'sell' ? 'down' : 'up'}>${t(row.side === 'sell' ? 'long' : 'short')}</td>`,
        html`<td class="number">${grouped(row.price)} <span class="dim">${priceOf(row.price_of)}</span></td>`,
        number(grouped(row.quantity)),
      ])}`;
  }

  /** @param {Parameters<typeof t>[0][]} heads @param {any[]} rows @param {(row: any) => unknown[]} cells */
  #table(heads, rows, cells) {
    const title = t('newest_first', { what: t(`view_${this.view}`), symbol: this.of, zone: zoneName(instrumentOf(this.of)?.venue) });
    const isWord = (/** @type {string} */ key) => key === 'side' || key === 'at';
    return table(
      { label: title, caption: title, size: 'tall' },
      [t('time'), ...heads.map((key) => (isWord(key) ? t(key) : numeric(t(key))))],
      rows.map((row) => html`<tr><td class="time">${dateTime(ms(row.ts_event), row.venue, 3)}</td>${cells(row)}</tr>`),
    );
  }
}

/** @param {string} text */
const number = (text) => html`<td class="number">${text}</td>`;

/** Between its lowest and its highest, which stand beside it. @param {number[]} values @param {(value: number) => string} written @param {string} name */
function line(values, written, name) {
  if (values.length < 2) return nothing;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const points = values.map((value, at) => {
    const y = high > low ? 58 - ((value - low) / (high - low)) * 56 : 30;
    return `${((at / (values.length - 1)) * 600).toFixed(1)},${y.toFixed(1)}`;
  });
  const label = t('line', { what: name, count: values.length, low: written(low), high: written(high) });
  return html`<svg class="history" viewBox="0 0 600 60" preserveAspectRatio="none" role="img" aria-label=${label}>
      ${svg`<polyline points=${points.join(' ')}></polyline>`}
    </svg>
    <p class="dim">${label}</p>`;
}

customElements.define('mp-contract-history', ContractHistory);
