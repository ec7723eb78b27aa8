/** Which data may be seen: in words, and to be filled in. */
import { html, nothing } from '../vendor/lit.js';
import { Part } from '../core/part.js';
import { t } from './text.js';

/**
 * @typedef {object} Entitlement
 * @property {string[]} [venues]
 * @property {string[]} [symbols]
 * @property {string[]} [kinds]
 * @property {number | null} [history_days]
 * @property {number | null} [delay_s]
 * @property {number | null} [depth]
 */

const PATTERNS = /** @type {const} */ (['venues', 'symbols', 'kinds']);
const BOUNDS = /** @type {const} */ (['history_days', 'delay_s', 'depth']);

/** @param {string[] | undefined} patterns */
function any(patterns) {
  return !patterns || patterns.includes('*');
}

/** @param {Entitlement} each */
function inWords(each) {
  const parts = PATTERNS.filter((name) => !any(each[name])).map((name) => t(`of_${name}`, { names: (each[name] ?? []).join(', ') }));
  const bounds = BOUNDS.filter((name) => each[name] !== null && each[name] !== undefined);
  const all = [...parts, ...bounds.map((name) => t(`up_to_${name}`, { number: Number(each[name]) }))];
  return all.length ? all.join(t('and')) : t('everything');
}

/**
 * What a list allows; null is whatever its owner or its roles allow.
 * @param {Entitlement[] | null} list
 * @param {string} [none]  what null is
 */
export function entitled(list, none = t('everything')) {
  if (list === null) return none;
  if (!list.length) return t('no_data');
  return list.length === 1 ? inWords(list[0]) : html`<ul class="plain">${list.map((each) => html`<li>${inWords(each)}</li>`)}</ul>`;
}

/** @param {string} text separated by commas or spaces */
export function namesIn(text) {
  return text.split(/[\s,，;；]+/).filter(Boolean);
}

/** Fields for a list of them. `value` is what is filled in: null for everything. */
export class Entitlements extends Part {
  static properties = { given: { attribute: false }, none: { attribute: false } };

  constructor() {
    super();
    /** @type {Entitlement[] | null} */
    this.given = null;
    this.none = '';
    this.count = 0;
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has('given')) this.count = this.given?.length ?? 0;
  }

  /** @returns {Entitlement[] | null} */
  get value() {
    const rows = [...this.querySelectorAll('fieldset')];
    if (!rows.length) return null;
    return rows.map((row) => {
      /** @type {Record<string, unknown>} */
      const found = {};
      for (const input of row.querySelectorAll('input')) {
        const text = input.value.trim();
        if (input.type === 'number') found[input.dataset.name ?? ''] = text === '' ? null : Number(text);
        else found[input.dataset.name ?? ''] = text ? namesIn(text) : ['*'];
      }
      return found;
    });
  }

  render() {
    return html`<div class="field">
      <span>${t('entitlements')}</span>
      ${this.count ? nothing : html`<span class="dim">${this.none || t('everything')}</span>`}
      ${Array.from({ length: this.count }, (_, at) => this.#row(at))}
      <div>
        <button type="button" @click=${() => this.#change(1)}>${t(this.count ? 'entitle_more' : 'entitle')}</button>
        ${this.count ? html`<button type="button" @click=${() => this.#change(-1)}>${t('entitle_less')}</button>` : nothing}
      </div>
    </div>`;
  }

  /** @param {number} at */
  #row(at) {
    const given = this.given?.[at];
    return html`<fieldset class="entitlement">
      <legend class="unseen">${t('entitlement', { number: at + 1 })}</legend>
      ${PATTERNS.map((name) => {
        const value = given && !any(given[name]) ? (given[name] ?? []).join(', ') : '';
        return html`<label>${t(name)} <input data-name=${name} maxlength="500" placeholder="*" .defaultValue=${value} /></label>`;
      })}
      ${BOUNDS.map(
        (name) => html`<label>${t(name)}
          <input
            data-name=${name} type="number" min="0" max="1000000" step=${name === 'delay_s' ? 'any' : 1} placeholder="∞"
            .defaultValue=${String(given?.[name] ?? '')}
          />
        </label>`,
      )}
    </fieldset>`;
  }

  /** @param {number} by */
  #change(by) {
    this.count = Math.max(0, Math.min(20, this.count + by));
    this.requestUpdate();
  }
}

customElements.define('mp-entitlements', Entitlements);
