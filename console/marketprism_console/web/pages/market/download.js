/** What is on the chart as a file: the bars that are here, as the store has them. */
import { html } from '../../vendor/lit.js';
import { urlOf } from '../../core/api.js';
import { Part } from '../../core/part.js';
import { may } from '../../core/who.js';
import { t } from './download_text.js';

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
          download=${this.#name(format)}
          @click=${(/** @type {Event} */ event) => this.#address(event, format)}
        >
          ${t('as', { format: format === 'csv' ? 'CSV' : 'Parquet' })}
        </a> `,
      )}
    </span>`;
  }

  /** @param {string} format */
  #name(format) {
    return `${this.venue}.${this.symbol}-${this.interval}.${format}`.replace(/[^\w.-]+/g, '_');
  }

  /** The address follows from what is on the screen at the moment. @param {Event} event @param {string} format */
  #address(event, format) {
    const candles = this.history?.candles ?? [];
    if (!(event.currentTarget instanceof HTMLAnchorElement) || !candles.length) return;
    event.currentTarget.href = urlOf(`/bars/${encodeURIComponent(this.symbol)}`, {
      venue: this.venue,
      interval: this.interval,
      from: new Date(candles[0].time).toISOString(),
      to: new Date(candles[candles.length - 1].time + 1).toISOString(),
      limit: 20_000,
      format,
    });
  }
}

customElements.define('mp-download', Download);
