/** A text that is shown this once: to be copied. */
import { html } from '../vendor/lit.js';
import { Part } from '../core/part.js';
import { t as tStates } from '../parts/text.js';
import { t } from './text.js';

class Secret extends Part {
  static properties = { text: { attribute: false }, label: { attribute: false } };

  constructor() {
    super();
    this.text = '';
    this.label = '';
    this.isCopied = false;
  }

  render() {
    return html`<div class="secret">
      <p class="warn"><span aria-hidden="true">▲</span> ${t('once')}</p>
      <div class="tools">
        <input class="code" readonly aria-label=${this.label} .value=${this.text} @focus=${this.#select} />
        <button type="button" @click=${this.#copy}>${tStates(this.isCopied ? 'copied' : 'copy')}</button>
      </div>
      <span class="unseen" role="status">${this.isCopied ? tStates('copied') : ''}</span>
    </div>`;
  }

  /** @param {FocusEvent & {target: HTMLInputElement}} event */
  #select = (event) => event.target.select();

  #copy = async () => {
    try {
      await navigator.clipboard.writeText(this.text);
      this.isCopied = true;
      this.requestUpdate();
    } catch {
      // Where the browser does not let a page copy, the text is chosen, so that the person can.
      this.querySelector('input')?.select();
    }
  };
}

customElements.define('mp-secret', Secret);
