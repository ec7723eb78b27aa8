/** The coverage calendar: a row an instrument, a column a trading day. */
import { html, nothing } from '../../vendor/lit.js';
import { alter } from '../../core/address.js';
import { Part } from '../../core/part.js';
import { dayText } from '../../core/time.js';
import { SIGNS, stateOf, wordsOf } from './cells.js';
import { t } from './text.js';

const LEGEND = /** @type {const} */ (['full', 'most', 'half', 'few', 'missing', 'none', 'extra']);
const STEPS = /** @type {Record<string, [number, number]>} */ ({
  ArrowRight: [0, 1], ArrowLeft: [0, -1], ArrowDown: [1, 0], ArrowUp: [-1, 0], PageDown: [10, 0], PageUp: [-10, 0],
});

class CoverageCalendar extends Part {
  static properties = { calendar: { attribute: false }, open: { attribute: false }, kind: { attribute: false } };

  constructor() {
    super();
    /** @type {import('./coverage.js').Calendar | null} */
    this.calendar = null;
    this.open = ''; // `venue.symbol day` that is shown below
    this.kind = ''; // `dense`: many days, of which a month has a head and a day only its colour; `long`: names are long
    this.at = [0, 0];
  }

  get #isDense() {
    return this.kind.includes('dense');
  }

  render() {
    const { calendar } = this;
    if (!calendar) return nothing;
    const names = [...calendar.rows.keys()];
    return html`${this.#legend()}
      <div class="scroll coverage" tabindex="-1" role="region" aria-label=${t('calendar')}>
        <table role="grid" class=${this.kind} aria-rowcount=${names.length + 1} aria-colcount=${calendar.columns.length + 1}
          @keydown=${this.#moved} @click=${this.#clicked} @focusin=${this.#reached}>
          <caption class="unseen">${t('calendar')}. ${t('calendar_more')}</caption>
          <thead>
            <tr>
              <th scope="col">${t('instrument')}</th>
              ${this.#isDense
                ? this.#months(calendar.columns)
                : calendar.columns.map((day) => html`<th scope="col" title=${dayText(day)}>${day.slice(4, 6)}<br />${day.slice(6)}</th>`)}
            </tr>
          </thead>
          <tbody>${names.map((name, row) => this.#row(name, row, calendar))}</tbody>
        </table>
      </div>`;
  }

  #legend() {
    return html`<p class="coverage-legend">
      <span class="unseen">${t('legend')}</span>
      ${LEGEND.map((state) => html`<span><i class="day ${state}" aria-hidden="true">${SIGNS[state]}</i> ${t(`legend_${state}`)}</span>`)}
      <span><i class="day full gap" aria-hidden="true">●</i> ${t('legend_gap')}</span>
    </p>`;
  }

  /** @param {string[]} columns */
  #months(columns) {
    const months = [...new Set(columns.map((day) => day.slice(0, 6)))];
    const days = (/** @type {string} */ month) => columns.filter((day) => day.startsWith(month)).length;
    return months.map((month) => html`<th scope="colgroup" colspan=${days(month)} title=${dayText(`${month}01`).slice(0, 7)}>${month.slice(4)}</th>`);
  }

  /** @param {string} name @param {number} row @param {import('./coverage.js').Calendar} calendar */
  #row(name, row, calendar) {
    const days = calendar.rows.get(name);
    return html`<tr>
      <th scope="row" class="one-line" title=${name}>${name}</th>
      ${calendar.columns.map((column, at) => {
        const day = days?.get(column);
        return html`<td
          role="gridcell"
          class="day ${stateOf(day)}${day?.gaps ? ' gap' : ''}"
          tabindex=${row === this.at[0] && at === this.at[1] ? 0 : -1}
          data-row=${row}
          data-at=${at}
          aria-selected=${this.open === `${name} ${column}`}
          aria-label=${wordsOf(name, column, day)}
        >${this.#isDense ? '' : SIGNS[stateOf(day)]}</td>`;
      })}
    </tr>`;
  }

  /** @param {EventTarget | null} target @returns {HTMLElement | null} */
  #cell(target) {
    return target instanceof Element ? target.closest('td[data-row]') : null;
  }

  /** @param {HTMLElement} cell */
  #choose(cell) {
    const name = [...(this.calendar?.rows.keys() ?? [])][Number(cell.dataset.row)];
    const day = this.calendar?.columns[Number(cell.dataset.at)];
    if (name && day) alter({ of: name, day });
  }

  /** @param {MouseEvent} event */
  #clicked = (event) => {
    const cell = this.#cell(event.target);
    if (cell) this.#choose(cell);
  };

  /** One cell is in the order of the Tab key: the last one that had the focus. @param {FocusEvent} event */
  #reached = (event) => {
    const cell = this.#cell(event.target);
    if (!cell) return;
    const before = this.querySelector('td[tabindex="0"]');
    before?.setAttribute('tabindex', '-1');
    cell.setAttribute('tabindex', '0');
    this.at = [Number(cell.dataset.row), Number(cell.dataset.at)];
    cell.title = cell.getAttribute('aria-label') ?? '';
  };

  /** @param {KeyboardEvent} event */
  #moved = (event) => {
    const cell = this.#cell(event.target);
    if (!cell || !this.calendar) return;
    if (event.key === 'Enter' || event.key === ' ') {
      event.preventDefault();
      this.#choose(cell);
      return;
    }
    const last = this.calendar.columns.length - 1;
    const to = { Home: 0, End: last }[event.key];
    const step = STEPS[event.key] ?? (to === undefined ? null : [0, to - this.at[1]]);
    if (!step) return;
    event.preventDefault();
    const row = Math.max(0, Math.min(this.calendar.rows.size - 1, this.at[0] + step[0]));
    const at = Math.max(0, Math.min(last, this.at[1] + step[1]));
    /** @type {HTMLElement | null} */ (this.querySelector(`td[data-row="${row}"][data-at="${at}"]`))?.focus();
  };
}

customElements.define('mp-coverage-calendar', CoverageCalendar);
