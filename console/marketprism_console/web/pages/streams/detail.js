/** One stream: its busiest subjects, who reads it, and its messages. */
import { html, nothing } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { count } from '../../core/numbers.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { clock, ms } from '../../core/time.js';
import { system } from '../../system/live.js';
import { readStream } from '../../system/streams.js';
import { offered } from '../../parts/offered.js';
import { numeric, table } from '../../parts/table.js';
import { tabs } from '../../parts/tabs.js';
import { t as partsText } from '../../parts/text.js';
import { valueShown } from '../../parts/value.js';
import './messages.js';
import { t } from './text.js';

const MOST_CONSUMERS = 256;
const COUNTS = /** @type {const} */ (['pending', 'unacknowledged', 'redelivered', 'delivered_seq', 'acknowledged_seq']);
/** @type {Set<string>} */
const WRONG = new Set(['pending', 'redelivered']);
const VIEWS = /** @type {const} */ (['messages', 'subjects', 'consumers']);
/** @typedef {typeof VIEWS[number]} View */

class StreamDetail extends Part {
  constructor() {
    super();
    this.name = '';
    this.found = new Resource((signal) => readStream(this.name, { signal }));
  }

  begin() {
    this.uses(this.found);
    this.follow(address, () => this.#open());
    this.#open();
  }

  #open() {
    const { stream = '' } = address.value.params;
    if (stream !== this.name) {
      this.name = stream;
      if (stream) void this.found.load({ forget: true });
    }
    this.requestUpdate();
  }

  /** @returns {View} */
  get view() {
    const asked = /** @type {View} */ (address.value.params.view);
    return VIEWS.includes(asked) ? asked : 'messages';
  }

  render() {
    const row = system.streams.value?.value.find((each) => each.stream === this.name);
    const all = VIEWS.map((key) => ({ key, title: t(key) }));
    return html`<section class="panel">
      <div class="tools">
        <h2 class="wrap">${this.name}</h2>
        <button type="button" class="apart" @click=${this.#close}>${partsText('close')}</button>
      </div>
      ${row
        ? html`<dl class="facts">
            <dt>${t('sequences')}</dt><dd>${count(row.first_seq)} … ${count(row.last_seq)}</dd>
            <dt>${t('subjects')}</dt><dd>${row.subjects.join(', ')}</dd>
          </dl>`
        : html`<p class="bad">✕ ${t('no_such_stream')}</p>`}
      ${tabs(all, this.view, (view) => alter({ view: view === 'messages' ? null : view }), t('views'))}
      <div role="tabpanel" id="view-${this.view}" aria-labelledby="tab-${this.view}">
        ${this.view === 'messages' ? html`<mp-messages .stream=${this.name}></mp-messages>` : offered(this.found, (found) => this.#shown(found))}
      </div>
    </section>`;
  }

  /** @param {import('../../system/streams.js').StreamDetail} found */
  #shown(found) {
    return this.view === 'subjects' ? this.#subjects(found) : this.#consumers(found);
  }

  /** @param {import('../../system/streams.js').StreamDetail} found */
  #subjects({ subjects: rows, subjectCount }) {
    if (!rows.length) return html`<p class="dim">${subjectCount ? t('too_many_subjects', { count: count(subjectCount) }) : t('no_subjects')}</p>`;
    return table(
      { label: t('subjects_top', { count: rows.length }), caption: t('subjects_top_of', { count: rows.length, all: count(subjectCount) }) },
      [t('subject'), numeric(t('messages'))],
      rows.map(
        (row) => html`<tr>
          <th scope="row" class="name"><a href=${this.#of(row.subject)}>${row.subject}</a></th><td class="number">${count(row.messages)}</td>
        </tr>`,
      ),
    );
  }

  /** @param {string} subject */
  #of(subject) {
    return `/streams?stream=${encodeURIComponent(this.name)}&subject=${encodeURIComponent(subject)}`;
  }

  /** @param {import('../../system/streams.js').StreamDetail} found */
  #consumers({ consumers }) {
    if (!consumers.length) return html`<p class="dim">${t('no_consumers')}</p>`;
    return html`${table(
      { label: t('consumers') },
      [t('consumer'), t('filters'), ...COUNTS.map((key) => numeric(t(key))), t('ts_active')],
      consumers.slice(0, MOST_CONSUMERS).map(
        (row) => html`<tr>
          <th scope="row" class="name">${row.consumer}</th><td class="wrap">${valueShown(row.filters)}</td>
          ${COUNTS.map((key) => html`<td class="number ${WRONG.has(key) && row[key] ? 'warn' : ''}">${count(Number(row[key]))}</td>`)}
          <td class="time">${clock(ms(row.ts_active), undefined, 3)}</td>
        </tr>`,
      ),
    )}
      ${consumers.length > MOST_CONSUMERS ? html`<p class="dim">${partsText('first_rows', { count: MOST_CONSUMERS })}</p>` : nothing}`;
  }

  #close = () => alter({ stream: null, subject: null, from: null, view: null });
}

customElements.define('mp-stream', StreamDetail);
