/** The form of one command, made of what its service says that it takes. */
import { html, nothing } from '../../vendor/lit.js';
import { Part } from '../../core/part.js';
import { may } from '../../core/who.js';
import { fieldsOf, presetText, valuesOf } from '../../operate/schema.js';
import { problemText } from '../../operate/problems_text.js';
import { argumentTitle, commandTitle, whatItDoes } from '../../operate/words.js';
import '../../parts/instrument_search.js';
import { confirm } from './given.js';
import { t } from './text.js';

/** @typedef {import('../../operate/schema.js').Field} Field */
/** @typedef {import('../../core/instruments.js').Instrument} Instrument */

const LONGEST = 4000;

class CommandForm extends Part {
  static properties = { command: { attribute: false }, groups: { attribute: false }, filled: { attribute: false } };

  constructor() {
    super();
    /** @type {import('../../operate/commands.js').Command | null} */
    this.command = null;
    /** Groups of gateways that there are. @type {string[]} */
    this.groups = [];
    /** What stands in it at first. @type {Record<string, unknown>} */
    this.filled = {};
    /** @type {Field[]} */
    this.fields = [];
    /** @type {Record<string, string>} */
    this.typed = {};
    /** @type {Record<string, string>} */
    this.wrong = {};
    this.name = '';
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    const name = `${this.command?.service}/${this.command?.command}`;
    if (!changed.has('filled') && name === this.name) return;
    this.name = name;
    this.fields = fieldsOf(this.command?.arguments);
    this.wrong = {};
    const { filled } = this;
    this.typed = Object.fromEntries(
      this.fields.map((field) => [field.name, presetText(Object.hasOwn(filled, field.name) ? { ...field, preset: filled[field.name] } : field)]),
    );
  }

  render() {
    const { command } = this;
    if (!command) return nothing;
    return html`<form class="panel" novalidate @submit=${this.#submit} aria-labelledby="form-title">
      <h2 id="form-title">${commandTitle(command.command)} <small class="dim code">${command.service}/${command.command}</small></h2>
      <p>${whatItDoes(command)}</p>
      ${this.fields.map((field) => this.#field(field))}
      ${may('sys:operate')
        ? html`<div class="buttons"><button type="submit" class="main">${t('give')}</button></div>`
        : html`<p class="dim">${t('look_only')}</p>`}
    </form>`;
  }

  /** @param {Field} field */
  #field(field) {
    const { name, isNeeded, description } = field;
    const wrong = this.wrong[name];
    return html`<div class="field">
      <label for="arg-${name}">${argumentTitle(name)} <small class="dim code">${name}${isNeeded ? html` · ${t('needed_mark')}` : nothing}</small></label>
      ${this.#search(field)} ${this.#input(field)}
      ${wrong ? html`<small class="bad" id="wrong-${name}" role="alert"><span aria-hidden="true">✕</span> ${wrong}</small>` : nothing}
      <small class="dim" id="hint-${name}">${description} ${this.#hint(field)}</small>
    </div>`;
  }

  /** @param {Field} field */
  #hint({ kind, isNeeded, preset }) {
    if (kind === 'list') return t('one_per_line');
    if (kind === 'json') return t('as_json');
    if (isNeeded || kind === 'flag') return '';
    return preset === null || preset === undefined || preset === '' ? t('leave_empty') : t('preset', { value: String(preset) });
  }

  /** @param {Field} field */
  #input({ name, kind, choices, isNeeded, rules }) {
    const value = this.typed[name] ?? '';
    const wrong = Boolean(this.wrong[name]);
    const described = `${wrong ? `wrong-${name} ` : ''}hint-${name}`;
    const options = name === 'gateway' && kind === 'text' && this.groups.length ? this.groups : choices;
    if (kind === 'flag' || options.length) {
      const all = kind === 'flag' ? ['true', 'false'] : isNeeded && value ? options : ['', ...options];
      const shown = kind === 'flag' && !value ? 'false' : value;
      const named = all.includes(shown) ? all : [...all, shown];
      return html`<select id="arg-${name}" aria-invalid=${wrong} aria-describedby=${described} @change=${this.#typing}>
        ${named.map((each) => html`<option value=${each} ?selected=${each === shown}>${this.#choice(kind, name, each)}</option>`)}
      </select>`;
    }
    if (kind === 'list' || kind === 'json') {
      return html`<textarea id="arg-${name}" rows="4" .value=${value} aria-invalid=${wrong} aria-describedby=${described} aria-required=${isNeeded}
        @input=${this.#typing}></textarea>`;
    }
    return html`<input id="arg-${name}" type="text" inputmode=${kind === 'text' ? 'text' : 'decimal'} maxlength=${rules.maxLength ?? LONGEST} .value=${value}
      autocomplete="off" spellcheck="false" aria-invalid=${wrong} aria-describedby=${described} aria-required=${isNeeded} @input=${this.#typing} />`;
  }

  /** @param {string} kind @param {string} name @param {string} value */
  #choice(kind, name, value) {
    if (kind === 'flag') return t(value === 'true' ? 'yes' : 'no');
    return value || (name === 'gateway' ? t('any_group') : '–');
  }

  /** Where instruments are asked for, they can be searched. @param {Field} field */
  #search({ name, kind }) {
    const isOne = name === 'symbol' && kind === 'text';
    if (!isOne && !(name === 'instruments' && kind === 'list')) return nothing;
    return html`<mp-instrument-search .label=${problemText('find')} .none=${problemText('none_found')} .unavailable=${problemText('no_search')}
      @chosen=${(/** @type {CustomEvent<Instrument>} */ event) => this.#chosen(isOne, event.detail)}></mp-instrument-search>`;
  }

  /** @param {boolean} isOne @param {Instrument} instrument */
  #chosen(isOne, { venue, symbol }) {
    if (isOne) {
      this.typed = { ...this.typed, symbol, ...(this.fields.some(({ name }) => name === 'venue') ? { venue } : {}) };
    } else {
      const lines = (this.typed.instruments ?? '').split('\n').filter(Boolean);
      const line = `${venue}.${symbol}`;
      this.typed = { ...this.typed, instruments: [...lines.filter((each) => each !== line), line].join('\n') };
    }
    this.requestUpdate();
  }

  /** @param {Event & {target: HTMLInputElement | HTMLTextAreaElement | HTMLSelectElement}} event */
  #typing = ({ target }) => {
    const name = target.id.slice('arg-'.length);
    this.typed = { ...this.typed, [name]: target.value };
    if (!this.wrong[name]) return;
    this.wrong = Object.fromEntries(Object.entries(this.wrong).filter(([each]) => each !== name));
    this.requestUpdate();
  };

  /** @param {SubmitEvent} event */
  #submit = async (event) => {
    event.preventDefault();
    const { command } = this;
    if (!command) return;
    const { values, problems } = valuesOf(this.fields, this.typed);
    this.wrong = Object.fromEntries(Object.entries(problems).map(([name, { key, values: more }]) => [name, problemText(key, more)]));
    this.requestUpdate();
    await this.updateComplete;
    if (this.#showWrong()) return;
    confirm(command, values, { wrong: (field, message) => this.#refused(field, message), closed: () => void this.#showWrong() });
  };

  /** What the service does not take, beside its field. @param {string} field @param {string} message */
  #refused(field, message) {
    const name = this.fields.find((each) => field === each.name || field.startsWith(`${each.name}.`) || field.startsWith(`${each.name}[`))?.name;
    if (name) this.wrong = { ...this.wrong, [name]: message };
    this.requestUpdate();
  }

  /** Go to the first field that is wrong. */
  #showWrong() {
    const first = this.fields.find(({ name }) => this.wrong[name]);
    if (first) document.getElementById(`arg-${first.name}`)?.focus();
    return Boolean(first);
  }
}

customElements.define('mp-command-form', CommandForm);
