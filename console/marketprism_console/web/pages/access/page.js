/** Who may come in and what for: users, roles, keys, sessions, limits. */
import { html, nothing } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { Part } from '../../core/part.js';
import { zoneName } from '../../core/time.js';
import { may, who } from '../../core/who.js';
import { ApiError } from '../../core/api.js';
import { empty, failed } from '../../parts/states.js';
import { tabs } from '../../parts/tabs.js';
import { t as tStates } from '../../parts/text.js';
import './keys.js';
import './limits.js';
import './roles.js';
import './sessions.js';
import { t } from './text.js';
import './users.js';

const VIEWS = /** @type {const} */ (['users', 'roles', 'keys', 'sessions', 'limits']);
const SETTING = '[api]\nauth = "on"';

class AccessPage extends Part {
  begin() {
    this.follow(address);
    this.follow(who);
  }

  render() {
    return html`<h1>${t('title')}</h1>${this.#body()}`;
  }

  #body() {
    if (who.value?.isLocal) {
      return empty(
        t('local'),
        html`<p>${t('local_first')}</p><p><code>marketprism access init</code></p><p>${t('local_then')}</p><pre>${SETTING}</pre><p>${t('local_after')}</p>`,
      );
    }
    if (!may('admin:access')) return failed(new ApiError('FORBIDDEN', '', { status: 403, details: { scope: 'admin:access' } }));
    const chosen = VIEWS.find((each) => each === address.value.params.view) ?? 'users';
    const all = VIEWS.map((key) => ({ key, title: t(key) }));
    return html`<div class="tools">
        <span class="dim">${tStates('all_zones', { zone: zoneName() })}</span>
        ${may('audit:read') ? html`<a class="apart" href="/events?tab=audit">${t('audit')}</a>` : nothing}
      </div>
      ${tabs(all, chosen, (view) => alter({ view: view === 'users' ? null : view, find: null }), t('title'))}
      <div id="view-${chosen}" role="tabpanel" aria-labelledby="tab-${chosen}">${this.#view(chosen)}</div>`;
  }

  /** @param {typeof VIEWS[number]} chosen */
  #view(chosen) {
    switch (chosen) {
      case 'roles': return html`<mp-access-roles></mp-access-roles>`;
      case 'keys': return html`<mp-access-keys></mp-access-keys>`;
      case 'sessions': return html`<mp-access-sessions></mp-access-sessions>`;
      case 'limits': return html`<mp-access-limits></mp-access-limits>`;
      default: return html`<mp-access-users></mp-access-users>`;
    }
  }
}

customElements.define('mp-access-page', AccessPage);
export default 'mp-access-page';
