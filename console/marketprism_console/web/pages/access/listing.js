/** A list that administrators see: asked for again and again, narrowed by a few letters. */
import { html, nothing } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { ask } from '../../core/api.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { FirstRows } from '../../parts/first_rows.js';
import { t } from './text.js';

const EVERY_MS = 5000;
const STEP = 200;

/** @template T */
export class Listing extends Part {
  /** @param {string} path  of the list */
  constructor(path) {
    super();
    this.path = path;
    /** @type {Resource<T>} */
    this.list = new Resource(async (signal) => (await ask(path, {}, { signal })).data);
    this.first = new FirstRows(this, STEP);
  }

  begin() {
    this.uses(this.list);
    this.follow(address, () => this.requestUpdate());
    this.every(EVERY_MS, () => void this.list.load());
    void this.list.load();
  }

  renew = () => void this.list.load();

  /** A dialog, once there is what it lets choose from. @param {Resource<any>} choice @param {() => void} open */
  async once(choice, open) {
    if (!choice.data) await choice.load();
    if (this.isConnected) open();
  }

  get letters() {
    return (address.value.params.find ?? '').trim().toLowerCase();
  }

  /** @param {unknown} [more] */
  tools(more = nothing) {
    return html`<div class="tools">
      ${more}
      <label>${t('find')} <input type="search" maxlength="100" .value=${address.value.params.find ?? ''} @input=${this.#typed} /></label>
    </div>`;
  }

  /** @param {InputEvent & {target: HTMLInputElement}} event */
  #typed = (event) => alter({ find: event.target.value });

  /**
   * Those of the rows that hold the letters, and the first of them.
   * @template R
   * @param {R[]} rows
   * @param {(row: R) => string} textOf
   * @param {(rows: R[]) => unknown} table
   */
  narrowed(rows, textOf, table) {
    const { letters } = this;
    const found = letters ? rows.filter((row) => textOf(row).toLowerCase().includes(letters)) : rows;
    if (!found.length) return html`<p class="empty">${t(letters ? 'none_found' : 'none')}</p>`;
    return html`${table(this.first.of(found))} ${this.first.more(found)}`;
  }
}
