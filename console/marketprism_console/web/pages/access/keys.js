/** The keys of everybody. */
import { html } from '../../vendor/lit.js';
import { ask } from '../../core/api.js';
import { Resource } from '../../core/resource.js';
import { who } from '../../core/who.js';
import { keyTable, newKey, revokeKey, sorted } from '../../access/keys.js';
import { act } from '../../parts/action.js';
import { shown } from '../../parts/states.js';
import { Listing } from './listing.js';
import { t } from './text.js';

/** @typedef {import('../../access/keys.js').Key} Key */

/** @extends {Listing<Key[]>} */
class Keys extends Listing {
  constructor() {
    super('/admin/keys');
    /** @type {Resource<{id: string, disabled: boolean}[]>} */
    this.users = new Resource(async (signal) => (await ask('/admin/users', {}, { signal })).data);
  }

  begin() {
    super.begin();
    this.uses(this.users);
    void this.users.load();
  }

  render() {
    const revoke = (/** @type {Key} */ key) => act(revokeKey(key, this.path, this.renew));
    return html`${this.tools(html`<button type="button" @click=${() => this.once(this.users, this.#create)}>${t('new_key')}</button>`)}
      ${shown(this.list, (keys) =>
        this.narrowed(sorted(keys), (key) => [key.id, key.name, key.owner].join(' '), (rows) => keyTable(rows, { withOwner: true, revoke })),
      )}
     `;
  }

  #create = () => {
    const owners = (this.users.data ?? []).filter((user) => !user.disabled).map((user) => user.id);
    act(newKey({ path: this.path, scopes: who.value?.scopes ?? [], owners, owner: who.value?.name, then: this.renew }));
  };
}

customElements.define('mp-access-keys', Keys);
