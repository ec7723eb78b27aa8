/** A sweep: how far its best can be trusted, before it is shown; all runs as a map of two parameters; the runs in order. */
import { html, nothing } from '../../vendor/lit.js';
import { address, alter, hrefOf } from '../../core/address.js';
import { ask } from '../../core/api.js';
import { count } from '../../core/numbers.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { shown } from '../../parts/states.js';
import { numeric, table } from '../../parts/table.js';
import { t as common } from '../../parts/text.js';
import { heatMap } from './heat.js';
import { figure, inWords, statTitle, way } from './shown.js';
import { fieldName, t } from './text.js';

/** @typedef {import('./shown.js').Shown} Shown */
/** @typedef {{trials: number, pbo: number | null, deflated_sharpe: number | null, details: Record<string, any>}} Overfitting */
/** @typedef {{number: number, params: Record<string, any>, value: number | null}} Point */

const STEP = 50;
/** What each run shows beside its parameters: by what they are ordered, first. @param {string} by */
function columnsOf(by) {
  return [...new Set([by, 'net', 'sharpe', 'max_drawdown', 'orders', 'gap_exposure'])];
}

const MEASURES = ['net', 'sharpe', 'sortino', 'calmar', 'max_drawdown', 'profit_factor', 'win_rate', 'sqn', 'orders', 'fees', 'gap_exposure'];

/** What is to be seen before a winner. @param {Overfitting | null | undefined} found */
function trust(found) {
  if (!found) return nothing;
  const { trials, pbo, deflated_sharpe: deflated, details } = found;
  const isBad = (pbo !== null && pbo > 0.5) || (deflated !== null && deflated < 0.95);
  const known = pbo !== null || deflated !== null;
  const share = (/** @type {number | null} */ value) => (value === null ? t('unknown') : `${(value * 100).toFixed(1)}%`);
  const days = details.minimum_periods ?? null;
  const dearer = details.net_at_double_costs ?? null;
  const needed = days === null ? t('unknown') : t('days', { count: count(Math.ceil(days)) });
  return html`<section class="panel" aria-label=${t('trust')}>
    <h3>${t('trust')}</h3>
    <p class=${!known || isBad ? 'warn' : 'good'}><span aria-hidden="true">${!known || isBad ? '!' : '✓'}</span>
      ${t(!known ? 'trust_unknown' : isBad ? 'trust_bad' : 'trust_good')}</p>
    <div class="tiles">
      <div class="tile">${t('pbo')}<b>${share(pbo)}</b><small class="dim">${t('pbo_what')}</small></div>
      <div class="tile">${t('deflated')}<b>${share(deflated)}</b><small class="dim">${t('deflated_what', { trials: count(trials) })}</small></div>
      <div class="tile">${t('probabilistic')}<b>${share(details.probabilistic ?? null)}</b><small class="dim">${t('probabilistic_what')}</small></div>
      <div class="tile">${t('record_length')}<b>${needed}</b><small class="dim">${t('record_length_what')}</small></div>
      <div class="tile">${t('plateau')}<b>${share(details.plateau ?? null)}</b><small class="dim">${t('plateau_what')}</small></div>
      <div class="tile">${t('dearer')}<b class=${dearer === null ? '' : way(dearer)}>${dearer === null ? t('unknown') : figure('net', dearer)}</b>
        <small class="dim">${t('dearer_what')}</small></div>
    </div></section>`;
}

class BacktestSweep extends Part {
  static properties = { record: { attribute: false } };

  constructor() {
    super();
    /** @type {Shown | null} */
    this.record = null;
    this.asked = '';
    this.wanted = STEP;
    /** @type {Resource<{overfitting: Overfitting | null, by: string, points: Point[], total: number, rows: any[]}>} */
    this.found = new Resource(async (signal) => {
      const of = `/backtests/sweeps/${this.record?.run_id}`;
      const { by } = this;
      const [grid, results] = await Promise.all([
        ask(`${of}/grid`, { by }, { signal }), ask(`${of}/results`, { sort: by, limit: this.wanted }, { signal }),
      ]);
      return { overfitting: grid.data.overfitting, by: grid.data.by, points: grid.data.rows, total: results.data.total, rows: results.data.rows };
    });
  }

  begin() {
    this.uses(this.found);
    this.follow(address, () => this.#look());
    this.#look();
  }

  willUpdate() {
    this.#look();
  }

  get by() {
    return address.value.params.by || this.record?.sweep?.objective || '';
  }

  #look() {
    const asked = `${this.record?.run_id} ${this.by} ${this.wanted}`;
    if (!this.record || asked === this.asked) return;
    this.asked = asked;
    void this.found.load();
  }

  render() {
    return shown(this.found, (found) => this.#all(found), { lines: 10 });
  }

  /** @param {{overfitting: Overfitting | null, by: string, points: Point[], total: number, rows: any[]}} found */
  #all({ overfitting, by, points, total, rows }) {
    const { record } = this;
    if (!record) return nothing;
    const own = record.sweep?.objective ?? '';
    const all = [...new Set([own, ...MEASURES])];
    const columns = columnsOf(by);
    const { ranked_by_kernel: ranked = 0, differ_from_kernel: differ = 0 } = /** @type {any} */ (record.summary);
    return html`${trust(overfitting)}
      <div class="tools"><label>${t('by')} <select @change=${(/** @type {any} */ event) => alter({ by: event.target.value })}>
        ${all.map((each) => html`<option value=${each} ?selected=${each === by}>${statTitle(each)}</option>`)}</select></label>
        <span class="dim">${t('runs_failed', { runs: count(record.runs), failed: count(record.failed) })}
          ${ranked ? html`· ${t('by_kernel', { count: count(ranked) })}` : nothing}</span></div>
      ${differ ? html`<p class="warn"><span aria-hidden="true">!</span> ${t('differ', { count: count(differ) })}</p>` : nothing}
      ${heatMap(points, by)}
      <h3>${t('results')}</h3>
      ${table({ label: t('results'), size: 'tall' },
        [numeric('#'), fieldName('params'), ...columns.map((name) => numeric(statTitle(name))), t('run')],
        rows.map((each, n) => this.#row(record, each, n, columns)))}
      ${rows.length < total ? html`<p><button type="button" @click=${this.#more}>${common('more')}</button></p>` : nothing}`;
  }

  /** @param {Shown} record @param {any} row @param {number} n @param {string[]} columns */
  #row(record, row, n, columns) {
    const stats = row.statistics ?? {};
    const mark = row.state === 'ranked' ? html` <small class="dim">${t('ranked')}</small>` : nothing;
    const alone = hrefOf('/backtests/new', { of: record.run_id, kind: 'run', params: JSON.stringify(row.params) });
    return html`<tr><td class="number">${n + 1}${mark}</td><td class="wrap params">${inWords(row.params)}</td>
      ${row.error
        ? html`<td colspan=${columns.length} class="bad wrap">${row.error.text}</td>`
        : columns.map((name) => html`<td class="number ${name === 'net' ? way(row.net) : ''}">${figure(name, stats[name] ?? row[name])}</td>`)}
      <td><a href=${alone}>${t('run_alone')}</a></td></tr>`;
  }

  #more = () => {
    this.wanted += STEP;
    this.#look();
  };
}

customElements.define('mp-backtest-sweep', BacktestSweep);
