/** What the server knows of coverage and gaps, asked as the address bar says. */
import { ask } from '../../core/api.js';

/** @typedef {import('./cells.js').Day} Day */

/**
 * What is chosen, for all parts of the page.
 * @typedef {{symbols: string, venue: string, product: string, from: string, to: string, newest: string}} Chosen
 */

/** @param {Record<string, string>} params @returns {Chosen} */
export function chosenOf(params) {
  const { symbols = '', venue = '', product = '', from = '', to = '', newest = '' } = params;
  return { symbols, venue, product, from, to, newest };
}

/** @param {Chosen} chosen */
export function days({ from, to }) {
  return { from_day: from, to_day: to };
}

/** The calendar of instruments. */
export class Calendar {
  /** @type {Map<string, Map<string, Day>>} by instrument and trading day */
  rows = new Map();
  /** @type {string[]} */
  columns = [];
  next = '';

  /** @param {Day[]} found */
  add(found) {
    for (const day of found) {
      const key = `${day.venue}.${day.symbol}`;
      const row = this.rows.get(key) ?? new Map();
      this.rows.set(key, row.set(day.trading_day, day));
    }
    this.columns = [...new Set([...this.rows.values()].flatMap((row) => [...row.keys()]))].sort();
  }

  /** @returns {Day[]} */
  get all() {
    return [...this.rows.values()].flatMap((row) => [...row.values()]);
  }
}

const MOST = 200; // instruments at a time
const PAGES = 8;

/**
 * So many instruments, in as many answers as they need.
 * @param {Chosen} chosen
 * @param {number} wanted
 * @param {AbortSignal} signal
 */
export async function readCalendar(chosen, wanted, signal) {
  const calendar = new Calendar();
  const { symbols, venue, product, newest } = chosen;
  for (let page = 0; page < PAGES && calendar.rows.size < wanted; page += 1) {
    const limit = Math.min(MOST, wanted - calendar.rows.size);
    const params = { symbols, venue, product, ...days(chosen), newest: chosen.from ? '' : newest, limit, after: calendar.next };
    const { data, next } = await ask('/coverage', params, { signal });
    calendar.add(data);
    calendar.next = next;
    if (!next) break;
  }
  return calendar;
}

/** @param {any} gap */
export function keyOf(gap) {
  return [gap.venue, gap.symbol, gap.ts_from, gap.cause, gap.kind ?? ''].join(' ');
}
