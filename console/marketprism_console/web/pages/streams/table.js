/** Every stream in a row. */
import { html, nothing } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { bytes, count, percent } from '../../core/numbers.js';
import { Part } from '../../core/part.js';
import { serverNow } from '../../core/server_clock.js';
import { duration, ms } from '../../core/time.js';
import { counted, streams } from '../../system/counts.js';
import { system } from '../../system/live.js';
import { t as systemText } from '../../system/text.js';
import { numeric, table } from '../../parts/table.js';
import { t } from './text.js';

/** @typedef {import('../../system/live.js').StreamRow} StreamRow */

const RATE_MS = 10_000;
const FULL = 0.9; // of its bytes: what is oldest is soon thrown away for room
const COLUMNS = /** @type {const} */ (['stream', 'messages', 'rate', 'bytes', 'oldest', 'newest', 'consumers', 'replicas', 'subjects']);
const NUMBERS = new Set(['messages', 'rate', 'bytes', 'oldest', 'newest', 'consumers', 'replicas']);

class Streams extends Part {
  begin() {
    this.follow(system.streams);
    this.follow(counted);
    this.follow(address);
  }

  render() {
    const rows = system.streams.value?.value ?? [];
    return html`<section class="panel">
      <h2>${t('streams')}</h2>
      ${rows.length ? this.#table(rows) : html`<p class="dim">${t('no_streams')}</p>`}
    </section>`;
  }

  /** @param {StreamRow[]} rows */
  #table(rows) {
    return table({ label: t('streams') }, COLUMNS.map((key) => (NUMBERS.has(key) ? numeric(t(key)) : t(key))), rows.map((row) => this.#row(row)));
  }

  /** @param {StreamRow} row */
  #row(row) {
    const rate = streams.get(row.stream)?.written.rate(RATE_MS) ?? NaN;
    const isFull = row.max_bytes > 0 && row.bytes > FULL * row.max_bytes;
    const age = row.ts_first === null ? NaN : serverNow() - ms(row.ts_first);
    const kept = row.max_age_s ? duration(row.max_age_s * 1000) : systemText('forever');
    const newest = row.ts_last === null ? NaN : serverNow() - ms(row.ts_last);
    return html`<tr data-stream=${row.stream} aria-selected=${address.value.params.stream === row.stream ? 'true' : nothing}>
      <th scope="row"><a href="/streams?stream=${encodeURIComponent(row.stream)}" data-name=${row.stream} @click=${this.#open}>${row.stream}</a></th>
      <td class="number">${count(row.messages)}</td>
      <td class="number">${Number.isNaN(rate) ? '–' : t('per_second', { count: rate && rate < 10 ? rate.toFixed(1) : count(rate) })}</td>
      <td class="number">
        ${row.max_bytes
          ? html`<span class=${isFull ? 'warn' : ''}>${isFull ? '▲ ' : ''}${t('of_most', { size: bytes(row.bytes), most: bytes(row.max_bytes) })}</span>
              <progress
                max="1"
                .value=${Math.min(1, row.bytes / row.max_bytes)}
                aria-label=${t('full', { share: percent(row.bytes, row.max_bytes, 1) })}
              ></progress>`
          : bytes(row.bytes)}
      </td>
      <td class="number">${Number.isNaN(age) ? '–' : t('of_kept', { age: duration(age), kept })}</td>
      <td class="number">${Number.isNaN(newest) ? '–' : t('ago', { time: duration(Math.max(0, newest)) })}</td>
      <td class="number">${count(row.consumers)}</td>
      <td class="number">${row.replicas}</td>
      <td class="wrap subjects">${row.subjects.join(' ')}</td>
    </tr>`;
  }

  /** @param {Event & {currentTarget: HTMLElement}} event */
  #open = (event) => {
    event.preventDefault();
    const { name = '' } = event.currentTarget.dataset;
    const isOpen = address.value.params.stream === name;
    alter({ stream: isOpen ? null : name, subject: null, from: null, view: null });
  };
}

customElements.define('mp-streams', Streams);
