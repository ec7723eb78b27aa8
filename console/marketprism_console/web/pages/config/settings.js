/** Every setting by section: what is in force where and from which layer, and what is set centrally. */
import { html, nothing } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { preferences } from '../../core/preferences.js';
import { may } from '../../core/who.js';
import { empty } from '../../parts/states.js';
import { table, unseen } from '../../parts/table.js';
import { set, takeOut, widen } from './order.js';
import { t } from './text.js';
import { forWhom, textOf } from './values.js';

/**
 * @typedef {import('./values.js').Setting} Setting
 * @typedef {import('./values.js').InForce} InForce
 * @typedef {import('./order.js').At} At
 */

const SHOWN = 4;
const WHICH = /** @type {const} */ (['all', 'central', 'given', 'live']);
const TONES = /** @type {Record<string, string>} */ ({ default: 'dim', file: '', central: 'good', environment: 'warn', option: 'warn' });
const APPLIES = /** @type {const} */ ({ 'at once': 'at_once', 'at a restart': 'at_restart', 'not centrally': 'never' });

/** @param {Setting[]} all @param {Record<string, InForce[]>} values @param {At} at */
export function settingsOf(all, values, at) {
  const { find = '', section = '', which = 'all' } = address.value.params;
  const letters = find.trim().toLowerCase();
  const isWanted = (/** @type {Setting} */ { name, meaning, services, central, applies }) =>
    (!section || name.startsWith(`${section}.`)) &&
    `${name} ${meaning[preferences.value.language]} ${services.join(' ')}`.toLowerCase().includes(letters) &&
    (which !== 'central' || Object.keys(central).length > 0) &&
    (which !== 'given' || name in values) &&
    (which !== 'live' || applies === 'at once');
  /** @type {Map<string, Setting[]>} */
  const sections = new Map();
  for (const each of all.filter(isWanted)) {
    const own = each.name.slice(0, Math.max(0, each.name.lastIndexOf('.')));
    sections.set(own, [...(sections.get(own) ?? []), each]);
  }
  return html`${tools([...new Set(all.map(({ name }) => name.split('.')).flatMap(([first, ...more]) => (more.length ? [first] : [])))])}
    ${may('sys:operate') ? nothing : html`<p class="dim">${t('look_only')}</p>`}
    ${sections.size ? [...sections].map(([name, own]) => sectionOf(name || t('top'), own, values, at)) : empty(t('none_found'))}`;
}

/** @param {string[]} names */
function tools(names) {
  const { find = '', section = '', which = 'all' } = address.value.params;
  /** @param {string} key */
  const into = (key) => (/** @type {any} */ event) => alter({ [key]: event.target.value });
  return html`<div class="tools">
    <label>${t('find')} <input type="search" maxlength="100" .value=${find} @input=${into('find')} /></label>
    <label>${t('section')}
      <select @change=${into('section')}>
        <option value="">${t('every')}</option>
        ${names.map((each) => html`<option ?selected=${each === section}>${each}</option>`)}
      </select></label>
    <label>${t('which')}
      <select @change=${into('which')}>
        ${WHICH.map((each) => html`<option value=${each} ?selected=${each === which}>${t(`which_${each}`)}</option>`)}
      </select></label>
  </div>`;
}

/** @param {string} name @param {Setting[]} own @param {Record<string, InForce[]>} values @param {At} at */
function sectionOf(name, own, values, at) {
  return html`<section>
    <h2>${name}</h2>
    ${table(
      { label: name, kind: 'rules settings' },
      [t('setting'), t('in_force'), t('central'), t('applies'), unseen(t('change'))],
      own.map((each) => rowOf(each, values[each.name] ?? [], at)),
    )}
  </section>`;
}

/** @param {Setting} setting @param {InForce[]} groups @param {At} at */
function rowOf(setting, groups, at) {
  const { name, meaning, services, central, applies, why } = setting;
  const { language } = preferences.value;
  const mayChange = may('sys:operate') && applies !== 'not centrally';
  const first = central.all ?? Object.values(central)[0] ?? (setting.secret ? 'secret:' : (groups[0]?.value ?? setting.default));
  return html`<tr>
    <th scope="row"><code>${name}</code><p>${meaning[language]}</p>
      <p class="dim">${t('used_by', { names: services.length > 8 ? t('all') : services.join(', ') })}</p></th>
    <td>
      ${groups.length
        ? groups.map((each) => valueIn(each, groups.length > 1))
        : valueIn({ value: setting.default, layer: 'default', instances: [] }, false)}
      ${groups.some(({ layer }) => layer !== 'default')
        ? html`<p class="dim">${t('default_is', { value: textOf(setting.default) || '–' })}</p>`
        : nothing}
    </td>
    <td>
      ${Object.entries(central).map(
        ([target, value]) => html`<div class="tools">
          <span class="wrap">${forWhom(target)}: <code>${textOf(value) || '–'}</code></span>
          ${mayChange && target !== 'all' ? widen(at, setting, target, value) : nothing}
          ${may('sys:operate') ? unsetButton(setting, target, at) : nothing}
        </div>`,
      )}
    </td>
    <td>${t(APPLIES[applies])}${why[language] ? html`<p class="dim">${why[language]}</p>` : nothing}</td>
    <td>
      ${mayChange
        ? html`<button type="button" aria-label=${t('set_of', { name })} @click=${() => set(at, setting, { value: first })}>${t('change')}</button>`
        : nothing}
    </td>
  </tr>`;
}

/** @param {InForce} group @param {boolean} isOneOfSeveral */
function valueIn({ value, layer, instances }, isOneOfSeveral) {
  const more = instances.length - SHOWN;
  return html`<div>
    <code class="wrap">${textOf(value) || '–'}</code> <span class="badge ${TONES[layer]}">${t(/** @type {any} */ (`layer_${layer}`))}</span>
    ${isOneOfSeveral || layer !== 'default'
      ? html`<p class="dim wrap">${instances.slice(0, SHOWN).join(', ')}${more > 0 ? ` +${more}` : ''}</p>`
      : nothing}
  </div>`;
}

/** @param {Setting} setting @param {string} target @param {At} at */
function unsetButton(setting, target, at) {
  const label = t('unset_of', { name: setting.name, whom: forWhom(target) });
  return html`<button type="button" aria-label=${label} @click=${() => takeOut(at, setting, target)}>${t('unset')}</button>`;
}
