/** A dialog for what changes something: what will happen, why it is done, and then what became of each part of it. */
import { html, nothing } from '../vendor/lit.js';
import { ApiError } from '../core/api.js';
import { Part } from '../core/part.js';
import { t as common } from './text.js';
import { t } from './action_text.js';

/**
 * What became of one thing.
 * @typedef {object} Outcome
 * @property {unknown} what
 * @property {'done' | 'refused' | 'waiting'} is
 * @property {unknown} [text]
 * @property {string} [requestId]
 */

/**
 * @typedef {object} Action
 * @property {string} title
 * @property {unknown} what  what will happen
 * @property {string} button  the word on the button that does it
 * @property {boolean} [asksReason]
 * @property {(reason: string, report: (outcomes: Outcome[]) => void) => Promise<void>} work  reports as often as it likes
 * @property {() => void} [done]  called when the dialog is closed after the work
 */

const MARKS = { done: '✓', refused: '✕', waiting: '…' };
const LONGEST_REASON = 500;

/** What went wrong, as an outcome. @param {unknown} what @param {unknown} error @returns {Outcome} */
export function refused(what, error) {
  if (!(error instanceof ApiError)) return { what, is: 'refused', text: String(error) };
  const text = error.code === 'UNREACHABLE' ? common('unreachable') : `${error.message} (${error.code})`;
  return { what, is: 'refused', text, requestId: error.requestId };
}

export class ActionDialog extends Part {
  constructor() {
    super();
    /** @type {Action | null} */
    this.action = null;
    /** @type {'asking' | 'working' | 'over'} */
    this.is = 'asking';
    /** @type {Outcome[]} */
    this.outcomes = [];
  }

  get #dialog() {
    return this.querySelector('dialog');
  }

  /** @param {Action} action */
  async open(action) {
    this.action = action;
    this.is = 'asking';
    this.outcomes = [];
    this.requestUpdate();
    await this.updateComplete;
    const reason = this.querySelector('textarea');
    if (reason) reason.value = '';
    this.#dialog?.showModal();
  }

  render() {
    const { action } = this;
    return html`<dialog aria-labelledby="action-title" @cancel=${this.#cancel} @close=${this.#closed}>
      ${action
        ? html`<form method="dialog" @submit=${this.#submit}>
            <h2 id="action-title">${action.title}</h2>
            <div>${action.what}</div>
            ${action.asksReason && this.is === 'asking' ? this.#reason() : nothing}
            ${this.is === 'asking' ? nothing : this.#results()}
            <div class="buttons">${this.#buttons(action)}</div>
          </form>`
        : nothing}
    </dialog>`;
  }

  #reason() {
    return html`<div class="field">
      <label for="action-reason">${t('reason')}</label>
      <textarea id="action-reason" rows="2" maxlength=${LONGEST_REASON} aria-describedby="action-reason-why"></textarea>
      <small id="action-reason-why" class="dim">${t('reason_why')}</small>
    </div>`;
  }

  #results() {
    return html`<ul class="outcomes" role="status" aria-label=${t('outcomes')}>
      ${this.outcomes.map(
        ({ what, is, text, requestId }) => html`<li class=${is}>
          <b class=${{ done: 'good', refused: 'bad', waiting: 'dim' }[is]}><span aria-hidden="true">${MARKS[is]}</span> ${t(is)}</b>
          <span class="wrap">${what}${text ? html`: ${text}` : nothing}</span>
          ${requestId ? html`<small class="dim">${common('request', { id: requestId })}</small>` : nothing}
        </li>`,
      )}
      ${this.is === 'working' && !this.outcomes.length ? html`<li class="dim">${t('working')}</li>` : nothing}
    </ul>`;
  }

  /** @param {Action} action */
  #buttons(action) {
    if (this.is === 'over') return html`<button type="button" class="main" @click=${this.#close}>${common('close')}</button>`;
    return html`<button type="button" @click=${this.#close} ?disabled=${this.is === 'working'}>${common('cancel')}</button>
      <button type="submit" class="main" ?disabled=${this.is === 'working'}>${action.button}</button>`;
  }

  /** @param {SubmitEvent} event */
  #submit = async (event) => {
    event.preventDefault();
    const { action } = this;
    if (!action || this.is !== 'asking') return;
    const reason = this.querySelector('textarea')?.value.trim() ?? '';
    this.is = 'working';
    this.requestUpdate();
    try {
      await action.work(reason, (outcomes) => {
        this.outcomes = outcomes;
        this.requestUpdate();
      });
    } catch (error) {
      this.outcomes = [...this.outcomes, refused(action.title, error)];
    }
    this.is = 'over';
    this.requestUpdate();
    await this.updateComplete;
    this.querySelector('button')?.focus();
  };

  /** What is being done is seen to its end. @param {Event} event */
  #cancel = (event) => {
    if (this.is === 'working') event.preventDefault();
  };

  #close = () => this.#dialog?.close();

  #closed = () => {
    const { action, is } = this;
    this.action = null;
    this.requestUpdate();
    if (is === 'over') action?.done?.();
  };
}

customElements.define('mp-action', ActionDialog);
