/** The audit log: who did what to what, from where, and what became of it. */
import { html, nothing, repeat } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { ask } from '../../core/api.js';
import { count } from '../../core/numbers.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { dateTime, ms } from '../../core/time.js';
import { narrow } from '../../parts/filters.js';
import { empty, failed, shown } from '../../parts/states.js';
import { table } from '../../parts/table.js';
import { t } from './text.js';

/**
 * @typedef {object} AuditRow
 * @property {number} seq
 * @property {number} ts
 * @property {string} who
 * @property {string} action
 * @property {string} target
 * @property {string} outcome
 * @property {string} credential
 * @property {string} address
 * @property {Record<string, unknown>} before
 * @property {Record<string, unknown>} after
 * @property {string} request_id
 */

const SOME = 300;
const EVERY_MS = 5000;
const FILTERS = /** @type {const} */ (['who', 'action', 'target', 'outcome']);
const COLUMNS = /** @type {const} */ (['time', 'who', 'action', 'target', 'outcome', 'from', 'what']);

class Audit extends Part {
  constructor() {
    super();
    /** @type {number | null} how far back it has been read */
    this.reached = null;
    /** @type {Map<number, AuditRow>} */
    this.held = new Map();
    this.hasMore = false;
    this.records = new Resource((signal) => this.#read(signal, null));
    this.older = new Resource((signal) => this.#read(signal, this.reached));
  }

  begin() {
    this.follow(address);
    this.uses(this.records, this.older);
    this.every(EVERY_MS, () => this.records.known.value.error?.status === 403 || this.records.load());
    void this.records.load();
  }

  /** @param {AbortSignal} signal @param {number | null} before */
  async #read(signal, before) {
    const { data } = await ask('/admin/audit', { limit: SOME, before }, { signal });
    for (const row of data) this.held.set(row.seq, row);
    if (before !== null || this.reached === null) {
      this.reached = data.length ? data[data.length - 1].seq : this.reached;
      this.hasMore = data.length === SOME;
    }
    return true;
  }

  render() {
    const { params } = address.value;
    const all = [...this.held.values()].sort((a, b) => b.seq - a.seq);
    const rows = all.filter((row) => FILTERS.every((key) => !params[key] || row[key] === params[key]));
    const { error } = this.older.known.value;
    return html`<mp-filters .fields=${FILTERS.map((key) => ({ key, label: t(key), values: valuesOf(all, key) }))}></mp-filters>
      ${shown(this.records, () => this.#table(rows, all.length), {
        lines: 10,
        empty: () => (all.length ? undefined : empty(t('no_audit'), html`<p>${t('no_audit_more')}</p>`)),
      })}
      ${error ? failed(error, () => this.older.load()) : nothing}`;
  }

  /** @param {AuditRow[]} rows @param {number} all */
  #table(rows, all) {
    const none = empty(t('none_fit', { count: count(all) }), html`<p>
      <button type="button" @click=${() => alter(Object.fromEntries(FILTERS.map((key) => [key, null])))}>${t('show_all')}</button></p>`);
    return html`${rows.length
        ? table({ label: t('audit'), kind: 'events' }, COLUMNS.map((key) => t(key)), repeat(rows, ({ seq }) => seq, (row) => this.#row(row)))
        : none}
      <div class="tools">
        <span class="dim">${t('among', { count: count(rows.length), all: count(all) })}</span>
        ${this.hasMore ? html`<button type="button" @click=${() => this.older.load()}>${t('older')}</button>` : nothing}
      </div>`;
  }

  /** @param {AuditRow} row */
  #row(row) {
    const isBad = /refused|failed|denied/.test(row.outcome);
    const fields = Object.fromEntries(Object.entries({ before: row.before, after: row.after }).filter(([, each]) => Object.keys(each).length));
    return html`<tr>
      <td class="time">${dateTime(ms(row.ts))}</td>
      <td>${narrow('who', row.who, t('who'))}</td>
      <td>${narrow('action', row.action, t('action'))}</td>
      <td class="wrap">${row.target ? narrow('target', row.target, t('target')) : '–'}</td>
      <td>${isBad ? html`<span class="bad" aria-hidden="true">✕</span>` : nothing}${narrow('outcome', row.outcome, t('outcome'))}</td>
      <td>${row.address || '–'}</td>
      <td class="what">
        <details>
          <summary class="wrap">${String(row.after.reason ?? '')} <span class="dim">${t('request', { id: row.request_id || '–' })}</span></summary>
          <pre class="code wrap">${row.credential ? `${t('credential')}: ${row.credential}\n` : ''}${JSON.stringify(fields, null, 1)}</pre>
        </details>
      </td>
    </tr>`;
  }
}

/** @param {AuditRow[]} rows @param {'who' | 'action' | 'target' | 'outcome'} key */
function valuesOf(rows, key) {
  return [...new Set(rows.map((row) => row[key]).filter(Boolean))].sort().slice(0, SOME).map((value) => ({ value }));
}

customElements.define('mp-audit', Audit);
