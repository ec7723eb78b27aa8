/** A series of the store: what it is called here, and the days of a month or a year of it. */
import { instrumentOf } from '../../core/instruments.js';
import { isChinese } from '../../core/time.js';

/** @typedef {{kind: string, venue: string, symbol: string, interval: string, first: number, last: number, rows: number | null}} Series */
/** @typedef {{trading_day: string, expected: number, present: number}} SeriesDay */

const DAY_MS = 86_400_000;
const LONGEST_HOLIDAY = 12; // days: a night session may begin so long before its trading day
const UNITS = /** @type {Record<string, number>} */ ({ s: 1000, m: 60_000, h: 3_600_000, d: DAY_MS, w: 7 * DAY_MS });

/** @param {{kind: string, venue: string, symbol: string, interval: string}} row */
export function nameOf({ kind, venue, symbol, interval }) {
  return [`${venue}.${symbol}`, kind, interval].filter(Boolean).join(' ');
}

/** By what the service knows a series. @param {Series} row */
export function keyOf({ kind, venue, symbol, interval }) {
  return `${kind}.${venue}.${symbol}.${interval}`;
}

/** The series of a name. @param {string} name */
export function seriesOf(name) {
  const [instrument, kind = '', interval = ''] = name.split(' ');
  const found = instrumentOf(instrument);
  return found && { ...found, kind, interval };
}

/** Whether it is a month or a year. @param {string} text */
export function isPeriod(text) {
  return /^(19|20)\d\d(-(0[1-9]|1[0-2]))?$/.test(text);
}

/** Another month, or year. @param {string} period @param {number} by */
export function shifted(period, by) {
  const [year, month] = period.split('-').map(Number);
  if (!month) return String(year + by);
  const at = year * 12 + month - 1 + by;
  return `${Math.floor(at / 12)}-${String((at % 12) + 1).padStart(2, '0')}`;
}

/** Midnight of a day where the venue is, milliseconds. @param {string} day  2018-10-08 @param {string} venue */
export function midnight(day, venue) {
  return Date.parse(`${day}T00:00:00${isChinese(venue) ? '+08:00' : 'Z'}`);
}

/** Nanoseconds, exact: milliseconds of whole seconds have their last nine digits 0. @param {number} time */
function ns(time) {
  return String(BigInt(Math.round(time)) * 1_000_000n);
}

/** Days of a period and, at its begin, those on which its first trading day may begin. @param {string} period @param {string} venue */
export function rangeOf(period, venue) {
  const next = shifted(period, 1);
  const first = (/** @type {string} */ each) => midnight(each.length > 4 ? `${each}-01` : `${each}-01-01`, venue);
  return { from: ns(first(period) - LONGEST_HOLIDAY * DAY_MS), to: ns(first(next)) };
}

/** The same of one trading day. @param {string} day  20181008 @param {string} venue */
export function rangeOfDay(day, venue) {
  const begin = midnight(`${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}`, venue);
  return { from: ns(begin - (isChinese(venue) ? LONGEST_HOLIDAY * DAY_MS : 0)), to: ns(begin + DAY_MS) };
}

/**
 * The days of a period as the calendar shows them.
 * @param {Series} row @param {SeriesDay[]} days @param {string} period
 */
export function daysOf({ venue, symbol }, days, period) {
  const prefix = period.replace('-', '');
  const within = days.filter(({ trading_day: day }) => day.startsWith(prefix));
  return new Map(
    within.map(({ trading_day: day, expected, present }) => [
      day,
      { venue, symbol, trading_day: day, bars: present, minutes: expected, complete: expected ? present / expected : null, gaps: 0, gap_bars: 0, gap_ns: 0 },
    ]),
  );
}

/**
 * What is missing of a range, of which only some ranges are there.
 * @param {{dataset: any, ranges: any[]}} coverage  the ranges in order
 */
export function missingOf({ dataset, ranges }) {
  const ends = [dataset.ts_from, ...ranges.flatMap((each) => [each.ts_from, each.ts_to]), dataset.ts_to];
  return Array.from({ length: ends.length / 2 }, (_, n) => ({ ts_from: ends[2 * n], ts_to: ends[2 * n + 1] }));
}

/** How long a bar of an interval is, milliseconds; NaN where that is no length. @param {string} interval */
export function lengthOfBar(interval) {
  const found = /^(\d+)([smhdw])$/.exec(interval);
  return found ? Number(found[1]) * UNITS[found[2]] : NaN;
}
