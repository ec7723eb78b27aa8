/** A box that finds instruments as one types; who chooses one is told by the event `chosen`. */
import { html, nothing } from '../vendor/lit.js';
import { Part } from '../core/part.js';
import { findInstruments } from '../core/instruments.js';

/** @typedef {import('../core/instruments.js').Instrument} Instrument */

const MOST = 12;
const PAUSE_MS = 150;

class InstrumentSearch extends Part {
  static properties = { label: {}, none: {}, unavailable: {} };

  constructor() {
    super();
    /** The words of whoever shows it. */
    this.label = '';
    this.none = '';
    this.unavailable = '';
    /** @type {Instrument[]} */
    this.found = [];
    this.text = '';
    this.isAway = false;
    this.at = -1;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this.soon = undefined;
    /** @type {AbortController | undefined} */
    this.asking = undefined;
  }

  begin() {
    this.whenGone(() => {
      clearTimeout(this.soon);
      this.asking?.abort();
    });
  }

  render() {
    const isOpen = Boolean(this.text) && this.found.length > 0;
    return html`<label>${this.label}
        <input type="search" role="combobox" maxlength="60" autocomplete="off" aria-expanded=${isOpen} aria-controls="instruments-found"
          aria-activedescendant=${isOpen && this.at >= 0 ? `instrument-${this.at}` : nothing} @input=${this.#typed} @keydown=${this.#key} />
      </label>
      <ul id="instruments-found" role="listbox" aria-label=${this.label} class="found" ?hidden=${!isOpen}>
        ${this.found.map(
          (each, n) => html`<li role="option" id="instrument-${n}" aria-selected=${n === this.at} @click=${() => this.#choose(each)}>
            <span>${each.symbol} ${each.name}</span><span class="dim">${each.venue}</span>
          </li>`,
        )}
      </ul>
      ${this.isAway ? html`<small class="dim">${this.unavailable}</small>` : nothing}
      ${this.text && !this.isAway && !this.found.length && !this.asking ? html`<small class="dim">${this.none}</small>` : nothing}`;
  }

  /** @param {InputEvent & {target: HTMLInputElement}} event */
  #typed = (event) => {
    this.text = event.target.value.trim();
    clearTimeout(this.soon);
    this.soon = setTimeout(() => this.#find(), PAUSE_MS);
  };

  async #find() {
    this.asking?.abort();
    this.asking = undefined;
    this.found = [];
    this.at = -1;
    if (!this.text) return this.requestUpdate();
    const asking = (this.asking = new AbortController());
    try {
      const found = await findInstruments(this.text, MOST, { signal: asking.signal });
      if (this.asking !== asking) return undefined;
      this.found = found;
      this.isAway = false;
    } catch {
      if (this.asking !== asking) return undefined;
      this.isAway = true; // it says so; what is typed by hand counts as well
    }
    this.asking = undefined;
    return this.requestUpdate();
  }

  /** @param {KeyboardEvent} event */
  #key = (event) => {
    if (event.key === 'Enter') {
      event.preventDefault(); // of the form that it stands in
      const chosen = this.found[Math.max(0, this.at)];
      if (chosen) this.#choose(chosen);
    } else if (event.key === 'ArrowDown' || event.key === 'ArrowUp') {
      event.preventDefault();
      const step = event.key === 'ArrowDown' ? 1 : -1;
      this.at = Math.max(0, Math.min(this.found.length - 1, this.at + step));
      this.requestUpdate();
    } else if (event.key === 'Escape' && this.found.length) {
      event.stopPropagation();
      this.found = [];
      this.requestUpdate();
    }
  };

  /** @param {Instrument} instrument */
  #choose(instrument) {
    this.text = '';
    this.found = [];
    const input = this.querySelector('input');
    if (input) {
      input.value = '';
      input.focus();
    }
    this.requestUpdate();
    this.dispatchEvent(new CustomEvent('chosen', { detail: instrument }));
  }
}

customElements.define('mp-instrument-search', InstrumentSearch);
