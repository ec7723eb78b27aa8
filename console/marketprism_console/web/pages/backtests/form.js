/** The form of a run, a sweep or a walk-forward: what is asked follows from the strategy's own schema. */
import { html, nothing } from '../../vendor/lit.js';
import { address, alter, go } from '../../core/address.js';
import { ApiError, ask, change } from '../../core/api.js';
import { Part } from '../../core/part.js';
import { preferences } from '../../core/preferences.js';
import { Resource } from '../../core/resource.js';
import { fieldsOf, presetText } from '../../operate/schema.js';
import { problemText } from '../../operate/problems_text.js';
import { expectOffered, offered } from '../../parts/offered.js';
import { empty, failed } from '../../parts/states.js';
import '../../parts/instrument_search.js';
import { BESIDES, bodyOf, fieldOf, FIRST, firstOf, MAIN, PATHS, settingsOf, typedOf } from './fields.js';
import { choiceName, fieldName, hintOf, kindName, t } from './text.js';

/** @typedef {import('./fields.js').Kind} Kind */
/** @typedef {import('./fields.js').Strategy} Strategy */
/** @typedef {import('./fields.js').Field} Field */

const KINDS = /** @type {Kind[]} */ (['run', 'sweep', 'walk_forward']);

class BacktestForm extends Part {
  constructor() {
    super();
    /** @type {Record<string, string>} */
    this.typed = {};
    /** @type {Record<string, string>} */
    this.wrong = {};
    /** @type {ApiError | null} */
    this.problem = null;
    this.isWorking = false;
    this.filledOf = '';
    /** @type {Field[]} */
    this.options = [];
    /** @type {Resource<Strategy[]>} */
    this.strategies = new Resource(async (signal) => {
      await expectOffered('/backtests/strategies');
      const { of } = address.value.params;
      if (of && of !== this.filledOf) await this.#fill(of, signal);
      const [strategies, options] = await Promise.all(['strategies', 'options'].map((each) => ask(`/backtests/${each}`, {}, { signal })));
      this.options = settingsOf(options.data);
      return strategies.data;
    });
  }

  begin() {
    this.uses(this.strategies);
    this.follow(address);
    void this.strategies.load();
  }

  /** With what another one was asked for by. @param {string} of @param {AbortSignal} signal */
  async #fill(of, signal) {
    const { data } = await ask(`/backtests/${encodeURIComponent(of)}`, {}, { signal });
    this.filledOf = of;
    const { params } = address.value;
    this.typed = typedOf(params.params ? { ...data, sweep: null, params: JSON.parse(params.params) } : data);
    alter({ strategy: data.strategy, kind: params.kind ?? data.kind });
  }

  /** @returns {Kind} */
  get #kind() {
    return KINDS.find((each) => each === address.value.params.kind) ?? 'run';
  }

  render() {
    return offered(this.strategies, (all) => this.#form(all), { lines: 10, none: () => empty(t('no_strategies'), html`<p>${t('no_strategies_more')}</p>`) });
  }

  /** @param {Strategy[]} all */
  #form(all) {
    const good = all.filter(({ problem }) => !problem);
    const bad = all.filter(({ problem }) => problem);
    const kind = this.#kind;
    const strategy = good.find(({ name }) => name === address.value.params.strategy) ?? good[0];
    const first = this.options.filter(({ name }) => FIRST.includes(name));
    const others = this.options.filter((each) => !first.includes(each));
    const rare = others.some(({ name }) => this.wrong[name]);
    const unnamed = this.problem && !Object.keys(this.wrong).length ? this.problem : null;
    return html`<form class="panel backtest-form" novalidate aria-label=${t('view_new')} @submit=${this.#submit}>
        <div class="field wide"><label for="bt-kind">${t('kind')}</label>
          <select id="bt-kind" @change=${(/** @type {any} */ event) => this.#alter({ kind: event.target.value })}>
            ${KINDS.map((each) => html`<option value=${each} ?selected=${each === kind}>${kindName(each)}</option>`)}</select>
          <small class="dim">${t(`${kind}_what`)}</small></div>
        ${strategy ? this.#strategy(good, strategy) : nothing}
        ${strategy ? fieldsOf(strategy.schema).map((field) => this.#param(strategy, field)) : nothing}
        ${this.wrong.space
          ? html`<p class="bad wide" role="alert" id="bt-space" tabindex="-1"><span aria-hidden="true">✕</span> ${this.wrong.space}</p>`
          : nothing}
        <div class="field wide"><label for="bt-instruments">${t('instruments')}</label>
          <input id="bt-instruments" maxlength="4000" autocomplete="off" spellcheck="false" placeholder="shfe.ru1901" .value=${this.typed.instruments ?? ''}
            aria-invalid=${this.wrong.instruments ? 'true' : nothing} aria-describedby="hint-instruments" @input=${this.#typing} />
          ${this.#message('instruments')}
          <small class="dim" id="hint-instruments">${t('instruments_hint')}</small>
          <mp-instrument-search .label=${problemText('find')} .none=${problemText('none_found')} .unavailable=${problemText('no_search')}
            @chosen=${this.#chosen}></mp-instrument-search></div>
        ${[...MAIN, ...first].map((field) => this.#field(field))} ${BESIDES[kind].map((field) => this.#field(field))}
        <details class="wide" ?open=${rare}><summary>${t('more')}</summary>
          <div class="backtest-form">${others.map((field) => this.#field(field))}</div></details>
        ${unnamed ? html`<div class="wide">${failed(unnamed)}</div>` : nothing}
        <div class="buttons wide"><button class="main" ?disabled=${this.isWorking || !strategy}>${t(`start_${kind}`)}</button></div>
      </form>
      ${bad.length
        ? html`<details class="panel"><summary>${t('bad_strategies', { count: bad.length })}</summary>
            <ul>${bad.map(({ name, problem }) => html`<li class="wrap"><code>${name}</code>: ${problem}</li>`)}</ul></details>`
        : nothing}`;
  }

  /** @param {Strategy[]} all @param {Strategy} strategy */
  #strategy(all, strategy) {
    return html`<div class="field wide"><label for="bt-strategy">${t('strategy')}</label>
      <select id="bt-strategy" aria-invalid=${this.wrong.strategy ? 'true' : nothing} aria-describedby="hint-strategy"
        @change=${(/** @type {any} */ event) => this.#alter({ strategy: event.target.value })}>
        ${all.map(({ name }) => html`<option value=${name} ?selected=${name === strategy.name}>${name}</option>`)}</select>
      ${this.#message('strategy')}
      <small class="dim wrap" id="hint-strategy">${strategy.text}</small></div>`;
  }

  /** @param {Strategy} strategy @param {import('../../operate/schema.js').Field} field */
  #param({ schema }, field) {
    const { name, kind, choices, rules, description } = field;
    const id = `params.${name}`;
    const value = this.typed[id] ?? firstOf(schema, name, this.#kind, presetText(field));
    const invalid = this.wrong[id] ? 'true' : nothing;
    const { minimum: least = rules.exclusiveMinimum, maximum: most = rules.exclusiveMaximum } = rules;
    const bounds = least === undefined && most === undefined ? '' : `${least ?? '…'} – ${most ?? '…'}`;
    const options = kind === 'flag' ? ['true', 'false'] : choices;
    const hints = [description, bounds, this.#kind === 'run' ? '' : t('space_hint')];
    return html`<div class="field"><label for="bt-${id}">${name}</label>
      ${options.length && this.#kind === 'run'
        ? html`<select id="bt-${id}" aria-invalid=${invalid} aria-describedby="hint-${id}" @change=${this.#typing}>
            ${options.map((each) => html`<option value=${each} ?selected=${each === value}>${each}</option>`)}</select>`
        : html`<input id="bt-${id}" maxlength="2000" autocomplete="off" spellcheck="false" .value=${value}
            aria-invalid=${invalid} aria-describedby="hint-${id}" @input=${this.#typing} />`}
      ${this.#message(id)}
      <small class="dim wrap" id="hint-${id}">${hints.filter(Boolean).join(' · ')}</small></div>`;
  }

  /** @param {Field} field */
  #field({ name, kind, choices = [], like = '', description = '', preset = '' }) {
    const value = this.typed[name] ?? '';
    const invalid = this.wrong[name] ? 'true' : nothing;
    if (kind === 'flag') {
      return html`<div class="field">
        <label><input type="checkbox" id="bt-${name}" .checked=${Boolean(value)} @change=${this.#typing} /> ${fieldName(name)}</label>
        ${this.#message(name)}</div>`;
    }
    const chosen = this.typed[name] ?? (name === 'interval' ? '1m' : preset);
    const none = name === 'interval' ? 'ticks' : '–';
    const known = hintOf(name);
    const hint = known !== name ? known : preferences.value.language === 'en' ? description : '';
    const described = hint ? `hint-${name}` : nothing;
    const input = kind === 'choice'
      ? html`<select id="bt-${name}" aria-invalid=${invalid} aria-describedby=${described} @change=${this.#typing}>
          ${choices.map((each) => html`<option value=${each} ?selected=${each === chosen}>${choiceName(each || none)}</option>`)}</select>`
      : html`<input id="bt-${name}" maxlength="200" autocomplete="off" spellcheck="false" placeholder=${like || (kind === 'day' ? '2018-10-08' : '')}
          .value=${value} list=${choices.length ? `known-${name}` : nothing} aria-invalid=${invalid} aria-describedby=${described} @input=${this.#typing} />
          ${choices.length ? html`<datalist id="known-${name}">${choices.map((each) => html`<option value=${each}></option>`)}</datalist>` : nothing}`;
    return html`<div class="field"><label for="bt-${name}">${fieldName(name)}</label>${input} ${this.#message(name)}
      ${hint ? html`<small class="dim" id="hint-${name}">${hint}</small>` : nothing}</div>`;
  }

  /** @param {string} name */
  #message(name) {
    const text = this.wrong[name];
    return text ? html`<small class="bad wrap" role="alert"><span aria-hidden="true">✕</span> ${text}</small>` : nothing;
  }

  /** Something else is asked for: parameters have other meanings. @param {Record<string, string>} changes */
  #alter(changes) {
    this.typed = Object.fromEntries(Object.entries(this.typed).filter(([name]) => !name.startsWith('params.')));
    this.#clear();
    alter({ ...changes, of: null, params: null });
  }

  #clear() {
    this.wrong = {};
    this.problem = null;
  }

  /** @param {Event & {target: HTMLInputElement | HTMLSelectElement}} event */
  #typing = ({ target }) => {
    const name = target.id.slice('bt-'.length);
    const isFlag = target instanceof HTMLInputElement && target.type === 'checkbox';
    this.typed = { ...this.typed, [name]: isFlag ? (target.checked ? 'true' : '') : target.value };
    if (!this.wrong[name]) return;
    this.wrong = Object.fromEntries(Object.entries(this.wrong).filter(([each]) => each !== name));
    this.requestUpdate();
  };

  /** @param {CustomEvent<import('../../core/instruments.js').Instrument>} event */
  #chosen = ({ detail: { venue, symbol } }) => {
    const known = (this.typed.instruments ?? '').split(/[\s,，]+/).filter(Boolean);
    this.typed = { ...this.typed, instruments: [...new Set([...known, `${venue}.${symbol}`])].join(', ') };
    this.requestUpdate();
  };

  /** @param {SubmitEvent} event */
  #submit = async (event) => {
    event.preventDefault();
    const kind = this.#kind;
    const good = this.strategies.data?.filter(({ problem }) => !problem) ?? [];
    const strategy = good.find(({ name }) => name === address.value.params.strategy) ?? good[0];
    if (!strategy || this.isWorking) return;
    this.#clear();
    const { body, problems } = bodyOf(kind, strategy, this.options, this.typed);
    const words = (/** @type {import('./fields.js').Problem} */ { key, values }) => (key === 'no_space' ? t('no_space') : problemText(key, values));
    this.wrong = Object.fromEntries(Object.entries(problems).map(([name, problem]) => [name, words(problem)]));
    if (!Object.keys(this.wrong).length) await this.#send(kind, body);
    this.requestUpdate();
    await this.updateComplete;
    const first = this.querySelector('[aria-invalid="true"], #bt-space');
    const isFolded = first?.closest('details:not([open])');
    if (isFolded instanceof HTMLDetailsElement) isFolded.open = true;
    /** @type {HTMLElement | null} */ (first)?.focus();
  };

  /** @param {Kind} kind @param {Record<string, any>} body */
  async #send(kind, body) {
    this.isWorking = true;
    this.requestUpdate();
    try {
      const { data } = await change('POST', PATHS[kind], body);
      go(`/backtests/${data.run_id}`, { remark: data.remarks.join(' '), cached: data.cached ? 'yes' : '' });
    } catch (error) {
      this.problem = error instanceof ApiError ? error : new ApiError('PAGE', String(error));
      const field = fieldOf(this.problem);
      if (field && document.getElementById(`bt-${field}`)) this.wrong = { [field]: this.problem.message };
    }
    this.isWorking = false;
  }
}

customElements.define('mp-backtest-form', BacktestForm);
