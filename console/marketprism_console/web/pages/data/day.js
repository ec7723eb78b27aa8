/** One trading day of one instrument: its sections with the gaps in them, what is stored, and the ledger of the day. */
import { html, nothing } from '../../vendor/lit.js';
import { alter, hrefOf } from '../../core/address.js';
import { ApiError, ask } from '../../core/api.js';
import { count, percent } from '../../core/numbers.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { dateTime, dayText, duration, ms } from '../../core/time.js';
import { instrumentOf } from '../../core/instruments.js';
import { shown } from '../../parts/states.js';
import { gapTable } from './gap_table.js';
import { holesOf, sectionBar } from './sections.js';
import { t } from './text.js';

/** @typedef {{coverage: any, daily: any, sections: any[], gaps: any[]}} Known */

class CoverageDay extends Part {
  static properties = { name: { attribute: false }, day: { attribute: false } };

  constructor() {
    super();
    this.name = '';
    this.day = '';
    /** @type {Resource<Known>} */
    this.known = new Resource((signal) => this.#read(signal));
  }

  begin() {
    this.uses(this.known);
    this.every(15_000, () => void this.known.load());
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has('name') || changed.has('day')) void this.known.load({ forget: true });
  }

  /** @param {AbortSignal} signal @returns {Promise<Known>} */
  async #read(signal) {
    const found = instrumentOf(this.name);
    if (!found) throw new ApiError('INVALID_PARAMETER', this.name);
    const { venue, symbol } = found;
    const day = { from_day: this.day, to_day: this.day };
    const path = encodeURIComponent(symbol);
    const [coverage, daily, sections, gaps] = await Promise.all([
      ask('/coverage', { symbols: symbol, venue, ...day }, { signal }),
      ask(`/daily/${path}`, day, { signal }),
      ask(`/sessions/${path}`, { venue, ...day }, { signal }),
      ask('/gaps', { symbols: symbol, venue, ...day }, { signal }),
    ]);
    const own = (/** @type {any} */ row) => row.venue === venue && row.symbol === symbol;
    return { coverage: coverage.data.find(own), daily: daily.data.find(own), sections: sections.data, gaps: gaps.data };
  }

  render() {
    return html`<section class="panel day-panel" aria-label=${t('day_title', { symbol: this.name, day: dayText(this.day) })}>
      <div class="tools">
        <h2 class="wrap">${t('day_title', { symbol: this.name, day: dayText(this.day) })}</h2>
        <a class="button apart" href=${hrefOf(`/market/${this.name}`)}>${t('open_chart')}</a>
        <button type="button" @click=${() => alter({ of: null, day: null })}>${t('close')}</button>
      </div>
      ${shown(this.known, (known) => this.#known(known))}
    </section>`;
  }

  /** @param {Known} known */
  #known({ coverage, daily, sections, gaps }) {
    const venue = instrumentOf(this.name)?.venue;
    const of = (/** @type {any} */ value) => (value === undefined || value === null ? '–' : count(value));
    const holes = gaps.filter((gap) => !gap.kind);
    return html`<h3>${t('sections')}</h3>
      ${sections.length ? sections.map((section) => sectionBar(section, holesOf(section, holes), 'gaps')) : html`<p>${t('no_sections')}</p>`}
      <dl class="facts">
        <dt>${t('ticks')}</dt><dd>${of(daily?.ticks ?? 0)}</dd>
        <dt>${t('bars')}</dt><dd>${of(coverage?.bars ?? 0)}</dd>
        <dt>${t('minutes')}</dt><dd>${of(coverage?.minutes)}</dd>
        <dt>${t('complete')}</dt><dd>${percent(coverage?.complete ?? '', 1, 2)}</dd>
        <dt>${t('gap_bars')}</dt><dd>${of(coverage?.gap_bars ?? 0)}</dd>
        <dt>${t('gaps')}</dt><dd>${of(coverage?.gaps ?? 0)}</dd>
        <dt>${t('gap_time')}</dt><dd>${duration((coverage?.gap_ns ?? 0) / 1e6)}</dd>
        <dt>${t('first')}</dt><dd>${dateTime(ms(daily?.ts_first), venue, 3)}</dd>
        <dt>${t('last')}</dt><dd>${dateTime(ms(daily?.ts_last), venue, 3)}</dd>
      </dl>
      ${gaps.length ? gapTable(gaps, t('day_ledger', { symbol: this.name, day: dayText(this.day) })) : nothing}`;
  }
}

customElements.define('mp-coverage-day', CoverageDay);
