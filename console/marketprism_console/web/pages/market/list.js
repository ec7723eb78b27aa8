/** The instruments to choose from. */
import { html } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { findInstruments } from '../../market/instruments.js';
import { empty, shown } from '../../parts/states.js';
import { t } from './text.js';

const MOST = 200;
const COMMANDS = ['marketprism up --source sim', 'marketprism up --source replay:ticks.csv.gz', 'marketprism up --source okx:BTC-USDT'];

class Instruments extends Part {
  constructor() {
    super();
    this.found = new Resource((signal) => findInstruments(this.#text(), MOST, { signal }));
  }

  #text() {
    return address.value.params.search ?? '';
  }

  begin() {
    this.follow(this.found.known);
    this.follow(address, () => void this.found.load());
    this.every(5000, () => this.found.known.value.data?.length || this.found.load());
    this.whenGone(() => this.found.stop());
    void this.found.load();
  }

  render() {
    return html`<h1>${t('title')}</h1>
      <div class="tools">
        <label>${t('find')} <input type="search" maxlength="100" .value=${this.#text()} @input=${this.#typed} /></label>
      </div>
      ${shown(this.found, (rows) => this.#table(rows), { empty: (rows) => (rows.length ? undefined : this.#nothing()) })}`;
  }

  /** @param {import('../../market/instruments.js').Instrument[]} rows */
  #table(rows) {
    return html`<div class="scroll" tabindex="0" role="region" aria-label=${t('found')}>
      <table>
        <caption class="unseen">${t('found')}</caption>
        <thead>
          <tr>
            ${/** @type {const} */ (['symbol', 'name', 'venue', 'class', 'has_data']).map((key) => html`<th scope="col">${t(key)}</th>`)}
          </tr>
        </thead>
        <tbody>
          ${rows.map(
            (row) => html`<tr>
              <th scope="row"><a href="/market/${encodeURIComponent(`${row.venue}.${row.symbol}`)}">${row.symbol}</a></th>
              <td class="wrap">${row.name}</td><td>${row.venue}</td><td>${row.class_}</td><td>${row.stored ? '●' : ''}</td>
            </tr>`,
          )}
        </tbody>
      </table>
    </div>`;
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
