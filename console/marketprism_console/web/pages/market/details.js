/** What else is known of an instrument: its gaps, the windows of its quality, its terms, its newest message as it came. */
import { html, keyed } from '../../vendor/lit.js';
import { hrefOf } from '../../core/address.js';
import { ask } from '../../core/api.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { dateTime, dayText, duration, ms, zoneName } from '../../core/time.js';
import { causeName } from '../../parts/causes_text.js';
import { empty, shown } from '../../parts/states.js';
import { table } from '../../parts/table.js';
import { t } from './details_text.js';

const MOST = 200;
/** @type {Record<string, (symbol: string, venue: string) => [string, Record<string, any>]>} */
const ASKED = {
  gaps: (symbol, venue) => [`/gaps/${symbol}`, { venue, last: MOST }],
  quality: (symbol, venue) => [`/quality/${symbol}`, { venue, last: MOST }],
  terms: (symbol, venue) => ['/instruments', { search: decodeURIComponent(symbol), venue, limit: 50 }],
  raw: (symbol, venue) => [`/ticks/${symbol}`, { venue, last: 1 }],
};

class Details extends Part {
  static properties = { venue: { attribute: false }, symbol: { attribute: false }, view: { attribute: false } };

  constructor() {
    super();
    this.venue = '';
    this.symbol = '';
    this.view = '';
    /** @type {Resource<any[]>} */
    this.rows = new Resource(async (signal) => {
      const [path, params] = ASKED[this.view](encodeURIComponent(this.symbol), this.venue);
      const { data } = await ask(path, params, { signal });
      return this.view === 'terms' ? data.filter((/** @type {any} */ row) => row.symbol === this.symbol) : data;
    });
  }

  begin() {
    this.uses(this.rows);
    this.every(10_000, () => void this.rows.load());
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has('view')) void this.rows.load({ forget: true });
  }

  render() {
    const nothingThere = () => empty(t(/** @type {any} */ (`no_${this.view}`), { symbol: this.symbol }));
    return keyed(this.view, shown(this.rows, (rows) => this.#shown(rows), { none: nothingThere }));
  }

  /** @param {any[]} rows */
  #shown(rows) {
    if (this.view === 'gaps') return this.#gaps(rows);
    if (this.view === 'quality') return this.#quality(rows);
    return this.#facts(rows[0]);
  }

  /** @param {any[]} rows */
  #gaps(rows) {
    return this.#table(
      ['from', 'to', 'length', 'cause', 'kind', 'day'],
      rows.toReversed().map((gap) => [
        html`<a href=${hrefOf(`/market/${this.venue}.${this.symbol}`, { t: new Date(ms(gap.ts_from)).toISOString() })}>
          ${dateTime(ms(gap.ts_from), this.venue)}</a>`,
        dateTime(ms(gap.ts_to), this.venue),
        duration(ms(gap.ts_to) - ms(gap.ts_from)),
        causeName(gap.cause), gap.kind || t('ticks'), dayText(gap.trading_day),
      ]),
    );
  }

  /** @param {any[]} rows */
  #quality(rows) {
    return this.#table(
      ['from', 'to', 'score', 'accepted', 'rejected', 'warned', 'late', 'reasons'],
      rows.toReversed().map((window) => [
        dateTime(ms(window.ts_from), this.venue), dateTime(ms(window.ts_to), this.venue), window.score, window.accepted,
        window.rejected, window.warned, window.stale, reasonsOf(window.reasons),
      ]),
    );
  }

  /** @param {any} row */
  #facts(row) {
    const written = Object.entries(row).filter(([, value]) => value !== null && value !== '');
    return html`<dl class="facts">
      ${written.map(
        ([name, value]) => html`<dt>${name}</dt>
          <dd><code>${typeof value === 'object' ? JSON.stringify(value) : String(value)}</code></dd>`,
      )}
    </dl>`;
  }

  /** @param {string[]} heads @param {unknown[][]} rows */
  #table(heads, rows) {
    const title = t('table', { zone: zoneName(this.venue) });
    return table(
      { label: title, caption: title, size: 'tall' },
      heads.map((key) => t(/** @type {any} */ (key))),
      rows.map((cells) => html`<tr>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`),
    );
  }
}

/** @param {any} reasons  counts by reason, also as the text of a JSON object */
function reasonsOf(reasons) {
  try {
    const found = typeof reasons === 'string' ? JSON.parse(reasons || '{}') : (reasons ?? {});
    return Object.entries(found).map(([reason, count]) => `${reason} ${count}`).join(', ');
  } catch {
    return String(reasons); // as it came
  }
}

customElements.define('mp-details', Details);
