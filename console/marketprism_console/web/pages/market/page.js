/** One instrument: its candles, its book and everything else that is known of it; without one, the list to choose from. */
import { html, keyed } from '../../vendor/lit.js';
import { Part } from '../../core/part.js';
import { instrumentOf } from '../../core/instruments.js';
import { empty } from '../../parts/states.js';
import './instrument.js';
import './list.js';
import { t } from './text.js';

class MarketPage extends Part {
  static properties = { rest: { attribute: false } };

  constructor() {
    super();
    this.rest = '';
  }

  render() {
    if (!this.rest) return html`<mp-instruments></mp-instruments>`;
    const found = instrumentOf(this.rest);
    if (!found) return html`<h1>${t('title')}</h1>${empty(t('wrong', { text: this.rest }), html`<p>${t('wrong_more')}</p>`)}`;
    return keyed(this.rest, html`<mp-instrument .venue=${found.venue} .symbol=${found.symbol}></mp-instrument>`);
  }
}

customElements.define('mp-market-page', MarketPage);
export default 'mp-market-page';
