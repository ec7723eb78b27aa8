/** Tabs: one of several views of the same thing. The arrow keys go from one to the next. */
import { html } from '../vendor/lit.js';

/**
 * @param {{key: string, title: unknown}[]} all
 * @param {string} chosen
 * @param {(key: string) => void} choose
 * @param {string} label
 */
export function tabs(all, chosen, choose, label) {
  /** @param {KeyboardEvent} event */
  const move = (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step || !(event.currentTarget instanceof HTMLElement)) return;
    event.preventDefault();
    const at = (all.findIndex((tab) => tab.key === chosen) + step + all.length) % all.length;
    choose(all[at].key);
    /** @type {HTMLElement | undefined} */ (event.currentTarget.children[at])?.focus();
  };
  return html`<div class="tabs" role="tablist" aria-label=${label} @keydown=${move}>
    ${all.map(
      ({ key, title }) => html`<button
        type="button"
        role="tab"
        id="tab-${key}"
        aria-selected=${key === chosen}
        aria-controls="view-${key}"
        tabindex=${key === chosen ? 0 : -1}
        @click=${() => choose(key)}
      >
        ${title}
      </button>`,
    )}
  </div>`;
}
