/** A table in a region of its own, which scrolls and which the keyboard reaches. */
import { html } from '../vendor/lit.js';

/** @typedef {{head: unknown, kind: 'number' | 'unseen'}} SpecialColumn */

/** A column of numbers. @param {unknown} head @returns {SpecialColumn} */
export function numeric(head) {
  return { head, kind: 'number' };
}

/** A column whose head only screen readers need: of buttons. @param {unknown} head @returns {SpecialColumn} */
export function unseen(head) {
  return { head, kind: 'unseen' };
}

/** @param {unknown} column */
function headOf(column) {
  const { head, kind } = column instanceof Object && 'head' in column ? /** @type {SpecialColumn} */ (column) : { head: column, kind: '' };
  return kind === 'unseen'
    ? html`<th scope="col"><span class="unseen">${head}</span></th>`
    : html`<th scope="col" class=${kind}>${head}</th>`;
}

/**
 * @param {{label: string, caption?: unknown, kind?: string, size?: 'tall' | 'short' | ''}} what  `label` is its name for who
 *   does not see it, and `caption` what stands above it
 * @param {unknown[]} columns  heads
 * @param {unknown} rows
 */
export function table({ label, caption, kind = '', size = '' }, columns, rows) {
  return html`<div class="scroll ${size}" tabindex="0" role="region" aria-label=${label}>
    <table class=${kind}>
      <caption class=${caption === undefined ? 'unseen' : ''}>${caption ?? label}</caption>
      <thead><tr>${columns.map(headOf)}</tr></thead>
      <tbody>${rows}</tbody>
    </table>
  </div>`;
}
