/** Reasons over time: a stacked chart, and the same as a table. */
import { html, svg } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { count } from '../../core/numbers.js';
import { Part } from '../../core/part.js';
import { dateTime, zoneName } from '../../core/time.js';
import { numeric, table } from '../../parts/table.js';
import { added } from './overview.js';
import { reasonName, reasonsWords } from './words.js';
import { t } from './text.js';

/** @typedef {import('./overview.js').Standing} Standing */

const WIDTH = 1000;
const HEIGHT = 160;
const MOST = 6; // reasons with a colour of their own
const MOST_ROWS = 200;

class Reasons extends Part {
  static properties = { standings: { attribute: false } };

  constructor() {
    super();
    /** @type {Standing[]} */
    this.standings = [];
  }

  begin() {
    this.follow(address);
  }

  render() {
    const of = address.value.params.of ?? '';
    const standings = this.standings.filter((each) => !of || each.name === of);
    const spans = this.#spans(standings);
    const sums = added(spans.map((span) => span.counts));
    const isTable = address.value.params.reasons === 'table';
    return html`<div class="tools"><h2>${t('reasons_title')} ${of ? html`<span class="dim wrap">${t('which', { name: of })}</span>` : ''}</h2>
        <button type="button" class="apart" aria-pressed=${isTable} @click=${() => alter({ reasons: isTable ? null : 'table' })}>
          ${t(isTable ? 'as_chart' : 'as_table')}</button></div>
      ${Object.keys(sums).length ? (isTable ? this.#table(spans, sums) : this.#chart(spans, sums)) : html`<p class="dim">${t('no_reasons')}</p>`}`;
  }

  /** The same span of every instrument together. @param {Standing[]} standings */
  #spans(standings) {
    /** @type {Map<number, {from: number, to: number, counts: Record<string, number>}>} */
    const found = new Map();
    for (const { spans } of standings) {
      for (const { from, to, counts } of spans) {
        const before = found.get(from);
        found.set(from, { from, to, counts: before ? added([before.counts, counts]) : counts });
      }
    }
    return [...found.values()].sort((a, b) => a.from - b.from);
  }

  /** @param {{from: number, to: number, counts: Record<string, number>}[]} spans @param {Record<string, number>} sums */
  #chart(spans, sums) {
    const reasons = Object.keys(sums).sort((a, b) => sums[b] - sums[a]);
    const highest = Math.max(1, ...spans.map(({ counts }) => Object.values(counts).reduce((a, b) => a + b, 0)));
    const width = WIDTH / spans.length;
    const values = { from: dateTime(spans[0].from), to: dateTime(spans[spans.length - 1].to), sums: reasonsWords(sums) };
    return html`<p class="reasons-legend">
        ${reasons.map(
          (reason, at) => html`<span><i class="reason-key r${Math.min(at, MOST)}" aria-hidden="true"></i>
            ${reasonName(reason)} ${count(sums[reason])}</span>`,
        )}
      </p>
      <svg class="reasons" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${t('chart', values)}>
        ${spans.map(({ from, counts }, at) => {
          let top = HEIGHT;
          return reasons.filter((reason) => counts[reason]).map((reason) => {
            const height = (counts[reason] / highest) * HEIGHT;
            top -= height;
            const words = `${dateTime(from)} ${reasonName(reason)} ${counts[reason]}`;
            return svg`<rect class="r${Math.min(reasons.indexOf(reason), MOST)}" x=${at * width} y=${top}
              width=${Math.max(1, width - 1)} height=${height}><title>${words}</title></rect>`;
          });
        })}
      </svg>
      <p class="dim reasons-ends"><span>${dateTime(spans[0].from)}</span><span>${dateTime(spans[spans.length - 1].to)}</span></p>`;
  }

  /** @param {{from: number, to: number, counts: Record<string, number>}[]} spans @param {Record<string, number>} sums */
  #table(spans, sums) {
    const reasons = Object.keys(sums).sort((a, b) => sums[b] - sums[a]);
    const shown = spans.filter(({ counts }) => Object.keys(counts).length).toReversed().slice(0, MOST_ROWS);
    const title = t('reasons_caption', { zone: zoneName() });
    return table(
      { label: t('reasons_title'), caption: title, size: 'tall' },
      [t('time'), ...reasons.map((each) => numeric(reasonName(each)))],
      shown.map(({ from, counts }) => html`<tr><td class="time">${dateTime(from)}</td>
        ${reasons.map((each) => html`<td class="number">${counts[each] ? count(counts[each]) : ''}</td>`)}</tr>`),
    );
  }
}

customElements.define('mp-quality-reasons', Reasons);
