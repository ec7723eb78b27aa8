/**
 * A dialog in which something is done: what will happen, what is to be filled in, and then what became of it, with the
 * number of the request. A refusal is shown in it, and what was filled in stays.
 */
import { html, nothing } from '../vendor/lit.js';
import { ApiError } from '../core/api.js';
import { Part } from '../core/part.js';
import { t as tStates } from '../parts/text.js';
import { t } from './text.js';

/**
 * @typedef {import('../core/api.js').Answer} Answer
 * @typedef {object} Action
 * @property {string} title
 * @property {string} button  what is pressed to do it
 * @property {boolean} [isGrave]  it cannot be undone
 * @property {unknown | (() => unknown)} body  what will happen, and fields; a function is asked again after a refusal
 * @property {(form: HTMLFormElement) => Promise<Answer | null>} act  null: something is filled in wrong, and the form says so
 * @property {(answer: Answer) => unknown} [result]  what is shown of the answer
 * @property {() => void} [then]  after it was done
 */

export class ActionDialog extends Part {
  static properties = { action: { attribute: false } };

  constructor() {
    super();
    /** @type {Action | null} */
    this.action = null;
    /** @type {Answer | null} */
    this.answer = null;
    /** @type {ApiError | null} */
    this.refusal = null;
    this.isBusy = false;
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has('action')) Object.assign(this, { answer: null, refusal: null, isBusy: false });
  }

  /** @param {Map<string, unknown>} changed */
  updated(changed) {
    const dialog = this.querySelector('dialog');
    if (!changed.has('action') || !dialog) return;
    if (this.action && !dialog.open) dialog.showModal();
    else if (!this.action) dialog.close();
  }

  render() {
    const { action } = this;
    return html`<dialog class="action" aria-labelledby="action-title" @close=${this.#closed} @cancel=${this.#cancel}>
      ${action ? this.#content(action) : nothing}
    </dialog>`;
  }

  /** @param {Action} action */
  #content(action) {
    if (this.answer) {
      return html`<h2 id="action-title">${action.title}</h2>
        <div role="status">
          <p class="good"><span aria-hidden="true">✓</span> ${t('done')}</p>
          ${action.result?.(this.answer) ?? nothing}
          <p class="dim wrap">${tStates('request', { id: this.answer.requestId })}</p>
        </div>
        <div class="buttons"><button type="button" class="main" autofocus @click=${this.#close}>${tStates('close')}</button></div>`;
    }
    return html`<form @submit=${this.#submit} aria-busy=${this.isBusy}>
      <h2 id="action-title">${action.title}</h2>
      ${typeof action.body === 'function' ? action.body() : action.body} ${this.refusal ? this.#refused(this.refusal) : nothing}
      <div class="buttons">
        <button type="button" @click=${this.#close}>${tStates('cancel')}</button>
        <button class=${action.isGrave ? 'grave' : 'main'} ?disabled=${this.isBusy}>${action.button}</button>
      </div>
    </form>`;
  }

  /** @param {ApiError} error */
  #refused(error) {
    return html`<div class="failed" role="alert">
      <p><strong>${t('refused')}</strong> <code>${error.code}</code></p>
      <p>${error.code === 'UNREACHABLE' ? t('unreachable') : error.message}</p>
      ${error.requestId ? html`<p class="dim">${tStates('request', { id: error.requestId })}</p>` : nothing}
    </div>`;
  }

  /** @param {SubmitEvent & {currentTarget: HTMLFormElement}} event */
  #submit = async (event) => {
    event.preventDefault();
    const { action } = this;
    if (!action || this.isBusy) return;
    Object.assign(this, { isBusy: true, refusal: null });
    this.requestUpdate();
    try {
      const answer = await action.act(event.currentTarget);
      if (this.action !== action) return;
      this.answer = answer;
      if (answer) action.then?.();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      this.refusal = error;
    } finally {
      this.isBusy = false;
      this.requestUpdate();
    }
  };

  #close = () => this.querySelector('dialog')?.close();

  /** What is shown once does not go away by a slip. @param {Event} event */
  #cancel = (event) => {
    if (this.isBusy) event.preventDefault();
  };

  #closed = () => this.dispatchEvent(new CustomEvent('closed'));
}

customElements.define('mp-action', ActionDialog);
