/** A button that copies a text, and says that it has. */
import { html } from '../vendor/lit.js';
import { t } from './text.js';

const SAID_MS = 1500;

/** @param {() => string} text @param {string} [what]  what it copies, for who does not see where it stands */
export function copyButton(text, what = '') {
  const copy = async (/** @type {Event} */ event) => {
    const button = /** @type {HTMLElement} */ (event.currentTarget);
    const label = button.querySelector('span');
    try {
      await navigator.clipboard.writeText(text());
    } catch {
      return; // a browser that does not let pages copy: the text stands there to be chosen by hand
    }
    if (!label) return;
    label.dataset.said = t('copied');
    setTimeout(() => delete label.dataset.said, SAID_MS);
  };
  return html`<button type="button" class="copy" @click=${copy}><span>${t('copy')}</span>${what ? html`<span class="unseen"> ${what}</span>` : ''}</button>`;
}
