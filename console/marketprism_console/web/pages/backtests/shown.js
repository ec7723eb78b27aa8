/** Runs, sweeps and walk-forwards as they are answered, and what all parts of the page show alike of them. */
import { html, nothing } from '../../vendor/lit.js';
import { hrefOf } from '../../core/address.js';
import { count, grouped } from '../../core/numbers.js';
import { dateTime, duration, ms } from '../../core/time.js';
import { statName } from './stats_text.js';
import { kindName, stateName, t } from './text.js';

/**
 * A record of the service. Times are nanoseconds, 0 for never; money is decimal texts.
 * @typedef {object} Shown
 * @property {string} run_id
 * @property {'run' | 'sweep' | 'walk_forward'} kind
 * @property {'queued' | 'running' | 'done' | 'failed' | 'cancelled'} state
 * @property {string} user
 * @property {string} strategy
 * @property {Record<string, any>} params
 * @property {string[]} instruments
 * @property {string} venue
 * @property {string} interval
 * @property {number | null} ts_from
 * @property {number | null} ts_to
 * @property {Record<string, any>} settings
 * @property {number} as_of
 * @property {number} created_at
 * @property {number} started_at
 * @property {number} ended_at
 * @property {string} digest
 * @property {string} follow_of
 * @property {boolean} cached
 * @property {number} runs
 * @property {number} failed
 * @property {number} rows
 * @property {number} cpu_s
 * @property {string} code
 * @property {string} error
 * @property {{done: number, runs: number, share: number, eta_s: number | null, now: number, equity: string}} progress
 * @property {Record<string, any> | null} sweep
 * @property {Record<string, any>} summary
 */

const TONES = /** @type {Record<string, string>} */ ({ running: 'good', done: 'good', failed: 'bad', cancelled: 'warn', stopped: 'warn' });
/** Statistics that are shares of one. */
const SHARES = /return|volatility|^max_drawdown(_intraday)?$|^c?var_|win_rate|^(best|worst)_day$|_share$|exposure/;

/** @param {{state: string}} of */
export function isOver({ state }) {
  return state === 'done' || state === 'failed' || state === 'cancelled';
}

/** @param {string} state */
export function badge(state) {
  return html`<span class="badge ${TONES[state] ?? 'dim'}">${stateName(state)}</span>`;
}

/** Values by their names in one line. @param {Record<string, unknown> | null | undefined} values */
export function inWords(values) {
  return Object.entries(values ?? {}).map(([name, value]) => `${name} ${inWord(value)}`).join(' · ') || '–';
}

/** A value; of a sweep several, or from, to and step. @param {any} value */
export function inWord(value) {
  if (Array.isArray(value)) return value.join(', ');
  if (typeof value !== 'object' || value === null) return String(value);
  return 'step' in value ? `${value.from}:${value.to}:${value.step}` : JSON.stringify(value);
}

/** A strategy's name, which may break where its class begins. @param {string} name */
export function strategyName(name) {
  const at = name.indexOf(':') + 1;
  return html`${name.slice(0, at)}<wbr>${name.slice(at)}`;
}

/** Money without the zeros that only say how it is stored. @param {unknown} value */
export function money(value) {
  const text = typeof value === 'number' ? value.toFixed(2) : String(value ?? '');
  return grouped(text.includes('.') ? text.replace(/\.?0+$/, '') : text);
}

/** The sign of a value as a class; what is neither has none. @param {unknown} value */
export function way(value) {
  const number = Number(value);
  return number > 0 ? 'up' : number < 0 ? 'down' : '';
}

/** A statistic as a person reads it: shares in percent, the rest with six digits. @param {string} name @param {unknown} value */
export function figure(name, value) {
  if (typeof value !== 'number') return value === null || value === undefined || value === '' ? '–' : money(value);
  if (SHARES.test(name)) return value && Math.abs(value) < 0.0005 ? `${Number((value * 100).toPrecision(2))}%` : `${(value * 100).toFixed(2)}%`;
  return Math.abs(value) >= 1e6 ? count(value) : String(Number(value.toPrecision(6)));
}

/** A statistic's name; of another year than the usual one with its days. @param {string} name */
export function statTitle(name) {
  const [, base = name, more = ''] = /^(.+)_(240|242|252|365|normal)$/.exec(name) ?? [];
  return more ? `${statName(base)} (${more})` : statName(name);
}

/** The range of a record; an end that was not given is what is stored. @param {Shown} record */
export function rangeOf({ ts_from: from, ts_to: to, venue }) {
  if (from === null && to === null) return t('everything');
  return `${from === null ? '…' : dateTime(ms(from), venue)} – ${to === null ? '…' : dateTime(ms(to), venue)}`;
}

/** How far something is. @param {Shown} record */
export function progress({ progress: { share, done, runs, eta_s: left }, state }) {
  const parts = [`${(share * 100).toFixed(0)}%`, runs > 1 && `${count(done)} / ${count(runs)}`, left !== null && t('left', { time: duration(left * 1000) })];
  return html`<progress max="1" value=${share} aria-label=${t('progress')}></progress>
    <small>${state === 'queued' ? stateName(state) : parts.filter(Boolean).join(' · ')}</small>`;
}

/** A link to a record, by its kind and name. @param {{run_id: string, kind?: string}} of */
export function linkTo({ run_id: id, kind }) {
  return html`<a class="code" href=${hrefOf(`/backtests/${id}`)}>${kind && kind !== 'run' ? `${kindName(kind)} ` : nothing}${id}</a>`;
}
