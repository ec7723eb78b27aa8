/** A repair: what it would fetch and cost, and, once it is done, what is better and what has changed. */
import { html, nothing } from '../../../vendor/lit.js';
import { hrefOf } from '../../../core/address.js';
import { ask } from '../../../core/api.js';
import { count, grouped } from '../../../core/numbers.js';
import { Part } from '../../../core/part.js';
import { Resource } from '../../../core/resource.js';
import { dateTime, duration, ms } from '../../../core/time.js';
import { causeName } from '../../../parts/causes_text.js';
import { empty, shown } from '../../../parts/states.js';
import { numeric, table, unseen } from '../../../parts/table.js';
import { isOver, range, seriesName, startAfter, TONES, whyNot, workButton, zoneOf } from './shown.js';
import { t } from './text.js';

/**
 * @typedef {{defects: number, missing: number, score: number, grade: string}} Condition
 * @typedef {{ts: number, field: string, before?: string | null, after?: string | null}} Change
 * @typedef {object} Repaired  one series
 * @property {number} number
 * @property {{venue: string, symbol: string, kind: string, interval: string}} dataset
 * @property {import('./shown.js').Stage} stage
 * @property {{parts: number, ranges: {ts_from: number, ts_to: number, bars: number, witness: string}[], requests: number, seconds: number} | null} plan
 * @property {Condition | null} before
 * @property {Condition | null} after
 * @property {number} revisions
 * @property {number} inserted
 * @property {Change[]} changes  the first of them
 * @property {number} changes_total
 * @property {{ts_from: number, ts_to: number, cause: string}[]} ledger
 * @property {boolean} undone
 * @property {string} error
 */

const REPAIRS = '/data/checks/{id}/repairs';
const CONDITIONS = /** @type {const} */ (['defects', 'missing', 'score', 'grade']);

class DataRepair extends Part {
  static properties = { job: { attribute: false } };

  constructor() {
    super();
    /** @type {import('./shown.js').Job | null} */
    this.job = null;
    this.asked = '';
    /** @type {Resource<Repaired[]>} */
    this.found = new Resource(async (signal) => (await ask(`/data/repairs/${encodeURIComponent(this.job?.id ?? '')}`, {}, { signal })).data.series);
  }

  begin() {
    this.uses(this.found);
  }

  willUpdate() {
    const { job } = this;
    const asked = job ? `${job.id} ${job.stage} ${job.tasks_done}` : '';
    if (asked === this.asked) return;
    this.asked = asked;
    void this.found.load();
  }

  render() {
    return shown(this.found, (all) => this.#all(all), { lines: 6 });
  }

  /** @param {Repaired[]} all */
  #all(all) {
    const { job } = this;
    if (!job) return nothing;
    const isPlan = Boolean(job.request.dry_run);
    const planned = all.filter(({ plan }) => plan?.ranges.length);
    return html`<section aria-label=${t(isPlan ? 'plan' : 'repair')}>
      ${isPlan && isOver(job) ? this.#offer(job, planned) : nothing}
      ${all.map((each) => (each.dataset ? this.#series(each, isPlan) : nothing))}
      <p><a href=${hrefOf(`/data/jobs/${job.request.check}`)}>← ${t('to_check')}</a></p>
    </section>`;
  }

  /** What the whole plan costs, and the button that does it. @param {import('./shown.js').Job} job @param {Repaired[]} planned */
  #offer(job, planned) {
    if (job.stage !== 'done') return nothing;
    if (!planned.length) return empty(t('nothing_to_repair'), html`<p>${t('nothing_to_repair_more')}</p>`);
    const sum = (/** @type {(each: Repaired) => number} */ of) => planned.reduce((all, each) => all + of(each), 0);
    const values = {
      series: count(planned.length), ranges: count(sum(({ plan }) => plan?.ranges.length ?? 0)), requests: count(sum(({ plan }) => plan?.requests ?? 0)),
      bars: count(sum(({ plan }) => plan?.ranges.reduce((total, { bars }) => total + bars, 0) ?? 0)),
      time: duration(sum(({ plan }) => plan?.seconds ?? 0) * 1000),
    };
    const cost = t('plan_cost', values);
    const path = `checks/${encodeURIComponent(job.request.check)}/repairs`;
    const question = { title: t('ask_repair'), button: t('repair_now'), body: html`<p>${cost}</p><p>${t('repair_what')}</p>` };
    return html`<div class="panel"><p><strong>${cost}</strong></p><p class="dim">${t('plan_only')}</p>
      <div class="tools">${workButton(REPAIRS, t('repair_now'), () => startAfter(path, { dry_run: false }, question), { kind: 'main' })}</div>
      ${whyNot(REPAIRS)}</div>`;
  }

  /** @param {Repaired} each @param {boolean} isPlan */
  #series(each, isPlan) {
    const { dataset, plan, error, undone, changes = [], ledger = [] } = each;
    const { venue } = dataset;
    return html`<h3 class="wrap">${seriesName(dataset)}</h3>
      ${error || undone ? html`<div class="failed"><p><strong>${t(undone ? 'undone' : 'refused')}</strong></p><p>${error}</p></div>` : nothing}
      ${isPlan ? nothing : this.#comparison(each)}
      ${plan?.ranges.length
        ? html`<details ?open=${isPlan}>
            <summary>${t('plan_of', { ranges: count(plan.ranges.length), requests: count(plan.requests), time: duration(plan.seconds * 1000) })}</summary>
            ${table(
              { label: `${t('plan')} ${seriesName(dataset)}`, caption: zoneOf(venue), kind: 'fit', size: plan.ranges.length > 12 ? 'tall' : '' },
              [t('range'), numeric(t('bars')), t('witness')],
              plan.ranges.map((one) => html`<tr><td>${range(one, venue)}</td><td class="number">${count(one.bars)}</td><td>${one.witness || '–'}</td></tr>`),
            )}</details>`
        : isPlan && !error ? html`<p class="dim">${t('nothing_planned')}</p>` : nothing}
      ${changes.length
        ? html`${table(
            { label: `${t('changes')} ${seriesName(dataset)}`, caption: this.#shownOf(each), kind: 'fit', size: changes.length > 12 ? 'tall' : '' },
            [t('bar'), t('field'), numeric(t('value_before')), numeric(t('value_after'))],
            changes.map((one) => html`<tr><td class="time">${dateTime(ms(one.ts), venue)}</td><td class="code">${one.field}</td>
              <td class="number">${grouped(one.before)}</td><td class="number">${grouped(one.after)}</td></tr>`),
          )}`
        : nothing}
      ${ledger.length
        ? html`<p>${t('ledger_entries')}</p><ul>${ledger.map((one) => html`<li>${range(one, venue)}: ${causeName(one.cause)}</li>`)}</ul>`
        : nothing}`;
  }

  /** @param {Repaired} each */
  #shownOf({ dataset, changes, changes_total: all }) {
    return t('changes_of', { shown: count(changes.length), all: count(all), zone: zoneOf(dataset.venue) });
  }

  /** Before and after. @param {Repaired} each */
  #comparison({ dataset, before, after, revisions, inserted }) {
    const cell = (/** @type {Condition | null} */ of, /** @type {typeof CONDITIONS[number]} */ name) =>
      html`<td class="number ${of && name === 'grade' ? TONES[of.grade] : ''}">${grouped(of?.[name])}</td>`;
    return html`${table(
        { label: `${t('repair')} ${seriesName(dataset)}`, kind: 'fit' },
        [unseen(t('state')), ...CONDITIONS.map((name) => numeric(t(name)))],
        [html`<tr><th scope="row">${t('before')}</th>${CONDITIONS.map((name) => cell(before, name))}</tr>`,
          html`<tr><th scope="row">${t('after')}</th>${CONDITIONS.map((name) => cell(after, name))}</tr>`],
      )}
      <p>${t('revised', { revisions: count(revisions ?? 0), inserted: count(inserted ?? 0) })}</p>`;
  }
}

customElements.define('mp-data-repair', DataRepair);
