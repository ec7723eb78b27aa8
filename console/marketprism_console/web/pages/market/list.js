/** The instruments to choose from. */
import { html } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { findInstruments, instrumentOf } from '../../core/instruments.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { nameOf } from '../../market/quotes_table.js';
import { watchList } from '../../market/watch_list.js';
import { empty, shown } from '../../parts/states.js';
import { t } from './text.js';

const MOST = 200;
const COMMANDS = ['marketprism up --source sim', 'marketprism up --source replay:ticks.csv.gz', 'marketprism up --source okx:BTC-USDT'];

/** @typedef {import('../../core/instruments.js').Instrument} Instrument */

/** An instrument of the watch list that was not found now. @param {string} name @returns {Instrument | null} */
function unknown(name) {
  const place = instrumentOf(name);
  return place && { ...place, product: '', class_: '', name: '', english: '', stored: true };
}

class Instruments extends Part {
  constructor() {
    super();
    this.found = new Resource((signal) => findInstruments(this.#text(), MOST, { signal }));
    /** @type {Instrument[]} the watch list first, then what was found */
    this.rows = [];
    this.asked = '';
  }

  #text() {
    return address.value.params.search ?? '';
  }

  begin() {
    this.follow(this.found.known, () => this.#choose());
    this.follow(watchList, () => this.#choose());
    this.follow(address, () => this.#text() === this.asked || this.#load());
    this.every(5000, () => this.found.known.value.data?.length || this.found.load());
    this.whenGone(() => this.found.stop());
    this.#load();
  }

  #load() {
    this.asked = this.#text();
    void this.found.load();
  }

  #choose() {
    const found = this.found.known.value.data ?? [];
    const ofName = new Map(found.map((row) => [nameOf(row), row]));
    const watched = watchList.value.map((name) => ofName.get(name) ?? (this.#text() ? null : unknown(name))).filter((row) => row !== null);
    const first = new Set(watched.map(nameOf));
    this.rows = [...watched, ...found.filter((row) => !first.has(nameOf(row)))];
    this.requestUpdate();
  }

  render() {
    return html`<h1>${t('title')}</h1>
      <div class="tools">
        <label>${t('find')} <input type="search" maxlength="100" .value=${this.#text()} @input=${this.#typed} /></label>
      </div>
      ${shown(this.found, () => html`<mp-quotes .label=${t('found')} .rows=${this.rows}></mp-quotes>`, {
        empty: () => (this.rows.length ? undefined : this.#nothing()),
      })}`;
  }

  #nothing() {
    const text = this.#text();
    if (text) return empty(t('none_found', { text }));
    return empty(t('nothing_yet'), html`<p>${t('nothing_yet_more')}</p>${COMMANDS.map((each) => html`<p><code>${each}</code></p>`)}`);
  }

  /** @param {InputEvent & {target: HTMLInputElement}} event */
  #typed = (event) => alter({ search: event.target.value });
}

customElements.define('mp-instruments', Instruments);
