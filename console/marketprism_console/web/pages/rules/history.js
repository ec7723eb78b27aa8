/** Versions of the rules: who changed what, when and why; each can be gone back to. */
import { html, nothing } from '../../vendor/lit.js';
import { ask } from '../../core/api.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { dateTime, ms, zoneName } from '../../core/time.js';
import { empty, shown } from '../../parts/states.js';
import { table, unseen } from '../../parts/table.js';
import { t as tStates } from '../../parts/text.js';
import { textOf } from './drafts.js';
import { t } from './text.js';

/**
 * @typedef {import('./drafts.js').Value} Value
 * @typedef {import('./drafts.js').Changed & {changes: Record<string, {old: Value, new: Value}>, rules: Record<string, Value>}} Version
 */

const LIMIT = 50;

class History extends Part {
  static properties = { version: { attribute: false } };

  constructor() {
    super();
    this.version = 0; // in force
    this.olderThan = 0; // the version that older ones are asked for before
    /** @type {Version[]} */
    this.older = [];
    /** @type {Resource<{versions: Version[], before: number | null}>} */
    this.newest = new Resource(async (signal) => (await ask('/rules/history', { limit: LIMIT }, { signal })).data);
    /** @type {Resource<null>} */
    this.more = new Resource(async (signal) => {
      const { data } = await ask('/rules/history', { limit: LIMIT, before: this.olderThan }, { signal });
      this.older = [...this.older, ...data.versions];
      this.olderThan = data.before ?? 0;
      return null;
    });
  }

  begin() {
    this.uses(this.newest, this.more);
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has('version')) void this.newest.load();
  }

  render() {
    return shown(this.newest, ({ versions, before }) => this.#table([...versions, ...this.older], this.older.length ? this.olderThan : before), {
      empty: ({ versions }) => (versions.length ? undefined : empty(t('no_history'), html`<p>${t('no_history_more')}</p>`)),
    });
  }

  /** @param {Version[]} versions @param {number | null} before */
  #table(versions, before) {
    const columns = /** @type {const} */ (['version', 'when', 'who', 'what', 'reason']);
    return html`${table(
      { label: t('history'), caption: tStates('all_zones', { zone: zoneName() }) },
      [...columns.map((name) => t(name)), unseen(t('back'))],
      versions.map(
        (each) => html`<tr>
          <th scope="row">${each.version} ${each.version === this.version ? html`<span class="badge good">${t('in_force')}</span>` : nothing}</th>
          <td class="time">${each.ts === null ? '–' : dateTime(ms(each.ts))}</td>
          <td class="wrap">${each.who || t('settings')}</td>
          <td>${Object.entries(each.changes).map(
            ([name, change]) => html`<div>
              <code>${name}</code> ${textOf(change.old) || '–'} → <strong>${textOf(change.new) || '–'}</strong>
            </div>`,
          )}</td>
          <td class="wrap" dir="auto">${each.reason}</td>
          <td>${each.version === this.version ? nothing : this.#button(each)}</td>
        </tr>`,
      ),
    )}
      ${before ? html`<p><button type="button" @click=${() => this.#more(before)}>${tStates('more')}</button></p>` : nothing}`;
  }

  /** @param {Version} each */
  #button(each) {
    const label = t('back_to', { version: each.version });
    return html`<button type="button" aria-label=${label} @click=${() => this.#back(each)}>${t('back')}</button>`;
  }

  /** @param {number} before */
  #more(before) {
    this.olderThan = before;
    void this.more.load();
  }

  /** @param {Version} version */
  #back(version) {
    this.dispatchEvent(new CustomEvent('back', { detail: version }));
  }
}

customElements.define('mp-rules-history', History);
