/** The first rows of a long list, and a button for more of them. */
import { html, nothing } from '../vendor/lit.js';
import { t } from './text.js';

export class FirstRows {
  /** @param {import('../core/part.js').Part} part  that shows them @param {number} step  at first, and with each press */
  constructor(part, step) {
    this.part = part;
    this.step = step;
    this.most = step;
  }

  /** @template T @param {readonly T[]} rows */
  of(rows) {
    return rows.slice(0, this.most);
  }

  /** What stands below them. @param {readonly unknown[]} rows  all of them */
  more(rows) {
    if (rows.length <= this.most) return nothing;
    return html`<p class="tools">
      <span class="dim">${t('first_rows', { count: this.most })}</span> <button type="button" @click=${this.#more}>${t('more')}</button>
    </p>`;
  }

  #more = () => {
    this.most += this.step;
    this.part.requestUpdate();
  };
}
