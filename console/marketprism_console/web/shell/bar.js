/** The bar at the top: search, the state of the connection, and the choices that hold for all pages. */
import { html, nothing } from '../vendor/lit.js';
import { ApiError } from '../core/api.js';
import { Part } from '../core/part.js';
import { nextOf, prefer, preferences, redIsUp } from '../core/preferences.js';
import { stream } from '../core/stream.js';
import { duration } from '../core/time.js';
import { may, signOut, who } from '../core/who.js';
import { openPalette } from './palette.js';
import { t } from './text.js';

const MARKS = { live: '●', connecting: '◌', quiet: '◐', away: '○', refused: '✕', hidden: '‖' };

class Bar extends Part {
  static properties = { isMenuOpen: { attribute: false } };

  constructor() {
    super();
    this.isMenuOpen = false;
    /** @type {{level: string, text: string}[]} */
    this.alerts = [];
    /** @type {(() => void) | undefined} */
    this.end = undefined;
    this.isSignOutRefused = false;
  }

  begin() {
    this.follow(stream.state);
    this.follow(who, () => this.#listen());
    this.#listen();
    this.whenGone(() => this.end?.());
    this.every(1000, () => stream.state.value.is === 'quiet' && this.requestUpdate());
  }

  /** What somebody should look at is counted for whoever may see it. */
  #listen() {
    this.requestUpdate();
    if (!may('sys:read')) {
      this.end?.();
      this.end = undefined;
      this.alerts = [];
    }
    if (this.end || !may('sys:read')) return;
    this.end = stream.subscribe(
      { ch: 'system.alerts', mode: 'latest' },
      {
        onMessage: ({ d }) => {
          this.alerts = Array.isArray(d?.alerts) ? d.alerts : [];
          this.requestUpdate();
        },
      },
    );
  }

  #alerts() {
    if (!this.alerts.length) return nothing;
    const errors = this.alerts.filter((each) => each.level === 'error').length;
    return html`<a class="alerts ${errors ? 'bad' : 'warn'}" href="/system" title=${this.alerts.map((each) => each.text).join('\n').slice(0, 1000)}>
      ▲ ${t('alerts', { count: this.alerts.length })}
    </a>`;
  }

  render() {
    const { theme, zone } = preferences.value;
    return html`<header class=${this.isMenuOpen ? 'open' : ''}>
      <button type="button" class="menu" aria-expanded=${this.isMenuOpen} aria-controls="pages" @click=${this.#menu}>
        <span aria-hidden="true">☰</span><span class="unseen">${t('menu')}</span>
      </button>
      <a class="brand" href="/">MarketPrism</a>
      <button type="button" class="search" @click=${openPalette} aria-label=${t('search_keys')}>
        <span>${t('search')}</span><kbd>Ctrl K</kbd>
      </button>
      ${this.#state()} ${this.#alerts()}
      <span class="choices">
        <button type="button" @click=${() => prefer({ zone: nextOf('zone') })}>
          ${t('zone', { zone: t(`zone_${zone}`) })}
        </button>
        <button type="button" @click=${() => prefer({ colours: redIsUp() ? 'green-up' : 'red-up' })}>
          ${t('colours', { colour: t(redIsUp() ? 'colour_red' : 'colour_green') })}
        </button>
        <button type="button" @click=${() => prefer({ theme: nextOf('theme') })}>
          ${t('theme', { theme: t(`theme_${theme}`) })}
        </button>
        <button
          type="button"
          lang=${preferences.value.language === 'zh' ? 'en' : 'zh-CN'}
          aria-label=${t('language_label')}
          @click=${() => prefer({ language: nextOf('language') })}
        >
          ${t('language')}
        </button>
      </span>
      ${this.#user()}
    </header>`;
  }

  #state() {
    const { is, since } = stream.state.value;
    const text = t(`state_${is}`, { time: duration(Date.now() - since) });
    return html`<span class="connection ${is}" role="status"><b aria-hidden="true">${MARKS[is]}</b> ${text}</span>`;
  }

  #user() {
    const person = who.value;
    if (!person) return nothing;
    if (person.isLocal) return html`<a class="user" href="/me">${t('local')}</a>`;
    const text = t('user', { name: person.name });
    return html`<a class="user" href="/me" title=${text} aria-label=${text}>${person.name}</a>
      <button type="button" @click=${this.#signOut}>${t('sign_out')}</button>
      ${this.isSignOutRefused ? html`<span class="bad" role="alert">${t('sign_out_failed')}</span>` : nothing}`;
  }

  #signOut = async () => {
    this.isSignOutRefused = false;
    try {
      await signOut();
    } catch (error) {
      // Whoever was not signed out is still there to see it.
      if (!(error instanceof ApiError)) throw error;
      this.isSignOutRefused = true;
      this.requestUpdate();
    }
  };

  #menu = () => this.dispatchEvent(new CustomEvent('menu'));
}

customElements.define('mp-bar', Bar);
