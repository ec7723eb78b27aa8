/** What can be asked of a job, and how its states are shown. */
import { html, nothing } from '../../vendor/lit.js';
import { change } from '../../core/api.js';
import { act, reasonIn } from '../../parts/action.js';
import { t } from './text.js';

/** @typedef {'waiting' | 'running' | 'retrying' | 'succeeded' | 'failed' | 'timed_out' | 'skipped' | 'missed' | 'cancelled'} Status */

/**
 * Times are nanoseconds. Those at which runs are due are exact: they are multiples of what a double leaves out.
 * @typedef {object} OpenRun
 * @property {number} due
 * @property {Status} status
 * @property {string} origin
 * @property {number} attempt
 * @property {number} since
 * @property {string} reason
 * @property {string} by
 * @property {number} asked  number of the request that it is for, 0 of none
 */

/**
 * @typedef {object} Job
 * @property {string} job
 * @property {string} trigger
 * @property {string} command
 * @property {string[]} after
 * @property {string} note
 * @property {boolean} enabled
 * @property {boolean} paused
 * @property {string} paused_by
 * @property {number} paused_at
 * @property {string} paused_for
 * @property {string} origin
 * @property {string} refused  why it is not planned
 * @property {number} last_due
 * @property {Status | ''} last_status
 * @property {number} last_success
 * @property {number} failures
 * @property {OpenRun[]} open
 */

/** @type {Record<string, string>} */
const TONES = {
  running: 'good', succeeded: 'good', failed: 'bad', timed_out: 'bad', refused: 'bad', retrying: 'warn', missed: 'warn', cancelled: 'warn', paused: 'warn',
};

/** @param {Status | 'idle' | 'paused' | 'disabled' | 'refused'} status */
export function badge(status) {
  return html`<span class="badge ${TONES[status] ?? 'dim'}">${t(`is_${status}`)}</span> `;
}

/** Where a job stands: why it is not planned, and what its runs do, each once. @param {Job} job */
export function stateOf({ refused, enabled, paused, open }) {
  const kept = refused ? 'refused' : !enabled ? 'disabled' : paused ? 'paused' : open.length ? '' : 'idle';
  return html`${kept ? badge(kept) : nothing}${[...new Set(open.map(({ status }) => status))].map(badge)}
    ${refused ? html`<p class="wrap">${refused}</p>` : nothing}`;
}

/**
 * @param {string} job
 * @param {'run' | 'pause' | 'resume' | 'cancel'} what
 * @param {() => void} then
 * @param {{due: number, asked: number, shown: string}} [run]  that is cancelled
 */
export function order(job, what, then, run) {
  const asksReason = what === 'pause' || what === 'resume';
  act({
    title: t('ask', { do: run ? t('cancel_of', { time: run.shown }) : t(what), job }),
    button: t(what), isGrave: what === 'cancel', asksReason,
    body: html`<p>${t(`${what}_what`)}</p>`, then,
    act: (form) => {
      const body = run ? { due: run.due, asked: run.asked } : asksReason ? { reason: reasonIn(form) } : {};
      return change('POST', `/scheduler/jobs/${encodeURIComponent(job)}/${what}`, body);
    },
  });
}
