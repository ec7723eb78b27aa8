/** The report of a check of one series, with the verdicts of witnesses where they were asked. */
import { html, nothing } from '../../../vendor/lit.js';
import { ApiError, ask } from '../../../core/api.js';
import { count } from '../../../core/numbers.js';
import { Part } from '../../../core/part.js';
import { Resource } from '../../../core/resource.js';
import { failed, shown } from '../../../parts/states.js';
import './defects.js';
import { reportFiles } from './report_files.js';
import { range, seriesName, start, TONES, toned, whyNot, workButton, zoneOf } from './shown.js';
import { t, verdictName } from './text.js';

/**
 * @typedef {object} Report
 * @property {{kind: string, venue: string, symbol: string, interval: string, ts_from: number, ts_to: number, dense: boolean}} dataset
 * @property {number} expected
 * @property {number} present
 * @property {number} missing
 * @property {number} empty
 * @property {number} unexpected
 * @property {number} duplicate
 * @property {number} score
 * @property {string} grade
 * @property {boolean} clean
 * @property {import('./defects.js').Defect[]} defects
 * @property {import('./defects.js').Defect[]} notices
 * @property {{group: string, ran: boolean, reason: string | null}[]} checks
 * @property {string[]} remarks
 */

/** @typedef {{report: Report, judged: import('./defects.js').Defect[] | undefined, counts: Record<string, number>}} Known */

const SUMS = /** @type {const} */ (['expected', 'present', 'missing', 'empty', 'unexpected', 'duplicate']);

class DataReport extends Part {
  static properties = { check: { attribute: false }, number: { attribute: false }, isOver: { attribute: false } };

  constructor() {
    super();
    this.check = '';
    this.number = 0;
    this.isOver = false;
    /** @type {unknown} */
    this.problem = nothing;
    /** @type {Resource<Known>} */
    this.known = new Resource((signal) => this.#read(signal));
  }

  begin() {
    this.uses(this.known);
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (!changed.size) return;
    void this.known.load({ forget: changed.has('check') || changed.has('number') });
  }

  get #path() {
    return `/data/checks/${encodeURIComponent(this.check)}`;
  }

  /** @param {AbortSignal} signal @returns {Promise<Known>} */
  async #read(signal) {
    const [report, verdicts] = await Promise.all([
      ask(`${this.#path}/reports/${this.number}`, { format: 'json' }, { signal }),
      ask(`${this.#path}/verdicts`, {}, { signal }),
    ]);
    const own = verdicts.data.reports.find((/** @type {{number: number}} */ each) => each.number === this.number);
    return { report: report.data, judged: own?.judged, counts: verdicts.data.counts };
  }

  render() {
    return shown(this.known, (known) => this.#known(known), { lines: 6 });
  }

  /** @param {Known} known */
  #known({ report, judged, counts }) {
    const defects = judged ?? report.defects;
    const { dataset } = report;
    return html`<section aria-label=${t('report')}>
      <div class="tools"><h3 class="wrap">${t('report_of', { series: seriesName(dataset) })}</h3>
        ${reportFiles(`${this.#path}/reports/${this.number}`, `${dataset.symbol}-${dataset.interval || dataset.kind}`, this.#refused)}</div>
      ${this.problem}
      <div class="tiles">
        <div class="tile">${t('score')}<b class=${TONES[report.grade]}>${report.score} · ${report.grade}</b></div>
        ${SUMS.map((name) => (report[name] || name !== 'empty' ? html`<div class="tile">${t(name)}<b>${count(report[name])}</b></div>` : nothing))}
      </div>
      <p class="dim">${range(dataset, dataset.venue)}. ${zoneOf(dataset.venue)}. ${dataset.dense ? nothing : t('sparse')}</p>
      ${report.remarks.map((each) => html`<p class="warn">${each}</p>`)}
      ${judged
        ? html`<p>${t('verdicts')}: ${Object.entries(counts).map(([name, many]) => (many ? toned(name, `${verdictName(name)} ${count(many)}`) : nothing))}</p>`
        : nothing}
      ${defects.length ? this.#actions(Boolean(judged)) : html`<p class="good"><span aria-hidden="true">✓</span> ${t('clean')}</p>`}
      ${defects.length ? this.#defects(defects, t('defects'), dataset.venue) : nothing}
      ${report.notices.length
        ? html`<details><summary>${t('notices')}: ${count(report.notices.length)}</summary>
            ${this.#defects(report.notices, t('notices'), dataset.venue)}</details>`
        : nothing}
      ${this.#checks(report)}
    </section>`;
  }

  /** @param {import('./defects.js').Defect[]} defects @param {string} label @param {string} venue */
  #defects(defects, label, venue) {
    return html`<mp-data-defects .defects=${defects} .venue=${venue} .label=${label}></mp-data-defects>`;
  }

  /** Which checks ran, and why others could not. @param {Report} report */
  #checks({ checks }) {
    const left = checks.filter(({ ran }) => !ran);
    return html`<details>
      <summary>${t('checks_ran', { ran: checks.length - left.length, all: checks.length })}</summary>
      <p>${t('ran')}: ${checks.filter(({ ran }) => ran).map(({ group }) => html`<code>${group}</code> `)}</p>
      <ul>${left.map(({ group, reason }) => html`<li><code>${group}</code>: ${reason}</li>`)}</ul>
    </details>`;
  }

  /** What can be done about defects. @param {boolean} isJudged */
  #actions(isJudged) {
    const why = this.isOver ? '' : t('not_over');
    return html`<div class="tools">
        ${workButton('/data/checks/{id}/recheck', t(isJudged ? 'recheck_again' : 'recheck'), () => void this.#start('recheck', { witnesses: [] }), { why })}
        ${workButton('/data/checks/{id}/repairs', t('plan_repair'), () => void this.#start('repairs', { dry_run: true }), { why, kind: 'main' })}
      </div>
      <p class="dim">${t('recheck_what')}</p>
      ${whyNot('/data/checks/{id}/repairs')}`;
  }

  /** @param {string} what @param {unknown} body */
  async #start(what, body) {
    try {
      await start(`checks/${encodeURIComponent(this.check)}/${what}`, body);
    } catch (error) {
      this.#refused(error);
    }
  }

  /** @param {unknown} error */
  #refused = (error) => {
    this.problem = error instanceof ApiError ? failed(error) : String(error);
    this.requestUpdate();
  };
}

customElements.define('mp-data-report', DataReport);
