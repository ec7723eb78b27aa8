/** Lines of the services' logs, the newest first: what the instances still hold in memory. */
import { html, nothing, repeat } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { ask } from '../../core/api.js';
import { count } from '../../core/numbers.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { clock, date, ms } from '../../core/time.js';
import { narrow } from '../../parts/filters.js';
import { empty, shown } from '../../parts/states.js';
import { t as common } from '../../parts/text.js';
import { t } from './text.js';

/**
 * @typedef {object} Line
 * @property {string} key
 * @property {number} at
 * @property {string} level
 * @property {string} service
 * @property {string} instance
 * @property {string} event
 * @property {string} fields  the rest of the line
 */

const EVERY_MS = 3000;
const FIRST = 300;
const MOST_HELD = 2000;
const MOST_SHOWN = 500;
const LEVELS = ['info', 'warning', 'error', 'critical'];
const MARKS = { warning: '▲', error: '✕', critical: '✕' };

/** @param {any} row @returns {Line} */
function lineOf({ seq, ts, level, service, instance, event, fields }) {
  const text = Object.entries(fields ?? {}).map(([name, value]) => `${name}=${typeof value === 'string' ? value : JSON.stringify(value)}`);
  return { key: `${instance} ${seq}`, at: ms(ts), level, service, instance, event, fields: text.join('  ') };
}

class Logs extends Part {
  constructor() {
    super();
    this.isPaused = false;
    this.asked = '';
    this.copied = '';
    /** @type {Map<string, Line>} */
    this.held = new Map();
    /** Instances that did not answer. @type {string[]} */
    this.silent = [];
    this.lines = new Resource((signal) => this.#read(signal));
  }

  begin() {
    this.uses(this.lines);
    this.follow(address, () => this.#load());
    this.every(EVERY_MS, () => this.isPaused || (this.lines.known.value.error?.status ?? 500) < 500 || this.lines.load());
    this.#load();
  }

  #load() {
    const { service, level } = address.value.params;
    const asked = JSON.stringify([service, level]);
    if (asked !== this.asked) {
      this.held.clear();
      void this.lines.load({ forget: true });
    }
    this.asked = asked;
    this.requestUpdate();
  }

  /** The newest lines, and from then on those behind the newest that is here. @param {AbortSignal} signal */
  async #read(signal) {
    const { service, level } = address.value.params;
    const newest = Math.max(0, ...[...this.held.values()].map(({ at }) => at));
    const since = newest ? `${Math.floor(newest)}000000` : null;
    const { data } = await ask('/logs', { service, level, since, limit: since ? MOST_HELD : FIRST }, { signal });
    const found = data.lines.map(lineOf);
    for (const line of found) this.held.set(line.key, line);
    this.silent = (data.silent ?? []).map((/** @type {any} */ each) => `${each.service} ${each.instance}`);
    const all = [...this.held.values()].sort((a, b) => b.at - a.at);
    for (const line of all.splice(MOST_HELD)) this.held.delete(line.key);
    return all;
  }

  render() {
    if (this.lines.known.value.error?.status === 404) return empty(t('no_logs'), html`<p>${t('no_logs_more')}</p>`);
    const { level = '', q = '' } = address.value.params;
    const found = this.lines.data ?? [];
    const services = [...new Set(found.map(({ service }) => service))].sort().map((value) => ({ value }));
    const fits = found.filter((line) => `${line.service} ${line.instance} ${line.event} ${line.fields}`.toLowerCase().includes(q.toLowerCase()));
    return html`<mp-filters .fields=${[{ key: 'service', label: t('service'), values: services }]}></mp-filters>
      <div class="tools">
        <label>${t('level')}
          <select @change=${this.#level}>
            ${LEVELS.map(
              (each) => html`<option value=${each === 'info' ? '' : each} ?selected=${each === (level || 'info')}>
                ${t('from_level', { level: each })}
              </option>`,
            )}
          </select>
        </label>
        <label>${t('search')} <input type="search" maxlength="100" .value=${q} @input=${this.#typed} /></label>
        <button type="button" aria-pressed=${this.isPaused} @click=${this.#pause}>${t(this.isPaused ? 'go_on' : 'pause')}</button>
        <span class="dim apart" role="status">${this.copied || t('shown', { count: count(Math.min(fits.length, MOST_SHOWN)), all: count(found.length) })}</span>
        <button type="button" ?disabled=${!fits.length} @click=${() => this.#copy(fits)}>${t('copy_all')}</button>
      </div>
      ${this.silent.length ? html`<p class="warn wrap">${t('silent', { who: this.silent.join(', ') })}</p>` : nothing}
      ${shown(this.lines, () => this.#list(fits.slice(0, MOST_SHOWN)), {
        lines: 10,
        empty: () => (fits.length ? undefined : this.#nothing(found.length)),
      })}`;
  }

  /** @param {Line[]} lines */
  #list(lines) {
    return html`<div class="scroll log-lines" tabindex="0" role="region" aria-label=${t('logs')}>
      <ol>${repeat(lines, ({ key }) => key, (line) => this.#line(line))}</ol>
    </div>`;
  }

  /** @param {Line} line */
  #line(line) {
    const gravity = line.level === 'warning' ? 'warn' : LEVELS.indexOf(line.level) > 1 ? 'bad' : 'dim';
    const mark = MARKS[/** @type {'error'} */ (line.level)];
    return html`<li class="code wrap">
      <span class="dim">${date(line.at) === date(Date.now()) ? '' : html`${date(line.at)} `}${clock(line.at, undefined, 3)}</span>
      <b class=${gravity}>${mark ? html`<span aria-hidden="true">${mark}</span> ` : nothing}${line.level}</b>
      ${narrow('service', line.service, t('service'))} <span>${line.event}</span> <span class="dim">${line.fields}</span>
      <button type="button" class="plain copy" aria-label=${t('copy_line')} @click=${() => this.#copy([line])}>${common('copy')}</button>
    </li>`;
  }

  /** @param {number} all */
  #nothing(all) {
    const { service, level, q } = address.value.params;
    if (!service && !level && !q) return empty(t('quiet_logs'), html`<p>${t('quiet_logs_more')}</p>`);
    return empty(
      t('none_fit', { count: count(all) }),
      html`<p><button type="button" @click=${() => alter({ service: null, level: null, q: null })}>${t('show_all')}</button></p>`,
    );
  }

  /** @param {Line[]} lines */
  async #copy(lines) {
    const text = lines.map(({ at, level, service, instance, event, fields }) =>
      [new Date(at).toISOString(), level, service, instance, event, fields].filter(Boolean).join(' '),
    );
    try {
      await navigator.clipboard.writeText(text.join('\n'));
      this.copied = t('copied', { count: count(lines.length) });
    } catch {
      this.copied = t('not_copied'); // the browser keeps the clipboard from pages without TLS
    }
    this.requestUpdate();
    setTimeout(() => {
      this.copied = '';
      this.requestUpdate();
    }, 3000);
  }

  #pause = () => {
    this.isPaused = !this.isPaused;
    this.requestUpdate();
  };

  /** @param {Event & {target: HTMLSelectElement}} event */
  #level = (event) => alter({ level: event.target.value });

  /** @param {InputEvent & {target: HTMLInputElement}} event */
  #typed = (event) => alter({ q: event.target.value });
}

customElements.define('mp-logs', Logs);
