/** Jobs of the data service, the newest first. */
import { html, nothing, repeat } from '../../../vendor/lit.js';
import { address, alter, hrefOf } from '../../../core/address.js';
import { ask } from '../../../core/api.js';
import { count } from '../../../core/numbers.js';
import { Part } from '../../../core/part.js';
import { Resource } from '../../../core/resource.js';
import { dateTime, ms } from '../../../core/time.js';
import { expectOffered, offered } from '../../../parts/offered.js';
import { empty } from '../../../parts/states.js';
import { numeric, table } from '../../../parts/table.js';
import { t as common } from '../../../parts/text.js';
import { aimOf, badge, progress, timeLeft } from './shown.js';
import { actionName, stageName, t } from './text.js';

/** @typedef {import('./shown.js').Job} Job */

const EVERY_MS = 2000;
const STEP = 50;
const NUMBERS = /** @type {const} */ (['rows', 'requests', 'left']);
const ACTIONS = ['download', 'check', 'recheck', 'repair', 'import', 'export', 'daily'];
const STAGES = ['planned', 'running', 'waiting_for_venue', 'done', 'failed', 'cancelled'];

class DataJobs extends Part {
  static properties = { only: { attribute: false } };

  constructor() {
    super();
    this.only = ''; // an action, where no other is asked for
    this.wanted = STEP;
    this.asked = '';
    /** @type {Resource<Job[]>} */
    this.jobs = new Resource(async (signal) => {
      await expectOffered('/data/jobs');
      return (await ask('/data/jobs', { ...this.#chosen, limit: this.wanted }, { signal })).data;
    });
  }

  begin() {
    this.uses(this.jobs);
    this.follow(address, () => this.#changed());
    this.every(EVERY_MS, () => void this.jobs.load());
  }

  willUpdate() {
    this.#changed();
  }

  get #chosen() {
    const { action = '', state = '' } = address.value.params;
    return { action: this.only || action, state: this.only ? '' : state };
  }

  #changed() {
    const asked = JSON.stringify(this.#chosen);
    if (asked === this.asked) return;
    this.asked = asked;
    void this.jobs.load({ forget: true });
  }

  render() {
    return html`${this.only
        ? nothing
        : html`<div class="tools">${this.#choice('action', ACTIONS, actionName)} ${this.#choice('state', STAGES, stageName)}</div>`}
      ${offered(this.jobs, (jobs) => this.#rows(jobs), { lines: 6, none: () => empty(t('no_jobs')) })}`;
  }

  /** @param {'action' | 'state'} name @param {string[]} all @param {(name: string) => string} word */
  #choice(name, all, word) {
    return html`<label>${t(name)}
      <select @change=${(/** @type {any} */ event) => alter({ [name]: event.target.value })}>
        <option value="">${t('all')}</option>
        ${all.map((each) => html`<option value=${each} ?selected=${each === this.#chosen[name]}>${word(each)}</option>`)}
      </select></label>`;
  }

  /** @param {Job[]} jobs */
  #rows(jobs) {
    return html`${table(
        { label: t('jobs'), kind: 'data-jobs' },
        [t('job'), t('aim'), t('state'), t('progress'), ...(this.only ? [] : NUMBERS.map((key) => numeric(t(key)))), t('begun'), t('by')],
        repeat(jobs, ({ id }) => id, (job) => this.#row(job)),
      )}
      ${jobs.length >= this.wanted ? html`<p><button type="button" @click=${this.#more}>${common('more')}</button></p>` : nothing}`;
  }

  #more = () => {
    this.wanted += STEP;
    void this.jobs.load();
  };

  /** @param {Job} job */
  #row(job) {
    const [done, all] = job.parts ? [job.parts_done, job.parts] : [job.tasks_done, job.tasks];
    return html`<tr>
      <td><a href=${hrefOf(`/data/jobs/${job.id}`)}>${actionName(job.action)} <span class="code">${job.id.slice(-6)}</span></a></td>
      <td class="wrap aim">${aimOf(job)}${job.error ? html`<p class="bad">${job.error}</p>` : nothing}</td>
      <td>${badge(job.stage)}</td>
      <td class="progress">${progress(done, all, t('progress'))}</td>
      ${this.only
        ? nothing
        : html`<td class="number">${count(job.rows)}</td><td class="number">${count(job.requests)}</td><td class="number">${timeLeft(job)}</td>`}
      <td class="time">${dateTime(ms(job.created_at))}</td>
      <td class="one-line">${job.by || '–'}</td>
    </tr>`;
  }
}

customElements.define('mp-data-jobs', DataJobs);
