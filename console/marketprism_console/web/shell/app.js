/** The frame around every page: where to go, how the connection is, and what the person has chosen for all of them. */
import { html, keyed, nothing } from '../vendor/lit.js';
import { address } from '../core/address.js';
import { signedOut } from '../core/api.js';
import { shortcut } from '../core/keys.js';
import { Part } from '../core/part.js';
import { hasRoute } from '../core/routes.js';
import { stream } from '../core/stream.js';
import { clock } from '../core/time.js';
import { may, recognise, who } from '../core/who.js';
import { PAGES, pageOf } from '../pages/index.js';
import { t as pageName } from '../pages/text.js';
import { empty, failed, loading } from '../parts/states.js';
import { ApiError } from '../core/api.js';
import './bar.js';
import './palette.js';
import { t } from './text.js';

class App extends Part {
  constructor() {
    super();
    /** @type {{tag: string, rest: string, path: string} | null} */
    this.shown = null;
    /** @type {unknown} */
    this.problem = null;
    this.isMenuOpen = false;
    this.loadingPath = '';
    /** @type {Set<string>} */
    this.later = new Set();
  }

  begin() {
    this.follow(address, () => this.#open());
    this.follow(who, () => this.#open());
    this.follow(stream.state);
    this.follow(stream.notice);
    this.every(60_000, () => void this.#findLater());
    this.follow(signedOut, (isOut) => {
      if (isOut) void this.#recognise();
    });
    for (const row of PAGES) if (row.keys) this.whenGone(shortcut(row.keys, () => this.#go(row.path)));
    void this.#recognise();
  }

  /** @param {string} path */
  async #go(path) {
    const { go } = await import('../core/address.js');
    go(path);
  }

  async #recognise() {
    try {
      await recognise();
      stream.connect();
      void this.#findLater();
    } catch (error) {
      this.problem = error;
      if (error instanceof ApiError && error.retryAfterS) setTimeout(() => this.#recognise(), error.retryAfterS * 1000);
    }
    await this.#open();
  }

  async #open() {
    const { path } = address.value;
    const found = pageOf(path);
    this.isMenuOpen = false;
    this.requestUpdate();
    if (!found || !who.value) {
      this.shown = null;
      return;
    }
    this.loadingPath = path;
    try {
      const { default: tag } = await found.row.load();
      if (this.loadingPath !== path) return;
      const isOther = this.shown?.tag !== tag;
      this.shown = { tag, rest: found.rest, path: found.row.path };
      this.problem = null;
      document.title = `${pageName(/** @type {any} */ (found.row.name))} · MarketPrism`;
      this.requestUpdate();
      if (isOther) scrollTo(0, 0);
    } catch (error) {
      this.problem = error;
      this.requestUpdate();
    }
  }

  render() {
    const { is } = stream.state.value;
    return html`
      <a class="skip" href="#content" @click=${this.#skip}>${t('skip')}</a>
      <mp-bar .isMenuOpen=${this.isMenuOpen} @menu=${this.#menu}></mp-bar>
      <nav id="pages" class=${this.isMenuOpen ? 'open' : ''} aria-label=${t('pages')}>
        ${PAGES.filter((row) => this.#isOffered(row)).map((row) => this.#link(row))}
      </nav>
      <main id="content" tabindex="-1" class=${is === 'away' || is === 'quiet' ? 'cut' : ''}>
        ${this.#banner(is)} ${this.#page()}
      </main>
      <footer>
        <a href="/about">MarketPrism</a>
        <a href="https://www.tradingview.com/" target="_blank" rel="noreferrer">${t('attribution')}</a>
      </footer>
      <mp-palette></mp-palette>
    `;
  }

  /** @param {import('../pages/index.js').PageRow} row */
  #isOffered(row) {
    return !row.unlisted && (!row.scope || may(row.scope)) && (!row.route || this.later.has(row.route));
  }

  /** Pages of services that come later appear when the gateway has their requests. */
  async #findLater() {
    for (const { route } of PAGES) {
      if (!route) continue;
      const isThere = await hasRoute(route).catch(() => this.later.has(route)); // the connection's state says what is wrong
      if (isThere) this.later.add(route);
      else this.later.delete(route);
    }
    this.requestUpdate();
  }

  /** @param {import('../pages/index.js').PageRow} row */
  #link(row) {
    const isHere = pageOf(address.value.path)?.row === row;
    return html`<a href=${row.path} aria-current=${isHere ? 'page' : nothing}>
      <span>${pageName(/** @type {any} */ (row.name))}</span>${row.keys ? html`<kbd>${row.keys}</kbd>` : nothing}
    </a>`;
  }

  /** @param {string} is */
  #banner(is) {
    const time = clock(stream.state.value.since);
    if (is === 'away' || is === 'quiet') return html`<p class="banner" role="status">${t('stale', { time })}</p>`;
    const code = stream.notice.value?.code;
    return code === 'UPSTREAM_AWAY' ? html`<p class="banner" role="status">${t('away', { time })}</p>` : nothing;
  }

  #page() {
    const { path } = address.value;
    if (!pageOf(path)) {
      return html`<h1>${t('not_there')}</h1>
        ${empty(t('not_there_more', { path }), html`<a class="button" href="/market">${t('to_first')}</a>`)}`;
    }
    if (this.problem instanceof ApiError && !this.shown) return failed(this.problem, () => this.#recognise());
    if (this.problem) return html`<div class="failed" role="alert"><p>${t('no_load')}</p></div>`;
    if (!this.shown) return loading(8);
    const { tag, rest } = this.shown;
    return keyed(tag, html`<mp-page .tag=${tag} .rest=${rest}></mp-page>`);
  }

  #menu = () => {
    this.isMenuOpen = !this.isMenuOpen;
    this.requestUpdate();
  };

  /** @param {Event} event */
  #skip = (event) => {
    event.preventDefault();
    document.getElementById('content')?.focus();
  };
}

/** The element of a page, made by its name. */
class Page extends Part {
  static properties = { tag: { attribute: false }, rest: { attribute: false } };

  constructor() {
    super();
    this.tag = '';
    this.rest = '';
    /** @type {HTMLElement | null} */
    this.element = null;
  }

  render() {
    if (this.element?.localName !== this.tag) this.element = document.createElement(this.tag);
    Object.assign(this.element, { rest: this.rest });
    return this.element;
  }
}

customElements.define('mp-page', Page);
customElements.define('mp-app', App);
