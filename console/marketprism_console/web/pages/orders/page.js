/** The order calculator: what an order costs, what it may be, where its position ends; nothing is sent to a venue. */
import { html, nothing } from '../../vendor/lit.js';
import { address, go } from '../../core/address.js';
import { ApiError, change } from '../../core/api.js';
import { Part } from '../../core/part.js';
import { instrumentOf } from '../../core/instruments.js';
import { Resource } from '../../core/resource.js';
import { expectOffered, offered } from '../../parts/offered.js';
import { empty } from '../../parts/states.js';
import '../../parts/instrument_input.js';
import { calculated } from './result.js';
import { t } from './text.js';

const PATH = '/orders/calculate';

/** Fields of the form by what they hold; `more` are those that few orders need. */
const CHOICES = { side: ['buy', 'sell'], type: ['limit', 'market'], by: ['quantity', 'budget', 'risk'], margin_mode: ['isolated', 'cross'] };
const MORE = ['wallet', 'funding_rate', 'prices', 'mark', 'settlement', 'underlying'];

/** Typed in percent, asked for as a share: decimal texts, so that nothing is rounded. */
const SHARES = ['stop_share', 'take_share', 'funding_rate'];

/** @typedef {Record<string, string>} Fields */

/** @param {string} name @param {string} text */
function decimal(name, text) {
  const found = text.replace(/[\s,，]/g, '');
  if (!/^-?(\d+\.?\d*|\.\d+)$/.test(found)) throw wrong(name, t('wrong_number', { field: t(/** @type {any} */ (name)), text }));
  return SHARES.includes(name) ? `${found}e-2` : found;
}

/** @param {string} field @param {string} message */
function wrong(field, message) {
  return new ApiError('INVALID_PARAMETER', message, { status: 400, details: { field } });
}

/**
 * What is asked, of what stands in the form.
 * @param {Fields} fields
 * @throws {ApiError}
 */
function bodyOf({ instrument, side, type, by, amount, margin_mode: marginMode, strict, ...numbers }) {
  const found = instrumentOf(instrument);
  if (!found) throw wrong('instrument', t('wrong_instrument'));
  const body = /** @type {Record<string, unknown>} */ ({ ...found, side, type, margin_mode: marginMode, [by]: decimal('amount', amount) });
  if (strict) body.strict = true;
  for (const [name, text] of Object.entries(numbers)) {
    if (!text.trim()) continue;
    body[name] = name === 'prices' ? text.trim().split(/[\s;；]+/).map((each) => decimal(name, each)) : decimal(name, text);
  }
  return body;
}

class OrdersPage extends Part {
  constructor() {
    super();
    this.asked = '';
    /** @type {Resource<import('./result.js').Calculation>} */
    this.found = new Resource(async () => {
      await expectOffered('/orders/tables/{venue}');
      return (await change('POST', PATH, bodyOf(this.#fields()))).data;
    });
  }

  begin() {
    this.uses(this.found);
    this.follow(address, () => this.#look());
    this.#look();
  }

  /** What the address asks for, once. */
  #look() {
    const asked = JSON.stringify(address.value.params);
    if (asked !== this.asked && address.value.params.amount) void this.found.load({ forget: true });
    this.asked = asked;
    this.requestUpdate();
  }

  /** @returns {Fields} */
  #fields() {
    const first = Object.fromEntries(Object.entries(CHOICES).map(([name, values]) => [name, values[0]]));
    return { instrument: '', amount: '', ...first, ...address.value.params };
  }

  render() {
    const fields = this.#fields();
    return html`<h1>${t('title')}</h1>
      <p class="dim">${t('what')}</p>
      <div class="both">
        <form class="panel order" @submit=${this.#submit} aria-label=${t('title')} novalidate>
          <div class="field"><label>${t('instrument')}
            <mp-instrument-input .value=${fields.instrument} @chosen=${this.#chosen}></mp-instrument-input></label>
            <small class="dim">${t('instrument_like')}</small></div>
          ${this.#choice('side', fields)} ${this.#choice('type', fields)} ${this.#number('price', fields, t('newest'))}
          ${this.#choice('by', fields)} ${this.#number('amount', fields)} ${this.#number('leverage', fields, '1')}
          ${this.#choice('margin_mode', fields)} ${this.#number('stop_share', fields)} ${this.#number('take_share', fields)}
          <details ?open=${MORE.some((name) => fields[name])}>
            <summary>${t('more')}</summary>
            ${MORE.map((name) => this.#number(name, fields))}
          </details>
          <p><label><input type="checkbox" name="strict" value="1" .checked=${Boolean(fields.strict)} /> ${t('strict')}</label></p>
          <div class="buttons"><button class="main">${t('calculate')}</button></div>
        </form>
        <section aria-live="polite" aria-label=${t('result')}>
          ${fields.amount ? offered(this.found, calculated, { lines: 12 }) : empty(t('none'), html`<p>${t('none_more')}</p>`)}
        </section>
      </div>`;
  }

  /** @param {string} name @param {Fields} fields */
  #choice(name, fields) {
    return html`<div class="field"><label for="order-${name}">${t(/** @type {any} */ (name))}</label>
      <select id="order-${name}" name=${name} .value=${fields[name]}>
        ${CHOICES[/** @type {'side'} */ (name)].map(
          (each) => html`<option value=${each} ?selected=${each === fields[name]}>${t(/** @type {any} */ (each))}</option>`,
        )}
      </select></div>`;
  }

  /** @param {string} name @param {Fields} fields @param {string} [instead]  what holds where nothing is typed */
  #number(name, fields, instead = '') {
    const isWrong = this.found.known.value.error?.details.field === name;
    return html`<div class="field"><label for="order-${name}">${t(/** @type {any} */ (name))}</label>
      <input id="order-${name}" name=${name} maxlength="400" autocomplete="off" inputmode="decimal" placeholder=${instead}
        aria-invalid=${isWrong ? 'true' : nothing} .value=${fields[name] ?? ''} /></div>`;
  }

  /** What is chosen counts when the form is sent. @param {CustomEvent<string>} event */
  #chosen = (event) => {
    this.instrument = event.detail;
  };

  /** @param {SubmitEvent & {currentTarget: HTMLFormElement}} event */
  #submit = (event) => {
    event.preventDefault();
    const typed = Object.fromEntries([...new FormData(event.currentTarget)].map(([name, value]) => [name, String(value).trim()]));
    const text = event.currentTarget.querySelector('mp-instrument-input input');
    const instrument = this.instrument || (text instanceof HTMLInputElement ? text.value.trim() : '');
    this.instrument = '';
    this.asked = '';
    go('/orders', { instrument, ...typed, amount: typed.amount || '0' });
  };
}

customElements.define('mp-orders-page', OrdersPage);
export default 'mp-orders-page';
