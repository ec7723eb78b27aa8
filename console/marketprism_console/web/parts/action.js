/**
 * The dialog in which something is done: what will happen, what is to be filled in, and then what became of it, with the
 * number of the request. A refusal is shown in it, and what was filled in stays.
 */
import { html, nothing } from '../vendor/lit.js';
import { address } from '../core/address.js';
import { ApiError } from '../core/api.js';
import { Part } from '../core/part.js';
import { t as common } from './text.js';
import { t } from './action_text.js';

/**
 * What became of one thing of several.
 * @typedef {object} Outcome
 * @property {unknown} what
 * @property {'done' | 'refused' | 'waiting'} is
 * @property {unknown} [text]
 * @property {string} [requestId]
 */

/**
 * @typedef {import('../core/api.js').Answer} Answer
 * @typedef {(outcomes: Outcome[]) => void} Report  as often as it likes
 * @typedef {object} Action
 * @property {string} title
 * @property {string} button  what is pressed to do it
 * @property {boolean} [isGrave]  it cannot be undone
 * @property {unknown | (() => unknown)} body  what will happen, and fields; a function is asked again after a refusal
 * @property {boolean} [asksReason]  the form has a field `reason`
 * @property {(form: HTMLFormElement, report: Report) => Promise<Answer | null | void>} act  null: something is filled in
 *   wrong, and the form says so; what is reported takes the place of an answer
 * @property {(answer: Answer) => unknown} [result]  what is shown of the answer
 * @property {() => void} [then]  after it was done
 * @property {() => void} [closed]  after the dialog was closed on what became of it
 */

const MARKS = { done: '✓', refused: '✕', waiting: '…' };
const TONES = { done: 'good', refused: 'bad', waiting: 'dim' };
const LONGEST_REASON = 500;

/** Open the dialog, of which the page has one. @param {Action} action */
export function act(action) {
  void (/** @type {ActionDialog} */ (document.querySelector('mp-action')).open(action));
}

/** @param {HTMLFormElement} form */
export function reasonIn(form) {
  return String(new FormData(form).get('reason') ?? '').trim();
}

/** What went wrong, as an outcome. @param {unknown} what @param {unknown} error @returns {Outcome} */
export function refused(what, error) {
  if (!(error instanceof ApiError)) return { what, is: 'refused', text: String(error) };
  return { what, is: 'refused', text: html`${messageOf(error)} <code>${error.code}</code>`, requestId: error.requestId };
}

/** @param {ApiError} error */
function messageOf(error) {
  return error.code === 'UNREACHABLE' ? t('unreachable') : error.message;
}

class ActionDialog extends Part {
  constructor() {
    super();
    /** @type {Action | null} */
    this.action = null;
    /** @type {'asking' | 'working' | 'over'} */
    this.is = 'asking';
    /** @type {Outcome[]} */
    this.outcomes = [];
    /** @type {Answer | null} */
    this.answer = null;
    /** @type {unknown} */
    this.refusal = null;
  }

  begin() {
    let { path } = address.value;
    this.follow(address, (now) => {
      if (now.path !== path) this.#close();
      path = now.path;
    });
  }

  get #dialog() {
    return this.querySelector('dialog');
  }

  /** @param {Action} action */
  async open(action) {
    Object.assign(this, { action, is: 'asking', outcomes: [], answer: null, refusal: null });
    this.requestUpdate();
    await this.updateComplete;
    this.#dialog?.showModal();
  }

  render() {
    const { action } = this;
    return html`<dialog class="action" aria-labelledby="action-title" @cancel=${this.#cancel} @close=${this.#closed}>
      ${action
        ? html`<form @submit=${this.#submit} aria-busy=${this.is === 'working'}>
            <h2 id="action-title">${action.title}</h2>
            ${this.answer ? this.#result(action, this.answer) : this.outcomes.length ? this.#results() : this.#fields(action)}
            <div class="buttons">${this.#buttons(action)}</div>
          </form>`
        : nothing}
    </dialog>`;
  }

  /** @param {Action} action */
  #fields({ body, asksReason }) {
    return html`${typeof body === 'function' ? body() : body}
      ${asksReason
        ? html`<div class="field">
            <label for="action-reason">${t('reason')}</label>
            <textarea id="action-reason" name="reason" rows="2" maxlength=${LONGEST_REASON} aria-describedby="action-reason-why"></textarea>
            <small id="action-reason-why" class="dim">${t('reason_why')}</small>
          </div>`
        : nothing}
      ${this.refusal ? this.#refused(refused('', this.refusal)) : nothing}`;
  }

  /** @param {Outcome} outcome */
  #refused({ text, requestId }) {
    return html`<div class="failed" role="alert">
      <p><strong>${t('not_done')}</strong></p>
      <p>${text}</p>
      ${this.#request(requestId)}
    </div>`;
  }

  /** @param {string} [id] */
  #request(id) {
    return id ? html`<small class="dim wrap">${common('request', { id })}</small>` : nothing;
  }

  /** @param {Action} action @param {Answer} answer */
  #result(action, answer) {
    return html`<div role="status">
      <p class="good"><span aria-hidden="true">${MARKS.done}</span> ${t('done')}</p>
      ${action.result?.(answer) ?? nothing} ${this.#request(answer.requestId)}
    </div>`;
  }

  #results() {
    return html`<ul class="outcomes" role="status" aria-label=${t('outcomes')}>
      ${this.outcomes.map(
        ({ what, is, text, requestId }) => html`<li class=${is}>
          <b class=${TONES[is]}><span aria-hidden="true">${MARKS[is]}</span> ${t(is)}</b>
          <span class="wrap">${what}${text ? html`: ${text}` : nothing}</span> ${this.#request(requestId)}
        </li>`,
      )}
    </ul>`;
  }

  /** @param {Action} action */
  #buttons({ isGrave, button }) {
    if (this.is === 'over') return html`<button type="button" class="main" @click=${this.#close}>${common('close')}</button>`;
    const isWorking = this.is === 'working';
    return html`<button type="button" @click=${this.#close} ?disabled=${isWorking}>${common('cancel')}</button>
      <button class=${isGrave ? 'grave' : 'main'} ?disabled=${isWorking}>${button}</button>`;
  }

  /** @param {SubmitEvent & {currentTarget: HTMLFormElement}} event */
  #submit = async (event) => {
    event.preventDefault();
    const { action } = this;
    if (!action || this.is !== 'asking') return;
    Object.assign(this, { is: 'working', refusal: null });
    this.requestUpdate();
    /** @type {Report} */
    const report = (outcomes) => {
      if (this.action !== action) return;
      this.outcomes = outcomes;
      this.requestUpdate();
    };
    /** @type {Answer | null | void} */
    let answer = null;
    try {
      answer = await action.act(event.currentTarget, report);
    } catch (error) {
      if (this.outcomes.length) report([...this.outcomes, refused(action.title, error)]);
      else this.refusal = error;
    }
    if (answer || this.outcomes.length) action.then?.();
    if (this.action !== action) return;
    this.answer = answer ?? null;
    this.is = this.answer || this.outcomes.length ? 'over' : 'asking';
    this.requestUpdate();
    await this.updateComplete;
    if (this.is === 'over') this.querySelector('button')?.focus();
  };

  /** What is being done is seen to its end, and what is shown once does not go away by a slip. @param {Event} event */
  #cancel = (event) => {
    if (this.is === 'working') event.preventDefault();
  };

  #close = () => this.#dialog?.close();

  #closed = () => {
    const { action, is } = this;
    this.action = null;
    this.requestUpdate();
    if (is === 'over') action?.closed?.();
  };
}

customElements.define('mp-action', ActionDialog);
