/**
 * The windows of bars: counted in minutes of a trading day's sections, from its first section on, so that breaks take
 * none. All times are milliseconds UTC.
 */
import { ms } from '../core/time.js';

/**
 * @typedef {object} Section
 * @property {string} day  the trading day
 * @property {number} number  0 is the first of its day
 * @property {number} auction
 * @property {number} open
 * @property {number} close
 * @property {number} before  session time of the day before it
 */

const UNITS = /** @type {Record<string, number>} */ ({ s: 1000, m: 60_000, h: 3_600_000 });

/**
 * Length of an interval within a day; NaN for days, weeks, and bars that are not counted in time.
 * @param {string} interval  `1m`, `2h`
 */
function lengthOf(interval) {
  const match = /^(\d+)([smh])$/.exec(interval);
  return match ? Number(match[1]) * UNITS[match[2]] : NaN;
}

export class Windows {
  /**
   * @param {any[]} rows  of `GET /sessions/{symbol}`
   * @param {string} interval
   */
  constructor(rows, interval) {
    this.length = lengthOf(interval);
    /** @type {Section[]} */
    this.sections = [];
    let before = 0;
    for (const row of rows) {
      const [auction, open, close] = [row.ts_auction, row.ts_open, row.ts_close].map(ms);
      if (row.trading_day !== this.sections.at(-1)?.day) before = 0;
      this.sections.push({ day: row.trading_day, number: row.number, auction, open, close, before });
      before += close - open;
    }
  }

  /** The section of an instant, also of the auction before it and of the minute behind its end. @param {number} at */
  sectionOf(at) {
    let low = 0;
    let high = this.sections.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if (this.sections[middle].auction <= at) low = middle;
      else high = middle - 1;
    }
    const found = this.sections[low];
    return found && at >= found.auction && at < found.close + 60_000 ? found : undefined;
  }

  /** Where the window of an instant opens; NaN outside the sections, or where windows are not counted. @param {number} at */
  openOf(at) {
    const section = this.sectionOf(at);
    if (!section || Number.isNaN(this.length)) return NaN;
    const within = Math.min(Math.max(at, section.open), section.close - 1);
    const passed = section.before + within - section.open;
    return this.#at(section, passed - (passed % this.length));
  }

  /** Openings of the windows that lie, in part or whole, between two instants. @param {number} from @param {number} to */
  between(from, to) {
    /** @type {number[]} */
    const found = [];
    if (Number.isNaN(this.length)) return found;
    for (const section of this.sections) {
      if (section.close <= from || section.open >= to) continue;
      const first = section.before + Math.max(from, section.open) - section.open;
      const last = section.before + Math.min(to, section.close) - section.open;
      for (let passed = first - (first % this.length); passed < last; passed += this.length) {
        const open = this.#at(section, passed);
        if (open !== found.at(-1)) found.push(open);
      }
    }
    return found;
  }

  /** The instant of a session time of the section's day; it may lie in a section before. @param {Section} section @param {number} passed */
  #at(section, passed) {
    if (passed >= section.before) return section.open + passed - section.before;
    const earlier = this.sections.findLast((each) => each.day === section.day && each.before <= passed);
    return earlier ? earlier.open + passed - earlier.before : section.open;
  }
}

const DAY = 86_400_000;
const APART = 30 * DAY; // without a bar for so long: nobody looks at what is between
const LONGEST = 390 * DAY; // sections of so long are answered at once, with some days around them
const MOST_SPANS = 8;

/**
 * Spans of time that hold these times, the newest of them where there are many: each is short enough to ask for its sections.
 * @param {number[]} times  in their order
 */
export function spansOf(times) {
  /** @type {{from: number, to: number}[]} */
  const spans = [];
  for (const time of times) {
    const last = spans.at(-1);
    if (last && time - last.to < APART && time - last.from < LONGEST) last.to = time;
    else spans.push({ from: time, to: time });
  }
  return spans.slice(-MOST_SPANS);
}
