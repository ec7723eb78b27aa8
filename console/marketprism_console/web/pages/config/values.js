/** Settings, their values and changes of them, as they come and as they are shown. */
import { html } from '../../vendor/lit.js';
import { table } from '../../parts/table.js';
import { t } from './text.js';

/**
 * @typedef {Record<string, [unknown, unknown]>} Changes  before and after by key: `log.level`, `log.level@gateway`
 * @typedef {object} Setting
 * @property {string} name
 * @property {unknown} default
 * @property {Record<string, unknown>} central  by whom it is for: `all`, a service, or `<service>.<instance>`
 * @property {'at once' | 'at a restart' | 'not centrally'} applies
 * @property {string[]} services  that use it
 * @property {string[]} options
 * @property {boolean} secret
 * @property {{en: string, zh: string}} meaning
 * @property {{en: string, zh: string}} why  it cannot be set centrally
 * @typedef {{value: unknown, layer: string, instances: string[]}} InForce
 * @typedef {{values: Record<string, InForce[]>, silent: Record<string, string>}} Values
 * @typedef {{service: string, instance: string, version: number, pending: string[], pinned: string[], refused: string}} Standing
 * @typedef {object} Report
 * @property {number} version
 * @property {Changes} changes
 * @property {Record<string, string[]>} applied
 * @property {Record<string, string[]>} pending
 * @property {Record<string, string[]>} pinned
 * @property {Record<string, string>} silent
 * @property {Record<string, string>} unconfirmed
 * @property {number} rolled_back
 */

/** @param {Standing} of */
export function keyOf({ service, instance }) {
  return `${service}.${instance}`;
}

/** A value as it is typed. @param {unknown} value */
export function textOf(value) {
  if (value === null || value === undefined) return '';
  if (Array.isArray(value) && value.every((each) => typeof each !== 'object')) return value.join(', ');
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** @param {string} target */
export function forWhom(target) {
  return target === 'all' ? t('all') : target;
}

/** @param {Changes} changes @param {string} label */
export function changesTable(changes, label) {
  return table(
    { label, caption: label },
    [t('setting'), t('for'), t('before'), t('after')],
    Object.entries(changes).map(([key, [before, after]]) => {
      const [name, target] = key.split('@');
      return html`<tr>
        <th scope="row"><code>${name}</code></th>
        <td class="wrap">${forWhom(target ?? 'all')}</td>
        <td class="wrap code">${textOf(before) || '–'}</td>
        <td class="wrap code"><strong>${textOf(after) || '–'}</strong></td>
      </tr>`;
    }),
  );
}
