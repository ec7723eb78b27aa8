/** Bars of one instrument and interval: those that are stored, those that close now, and the one that is forming. */
import { ApiError, ask } from '../core/api.js';
import { Signal } from '../core/signal.js';
import { stream } from '../core/stream.js';
import { token } from '../core/subjects.js';
import { serverNow } from '../core/server_clock.js';
import { isChinese, ms } from '../core/time.js';
import { BAR_FIELDS, candleOf, laid } from '../chart/series.js';
import { spansOf, Windows } from '../chart/windows.js';
import { FormingBar } from './forming.js';

/** @typedef {import('../chart/series.js').Candle} Candle */

const FIRST = 1500;
const OLDER = 3000;
const MOST = 20_000;
const DAY = 86_400_000;
const MINUTE = 60_000;
const MOST_ROWS = 5000;
const RECENT = 500; // trades that the stream still has, so that none is missed that is not stored yet

export class BarHistory {
  /** @type {Candle[]} */
  candles = [];
  /** @type {any[]} */
  gaps = [];
  windows = new Windows([], '1m');
  /** @type {import('../chart/series.js').Laid} */
  laid = { times: [], breaks: [], holes: [] };
  #bar = new FormingBar();
  /** Whether there are older ones than those that are here. */
  hasOlder = false;
  /** Counts what became another altogether. */
  whole = new Signal(0);
  /** Counts changes of the newest bars. */
  newest = new Signal(0);
  /** What could not be read of it, or anew. @type {Signal<ApiError | null>} */
  problem = new Signal(/** @type {ApiError | null} */ (null));
  /** Why there is nothing of it: the store has no such instrument, in its words. */
  unknown = new Signal('');
  #isLoaded = false;
  /** @type {any[]} bars that came while the stored ones were asked for */
  #waiting = [];
  /** @type {(() => void)[]} */
  #ends = [];
  /** @type {any[]} ticks or trades that came before it was known what the forming bar began with */
  #early = [];
  #isBegun = false;
  #isAsking = false;
  #askedFor = ''; // the trading day whose sections were asked for last

  /** @param {string} venue @param {string} symbol @param {string} interval */
  constructor(venue, symbol, interval) {
    this.venue = venue;
    this.symbol = symbol;
    this.interval = interval;
  }

  /** The one that is not closed. @returns {Candle | null} */
  get forming() {
    return this.#bar.candle;
  }

  get isLoaded() {
    return this.#isLoaded;
  }

  /** Follow what is published from now on. */
  follow() {
    const name = token(this.symbol);
    const bars = stream.subscribe(
      { ch: `market.bar.${token(this.interval)}.${name}`, mode: 'all' },
      { onMessage: ({ d }) => this.#closed(d), onGap: () => void this.load().catch((error) => this.#failed(error)) },
    );
    const gaps = stream.subscribe(
      { ch: `market.gap.${token(this.venue)}.${name}`, mode: 'all' },
      { onMessage: ({ d }) => this.#missing(d) },
    );
    // The ticks of a counter are its states, the newest tells the volume; of a venue each trade counts.
    const traded = isChinese(this.venue)
      ? stream.subscribe({ ch: `market.tick.${name}`, mode: 'latest', every_ms: 100 }, { onMessage: ({ d }) => this.#traded(d) })
      : stream.subscribe(
          { ch: `market.${token(this.venue)}.${name}.trade`, mode: 'all', snapshot: RECENT },
          { onMessage: ({ d }) => this.#traded(d), onGap: () => void this.#goOn({}) },
        );
    this.#ends = [bars, gaps, traded];
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
    this.problem.value = null;
    // Most often it is the newest days that are looked at: their sections are asked for without waiting for the bars.
    const [bars, recent] = await Promise.all([this.#first(options), this.readSections(null, null, options)]);
    const candles = this.candlesOf(bars.data);
    this.candles = candles;
    this.hasOlder = bars.truncated;
    this.windows = new Windows(recent, this.interval);
    this.#isLoaded = true;
    for (const row of this.#waiting.splice(0)) this.#put(candleOf(row));
    this.#lay();
    if (candles.length) void this.#surround(options).catch((error) => this.#failed(error));
    // What forms already has more than the store: it was there when the ticks and trades came.
    if (!(this.#isBegun && this.forming)) void this.#goOn(options);
  }

  /** @param {{signal?: AbortSignal}} options */
  async #goOn(options) {
    this.#isBegun = false;
    try {
      await this.#begin(options);
    } catch (error) {
      // Nothing is stored of it yet: the bar begins with what is live.
      if (!(error instanceof ApiError && error.status === 404)) this.#failed(error);
    }
    this.#isBegun = true;
    for (const row of this.#early.splice(0)) this.#traded(row);
  }

  /** Nothing may be stored of it, and something come live. @param {{signal?: AbortSignal}} options */
  async #first(options) {
    try {
      const bars = await this.readBars({ last: FIRST }, options);
      this.unknown.value = '';
      return bars;
    } catch (error) {
      if (!(error instanceof ApiError && error.code === 'UNKNOWN_SYMBOL')) throw error;
      this.unknown.value = error.message;
      return { data: [], truncated: false };
    }
  }

  /** Sections and gaps of the time that the candles are from. @param {{signal?: AbortSignal}} options */
  async #surround(options) {
    const spans = spansOf(this.candles.map(({ time }) => time));
    const [gaps, ...known] = await Promise.all([
      this.readGaps(this.candles[0].time, options),
      ...spans.map(({ from, to }) => this.readSections(from, to, options)),
    ]);
    const sections = [...new Map(known.flat().map((each) => [each.ts_open, each])).values()];
    this.windows = new Windows(sections, this.interval);
    this.gaps = gaps;
    this.#lay();
  }

  /** @param {unknown} error */
  #failed(error) {
    if (error instanceof DOMException && error.name === 'AbortError') return;
    this.problem.value = error instanceof ApiError ? error : new ApiError('PAGE', String(error));
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
      this.problem.value = null;
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
    const asked = { venue: this.venue, interval: this.interval, fields: BAR_FIELDS, ...params };
    return ask(`/bars/${encodeURIComponent(this.symbol)}`, asked, options);
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
    this.#bar.closed(this.candles.at(-1)?.time ?? -Infinity);
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
    this.#bar.closed(candle.time);
    const { sections, length } = this.windows;
    // The first bar of a trading day whose sections are not here yet.
    const isBehind = !Number.isNaN(length) && (!sections.length || candle.time >= sections[sections.length - 1].close);
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

  /** @param {any} row  a counter's tick or a venue's trade */
  #traded(row) {
    if (row.venue !== this.venue) return;
    if (!this.#isBegun) {
      this.#early.push(row);
      if (this.#early.length > MOST_ROWS) this.#early.shift();
    } else if (this.#moves(row) && this.forming) {
      this.newest.value += 1;
    }
  }

  /** @param {any} row @param {number} [from]  what lies before is in the bar already */
  #moves(row, from = -Infinity) {
    const at = ms(row.ts_event);
    const open = at < from ? NaN : this.#notClosed(this.windows.openOf(at));
    if (!isChinese(this.venue)) this.#bar.trade(row, open, this.windows.sectionOf(at)?.day ?? '');
    else if (row.last === null || row.last === undefined) return false;
    else this.#bar.tick(row, open);
    return true;
  }

  /** A window that is open; NaN where its bar, or one behind it, is closed. @param {number} open */
  #notClosed(open) {
    return open <= (this.candles.at(-1)?.time ?? -Infinity) ? NaN : open;
  }

  /** The bar that had begun when the page was opened. @param {{signal?: AbortSignal}} options */
  async #begin(options) {
    const now = serverNow();
    const open = this.#notClosed(this.windows.openOf(now));
    if (!Number.isNaN(open)) {
      const { venue } = this;
      const symbol = encodeURIComponent(this.symbol);
      const read = async (/** @type {string} */ path, /** @type {number} */ from, /** @type {object} */ more = {}) =>
        (await ask(`${path}/${symbol}`, { venue, from: new Date(from).toISOString(), limit: MOST_ROWS, ...more }, options)).data;
      const minutes = this.windows.length > MINUTE ? await read('/bars', open, { interval: '1m' }) : [];
      const end = minutes.length ? ms(minutes[minutes.length - 1].ts_close) : open;
      // The volume of a counter is told by the tick before.
      const rows = isChinese(venue) ? await read('/ticks', end - MINUTE) : await read('/trades', end);
      this.#bar.begin(open, this.windows.sectionOf(now)?.day ?? '', minutes);
      for (const row of rows) this.#moves(row, end);
    }
  }
}
