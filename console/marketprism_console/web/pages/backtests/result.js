/** What a run came to: the headline with its exposure to gaps, equity, fills on candles, months, costs, statistics, positions. */
import { html, nothing } from '../../vendor/lit.js';
import { ask } from '../../core/api.js';
import { count, minus } from '../../core/numbers.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { dateTime, ms } from '../../core/time.js';
import { FirstRows } from '../../parts/first_rows.js';
import { shown } from '../../parts/states.js';
import { numeric, table } from '../../parts/table.js';
import './candles.js';
import { depths, months } from './equity.js';
import { plot } from './plot.js';
import { figure, linkTo, money, statTitle, way } from './shown.js';
import { t } from './text.js';

/** @typedef {import('./shown.js').Shown} Shown */

const MOST = 5000; // fills and positions that are asked for
const STEP = 50;
/** Exposures to gaps: how many, of how many. */
const EXPOSURES = /** @type {const} */ ([
  ['fills_in_gaps', 'fills'], ['tainted_decisions', 'decisions'], ['held_through', 'positions'], ['minutes_missing', 'minutes'],
]);

class BacktestResult extends Part {
  static properties = { record: { attribute: false } };

  constructor() {
    super();
    /** @type {Shown | null} */
    this.record = null;
    this.few = new FirstRows(this, STEP);
    this.id = '';
    /** @type {Resource<{equity: any[], fills: any[], positions: any[], stats: any[], rerun: any}>} */
    this.parts = new Resource(async (signal) => {
      const { id } = this;
      const part = async (/** @type {string} */ name, params = {}) => (await ask(`/backtests/${id}/${name}`, params, { signal })).data;
      const [equity, fills, positions, stats, rerun] = await Promise.all([
        part('equity', { limit: 100_000 }), part('fills', { limit: MOST }), part('positions', { limit: MOST }), part('stats'),
        this.record?.follow_of ? part('rerun') : null,
      ]);
      return { equity, fills, positions, stats, rerun };
    });
  }

  begin() {
    this.uses(this.parts);
  }

  willUpdate() {
    const id = this.record?.run_id ?? '';
    if (id === this.id) return;
    this.id = id;
    if (id) void this.parts.load({ forget: true });
  }

  render() {
    const { record } = this;
    if (!record) return nothing;
    const { summary } = record;
    const gaps = summary.gaps ?? {};
    const stats = summary.statistics ?? {};
    return html`<div class="tiles backtest-tiles">
        <div class="tile">${t('net')}<b class=${way(summary.net)}>${money(summary.net)}
          <small class=${gaps.share ? 'warn' : 'dim'}>(${t('gap_exposure')} ${figure('gap_exposure', gaps.share)})</small></b>
          ${gaps.net_low === gaps.net_high
            ? nothing
            : html`<small class="warn">${t('net_between', { low: money(gaps.net_low), high: money(gaps.net_high) })}</small>`}</div>
        ${/** @type {[string, unknown][]} */ ([
          [t('gross'), money(summary.gross)], [t('fees'), money(summary.fees)], [t('funding'), money(summary.funding)],
          [t('orders_lots'), `${count(summary.orders)} / ${money(summary.lots)}`], [statTitle('sharpe'), figure('sharpe', stats.sharpe)],
          [statTitle('max_drawdown'), figure('max_drawdown', stats.max_drawdown)],
        ]).map(([name, value]) => html`<div class="tile">${name}<b>${value}</b></div>`)}
      </div>
      ${this.#gaps(gaps)}
      ${shown(this.parts, (parts) => this.#parts(record, parts), { lines: 12 })}`;
  }

  /** @param {Record<string, any>} gaps */
  #gaps(gaps) {
    return html`<section class="panel" aria-label=${t('gaps')}><h3>${t('gaps')}</h3>
      <dl class="facts">${EXPOSURES.map(([name, of]) => html`<dt>${t(name)}</dt>
        <dd class=${gaps[name] ? 'warn' : ''}>${t('of', { part: count(gaps[name]), whole: count(gaps[of]) })}</dd>`)}
        ${Number(gaps.tainted_profit) ? html`<dt>${t('tainted_profit')}</dt><dd>${money(gaps.tainted_profit)}</dd>` : nothing}
        <dt>${t('net_range')}</dt><dd>${money(gaps.net_low)} – ${money(gaps.net_high)}</dd></dl></section>`;
  }

  /** @param {Shown} record @param {{equity: any[], fills: any[], positions: any[], stats: any[], rerun: any}} parts */
  #parts(record, { equity, fills, positions, stats, rerun }) {
    const capital = Number(record.settings.capital);
    const days = equity.map((each) => each.trading_day);
    const values = equity.map((each) => Number(each.equity));
    const dates = [t('start'), ...days];
    const fallen = [0, ...depths(capital, values)];
    const equityLabel = t('equity_label', { from: money(capital), to: money(equity.at(-1)?.equity ?? capital), days: days.length });
    const fallenLabel = t('drawdown_label', { deepest: figure('max_drawdown', Math.min(...fallen)) });
    return html`${rerun ? this.#rerun(rerun) : nothing}
      <h3>${t('equity')}</h3>
      ${plot({ label: equityLabel, lines: [{ name: '', values: [capital, ...values] }], days: dates, shown: (value) => count(value) })}
      <h3>${t('drawdown')}</h3>
      ${plot({
        label: fallenLabel, lines: [{ name: '', values: fallen, isFilled: true }], days: dates, shown: (value) => `${(value * 100).toFixed(2)}%`, kind: 'low',
      })}
      <h3>${t('fills_on_candles')}</h3>
      <mp-backtest-candles .record=${record} .fills=${fills}></mp-backtest-candles>
      <div class="both"><div>${this.#months(equity, capital)}</div><div>${this.#costs(record, stats)}</div></div>
      ${this.#positions(record, positions)} ${this.#stats(stats)}`;
  }

  /** @param {any} rerun */
  #rerun({ run_id: id, equal, changed }) {
    return html`<div class="panel backtest-rerun" role="status">
      <p class=${equal ? 'good' : 'warn'}>${t(equal ? 'rerun_equal' : 'rerun_changed')} ${linkTo({ run_id: id })}</p>
      ${changed.length ? html`<ul>${changed.map((/** @type {string} */ each) => html`<li class="wrap">${each}</li>`)}</ul>` : nothing}</div>`;
  }

  /** @param {any[]} equity @param {number} capital */
  #months(equity, capital) {
    const found = months(equity, capital);
    return html`<h3>${t('months')}</h3>
      ${table(
        { label: t('months'), kind: 'fit months' },
        [t('year'), ...Array.from({ length: 12 }, (_, n) => numeric(String(n + 1))), numeric(t('whole_year'))],
        found.map(({ year, months: all, whole }) => html`<tr><th scope="row">${year}</th>
          ${[...all, whole].map((each) => html`<td class="number ${way(each)}">${each === null ? '' : `${(each * 100).toFixed(2)}%`}</td>`)}</tr>`))}`;
  }

  /** @param {Shown} record @param {any[]} stats */
  #costs({ summary }, stats) {
    const whole = Math.abs(Number(summary.gross));
    const share = (/** @type {unknown} */ part) => (whole ? `${((Number(part) / whole) * 100).toFixed(1)}%` : '–');
    const turnover = stats.find(({ name }) => name === 'turnover')?.value;
    return html`<h3>${t('costs')}</h3>
      ${table({ label: t('costs'), kind: 'fit' }, [t('what'), numeric(t('money')), numeric(t('of_gross'))],
        /** @type {[string, unknown, unknown][]} */ ([
          [t('gross'), money(summary.gross), ''],
          [t('fees'), money(Number(summary.fees) ? minus('0', summary.fees) : '0'), share(summary.fees)],
          ...(Number(summary.slippage) ? [[t('slippage'), money(minus('0', summary.slippage)), share(summary.slippage)]] : []),
          [t('funding'), money(summary.funding), share(summary.funding)],
          [t('net'), html`<b>${money(summary.net)}</b>`, share(summary.net)],
          [statTitle('turnover'), figure('turnover', turnover), ''],
        ]).map(([name, value, part]) => html`<tr><th scope="row">${name}</th><td class="number">${value}</td><td class="number">${part}</td></tr>`))}
      ${Object.entries(summary.refused_or_rounded ?? {}).map(([name, many]) => html`<p class="warn">${name}: ${many}</p>`)}`;
  }

  /** @param {Shown} record @param {any[]} positions */
  #positions({ venue }, positions) {
    if (!positions.length) return html`<h3>${t('positions')}</h3><p class="dim">${t('no_positions')}</p>`;
    const more = /** @type {('mae' | 'mfe')[]} */ (['mae', 'mfe']).filter((name) => name in positions[0]);
    return html`<h3>${t('positions')}</h3>
      ${table({ label: t('positions'), caption: positions.length >= MOST ? t('first_of', { count: MOST }) : undefined, size: 'tall' },
        [t('instrument'), t('direction'), numeric(t('quantity')), t('entry'), numeric(t('price')), t('exit'), numeric(t('price')),
          numeric(t('profit')), ...more.map((name) => numeric(t(name))), numeric(t('fees')), t('gaps')],
        this.few.of(positions).map((each) => html`<tr>
          <td>${each.symbol}</td><td>${t(each.sign > 0 ? 'long' : 'short')}</td><td class="number">${money(each.quantity)}</td>
          <td class="time">${dateTime(ms(each.ts_entry), each.venue || venue)}</td><td class="number">${money(each.entry)}</td>
          <td class="time">${each.ts_exit ? dateTime(ms(each.ts_exit), each.venue || venue) : t('still_open')}</td><td class="number">${money(each.exit)}</td>
          <td class="number ${way(each.profit)}">${money(each.profit)}</td>
          ${more.map((name) => html`<td class="number">${money(each[name])}</td>`)}<td class="number">${money(each.fees)}</td>
          <td class="warn">${each.held_through ? t('through') : each.tainted ? t('tainted') : nothing}</td></tr>`))}
      ${this.few.more(positions)}`;
  }

  /** @param {any[]} stats */
  #stats(stats) {
    return html`<h3>${t('statistics')}</h3>
      ${table({ label: t('statistics'), kind: 'fit', size: 'tall' }, [t('what'), numeric(t('value')), t('convention')],
        stats.map(({ name, value, convention }) => html`<tr>
          <th scope="row">${statTitle(name)}</th><td class="number">${figure(name, value === null ? value : Number(value))}</td>
          <td class="dim">${convention}</td></tr>`))}`;
  }
}

customElements.define('mp-backtest-result', BacktestResult);
