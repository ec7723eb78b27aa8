/** One job: what was asked, how far it is, its series, and what came of it. */
import { html, nothing, repeat } from '../../../vendor/lit.js';
import { address, alter, hrefOf } from '../../../core/address.js';
import { ask, change } from '../../../core/api.js';
import { count } from '../../../core/numbers.js';
import { Part } from '../../../core/part.js';
import { Resource } from '../../../core/resource.js';
import { dateTime, duration, ms } from '../../../core/time.js';
import { who } from '../../../core/who.js';
import { act } from '../../../parts/action.js';
import { expectOffered, offered } from '../../../parts/offered.js';
import { numeric, table } from '../../../parts/table.js';
import './imported.js';
import './repair.js';
import './report.js';
import { aimOf, badge, isOver, progress, range, seriesName, timeLeft, whyNot, workButton, zoneOf } from './shown.js';
import { actionName, t } from './text.js';

/** @typedef {import('./shown.js').Job} Job */
/** @typedef {import('./shown.js').Task} Task */

const ONE = '/data/jobs/{id}';
const EVERY_MS = 1500;
const CHECKED = /** @type {const} */ (['score', 'missing', 'defects', 'notices']);
const FETCHED = /** @type {const} */ (['rows', 'requests']);
const MOST = 200; // series that are shown at once

class DataJob extends Part {
  static properties = { name: { attribute: false } };

  constructor() {
    super();
    this.name = '';
    /** @type {Resource<Job>} */
    this.job = new Resource(async (signal) => {
      await expectOffered(ONE);
      return (await ask(`/data/jobs/${encodeURIComponent(this.name)}`, {}, { signal })).data;
    });
  }

  begin() {
    this.uses(this.job);
    this.follow(who);
    this.follow(address);
    this.every(EVERY_MS, () => {
      const { data } = this.job;
      if (!data || !isOver(data)) void this.job.load();
    });
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has('name')) void this.job.load({ forget: true });
  }

  render() {
    return offered(this.job, (job) => this.#job(job), { lines: 8 });
  }

  /** @param {Job} job */
  #job(job) {
    const isEnded = isOver(job);
    const waits = job.series.reduce((sum, each) => sum + each.waits_s, 0);
    return html`<div class="panel data-job">
        <div class="tools">
          <h2 class="wrap">${actionName(job.action)} <small class="dim code">${job.id}</small></h2> ${badge(job.stage)}
          ${isEnded ? nothing : html`<span class="apart">${workButton(ONE, t('cancel'), () => this.#cancel(job), { kind: 'grave', method: 'DELETE' })}</span>`}
        </div>
        ${job.error ? html`<div class="failed" role="alert"><p>${job.error}</p></div>` : nothing}
        ${job.remarks.map((each) => html`<p class="warn">${each}</p>`)}
        ${isEnded ? nothing : progress(job.parts ? job.parts_done : job.tasks_done, job.parts || job.tasks, t('progress'))}
        <dl class="facts">
          <dt>${t('aim')}</dt><dd>${aimOf(job)}</dd>
          <dt>${t('series')}</dt><dd>${t('done_of', { done: count(job.tasks_done), all: count(job.tasks), failed: count(job.tasks_failed) })}</dd>
          ${job.rows ? html`<dt>${t('rows')}</dt><dd>${count(job.rows)}</dd>` : nothing}
          ${job.requests ? html`<dt>${t('requests')}</dt><dd>${count(job.requests)}</dd>` : nothing}
          ${waits ? html`<dt>${t('waits')}</dt><dd>${duration(waits * 1000)}</dd>` : nothing}
          ${isEnded ? nothing : html`<dt>${t('left')}</dt><dd>${timeLeft(job)}</dd>`}
          <dt>${t('begun')}</dt><dd>${dateTime(ms(job.created_at))}${job.by ? ` · ${job.by}` : ''}</dd>
          ${isEnded ? html`<dt>${t('took')}</dt><dd>${duration(ms(job.ended_at) - ms(job.begun_at || job.created_at))}</dd>` : nothing}
        </dl>
        ${isEnded ? nothing : whyNot(ONE, 'DELETE')}
      </div>
      ${job.series.length ? this.#series(job) : nothing} ${this.#outcome(job)}`;
  }

  /** @param {Job} job */
  #series(job) {
    const isCheck = job.action === 'check' || job.action === 'recheck';
    const chosen = this.#number(job);
    const heads = (isCheck ? CHECKED : FETCHED).map((key) => numeric(t(key)));
    return html`<h3>${t('series')}</h3>
      ${table(
        { label: t('series'), caption: zoneOf(job.series[0].venue), kind: 'data-jobs', size: job.series.length > 12 ? 'tall' : '' },
        [t('one_series'), t('state'), t('range'), t('progress'), ...heads],
        repeat(job.series.slice(0, MOST), ({ number }) => number, (each) => html`<tr aria-selected=${isCheck && each.number === chosen}>
          <td>${isCheck && each.stage === 'done'
            ? html`<button type="button" class="plain narrow" @click=${() => alter({ n: each.number })}>${seriesName(each)}</button>`
            : seriesName(each)}${each.error ? html`<p class="bad wrap">${each.error}</p>` : nothing}</td>
          <td>${badge(each.stage)}</td>
          <td>${range(each, each.venue)}</td>
          <td class="progress">${progress(each.parts_done, each.parts, t('progress'))}</td>
          ${isCheck ? this.#found(each) : html`<td class="number">${count(each.rows)}</td><td class="number">${count(each.requests)}</td>`}
        </tr>`),
      )}
      ${job.series.length > MOST ? html`<p class="dim">${t('first_of', { count: MOST, all: count(job.series.length) })}</p>` : nothing}`;
  }

  /** What a check found of a series. @param {Task} task */
  #found({ result: { score, grade, missing, defects, notices } }) {
    const number = (/** @type {number | undefined} */ value) => (value === undefined ? '–' : count(value));
    return html`<td class="number">${score === undefined ? '–' : `${score} ${grade}`}</td><td class="number">${number(missing)}</td>
      <td class="number ${defects ? 'bad' : ''}">${number(defects)}</td><td class="number">${number(notices)}</td>`;
  }

  /** The series whose report is shown: the chosen one, or the first in which something is wrong. @param {Job} job */
  #number({ series }) {
    const { n } = address.value.params;
    const done = series.filter(({ stage }) => stage === 'done');
    return n === undefined ? (done.find(({ result }) => result.defects) ?? done[0])?.number : Number(n);
  }

  /** @param {Job} job */
  #outcome(job) {
    const number = this.#number(job);
    switch (job.action) {
      case 'check':
      case 'recheck':
        return number === undefined
          ? nothing
          : html`<mp-data-report .check=${job.action === 'check' ? job.id : job.request.check} .number=${number} .isOver=${isOver(job)}></mp-data-report>`;
      case 'repair': return html`<mp-data-repair .job=${job}></mp-data-repair>`;
      case 'import': return html`<mp-data-imported .job=${job}></mp-data-imported>`;
      case 'daily': return html`<p><a href=${hrefOf('/data/jobs')}>${t('jobs')}</a></p>`;
      default: return nothing;
    }
  }

  /** @param {Job} job */
  #cancel(job) {
    act({
      title: t('ask_cancel', { action: actionName(job.action) }), button: t('cancel'), isGrave: true, body: html`<p>${t('cancel_what')}</p>`,
      act: () => change('DELETE', `/data/jobs/${encodeURIComponent(job.id)}`),
      then: () => void this.job.load(),
    });
  }
}

customElements.define('mp-data-job', DataJob);
