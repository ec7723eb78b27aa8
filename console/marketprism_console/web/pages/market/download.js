/** What is on the chart as a file: the bars that are here, as the store has them. */
import { html } from '../../vendor/lit.js';
import { urlOf } from '../../core/api.js';
import { Part } from '../../core/part.js';
import { may } from '../../core/who.js';
import { t } from './download_text.js';

const MOST = 20_000; // rows of one answer

class Download extends Part {
  static properties = {
    venue: { attribute: false }, symbol: { attribute: false }, interval: { attribute: false }, history: { attribute: false },
  };

  constructor() {
    super();
    this.venue = '';
    this.symbol = '';
    this.interval = '';
    /** @type {import('../../market/history.js').BarHistory | null} */
    this.history = null;
  }

  render() {
    if (!may('md:history')) return html``;
    return html`<span role="group" aria-label=${t('download')}>
      ${['csv', 'parquet'].map(
        (format) => html`<a
          class="button"
          href="#${format}"
          download=""
          @click=${(/** @type {Event} */ event) => this.#address(event, format)}
        >
          ${t('as', { format: format === 'csv' ? 'CSV' : 'Parquet' })}
        </a> `,
      )}
    </span>`;
  }

  /** Instrument, interval, and from when to when, in UTC. @param {string} format @param {number} from @param {number} to */
  #name(format, from, to) {
    const [first, last] = [from, to].map((time) => new Date(time).toISOString().slice(0, 16).replaceAll(':', ''));
    return `${this.venue}.${this.symbol}-${this.interval}-${first}Z-${last}Z.${format}`.replace(/[^\w.-]+/g, '_');
  }

  /** The address follows from what is on the screen at the moment. @param {Event} event @param {string} format */
  #address(event, format) {
    const candles = (this.history?.candles ?? []).slice(-MOST);
    const link = event.currentTarget;
    if (!(link instanceof HTMLAnchorElement) || !candles.length) {
      event.preventDefault();
      return;
    }
    const [from, to] = [candles[0].time, candles[candles.length - 1].time];
    link.download = this.#name(format, from, to);
    link.href = urlOf(`/bars/${encodeURIComponent(this.symbol)}`, {
      venue: this.venue,
      interval: this.interval,
      from: new Date(from).toISOString(),
      to: new Date(to + 1).toISOString(),
      limit: MOST,
      format,
    });
  }
}

customElements.define('mp-download', Download);
