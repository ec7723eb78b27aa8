/** The stores behind the streams: how they are, and up to which message of each stream they have everything. */
import { html, nothing } from '../../vendor/lit.js';
import { count } from '../../core/numbers.js';
import { Part } from '../../core/part.js';
import { clock } from '../../core/time.js';
import { system, whole } from '../../system/live.js';
import { healthSign, healthText } from '../../system/text.js';
import { loading } from '../../parts/states.js';
import { numeric, table } from '../../parts/table.js';
import { valueShown } from '../../parts/value.js';
import { t } from './text.js';

const AGAIN_MS = 5000;

class Stores extends Part {
  constructor() {
    super();
    /** @type {any[] | undefined} what was known last */
    this.rows = undefined;
    this.readAt = NaN;
    this.missing = '';
  }

  begin() {
    this.follow(whole.known, () => this.#take());
    this.follow(system.streams);
    // The stores have no channel of their own.
    this.every(AGAIN_MS, () => whole.known.value.loading || void whole.load());
    this.#take();
  }

  #take() {
    const { data, at } = whole.known.value;
    this.missing = data?.missing?.stores ?? '';
    if (data?.stores) Object.assign(this, { rows: data.stores, readAt: at });
    this.requestUpdate();
  }

  render() {
    return html`<section class="panel">
      <h2>${t('stores')}</h2>
      ${this.missing ? html`<p class="stale-note" role="status">${this.rows ? t('as_of', { time: clock(this.readAt) }) : ''} ${this.missing}</p>` : nothing}
      ${this.rows ? this.#all(this.rows) : this.missing ? nothing : loading()}
    </section>`;
  }

  /** @param {any[]} rows */
  #all(rows) {
    return rows.length ? rows.map((row) => this.#store(row)) : html`<p class="dim">${t('no_stores')}</p>`;
  }

  /** @param {any} row */
  #store(row) {
    const state = String(row.health ?? '').split(':', 1)[0];
    const { sign, tone } = healthSign(state);
    const marks = Object.entries(row.watermarks ?? {});
    return html`<dl class="facts">
        <dt>${t('store')}</dt><dd><code>${row.store ?? '–'}</code></dd>
        <dt>${t('health')}</dt><dd><span class=${tone}>${sign} ${healthText(state)}</span> ${String(row.health ?? '').slice(state.length + 1)}</dd>
        <dt>${t('dead_rows')}</dt><dd class=${row.dead_rows ? 'warn' : ''}>${count(Number(row.dead_rows))}</dd>
        <dt>${t('refilling')}</dt><dd>${valueShown(row.refilling)}</dd>
        <dt>${t('away')}</dt><dd>${valueShown(row.away)}</dd>
      </dl>
      ${table(
        { label: t('watermarks'), caption: t('watermarks') },
        [t('stream'), numeric(t('watermark')), numeric(t('last_seq'))],
        marks.map(([name, seq]) => {
          const last = system.streams.value?.value.find((each) => each.stream === name)?.last_seq;
          return html`<tr>
            <th scope="row">${name}</th><td class="number">${count(Number(seq))}</td><td class="number">${last === undefined ? '–' : count(last)}</td>
          </tr>`;
        }),
      )}`;
  }
}

customElements.define('mp-stores', Stores);
