/** What is set centrally for all processes: seen, changed while they run, taken back. */
import { html, nothing } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { ask } from '../../core/api.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { who } from '../../core/who.js';
import { expectOffered, offered } from '../../parts/offered.js';
import { empty } from '../../parts/states.js';
import { table } from '../../parts/table.js';
import { tabs } from '../../parts/tabs.js';
import './history.js';
import { settingsOf } from './settings.js';
import { t } from './text.js';
import { keyOf } from './values.js';

/** @typedef {import('./values.js').Standing} Standing */

const EVERY_MS = 3000;
const VIEWS = /** @type {const} */ (['settings', 'instances', 'history']);

class ConfigPage extends Part {
  constructor() {
    super();
    this.seen = ''; // versions that what is shown is of
    /** @type {import('./order.js').At} */
    this.at = { version: 0, standings: [], then: () => void this.now.load() };
    /** @type {Resource<{version: number, standings: Standing[]}>} */
    this.now = new Resource(async (signal) => {
      await expectOffered('/monitor/config');
      const [layer, instances] = await Promise.all(['', '/instances'].map((path) => ask(`/monitor/config${path}`, {}, { signal })));
      return { version: layer.data.version, standings: instances.data };
    });
    /** @type {Resource<{version: number, settings: import('./values.js').Setting[]}>} */
    this.settings = new Resource(async (signal) => (await ask('/monitor/config/settings', {}, { signal })).data);
    /** @type {Resource<import('./values.js').Values>} */
    this.values = new Resource(async (signal) => (await ask('/monitor/config/values', {}, { signal })).data);
  }

  begin() {
    this.follow(this.now.known, ({ data }) => this.#take(data));
    this.uses(this.now, this.settings, this.values);
    this.follow(address);
    this.follow(who);
    this.every(EVERY_MS, () => void this.now.load());
    void this.now.load();
  }

  /** What is in force is asked for anew when a version or an instance is. @param {{version: number, standings: Standing[]} | undefined} found */
  #take(found) {
    const seen = JSON.stringify(found);
    if (!found || seen === this.seen) return;
    this.seen = seen;
    this.at = { ...this.at, ...found };
    void this.settings.load();
    void this.values.load();
  }

  render() {
    const view = VIEWS.find((each) => each === address.value.params.view) ?? 'settings';
    const all = VIEWS.map((key) => ({ key, title: t(key) }));
    return html`<h1>${t('title')}</h1>
      ${offered(this.now, (now) => html`${this.#summary(now)}
        ${tabs(all, view, (key) => alter({ view: key === 'settings' ? null : key }), t('title'))}
        <div id="view-${view}" role="tabpanel" aria-labelledby="tab-${view}">${this.#view(view, now.standings)}</div>`, { lines: 8 })}`;
  }

  /** @param {{version: number, standings: Standing[]}} now */
  #summary({ version, standings }) {
    const confirmed = standings.filter((each) => each.version >= version && !each.refused).length;
    const rest = standings.length - confirmed;
    return html`<p role="status">${version ? t('version_is', { version }) : t('none_yet')}
      ${rest
        ? html`<span class="warn">▲ ${t('not_confirmed', { count: rest, all: standings.length })}</span>`
        : html`<span class="good">✓ ${t('confirmed_by', { count: confirmed })}</span>`}</p>`;
  }

  /** @param {typeof VIEWS[number]} view @param {Standing[]} standings */
  #view(view, standings) {
    if (view === 'history') return html`<mp-config-history .at=${this.at}></mp-config-history>`;
    if (view === 'instances') return standings.length ? this.#instances(standings) : empty(t('no_instances'));
    const { data, error } = this.values.known.value;
    const silent = Object.entries(data?.silent ?? {});
    return html`${error ? html`<p class="stale-note" role="status">${t('no_values', { why: error.message })}</p>` : nothing}
      ${silent.map(([key, why]) => html`<p class="warn wrap">▲ ${t('silent', { key, why })}</p>`)}
      ${offered(this.settings, ({ settings }) => settingsOf(settings, data?.values ?? {}, this.at), { lines: 8 })}`;
  }

  /** @param {Standing[]} standings */
  #instances(standings) {
    return table(
      { label: t('instances') },
      [t('instance'), t('version'), t('state'), t('pending'), t('pinned')],
      standings.map((each) => html`<tr>
        <th scope="row" class="wrap">${keyOf(each)}</th>
        <td>${each.version}</td>
        <td class=${each.refused ? '' : 'time'}>${this.#state(each)}</td>
        <td class="wrap code">${each.pending.join(', ') || '–'}</td>
        <td class="wrap code">${each.pinned.join(', ') || '–'}</td>
      </tr>`),
    );
  }

  /** @param {Standing} each */
  #state({ version, refused }) {
    if (refused) return html`<span class="badge bad">${t('refused')}</span><p class="wrap">${refused}</p>`;
    return version < this.at.version ? html`<span class="badge warn">${t('behind')}</span>` : html`<span class="badge good">${t('confirmed')}</span>`;
  }
}

customElements.define('mp-config-page', ConfigPage);
export default 'mp-config-page';
