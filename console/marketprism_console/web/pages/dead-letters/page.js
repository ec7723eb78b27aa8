/** What was set aside: commands that could not be done, and rows that no table took. */
import { html } from '../../vendor/lit.js';
import { address, go } from '../../core/address.js';
import { Part } from '../../core/part.js';
import { zoneName } from '../../core/time.js';
import { who } from '../../core/who.js';
import '../../parts/filters.js';
import { tabs } from '../../parts/tabs.js';
import { t as common } from '../../parts/text.js';
import './letters.js';
import './rows.js';
import { t } from './text.js';

const TABS = /** @type {const} */ (['commands', 'rows']);

class DeadLettersPage extends Part {
  static properties = { rest: { attribute: false } };

  constructor() {
    super();
    this.rest = '';
  }

  begin() {
    this.follow(address);
    this.follow(who);
  }

  render() {
    const chosen = address.value.params.tab === 'rows' ? 'rows' : 'commands';
    return html`<h1>${t('title')}</h1>
      ${tabs(TABS.map((key) => ({ key, title: t(key) })), chosen, (key) => go('/dead-letters', { tab: key === 'commands' ? null : key }), t('title'))}
      <p class="dim zone">${common('all_zones', { zone: zoneName() })}</p>
      <div id="view-${chosen}" role="tabpanel" aria-labelledby="tab-${chosen}">
        ${chosen === 'rows' ? html`<mp-dead-rows></mp-dead-rows>` : html`<mp-dead-commands></mp-dead-commands>`}
      </div>`;
  }
}

customElements.define('mp-dead-letters-page', DeadLettersPage);
export default 'mp-dead-letters-page';
