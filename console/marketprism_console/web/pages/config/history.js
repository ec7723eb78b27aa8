/** Versions of the central configuration: who changed what, when and why; any two beside one another, and the way back. */
import { html, nothing } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { ask } from '../../core/api.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { dateTime, ms, zoneName } from '../../core/time.js';
import { may } from '../../core/who.js';
import { empty, failed, shown } from '../../parts/states.js';
import { table, unseen } from '../../parts/table.js';
import { t as common } from '../../parts/text.js';
import { rollBack } from './order.js';
import { t } from './text.js';
import { changesTable, textOf } from './values.js';

/**
 * @typedef {{version: number, ts: number, actor: string, reason: string, target: string, changes: import('./values.js').Changes}} Version
 */

const LIMIT = 50;

class ConfigHistory extends Part {
  static properties = { at: { attribute: false } };

  constructor() {
    super();
    /** @type {import('./order.js').At} */
    this.at = { version: 0, standings: [], then: () => {} };
    this.compared = '';
    /** @type {Version[]} */
    this.older = [];
    /** @type {Resource<Version[]>} */
    this.newest = new Resource(async (signal) => (await ask('/monitor/config/history', { limit: LIMIT }, { signal })).data);
    /** @type {Resource<boolean>} */
    this.more = new Resource(async (signal) => {
      const before = this.#rows.at(-1)?.version ?? 0;
      const { data } = await ask('/monitor/config/history', { limit: LIMIT, before }, { signal });
      this.older = [...this.older, ...data];
      return data.length === LIMIT;
    });
    /** @type {Resource<{first: number, last: number, changes: import('./values.js').Changes}>} */
    this.difference = new Resource(async (signal) => (await ask('/monitor/config/diff', this.#two, { signal })).data);
  }

  begin() {
    this.uses(this.newest, this.more, this.difference);
    this.follow(address);
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has('at') && this.newest.data?.[0]?.version !== this.at.version) void this.newest.load();
    const two = JSON.stringify(this.#two);
    if (this.at.version && two !== this.compared) {
      this.compared = two;
      void this.difference.load({ forget: true });
    }
  }

  /** The versions that are compared; the newest change where none are asked for. */
  get #two() {
    const { first, last } = address.value.params;
    const after = last && /^\d{1,9}$/.test(last) ? Number(last) : this.at.version;
    return { first: first && /^\d{1,9}$/.test(first) ? Number(first) : Math.max(0, after - 1), last: after };
  }

  get #rows() {
    const newest = this.newest.data ?? [];
    const oldest = newest.at(-1)?.version ?? 0;
    return [...newest, ...this.older.filter(({ version }) => version < oldest)];
  }

  render() {
    if (!this.at.version) return empty(t('no_history'));
    return html`${this.#comparison()}
      <h2>${t('versions')}</h2>
      ${shown(this.newest, () => this.#table(this.#rows), { lines: 6 })}`;
  }

  #comparison() {
    const two = this.#two;
    return html`<h2>${t('compare')}</h2>
      <form class="tools" @submit=${this.#compare}>
        ${/** @type {const} */ (['first', 'last']).map(
          (name) => html`<label>${t(name)}
            <input type="number" name=${name} min="0" max=${this.at.version} required .value=${String(two[name])} /></label>`,
        )}
        <button>${t('show')}</button>
      </form>
      ${shown(this.difference, ({ first, last, changes }) =>
        Object.keys(changes).length ? changesTable(changes, t('between', { first, last })) : html`<p>${t('no_difference', { first, last })}</p>`,
      )}`;
  }

  /** @param {SubmitEvent & {currentTarget: HTMLFormElement}} event */
  #compare = (event) => {
    event.preventDefault();
    const form = new FormData(event.currentTarget);
    alter({ first: String(form.get('first')), last: String(form.get('last')) });
  };

  /** @param {Version[]} rows */
  #table(rows) {
    const columns = /** @type {const} */ (['version', 'when', 'who', 'what', 'why']);
    const isWhole = rows.at(-1)?.version === 1;
    const { error, data } = this.more.known.value;
    return html`${table(
        { label: t('versions'), kind: 'events', caption: common('all_zones', { zone: zoneName() }) },
        [...columns.map((name) => t(name)), unseen(t('back'))],
        html`${rows.map((row) => this.#row(row))}
        ${isWhole ? html`<tr><th scope="row">0</th><td colspan="4">${t('before_first')}</td><td>${this.#button(0)}</td></tr>` : nothing}`,
      )}
      ${error ? failed(error, () => this.more.load()) : nothing}
      ${rows.length >= LIMIT && !isWhole && data !== false
        ? html`<p class="tools"><button type="button" @click=${() => this.more.load()}>${common('more')}</button></p>`
        : nothing}`;
  }

  /** @param {Version} row */
  #row({ version, ts, actor, reason, changes }) {
    const isInForce = version === this.at.version;
    return html`<tr>
      <th scope="row">${version} ${isInForce ? html`<span class="badge good">${t('is_in_force')}</span>` : nothing}</th>
      <td class="time">${dateTime(ms(ts))}</td>
      <td class="wrap">${actor}</td>
      <td>${Object.entries(changes).map(
        ([key, [before, after]]) => html`<div class="wrap"><code>${key}</code> ${textOf(before) || '–'} → <strong>${textOf(after) || '–'}</strong></div>`,
      )}</td>
      <td class="wrap" dir="auto">${reason}</td>
      <td>${isInForce ? nothing : this.#button(version)}</td>
    </tr>`;
  }

  /** @param {number} version */
  #button(version) {
    if (!may('sys:operate')) return nothing;
    return html`<button type="button" aria-label=${t('back_to', { version })} @click=${() => rollBack(this.at, version)}>${t('back')}</button>`;
  }
}

customElements.define('mp-config-history', ConfigHistory);
