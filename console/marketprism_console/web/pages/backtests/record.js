/** One run, sweep or walk-forward: what was asked, how far it is, what can be done with it, and what came of it. */
import { html, nothing } from '../../vendor/lit.js';
import { address, hrefOf } from '../../core/address.js';
import { ask, change, urlOf } from '../../core/api.js';
import { count } from '../../core/numbers.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { dateTime, duration, ms } from '../../core/time.js';
import { who } from '../../core/who.js';
import { act } from '../../parts/action.js';
import { copyButton } from '../../parts/copy.js';
import { expectOffered, offered } from '../../parts/offered.js';
import { Followed } from './follow.js';
import { plot } from './plot.js';
import './result.js';
import './sweep.js';
import './walk.js';
import { badge, inWords, isOver, linkTo, money, progress, rangeOf, strategyName } from './shown.js';
import { choiceName, fieldName, kindName, t } from './text.js';

/** @typedef {import('./shown.js').Shown} Shown */

const ONE = '/backtests/{id}';
const EVERY_MS = 2000;
const MOST_POINTS = 500;
const PARTS = ['fills', 'orders', 'positions', 'decisions', 'equity'];

class BacktestRecord extends Part {
  static properties = { name: { attribute: false } };

  constructor() {
    super();
    this.name = '';
    /** Equity as it was seen while the run went on. @type {number[]} */
    this.seen = [];
    this.seenAt = 0;
    /** @type {Resource<Shown>} */
    this.record = new Resource(async (signal) => {
      await expectOffered(ONE);
      return (await ask(`/backtests/${encodeURIComponent(this.name)}`, {}, { signal })).data;
    });
    this.events = new Followed((state) => this.#changed(state), () => void this.record.load());
  }

  begin() {
    this.uses(this.record);
    this.follow(who);
    this.follow(address);
    this.follow(this.record.known, () => this.#listen());
    this.every(EVERY_MS, () => this.#again());
    const hide = () => {
      if (document.hidden) this.events.close();
    };
    document.addEventListener('visibilitychange', hide);
    this.whenGone(() => document.removeEventListener('visibilitychange', hide));
    this.whenGone(() => this.events.close());
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (!changed.has('name')) return;
    this.events.close();
    this.seen = [];
    void this.record.load({ forget: true });
  }

  #listen() {
    const { data } = this.record;
    if (data && !isOver(data) && !this.events.isOpen && data.run_id === this.name && !document.hidden) this.events.open(this.name);
  }

  /** Where nothing is followed, it is asked for. */
  #again() {
    const { data } = this.record;
    if (data && !isOver(data) && !this.events.isOpen) void this.record.load();
  }

  /** @param {Shown} state */
  #changed(state) {
    const { now, equity } = state.progress;
    if (equity && now > this.seenAt) {
      this.seen = [...this.seen, Number(equity)].slice(-MOST_POINTS);
      this.seenAt = now;
    }
    if (!isOver(state)) this.record.set(state); // of one that has ended all is asked for
  }

  render() {
    return offered(this.record, (record) => html`${this.#head(record)} ${this.#outcome(record)}`, { lines: 8 });
  }

  /** @param {Shown} record */
  #head(record) {
    const { run_id: id, kind, state, settings, sweep } = record;
    const isEnded = isOver(record);
    return html`<div class="panel backtest-head">
        <div class="tools">
          <h2 class="wrap">${kind === 'run' ? nothing : `${kindName(kind)}: `}${strategyName(record.strategy)}</h2>
          ${badge(record.summary.state === 'stopped' ? 'stopped' : state)}
          <span class="apart tools">${this.#buttons(record)}</span>
        </div>
        ${record.error ? html`<div class="failed" role="alert"><p class="wrap"><code>${record.code}</code> ${record.error}</p></div>` : nothing}
        ${(record.summary.remarks ?? []).map((/** @type {string} */ each) => html`<p class="warn wrap">${each}</p>`)}
        ${isEnded
          ? nothing
          : html`<div>${progress(record)} <small class="dim">${record.progress.now ? dateTime(ms(record.progress.now), record.venue) : nothing}</small></div>`}
        ${!isEnded && this.seen.length
          ? html`<p>${t('equity_now')} <b>${money(this.seen.at(-1)?.toFixed(2))}</b></p>
              ${plot({ label: t('equity_now'), lines: [{ name: '', values: this.seen }], shown: (value) => count(value), kind: 'low' })}`
          : nothing}
        <dl class="facts">
          <dt>${t('run')}</dt><dd><code>${id}</code> ${copyButton(() => id, t('run'))}</dd>
          ${record.digest
            ? html`<dt>${t('digest')}</dt>
                <dd class="code">${record.digest} ${record.cached ? html`<span class="badge">${t('is_cached')}</span>` : nothing}</dd>`
            : nothing}
          <dt>${fieldName('params')}</dt><dd>${inWords(sweep?.space ?? record.params)}</dd>
          <dt>${fieldName('instruments')}</dt><dd>${record.venue} ${record.instruments.join(', ')} · ${record.interval || choiceName('ticks')}</dd>
          <dt>${t('range')}</dt><dd>${rangeOf(record)}</dd>
          <dt>${fieldName('mode')}</dt>
          <dd>${choiceName(settings.fill)} · ${fieldName('capital')} ${money(settings.capital)} · ${fieldName('gap_policy')} ${settings.gap_policy}</dd>
          ${sweep ? html`<dt>${t('asked')}</dt><dd>${this.#sweep(sweep, kind)}</dd>` : nothing}
          <dt>${t('begun')}</dt><dd>${dateTime(ms(record.created_at))} · ${record.user}</dd>
          ${isEnded && record.started_at
            ? html`<dt>${t('took')}</dt>
                <dd>${duration(ms(record.ended_at) - ms(record.started_at))} · ${t('rows_cpu', { rows: count(record.rows), cpu: record.cpu_s })}</dd>`
            : nothing}
        </dl>
        ${kind === 'run' && state === 'done'
          ? html`<p class="backtest-files dim">${t('files')}
              ${PARTS.map((part) => html`<a href=${urlOf(`/backtests/${id}/${part}`, { format: 'csv' })} download>${part}.csv</a> `)}</p>`
          : nothing}
      </div>`;
  }

  /** @param {Record<string, any>} sweep @param {string} kind */
  #sweep(sweep, kind) {
    const parts = [`${choiceName(sweep.method)}, ${fieldName('objective')} ${sweep.objective}`];
    if (sweep.constraint) parts.push(sweep.constraint);
    if (kind === 'walk_forward') {
      parts.push(t('windows_of', { train: sweep.train, test: sweep.test, embargo: sweep.embargo }));
      if (sweep.anchored) parts.push(fieldName('anchored'));
    }
    return parts.join(' · ');
  }

  /** @param {Shown} record */
  #buttons(record) {
    const { run_id: id, kind, state } = record;
    if (!isOver(record)) return html`<button type="button" class="grave" @click=${() => this.#cancel(record)}>${t('cancel')}</button>`;
    const again = html`<a class="button" href=${hrefOf('/backtests/new', { of: id })}>${t('change')}</a>`;
    if (kind !== 'run') return again;
    return html`${again}
      <button type="button" @click=${() => this.#rerun(record)}>${t('rerun')}</button>
      ${state === 'done'
        ? html`<button type="button" @click=${() => this.#verify(record)}>${t('verify')}</button>
            <a class="button" href=${urlOf(`/backtests/${id}/report.html`)} target="_blank" rel="noopener">${t('report')}</a>`
        : nothing}`;
  }

  /** @param {Shown} record */
  #outcome(record) {
    const { kind, state } = record;
    // What there is of a run that has failed is there and marked.
    if (kind === 'run' && (state === 'done' || record.summary.net !== undefined)) {
      return html`<mp-backtest-result .record=${record}></mp-backtest-result>`;
    }
    if (state !== 'done') return nothing;
    return kind === 'sweep' ? html`<mp-backtest-sweep .record=${record}></mp-backtest-sweep>` : html`<mp-walk-forward .record=${record}></mp-walk-forward>`;
  }

  /** @param {Shown} record */
  #cancel({ run_id: id }) {
    act({
      title: t('ask_cancel'), button: t('cancel'), isGrave: true, body: html`<p>${t('cancel_what')}</p>`,
      act: () => change('DELETE', `/backtests/${id}`), then: () => void this.record.load(),
    });
  }

  /** @param {Shown} record */
  #verify({ run_id: id }) {
    act({
      title: t('verify'), button: t('verify'), body: html`<p>${t('verify_what')}</p>`,
      act: () => change('POST', `/backtests/${id}/verify`),
      result: ({ data }) => html`<p class=${data.unproved.length || !data.equal ? 'bad' : ''}>
          ${t('proved', { proved: count(data.fills - data.unproved.length), fills: count(data.fills), gross: money(data.gross) })}
          ${t(data.equal ? 'gross_equal' : 'gross_differs')}</p>
        ${data.unproved.length ? html`<ul>${data.unproved.map((/** @type {any} */ each) => html`<li class="wrap">${inWords(each)}</li>`)}</ul>` : nothing}`,
    });
  }

  /** @param {Shown} record */
  #rerun({ run_id: id }) {
    act({
      title: t('rerun'), button: t('rerun'), body: html`<p>${t('rerun_what')}</p>`,
      act: () => change('POST', `/backtests/${id}/rerun`),
      result: ({ data }) => html`<p>${t('rerun_is')} ${linkTo(data)}</p>`,
    });
  }
}

customElements.define('mp-backtest-record', BacktestRecord);
