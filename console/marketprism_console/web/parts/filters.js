/** Filters of a list: each a chip that can be taken away; all of them stand in the address bar. */
import { html } from '../vendor/lit.js';
import { address, alter } from '../core/address.js';
import { Part } from '../core/part.js';
import { t } from './filters_text.js';

/** @typedef {{key: string, label: string, values?: {value: string, label?: string}[]}} FilterField */

const LONGEST = 100;

/** A button that makes a value the filter. @param {string} key @param {string} value @param {string} label @param {unknown} [shown] */
export function narrow(key, value, label, shown = value) {
  return html`<button type="button" class="plain narrow" title=${t('only', { label, value })} @click=${() => alter({ [key]: value })}>${shown}</button>`;
}

class Filters extends Part {
  static properties = { fields: { attribute: false } };

  constructor() {
    super();
    /** @type {FilterField[]} */
    this.fields = [];
    this.chosen = '';
  }

  begin() {
    this.follow(address);
  }

  render() {
    const { params } = address.value;
    const active = this.fields.filter(({ key }) => params[key]);
    const field = this.fields.find(({ key }) => key === this.chosen) ?? this.fields[0];
    return html`<form class="tools filters" @submit=${this.#add} aria-label=${t('filters')}>
      <label>${t('filter')}
        <select @change=${this.#choose}>
          ${this.fields.map(({ key, label }) => html`<option value=${key} ?selected=${key === field?.key}>${label}</option>`)}
        </select>
      </label>
      <input type="text" maxlength=${LONGEST} list="filter-values" aria-label=${field?.label ?? ''} autocomplete="off" />
      <datalist id="filter-values">
        ${(field?.values ?? []).map(({ value, label }) => html`<option value=${value} label=${label ?? value}></option>`)}
      </datalist>
      <button type="submit">${t('add')}</button>
      ${active.map(({ key, label }) => this.#chip(key, label, params[key]))}
      ${active.length > 1 ? html`<button type="button" class="plain" @click=${this.#clear}>${t('clear')}</button>` : ''}
    </form>`;
  }

  /** @param {string} key @param {string} label @param {string} value */
  #chip(key, label, value) {
    return html`<span class="chip">
      <span class="one-line" title=${value}>${label}: ${value}</span>
      <button type="button" class="plain" aria-label=${t('remove', { label, value })} @click=${() => alter({ [key]: null })}>✕</button>
    </span>`;
  }

  /** @param {Event & {target: HTMLSelectElement}} event */
  #choose = (event) => {
    this.chosen = event.target.value;
    this.requestUpdate();
    this.querySelector('input')?.focus();
  };

  /** @param {SubmitEvent} event */
  #add = (event) => {
    event.preventDefault();
    const input = this.querySelector('input');
    const field = this.fields.find(({ key }) => key === this.chosen) ?? this.fields[0];
    const text = input?.value.trim() ?? '';
    if (!input || !field || !text) return;
    const known = field.values?.find(({ value, label }) => value === text || label === text);
    alter({ [field.key]: known?.value ?? text });
    input.value = '';
  };

  #clear = () => alter(Object.fromEntries(this.fields.map(({ key }) => [key, null])));
}

customElements.define('mp-filters', Filters);
