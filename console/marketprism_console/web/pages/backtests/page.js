/** Backtests: what was run, the form of a new one, one of them with its result, and several beside one another. */
import { html, nothing } from '../../vendor/lit.js';
import { address, go } from '../../core/address.js';
import { Part } from '../../core/part.js';
import { zoneName } from '../../core/time.js';
import { tabs } from '../../parts/tabs.js';
import { t as common } from '../../parts/text.js';
import './compare.js';
import './form.js';
import './history.js';
import './record.js';
import { t } from './text.js';

const VIEWS = /** @type {const} */ (['list', 'new', 'compare']);

class BacktestsPage extends Part {
  static properties = { rest: { attribute: false } };

  constructor() {
    super();
    this.rest = '';
  }

  begin() {
    this.follow(address);
  }

  render() {
    const chosen = VIEWS.find((each) => each === this.rest) ?? 'list';
    const all = VIEWS.map((key) => ({ key, title: t(`view_${key}`) }));
    const { remark, cached } = address.value.params;
    return html`<h1>${t('title')}</h1>
      <p class="dim">${common('all_zones', { zone: zoneName() })}</p>
      ${tabs(all, chosen, (key) => go(key === 'list' ? '/backtests' : `/backtests/${key}`), t('title'))}
      <div id="view-${chosen}" role="tabpanel" aria-labelledby="tab-${chosen}">
        ${cached ? html`<p class="good" role="status">${t('cached')}</p>` : nothing}
        ${remark ? html`<p class="warn wrap" role="status">${remark}</p>` : nothing}
        ${this.#view(chosen)}
      </div>`;
  }

  /** @param {typeof VIEWS[number]} chosen */
  #view(chosen) {
    if (chosen === 'new') return html`<mp-backtest-form></mp-backtest-form>`;
    if (chosen === 'compare') return html`<mp-backtest-compare></mp-backtest-compare>`;
    return this.rest && this.rest !== 'list'
      ? html`<mp-backtest-record .name=${this.rest}></mp-backtest-record>`
      : html`<mp-backtest-list></mp-backtest-list>`;
  }
}

customElements.define('mp-backtests-page', BacktestsPage);
export default 'mp-backtests-page';
