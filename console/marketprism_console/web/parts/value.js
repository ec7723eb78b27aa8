/** Any value of JSON as text that a person reads: lists and tables of names are laid out, the rest is its JSON. */
import { html } from '../vendor/lit.js';

const LONGEST = 4000;

/** @param {any} value */
export function valueShown(value) {
  if (value === null || value === undefined || value === '') return '–';
  if (typeof value !== 'object') return String(value).slice(0, LONGEST);
  if (Array.isArray(value) && value.every((each) => each === null || typeof each !== 'object')) {
    return value.length ? value.join(', ').slice(0, LONGEST) : '–';
  }
  const entries = Object.entries(value);
  if (!entries.length) return '–';
  const isFlat = !Array.isArray(value) && entries.every(([, each]) => each === null || typeof each !== 'object');
  if (isFlat && entries.length <= 100) {
    return html`<dl class="facts">${entries.map(([name, each]) => html`<dt>${name}</dt><dd>${each ?? '–'}</dd>`)}</dl>`;
  }
  return html`<pre class="json">${JSON.stringify(value, null, 1).slice(0, LONGEST)}</pre>`;
}
