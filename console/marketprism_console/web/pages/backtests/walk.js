/** A walk-forward: the windows, what each training chose, and the equity of the days behind them, chained. */
import { html, nothing } from '../../vendor/lit.js';
import { count } from '../../core/numbers.js';
import { Part } from '../../core/part.js';
import { dayText } from '../../core/time.js';
import { numeric, table } from '../../parts/table.js';
import { plot } from './plot.js';
import { figure, inWords, money, statTitle, way } from './shown.js';
import { t } from './text.js';

class WalkForward extends Part {
  static properties = { record: { attribute: false } };

  constructor() {
    super();
    /** @type {import('./shown.js').Shown | null} */
    this.record = null;
  }

  render() {
    const { record } = this;
    if (!record) return nothing;
    const { summary, settings, sweep } = record;
    const equity = /** @type {[string, number][]} */ (summary.equity ?? []);
    const stats = summary.statistics ?? {};
    const by = sweep?.objective ?? '';
    const range = (/** @type {string[]} */ [from, to]) => html`<span class="one-line">${dayText(from)}</span> – <span class="one-line">${dayText(to)}</span>`;
    return html`<div class="tiles">
        ${/** @type {[string, unknown][]} */ ([
          [t('net_behind'), html`<span class=${way(summary.net)}>${money(summary.net)}</span>`],
          [t('windows'), `${count(summary.windows)}${summary.failed ? ` · ${t('failed_some', { count: summary.failed })}` : ''}`],
          [statTitle('sharpe'), figure('sharpe', stats.sharpe)], [statTitle('max_drawdown'), figure('max_drawdown', stats.max_drawdown)],
        ]).map(([name, value]) => html`<div class="tile">${name}<b>${value}</b></div>`)}
      </div>
      <p class="dim">${t('walk_what')}</p>
      <h3>${t('equity')}</h3>
      ${plot({
        label: t('equity_label', { from: money(settings.capital), to: money(equity.at(-1)?.[1] ?? settings.capital), days: equity.length }),
        lines: [{ name: '', values: [Number(settings.capital), ...equity.map(([, value]) => value)] }],
        days: [t('start'), ...equity.map(([day]) => day)], shown: (value) => count(value),
      })}
      <h3>${t('windows')}</h3>
      ${table({ label: t('windows') },
        [t('train'), t('test'), t('chosen'), numeric(t('in_sample', { by: statTitle(by) })), numeric(t('net_train')), numeric(t('net_test'))],
        (summary.chosen ?? []).map((/** @type {any} */ each) => html`<tr>
          <td>${range(each.train)}</td><td>${range(each.test)}</td><td class="wrap params">${inWords(each.params)}</td>
          <td class="number">${figure(by, each.in_sample?.objective)}</td><td class="number">${money(each.in_sample?.net)}</td>
          <td class="number ${way(each.net)}">${money(each.net)}</td></tr>`))}
      <details><summary>${t('statistics')}</summary>
        ${table({ label: t('statistics'), kind: 'fit' }, [t('what'), numeric(t('value'))],
          Object.entries(stats).map(([name, value]) => html`<tr>
            <th scope="row">${statTitle(name)}</th><td class="number">${figure(name, value)}</td></tr>`))}</details>`;
  }
}

customElements.define('mp-walk-forward', WalkForward);
