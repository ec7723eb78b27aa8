/** Who one is here, what that allows, and what is one's own: keys, sessions, the password. */
import { html, nothing } from '../../vendor/lit.js';
import { ask } from '../../core/api.js';
import { Part } from '../../core/part.js';
import { count, percent } from '../../core/numbers.js';
import { Resource } from '../../core/resource.js';
import { zoneName } from '../../core/time.js';
import { setPassword, who } from '../../core/who.js';
import { entitled } from '../../access/entitlements.js';
import { keyTable, newKey, revokeKey, sorted } from '../../access/keys.js';
import { inOrder, inWords } from '../../access/scopes.js';
import { endSession, sessionTable } from '../../access/sessions.js';
import { act } from '../../parts/action.js';
import { empty, shown } from '../../parts/states.js';
import { t as tStates } from '../../parts/text.js';
import { t } from './text.js';

/** @typedef {import('../../access/keys.js').Key} Key */
/** @typedef {import('../../access/sessions.js').Session} Session */

const EVERY_MS = 5000;

class MePage extends Part {
  constructor() {
    super();
    this.me = new Resource(async (signal) => (await ask('/me', {}, { signal })).data);
    /** @type {Resource<Key[]>} */
    this.keys = new Resource(async (signal) => sorted((await ask('/me/keys', {}, { signal })).data));
    /** @type {Resource<Session[]>} */
    this.sessions = new Resource(async (signal) => (await ask('/me/sessions', {}, { signal })).data);
  }

  begin() {
    this.follow(who);
    this.uses(...this.#all());
    this.#load();
    this.every(EVERY_MS, () => this.#load());
  }

  #load() {
    for (const each of this.#all()) void each.load();
  }

  /** Whoever is nobody in particular has nothing of their own. */
  #all() {
    return this.#isSomebody() ? [this.me, this.keys, this.sessions] : [this.me];
  }

  #isSomebody() {
    return who.value !== null && !who.value.isLocal;
  }

  render() {
    return html`<h1>${t('title')}</h1>
      ${shown(this.me, (me) => this.#facts(me))}
      ${this.#isSomebody() ? this.#own() : nothing}`;
  }

  /** @param {any} me */
  #facts(me) {
    const roles = who.value?.roles ?? [];
    return html`${me.kind === 'local' ? html`<p>${t('local')}</p><p><a href="/access">${t('local_more')}</a></p>` : nothing}
      <dl class="facts">
        <dt>${t('name')}</dt><dd>${me.kind === 'local' ? t('nobody') : me.name} ${me.display ? html`<bdi>${me.display}</bdi>` : nothing}</dd>
        ${roles.length ? html`<dt>${t('roles')}</dt><dd>${roles.join(', ')}</dd>` : nothing}
        ${me.owner ? html`<dt>${t('owner')}</dt><dd>${me.owner}</dd>` : nothing}
        <dt>${t('data')}</dt><dd>${entitled(me.entitlements)}</dd>
        <dt>${t('limits')}</dt><dd>${me.limits}</dd>
        ${(me.rows ?? []).map((/** @type {any} */ each) => this.#rows(each))}
      </dl>
      <h2>${t('may')}</h2>
      <ul class="words">${inOrder(me.scopes).map((scope) => html`<li>${inWords(scope)} <code class="dim">${scope}</code></li>`)}</ul>`;
  }

  /** @param {{account: string, per_day: number, used: number}} each */
  #rows(each) {
    const text = t('rows_used', { used: count(each.used), all: count(each.per_day), share: percent(each.used, each.per_day) });
    return html`<dt>${t('rows')}</dt>
      <dd><meter min="0" max=${each.per_day} high=${each.per_day * 0.9} .value=${each.used} aria-label=${t('rows')}></meter> ${text}
        <span class="dim">${t('rows_more')}</span></dd>`;
  }

  #own() {
    const isPerson = who.value?.kind === 'user';
    const none = empty(t('no_keys'), html`<p>${t('no_keys_more')}</p>`);
    return html`<h2>${t('keys')}</h2>
      <div class="tools">
        ${isPerson ? html`<button type="button" @click=${this.#newKey}>${t('new_key')}</button>` : nothing}
        <span class="dim apart">${tStates('all_zones', { zone: zoneName() })}</span>
      </div>
      ${shown(this.keys, (keys) => keyTable(keys, { revoke: (key) => act(revokeKey(key, '/me/keys', () => this.keys.load())) }), {
        none: () => none,
      })}
      <h2>${t('sessions')}</h2>
      ${shown(this.sessions, (sessions) => sessionTable(sessions, (each) => this.#end(each)), {
        none: () => empty(t('no_sessions')),
      })}
      ${this.me.data?.has_password ? html`<h2>${t('password')}</h2><p><button type="button" @click=${this.#password}>${t('change')}</button></p>` : nothing}`;
  }

  #newKey = () =>
    act(newKey({ path: '/me/keys', scopes: who.value?.scopes ?? [], then: () => void this.keys.load() }));

  /** @param {Session} session */
  #end(session) {
    act(endSession({ ...session, user: who.value?.name }, '/me/sessions', () => void this.sessions.load()));
  }

  /** What did not fit may fit now. @param {InputEvent} event */
  #typed = (event) => {
    const input = /** @type {HTMLInputElement} */ (event.target).form?.elements.namedItem('again');
    if (input instanceof HTMLInputElement) input.setCustomValidity('');
  };

  #password = () =>
    act({
      title: t('password'),
      button: t('change'),
      body: html`<p>${t('password_more')}</p>
        <input
          class="unseen" name="user" autocomplete="username" aria-label=${t('name')} tabindex="-1" readonly
          .value=${who.value?.name ?? ''}
        />
        ${/** @type {const} */ (['now', 'new', 'again']).map(
          (name) => html`<div class="field">
            <label for="password-${name}">${t(`password_${name}`)}</label>
            <input
              id="password-${name}" name=${name} type="password" required maxlength="1024"
              autocomplete=${name === 'now' ? 'current-password' : 'new-password'} @input=${this.#typed}
            />
          </div>`,
        )}`,
      act: async (form) => {
        const { now, new: chosen, again } = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value)]));
        if (chosen !== again) {
          const input = /** @type {HTMLInputElement} */ (form.elements.namedItem('again'));
          input.setCustomValidity(t('differ'));
          input.reportValidity();
          return null;
        }
        return setPassword(now, chosen);
      },
      then: () => void this.sessions.load(),
    });
}

customElements.define('mp-me-page', MePage);
export default 'mp-me-page';
