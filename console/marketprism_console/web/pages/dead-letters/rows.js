/** Rows that no table took. */
import { html, nothing, repeat } from '../../vendor/lit.js';
import { ask } from '../../core/api.js';
import { bytes, count } from '../../core/numbers.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { may } from '../../core/who.js';
import { act } from '../../parts/action.js';
import { empty, shown } from '../../parts/states.js';
import { table, unseen } from '../../parts/table.js';
import { requeueing } from './acting.js';
import { t } from './text.js';

/** @typedef {{key: string, stream: string, seq: number, kind: string, subject: string, reason: string, bytes: number, payload: string}} Row */

const SOME = 200;
const EVERY_MS = 5000;

class DeadRows extends Part {
  constructor() {
    super();
    this.limit = SOME;
    /** @type {Set<string>} */
    this.chosen = new Set();
    this.rows = new Resource(async (signal) => /** @type {Row[]} */ ((await ask('/dead-letters/rows', { limit: this.limit }, { signal })).data));
  }

  begin() {
    this.uses(this.rows);
    this.every(EVERY_MS, () => document.querySelector('dialog[open]') || this.rows.load());
    void this.rows.load();
  }

  render() {
    return shown(this.rows, (rows) => this.#table(rows), {
      lines: 8,
      none: () => empty(t('nothing'), html`<p>${t('nothing_rows')}</p>`),
    });
  }

  /** @param {Row[]} rows */
  #table(rows) {
    const chosen = rows.filter(({ key }) => this.chosen.has(key)).map(({ key, kind }) => ({ key, title: `${key} ${kind}` }));
    const open = () => act(requeueing(chosen, () => void this.rows.load()));
    return html`${may('sys:operate')
        ? html`<div class="tools">
            <button type="button" ?disabled=${!chosen.length} @click=${open}>${t('requeue')}</button>
            <span class="dim" role="status">${t('chosen', { count: chosen.length })}</span>
          </div>`
        : html`<p class="dim">${t('look_only')}</p>`}
      ${table(
        { label: t('rows'), kind: 'events' },
        [...(may('sys:operate') ? [unseen(t('choose_all'))] : []), t('key'), t('kind'), t('reason'), t('size')],
        repeat(rows, ({ key }) => key, (row) => this.#row(row)),
      )}
      <div class="tools">
        <span class="dim">${t('shown', { count: count(rows.length) })}</span>
        ${rows.length === this.limit && this.limit < 1000 ? html`<button type="button" @click=${this.#more}>${t('older')}</button>` : nothing}
      </div>`;
  }

  /** @param {Row} row */
  #row(row) {
    return html`<tr>
      ${may('sys:operate')
        ? html`<td>
            <input type="checkbox" aria-label=${t('choose', { what: row.key })} .checked=${this.chosen.has(row.key)} @change=${() => this.#choose(row.key)} />
          </td>`
        : nothing}
      <td class="code">${row.key}</td>
      <td>${row.kind || '–'}</td>
      <td class="what"><details><summary class="wrap">${row.reason}</summary><pre class="code wrap">${row.subject}\n${row.payload}</pre></details></td>
      <td class="number">${bytes(row.bytes)}</td>
    </tr>`;
  }

  /** @param {string} key */
  #choose(key) {
    if (!this.chosen.delete(key)) this.chosen.add(key);
    this.requestUpdate();
  }

  #more = () => {
    this.limit = Math.min(1000, this.limit + SOME);
    void this.rows.load();
  };
}

customElements.define('mp-dead-rows', DeadRows);
