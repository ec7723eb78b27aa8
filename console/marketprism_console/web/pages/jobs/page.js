/** Jobs: what is done when, what became of it last; one of them by itself, with its runs. */
import { html, nothing, repeat } from '../../vendor/lit.js';
import { address, alter, hrefOf } from '../../core/address.js';
import { ask } from '../../core/api.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { dateTime, ms, zoneName } from '../../core/time.js';
import { expectOffered, offered } from '../../parts/offered.js';
import { empty } from '../../parts/states.js';
import { numeric, table } from '../../parts/table.js';
import { t as common } from '../../parts/text.js';
import './job.js';
import { badge, stateOf } from './orders.js';
import { t } from './text.js';

/** @typedef {import('./orders.js').Job} Job */

const EVERY_MS = 3000;

class JobsPage extends Part {
  static properties = { rest: { attribute: false } };

  constructor() {
    super();
    this.rest = '';
    /** @type {Resource<Job[]>} */
    this.jobs = new Resource(async (signal) => {
      await expectOffered('/scheduler/jobs');
      return (await ask('/scheduler/jobs', {}, { signal })).data;
    });
  }

  begin() {
    this.uses(this.jobs);
    this.follow(address);
    this.every(EVERY_MS, () => this.rest || void this.jobs.load());
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has('rest') && !this.rest) void this.jobs.load();
  }

  render() {
    return html`<h1 class="wrap">${t('title')}${this.rest ? ` · ${this.rest}` : ''}</h1>
      <p class="dim zone">${common('all_zones', { zone: zoneName() })}</p>
      ${this.rest
        ? html`<p><a href="/jobs">← ${t('all')}</a></p><mp-job .name=${this.rest}></mp-job>`
        : offered(this.jobs, (jobs) => this.#list(jobs), { lines: 8, none: () => empty(t('none')) })}`;
  }

  /** @param {Job[]} jobs */
  #list(jobs) {
    const find = address.value.params.find ?? '';
    const letters = find.trim().toLowerCase();
    const rows = jobs.filter(({ job, trigger, command, note }) => `${job} ${trigger} ${command} ${note}`.toLowerCase().includes(letters));
    return html`<div class="tools">
        <label>${t('find')}
          <input type="search" maxlength="100" .value=${find} @input=${(/** @type {any} */ event) => alter({ find: event.target.value })} /></label>
      </div>
      ${rows.length
        ? table(
            { label: t('title'), kind: 'events' },
            [t('job'), t('trigger'), t('command'), t('state'), t('last'), numeric(t('failures'))],
            repeat(rows, ({ job }) => job, (row) => this.#row(row)),
          )
        : empty(t('none_found'))}`;
  }

  /** @param {Job} row */
  #row(row) {
    return html`<tr>
      <td><a href=${hrefOf(`/jobs/${row.job}`)}>${row.job}</a></td>
      <td class="code">${row.trigger}</td>
      <td><span class="code">${row.command}</span>${row.note ? html`<p class="dim" dir="auto">${row.note}</p>` : nothing}</td>
      <td>${stateOf(row)}</td>
      <td>${row.last_status ? html`${badge(row.last_status)}${dateTime(ms(row.last_due))}` : '–'}</td>
      <td class="number ${row.failures ? 'bad' : ''}">${row.failures}</td>
    </tr>`;
  }
}

customElements.define('mp-jobs-page', JobsPage);
export default 'mp-jobs-page';
