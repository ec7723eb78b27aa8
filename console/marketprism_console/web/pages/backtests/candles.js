/** The candles that a run saw, as they stood then, with its fills and the gaps of the data. */
import { html, nothing } from '../../vendor/lit.js';
import { Part } from '../../core/part.js';
import { ms } from '../../core/time.js';
import { Resource } from '../../core/resource.js';
import { BarHistory } from '../../market/history.js';
import { count } from '../../core/numbers.js';
import { empty, failed, shown } from '../../parts/states.js';
import '../../chart/chart.js';
import '../../chart/table.js';
import { FillMarks } from './fill_marks.js';
import { t } from './text.js';

/** @typedef {import('./shown.js').Shown} Shown */
/** @typedef {import('./fill_marks.js').Fill & {venue: string}} Fill */

class RunHistory extends BarHistory {
  /** @param {string} venue @param {string} symbol @param {Shown} record */
  constructor(venue, symbol, record) {
    super(venue, symbol, record.interval || '1m');
    const { ts_to: to, as_of: asOf } = record;
    this.seen = { to: new Date(ms(to ?? asOf)).toISOString(), as_of: String(asOf) };
  }

  follow() {}

  /** @param {Record<string, any>} params @param {{signal?: AbortSignal}} options */
  readBars(params, options) {
    return super.readBars({ ...this.seen, ...params }, options);
  }

  /** What is now is nothing of the run. @param {number | null} from @param {number | null} to @param {{signal?: AbortSignal}} options */
  async readSections(from, to, options) {
    return from === null ? [] : super.readSections(from, to, options);
  }
}

class Candles extends Part {
  static properties = { record: { attribute: false }, fills: { attribute: false } };

  constructor() {
    super();
    /** @type {Shown | null} */
    this.record = null;
    /** @type {Fill[]} */
    this.fills = [];
    this.chosen = '';
    this.isTable = false;
    this.marks = new FillMarks();
    /** @type {Element | null} */
    this.marked = null;
    /** @type {RunHistory | null} */
    this.history = null;
    /** @type {Resource<RunHistory | null>} */
    this.bars = new Resource(async (signal) => {
      await this.history?.load(signal);
      return this.history;
    });
  }

  begin() {
    this.uses(this.bars);
  }

  get #symbol() {
    const all = this.record?.instruments ?? [];
    return all.includes(this.chosen) ? this.chosen : (all.find((each) => this.fills.some(({ symbol }) => symbol === each)) ?? all[0] ?? '');
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    const symbol = this.#symbol;
    if (!this.record || (!changed.has('record') && symbol === this.history?.symbol)) return;
    const venue = this.record.venue || this.fills.find((each) => each.symbol === symbol)?.venue;
    if (!venue || (this.history?.symbol === symbol && this.history.venue === venue)) return;
    this.history = new RunHistory(venue, symbol, this.record);
    this.history.whole.subscribe(() => this.#mark());
    this.history.problem.subscribe(() => this.requestUpdate());
    void this.bars.load({ forget: true });
  }

  /** @param {Map<string, unknown>} changed */
  async updated(changed) {
    const chart = /** @type {any} */ (this.querySelector('mp-chart'));
    if (chart && chart !== this.marked) {
      this.marked = chart;
      await chart.updateComplete;
      this.marks = new FillMarks();
      chart.series.candles?.series.attachPrimitive(this.marks);
      this.#mark();
    } else if (changed.has('fills')) this.#mark();
  }

  #mark() {
    const { history } = this;
    if (history) this.marks.show(this.fills.filter(({ symbol }) => symbol === history.symbol), history.laid.times);
  }

  render() {
    const { record, history } = this;
    if (!record) return nothing;
    const symbol = this.#symbol;
    const mine = this.fills.filter((each) => each.symbol === symbol);
    const problem = history?.problem.value;
    return html`<div class="tools">
        ${record.instruments.length > 1
          ? html`<label>${t('instrument')} <select @change=${this.#choose}>
              ${record.instruments.map((each) => html`<option ?selected=${each === symbol}>${each}</option>`)}</select></label>`
          : nothing}
        <span class="dim"><span class="buys" aria-hidden="true">▲</span> ${t('bought')} <span class="sells" aria-hidden="true">▼</span> ${t('sold')}
          · ${t('fills_of', { count: count(mine.length), symbol })} ${this.fills.length < record.summary.fills
            ? html`<b class="warn">${t('first_of', { count: count(this.fills.length) })}</b>`
            : nothing} · <i class="gap-key" aria-hidden="true"></i> ${t('gap_ground')}</span>
        <button type="button" class="apart" aria-pressed=${this.isTable} @click=${this.#turn}>${t(this.isTable ? 'as_chart' : 'as_table')}</button>
      </div>
      ${problem ? failed(problem, () => this.bars.load()) : nothing}
      ${history
        ? shown(this.bars, (known) => this.#bars(known), { lines: 8, empty: (known) => (known?.candles.length ? undefined : empty(t('no_bars', { symbol }))) })
        : empty(t('no_bars', { symbol }))}`;
  }

  /** @param {RunHistory | null} history */
  #bars(history) {
    return this.isTable ? html`<mp-bars-table .history=${history}></mp-bars-table>` : html`<mp-chart .history=${history}></mp-chart>`;
  }

  /** @param {Event & {target: HTMLSelectElement}} event */
  #choose = (event) => {
    this.chosen = event.target.value;
    this.requestUpdate();
  };

  #turn = () => {
    this.isTable = !this.isTable;
    this.requestUpdate();
  };
}

customElements.define('mp-backtest-candles', Candles);
