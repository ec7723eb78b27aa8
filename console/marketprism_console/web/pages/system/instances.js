/** Every instance in a row, and the services of which none runs. */
import { html, nothing } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { Part } from '../../core/part.js';
import { dateTime, duration, ms } from '../../core/time.js';
import { silentMs, system } from '../../system/live.js';
import { healthSign, healthText, serviceText, statusText, t as systemText } from '../../system/text.js';
import { FirstRows } from '../../parts/first_rows.js';
import { numeric, table } from '../../parts/table.js';
import { t as partsText } from '../../parts/text.js';
import { t } from './text.js';

/** @typedef {import('../../system/live.js').InstanceRow} InstanceRow */

const MOST = 200;
const COLUMNS = /** @type {const} */ (['service', 'instance', 'health', 'status', 'heartbeat', 'leads', 'partitions', 'version', 'started']);

class Instances extends Part {
  constructor() {
    super();
    this.first = new FirstRows(this, MOST);
  }

  begin() {
    this.follow(system.instances);
    this.follow(system.services);
    this.follow(system.leaders);
    this.follow(address);
    // A silence goes on although nobody sends anything about it.
    this.every(500, () => system.instances.value?.value.some((row) => row.is_silent) && this.requestUpdate());
  }

  render() {
    const seen = system.instances.value;
    if (!seen) return nothing;
    const only = address.value.params.service ?? '';
    const rows = seen.value.filter((row) => !only || row.service === only);
    const missing = (system.services.value?.value ?? []).filter((row) => row.without && (!only || row.service === only));
    const services = [...new Set([...seen.value, ...missing].map((row) => row.service))].sort();
    return html`<section class="panel">
      <h2>${t('instances')}</h2>
      <div class="tools">
        <label
          >${t('service')}
          <select .value=${only} @change=${this.#choose}>
            <option value="" ?selected=${!only}>${t('all')}</option>
            ${services.map((each) => html`<option value=${each} ?selected=${each === only}>${serviceText(each)}</option>`)}
          </select></label
        >
        <span class="dim">${partsText('rows', { count: rows.length })}</span>
      </div>
      ${table(
        { label: t('instances') },
        COLUMNS.map((key) => (key === 'partitions' ? numeric(t(key)) : t(key))),
        html`${missing.map((row) => this.#without(row))} ${this.first.of(rows).map((row) => this.#row(row, seen.at))}`,
      )}
      ${this.first.more(rows)}
    </section>`;
  }

  /** @param {import('../../system/live.js').ServiceRow} row */
  #without(row) {
    return html`<tr>
      <td>${serviceText(row.service)}</td>
      <td colspan=${COLUMNS.length - 1}><span class="bad">✕ ${t('none_active')}</span> <span class="wrap">${row.without}</span></td>
    </tr>`;
  }

  /** @param {InstanceRow} row @param {number} at */
  #row(row, at) {
    const { sign, tone } = healthSign(row.health);
    const silent = silentMs(row, at);
    const key = `${row.service}/${row.instance}`;
    return html`<tr data-instance=${key} aria-selected=${address.value.params.instance === key ? 'true' : nothing}>
      <td title=${row.service} class="service wrap">${serviceText(row.service)}</td>
      <th scope="row" class="name"><a href="/system?instance=${encodeURIComponent(key)}" @click=${this.#open} data-key=${key}>${row.instance}</a></th>
      <td class="reason"><span class=${tone}><span aria-hidden="true">${sign}</span> ${healthText(row.health)}</span>
        ${row.reason ? html`<span class="dim wrap">${row.reason}</span>` : nothing}</td>
      <td>${statusText(row.status)}</td>
      <td class="time">
        ${silent ? html`<span class="bad">✕ ${t('silent', { time: duration(silent) })}</span>` : html`<span class="good">♥</span> ${t('beats')}`}
      </td>
      <td class="name">${this.#leads(row)}</td>
      <td class="number">${row.partitions ?? '–'}</td>
      <td class="name">${row.version}</td>
      <td class="time">${dateTime(ms(row.ts_started))}</td>
    </tr>`;
  }

  /** @param {InstanceRow} row */
  #leads(row) {
    if (!row.group) return html`<span class="dim">–</span>`;
    const lease = system.leaders.value?.value.find((each) => each.service === row.service && each.group === row.group);
    if (lease?.state === 'held' && lease.holder === row.instance) {
      return html`<span class="good">★ ${t('leads_group', { group: row.group, epoch: lease.epoch })}</span>`;
    }
    return html`<span class="dim">${t('stands_by', { group: row.group, holder: lease?.holder || systemText('nobody') })}</span>`;
  }

  /** @param {Event & {currentTarget: HTMLElement}} event */
  #open = (event) => {
    event.preventDefault();
    alter({ instance: event.currentTarget.dataset.key });
  };

  /** @param {Event & {target: HTMLSelectElement}} event */
  #choose = (event) => alter({ service: event.target.value || null });
}

customElements.define('mp-instances', Instances);
