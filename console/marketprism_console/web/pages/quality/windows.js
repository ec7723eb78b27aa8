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
import { numeric, table } from '../../parts/table.js';
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
    this.uses(this.rows);
    this.every(10_000, () => void this.rows.load());
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has('name')) void this.rows.load({ forget: true });
  }

  render() {
    return html`<section class="panel">
      <div class="tools"><h2 class="wrap">${t('windows', { name: this.name })}</h2>
        <button type="button" class="apart" @click=${() => alter({ of: null })}>${t('close')}</button></div>
      ${shown(this.rows, (rows) => this.#table(rows), { none: () => empty(t('no_windows', { name: this.name })) })}
    </section>`;
  }

  /** @param {any[]} rows */
  #table(rows) {
    const venue = rows[0].venue;
    return table(
      { label: t('windows', { name: this.name }), caption: t('windows_caption', { zone: zoneName(venue) }), kind: 'windows', size: 'tall' },
      [t('from'), t('to'), numeric(t('score')), ...COUNTS.map((key) => numeric(t(key))), t('reasons')],
      rows.map((row) => html`<tr>
        <td class="time">${dateTime(ms(row.ts_from), venue)}</td><td class="time">${dateTime(ms(row.ts_to), venue)}</td>
        <td class="number">${row.score}</td>${COUNTS.map((key) => html`<td class="number">${count(row[key])}</td>`)}
        <td class="wrap">${reasonsWords(countsOf(row.reasons))}</td></tr>`),
    );
  }
}

customElements.define('mp-quality-windows', Windows);
