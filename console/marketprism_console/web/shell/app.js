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
import { pageName } from '../pages/text.js';
import '../parts/action.js';
import { empty, failed, loading } from '../parts/states.js';
import { ApiError } from '../core/api.js';
import './bar.js';
import './palette.js';
import './sign_in.js';
import { t } from './text.js';

const PAUSE_MS = 5000;

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
    this.hasStream = false;
    this.restarted = -Infinity;
  }

  begin() {
    this.follow(address, () => this.#open());
    this.follow(who, () => {
      this.#connect();
      void this.#findLater();
      void this.#open();
    });
    this.follow(stream.state, ({ is }) => {
      this.requestUpdate();
      if (is === 'refused') void this.#recognise();
    });
    this.follow(stream.notice);
    this.every(60_000, () => void this.#findLater());
    this.follow(signedOut, (isOut) => {
      this.requestUpdate();
      this.#connect();
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
      this.problem = null;
      if (stream.state.value.is === 'refused') this.hasStream = false; // what it was opened with is good no longer
      this.#connect();
    } catch (error) {
      if (!who.value) this.problem = error; // who was recognised before stays so until it is known better
      if (error instanceof ApiError && error.retryAfterS) setTimeout(() => this.#recognise(), error.retryAfterS * 1000);
    }
    await this.#open();
  }

  /** Connect as whoever is signed in now, if they may; not again and again where that is refused all the same. */
  #connect() {
    const had = this.hasStream;
    this.hasStream = !signedOut.value && may('md:stream');
    if (had || !this.hasStream) return;
    if (this.restarted === -Infinity) {
      this.restarted = performance.now() - PAUSE_MS;
      stream.connect();
      return;
    }
    const pause = Math.max(0, this.restarted + PAUSE_MS - performance.now());
    this.restarted = performance.now() + pause;
    if (pause) setTimeout(() => this.hasStream && stream.restart(), pause);
    else stream.restart();
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
      document.title = `${pageName(found.row.name)} · MarketPrism`;
      this.requestUpdate();
      if (isOther) scrollTo(0, 0);
    } catch (error) {
      this.problem = error;
      this.requestUpdate();
    }
  }

  render() {
    const { is } = stream.state.value;
    const hasEnded = signedOut.value && who.value !== null;
    return html`
      <a class="skip" href="#content" @click=${this.#skip}>${t('skip')}</a>
      <mp-bar .isMenuOpen=${this.isMenuOpen} @menu=${this.#menu}></mp-bar>
      <nav id="pages" class=${this.isMenuOpen ? 'open' : ''} aria-label=${t('pages')}>
        ${PAGES.filter((row) => this.#isOffered(row)).map((row) => this.#link(row))}
      </nav>
      <main id="content" tabindex="-1" class=${hasEnded ? 'ended' : is === 'away' || is === 'quiet' ? 'cut' : ''}>
        ${this.#banner(is)} ${this.#page()}
      </main>
      ${hasEnded ? html`<mp-sign-in .over=${true}></mp-sign-in>` : nothing}
      <footer>
        <a href="/about">MarketPrism</a>
        <a href="https://www.tradingview.com/" target="_blank" rel="noreferrer">${t('attribution')}</a>
      </footer>
      <mp-palette></mp-palette>
      <mp-action></mp-action>
    `;
  }

  /** @param {import('../pages/index.js').PageRow} row */
  #isOffered(row) {
    return !row.unlisted && (!row.scope || may(row.scope)) && (!row.route || this.later.has(row.route));
  }

  /** Pages of services that come later appear when the gateway has their requests. */
  async #findLater() {
    for (const { route, scope } of PAGES) {
      if (!route || (scope && !may(scope))) continue; // whoever may do nothing yet is refused the list, too
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
      <span>${pageName(row.name)}</span>${row.keys ? html`<kbd>${row.keys}</kbd>` : nothing}
    </a>`;
  }

  /** @param {string} is */
  #banner(is) {
    if (is === 'away' || is === 'quiet') return html`<p class="banner" role="status">${t('stale', { time: clock(stream.state.value.since) })}</p>`;
    const notice = stream.notice.value;
    return notice?.code === 'UPSTREAM_AWAY' ? html`<p class="banner" role="status">${t('away', { time: clock(notice.since) })}</p>` : nothing;
  }

  #page() {
    const { path } = address.value;
    if ((signedOut.value && !who.value) || who.value?.mustChangePassword) return html`<mp-sign-in></mp-sign-in>`;
    const row = pageOf(path)?.row;
    if (!row) {
      return html`<h1>${t('not_there')}</h1>
        ${empty(t('not_there_more', { path }), html`<a class="button" href="/market">${t('to_first')}</a>`)}`;
    }
    if (this.problem instanceof ApiError && !this.shown) return failed(this.problem, () => this.#recognise());
    if (this.problem) return html`<div class="failed" role="alert"><p>${t('no_load')}</p></div>`;
    if (row.scope && who.value && !may(row.scope) && !row.explains) {
      const error = new ApiError('FORBIDDEN', '', { status: 403, details: { scope: row.scope } });
      return html`<h1>${pageName(row.name)}</h1>${failed(error)}`;
    }
    if (!this.shown) return loading(8);
    const { tag, rest } = this.shown;
    // Another person begins anew.
    return keyed(`${tag} ${who.value?.id}`, html`<mp-page .tag=${tag} .rest=${rest}></mp-page>`);
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
