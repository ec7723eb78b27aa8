/** What has happened: events of the market and of the platform, lines of the logs, and who did what. */
import { html } from '../../vendor/lit.js';
import { address, go } from '../../core/address.js';
import { ApiError } from '../../core/api.js';
import { Part } from '../../core/part.js';
import { zoneName } from '../../core/time.js';
import { may, who } from '../../core/who.js';
import { failed } from '../../parts/states.js';
import { tabs } from '../../parts/tabs.js';
import { t as common } from '../../parts/text.js';
import '../../parts/filters.js';
import './audit.js';
import './live.js';
import './logs.js';
import { t } from './text.js';

const TABS = /** @type {const} */ (['events', 'logs', 'audit']);
const SCOPES = { events: 'sys:read', logs: 'sys:operate', audit: 'audit:read' };
const VIEWS = {
  events: () => html`<mp-live-events></mp-live-events>`,
  logs: () => html`<mp-logs></mp-logs>`,
  audit: () => html`<mp-audit></mp-audit>`,
};

class EventsPage extends Part {
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
    const asked = address.value.params.tab ?? '';
    const chosen = TABS.find((key) => key === asked) ?? 'events';
    // What somebody may not read is not offered; to who was sent its address it is said.
    const scope = SCOPES[chosen];
    const all = TABS.filter((key) => key === chosen || may(SCOPES[key]));
    return html`<h1>${t('title')}</h1>
      ${tabs(all.map((key) => ({ key, title: t(key) })), chosen, (key) => this.#choose(key), t('title'))}
      <p class="dim zone">${common('all_zones', { zone: zoneName() })}</p>
      <div id="view-${chosen}" role="tabpanel" aria-labelledby="tab-${chosen}">
        ${may(scope) ? VIEWS[chosen]() : failed(new ApiError('FORBIDDEN', '', { status: 403, details: { scope } }))}
      </div>`;
  }

  /** Another tab has filters of its own. @param {string} key */
  #choose(key) {
    go('/events', { tab: key === 'events' ? null : key });
  }
}

customElements.define('mp-events-page', EventsPage);
export default 'mp-events-page';
