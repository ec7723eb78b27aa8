/** The streams: what they hold, how far each stage is behind, and what is in them, message by message. */
import { html, nothing } from '../../vendor/lit.js';
import { address } from '../../core/address.js';
import { Part } from '../../core/part.js';
import { zoneName } from '../../core/time.js';
import { countSystem } from '../../system/counts.js';
import { isAsked, system, watchSystem, whole } from '../../system/live.js';
import { t as systemText } from '../../system/text.js';
import { shown } from '../../parts/states.js';
import { t as partsText } from '../../parts/text.js';
import './buckets.js';
import './detail.js';
import './lags.js';
import './stores.js';
import './table.js';
import { t } from './text.js';

class StreamsPage extends Part {
  begin() {
    this.follow(whole.known);
    this.follow(isAsked);
    this.follow(address);
    let isKnown = Boolean(system.streams.value);
    this.follow(system.streams, () => {
      if (!isKnown) this.requestUpdate();
      isKnown = true;
    });
    watchSystem(this);
    countSystem(this);
  }

  render() {
    const isKnown = system.streams.value && !(whole.known.value.error?.status === 403);
    return html`<h1>${t('title')}</h1>
      <p class="dim">${partsText('all_zones', { zone: zoneName() })}</p>
      ${isAsked.value && isKnown ? html`<p class="stale-note" role="status">${systemText('asked')}</p>` : nothing}
      ${isKnown ? this.#all() : shown(whole, () => nothing, { lines: 8 })}`;
  }

  #all() {
    return html`<mp-streams></mp-streams>
      ${address.value.params.stream ? html`<mp-stream></mp-stream>` : nothing}
      <mp-lags></mp-lags>
      <mp-stores></mp-stores>
      <mp-buckets></mp-buckets>`;
  }
}

customElements.define('mp-streams-page', StreamsPage);
export default 'mp-streams-page';
