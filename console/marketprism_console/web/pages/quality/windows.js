/** The quality windows of one instrument. */
import { html } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { ask } from '../../core/api.js';
import { count } from '../../core/numbers.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { dateTime, ms, zoneName } from '../../core/time.js';
import { instrumentOf } from '../../core/instruments.js';
import { empty, shown } from '../../parts/states.js';
import { rangeOf } from './overview.js';
import { countsOf, reasonsWords } from './words.js';
import { t } from './text.js';

const MOST = 300;
const COUNTS = /** @type {const} */ (['accepted', 'rejected', 'stale', 'warned', 'anomalies']);

class Windows extends Part {
  static properties = { name: { attribute: false } };

  constructor() {
    super();
    this.name = '';
    /** @type {Resource<any[]>} */
    this.rows = new Resource(async (signal) => {
      const { venue, symbol } = instrumentOf(this.name) ?? { venue: '', symbol: this.name };
      const params = { venue, ...rangeOf(address.value.params), last: MOST };
      return (await ask(`/quality/${encodeURIComponent(symbol)}`, params, { signal })).data.toReversed();
    });
  }

  begin() {
    this.follow(this.rows.known);
    this.every(10_000, () => void this.rows.load());
    this.whenGone(() => this.rows.stop());
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has('name')) void this.rows.load({ forget: true });
  }

  render() {
    return html`<section class="panel">
      <div class="tools"><h2 class="wrap">${t('windows', { name: this.name })}</h2>
        <button type="button" class="apart" @click=${() => alter({ of: null })}>${t('close')}</button></div>
      ${shown(this.rows, (rows) => this.#table(rows), { empty: (rows) => (rows.length ? undefined : empty(t('no_windows', { name: this.name }))) })}
    </section>`;
  }

  /** @param {any[]} rows */
  #table(rows) {
    const venue = rows[0].venue;
    return html`<div class="scroll tall" tabindex="0" role="region" aria-label=${t('windows', { name: this.name })}>
      <table class="windows">
        <caption>${t('windows_caption', { zone: zoneName(venue) })}</caption>
        <thead><tr><th scope="col">${t('from')}</th><th scope="col">${t('to')}</th><th scope="col" class="number">${t('score')}</th>
          ${COUNTS.map((key) => html`<th scope="col" class="number">${t(key)}</th>`)}<th scope="col">${t('reasons')}</th></tr></thead>
        <tbody>${rows.map((row) => html`<tr>
          <td class="time">${dateTime(ms(row.ts_from), venue)}</td><td class="time">${dateTime(ms(row.ts_to), venue)}</td>
          <td class="number">${row.score}</td>${COUNTS.map((key) => html`<td class="number">${count(row[key])}</td>`)}
          <td class="wrap">${reasonsWords(countsOf(row.reasons))}</td></tr>`)}</tbody>
      </table>
    </div>`;
  }
}

customElements.define('mp-quality-windows', Windows);
