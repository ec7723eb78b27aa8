/** Defects of a report: how many of each code, and each with its evidence and what witnesses say of it. */
import { html, nothing } from '../../../vendor/lit.js';
import { count } from '../../../core/numbers.js';
import { Part } from '../../../core/part.js';
import { dateTime, dayText, ms } from '../../../core/time.js';
import { FirstRows } from '../../../parts/first_rows.js';
import { numeric, table } from '../../../parts/table.js';
import { range, toned } from './shown.js';
import { codeName, t, verdictName } from './text.js';

/**
 * @typedef {object} Defect  `verdict`, `witness` and `testimonies` where witnesses were asked
 * @property {string} code
 * @property {'error' | 'warning' | 'notice'} severity
 * @property {string} certainty
 * @property {number} ts_from
 * @property {number} ts_to
 * @property {number} count
 * @property {string | null} trading_day
 * @property {string} text
 * @property {({row: number | null, ts: number} & Record<string, any>)[]} rows
 * @property {string} [verdict]
 * @property {string} [witness]
 * @property {{witness: string, asked: number, has: number, lacks: number, text: string}[]} [testimonies]
 */

const STEP = 100;

class Defects extends Part {
  static properties = { defects: { attribute: false }, venue: { attribute: false }, label: { attribute: false } };

  constructor() {
    super();
    /** @type {Defect[]} */
    this.defects = [];
    this.venue = '';
    this.label = '';
    this.code = ''; // the only one that is shown
    this.few = new FirstRows(this, STEP);
  }

  render() {
    const { defects } = this;
    const codes = [...new Set(defects.map(({ code }) => code))];
    const only = codes.includes(this.code) ? this.code : '';
    const rows = only ? defects.filter(({ code }) => code === only) : defects;
    const isJudged = defects.some(({ verdict }) => verdict);
    return html`<div class="tools" role="group" aria-label=${t('by_code')}>
        ${codes.map((code) => this.#code(code, only))}
      </div>
      ${table(
        { label: this.label, kind: 'data-defects' },
        [t('defect'), t('severity'), ...(isJudged ? [t('verdict')] : []), t('range'), t('day'), numeric(t('count')), t('evidence')],
        this.few.of(rows).map((each) => this.#row(each, isJudged)),
      )}
      ${this.few.more(rows)}`;
  }

  /** @param {string} code @param {string} only */
  #code(code, only) {
    const own = this.defects.filter((each) => each.code === code);
    const sum = own.reduce((all, each) => all + each.count, 0);
    return html`<button type="button" aria-pressed=${code === only} @click=${() => this.#only(code === only ? '' : code)}>
      ${codeName(code)} <b>${count(own.length)}</b>
      ${sum > own.length ? html`<span class="dim">${t('rows_of', { count: count(sum) })}</span>` : nothing}</button>`;
  }

  /** @param {string} code */
  #only(code) {
    this.code = code;
    this.requestUpdate();
  }

  /** @param {Defect} defect @param {boolean} isJudged */
  #row(defect, isJudged) {
    const { code, severity, certainty, trading_day: day, text, rows, verdict = '', testimonies = [] } = defect;
    return html`<tr>
      <td>${codeName(code)}<br /><code class="dim">${code}</code></td>
      <td>${toned(severity, verdictName(severity))}<small class="dim">${verdictName(certainty)}</small></td>
      ${isJudged ? html`<td>${toned(verdict, verdictName(verdict))}<small class="dim">${defect.witness}</small></td>` : nothing}
      <td>${range(defect, this.venue)}</td>
      <td class="time">${dayText(day)}</td>
      <td class="number">${count(defect.count)}</td>
      <td class="wrap">${text}
        ${testimonies.length
          ? html`<details><summary>${t('testimonies')}: ${testimonies.length}</summary>
              <ul>${testimonies.map(({ witness, asked, has, lacks, text: words }) => html`<li><b>${witness}</b>:
                ${t('testimony', { asked, has: count(has), lacks: count(lacks) })} ${words}</li>`)}</ul>
            </details>`
          : nothing}
        ${rows.length
          ? html`<details><summary>${t('sample', { count: rows.length })}</summary>
              <ul class="plain code">${rows.map((each) => html`<li>${this.#sample(each)}</li>`)}</ul></details>`
          : nothing}
      </td>
    </tr>`;
  }

  /** @param {Defect['rows'][number]} row */
  #sample({ row, ts, ...values }) {
    const words = Object.entries(values).map(([name, value]) => `${name} ${value}`);
    return `${row ? `${t('line', { row })} ` : ''}${dateTime(ms(ts), this.venue)}  ${words.join('  ')}`;
  }
}

customElements.define('mp-data-defects', Defects);
