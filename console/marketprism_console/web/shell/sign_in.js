/**
 * Signing in: in the place of the page where nobody is, and over the page where a session has run out. Whoever has a
 * password that somebody else chose gets another one here first.
 */
import { html, nothing } from '../vendor/lit.js';
import { address, alter, hrefOf } from '../core/address.js';
import { ApiError, ask } from '../core/api.js';
import { Part } from '../core/part.js';
import { nextOf, prefer, preferences } from '../core/preferences.js';
import { duration } from '../core/time.js';
import { setPassword, signIn, signOut, who } from '../core/who.js';
import { t as tShell } from './text.js';
import { t } from './sign_in_text.js';

/** @typedef {{mode: string, password: boolean, oidc: {label: string, path: string} | null}} Ways */

class SignIn extends Part {
  static properties = { over: { attribute: false } };

  constructor() {
    super();
    this.over = false;
    /** @type {Ways} */
    this.ways = { mode: 'on', password: true, oidc: null };
    this.isBusy = false;
    /** @type {ApiError | null} */
    this.refusal = null;
    this.refusedUntil = 0;
    this.hint = '';
    this.refused = address.value.params.sign_in ?? ''; // the status by which a login at the provider has ended
    this.entered = ''; // the password of this sign-in, for the change that it asks for
  }

  begin() {
    this.follow(who);
    this.every(500, () => this.refusedUntil && this.requestUpdate());
    void this.#findWays();
    if (this.refused) alter({ sign_in: null });
  }

  async #findWays() {
    try {
      this.ways = (await ask('/auth')).data;
      this.requestUpdate();
    } catch (error) {
      // A gateway that does not say how is one that takes a password; what else is wrong shows when it is tried.
      if (!(error instanceof ApiError)) throw error;
    }
  }

  get isChange() {
    return who.value?.mustChangePassword === true;
  }

  render() {
    const form = this.isChange ? this.#changeForm() : this.#form();
    if (!this.over) return html`<section class="sign-in panel">${form}</section>`;
    return html`<dialog class="sign-in" aria-labelledby="sign-in" @cancel=${this.#stay} @close=${this.#open}>${form}</dialog>`;
  }

  updated() {
    this.#open();
    const focused = document.activeElement;
    if (focused && this.contains(focused)) return;
    const inputs = [...this.querySelectorAll('input')];
    (inputs.find((input) => !input.value) ?? inputs[0])?.focus();
  }

  #open = () => {
    const dialog = this.querySelector('dialog');
    if (dialog && !dialog.open && this.isConnected) dialog.showModal();
  };

  /** @param {Event} event */
  #stay = (event) => event.preventDefault();

  #form() {
    const waits = this.#waits();
    return html`<form @submit=${this.#submit} aria-busy=${this.isBusy}>
      <h1 id="sign-in">${t('title')}</h1>
      ${this.over ? html`<p>${t('ended')}</p>` : nothing}
      ${this.ways.password ? this.#fields() : nothing} ${this.#problem(waits)}
      <div class="buttons">
        ${this.#language()}
        ${this.ways.password
          ? html`<button class="main" ?disabled=${this.isBusy || waits > 0}>${t(this.isBusy ? 'busy' : 'title')}</button>`
          : nothing}
      </div>
      ${this.#provider()}
      <p class="dim">${t('first')} <code>marketprism access init</code></p>
    </form>`;
  }

  #fields() {
    return html`<div class="field">
        <label for="sign-in-name">${t('name')}</label>
        <input
          id="sign-in-name" name="user" autocomplete="username" autocapitalize="none" spellcheck="false" maxlength="200"
          required .value=${this.over ? (who.value?.name ?? '') : ''}
        />
      </div>
      ${this.#password('password', t('password'), 'current-password')}`;
  }

  /** @param {string} name @param {string} label @param {string} kind */
  #password(name, label, kind) {
    return html`<div class="field">
      <label for="sign-in-${name}">${label}</label>
      <input id="sign-in-${name}" name=${name} type="password" autocomplete=${kind} maxlength="1024" required />
    </div>`;
  }

  #changeForm() {
    const waits = this.#waits();
    return html`<form @submit=${this.#submitChange} aria-busy=${this.isBusy}>
      <h1 id="sign-in">${t('change')}</h1>
      <p>${t('change_more')}</p>
      <input class="unseen" name="user" autocomplete="username" aria-label=${t('name')} tabindex="-1" readonly .value=${who.value?.name ?? ''} />
      ${this.entered ? nothing : this.#password('password', t('password_now'), 'current-password')}
      ${this.#password('new', t('password_new'), 'new-password')} ${this.#password('again', t('password_again'), 'new-password')}
      ${this.#problem(waits)}
      <div class="buttons">
        <button type="button" @click=${this.#leave}>${tShell('sign_out')}</button>
        <button class="main" ?disabled=${this.isBusy || waits > 0}>${t(this.isBusy ? 'busy' : 'change_do')}</button>
      </div>
    </form>`;
  }

  #language() {
    return html`<button
      type="button" lang=${preferences.value.language === 'zh' ? 'en' : 'zh-CN'} aria-label=${tShell('language_label')}
      @click=${() => prefer({ language: nextOf('language') })}
    >
      ${tShell('language')}
    </button>`;
  }

  #provider() {
    const { oidc } = this.ways;
    if (!oidc) return nothing;
    const { path, params } = address.value;
    const why = { 403: t('provider_no_role'), 429: t('crowded'), 503: t('provider_away') }[this.refused] ?? t('provider_refused');
    return html`${this.refused ? html`<p class="failed" role="alert">${why}</p>` : nothing}
      <p><a class="button provider wrap" href=${`${oidc.path}?${new URLSearchParams({ next: hrefOf(path, params) })}`}>
      ${t('provider', { name: oidc.label })}
    </a></p>`;
  }

  #waits() {
    return Math.max(0, this.refusedUntil - Date.now());
  }

  /** Why it was refused; never which of name and password was wrong. @param {number} waits */
  #problem(waits) {
    if (this.hint) return html`<p class="failed" role="alert">${this.hint}</p>`;
    const refusal = this.refusal;
    if (!refusal) return html`<p role="alert" hidden></p>`;
    if (this.refusedUntil) {
      const time = duration(Math.ceil(waits / 1000) * 1000);
      const reason = t(refusal.code === 'LOCKED_OUT' ? 'locked' : 'crowded');
      // The seconds that pass are seen; only the beginning and the end are read aloud.
      return html`<div class="failed">
        <p role="alert">${waits ? reason : t('again')}</p>
        ${waits ? html`<p aria-hidden="true" class="waits">${t('wait', { time })}</p>` : nothing}
      </div>`;
    }
    const isWrong = refusal.status === 401;
    return html`<div class="failed" role="alert">
      <p>${isWrong ? t(this.isChange ? 'wrong_password' : 'wrong') : refusal.code === 'UNREACHABLE' ? t('unreachable') : refusal.message}</p>
      ${isWrong || !refusal.requestId ? nothing : html`<p class="dim">${t('request', { id: refusal.requestId })}</p>`}
    </div>`;
  }

  /** @param {() => Promise<unknown>} work @returns {Promise<boolean>} whether it was done */
  async #try(work) {
    if (this.isBusy || this.#waits()) return false;
    Object.assign(this, { isBusy: true, refusal: null, refusedUntil: 0, hint: '' });
    this.requestUpdate();
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.refusal = error;
      // Without an answer there is nothing to wait for.
      this.refusedUntil = error.status && error.retryAfterS ? Date.now() + error.retryAfterS * 1000 : 0;
      return false;
    } finally {
      this.isBusy = false;
      this.requestUpdate();
    }
  }

  /** @param {SubmitEvent & {currentTarget: HTMLFormElement}} event */
  #submit = async (event) => {
    event.preventDefault();
    const form = event.currentTarget;
    const { user, password } = valuesOf(form);
    this.entered = password; // before somebody is there, who may have to change it
    if (await this.#try(() => signIn(user.trim(), password))) return;
    this.entered = '';
    const input = /** @type {HTMLInputElement | null} */ (form.elements.namedItem('password'));
    if (input) {
      input.value = '';
      input.focus();
    }
  };

  /** @param {SubmitEvent & {currentTarget: HTMLFormElement}} event */
  #submitChange = async (event) => {
    event.preventDefault();
    const { password, new: chosen, again } = valuesOf(event.currentTarget);
    if (chosen !== again) {
      this.hint = t('differ');
      this.requestUpdate();
      return;
    }
    const isDone = await this.#try(() => setPassword(this.entered || password, chosen));
    if (isDone || this.refusal?.status === 401) this.entered = '';
    this.requestUpdate();
  };

  #leave = () => {
    this.entered = '';
    void this.#try(signOut);
  };
}

/** @param {HTMLFormElement} form @returns {Record<string, string>} */
function valuesOf(form) {
  return Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, String(value)]));
}

customElements.define('mp-sign-in', SignIn);
