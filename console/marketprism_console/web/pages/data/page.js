/** Data: what is stored and what is missing, and the jobs that check, fetch, mend and take in more of it. */
import { html, nothing } from '../../vendor/lit.js';
import { go } from '../../core/address.js';
import { Part } from '../../core/part.js';
import { hasRoute } from '../../core/routes.js';
import { zoneName } from '../../core/time.js';
import { loading } from '../../parts/states.js';
import { tabs } from '../../parts/tabs.js';
import { t as common } from '../../parts/text.js';
import './bars.js';
import './stored.js';
import { t } from './text.js';

const VIEWS = /** @type {const} */ (['bars', 'series', 'check', 'download', 'import', 'jobs']);

class DataPage extends Part {
  static properties = { rest: { attribute: false } };

  constructor() {
    super();
    this.rest = '';
    this.hasJobs = false; // those behind the second need the data service
    this.isLoaded = false;
  }

  begin() {
    void this.#look();
    this.every(60_000, () => void this.#look());
  }

  async #look() {
    this.hasJobs = await hasRoute('/data/jobs').catch(() => this.hasJobs);
    this.requestUpdate();
    if (!this.hasJobs || this.isLoaded) return;
    await import('./jobs/views.js');
    this.isLoaded = true;
    this.requestUpdate();
  }

  render() {
    const [first, ...rest] = this.rest.split('/');
    const chosen = VIEWS.find((each) => each === first) ?? 'bars';
    const hasTabs = this.hasJobs || this.rest;
    const view = this.#view(chosen, rest.join('/'));
    const all = VIEWS.map((key) => ({ key, title: t(`view_${key}`) }));
    return html`<h1>${t('title')}</h1>
      <p class="dim">${common('all_zones', { zone: zoneName() })}</p>
      ${hasTabs ? tabs(all, chosen, (key) => go(key === 'bars' ? '/data' : `/data/${key}`), t('title')) : nothing}
      ${hasTabs ? html`<div id="view-${chosen}" role="tabpanel" aria-labelledby="tab-${chosen}">${view}</div>` : view}`;
  }

  /** @param {typeof VIEWS[number]} chosen @param {string} rest */
  #view(chosen, rest) {
    if (chosen === 'bars') return html`<mp-bar-coverage></mp-bar-coverage>`;
    if (chosen === 'series') return html`<mp-stored-series></mp-stored-series>`;
    return this.isLoaded ? html`<mp-data-work .view=${chosen} .rest=${rest}></mp-data-work>` : loading(8);
  }
}

customElements.define('mp-data-page', DataPage);
export default 'mp-data-page';
