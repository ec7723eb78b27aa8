/** What each class of callers may ask for, and what is used of it today. */
import { html } from '../../vendor/lit.js';
import { count, percent } from '../../core/numbers.js';
import { shown } from '../../parts/states.js';
import { numeric, table } from '../../parts/table.js';
import { Listing } from './listing.js';
import { t } from './text.js';

/**
 * @typedef {Record<string, number> & {name: string}} Class
 * @typedef {{account: string, user: string, key: string, limits: string, per_day: number, used: number}} Use
 */

const NUMBERS = /** @type {const} */ (['requests_per_s', 'burst', 'concurrent', 'sockets', 'channels', 'messages_per_s', 'rows_per_day']);

/** Those that are nearest to their end first. @param {Use[]} use */
function mostUsed(use) {
  return [...use].sort((a, b) => b.used / b.per_day - a.used / a.per_day);
}

/** @extends {Listing<{classes: Class[], use: Use[]}>} */
class Limits extends Listing {
  constructor() {
    super('/admin/limits');
  }

  render() {
    return html`${shown(this.list, ({ classes, use }) => html`<h2>${t('use')}</h2>
      <p class="dim">${t('use_more')}</p>
      ${this.tools()}
      ${this.narrowed(mostUsed(use), (each) => `${each.user} ${each.key} ${each.limits}`, (rows) => this.#use(rows))}
      <h2>${t('classes')}</h2>
      ${this.#classes(classes)}`)}`;
  }

  /** @param {Use[]} rows */
  #use(rows) {
    return table(
      { label: t('use') },
      [t('name'), t('key'), t('class'), numeric(t('used')), numeric(t('rows_per_day')), numeric(t('share'))],
      rows.map(
        (each) => html`<tr>
          <th scope="row">${each.user}</th><td>${each.key ? html`<code>${each.key}</code>` : ''}</td><td>${each.limits}</td>
          <td class="number">${count(each.used)}</td><td class="number">${count(each.per_day)}</td>
          <td class="number">${percent(each.used, each.per_day)}
            <meter min="0" max=${each.per_day} high=${each.per_day * 0.9} .value=${each.used} aria-hidden="true"></meter></td>
        </tr>`,
      ),
    );
  }

  /** @param {Class[]} classes */
  #classes(classes) {
    return table(
      { label: t('classes') },
      [t('class'), ...NUMBERS.map((name) => numeric(t(name)))],
      classes.map((each) => html`<tr><th scope="row">${each.name}</th>${NUMBERS.map((name) => html`<td class="number">${count(each[name])}</td>`)}</tr>`),
    );
  }
}

customElements.define('mp-access-limits', Limits);
