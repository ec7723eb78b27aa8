/** What was run, the newest first: found by strategy, state and kind, and chosen to be compared. */
import { html, nothing, repeat } from '../../vendor/lit.js';
import { address, alter, hrefOf } from '../../core/address.js';
import { ask } from '../../core/api.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { dateTime, ms } from '../../core/time.js';
import { expectOffered, offered } from '../../parts/offered.js';
import { empty } from '../../parts/states.js';
import { numeric, table, unseen } from '../../parts/table.js';
import { t as common } from '../../parts/text.js';
import { badge, figure, inWords, isOver, linkTo, money, progress, strategyName, way } from './shown.js';
import { statName } from './stats_text.js';
import { fieldName, kindName, stateName, t } from './text.js';

/** @typedef {import('./shown.js').Shown} Shown */

const EVERY_MS = 2000;
const STEP = 50;
const MOST_COMPARED = 8;
const STATES = ['queued', 'running', 'done', 'failed', 'cancelled'];
const KINDS = ['run', 'sweep', 'walk_forward'];

class BacktestList extends Part {
  constructor() {
    super();
    this.wanted = STEP;
    this.asked = '';
    /** @type {Set<string>} */
    this.chosen = new Set();
    /** Strategies that there are runs of. @type {string[]} */
    this.strategies = [];
    /** @type {Resource<Shown[]>} */
    this.records = new Resource(async (signal) => {
      await expectOffered('/backtests');
      const { data } = await ask('/backtests', { ...this.#filter, limit: this.wanted }, { signal });
      this.strategies = [...new Set([...this.strategies, ...data.map((/** @type {Shown} */ each) => each.strategy)])].sort();
      return data;
    });
  }

  begin() {
    this.uses(this.records);
    this.follow(address, () => this.#changed());
    this.every(EVERY_MS, () => {
      if (!this.records.known.value.loading) void this.records.load();
    });
    this.#changed();
  }

  get #filter() {
    const { strategy = '', state = '', kind = '' } = address.value.params;
    return { strategy, state, kind };
  }

  #changed() {
    const asked = JSON.stringify(this.#filter);
    if (asked !== this.asked) {
      this.asked = asked;
      void this.records.load({ forget: true });
    }
    this.requestUpdate();
  }

  render() {
    const ids = [...this.chosen];
    return html`<div class="tools" role="group" aria-label=${t('filters')}>
        ${this.#choice('strategy', this.strategies, String)} ${this.#choice('state', STATES, stateName)} ${this.#choice('kind', KINDS, kindName)}
        ${ids.length > 1
          ? html`<a class="button apart" href=${hrefOf('/backtests/compare', { ids: ids.join(',') })}>${t('compare_chosen', { count: ids.length })}</a>`
          : nothing}
      </div>
      ${offered(this.records, (records) => this.#rows(records), {
        lines: 6,
        none: () => empty(t('none'), html`<p><a href=${hrefOf('/backtests/new')}>${t('view_new')}</a></p>`),
      })}`;
  }

  /** @param {'strategy' | 'state' | 'kind'} name @param {string[]} all @param {(name: string) => string} word */
  #choice(name, all, word) {
    const chosen = this.#filter[name];
    const known = all.includes(chosen) || !chosen ? all : [...all, chosen];
    return html`<label>${name === 'state' ? t('state') : fieldName(name)}
      <select @change=${(/** @type {any} */ event) => alter({ [name]: event.target.value })}>
        <option value="">${t('all')}</option>
        ${known.map((each) => html`<option value=${each} ?selected=${each === chosen}>${word(each)}</option>`)}
      </select></label>`;
  }

  /** @param {Shown[]} records */
  #rows(records) {
    const numbers = ['net', 'sharpe', 'gap_exposure'].map((name) => numeric(statName(name)));
    return html`${table(
        { label: t('view_list'), kind: 'backtests' },
        [unseen(t('choose')), t('run'), fieldName('strategy'), fieldName('params'), t('state'), ...numbers, t('begun'), t('who')],
        repeat(records, ({ run_id: id }) => id, (each) => this.#row(each)),
      )}
      ${records.length >= this.wanted ? html`<p><button type="button" @click=${this.#more}>${common('more')}</button></p>` : nothing}`;
  }

  /** @param {Shown} record */
  #row(record) {
    const { run_id: id, kind, summary, state } = record;
    const isChosen = this.chosen.has(id);
    const { instruments: all } = record;
    const names = `${all.slice(0, 3).join(', ')}${all.length > 3 ? ` … ${all.length}` : ''} ${record.interval}`;
    const mayChoose = kind === 'run' && state === 'done' && (isChosen || this.chosen.size < MOST_COMPARED);
    return html`<tr>
      <td>${kind === 'run'
        ? html`<input type="checkbox" aria-label=${t('choose_run', { id })} ?disabled=${!mayChoose} .checked=${isChosen}
            @change=${() => this.#choose(id)} />`
        : nothing}</td>
      <td>${linkTo(record)}</td>
      <td class="wrap aim">${strategyName(record.strategy)} <small class="dim">${names}</small></td>
      <td class="wrap params">${inWords(record.sweep?.space ?? record.params)}</td>
      <td class="progress">${badge(state)} ${isOver(record) ? nothing : progress(record)}
        ${record.error ? html`<small class="bad wrap">${record.error.slice(0, 160)}</small>` : nothing}</td>
      <td class="number ${way(summary.net)}">${summary.net === undefined ? '–' : money(summary.net)}</td>
      <td class="number">${figure('sharpe', summary.sharpe)}</td>
      <td class="number">${figure('gap_exposure', summary.gap_exposure)}</td>
      <td class="time">${dateTime(ms(record.created_at))}</td>
      <td>${record.user}</td>
    </tr>`;
  }

  /** @param {string} id */
  #choose(id) {
    if (!this.chosen.delete(id)) this.chosen.add(id);
    this.requestUpdate();
  }

  #more = () => {
    this.wanted += STEP;
    void this.records.load();
  };
}

customElements.define('mp-backtest-list', BacktestList);
