/** What the platform stored of minute bars, day by day, and the ledger of gaps. */
import { html, nothing } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { count } from '../../core/numbers.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { empty, shown } from '../../parts/states.js';
import './calendar.js';
import './day.js';
import './ledger.js';
import { stateOf } from './cells.js';
import { chosenOf, readCalendar } from './coverage.js';
import { t } from './text.js';

const FIRST = 200;
const COMMANDS = ['marketprism up --source sim', 'marketprism up --source replay:ticks.csv.gz'];
const NEWEST = ['5', '20', '60', '120'];

class BarCoverage extends Part {
  constructor() {
    super();
    this.asked = '';
    this.wanted = FIRST;
    this.calendar = new Resource((signal) => readCalendar(this.#chosen(), this.wanted, signal));
  }

  #chosen() {
    return chosenOf(address.value.params);
  }

  begin() {
    this.uses(this.calendar);
    this.follow(address, () => this.#changed());
    this.every(30_000, () => void this.calendar.load());
    this.#changed();
  }

  #changed() {
    const asked = JSON.stringify(this.#chosen());
    if (asked !== this.asked) {
      this.asked = asked;
      this.wanted = FIRST;
      void this.calendar.load({ forget: true });
    }
    this.requestUpdate();
  }

  render() {
    const { of, day } = address.value.params;
    return html`${this.#filters()}
      <h2>${t('calendar')}</h2>
      ${shown(this.calendar, (calendar) => this.#calendar(calendar), {
        lines: 8,
        empty: (calendar) => (calendar.rows.size ? undefined : this.#nothing()),
      })}
      ${of && day ? html`<mp-coverage-day .name=${of} .day=${day}></mp-coverage-day>` : nothing}
      <mp-gap-ledger .missing=${this.#missing()}></mp-gap-ledger>`;
  }

  #missing() {
    return this.calendar.data?.all.filter((day) => stateOf(day) === 'missing').length ?? 0;
  }

  /** @param {import('./coverage.js').Calendar} calendar */
  #calendar(calendar) {
    const { of = '', day = '' } = address.value.params;
    const complete = calendar.all.filter((each) => stateOf(each) === 'full').length;
    const values = { instruments: count(calendar.rows.size), days: count(calendar.columns.length), complete: count(complete), missing: count(this.#missing()) };
    return html`<p class="dim coverage-sum">${t('sum', values)}</p>
      <mp-coverage-calendar .calendar=${calendar} .open=${`${of} ${day}`}></mp-coverage-calendar>
      ${calendar.next ? html`<p><button type="button" @click=${this.#more}>${t('more_instruments')}</button></p>` : nothing}`;
  }

  #more = () => {
    this.wanted += FIRST;
    void this.calendar.load();
  };

  #filters() {
    const chosen = this.#chosen();
    /** @param {'symbols' | 'venue' | 'product' | 'from' | 'to'} name @param {string} type @param {string} hint */
    const field = (name, type, hint = '') => html`<label>${t(name)}
      <input type=${type} maxlength="200" placeholder=${hint} .value=${chosen[name]}
        @change=${(/** @type {any} */ event) => alter({ [name]: event.target.value.trim(), of: null, day: null })} /></label>`;
    return html`<div class="tools" role="group" aria-label=${t('filters')}>
      ${field('symbols', 'search', t('symbols_hint'))} ${field('venue', 'search')} ${field('product', 'search')}
      ${field('from', 'date')} ${field('to', 'date')}
      <label>${t('newest')}
        <select ?disabled=${Boolean(chosen.from)} @change=${(/** @type {any} */ event) => alter({ newest: event.target.value })}>
          ${NEWEST.map((each) => html`<option value=${each} ?selected=${each === (chosen.newest || '20')}>${each}</option>`)}
        </select></label>
    </div>`;
  }

  #nothing() {
    const more = html`<p>${t('empty_more', { symbols: this.#chosen().symbols || t('all') })}</p>
      ${COMMANDS.map((each) => html`<p><code>${each}</code></p>`)}`;
    return empty(t('empty'), more);
  }
}

customElements.define('mp-bar-coverage', BarCoverage);
