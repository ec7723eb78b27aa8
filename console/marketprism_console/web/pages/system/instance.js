/** One instance, beside the page: what it says of itself. The address bar holds which, and which view of it. */
import { html, nothing } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { ApiError } from '../../core/api.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { dateTime, duration, ms } from '../../core/time.js';
import { readInstance, readLogs } from '../../system/instance.js';
import { silentMs, system } from '../../system/live.js';
import { healthSign, healthText, serviceText, statusText } from '../../system/text.js';
import { may } from '../../core/who.js';
import { offered } from '../../parts/offered.js';
import { empty, failed } from '../../parts/states.js';
import { tabs } from '../../parts/tabs.js';
import { t as partsText } from '../../parts/text.js';
import { valueShown } from '../../parts/value.js';
import { t } from './text.js';

const AGAIN_MS = 3000;
const MOST = 300;
const METRICS = 'metrics:read';
const LASTING = new Set(['NOT_THERE', 'FORBIDDEN', 'NOT_FOUND']); // asking again changes nothing
const VIEWS = /** @type {const} */ (['status', 'health', 'metrics', 'log']);
/** @typedef {typeof VIEWS[number]} View */

class Instance extends Part {
  constructor() {
    super();
    this.said = new Resource((signal) => readInstance(this.service, this.instance, { signal }));
    this.lines = new Resource((signal) => readLogs(this.service, this.instance, { signal }));
    this.service = '';
    this.instance = '';
    this.text = '';
  }

  begin() {
    this.uses(this.said, this.lines);
    this.follow(system.instances);
    this.follow(address, () => this.#open());
    this.every(AGAIN_MS, () => this.instance && this.#load());
    this.#open();
  }

  /** @returns {View} */
  get view() {
    const asked = /** @type {View} */ (address.value.params.view);
    return VIEWS.includes(asked) ? asked : 'status';
  }

  #open() {
    const key = address.value.params.instance ?? '';
    const at = key.indexOf('/');
    const [service, instance] = at > 0 ? [key.slice(0, at), key.slice(at + 1)] : ['', ''];
    const isOther = service !== this.service || instance !== this.instance;
    Object.assign(this, { service, instance });
    if (isOther && instance) {
      this.text = '';
      this.lines.forget();
      this.said.forget();
      this.#load();
    } else if (instance && this.view === 'log' && Number.isNaN(this.lines.known.value.at)) {
      this.#load();
    }
    this.requestUpdate();
  }

  #load() {
    const of = this.view === 'log' ? this.lines : this.said;
    const { loading, error } = of.known.value;
    if (!loading && !(error && LASTING.has(error.code))) void of.load();
  }

  updated() {
    const dialog = this.querySelector('dialog');
    if (!dialog) return;
    if (this.instance && !dialog.open) dialog.showModal();
    if (!this.instance && dialog.open) dialog.close();
  }

  render() {
    return html`<dialog class="drawer" aria-labelledby="instance-title" @close=${this.#closed} @click=${this.#outside}>
      ${this.instance ? this.#body() : nothing}
    </dialog>`;
  }

  #body() {
    const seen = system.instances.value;
    const row = seen?.value.find((each) => each.service === this.service && each.instance === this.instance);
    const all = VIEWS.map((key) => ({ key, title: t(`view_${key}`) }));
    return html`<header>
        <h2 id="instance-title" class="wrap">${serviceText(this.service)} <code>${this.instance}</code></h2>
        <button type="button" @click=${this.#close}>${partsText('close')}</button>
      </header>
      ${row && seen ? this.#facts(row, seen.at) : html`<p class="bad">✕ ${t('not_registered')}</p>`}
      ${tabs(all, this.view, (view) => alter({ view: view === 'status' ? null : view }), t('views'))}
      <div role="tabpanel" id="view-${this.view}" aria-labelledby="tab-${this.view}" tabindex="0">${this.#view()}</div>`;
  }

  /** @param {import('../../system/live.js').InstanceRow} row @param {number} at */
  #facts(row, at) {
    const { sign, tone } = healthSign(row.health);
    const silent = silentMs(row, at);
    return html`<dl class="facts">
      <dt>${t('health')}</dt><dd><span class=${tone}>${sign} ${healthText(row.health)}</span> ${row.reason}</dd>
      <dt>${t('status')}</dt><dd>${statusText(row.status)}</dd>
      <dt>${t('heartbeat')}</dt><dd>${silent ? html`<span class="bad">✕ ${t('silent', { time: duration(silent) })}</span>` : t('beats')}</dd>
      <dt>${t('version')}</dt><dd>${row.version}</dd>
      <dt>${t('started')}</dt><dd>${dateTime(ms(row.ts_started))}</dd>
      ${row.host ? html`<dt>${t('host')}</dt><dd>${row.host}${row.pid ? ` · pid ${row.pid}` : ''}</dd>` : nothing}
    </dl>`;
  }

  #view() {
    if (this.view === 'log') {
      return offered(this.lines, (rows) => this.#lines(rows), { none: () => empty(t('no_lines')) });
    }
    if (this.view === 'metrics' && !may(METRICS)) return failed(new ApiError('FORBIDDEN', '', { status: 403, details: { scope: METRICS } }));
    return offered(this.said, (said) => {
      const why = said.missing[this.view];
      if (why) return empty(t('nothing_said'), html`<p>${why}</p>`);
      if (this.view === 'health') return this.#health(said.health);
      return this.view === 'metrics' ? this.#metrics(said.metrics) : this.#status(said.status);
    });
  }

  /** @param {Record<string, any>} status */
  #status(status) {
    const rows = Object.entries(status);
    if (!rows.length) return empty(t('nothing_said'));
    return html`<table>
      <caption class="unseen">${t('view_status')}</caption>
      <tbody>${rows.map(([name, value]) => html`<tr><th scope="row">${name}</th><td class="wrap">${valueShown(value)}</td></tr>`)}</tbody>
    </table>`;
  }

  /** @param {import('../../system/instance.js').Said['health']} health */
  #health(health) {
    const rows = Object.entries(health.dependencies ?? {});
    if (!rows.length) return empty(t('nothing_said'));
    return html`<table>
      <caption class="unseen">${t('view_health')}</caption>
      <thead><tr><th scope="col">${t('dependency')}</th><th scope="col">${t('health')}</th><th scope="col">${t('reason')}</th></tr></thead>
      <tbody>
        ${rows.map(([name, value]) => {
          const state = String(value).split(':', 1)[0];
          const { sign, tone } = healthSign(state);
          const reason = health.reasons?.[name] ?? String(value).slice(state.length + 1).trim();
          return html`<tr>
            <th scope="row" class="name">${name}</th><td class=${tone}>${sign} ${healthText(state)}</td><td class="wrap">${reason || '–'}</td>
          </tr>`;
        })}
      </tbody>
    </table>`;
  }

  /** @param {import('../../system/instance.js').Metric[]} all */
  #metrics(all) {
    const wanted = this.text.trim().toLowerCase();
    const found = all.filter((each) => !wanted || `${each.name} ${each.labels} ${each.help}`.toLowerCase().includes(wanted));
    const some = found.slice(0, MOST);
    return html`<div class="tools">
        <label>${t('find')} <input type="search" maxlength="100" .value=${this.text} @input=${this.#typed} /></label>
        <span class="dim">${partsText('rows', { count: found.length })}</span>
      </div>
      ${found.length ? html`<table>
        <caption class="unseen">${t('view_metrics')}</caption>
        <thead><tr><th scope="col">${t('metric')}</th><th scope="col" class="number">${t('value')}</th></tr></thead>
        <tbody>
          ${some.map(
            (each) => html`<tr>
              <th scope="row" class="metric" title=${each.help}>
                <code>${each.name}</code> ${each.labels ? html`<span class="dim">{${each.labels}}</span>` : nothing}
              </th>
              <td class="number">${each.value}</td>
            </tr>`,
          )}
        </tbody>
      </table>` : empty(all.length ? t('no_metric', { text: this.text }) : t('nothing_said'))}
      ${found.length > some.length ? html`<p class="dim">${partsText('first_rows', { count: MOST })}</p>` : nothing}`;
  }

  /** @param {import('../../system/instance.js').LogLine[]} rows */
  #lines(rows) {
    return html`<ol class="log">
      ${rows.slice(0, MOST).map(
        (line) => html`<li class=${line.level === 'error' || line.level === 'critical' ? 'bad' : line.level === 'warning' ? 'warn' : ''}>
          <time>${dateTime(ms(line.ts), undefined, 3)}</time> <b>${line.level}</b> <span class="wrap">${line.event}</span>
          ${Object.entries(line.fields).map(([name, value]) => html`<span class="field-of wrap"><i>${name}</i>=${valueShown(value)}</span> `)}
        </li>`,
      )}
    </ol>`;
  }

  /** @param {InputEvent & {target: HTMLInputElement}} event */
  #typed = (event) => {
    this.text = event.target.value;
    this.requestUpdate();
  };

  #close = () => this.querySelector('dialog')?.close();

  #closed = () => {
    if (this.instance) alter({ instance: null, view: null });
  };

  /** @param {MouseEvent} event */
  #outside = (event) => {
    if (event.target === event.currentTarget) this.#close();
  };
}

customElements.define('mp-instance', Instance);
