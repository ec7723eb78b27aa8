/** One instrument. */
import { html, nothing } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { shortcut } from '../../core/keys.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { comparable } from '../../chart/series.js';
import { BarHistory } from '../../market/history.js';
import { instrumentOf } from '../../core/instruments.js';
import { empty, failed, shown } from '../../parts/states.js';
import { tabs } from '../../parts/tabs.js';
import '../../chart/chart.js';
import '../../chart/table.js';
import '../../parts/instrument_input.js';
import './book.js';
import './details.js';
import './download.js';
import './head.js';
import './tape.js';
import { t } from './text.js';

const AGAIN_MS = 5000;
const INTERVALS = ['1m', '5m', '15m', '30m', '1h', '1d'];
const LINES = ['20', '60', 'vwap'];
const VIEWS = /** @type {const} */ (['tape', 'gaps', 'quality', 'terms', 'raw']);

class Instrument extends Part {
  static properties = { venue: { attribute: false }, symbol: { attribute: false } };

  constructor() {
    super();
    this.venue = '';
    this.symbol = '';
    /** @type {BarHistory | null} */
    this.history = null;
    this.comparison = ''; // why it cannot be shown
    /** @type {BarHistory | null} another instrument, to compare with */
    this.compared = null;
    this.bars = new Resource(async (signal) => {
      const { history } = this;
      await history?.load(signal);
      // An instant in the address may lie before the newest bars.
      const at = Date.parse(address.value.params.t ?? '');
      while (history?.hasOlder && at < history.candles[0].time && (await history.older()));
      return history;
    });
  }

  get interval() {
    const asked = address.value.params.i ?? '';
    return INTERVALS.includes(asked) ? asked : '1m';
  }

  get lines() {
    return (address.value.params.lines ?? '').split(',').filter((name) => LINES.includes(name));
  }

  begin() {
    this.follow(address, () => this.#choose());
    this.uses(this.bars);
    this.whenGone(() => this.history?.stop());
    // As long as nothing is stored of it, it may be any moment.
    this.every(AGAIN_MS, () => {
      if (this.history?.isLoaded && !this.history.candles.length && !this.bars.known.value.loading) void this.bars.load();
    });
    this.whenGone(() => this.compared?.stop());
    this.whenGone(shortcut('[', () => this.#step(-1)));
    this.whenGone(shortcut(']', () => this.#step(1)));
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has('venue') || changed.has('symbol')) this.#choose();
  }

  #choose() {
    if (this.symbol && this.interval !== this.history?.interval) {
      this.history?.stop();
      this.history = new BarHistory(this.venue, this.symbol, this.interval);
      this.history.follow();
      this.history.newest.subscribe(() => this.#begins());
      this.history.problem.subscribe(() => this.requestUpdate());
      void this.bars.load({ forget: true });
    }
    const other = instrumentOf(address.value.params.with ?? '');
    const isSame = other?.symbol === this.compared?.symbol && other?.venue === this.compared?.venue;
    if (!isSame || (this.compared && this.compared.interval !== this.interval)) {
      this.compared?.stop();
      this.comparison = '';
      this.compared = other && new BarHistory(other.venue, other.symbol, this.interval);
      this.compared?.follow();
      this.compared?.problem.subscribe(() => this.requestUpdate());
      if (this.compared) void this.#load(this.compared);
    }
    this.requestUpdate();
  }

  /** The first bar forms where there was nothing to be drawn. */
  #begins() {
    if (this.history?.candles.length === 0 && !this.querySelector('mp-chart, mp-bars-table')) this.requestUpdate();
  }

  /** @param {BarHistory} compared */
  async #load(compared) {
    let why = '';
    try {
      await compared.load();
      why = compared.unknown.value;
    } catch (error) {
      why = String(error instanceof Error ? error.message : error);
    }
    if (compared !== this.compared) return; // another one was chosen meanwhile
    this.comparison = why;
    this.requestUpdate();
  }

  /** Why nothing is seen of the other instrument; empty where it is. */
  #whyNotCompared() {
    const { compared, history } = this;
    const asked = address.value.params.with ?? '';
    if (!compared) return asked ? `${t('wrong', { text: asked })}. ${t('wrong_more')}` : '';
    const problem = this.comparison || compared.problem.value?.message;
    if (problem) return problem;
    const names = { symbol: `${compared.venue}.${compared.symbol}`, interval: this.interval };
    if (!compared.isLoaded || !history?.isLoaded) return '';
    if (!compared.candles.length && !compared.forming) return t('none_compared', names);
    return comparable(history, compared).length ? '' : t('never_together', names);
  }

  /** @param {number} step */
  #step(step) {
    const next = INTERVALS[INTERVALS.indexOf(this.interval) + step];
    if (next) alter({ i: next });
  }

  render() {
    const place = { venue: this.venue, symbol: this.symbol };
    return html`<mp-instrument-head .venue=${place.venue} .symbol=${place.symbol}></mp-instrument-head>
      <div class="columns">
        <div>${this.#tools()} ${this.#chart()}</div>
        <mp-book .venue=${place.venue} .symbol=${place.symbol}></mp-book>
      </div>
      ${tabs(VIEWS.map((key) => ({ key, title: t(`view_${key}`) })), this.view, (view) => alter({ view }), t('views'))}
      <div id="view-${this.view}" role="tabpanel" aria-labelledby="tab-${this.view}">${this.#view()}</div>`;
  }

  get view() {
    return VIEWS.find((view) => view === address.value.params.view) ?? 'tape';
  }

  #view() {
    const { venue, symbol, view } = this;
    if (view === 'tape') return html`<mp-tape .venue=${venue} .symbol=${symbol}></mp-tape>`;
    return html`<mp-details .venue=${venue} .symbol=${symbol} .view=${view}></mp-details>`;
  }

  #tools() {
    const why = this.#whyNotCompared();
    return html`<div class="tools">
        <span role="group" aria-label=${t('interval')}>
          ${INTERVALS.map(
            (each) => html`<button type="button" aria-pressed=${each === this.interval} @click=${() => alter({ i: each })}>${each}</button> `,
          )}
        </span>
        <span role="group" aria-label=${t('overlays')}>
          ${LINES.map(
            (each) => html`<button type="button" aria-pressed=${this.lines.includes(each)} @click=${() => this.#toggle(each)}>
              ${each === 'vwap' ? 'VWAP' : `MA${each}`}
            </button> `,
          )}
        </span>
        <label>${t('compare')}
          <mp-instrument-input .value=${address.value.params.with ?? ''} @chosen=${this.#compare}></mp-instrument-input>
        </label>
        ${why ? html`<span class="warn wrap" role="alert">${why}</span>` : nothing}
        <button type="button" class="apart" aria-pressed=${this.#isTable()} @click=${() => alter({ as: this.#isTable() ? null : 'table' })}>
          ${t(this.#isTable() ? 'chart' : 'table')}
        </button>
        <mp-download .venue=${this.venue} .symbol=${this.symbol} .interval=${this.interval} .history=${this.history}></mp-download>
      </div>`;
  }

  #chart() {
    const problem = this.history?.problem.value;
    return html`${problem ? failed(problem, () => this.bars.load()) : nothing}
      ${shown(this.bars, (history) => this.#bars(history), {
        lines: 12,
        empty: (history) => (history?.candles.length || history?.forming ? undefined : this.#noBars()),
      })}`;
  }

  #isTable() {
    return address.value.params.as === 'table';
  }

  /** @param {BarHistory | null} history */
  #bars(history) {
    if (!history) return nothing;
    return this.#isTable()
      ? html`<mp-bars-table .history=${history}></mp-bars-table>`
      : html`<mp-chart
          .history=${history}
          .averages=${this.lines}
          .compared=${this.compared}
          .at=${Date.parse(address.value.params.t ?? '')}
        ></mp-chart>`;
  }

  #noBars() {
    const unknown = this.history?.unknown.value;
    return empty(t('no_bars', { symbol: this.symbol }), html`<p>${t('no_bars_more')}</p>${unknown ? html`<p>${unknown}</p>` : nothing}`);
  }

  /** @param {CustomEvent<string>} event */
  #compare = (event) => alter({ with: event.detail || null });

  /** @param {string} line */
  #toggle(line) {
    const chosen = this.lines.includes(line) ? this.lines.filter((each) => each !== line) : [...this.lines, line];
    alter({ lines: chosen.join(',') });
  }
}

customElements.define('mp-instrument', Instrument);
