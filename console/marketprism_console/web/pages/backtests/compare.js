/** Runs beside one another: what they were asked for where it differs, their results, their equities in one picture. */
import { html, nothing } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { ask } from '../../core/api.js';
import { count } from '../../core/numbers.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { empty, shown } from '../../parts/states.js';
import { numeric, table } from '../../parts/table.js';
import { legend, plot } from './plot.js';
import { figure, linkTo, rangeOf, statTitle } from './shown.js';
import { fieldName, t } from './text.js';

/** @typedef {import('./shown.js').Shown} Shown */
/** @typedef {{records: Shown[], rows: Record<string, any>[], equities: {trading_day: string, equity: string}[][]}} Found */

const MOST = 8;

/** What a run was asked for, flat. @param {Shown} record @returns {Record<string, string>} */
function asked(record) {
  const flat = (/** @type {Record<string, any>} */ values, prefix = '') =>
    Object.fromEntries(Object.entries(values).map(([name, value]) => [prefix + name, String(value)]));
  const { strategy, instruments, venue, interval, params, settings } = record;
  return { strategy, instruments: instruments.join(', '), venue, interval, range: rangeOf(record), ...flat(params, 'params.'), ...flat(settings) };
}

class Compare extends Part {
  constructor() {
    super();
    this.ids = '';
    /** @type {Resource<Found>} */
    this.found = new Resource(async (signal) => {
      const ids = this.#names;
      const one = async (/** @type {string} */ path, params = {}) => (await ask(path, params, { signal })).data;
      const [rows, records, equities] = await Promise.all([
        one('/backtests/compare', { ids: ids.join(',') }),
        Promise.all(ids.map((id) => one(`/backtests/${encodeURIComponent(id)}`))),
        Promise.all(ids.map((id) => one(`/backtests/${encodeURIComponent(id)}/equity`, { limit: 100_000 }))),
      ]);
      return { rows, records, equities };
    });
  }

  begin() {
    this.uses(this.found);
    this.follow(address, () => this.#look());
    this.#look();
  }

  get #names() {
    return [...new Set(this.ids.split(/[\s,，]+/).filter(Boolean))].slice(0, MOST);
  }

  #look() {
    const { ids = '' } = address.value.params;
    if (ids !== this.ids) {
      this.ids = ids;
      if (this.#names.length > 1) void this.found.load({ forget: true });
    }
    this.requestUpdate();
  }

  render() {
    return html`<form class="tools" @submit=${this.#submit} aria-label=${t('view_compare')}>
        <label class="compare-ids">${t('ids')}
          <input name="ids" maxlength="200" size="60" autocomplete="off" spellcheck="false" .value=${this.#names.join(', ')} /></label>
        <button>${t('view_compare')}</button></form>
      ${this.#names.length > 1
        ? shown(this.found, (found) => this.#all(found), { lines: 10 })
        : empty(t('none_compared'), html`<p>${t('none_compared_more')}</p>`)}`;
  }

  /** @param {Found} found */
  #all({ records, rows, equities }) {
    const names = records.map(({ run_id: id }) => id);
    const given = records.map(asked);
    const keys = [...new Set(given.flatMap((each) => Object.keys(each)))].filter((key) => new Set(given.map((each) => each[key] ?? '')).size > 1);
    const heads = [t('what'), ...records.map((each) => numeric(linkTo(each)))];
    const results = rows.filter(({ what }) => !what.startsWith('params.') && what !== 'strategy' && what !== 'fill');
    return html`<h2>${t('equities')}</h2>
      ${this.#equities(records, equities)}
      <h2>${t('settings_differ')}</h2>
      ${keys.length
        ? table({ label: t('settings_differ') }, heads, keys.map((key) => html`<tr><th scope="row">${this.#key(key)}</th>
            ${given.map((each) => html`<td class="right wrap">${each[key] ?? '–'}</td>`)}</tr>`))
        : html`<p class="dim">${t('settings_same')}</p>`}
      <h2>${t('results')}</h2>
      ${table({ label: t('results') }, heads, results.map((row) => {
        const name = row.what.replace('statistics.', '');
        const differs = row.differs ? html` <span aria-hidden="true">≠</span><span class="unseen">${t('differs')}</span>` : nothing;
        return html`<tr class=${row.differs ? 'differs' : ''}><th scope="row">${statTitle(name)}${differs}</th>
          ${names.map((id) => html`<td class="number">${name === 'run_id' ? String(row[id]).slice(0, 12) : figure(name, row[id])}</td>`)}</tr>`;
      }))}`;
  }

  /** @param {string} key */
  #key(key) {
    return key.startsWith('params.') ? html`${fieldName('params')} <code>${key.slice(7)}</code>` : fieldName(key === 'fill' ? 'mode' : key);
  }

  /** Profits, so that capitals that differ do not hide them. @param {Shown[]} records @param {Found['equities']} equities */
  #equities(records, equities) {
    const days = [...new Set(equities.flatMap((each) => each.map(({ trading_day: day }) => day)))].sort();
    const lines = records.map((record, n) => {
      const byDay = new Map(equities[n].map((each) => [each.trading_day, Number(each.equity) - Number(record.settings.capital)]));
      return { name: record.run_id, values: [0, ...days.map((day) => byDay.get(day) ?? null)] };
    });
    const label = t('equities_label', { count: records.length, days: days.length });
    const last = (/** @type {number} */ n) => count(lines[n].values.findLast((value) => value !== null) ?? 0);
    return html`${plot({ label, lines, days: [t('start'), ...days], shown: (value) => count(value) })}
      ${legend(records.map((each, n) => html`${linkTo(each)} <span class="dim">${each.strategy}</span> ${last(n)}`))}`;
  }

  /** @param {SubmitEvent & {currentTarget: HTMLFormElement}} event */
  #submit = (event) => {
    event.preventDefault();
    alter({ ids: String(new FormData(event.currentTarget).get('ids') ?? '').split(/[\s,，]+/).filter(Boolean).join(',') });
  };
}

customElements.define('mp-backtest-compare', Compare);
