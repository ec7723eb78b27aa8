/** By which rules ticks are accepted: seen, tried on the last hour, changed, and gone back to. */
import { html, nothing } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { ApiError, ask, change } from '../../core/api.js';
import { Part } from '../../core/part.js';
import { preferences } from '../../core/preferences.js';
import { Resource } from '../../core/resource.js';
import { dateTime, ms, zoneName } from '../../core/time.js';
import { may, who } from '../../core/who.js';
import { act } from '../../parts/action.js';
import { empty, failed, shown } from '../../parts/states.js';
import { table } from '../../parts/table.js';
import { tabs } from '../../parts/tabs.js';
import { checked, draftsOf, read, textOf, written } from './drafts.js';
import './history.js';
import { t } from './text.js';
import './trial.js';

/** @typedef {import('./drafts.js').Rules} Rules */
/** @typedef {import('./drafts.js').Rule} Rule */

const EVERY_MS = 5000;
const MINUTES = [5, 15, 60];

class RulesPage extends Part {
  constructor() {
    super();
    /** @type {Resource<Rules>} */
    this.rules = new Resource(async (signal) => (await ask('/rules', {}, { signal })).data);
    /** @type {Resource<import('./trial.js').Trial>} */
    this.trial = new Resource(async () => {
      const { changes } = this.#checked();
      this.tried = JSON.stringify(changes);
      return (await change('POST', '/rules/trial', { rules: changes, minutes: this.minutes })).data;
    });
    this.tried = '';
    this.minutes = 60;
    this.reason = '';
  }

  begin() {
    this.uses(this.rules, this.trial);
    this.follow(address);
    this.follow(who);
    this.every(EVERY_MS, () => void this.rules.load());
    void this.rules.load();
  }

  /** What is typed: in the address bar, so that a colleague sees the same. */
  get drafts() {
    return read(address.value.params.new);
  }

  #checked() {
    const rules = this.rules.data;
    return rules ? checked(rules, this.drafts) : { changes: {}, problems: {} };
  }

  /** @param {string} name @param {string | null} text */
  #draft(name, text) {
    const { drafts } = this;
    if (text === null) delete drafts[name];
    else drafts[name] = text;
    alter({ new: written(drafts) });
  }

  render() {
    const view = address.value.params.view === 'history' ? 'history' : 'rules';
    const all = /** @type {const} */ (['rules', 'history']).map((key) => ({ key, title: t(key) }));
    return html`<h1>${t('title')}</h1>
      ${this.rules.data || this.rules.known.value.error?.status !== 404
        ? html`${tabs(all, view, (key) => alter({ view: key === 'rules' ? null : key }), t('title'))}
            <div id="view-${view}" role="tabpanel" aria-labelledby="tab-${view}">
              ${shown(this.rules, (rules) => (view === 'rules' ? this.#rules(rules) : this.#history(rules)), { lines: 8 })}
            </div>`
        : empty(t('not_there'), html`<p><code>marketprism run validator</code></p>`)}`;
  }

  // -- the rules -----------------------------------------------------------------------------------------------------

  /** @param {Rules} rules */
  #rules(rules) {
    const { changes, problems } = this.#checked();
    const behind = rules.validators.filter((each) => !each.is_current);
    const columns = /** @type {const} */ (['rule', 'value', 'unit', 'default', 'bounds', 'origin']);
    return html`<p>
        ${t('version_is', { version: rules.version })} ${this.#who(rules.changed)} ·
        ${rules.validators.length ? t('validators', { count: rules.validators.length }) : html`<span class="warn">▲ ${t('no_validators')}</span>`}
        ${behind.length ? html`<span class="warn">▲ ${t('behind', { names: behind.map((each) => each.instance).join(', ') })}</span>` : nothing}
      </p>
      ${this.#tools(changes, problems)}
      ${table(
        { label: t('rules'), kind: 'rules' },
        columns.map((name) => t(name)),
        rules.rules.map((rule) => this.#row(rule, rule.name in changes, problems[rule.name])),
      )}
      ${this.#trial(changes)}`;
  }

  /** @param {import('./drafts.js').Changed | null} changed */
  #who(changed) {
    if (!changed?.who) return nothing;
    return html`<span class="dim">${t('changed_by', { who: changed.who, time: `${dateTime(ms(changed.ts))} ${zoneName()}` })}</span>`;
  }

  /** @param {Record<string, unknown>} changes @param {Record<string, string>} problems */
  #tools(changes, problems) {
    const number = Object.keys(changes).length;
    const isWrong = Object.keys(problems).length > 0;
    const isTrying = this.trial.known.value.loading;
    return html`<div class="tools changes">
      <span role="status">${isWrong ? html`<span class="bad">✕ ${t('is_wrong')}</span>` : t('number', { number })}</span>
      <label>${t('minutes')}
        <select @change=${this.#minutes}>
          ${MINUTES.map((each) => html`<option value=${each} ?selected=${each === this.minutes}>${t('last', { minutes: each })}</option>`)}
        </select></label>
      <button type="button" ?disabled=${!number || isWrong || isTrying} @click=${() => this.trial.load({ forget: true })}>
        ${t(isTrying ? 'trying' : 'try')}
      </button>
      ${may('rules:write')
        ? html`<button type="button" class="main" ?disabled=${!number || isWrong} @click=${() => this.#apply()}>${t('apply')}</button>`
        : html`<span class="dim">${t('read_only')}</span>`}
      <button type="button" ?disabled=${!number && !isWrong} @click=${() => alter({ new: null })}>${t('discard')}</button>
    </div>`;
  }

  /** @param {Rule} rule @param {boolean} isChanged @param {string | undefined} problem */
  #row(rule, isChanged, problem) {
    const text = this.drafts[rule.name] ?? textOf(rule.value);
    const id = `rule-${rule.name}`;
    return html`<tr class=${isChanged || problem ? 'changed' : ''}>
      <th scope="row"><code>${rule.name}</code><p id="${id}-what">${rule.text[preferences.value.language]}</p></th>
      <td>
        <input
          id=${id} aria-label=${rule.name} aria-describedby="${id}-what ${problem ? `${id}-problem` : ''}" aria-invalid=${problem ? 'true' : 'false'}
          inputmode=${rule.by_venue ? 'text' : 'decimal'} autocomplete="off" spellcheck="false" maxlength="400"
          placeholder=${rule.by_venue ? 'czce=9, shfe=4' : ''} .value=${text}
          @input=${(/** @type {InputEvent & {target: HTMLInputElement}} */ event) => this.#draft(rule.name, event.target.value)}
        />
        ${isChanged || problem
          ? html`<div class="dim">
              ${t('was', { value: textOf(rule.value) || '–' })}
              <button type="button" aria-label=${t('undo_of', { name: rule.name })} @click=${() => this.#draft(rule.name, null)}>
                ${t('undo')}
              </button>
            </div>`
          : nothing}
        ${problem ? html`<div class="bad" id="${id}-problem">✕ ${problem}</div>` : nothing}
      </td>
      <td>${this.#unit(rule.unit)}</td>
      <td class="number">${textOf(rule.default) || '–'}</td>
      <td class="time">${rule.lowest} – ${rule.highest}${rule.whole ? html` <span class="dim">${t('whole')}</span>` : nothing}</td>
      <td>${t(`origin_${rule.origin}`)} ${this.#who(rule.changed)}
        ${rule.changed?.reason ? html`<div class="dim wrap" dir="auto">${rule.changed.reason}</div>` : nothing}</td>
    </tr>`;
  }

  /** @param {string} unit */
  #unit(unit) {
    const known = /** @type {const} */ (['seconds', 'percent', 'points', 'times', 'deviations', 'ticks']).find((each) => each === unit);
    return known ? t(`unit_${known}`) : unit;
  }

  /** @param {Event & {target: HTMLSelectElement}} event */
  #minutes = (event) => {
    this.minutes = Number(event.target.value);
  };

  /** @param {Record<string, unknown>} changes */
  #trial(changes) {
    const { data, error, loading } = this.trial.known.value;
    if (!data && !error && !loading) return nothing;
    const isOld = Boolean(data) && this.tried !== JSON.stringify(changes);
    return html`<h2>${t('trial')}</h2>
      ${error && !data ? failed(error, () => this.trial.load()) : nothing}
      ${loading ? html`<p role="status">${t('trying_more')}</p>` : nothing}
      ${isOld ? html`<p class="stale-note">▲ ${t('trial_old')}</p>` : nothing}
      <div class=${isOld ? 'stale' : ''}><mp-rules-trial .trial=${data ?? null}></mp-rules-trial></div>`;
  }

  // -- a change --------------------------------------------------------------------------------------------------------

  #apply() {
    let version = this.rules.data?.version ?? 0;
    /** @type {{before: Rules, after: Rules} | null} */
    let conflict = null;
    act({
      title: t('apply_title'),
      button: t('apply_do'),
      body: () => html`${conflict ? this.#conflict(conflict.before, conflict.after) : html`<p>${t('apply_more')}</p>`} ${this.#diff()}
        <div class="field"><label for="rules-reason">${t('reason')}</label>
          <input id="rules-reason" name="reason" maxlength="500" autocomplete="off" required autofocus .defaultValue=${this.reason} /></div>`,
      act: async (form) => {
        const reason = String(new FormData(form).get('reason') ?? '');
        try {
          return await change('PUT', '/rules', { rules: this.#checked().changes, reason }, { 'If-Match': `"${version}"` });
        } catch (error) {
          const after = error instanceof ApiError && error.status === 412 ? /** @type {Rules | undefined} */ (error.details?.rules) : undefined;
          if (after && this.rules.data) {
            conflict = { before: conflict?.before ?? this.rules.data, after };
            this.rules.set(after);
            version = after.version;
          }
          throw error;
        }
      },
      result: ({ data }) => (data.status ? html`<p class="warn">▲ ${t('waiting')}</p>` : this.#result(data)),
      then: () => {
        this.reason = '';
        alter({ new: null });
        void this.rules.load();
      },
    });
  }

  #diff() {
    const { changes } = this.#checked();
    const rules = this.rules.data?.rules ?? [];
    return html`<table>
      <caption>${t('diff')}</caption>
      <thead><tr>${/** @type {const} */ (['rule', 'in_force', 'new']).map((name) => html`<th scope="col">${t(name)}</th>`)}</tr></thead>
      <tbody>
        ${rules.filter((rule) => rule.name in changes).map(
          (rule) => html`<tr><th scope="row"><code>${rule.name}</code></th><td>${textOf(rule.value) || '–'}</td>
            <td><strong>${textOf(changes[rule.name]) || '–'}</strong></td></tr>`,
        )}
      </tbody>
    </table>`;
  }

  /** What somebody else has changed meanwhile, beside what is about to be changed. @param {Rules} before @param {Rules} after */
  #conflict(before, after) {
    const { changes } = this.#checked();
    const values = Object.fromEntries(before.rules.map((rule) => [rule.name, textOf(rule.value)]));
    const others = after.rules.filter((rule) => values[rule.name] !== textOf(rule.value));
    return html`<div role="alert">
      <p class="warn">▲ ${t('conflict', { version: after.version, who: after.changed?.who ?? '–' })}</p>
      ${after.changed?.reason ? html`<p class="wrap" dir="auto">${t('their_reason', { reason: after.changed.reason })}</p>` : nothing}
      <table>
        <caption>${t('theirs')}</caption>
        <thead><tr>${/** @type {const} */ (['rule', 'before', 'their', 'yours']).map((name) => html`<th scope="col">${t(name)}</th>`)}</tr></thead>
        <tbody>
          ${others.map(
            (rule) => html`<tr><th scope="row"><code>${rule.name}</code></th><td>${values[rule.name] || '–'}</td>
              <td><strong>${textOf(rule.value) || '–'}</strong></td>
              <td>${rule.name in changes ? html`<strong>${textOf(changes[rule.name]) || '–'}</strong>` : t('stays')}</td></tr>`,
          )}
        </tbody>
      </table>
      <p>${t('conflict_more')}</p>
    </div>`;
  }

  /** @param {{version: number, behind: string[], validators: unknown[]}} data */
  #result({ version, behind, validators }) {
    return html`<p>${t('result', { version, count: validators.length - behind.length })}</p>
      ${behind.length ? html`<p class="warn">▲ ${t('behind', { names: behind.join(', ') })}</p>` : nothing}`;
  }

  // -- history -----------------------------------------------------------------------------------------------------------

  /** @param {Rules} rules */
  #history(rules) {
    return html`<mp-rules-history .version=${rules.version} @back=${(/** @type {CustomEvent} */ event) => this.#back(rules, event.detail)}></mp-rules-history>`;
  }

  /** What was in force then is typed in: to be looked at, tried and applied. @param {Rules} rules @param {import('./history.js').Version} version */
  #back(rules, version) {
    this.reason = t('back_reason', { version: version.version });
    alter({ view: null, new: written(draftsOf(rules, version.rules)) });
  }
}

customElements.define('mp-rules-page', RulesPage);
export default 'mp-rules-page';
