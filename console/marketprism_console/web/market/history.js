/** Bars of one instrument and interval: those that are stored, those that close now, and the one that is forming. */
import { ApiError, ask } from '../core/api.js';
import { Signal } from '../core/signal.js';
import { stream } from '../core/stream.js';
import { token } from '../core/subjects.js';
import { minus } from '../core/numbers.js';
import { ms } from '../core/time.js';
import { candleOf, laid } from '../chart/series.js';
import { Windows } from '../chart/windows.js';

/** @typedef {import('../chart/series.js').Candle} Candle */

const FIRST = 1500;
const OLDER = 3000;
const MOST = 20_000;
const DAY = 86_400_000;

export class BarHistory {
  /** @type {Candle[]} */
  candles = [];
  /** @type {any[]} */
  gaps = [];
  windows = new Windows([], '1m');
  /** @type {import('../chart/series.js').Laid} */
  laid = { times: [], breaks: [], holes: [] };
  /** @type {Candle | null} the one that is not closed */
  forming = null;
  /** Whether there are older ones than those that are here. */
  hasOlder = false;
  /** Counts what became another altogether. */
  whole = new Signal(0);
  /** Counts changes of the newest bars. */
  newest = new Signal(0);
  /** What could not be read besides the bars. */
  problem = new Signal('');
  #isLoaded = false;
  /** @type {any[]} bars that came while the stored ones were asked for */
  #waiting = [];
  /** @type {(() => void)[]} */
  #ends = [];
  #baseline = ''; // volume of the trading day when the forming bar began
  #lastVolume = '';
  #isAsking = false;
  #askedFor = ''; // the trading day whose sections were asked for last

  /** @param {string} venue @param {string} symbol @param {string} interval */
  constructor(venue, symbol, interval) {
    this.venue = venue;
    this.symbol = symbol;
    this.interval = interval;
  }

  /** Follow what is published from now on. */
  follow() {
    const name = token(this.symbol);
    const bars = stream.subscribe(
      { ch: `market.bar.${token(this.interval)}.${name}`, mode: 'all' },
      { onMessage: ({ d }) => this.#closed(d), onGap: () => void this.load().catch(() => {}) },
    );
    const gaps = stream.subscribe(
      { ch: `market.gap.${token(this.venue)}.${name}`, mode: 'all' },
      { onMessage: ({ d }) => this.#missing(d) },
    );
    const ticks = stream.subscribe(
      { ch: `market.tick.${name}`, mode: 'latest', every_ms: 100 },
      { onMessage: ({ d }) => this.#tick(d) },
    );
    this.#ends = [bars, gaps, ticks];
  }

  stop() {
    for (const end of this.#ends.splice(0)) end();
  }

  /**
   * Candles are there as soon as their bars are; the sections and gaps of their time follow.
   * @param {AbortSignal} [signal]
   * @throws {ApiError}
   */
  async load(signal) {
    const options = signal ? { signal } : {};
    // Most often it is the newest days that are looked at: their sections are asked for without waiting for the bars.
    const [bars, recent] = await Promise.all([this.readBars({ last: FIRST }, options), this.readSections(null, null, options)]);
    const candles = this.candlesOf(bars.data);
    this.candles = candles;
    this.hasOlder = bars.truncated;
    this.windows = new Windows(recent, this.interval);
    this.#isLoaded = true;
    for (const row of this.#waiting.splice(0)) this.#put(candleOf(row));
    this.#lay();
    if (candles.length) void this.#surround(options).catch((error) => this.#failed(error));
  }

  /** Sections and gaps of the time that the candles are from. @param {{signal?: AbortSignal}} options */
  async #surround(options) {
    const [first, last] = [this.candles[0].time, this.candles[this.candles.length - 1].time];
    const [sections, gaps] = await Promise.all([this.readSections(first, last, options), this.readGaps(first, options)]);
    this.windows = new Windows(sections, this.interval);
    this.gaps = gaps;
    this.#lay();
  }

  /** @param {unknown} error */
  #failed(error) {
    if (error instanceof DOMException && error.name === 'AbortError') return;
    this.problem.value = error instanceof ApiError ? error.message : String(error);
  }

  /** Bars before the first one that is here. Returns whether there were any. */
  async older() {
    if (!this.hasOlder || this.#isAsking || !this.candles.length || this.candles.length >= MOST) return false;
    this.#isAsking = true;
    try {
      const first = this.candles[0].time;
      const bars = await this.readBars({ last: OLDER, to: new Date(first).toISOString() }, {});
      const candles = this.candlesOf(bars.data).filter((/** @type {Candle} */ each) => each.time < first);
      if (!candles.length) {
        this.hasOlder = false;
        return false;
      }
      this.hasOlder = bars.truncated;
      this.candles = [...candles, ...this.candles];
      await this.#surround({});
      return true;
    } catch (error) {
      this.#failed(error);
      return false;
    } finally {
      this.#isAsking = false;
    }
  }

  /** @param {any[]} rows @returns {Candle[]} */
  candlesOf(rows) {
    return rows.map(candleOf);
  }

  /** @param {Record<string, any>} params @param {{signal?: AbortSignal}} options */
  readBars(params, options) {
    return ask(`/bars/${encodeURIComponent(this.symbol)}`, { venue: this.venue, interval: this.interval, ...params }, options);
  }

  /**
   * @param {number | null} from
   * @param {number | null} to  without them those around now
   * @param {{signal?: AbortSignal}} options
   * @param {string} symbol
   */
  async readSections(from, to, options, symbol = this.symbol) {
    const params = {
      venue: this.venue,
      from: from === null ? null : new Date(from - DAY).toISOString(),
      to: to === null ? null : new Date(to + 4 * DAY).toISOString(),
    };
    try {
      return (await ask(`/sessions/${encodeURIComponent(symbol)}`, params, options)).data;
    } catch (error) {
      if (error instanceof ApiError && error.status === 404) return []; // nobody knows when it trades
      throw error;
    }
  }

  /** @param {number} from @param {{signal?: AbortSignal}} options */
  async readGaps(from, options) {
    const params = { venue: this.venue, from: new Date(from).toISOString(), limit: 5000 };
    const { data } = await ask(`/gaps/${encodeURIComponent(this.symbol)}`, params, options);
    return data.filter((/** @type {any} */ gap) => !gap.kind || gap.kind === 'tick');
  }

  #lay() {
    this.laid = laid(this.candles, this.gaps, this.windows);
    if (this.forming && this.forming.time <= (this.candles.at(-1)?.time ?? 0)) this.forming = null;
    this.whole.value += 1;
  }

  // -- live ------------------------------------------------------------------------------------------------------------

  /** @param {any} row */
  #closed(row) {
    if (row.venue !== this.venue) return;
    if (!this.#isLoaded) {
      this.#waiting.push(row);
      return;
    }
    const candle = candleOf(row);
    const isNewest = this.#put(candle);
    if (this.forming && this.forming.time <= candle.time) this.forming = null;
    const { sections, length } = this.windows;
    // The first bar of a trading day whose sections are not here yet.
    const isBehind = sections.length > 0 && !Number.isNaN(length) && candle.time >= sections[sections.length - 1].close;
    if (isBehind && candle.day !== this.#askedFor) {
      this.#askedFor = candle.day;
      void this.#surround({}).catch((error) => this.#failed(error));
    } else if (isNewest && !candle.gap) this.newest.value += 1;
    else this.#lay();
  }

  /** Put a bar in its place. Returns whether it is the newest. @param {Candle} candle */
  #put(candle) {
    const last = this.candles.at(-1);
    if (!last || candle.time > last.time) {
      this.candles.push(candle);
      if (last && this.laid.times.length) {
        const section = this.windows.sectionOf(candle.time);
        const before = this.windows.sectionOf(last.time);
        if (section && section !== before) {
          this.laid.breaks.push({ time: candle.time, isDay: section.day !== before?.day, day: section.day });
        }
        this.laid.times.push(candle.time);
      }
      if (this.candles.length > MOST + OLDER) {
        this.candles.splice(0, OLDER);
        this.hasOlder = true;
        this.#lay();
      }
      return true;
    }
    const at = this.candles.findLastIndex((each) => each.time <= candle.time);
    if (at >= 0 && this.candles[at].time === candle.time) {
      if (candle.revision >= this.candles[at].revision) this.candles[at] = candle;
    } else {
      this.candles.splice(at + 1, 0, candle);
    }
    return false;
  }

  /** @param {any} gap */
  #missing(gap) {
    if (gap.venue !== this.venue || (gap.kind && gap.kind !== 'tick')) return;
    this.gaps.push(gap);
    if (this.#isLoaded) this.#lay();
  }

  /** @param {any} tick */
  #tick(tick) {
    if (tick.venue !== this.venue || tick.last === null || tick.last === undefined || !this.#isLoaded) return;
    const volume = tick.volume === null || tick.volume === undefined ? '' : String(tick.volume);
    const open = this.windows.openOf(ms(tick.ts_event));
    const before = this.#lastVolume;
    this.#lastVolume = volume;
    if (Number.isNaN(open) || open <= (this.candles.at(-1)?.time ?? -Infinity)) return;
    const last = String(tick.last);
    const number = Number(last);
    if (this.forming?.time === open) {
      if (number > Number(this.forming.high)) this.forming.high = last;
      if (number < Number(this.forming.low)) this.forming.low = last;
      this.forming.close = last;
      this.forming.ticks += 1;
    } else {
      this.#baseline = this.forming ? before : volume;
      this.forming = {
        time: open, day: tick.trading_day, open: last, high: last, low: last, close: last, volume: '0', turnover: '',
        interest: null, ticks: 1, revision: 0, gap: false, forming: true,
      };
    }
    if (volume && this.#baseline) this.forming.volume = minus(volume, this.#baseline);
    if (tick.open_interest !== null && tick.open_interest !== undefined) this.forming.interest = String(tick.open_interest);
    this.newest.value += 1;
  }
}
