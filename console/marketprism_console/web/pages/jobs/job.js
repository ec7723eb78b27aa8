/** One job: how it is defined, when it is due, what runs of it are not done, and what became of the others. */
import { html, nothing, repeat } from '../../vendor/lit.js';
import { ask } from '../../core/api.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { dateTime, duration, ms } from '../../core/time.js';
import { may, who } from '../../core/who.js';
import { expectOffered, offered } from '../../parts/offered.js';
import { empty, failed } from '../../parts/states.js';
import { numeric, table, unseen } from '../../parts/table.js';
import { badge, order, stateOf } from './orders.js';
import { t } from './text.js';

/**
 * @typedef {import('./orders.js').Job & {document: unknown, next: number[], written: {by: string, at: number, reason: string} | null}} Detail
 * @typedef {object} Run
 * @property {number} due
 * @property {import('./orders.js').Status} status
 * @property {string} origin
 * @property {number} asked  number of the request that it is for, 0 of none
 * @property {number} ended_at
 * @property {number} attempts
 * @property {number} ran_s
 * @property {string} reason
 * @property {unknown} output
 * @property {number} runs  that were missed in a row
 * @property {number} last_due
 * @property {string} by
 */

const EVERY_MS = 3000;
const SOME = 50;

class JobDetail extends Part {
  static properties = { name: { attribute: false } };

  constructor() {
    super();
    this.name = '';
    /** Runs that have ended, by what they are known by. @type {Map<string, Run>} */
    this.held = new Map();
    this.olderThan = ''; // where those that are older begin, empty where there are none
    /** @type {Resource<Detail>} */
    this.job = new Resource(async (signal) => {
      await expectOffered('/scheduler/jobs/{job}');
      return (await ask(`/scheduler/jobs/${encodeURIComponent(this.name)}`, {}, { signal })).data;
    });
    this.runs = new Resource((signal) => this.#read(signal, ''));
    this.older = new Resource((signal) => this.#read(signal, this.olderThan));
  }

  begin() {
    this.follow(who);
    this.uses(this.job, this.runs, this.older);
    this.every(EVERY_MS, this.#load);
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (!changed.has('name')) return;
    this.held.clear();
    for (const each of [this.job, this.runs, this.older]) each.forget();
    this.#load();
  }

  #load = () => {
    void this.job.load();
    void this.runs.load();
  };

  /** @param {AbortSignal} signal @param {string} before */
  async #read(signal, before) {
    await expectOffered('/scheduler/runs');
    const { data } = await ask('/scheduler/runs', { job: this.name, limit: SOME, before }, { signal });
    /** @type {[string, Run][]} */
    const found = data.runs.map((/** @type {Run} */ run) => [`${run.due} ${run.asked} ${run.ended_at}`, run]);
    const isApart = !before && !found.some(([key]) => this.held.has(key)); // at first, or when more have ended than are read at once
    if (isApart) this.held.clear();
    if (isApart || before) this.olderThan = data.before;
    for (const [key, run] of found) this.held.set(key, run);
    return true;
  }

  render() {
    return html`${offered(this.job, (job) => this.#job(job), { lines: 8 })}
      ${this.job.data
        ? html`<h2>${t('history')}</h2>
            ${offered(this.runs, () => this.#runs(), { empty: () => (this.held.size ? undefined : empty(t('none_ended'))) })}`
        : nothing}`;
  }

  /** @param {Detail} job */
  #job(job) {
    const { name } = this;
    const toggle = job.paused ? 'resume' : 'pause';
    return html`${may('sys:operate')
        ? html`<div class="tools">
            <button type="button" class="main" @click=${() => order(name, 'run', this.#load)}>${t('run')}</button>
            <button type="button" @click=${() => order(name, toggle, this.#load)}>${t(toggle)}</button>
          </div>`
        : html`<p class="dim">${t('look_only')}</p>`}
      <div class="panel">
        <dl class="facts">
          <dt>${t('state')}</dt><dd>${stateOf(job)}</dd>
          <dt>${t('trigger')}</dt><dd class="code">${job.trigger}</dd>
          ${job.after.length ? html`<dt>${t('after')}</dt><dd class="code">${job.after.join(', ')}</dd>` : nothing}
          <dt>${t('command')}</dt><dd class="code">${job.command}</dd>
          <dt>${t('note')}</dt><dd dir="auto">${job.note || '–'}</dd>
          <dt>${t('next')}</dt><dd>${job.next.length ? job.next.map((due) => html`<div>${dateTime(ms(due))}</div>`) : t('none_next')}</dd>
          <dt>${t('success')}</dt><dd>${job.last_success ? dateTime(ms(job.last_success)) : '–'}</dd>
          <dt>${t('failures')}</dt><dd>${job.failures}</dd>
          <dt>${t('defined')}</dt><dd>${this.#origin(job)}</dd>
        </dl>
        <details><summary>${t('definition')}</summary><pre class="code wrap">${JSON.stringify(job.document, null, 1)}</pre></details>
      </div>
      <h2>${t('open')}</h2>
      ${job.open.length ? this.#open(job.open) : html`<p class="dim">${t('none_open')}</p>`}`;
  }

  /** Who has written of it last, and who has paused it. @param {Detail} job */
  #origin({ origin, written, paused, paused_by, paused_at, paused_for }) {
    const how = t(/** @type {any} */ (`origin_${origin}`));
    const last = paused ? { by: paused_by, at: paused_at, reason: paused_for } : written;
    if (!last) return how;
    const by = t('written_by', { who: last.by, time: dateTime(ms(last.at)) });
    return html`${how} · ${paused ? t('is_paused') : nothing} ${by} <span dir="auto">${last.reason}</span>`;
  }

  /** @param {import('./orders.js').OpenRun[]} rows */
  #open(rows) {
    const mayCancel = may('sys:operate');
    return table(
      { label: t('open'), kind: 'events' },
      [t('due'), t('status'), t('since'), numeric(t('attempts')), t('by'), t('what'), ...(mayCancel ? [unseen(t('actions'))] : [])],
      repeat(rows, ({ due, asked }) => `${due} ${asked}`, ({ due, asked, status, since, attempt, origin, by, reason }) => {
        const shown = dateTime(ms(due));
        return html`<tr>
          <td class="time">${shown}</td>
          <td class="time">${badge(status)}</td>
          <td class="time">${dateTime(ms(since))}</td>
          <td class="number">${attempt}</td>
          <td>${this.#by(origin, by)}</td>
          <td class="what">${reason || '–'}</td>
          ${mayCancel
            ? html`<td>
                <button type="button" aria-label=${t('cancel_of', { time: shown })}
                  @click=${() => order(this.name, 'cancel', this.#load, { due, asked, shown })}>
                  ${t('cancel')}
                </button>
              </td>`
            : nothing}
        </tr>`;
      }),
    );
  }

  /** @param {string} origin @param {string} by */
  #by(origin, by) {
    return html`${t(/** @type {any} */ (`by_${origin}`))}${by ? html` · ${by}` : nothing}`;
  }

  #runs() {
    const rows = [...this.held].sort(([, a], [, b]) => b.ended_at - a.ended_at || b.due - a.due);
    const { error } = this.older.known.value;
    return html`${table(
        { label: t('history'), kind: 'events' },
        [t('status'), t('due'), numeric(t('took')), numeric(t('attempts')), t('by'), t('what')],
        repeat(rows, ([key]) => key, ([, run]) => this.#run(run)),
      )}
      ${error ? failed(error, () => this.older.load()) : nothing}
      ${this.olderThan ? html`<p class="tools"><button type="button" @click=${() => this.older.load()}>${t('older')}</button></p>` : nothing}`;
  }

  /** @param {Run} run */
  #run({ status, due, ran_s: ran, attempts, origin, by, reason, output, runs, last_due: last }) {
    const text = output === null ? '' : JSON.stringify(output);
    return html`<tr>
      <td class="time">${badge(status)}</td>
      <td class="time">${dateTime(ms(due))}</td>
      <td class="number">${attempts ? duration(ran * 1000) : '–'}</td>
      <td class="number">${attempts}</td>
      <td>${this.#by(origin, by)}</td>
      <td class="what">
        ${runs > 1 ? html`<p>${t('several', { count: runs, time: dateTime(ms(last)) })}</p>` : nothing}
        ${reason ? html`<p dir="auto">${reason}</p>` : nothing}
        ${text
          ? html`<details><summary class="code wrap">${text.slice(0, 80)}</summary><pre class="code wrap">${JSON.stringify(output, null, 1)}</pre></details>`
          : nothing}
      </td>
    </tr>`;
  }
}

customElements.define('mp-job', JobDetail);
