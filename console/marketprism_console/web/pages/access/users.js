/** Users: made, changed, kept out, given another password. */
import { html, nothing } from '../../vendor/lit.js';
import { ask, change } from '../../core/api.js';
import { count } from '../../core/numbers.js';
import { Resource } from '../../core/resource.js';
import { date, ms } from '../../core/time.js';
import { who } from '../../core/who.js';
import { entitled } from '../../access/entitlements.js';
import '../../access/secret.js';
import { act } from '../../parts/action.js';
import { shown } from '../../parts/states.js';
import { table, unseen } from '../../parts/table.js';
import { Listing } from './listing.js';
import { t } from './text.js';

/**
 * @typedef {object} User
 * @property {string} id
 * @property {string} display
 * @property {string} subject
 * @property {string[]} roles
 * @property {import('../../access/entitlements.js').Entitlement[] | null} entitlements
 * @property {string} limits
 * @property {number} rows_per_day
 * @property {boolean} service
 * @property {boolean} disabled
 * @property {boolean} must_change
 * @property {number} ts_created
 */

/** @typedef {import('../../access/entitlements.js').Entitlements} EntitlementFields */

const LETTERS = 'abcdefghijkmnpqrstuvwxyz23456789';
const CLASSES = ['viewer', 'quant', 'operator', 'bulk'];

/** A password for somebody who has to choose another one. */
function oneTimePassword() {
  const bytes = crypto.getRandomValues(new Uint8Array(20));
  const letters = Array.from(bytes, (byte) => LETTERS[byte % LETTERS.length]).join('');
  return letters.replace(/.{5}(?!$)/g, '$&-');
}

/** @extends {Listing<User[]>} */
class Users extends Listing {
  constructor() {
    super('/admin/users');
    /** @type {Resource<{id: string}[]>} */
    this.roles = new Resource(async (signal) => (await ask('/admin/roles', {}, { signal })).data);
  }

  begin() {
    super.begin();
    this.uses(this.roles);
    void this.roles.load();
  }

  render() {
    return html`${this.tools(html`<button type="button" @click=${() => this.once(this.roles, this.#create)}>${t('new_user')}</button>`)}
      ${shown(this.list, (users) => this.narrowed(users, (user) => [user.id, user.display, ...user.roles].join(' '), (rows) => this.#table(rows)))}
     `;
  }

  /** @param {User[]} users */
  #table(users) {
    const columns = /** @type {const} */ (['name', 'shown_as', 'roles', 'state', 'data', 'class', 'rows_per_day', 'since']);
    return table({ label: t('users') }, [...columns.map((name) => t(name)), unseen(t('actions'))], users.map((user) => this.#row(user)));
  }

  /** @param {User} user */
  #row(user) {
    const state = user.disabled ? 'disabled' : user.must_change ? 'must_change' : 'active';
    return html`<tr>
      <th scope="row">${user.id} ${user.id === who.value?.name ? html`<span class="badge good">${t('you')}</span>` : nothing}</th>
      <td class="wrap" dir="auto">${user.display}</td>
      <td class="wrap">${user.roles.join(', ')}</td>
      <td>
        <span class="badge ${{ disabled: 'bad', must_change: 'warn', active: 'good' }[state]}">${t(`user_${state}`)}</span>
        ${user.service ? html`<span class="badge dim">${t('service')}</span>` : nothing}
      </td>
      <td class="wrap">${entitled(user.entitlements, t('as_roles'))}</td>
      <td>${user.limits || t('as_roles')}</td>
      <td class="number">${user.rows_per_day ? count(user.rows_per_day) : t('as_class')}</td>
      <td class="time">${date(ms(user.ts_created))}</td>
      <td class="actions">
        ${this.#button('change', user, () => this.once(this.roles, () => this.#change(user)))}
        ${user.service ? nothing : this.#button('password', user, () => this.#password(user))}
        ${this.#button('remove', user, () => this.#remove(user))}
      </td>
    </tr>`;
  }

  /** @param {'change' | 'password' | 'remove'} name @param {User} user @param {() => unknown} run */
  #button(name, user, run) {
    return html`<button type="button" aria-label=${t(`${name}_of`, { name: user.id })} @click=${run}>${t(name)}</button>`;
  }

  /** @param {string[]} chosen */
  #roleFields(chosen) {
    const known = (this.roles.data ?? []).map((each) => each.id);
    return html`<fieldset class="choices">
      <legend>${t('roles')}</legend>
      ${[...new Set([...known, ...chosen])].map(
        (role) => html`<label><input type="checkbox" name="role" value=${role} ?checked=${chosen.includes(role)} /> ${role}</label>`,
      )}
    </fieldset>`;
  }

  /** @param {Partial<User>} user */
  #more(user) {
    return html`<div class="field"><label for="user-display">${t('shown_as')}</label>
        <input id="user-display" name="display" maxlength="128" autocomplete="off" .defaultValue=${user.display ?? ''} /></div>
      ${this.#roleFields(user.roles ?? [])}
      <mp-entitlements .given=${user.entitlements ?? null} .none=${t('as_roles')}></mp-entitlements>
      <div class="field"><label for="user-limits">${t('class')}</label>
        <select id="user-limits" name="limits">
          <option value="">${t('as_roles')}</option>
          ${CLASSES.map((each) => html`<option ?selected=${each === user.limits}>${each}</option>`)}
        </select></div>
      <div class="field"><label for="user-rows">${t('rows_per_day')}</label>
        <input id="user-rows" name="rows" type="number" min="0" step="1" placeholder=${t('as_class')}
          .defaultValue=${String(user.rows_per_day || '')} /></div>`;
  }

  /** @param {HTMLFormElement} form */
  #values(form) {
    const values = new FormData(form);
    return {
      display: String(values.get('display') ?? ''),
      roles: values.getAll('role').map(String),
      entitlements: /** @type {EntitlementFields} */ (form.querySelector('mp-entitlements')).value,
      limits: String(values.get('limits') ?? ''),
      rows_per_day: Number(values.get('rows') || 0),
    };
  }

  #create = () =>
    act({
      title: t('new_user'),
      button: t('make_user'),
      body: html`<p>${t('new_user_more')}</p>
        <div class="field"><label for="user-id">${t('name')}</label>
          <input id="user-id" name="id" required maxlength="32" pattern="[a-z][a-z0-9_\\-]*" autocapitalize="none" autocomplete="off" autofocus
            title=${t('name_more')} aria-describedby="user-id-more" /><span id="user-id-more" class="dim">${t('name_more')}</span></div>
        ${this.#more({ roles: ['viewer'] })}
        <div class="field"><label for="user-subject">${t('subject')}</label>
          <input id="user-subject" name="subject" maxlength="512" autocomplete="off" /></div>
        <p><label><input type="checkbox" name="service" /> ${t('is_service')}</label></p>`,
      act: (form) => {
        const values = new FormData(form);
        const subject = String(values.get('subject') ?? '').trim();
        return change('POST', this.path, { id: values.get('id'), subject, service: values.has('service'), ...this.#values(form) });
      },
      result: ({ data }) =>
        data.password ? html`<p>${t('first_password', { name: data.id })}</p><mp-secret .text=${data.password} .label=${t('password')}></mp-secret>` : nothing,
      then: this.renew,
    });

  /** @param {User} user */
  #change(user) {
    act({
      title: t('change_of', { name: user.id }),
      button: t('apply'),
      body: html`<p>${t('change_more')}</p>
        ${this.#more(user)}
        <p><label><input type="checkbox" name="disabled" ?checked=${user.disabled} /> ${t('disable')}</label></p>`,
      act: (form) => {
        const wanted = { ...this.#values(form), disabled: new FormData(form).has('disabled') };
        return change('PATCH', `${this.path}/${encodeURIComponent(user.id)}`, wanted);
      },
      then: this.renew,
    });
  }

  /** @param {User} user */
  #password(user) {
    const password = oneTimePassword();
    act({
      title: t('password_of', { name: user.id }),
      button: t('password_set'),
      isGrave: true,
      body: html`<p>${t('password_more', { name: user.id })}</p>`,
      act: () => change('PATCH', `${this.path}/${encodeURIComponent(user.id)}`, { password }),
      result: () => html`<p>${t('first_password', { name: user.id })}</p><mp-secret .text=${password} .label=${t('password')}></mp-secret>`,
      then: this.renew,
    });
  }

  /** @param {User} user */
  #remove(user) {
    act({
      title: t('remove_of', { name: user.id }),
      button: t('remove'),
      isGrave: true,
      body: html`<p>${t('remove_more', { name: user.id })}</p>`,
      act: () => change('DELETE', `${this.path}/${encodeURIComponent(user.id)}`),
      then: this.renew,
    });
  }
}

customElements.define('mp-access-users', Users);
