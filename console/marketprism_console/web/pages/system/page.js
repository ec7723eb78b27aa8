/** The system: what runs, who leads, who owns which partition, and what the venues' connections say. */
import { html, nothing } from '../../vendor/lit.js';
import { Part } from '../../core/part.js';
import { zoneName } from '../../core/time.js';
import { countSystem } from '../../system/counts.js';
import { isAsked, system, watchSystem, whole } from '../../system/live.js';
import { t as systemText } from '../../system/text.js';
import { shown } from '../../parts/states.js';
import { t as partsText } from '../../parts/text.js';
import './alerts.js';
import './elections.js';
import './instance.js';
import './instances.js';
import './partitions.js';
import './tiles.js';
import './venues.js';
import { t } from './text.js';

class SystemPage extends Part {
  begin() {
    this.follow(whole.known);
    this.follow(isAsked);
    let isKnown = Boolean(system.instances.value);
    this.follow(system.instances, () => {
      if (!isKnown) this.requestUpdate();
      isKnown = true;
    });
    watchSystem(this);
    countSystem(this);
  }

  render() {
    const isKnown = system.instances.value && !(whole.known.value.error?.status === 403);
    return html`<h1>${t('title')}</h1>
      <p class="dim">${partsText('all_zones', { zone: zoneName() })}</p>
      ${isAsked.value && isKnown ? html`<p class="stale-note" role="status">${systemText('asked')}</p>` : nothing}
      ${isKnown ? this.#all() : shown(whole, () => nothing, { lines: 8 })}`;
  }

  #all() {
    return html`<mp-system-tiles></mp-system-tiles>
      <mp-alerts></mp-alerts>
      <mp-instances></mp-instances>
      <mp-elections></mp-elections>
      <mp-partitions></mp-partitions>
      <mp-venue-connections></mp-venue-connections>
      <mp-instance></mp-instance>`;
  }
}

customElements.define('mp-system-page', SystemPage);
export default 'mp-system-page';
