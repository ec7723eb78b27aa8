/** A field that takes an instrument: what is typed is searched for, and one is chosen. */
import { html } from '../vendor/lit.js';
import { Part } from '../core/part.js';
import { findInstruments, instrumentOf } from '../core/instruments.js';

const MOST = 12;
let count = 0;

class InstrumentInput extends Part {
  static properties = { value: { attribute: false } };

  constructor() {
    super();
    this.value = '';
    this.name = `instruments-${(count += 1)}`;
    /** @type {import('../core/instruments.js').Instrument[]} */
    this.found = [];
    this.asked = 0;
  }

  render() {
    return html`<input type="search" maxlength="100" autocomplete="off" spellcheck="false" list=${this.name} .value=${this.value}
        @input=${this.#typed} @change=${this.#chosen} />
      <datalist id=${this.name}>
        ${this.found.map((each) => html`<option value="${each.venue}.${each.symbol}">${each.name}</option>`)}
      </datalist>`;
  }

  /** @param {InputEvent & {target: HTMLInputElement}} event */
  #typed = async (event) => {
    const asked = (this.asked += 1);
    const text = event.target.value.trim();
    const found = text ? await findInstruments(text, MOST).catch(() => []) : [];
    if (asked !== this.asked) return; // something else was typed meanwhile
    this.found = found;
    this.requestUpdate();
  };

  /** @param {Event & {target: HTMLInputElement}} event */
  #chosen = (event) => {
    const text = event.target.value.trim();
    const first = this.found[0];
    const chosen = !text || instrumentOf(text) ? text : first ? `${first.venue}.${first.symbol}` : '';
    this.dispatchEvent(new CustomEvent('chosen', { detail: chosen }));
  };
}

customElements.define('mp-instrument-input', InstrumentInput);
