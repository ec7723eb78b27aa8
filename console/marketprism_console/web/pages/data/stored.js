/** The stored series of every kind, and how much of each trading day is there. */
import { html, nothing } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { ask } from '../../core/api.js';
import { count } from '../../core/numbers.js';
import { Pace } from '../../core/pace.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { date, ms } from '../../core/time.js';
import { expectOffered, offered } from '../../parts/offered.js';
import { empty } from '../../parts/states.js';
import { t as common } from '../../parts/text.js';
import { Calendar } from './coverage.js';
import { daysOf, isPeriod, keyOf, nameOf, rangeOf, shifted } from './series.js';
import './series_day.js';
import { t } from './text.js';

/** @typedef {import('./series.js').Series} Series */

const STEP = 25; // series at a time: each is a question of its own
const AT_ONCE = 4;
const MOST = 200; // of an answer
const FIELDS = /** @type {const} */ (['pattern', 'venue', 'kind', 'interval']);

class StoredSeries extends Part {
  constructor() {
    super();
    this.asked = '';
    this.wanted = STEP;
    /** Days by series, as answers come. @type {Map<string, Map<string, import('./cells.js').Day>>} */
    this.found = new Map();
    /** @type {Map<string, string>} */
    this.failed = new Map();
    /** @type {Resource<{rows: Series[], next: string, period: string}>} */
    this.series = new Resource((signal) => this.#read(signal));
    this.pace = new Pace(1, () => this.requestUpdate());
  }

  begin() {
    this.uses(this.series);
    this.follow(address, () => this.#changed());
    this.whenGone(() => this.pace.stop());
    this.#changed();
  }

  get #chosen() {
    const { pattern = '', venue = '', kind = '', interval = '', in: period = '' } = address.value.params;
    return { pattern, venue, kind, interval, period };
  }

  #changed() {
    const asked = JSON.stringify(this.#chosen);
    if (asked !== this.asked) {
      this.asked = asked;
      this.wanted = STEP;
      void this.series.load({ forget: true });
    }
    this.requestUpdate();
  }

  /** @param {AbortSignal} signal */
  async #read(signal) {
    await expectOffered('/data/series');
    const { pattern, venue, kind, interval, period } = this.#chosen;
    /** @type {Series[]} */
    const rows = [];
    let after = '';
    do {
      const { data } = await ask('/data/series', { pattern, venue, limit: MOST, after }, { signal });
      rows.push(...data.filter((/** @type {Series} */ row) => (!kind || row.kind === kind) && (!interval || row.interval === interval)));
      after = data.length < MOST ? '' : keyOf(data[data.length - 1]);
    } while (after && rows.length < this.wanted);
    const newest = rows.reduce((last, row) => Math.max(last, ms(row.last) || 0), 0) || Date.now();
    const chosen = isPeriod(period) ? period : date(newest).slice(0, 7);
    this.found = new Map();
    this.failed = new Map();
    const waiting = rows.slice(0, this.wanted);
    for (let n = 0; n < AT_ONCE; n += 1) void this.#fill(waiting, chosen, signal, this.found, this.failed);
    return { rows: rows.slice(0, this.wanted), next: rows.length > this.wanted ? 'more' : after, period: chosen };
  }

  /**
   * Ask for the days of one series after the other.
   * @param {Series[]} waiting @param {string} period @param {AbortSignal} signal @param {StoredSeries['found']} found @param {Map<string, string>} failed
   */
  async #fill(waiting, period, signal, found, failed) {
    for (let row = waiting.shift(); row && !signal.aborted; row = waiting.shift()) {
      const { venue, symbol, kind, interval } = row;
      const params = { venue, kind, interval, ...rangeOf(period, venue) };
      try {
        const { data } = await ask(`/data/coverage/${encodeURIComponent(symbol)}`, params, { signal });
        found.set(nameOf(row), daysOf(row, data.days, period));
      } catch (error) {
        failed.set(nameOf(row), error instanceof Error ? error.message : String(error));
      }
      this.pace.mark();
    }
  }

  render() {
    const { period } = this.#chosen;
    const { of = '', day = '' } = address.value.params;
    const isWrong = period && !isPeriod(period);
    const shownPeriod = isWrong ? period : (this.series.data?.period ?? period);
    const isYear = shownPeriod.length === 4;
    return html`<div class="tools" role="group" aria-label=${t('filters')}>
        ${FIELDS.map(
          (name) => html`<label>${t(name)}
            <input type="search" maxlength="100" size="10" .value=${this.#chosen[name]} placeholder=${name === 'pattern' ? 'ru*' : ''}
              @change=${(/** @type {any} */ event) => alter({ [name]: event.target.value.trim(), of: null, day: null })} /></label>`,
        )}
        <label>${t('period')}
          <input type="search" maxlength="7" size="8" placeholder="2025-06" .value=${shownPeriod} aria-invalid=${isWrong ? 'true' : nothing}
            @change=${(/** @type {any} */ event) => this.#turn(event.target.value.trim())} /></label>
        <button type="button" aria-label=${t('earlier')} ?disabled=${!isPeriod(shownPeriod)} @click=${() => this.#turn(shifted(shownPeriod, -1))}>‹</button>
        <button type="button" aria-label=${t('later')} ?disabled=${!isPeriod(shownPeriod)} @click=${() => this.#turn(shifted(shownPeriod, 1))}>›</button>
        <button type="button" ?disabled=${!isPeriod(shownPeriod)} @click=${() => this.#turn(isYear ? `${shownPeriod}-01` : shownPeriod.slice(0, 4))}>
          ${t(isYear ? 'one_month' : 'whole_year')}</button>
      </div>
      ${isWrong ? html`<p class="bad" role="alert"><span aria-hidden="true">✕</span> ${t('wrong_period', { period })}</p>` : nothing}
      ${offered(this.series, (known) => this.#known(known), {
        lines: 8,
        empty: ({ rows }) => (rows.length ? undefined : empty(t('no_series'), html`<p>${t('no_series_more')}</p>`)),
      })}
      ${of && day ? html`<mp-series-day .name=${of} .day=${day}></mp-series-day>` : nothing}`;
  }

  /** @param {string} period */
  #turn(period) {
    alter({ in: period, of: null, day: null });
  }

  /** @param {{rows: Series[], next: string, period: string}} known */
  #known({ rows, next, period }) {
    const calendar = new Calendar();
    calendar.rows = new Map(rows.map(nameOf).flatMap((name) => (this.found.has(name) ? [[name, this.found.get(name) ?? new Map()]] : [])));
    calendar.columns = [...new Set([...calendar.rows.values()].flatMap((row) => [...row.keys()]))].sort();
    const sum = calendar.all.reduce((all, day) => ({ there: all.there + day.bars, due: all.due + (day.minutes ?? 0) }), { there: 0, due: 0 });
    const isReading = this.found.size + this.failed.size < rows.length;
    const { of = '', day = '' } = address.value.params;
    const missing = count(sum.due - sum.there);
    const values = { missing, series: count(this.found.size), all: count(rows.length), there: count(sum.there), due: count(sum.due) };
    return html`<p class="dim coverage-sum" role="status">${t(isReading ? 'reading_series' : 'series_sum', values)}</p>
      ${calendar.rows.size
        ? html`<mp-coverage-calendar .calendar=${calendar} .open=${`${of} ${day}`} .kind=${period.length === 4 ? 'long dense' : 'long'}></mp-coverage-calendar>`
        : nothing}
      ${this.failed.size
        ? html`<div class="failed"><p><strong>${t('no_days')}</strong></p>
            <ul>${[...this.failed].map(([name, why]) => html`<li>${name}: ${why}</li>`)}</ul></div>`
        : nothing}
      ${next ? html`<p><button type="button" @click=${this.#more}>${common('more')}</button></p>` : nothing}`;
  }

  #more = () => {
    this.wanted += STEP;
    void this.series.load();
  };
}

customElements.define('mp-stored-series', StoredSeries);
