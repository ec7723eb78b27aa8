/** API keys: a table of them, and the dialogs that make and revoke one. */
import { html, nothing } from '../vendor/lit.js';
import { change } from '../core/api.js';
import { serverNow } from '../core/server_clock.js';
import { dateTime, ms } from '../core/time.js';
import { table, unseen } from '../parts/table.js';
import { entitled, namesIn } from './entitlements.js';
import { inOrder, inWords } from './scopes.js';
import './secret.js';
import { t } from './text.js';

/**
 * @typedef {object} Key
 * @property {string} id
 * @property {string} name
 * @property {string} owner
 * @property {string[] | null} scopes
 * @property {import('./entitlements.js').Entitlement[] | null} entitlements
 * @property {string[]} cidrs
 * @property {string} limits
 * @property {number} rows_per_day
 * @property {number} ts_created
 * @property {number} ts_expires
 * @property {number} ts_revoked
 * @property {number} ts_used
 */

/** @typedef {import('../parts/action.js').Action} Action */

const DAYS = [1, 7, 30, 90, 365];

/** @param {Key} key @returns {'active' | 'expired' | 'revoked'} */
function stateOf(key) {
  if (key.ts_revoked) return 'revoked';
  return key.ts_expires && ms(key.ts_expires) <= serverNow() ? 'expired' : 'active';
}

/** Those that are good first, the newest of them first. @param {Key[]} keys */
export function sorted(keys) {
  return [...keys].sort((a, b) => Number(stateOf(a) !== 'active') - Number(stateOf(b) !== 'active') || b.ts_created - a.ts_created);
}

/**
 * @param {Key[]} keys
 * @param {{withOwner?: boolean, revoke: (key: Key) => void}} options
 */
export function keyTable(keys, { withOwner = false, revoke }) {
  const columns = /** @type {const} */ (['key', 'name', 'state', 'scopes', 'entitlements', 'networks', 'created', 'used', 'expires']);
  return table(
    { label: t('keys') },
    [...columns.map((name) => t(name)), ...(withOwner ? [t('owner')] : []), unseen(t('actions'))],
    keys.map((key) => row(key, withOwner, revoke)),
  );
}

/** @param {string[]} scopes */
function scopesOf(scopes) {
  if (!scopes.length) return t('none');
  return html`<span title=${inOrder(scopes).map(inWords).join('\n')}>${inOrder(scopes).join(' ')}</span>`;
}

/** @param {Key} key */
function endOf(key) {
  const at = key.ts_revoked || key.ts_expires;
  return at ? dateTime(ms(at)) : t('never');
}

/** @param {Key} key @param {boolean} withOwner @param {(key: Key) => void} revoke */
function row(key, withOwner, revoke) {
  const state = stateOf(key);
  return html`<tr>
    <th scope="row"><code>${key.id}</code></th>
    <td class="wrap">${key.name || '–'}</td>
    <td><span class="badge ${state === 'active' ? 'good' : 'dim'}">${t(`key_${state}`)}</span></td>
    <td class="scopes">${key.scopes === null ? t('as_owner') : scopesOf(key.scopes)}</td>
    <td class="wrap">${entitled(key.entitlements, t('as_owner'))}</td>
    <td class="wrap">${key.cidrs.length ? key.cidrs.join(', ') : t('anywhere')}</td>
    <td class="time">${dateTime(ms(key.ts_created))}</td>
    <td class="time">${key.ts_used ? dateTime(ms(key.ts_used)) : t('never')}</td>
    <td class="time">${endOf(key)}</td>
    ${withOwner ? html`<td class="wrap">${key.owner}</td>` : nothing}
    <td>
      ${state === 'active'
        ? html`<button type="button" @click=${() => revoke(key)} aria-label=${t('revoke_key', { key: key.id })}>${t('revoke')}</button>`
        : nothing}
    </td>
  </tr>`;
}

/**
 * @param {{path: string, scopes: Iterable<string>, owners?: string[], owner?: string, then: () => void}} options  whose
 *   permissions can be given; among whom an owner is chosen
 * @returns {Action}
 */
export function newKey({ path, scopes, owners, owner = '', then }) {
  return {
    title: t('new_key'),
    button: t('make_key'),
    body: html`<p>${t('new_key_more')}</p>
      ${owners
        ? html`<div class="field"><label for="key-owner">${t('owner')}</label>
            <select id="key-owner" name="owner" required>${owners.map((each) => html`<option ?selected=${each === owner}>${each}</option>`)}</select></div>`
        : nothing}
      <div class="field"><label for="key-name">${t('name')}</label>
        <input id="key-name" name="name" maxlength="128" autocomplete="off" placeholder=${t('key_name_hint')} autofocus /></div>
      ${scopeFields(scopes, null)}
      <mp-entitlements .none=${t('as_owner')}></mp-entitlements>
      <div class="field"><label for="key-cidrs">${t('networks')}</label>
        <input
          id="key-cidrs" name="cidrs" maxlength="1000" autocomplete="off" spellcheck="false"
          placeholder="10.1.0.0/16, 192.168.0.7/32" aria-describedby="key-cidrs-more"
        />
        <span id="key-cidrs-more" class="dim">${t('networks_more')}</span></div>
      <div class="field"><label for="key-days">${t('expires')}</label>
        <select id="key-days" name="days">
          ${DAYS.map((days) => html`<option value=${days} ?selected=${days === 90}>${t('in_days', { days })}</option>`)}
          <option value="">${t('never')}</option>
        </select></div>`,
    act: (form) => {
      const values = new FormData(form);
      const days = String(values.get('days') ?? '');
      const chosen = chosenScopes(form);
      const entitlements = /** @type {import('./entitlements.js').Entitlements} */ (form.querySelector('mp-entitlements')).value;
      return change('POST', path, {
        name: String(values.get('name') ?? ''),
        scopes: chosen,
        entitlements,
        cidrs: namesIn(String(values.get('cidrs') ?? '')),
        days: days ? Number(days) : null,
        ...(owners ? { owner: String(values.get('owner') ?? '') } : {}),
      });
    },
    result: ({ data }) => html`<mp-secret .text=${data.key} .label=${t('key')}></mp-secret>
      <p class="wrap"><code>curl -H 'X-API-Key: …' ${location.origin}/api/v1/me</code></p>`,
    then,
  };
}

/**
 * Fields by which some of the permissions are chosen, or, where `chosen` may be null, all of them.
 * @param {Iterable<string>} scopes
 * @param {string[] | null} chosen
 */
export function scopeFields(scopes, chosen) {
  return html`<fieldset class="choices">
    <legend>${t('scopes')}</legend>
    ${chosen === null ? html`<label class="all"><input type="checkbox" name="all" checked /> ${t('all_of_owner')}</label>` : nothing}
    ${inOrder(scopes).map(
      (scope) => html`<label><input type="checkbox" name="scope" value=${scope} ?checked=${chosen?.includes(scope) ?? false} />
        <span>${inWords(scope)} <code class="dim">${scope}</code></span></label>`,
    )}
  </fieldset>`;
}

/** @param {HTMLFormElement} form @returns {string[] | null} null: all that the owner has */
export function chosenScopes(form) {
  const values = new FormData(form);
  return values.has('all') ? null : values.getAll('scope').map(String);
}

/** @param {Key} key @param {string} path @param {() => void} then @returns {Action} */
export function revokeKey(key, path, then) {
  return {
    title: t('revoke_key', { key: key.id }),
    button: t('revoke'),
    isGrave: true,
    body: html`<p class="wrap">${t('revoke_more', { name: key.name || key.id, owner: key.owner })}</p>`,
    act: () => change('DELETE', `${path}/${encodeURIComponent(key.id)}`),
    then,
  };
}
