/** Roles, as a matrix of permissions: those of the product, and those of one's own. */
import { html, nothing } from '../../vendor/lit.js';
import { change } from '../../core/api.js';
import { who } from '../../core/who.js';
import { entitled } from '../../access/entitlements.js';
import { chosenScopes, scopeFields } from '../../access/keys.js';
import { inOrder, inWords } from '../../access/scopes.js';
import { act } from '../../parts/action.js';
import { shown } from '../../parts/states.js';
import { Listing } from './listing.js';
import { t } from './text.js';

/**
 * @typedef {object} Role
 * @property {string} id
 * @property {string[]} scopes
 * @property {import('../../access/entitlements.js').Entitlement[] | null} entitlements
 * @property {string} description
 * @property {boolean} built_in
 */

/** @extends {Listing<Role[]>} */
class Roles extends Listing {
  constructor() {
    super('/admin/roles');
  }

  render() {
    return html`<div class="tools"><button type="button" @click=${this.#create}>${t('new_role')}</button></div>
      ${shown(this.list, (roles) => this.#matrix(roles))}`;
  }

  /** @param {Role[]} roles */
  #matrix(roles) {
    const scopes = inOrder(roles.flatMap((role) => role.scopes));
    return html`<div class="scroll" tabindex="0" role="region" aria-label=${t('roles')}>
      <table class="matrix">
        <caption class="unseen">${t('matrix')}</caption>
        <thead><tr>
          <th scope="col">${t('permission')}</th>
          ${roles.map((role) => html`<th scope="col" title=${role.description}>${role.id}${role.built_in ? nothing : html`<br />${this.#actions(role)}`}</th>`)}
        </tr></thead>
        <tbody>
          ${scopes.map(
            (scope) => html`<tr>
              <th scope="row">${inWords(scope)} <code>${scope}</code></th>
              ${roles.map((role) => this.#cell(role.scopes.includes(scope)))}
            </tr>`,
          )}
          <tr><th scope="row">${t('data')}</th>${roles.map((role) => html`<td class="wrap">${entitled(role.entitlements)}</td>`)}</tr>
        </tbody>
      </table>
    </div>`;
  }

  /** @param {boolean} has */
  #cell(has) {
    return html`<td><span aria-hidden="true">${has ? '●' : '·'}</span><span class="unseen">${t(has ? 'yes' : 'no')}</span></td>`;
  }

  /** @param {Role} role */
  #actions(role) {
    return html`<button type="button" aria-label=${t('change_role', { name: role.id })} @click=${() => this.#change(role)}>${t('change')}</button>
      <button type="button" aria-label=${t('remove_role', { name: role.id })} @click=${() => this.#remove(role)}>${t('remove')}</button>`;
  }

  /** @param {Partial<Role>} role */
  #fields(role) {
    return html`<div class="field"><label for="role-text">${t('description')}</label>
        <input id="role-text" name="description" maxlength="128" autocomplete="off" .defaultValue=${role.description ?? ''} /></div>
      ${scopeFields([...(who.value?.scopes ?? []), ...(role.scopes ?? [])], role.scopes ?? [])}
      <mp-entitlements .given=${role.entitlements ?? null}></mp-entitlements>`;
  }

  /** @param {HTMLFormElement} form */
  #values(form) {
    const fields = /** @type {import('../../access/entitlements.js').Entitlements} */ (form.querySelector('mp-entitlements'));
    const description = String(new FormData(form).get('description') ?? '');
    return { scopes: chosenScopes(form) ?? [], description, entitlements: fields.value };
  }

  #create = () =>
    act({
      title: t('new_role'),
      button: t('make_role'),
      body: html`<div class="field"><label for="role-id">${t('name')}</label>
          <input id="role-id" name="id" required maxlength="32" pattern="[a-z][a-z0-9_\\-]*" autocapitalize="none" autocomplete="off" autofocus
            title=${t('name_more')} aria-describedby="role-id-more" /><span id="role-id-more" class="dim">${t('name_more')}</span></div>
        ${this.#fields({})}`,
      act: (form) => change('POST', this.path, { id: new FormData(form).get('id'), ...this.#values(form) }),
      then: this.renew,
    });

  /** @param {Role} role */
  #change(role) {
    act({
      title: t('change_role', { name: role.id }),
      button: t('apply'),
      body: html`<p>${t('change_role_more')}</p>${this.#fields(role)}`,
      act: (form) => change('PATCH', `${this.path}/${encodeURIComponent(role.id)}`, this.#values(form)),
      then: this.renew,
    });
  }

  /** @param {Role} role */
  #remove(role) {
    act({
      title: t('remove_role', { name: role.id }),
      button: t('remove'),
      isGrave: true,
      body: html`<p>${t('remove_role_more')}</p>`,
      act: () => change('DELETE', `${this.path}/${encodeURIComponent(role.id)}`),
      then: this.renew,
    });
  }
}

customElements.define('mp-access-roles', Roles);
