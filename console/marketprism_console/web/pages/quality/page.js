/** How good the data is: by instrument, over time, and what was rejected. */
import { html, nothing, svg } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { count } from '../../core/numbers.js';
import { Pace } from '../../core/pace.js';
import { Part } from '../../core/part.js';
import { Resource } from '../../core/resource.js';
import { stream } from '../../core/stream.js';
import { zoneName } from '../../core/time.js';
import { empty, shown } from '../../parts/states.js';
import { numeric, table } from '../../parts/table.js';
import './reasons.js';
import './rejections.js';
import './windows.js';
import { readOverview, withWindow } from './overview.js';
import { reasonsWords } from './words.js';
import { t } from './text.js';

/** @typedef {import('./overview.js').Standing} Standing */

const FIRST = 200;
const ASKED = ['symbols', 'venue', 'product', 'from', 'to'];
const COUNTS = /** @type {const} */ (['ticks', 'accepted', 'rejected', 'stale', 'warned', 'anomalies']);
const COMMANDS = ['marketprism up --source sim', 'marketprism up --source replay:ticks.csv.gz'];

/** @param {number} score @returns {'good' | 'fair' | 'bad'} */
function levelOf(score) {
  if (score >= 95) return 'good'; // as the rules restore a stream
  return score >= 80 ? 'fair' : 'bad'; // and degrade one
}

class QualityPage extends Part {
  constructor() {
    super();
    this.asked = '';
    this.wanted = FIRST;
    /** @type {Map<string, any>} windows that closed since the page last painted, by instrument */
    this.waiting = new Map();
    this.pace = new Pace(1, () => this.#paint());
    this.overview = new Resource((signal) => readOverview(address.value.params, this.wanted, signal));
  }

  begin() {
    this.uses(this.overview);
    this.follow(address, () => this.#changed());
    this.every(60_000, () => void this.overview.load());
    this.whenGone(() => this.pace.stop());
    this.whenGone(stream.subscribe({ ch: 'market.quality.>', mode: 'latest', every_ms: 1000 }, { onMessage: ({ d }) => this.#closed(d) }));
    this.#changed();
  }

  #changed() {
    const asked = ASKED.map((name) => address.value.params[name] ?? '').join('\n');
    if (asked !== this.asked) {
      this.asked = asked;
      this.wanted = FIRST;
      void this.overview.load({ forget: true });
    }
    this.requestUpdate();
  }

  /** @param {any} window */
  #closed(window) {
    if (address.value.params.to) return; // a range that has ended
    this.waiting.set(`${window.venue}.${window.symbol}`, window);
    this.pace.mark();
  }

  #paint() {
    const overview = this.overview.data;
    const windows = [...this.waiting.values()];
    this.waiting.clear();
    if (overview) this.overview.set({ ...overview, standings: windows.reduce(withWindow, overview.standings) });
  }

  render() {
    const { of } = address.value.params;
    return html`<h1>${t('title')}</h1>
      ${this.#filters()}
      <h2>${t('worst')}</h2>
      ${shown(this.overview, ({ standings, next }) => this.#standings(standings, next), {
        lines: 8,
        empty: ({ standings }) => (standings.length ? undefined : this.#nothing()),
      })}
      ${of ? html`<mp-quality-windows .name=${of}></mp-quality-windows>` : nothing}
      <mp-rejections></mp-rejections>`;
  }

  #filters() {
    const { params } = address.value;
    /** @param {'symbols' | 'venue' | 'product' | 'from' | 'to'} name @param {string} type @param {string} hint */
    const field = (name, type, hint = '') => html`<label>${t(name)}
      <input type=${type} maxlength="200" placeholder=${hint} .value=${params[name] ?? ''}
        @change=${(/** @type {any} */ event) => alter({ [name]: event.target.value.trim(), of: null })} /></label>`;
    return html`<div class="tools" role="group" aria-label=${t('filters')}>
      ${field('symbols', 'search', t('symbols_hint'))} ${field('venue', 'search')} ${field('product', 'search')}
      ${field('from', 'date')} ${field('to', 'date')} <span class="dim">${t('last_day')}</span>
    </div>`;
  }

  /** @param {Standing[]} standings @param {string} next */
  #standings(standings, next) {
    const heads = /** @type {const} */ (['instrument', 'now', 'over_time', 'mean', 'lowest', ...COUNTS, 'reasons']);
    const plain = new Set(['instrument', 'over_time', 'reasons']);
    return html`${table(
      { label: t('worst'), caption: t('worst_caption', { zone: zoneName() }), kind: 'standings', size: 'tall' },
      heads.map((key) => (plain.has(key) ? t(key) : numeric(t(key)))),
      standings.map((standing) => this.#standing(standing)),
    )}
      ${next ? html`<p><button type="button" @click=${this.#more}>${t('more')}</button></p>` : nothing}
      <mp-quality-reasons .standings=${standings}></mp-quality-reasons>`;
  }

  #more = () => {
    this.wanted += FIRST;
    void this.overview.load();
  };

  /** @param {Standing} standing */
  #standing(standing) {
    const { name, now, mean, lowest, sums, reasons } = standing;
    const level = levelOf(now);
    const isOpen = address.value.params.of === name;
    return html`<tr aria-selected=${isOpen}>
      <th scope="row" class="wrap">
        <button type="button" class="plain" aria-pressed=${isOpen} @click=${() => alter({ of: isOpen ? null : name })}>${name}</button>
      </th>
      <td class="number ${level === 'fair' ? 'warn' : level}">${now} ${t(level)}</td>
      <td>${this.#line(standing)}</td>
      <td class="number">${mean.toFixed(1)}</td>
      <td class="number">${lowest}</td>
      ${COUNTS.map((key) => html`<td class="number">${count(sums[key])}</td>`)}
      <td class="wrap">${reasonsWords(reasons)}</td>
    </tr>`;
  }

  /** The score over time, 0 at the bottom and 100 at the top. @param {Standing} standing */
  #line({ name, spans, now }) {
    const scores = spans.map((span) => span.score);
    const title = t('line', { name, low: Math.min(...scores), high: Math.max(...scores), now });
    const [first, last] = [spans[0].from, spans[spans.length - 1].from];
    const points = spans.map(({ from, score }) => `${last > first ? ((from - first) / (last - first)) * 100 : 50},${21 - score / 5}`);
    return html`<svg class="spark" viewBox="0 0 100 22" preserveAspectRatio="none" role="img" aria-label=${title}>
      ${points.length > 1 ? svg`<polyline points=${points.join(' ')}></polyline>` : svg`<circle cx="50" cy=${21 - now / 5} r="1.5"></circle>`}
    </svg>`;
  }

  #nothing() {
    return empty(t('empty'), html`<p>${t('empty_more')}</p>${COMMANDS.map((each) => html`<p><code>${each}</code></p>`)}`);
  }
}

customElements.define('mp-quality-page', QualityPage);
export default 'mp-quality-page';
