/** Commands that could not be done. */
import { html, nothing, repeat } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { ask } from '../../core/api.js';
import { bytes, count } from '../../core/numbers.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { serverNow } from '../../core/server_clock.js';
import { duration, ms } from '../../core/time.js';
import { may } from '../../core/who.js';
import { commandsOf } from '../../operate/commands.js';
import { commandTitle } from '../../operate/words.js';
import { narrow } from '../../parts/filters.js';
import { act } from '../../parts/action.js';
import { empty, shown } from '../../parts/states.js';
import { table } from '../../parts/table.js';
import { discarding, redriving } from './acting.js';
import { titleOf, willOf } from './words.js';
import './detail.js';
import { t } from './text.js';

/**
 * @typedef {object} Letter
 * @property {number} seq
 * @property {string} service
 * @property {string} command
 * @property {string} subject
 * @property {string} issuer
 * @property {string} reason
 * @property {number} attempts
 * @property {number} bytes
 * @property {number} ts_dead
 */

const SOME = 200;
const EVERY_MS = 3000;

class DeadCommands extends Part {
  constructor() {
    super();
    /** How many are asked for. */
    this.limit = SOME;
    this.hasMore = false;
    /** @type {Set<number>} */
    this.chosen = new Set();
    this.asked = '';
    /** What services take now, for what will happen; where it cannot be read the dialog says less. */
    this.commands = new Resource(commandsOf);
    this.letters = new Resource((signal) => this.#read(signal));
  }

  begin() {
    this.uses(this.letters, this.commands);
    this.follow(address, () => this.#load());
    this.every(EVERY_MS, () => document.querySelector('dialog[open]') || this.letters.load());
    this.#load();
    void this.commands.load();
  }

  #load() {
    const service = address.value.params.service ?? '';
    if (service !== this.asked || !this.letters.data) void this.letters.load({ forget: service !== this.asked });
    this.asked = service;
    this.requestUpdate();
  }

  /** @param {AbortSignal} signal @returns {Promise<Letter[]>} */
  async #read(signal) {
    const { data } = await ask('/dead-letters', { service: address.value.params.service, limit: this.limit }, { signal });
    this.hasMore = Boolean(data.before) && this.limit < 1000;
    const there = new Set(data.letters.map((/** @type {Letter} */ { seq }) => seq));
    for (const seq of this.chosen) if (!there.has(seq)) this.chosen.delete(seq);
    return data.letters;
  }

  render() {
    const seq = Number(address.value.params.seq ?? '');
    const isOpen = Number.isInteger(seq) && seq > 0;
    const services = [...new Set([...(this.letters.data ?? []).map(({ service }) => service)])].map((value) => ({ value }));
    return html`<mp-filters .fields=${[{ key: 'service', label: t('service'), values: services }]}></mp-filters>
      <div class="letters ${isOpen ? '' : 'alone'}">
        <div>${shown(this.letters, (rows) => this.#table(rows), { lines: 8, none: () => this.#nothing() })}</div>
        ${isOpen ? html`<mp-dead-letter class="detail" .seq=${seq} .known=${this.commands.data} @gone=${() => this.letters.load()}></mp-dead-letter>` : nothing}
      </div>`;
  }

  #nothing() {
    const { service } = address.value.params;
    if (!service) return empty(t('nothing'), html`<p>${t('nothing_commands')}</p>`);
    return empty(t('nothing_of', { service }), html`<button type="button" @click=${() => alter({ service: null })}>${t('show_all')}</button>`);
  }

  /** @param {Letter[]} rows */
  #table(rows) {
    const isAll = rows.length > 0 && rows.every(({ seq }) => this.chosen.has(seq));
    return html`${may('sys:operate') ? this.#tools(rows) : html`<p class="dim">${t('look_only')}</p>`}
      ${table(
        { label: t('title'), kind: 'events' },
        [
          ...(may('sys:operate') ? [this.#chooser(t('choose_all'), isAll, () => this.#chooseAll(rows, !isAll))] : []),
          t('service'), t('command'), t('reason'), t('attempts'), t('age'), t('size'),
        ],
        repeat(rows, ({ seq }) => seq, (row) => this.#row(row)),
      )}
      <div class="tools">
        <span class="dim">${t('shown', { count: count(rows.length) })}</span>
        ${this.hasMore ? html`<button type="button" @click=${this.#more}>${t('older')}</button>` : nothing}
      </div>`;
  }

  /** @param {Letter[]} rows */
  #tools(rows) {
    const chosen = rows.filter(({ seq }) => this.chosen.has(seq)).map((row) => ({ key: String(row.seq), title: titleOf(row) }));
    const done = () => void this.letters.load();
    return html`<div class="tools">
      <button type="button" ?disabled=${!chosen.length} @click=${() => act(redriving(chosen, this.#will(rows), done))}>${t('redrive')}</button>
      <button type="button" ?disabled=${!chosen.length} @click=${() => act(discarding(chosen, done))}>${t('discard')}</button>
      <span class="dim" role="status">${chosen.length ? t('chosen', { count: chosen.length }) : t('none_chosen')}</span>
    </div>`;
  }

  /** What will happen to those that are chosen, each sentence once. @param {Letter[]} rows */
  #will(rows) {
    const all = rows.filter(({ seq }) => this.chosen.has(seq)).map((row) => willOf(row, this.commands.data)).filter(Boolean);
    return html`${[...new Set(all)].slice(0, 5).map((each) => html`<span>${each}</span> `)}`;
  }

  /** @param {Letter} row */
  #row(row) {
    const isHere = address.value.params.seq === String(row.seq);
    return html`<tr aria-selected=${isHere}>
      ${may('sys:operate')
        ? html`<td>${this.#chooser(t('choose', { what: titleOf(row) }), this.chosen.has(row.seq), () => this.#choose(row.seq))}</td>`
        : nothing}
      <td>${narrow('service', row.service, t('service'))}</td>
      <td><button type="button" class="plain narrow" aria-expanded=${isHere} @click=${() => alter({ seq: isHere ? null : row.seq })}>
        ${row.command ? commandTitle(row.command) : '–'} <small class="dim">${row.seq}</small></button></td>
      <td class="what">${row.reason}</td>
      <td class="number">${row.attempts}</td>
      <td class="time">${duration(serverNow() - ms(row.ts_dead))}</td>
      <td class="number">${bytes(row.bytes)}</td>
    </tr>`;
  }

  /** @param {string} label @param {boolean} isChosen @param {() => void} choose */
  #chooser(label, isChosen, choose) {
    return html`<input type="checkbox" aria-label=${label} .checked=${isChosen} @change=${choose} />`;
  }

  /** @param {number} seq */
  #choose(seq) {
    if (!this.chosen.delete(seq)) this.chosen.add(seq);
    this.requestUpdate();
  }

  /** @param {Letter[]} rows @param {boolean} wanted */
  #chooseAll(rows, wanted) {
    this.chosen = new Set(wanted ? rows.map(({ seq }) => seq) : []);
    this.requestUpdate();
  }

  #more = () => {
    this.limit = Math.min(1000, this.limit + SOME);
    void this.letters.load();
  };
}

customElements.define('mp-dead-commands', DeadCommands);
