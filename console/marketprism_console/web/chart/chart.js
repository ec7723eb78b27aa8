/** Candles in sections of trading days, with volume and open interest below. The same as a table: `table.js`. */
import { html, nothing } from '../vendor/lit.js';
import { CandlestickSeries, createChartEx, CrosshairMode, HistogramSeries, LineSeries } from '../vendor/lightweight-charts.js';
import { Pace } from '../core/pace.js';
import { Part } from '../core/part.js';
import { preferences, theme } from '../core/preferences.js';
import { grouped, places } from '../core/numbers.js';
import { clock, date, duration, ms } from '../core/time.js';
import { Marks } from './marks.js';
import { Plotted } from './plotted.js';
import { SessionScale } from './scale.js';
import { average, comparable, vwap } from './series.js';
import { causeName } from '../parts/causes_text.js';
import { t } from './text.js';

/** @typedef {import('./series.js').Candle} Candle */

const PER_SECOND = 10;
const EDGE = 200; // points before the left edge at which older ones are asked for
const ABOVE = 5000; // visible points from which the chart joins them

/** @param {string} name */
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();

class Chart extends Part {
  static properties = { history: { attribute: false }, averages: { attribute: false }, compared: { attribute: false }, at: { attribute: false } };

  constructor() {
    super();
    /** @type {import('../market/history.js').BarHistory | null} */
    this.history = null;
    /** @type {string[]} `20`, `60`, `vwap` */
    this.averages = [];
    /** @type {import('../market/history.js').BarHistory | null} another instrument, as a line of its own scale */
    this.compared = null;
    this.at = NaN; // an instant that is to be seen first, milliseconds
    /** @type {any} */
    this.chart = null;
    /** @type {Record<string, Plotted>} */
    this.series = {};
    /** @type {Map<string, any>} */
    this.lines = new Map();
    this.scale = new SessionScale();
    this.marks = new Marks(colour);
    this.isFollowing = true;
    /** @type {Candle | null} under the cross-hair */
    this.pointed = null;
    /** @type {any} a gap under the cross-hair */
    this.hole = null;
    this.inks = { up: '', down: '' }; // of the volume
    this.drawn = 0; // candles that the chart has
    /** @type {(() => void)[]} */
    this.ends = [];
    this.pace = new Pace(PER_SECOND, () => this.#paintNewest());
  }

  begin() {
    this.follow(theme, () => this.#colours());
    this.follow(preferences, () => this.#colours());
    this.whenGone(() => this.#remove());
  }

  /** @param {Map<string, unknown>} changed */
  updated(changed) {
    if (!this.chart) this.#make();
    if (changed.has('history') || changed.has('compared')) this.#listen();
    if (changed.has('averages')) this.#lines();
  }

  render() {
    const history = this.history;
    const last = history?.forming ?? history?.candles.at(-1);
    const names = { symbol: history?.symbol ?? '', interval: history?.interval ?? '' };
    const label = last
      ? t('chart', { ...names, close: last.close, count: history?.candles.length ?? 0, gaps: history?.laid.holes.length ?? 0 })
      : t('nothing', names);
    return html`<p class="legend" aria-hidden="true">${this.#legend(this.pointed ?? last ?? null)}</p>
      <div class="canvas" role="img" aria-label=${label}></div>
      ${this.isFollowing ? nothing : html`<button type="button" class="newest" @click=${this.toNewest}>${t('newest')} →</button>`}`;
  }

  /** @param {Candle | null} candle */
  #legend(candle) {
    if (!candle || !this.history) return nothing;
    const { venue } = this.history;
    const way = Number(candle.close) >= Number(candle.open) ? 'up' : 'down';
    const hole = this.hole;
    return html`<span>${date(candle.time, venue)} ${clock(candle.time, venue)}</span>
      <span>${t('open')} <b class=${way}>${candle.open}</b></span> <span>${t('high')} <b class=${way}>${candle.high}</b></span>
      <span>${t('low')} <b class=${way}>${candle.low}</b></span> <span>${t('close')} <b class=${way}>${candle.close}</b></span>
      <span>${t('volume')} <b>${grouped(candle.volume)}</b></span>
      ${candle.interest ? html`<span>${t('interest')} <b>${grouped(candle.interest)}</b></span>` : nothing}
      ${this.#legendOfOther(candle)}
      ${candle.revision ? html`<span class="warn">${t('revision')} ${candle.revision}</span>` : nothing}
      ${candle.gap ? html`<span class="warn">${t('is_gap')}</span>` : nothing}
      ${hole
        ? html`<span class="warn">${t('gap_line', {
            cause: causeName(hole.cause),
            from: clock(ms(hole.ts_from), venue),
            to: clock(ms(hole.ts_to), venue),
            length: duration(ms(hole.ts_to) - ms(hole.ts_from)),
          })}</span>`
        : nothing}`;
  }

  /** @param {Candle} candle */
  #legendOfOther(candle) {
    const { compared } = this;
    if (!compared) return nothing;
    const other = compared.candles.findLast(({ time }) => time === candle.time) ?? compared.forming;
    const close = other?.time === candle.time ? other.close : '–';
    return html`<span class="compared">${compared.venue}.${compared.symbol} <b>${close}</b></span>`;
  }

  // -- making --------------------------------------------------------------------------------------------------------

  #make() {
    const box = this.querySelector('.canvas');
    if (!(box instanceof HTMLElement)) return;
    const options = {
      autoSize: true,
      layout: { attributionLogo: false, background: { color: 'transparent' }, fontFamily: 'system-ui, sans-serif' },
      crosshair: { mode: CrosshairMode.Normal },
      timeScale: { timeVisible: true, rightOffset: 4, enableConflation: true },
      handleScale: { axisPressedMouseMove: true },
    };
    this.chart = createChartEx(box, /** @type {any} */ (this.scale), /** @type {any} */ (options));
    const below = /** @type {const} */ ({ priceFormat: { type: 'volume' }, lastValueVisible: false, priceLineVisible: false });
    this.series = {
      candles: new Plotted(this.chart.addSeries(CandlestickSeries, { priceLineVisible: true })),
      volume: new Plotted(this.chart.addSeries(HistogramSeries, below, 1)),
      interest: new Plotted(this.chart.addSeries(LineSeries, { ...below, lineWidth: 1, priceScaleId: 'interest' }, 1)),
    };
    this.chart.panes()[0].setStretchFactor(4);
    this.chart.panes()[1].setStretchFactor(1);
    this.series.candles.series.attachPrimitive(this.marks);
    this.chart.subscribeCrosshairMove((/** @type {any} */ event) => this.#point(event));
    this.chart.timeScale().subscribeVisibleLogicalRangeChange((/** @type {any} */ range) => this.#moved(range));
    this.#colours();
    this.#listen();
  }

  #remove() {
    for (const end of this.ends.splice(0)) end();
    this.pace.stop();
    this.chart?.remove();
    this.chart = null;
    this.lines.clear();
  }

  #colours() {
    if (!this.chart) return;
    const [up, down, line, dim] = ['--up', '--down', '--line', '--dim'].map(colour);
    this.inks = { up: `${up}88`, down: `${down}88` };
    this.chart.applyOptions({
      layout: { textColor: dim, panes: { separatorColor: line } },
      grid: { vertLines: { visible: false }, horzLines: { color: line } },
      rightPriceScale: { borderColor: line },
      timeScale: { borderColor: line },
    });
    this.series.candles.series.applyOptions({
      upColor: up, borderUpColor: up, wickUpColor: up, downColor: down, borderDownColor: down, wickDownColor: down,
    });
    this.series.interest.series.applyOptions({ color: colour('--warn') });
    for (const each of this.lines.values()) this.chart.removeSeries(each);
    this.lines.clear(); // made again, in the new inks
    this.#paintAll(false);
  }

  #listen() {
    for (const end of this.ends.splice(0)) end();
    const { history, compared } = this;
    if (!history || !this.chart) return;
    this.scale.venue = history.venue;
    this.scale.sectionOf = (time) => history.windows.sectionOf(time);
    this.ends.push(history.whole.subscribe(() => this.#paintAll(false)));
    this.ends.push(history.newest.subscribe(() => this.pace.mark()));
    if (compared) {
      this.ends.push(compared.whole.subscribe(() => this.#compare()));
      this.ends.push(compared.newest.subscribe(() => this.pace.mark()));
    }
    this.isFollowing = true;
    this.#paintAll(true);
  }

  // -- painting ------------------------------------------------------------------------------------------------------

  /** @param {boolean} fit  show the newest bars */
  #paintAll(fit) {
    const { history, chart, series } = this;
    if (!history || !chart) return;
    const candles = this.#all();
    const byTime = new Map(candles.map((candle) => [candle.time, candle]));
    const range = chart.timeScale().getVisibleLogicalRange();
    const added = this.firstTime && candles.length ? history.laid.times.indexOf(this.firstTime) : 0;
    const precision = Math.min(8, Math.max(0, ...candles.slice(-200).map((candle) => places(candle.close))));
    series.candles.series.applyOptions({ priceFormat: { type: 'price', precision, minMove: 10 ** -precision } });
    const times = history.forming ? [...history.laid.times, history.forming.time] : history.laid.times;
    series.candles.setData(times.map((time) => this.#pointOf(time, byTime.get(time))));
    series.volume.setData(candles.map((candle) => this.#volume(candle)));
    series.interest.setData(
      candles.filter((each) => each.interest !== null).map((each) => ({ time: each.time / 1000, value: Number(each.interest) })),
    );
    this.drawn = history.candles.length;
    this.firstTime = history.laid.times[0];
    this.#lines();
    this.#compare();
    this.#mark();
    if (fit || !range) this.#toBeginning();
    else if (added > 0) chart.timeScale().setVisibleLogicalRange({ from: range.from + added, to: range.to + added });
    this.requestUpdate();
  }

  /** @returns {Candle[]} */
  #all() {
    const { candles, forming } = /** @type {import('../market/history.js').BarHistory} */ (this.history);
    return forming ? [...candles, forming] : candles;
  }

  #paintNewest() {
    const { history, chart, series } = this;
    if (!history || !chart) return;
    const fresh = history.candles.slice(Math.max(0, this.drawn - 1));
    if (history.forming) fresh.push(history.forming);
    const isPut = fresh.every(
      (candle) =>
        series.candles.update(this.#pointOf(candle.time, candle)) &&
        series.volume.update(this.#volume(candle)) &&
        (candle.interest === null || series.interest.update({ time: candle.time / 1000, value: Number(candle.interest) })),
    );
    if (!isPut) {
      this.#paintAll(false);
      return;
    }
    if (history.candles.length > this.drawn) {
      this.#lines();
      this.#mark();
    }
    if (this.compared) this.#compare();
    this.drawn = history.candles.length;
    this.requestUpdate();
  }

  #mark() {
    const { laid, candles } = /** @type {import('../market/history.js').BarHistory} */ (this.history);
    const revised = candles.filter((candle) => candle.revision > 0).map((candle) => candle.time);
    const rolls = candles.filter((candle) => candle.rolled).map((candle) => candle.time);
    this.marks.show({ breaks: laid.breaks, holes: laid.holes, revised, rolls });
  }

  /** @param {number} time @param {Candle | undefined} candle */
  #pointOf(time, candle) {
    if (!candle) return { time: time / 1000 };
    const point = {
      time: time / 1000, open: Number(candle.open), high: Number(candle.high), low: Number(candle.low), close: Number(candle.close),
    };
    // Hollow: it is not closed, or data is missing in it.
    return candle.gap || candle.forming ? { ...point, color: 'transparent' } : point;
  }

  /** @param {Candle} candle */
  #volume(candle) {
    const color = Number(candle.close) >= Number(candle.open) ? this.inks.up : this.inks.down;
    return { time: candle.time / 1000, value: Number(candle.volume), color };
  }

  #lines() {
    if (!this.chart || !this.history) return;
    for (const [name, line] of this.lines) {
      if (name === 'compared' || this.averages.includes(name)) continue;
      this.chart.removeSeries(line);
      this.lines.delete(name);
    }
    const { candles } = this.history;
    for (const [at, name] of this.averages.entries()) {
      const line = this.lines.get(name) ?? this.#line(name, ['--link', '--warn', '--good'][at % 3], 'right');
      const values = name === 'vwap' ? vwap(candles) : average(candles, Number(name));
      line.setData(candles.map((each, n) => (values[n] === null ? { time: each.time / 1000 } : { time: each.time / 1000, value: values[n] })));
    }
  }

  /** The other instrument, where this one has a point: what it has besides would move the axis apart. */
  #compare() {
    const { chart, compared, history } = this;
    if (!chart || !history) return;
    const isShown = compared !== null;
    // Of all panes at once: an axis that only some of them have is not drawn.
    if (chart.options().leftPriceScale.visible !== isShown) chart.applyOptions({ leftPriceScale: { visible: isShown } });
    const known = this.lines.get('compared');
    if (!compared) {
      if (known) chart.removeSeries(known);
      this.lines.delete('compared');
      return;
    }
    const line = known ?? this.#line('compared', '--text', 'left');
    line.setData(comparable(history, compared).map((each) => ({ time: each.time / 1000, value: Number(each.close) })));
    this.requestUpdate();
  }

  /** @param {string} name @param {string} ink @param {string} side */
  #line(name, ink, side) {
    const line = this.chart.addSeries(LineSeries, {
      color: colour(ink), lineWidth: 1, priceScaleId: side, lastValueVisible: false, priceLineVisible: false, crosshairMarkerVisible: false,
    });
    this.lines.set(name, line);
    return line;
  }

  // -- moving --------------------------------------------------------------------------------------------------------

  #toBeginning() {
    const times = this.history?.laid.times ?? [];
    const found = Number.isNaN(this.at) ? -1 : times.findLastIndex((time) => time <= this.at);
    if (found < 0) this.toNewest();
    else this.chart.timeScale().setVisibleLogicalRange({ from: found - 60, to: found + 60 });
  }

  toNewest = () => {
    const count = this.history?.laid.times.length ?? 0;
    const shown = Math.min(Math.max(count, 30), 180);
    this.chart?.timeScale().setVisibleLogicalRange({ from: count - shown, to: count + 4 });
    this.#setFollowing(true);
  };

  /** @param {{from: number, to: number} | null} range */
  #moved(range) {
    if (!range || !this.history) return;
    this.#setFollowing(range.to >= this.history.laid.times.length - 2);
    if (range.from < EDGE && this.history.hasOlder && range.to - range.from < ABOVE * 4) void this.history.older();
  }

  /** @param {boolean} isFollowing */
  #setFollowing(isFollowing) {
    if (isFollowing === this.isFollowing) return;
    this.isFollowing = isFollowing;
    this.requestUpdate();
  }

  /** @param {any} event */
  #point(event) {
    const time = typeof event.time === 'number' ? event.time * 1000 : NaN;
    this.pointed = this.history?.candles.findLast((candle) => candle.time === time) ?? null;
    this.hole = this.history?.laid.holes.find((hole) => time >= hole.from && time <= hole.to)?.gap ?? null;
    this.requestUpdate();
  }

  /** @type {number | undefined} first point that was painted */
  firstTime;
}

customElements.define('mp-chart', Chart);
