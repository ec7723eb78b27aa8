/** One trading day of one stored series: its sections, and what is missing in each. */
import { html, nothing } from '../../vendor/lit.js';
import { alter, hrefOf } from '../../core/address.js';
import { ApiError, ask } from '../../core/api.js';
import { count, percent } from '../../core/numbers.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { date, dateTime, dayText, duration, isChinese, minute, ms, zoneName } from '../../core/time.js';
import { shown } from '../../parts/states.js';
import { numeric, table } from '../../parts/table.js';
import { t as common } from '../../parts/text.js';
import { holesOf, sectionBar } from './sections.js';
import { lengthOfBar, missingOf, rangeOfDay, seriesOf } from './series.js';
import { t } from './text.js';

/** @typedef {{venue: string, ts_open: number | string, ts_close: number | string}} Section */
/** @typedef {{day: import('./series.js').SeriesDay | undefined, ranges: any[], sections: Section[]}} Known */

class SeriesDay extends Part {
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
  }

  /** @param {Map<string, unknown>} changed */
  willUpdate(changed) {
    if (changed.has('name') || changed.has('day')) void this.known.load({ forget: true });
  }

  /** @param {AbortSignal} signal @returns {Promise<Known>} */
  async #read(signal) {
    const series = seriesOf(this.name);
    if (!series) throw new ApiError('INVALID_PARAMETER', this.name);
    const { venue, symbol, kind, interval } = series;
    const range = rangeOfDay(this.day, venue);
    const path = encodeURIComponent(symbol);
    const [coverage, sections] = await Promise.all([
      ask(`/data/coverage/${path}`, { venue, kind, interval, ...range }, { signal }),
      isChinese(venue)
        ? ask(`/sessions/${path}`, { venue, from_day: this.day, to_day: this.day }, { signal })
        : { data: [{ venue, ts_open: range.from, ts_close: range.to }] },
    ]);
    const day = coverage.data.days.find((/** @type {any} */ each) => each.trading_day === this.day);
    return { day, ranges: missingOf(coverage.data), sections: sections.data };
  }

  render() {
    const title = t('day_title', { symbol: this.name, day: dayText(this.day) });
    const series = seriesOf(this.name);
    const { venue = '', symbol = '', kind = '', interval = '' } = series ?? {};
    return html`<section class="panel day-panel" aria-label=${title}>
      <div class="tools">
        <h2 class="wrap">${title}</h2>
        <a class="button apart" href=${hrefOf(`/market/${venue}.${symbol}`)}>${t('open_chart')}</a>
        <a class="button" href=${hrefOf('/data/check', { venue, symbols: symbol, kind, interval, ...this.#days(venue) })}>${t('check_day')}</a>
        <button type="button" @click=${() => alter({ of: null, day: null })}>${common('close')}</button>
      </div>
      ${shown(this.known, (known) => this.#known(known, venue, interval))}
    </section>`;
  }

  /** The days on which the trading day lies, for a form. @param {string} venue */
  #days(venue) {
    const first = ms(this.known.data?.sections[0]?.ts_open);
    const to = dayText(this.day);
    return { from: Number.isFinite(first) ? date(first, venue) : to, to };
  }

  /** @param {Known} known @param {string} venue @param {string} interval */
  #known({ day, ranges, sections }, venue, interval) {
    const step = lengthOfBar(interval);
    const rows = sections.flatMap((section) => holesOf(section, ranges).map(([from, to]) => ({ section, from, to })));
    return html`<dl class="facts">
        <dt>${t('expected')}</dt><dd>${count(day?.expected ?? 0)}</dd>
        <dt>${t('present')}</dt><dd>${count(day?.present ?? 0)} (${percent(day?.present ?? '', day?.expected, 2)})</dd>
        <dt>${t('missing')}</dt><dd>${count((day?.expected ?? 0) - (day?.present ?? 0))}</dd>
      </dl>
      <h3>${t('sections')}</h3>
      ${sections.length ? sections.map((each) => sectionBar(each, holesOf(each, ranges), 'missing')) : html`<p>${t('no_sections')}</p>`}
      ${rows.length
        ? table(
            { label: t('missing_ranges'), caption: t('times_in', { zone: zoneName(venue) }), size: 'tall' },
            [t('section_name'), t('from'), t('to'), numeric(t('length')), numeric(t('bars_missing'))],
            rows.map(
              ({ section, from, to }) => html`<tr>
                <td class="time">${minute(ms(section.ts_open), venue)} – ${minute(ms(section.ts_close), venue)}</td>
                <td class="time">${dateTime(from, venue)}</td><td class="time">${dateTime(to, venue)}</td>
                <td class="number">${duration(to - from)}</td>
                <td class="number">${count(Math.round((to - from) / step))}</td></tr>`,
            ),
          )
        : nothing}`;
  }
}

customElements.define('mp-series-day', SeriesDay);
