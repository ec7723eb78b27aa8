/** The form of a new job: a check, a download, or an import, which at first only reads the file. */
import { html, nothing } from '../../../vendor/lit.js';
import { address } from '../../../core/address.js';
import { ApiError } from '../../../core/api.js';
import { Part } from '../../../core/part.js';
import { who } from '../../../core/who.js';
import { failed } from '../../../parts/states.js';
import { bodyOf, fieldOf, FORMS } from './fields.js';
import './list.js';
import { reasonAgainst, start, whyNot } from './shown.js';
import { choiceName as isName, hintOf, t } from './text.js';

/** @typedef {import('./fields.js').Field} Field */

class DataForm extends Part {
  static properties = { action: { attribute: false } };

  constructor() {
    super();
    this.action = 'check';
    this.isWorking = false;
    /** @type {unknown} */
    this.problem = null;
  }

  begin() {
    this.follow(address);
    this.follow(who);
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has('action')) this.problem = null;
  }

  render() {
    const { action } = this;
    const fields = FORMS[action];
    const rare = fields.filter(({ isRare }) => isRare);
    const isNamed = fields.some(({ name }) => name === this.#wrong);
    const { params } = address.value;
    return html`<p class="dim">${t(`${/** @type {'check'} */ (action)}_form`)}</p>
      <div class="both">
        <form class="panel data-form" novalidate aria-label=${t(`new_${/** @type {'check'} */ (action)}`)} @submit=${this.#submit}>
          ${fields.filter(({ isRare }) => !isRare).map((field) => this.#field(field))}
          <details ?open=${rare.some(({ name }) => params[name] || name === this.#wrong)}>
            <summary>${t('more')}</summary>
            ${rare.map((field) => this.#field(field))}
          </details>
          ${this.problem instanceof ApiError && !isNamed ? failed(this.problem) : nothing}
          <div class="buttons">
            <button class="main" ?disabled=${this.isWorking || Boolean(reasonAgainst(`/data/${action}s`))}>
              ${t(`start_${/** @type {'check'} */ (action)}`)}</button>
          </div>
          ${whyNot(`/data/${action}s`)}
        </form>
        <section aria-label=${t('newest')}><h2>${t('newest')}</h2><mp-data-jobs .only=${action}></mp-data-jobs></section>
      </div>`;
  }

  /** The field that the service does not take. */
  get #wrong() {
    return this.problem instanceof ApiError ? fieldOf(this.problem) : '';
  }

  get #message() {
    return this.problem instanceof ApiError ? this.problem.message : '';
  }

  /** @param {Field} field */
  #field(field) {
    const { name, kind } = field;
    const isWrong = name === this.#wrong;
    const [label, hint] = [t(/** @type {any} */ (name)), hintOf(name)];
    if (kind === 'flag') {
      return html`<p><label><input type="checkbox" name=${name} value="true" ?checked=${Boolean(address.value.params[name])} /> ${label}</label></p>`;
    }
    if (kind === 'several') {
      return html`<fieldset class="choices"><legend>${label}</legend>
        ${field.choices?.map((each) => html`<label><input type="checkbox" name=${name} value=${each} /> ${isName(each)}</label>`)}</fieldset>`;
    }
    return html`<div class="field"><label for="data-${name}">${label}</label>
      ${this.#input(field, isWrong)}
      ${isWrong ? html`<small class="bad" id="wrong-${name}" role="alert"><span aria-hidden="true">✕</span> ${this.#message}</small>` : nothing}
      ${hint !== name ? html`<small class="dim">${hint}</small>` : nothing}</div>`;
  }

  /** @param {Field} field @param {boolean} isWrong */
  #input({ name, kind, choices = [], like = '' }, isWrong) {
    const value = address.value.params[name] ?? '';
    const invalid = isWrong ? 'true' : nothing;
    const described = isWrong ? `wrong-${name}` : nothing;
    if (kind === 'choice') {
      return html`<select id="data-${name}" name=${name} aria-invalid=${invalid} aria-describedby=${described}>
        ${choices.map((each) => html`<option value=${each} ?selected=${each === value}>${isName(each || 'usual')}</option>`)}
      </select>`;
    }
    if (kind === 'pairs') {
      return html`<textarea id="data-${name}" name=${name} rows="3" placeholder=${like} aria-invalid=${invalid} aria-describedby=${described}
        .value=${value}></textarea>`;
    }
    return html`<input id="data-${name}" name=${name} type=${kind === 'day' ? 'date' : 'text'} maxlength="2000" autocomplete="off" spellcheck="false"
      placeholder=${like} aria-invalid=${invalid} aria-describedby=${described} .value=${value} />`;
  }

  /** @param {SubmitEvent & {currentTarget: HTMLFormElement}} event */
  #submit = async (event) => {
    event.preventDefault();
    if (this.isWorking) return;
    const { action } = this;
    const body = bodyOf(FORMS[action], new FormData(event.currentTarget));
    this.isWorking = true;
    this.problem = null;
    this.requestUpdate();
    try {
      await start(`${action}s`, action === 'import' ? { ...body, dry_run: true } : body);
    } catch (error) {
      this.problem = error;
    }
    this.isWorking = false;
    this.requestUpdate();
    await this.updateComplete;
    /** @type {HTMLElement | null} */ (this.querySelector('[aria-invalid]'))?.focus();
  };
}

customElements.define('mp-data-form', DataForm);
