/** Rejected ticks, each with the row as it came and the field that is wrong. */
import { html, nothing } from '../../vendor/lit.js';
import { address } from '../../core/address.js';
import { ask } from '../../core/api.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { stream } from '../../core/stream.js';
import { dateTime, ms, zoneName } from '../../core/time.js';
import { instrumentOf } from '../../core/instruments.js';
import { empty, shown } from '../../parts/states.js';
import { table } from '../../parts/table.js';
import { expectedWords, reasonName, wasWords } from './words.js';
import { t } from './text.js';

const NAMES = ['InvalidDataDetected', 'DuplicateDataDetected', 'RejectionsSummarized'];
const PAGE = 50;
const MOST = 500;
const TIMES = new Set(['ts_event', 'ts_recv']);

/** @typedef {{events: any[], more: boolean}} Found */

class Rejections extends Part {
  constructor() {
    super();
    this.wanted = PAGE;
    this.asked = '';
    /** @type {any[]} */
    this.live = [];
    this.found = new Resource((signal) => this.#read(signal));
  }

  begin() {
    this.uses(this.found);
    this.follow(address, () => this.#changed());
    for (const name of NAMES) {
      this.whenGone(stream.subscribe({ ch: `market.event.${name}`, mode: 'all' }, { onMessage: ({ d }) => this.#came(d) }));
    }
    this.#changed();
  }

  get which() {
    const { of = '', venue = '', symbols = '' } = address.value.params;
    const one = instrumentOf(of);
    if (one) return one;
    return { venue, symbol: /[*?,[]/.test(symbols) ? '' : symbols };
  }

  #changed() {
    const asked = JSON.stringify(this.which);
    if (asked === this.asked) return;
    this.asked = asked;
    this.wanted = PAGE;
    this.live = [];
    void this.found.load({ forget: true });
  }

  /** @param {AbortSignal} signal @returns {Promise<Found>} */
  async #read(signal) {
    const { venue, symbol } = this.which;
    const answers = await Promise.all(NAMES.map((name) => ask('/events', { name, venue, symbol, limit: this.wanted }, { signal })));
    const events = answers.flatMap(({ data }) => data.events).sort((a, b) => b.stream_seq - a.stream_seq);
    return { events: events.slice(0, this.wanted), more: answers.some(({ data }) => data.before) && this.wanted < MOST };
  }

  /** @param {any} event */
  #came(event) {
    const { venue, symbol } = this.which;
    if ((venue && event.venue !== venue) || (symbol && event.symbol !== symbol)) return;
    this.live = [event, ...this.live].slice(0, MOST);
    this.requestUpdate();
  }

  render() {
    return html`<h2>${t('rejections')}</h2>
      ${shown(this.found, (found) => this.#table(found), { empty: (found) => this.#nothing(found), lines: 5 })}`;
  }

  /** @param {Found} found */
  #nothing(found) {
    if (found.events.length || this.live.length) return undefined;
    return empty(t('no_rejections'), html`<p>${t('no_rejections_more')}</p>`);
  }

  /** @param {Found} found */
  #table(found) {
    const known = new Set(found.events.map((event) => event.event_id));
    const events = [...this.live.filter((event) => !known.has(event.event_id)), ...found.events];
    const heads = /** @type {const} */ (['time', 'instrument', 'reasons', 'expected', 'was', 'row']);
    return html`${table(
      { label: t('rejections'), caption: t('rejections_caption', { zone: zoneName(events[0].venue) }), kind: 'rejections', size: 'tall' },
      heads.map((key) => t(key)),
      events.map((event) => this.#row(event)),
    )}
      ${found.more ? html`<p><button type="button" @click=${this.#older}>${t('older')}</button></p>` : nothing}`;
  }

  #older = () => {
    this.wanted += PAGE;
    void this.found.load();
  };

  /** @param {any} event */
  #row(event) {
    const { data } = event;
    const head = html`<td class="time">${dateTime(ms(event.ts_event), event.venue, 3)}</td>
      <td class="wrap">${event.venue}.${event.symbol}</td>`;
    if (event.name === 'RejectionsSummarized') {
      return html`<tr>${head}<td>${reasonName(String(data.reason))}</td><td colspan="3" class="dim">${t('summed', { count: data.ticks })}</td></tr>`;
    }
    /** @type {string[][]} */
    const findings = parsed(data.findings, []);
    const reasons = findings.length ? findings.map((each) => each[0]) : String(data.reasons ?? 'duplicate').split(',');
    const time = (/** @type {string} */ field, /** @type {string} */ text) => (TIMES.has(field) && text ? dateTime(ms(text), event.venue, 3) : text);
    return html`<tr>${head}
      <td>${reasons.map((reason) => html`<div>${reasonName(reason)}</div>`)}</td>
      <td>${findings.map(([, field, rule, than]) => html`<div><code>${field}</code> ${expectedWords(rule, time(field, than))}</div>`)}</td>
      <td>${findings.map(([, field, , , was]) => html`<div>${wasWords(time(field, was))}</div>`)}</td>
      <td>${this.#fields(event, findings)}</td></tr>`;
  }

  /** @param {any} event @param {string[][]} findings */
  #fields(event, findings) {
    const row = parsed(event.data.row, null);
    if (!row) return html`<span class="dim">${t('no_row')}</span>`;
    const wrong = new Set(findings.map((each) => each[1]));
    const names = [...new Set([...wrong, ...Object.keys(row)])].filter(Boolean);
    return html`<details>
      <summary>${t('show_row')}</summary>
      <dl class="facts row-fields">${names.map((name) => html`<dt class=${wrong.has(name) ? 'bad' : ''}>${name}</dt>
        <dd class=${wrong.has(name) ? 'bad' : ''}><code>${valueOf(row[name])}</code>
          ${wrong.has(name) ? html`<span class="badge">✕ ${t('wrong')}</span>` : nothing}
          ${TIMES.has(name) && row[name] ? html`<span class="dim">${dateTime(ms(row[name]), event.venue, 3)}</span>` : nothing}</dd>`)}</dl>
    </details>`;
  }
}

/** @param {any} value  text, or levels of a book */
function valueOf(value) {
  if (value === undefined) return wasWords('');
  return Array.isArray(value) ? value.map(([price, amount]) => `${price} × ${amount}`).join(', ') : String(value);
}

/** @template T @param {any} text @param {T} without @returns {any} */
function parsed(text, without) {
  try {
    return text ? JSON.parse(text) : without;
  } catch {
    return without; // not of this version: shown as an event without a row
  }
}

customElements.define('mp-rejections', Rejections);
