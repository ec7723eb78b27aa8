/** What other rules would have decided of the last minutes, beside those in force. */
import { html, nothing } from '../../vendor/lit.js';
import { Part } from '../../core/part.js';
import { count } from '../../core/numbers.js';
import { dateTime, ms, zoneName } from '../../core/time.js';
import { t as tStates } from '../../parts/text.js';
import { t } from './text.js';

/**
 * @typedef {Record<string, number>} Counts
 * @typedef {object} Decided
 * @property {number} accepted
 * @property {number} valid
 * @property {number} warned
 * @property {number} stale
 * @property {number} rejected
 * @property {Counts} rejected_by_reason
 * @property {Counts} warned_by_reason
 * @property {Counts} anomalies
 * @property {Counts} gaps
 * @property {number} degraded
 * @property {number | null} mean_score
 * @typedef {{verdict: string, reasons: string[], score: number}} Verdict
 * @typedef {object} Trial
 * @property {number} minutes
 * @property {number} minutes_asked
 * @property {boolean} is_cut
 * @property {boolean} is_as_decided
 * @property {number} ticks
 * @property {number} differing
 * @property {number} [instruments]
 * @property {number | null} [ts_from]
 * @property {number | null} [ts_to]
 * @property {Decided} now
 * @property {Decided} new
 * @property {{venue: string, symbol: string, ticks: number, differing: number, now: Counts, new: Counts}[]} by_instrument
 * @property {{tick: Record<string, any>, now: Verdict, new: Verdict}[]} examples
 */

const TOTALS = /** @type {const} */ (['accepted', 'valid', 'warned', 'stale', 'rejected', 'degraded']);
const PARTS = /** @type {const} */ (['rejected_by_reason', 'warned_by_reason', 'anomalies', 'gaps']);
const VERDICTS = /** @type {const} */ (['valid', 'warned', 'stale', 'rejected']);
const TONES = { valid: 'good', warned: 'warn', stale: 'warn', rejected: 'bad' };

/** @param {string} verdict */
function inWords(verdict) {
  const known = VERDICTS.find((each) => each === verdict);
  return known ? html`<span class=${TONES[known]}>${t(known)}</span>` : verdict;
}

/** @param {number} now @param {number} other */
function difference(now, other) {
  const by = other - now;
  return by ? `${by > 0 ? '+' : '−'}${count(Math.abs(by))}` : '0';
}

class TrialView extends Part {
  static properties = { trial: { attribute: false } };

  constructor() {
    super();
    /** @type {Trial | null} */
    this.trial = null;
  }

  render() {
    const { trial } = this;
    if (!trial) return nothing;
    if (!trial.ticks) return html`<p class="empty">${t('no_ticks', { minutes: trial.minutes_asked })}</p>`;
    return html`<p role="status">${t('trial_is', { ticks: count(trial.ticks), differing: count(trial.differing) })}
        <span class="dim">${dateTime(ms(trial.ts_from))} – ${dateTime(ms(trial.ts_to))} ${zoneName()}</span></p>
      ${trial.is_cut ? html`<p class="warn">▲ ${t('is_cut', { minutes: trial.minutes, asked: trial.minutes_asked })}</p>` : nothing}
      ${trial.is_as_decided ? nothing : html`<p class="warn">▲ ${t('not_as_decided')}</p>`}
      <div class="both">
        ${this.#table(t('totals'), [...TOTALS.map((name) => /** @type {const} */ ([t(name), trial.now[name], trial.new[name]]))])}
        ${PARTS.map((name) => this.#reasons(t(name), trial.now[name], trial.new[name]))}
      </div>
      ${trial.now.mean_score === null
        ? nothing
        : html`<p>${t('mean_score', { now: trial.now.mean_score, other: trial.new.mean_score ?? '–' })}</p>`}
      ${this.#instruments(trial)} ${this.#examples(trial)}`;
  }

  /** @param {string} title @param {Counts} now @param {Counts} other */
  #reasons(title, now, other) {
    const names = [...new Set([...Object.keys(now), ...Object.keys(other)])];
    const rows = names.map((name) => /** @type {const} */ ([name, now[name] ?? 0, other[name] ?? 0]));
    rows.sort((a, b) => Math.abs(b[2] - b[1]) - Math.abs(a[2] - a[1]) || b[1] - a[1]);
    return names.length ? this.#table(title, rows) : nothing;
  }

  /** @param {string} title @param {(readonly [string, number, number])[]} rows */
  #table(title, rows) {
    return html`<table>
      <caption>${title}</caption>
      <thead><tr>
        <th scope="col"><span class="unseen">${title}</span></th>
        ${/** @type {const} */ (['in_force', 'new', 'difference']).map((name) => html`<th scope="col" class="number">${t(name)}</th>`)}
      </tr></thead>
      <tbody>
        ${rows.map(
          ([name, now, other]) => html`<tr>
            <th scope="row" class="wrap">${name}</th><td class="number">${count(now)}</td><td class="number">${count(other)}</td>
            <td class="number">${now === other ? '0' : html`<strong>${difference(now, other)}</strong>`}</td>
          </tr>`,
        )}
      </tbody>
    </table>`;
  }

  /** @param {Trial} trial */
  #instruments(trial) {
    const rows = trial.by_instrument;
    return html`<h3>${t('by_instrument')}</h3>
      <div class="scroll" tabindex="0" role="region" aria-label=${t('by_instrument')}>
        <table>
          <caption class=${trial.instruments && trial.instruments > rows.length ? '' : 'unseen'}>
            ${t('by_instrument')}: ${tStates('first_rows', { count: rows.length })}
          </caption>
          <thead><tr>
            <th scope="col">${t('instrument')}</th><th scope="col" class="number">${t('ticks')}</th><th scope="col" class="number">${t('differing')}</th>
            ${VERDICTS.map((name) => html`<th scope="col" class="number">${t(name)}</th>`)}
          </tr></thead>
          <tbody>
            ${rows.map(
              (row) => html`<tr>
                <th scope="row"><a href="/market/${encodeURIComponent(`${row.venue}.${row.symbol}`)}">${row.venue}.${row.symbol}</a></th>
                <td class="number">${count(row.ticks)}</td><td class="number">${count(row.differing)}</td>
                ${VERDICTS.map((name) => html`<td class="number">${this.#change(row.now[name] ?? 0, row.new[name] ?? 0)}</td>`)}
              </tr>`,
            )}
          </tbody>
        </table>
      </div>`;
  }

  /** @param {number} now @param {number} other */
  #change(now, other) {
    return now === other ? count(now) : html`${count(now)} → <strong>${count(other)}</strong>`;
  }

  /** @param {Trial} trial */
  #examples(trial) {
    if (!trial.examples.length) return nothing;
    return html`<h3>${t('examples')}</h3>
      ${trial.examples.map(
        ({ tick, now, new: other }) => html`<details class="example">
          <summary>
            <span>${tick.venue}.${tick.symbol} ${dateTime(ms(tick.ts_event), tick.venue, 3)} ${zoneName(tick.venue)}</span>
            <span>${inWords(now.verdict)} → <strong>${inWords(other.verdict)}</strong></span>
            <span class="dim wrap">${(other.reasons.length ? other.reasons : now.reasons).join(', ')}</span>
          </summary>
          <dl class="facts">
            ${Object.entries(tick).map(([name, value]) => html`<dt>${name}</dt><dd class="code">${this.#field(name, value, tick.venue)}</dd>`)}
          </dl>
        </details>`,
      )}`;
  }

  /** @param {string} name @param {unknown} value @param {string} venue */
  #field(name, value, venue) {
    if (name.startsWith('ts_') && !value) return '–';
    if (name.startsWith('ts_') && typeof value === 'number') return `${dateTime(ms(value), venue, 3)} ${zoneName(venue)}`;
    return typeof value === 'object' ? JSON.stringify(value) : String(value);
  }
}

customElements.define('mp-rules-trial', TrialView);
