/** Jobs of the data service, as they are answered, and what all parts of the page show alike of them. */
import { html, nothing } from '../../../vendor/lit.js';
import { change } from '../../../core/api.js';
import { go } from '../../../core/address.js';
import { count } from '../../../core/numbers.js';
import { dateTime, duration, ms, zoneName } from '../../../core/time.js';
import { scopeOf } from '../../../core/routes.js';
import { may } from '../../../core/who.js';
import { act } from '../../../parts/action.js';
import { t as common } from '../../../parts/text.js';
import { stageName, t } from './text.js';

/** @typedef {'planned' | 'running' | 'waiting_for_venue' | 'done' | 'failed' | 'cancelled'} Stage */

/**
 * One series of a job. Times are nanoseconds.
 * @typedef {object} Task
 * @property {number} number
 * @property {string} kind
 * @property {string} venue
 * @property {string} symbol
 * @property {string} interval
 * @property {number} ts_from
 * @property {number} ts_to
 * @property {Stage} stage
 * @property {string} error
 * @property {number} parts
 * @property {number} parts_done
 * @property {number} rows
 * @property {number} requests
 * @property {number} waits_s
 * @property {Record<string, any>} result
 */

/**
 * @typedef {object} Job
 * @property {string} id
 * @property {string} action
 * @property {Stage} stage
 * @property {string} by
 * @property {number} created_at
 * @property {number} begun_at
 * @property {number} ended_at
 * @property {number} tasks
 * @property {number} tasks_done
 * @property {number} tasks_failed
 * @property {number} parts
 * @property {number} parts_done
 * @property {number} rows
 * @property {number} requests
 * @property {number | null} eta_s
 * @property {string} error
 * @property {string[]} remarks
 * @property {Record<string, any>} request
 * @property {Task[]} series
 */

/** Colours of stages, severities, verdicts and grades. @type {Record<string, string>} */
export const TONES = {
  running: 'good', done: 'good', waiting_for_venue: 'warn', failed: 'bad', cancelled: 'warn', error: 'bad', warning: 'warn',
  ours: 'warn', both: 'bad', vanished: 'good', A: 'good', B: 'warn', C: 'warn', D: 'bad', F: 'bad',
};

/** @param {{stage: Stage}} of */
export function isOver({ stage }) {
  return stage === 'done' || stage === 'failed' || stage === 'cancelled';
}

/** @param {Stage} stage */
export function badge(stage) {
  return toned(stage, stageName(stage));
}

/** @param {string} what @param {unknown} text */
export function toned(what, text) {
  return html`<span class="badge ${TONES[what] ?? 'dim'}">${text}</span> `;
}

/** What is asked of a job, in one line. @param {Job} job */
export function aimOf({ request }) {
  const { symbols = [], pattern, venue, kind, interval, path, check, day } = request;
  const names = symbols.length > 3 ? `${symbols.slice(0, 3).join(', ')} … ${symbols.length}` : symbols.join(', ');
  return [venue, names || pattern, kind, interval, path, check, day].filter(Boolean).join(' ') || '–';
}

/** What a series is called. @param {{venue: string, symbol: string, kind: string, interval: string}} of */
export function seriesName({ venue, symbol, kind, interval }) {
  return [`${venue}.${symbol}`, kind, interval].filter(Boolean).join(' ');
}

/** How far something is. @param {number} done @param {number} all @param {string} label */
export function progress(done, all, label) {
  if (!all) return html`<span class="dim">–</span>`;
  return html`<progress max=${all} value=${Math.min(done, all)} aria-label=${label}></progress> <small>${count(done)} / ${count(all)}</small>`;
}

/** What is left of a job, where somebody knows. @param {Job} job */
export function timeLeft({ stage, eta_s: left }) {
  return left === null || isOver({ stage }) ? '–' : duration(left * 1000);
}

/** A range of time, whose ends do not break. @param {{ts_from: number, ts_to: number}} of @param {string} venue */
export function range({ ts_from: from, ts_to: to }, venue) {
  return html`<span class="one-line">${dateTime(ms(from), venue)} –</span> <span class="one-line">${dateTime(ms(to), venue)}</span>`;
}

/** Beside times of a venue: their zone. @param {string} venue */
export function zoneOf(venue) {
  return t('times_in', { zone: zoneName(venue) });
}

/** Why somebody cannot make a request, empty where they can. @param {string} path  as the gateway writes it @param {string} [method] */
export function reasonAgainst(path, method = 'POST') {
  const scope = scopeOf(path, method);
  if (scope === undefined) return common('not_offered');
  return scope && !may(scope) ? t('needs', { scope }) : '';
}

/**
 * A button of a request that only some may make; for the others it is there, and says why it does nothing.
 * @param {string} path  of the request @param {string} text @param {() => void} work
 * @param {{kind?: string, why?: string, method?: string}} [more]  `why` nobody may now
 */
export function workButton(path, text, work, { kind = '', why = '', method } = {}) {
  const reason = reasonAgainst(path, method) || why;
  return html`<button type="button" class=${kind} ?disabled=${Boolean(reason)} title=${reason || nothing} @click=${work}>${text}</button>`;
}

/** The same in words, below buttons. @param {string} path @param {string} [method] */
export function whyNot(path, method) {
  const reason = reasonAgainst(path, method);
  return reason ? html`<p class="dim">${reason}</p>` : nothing;
}

/**
 * Ask for a job and go to it, after a question.
 * @param {string} path  below `/data` @param {unknown} body @param {{title: string, body: unknown, button: string}} question
 */
export function startAfter(path, body, question) {
  act({ ...question, act: () => start(path, body) });
}

/** Ask for a job and go to it. @param {string} path  below `/data` @param {unknown} body @throws {import('../../../core/api.js').ApiError} */
export async function start(path, body) {
  const answer = await change('POST', `/data/${path}`, body);
  go(`/data/jobs/${answer.data.id}`);
  return answer;
}
