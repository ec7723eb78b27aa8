/**
 * Times. On the wire they are nanoseconds UTC, here milliseconds UTC with a fraction; they are shown in the zone that the
 * person has chosen for all pages: the exchange's, UTC, or that of this computer.
 */
import { preferences } from './preferences.js';

const CHINA = 'Asia/Shanghai';
const CHINESE = new Set(['shfe', 'ine', 'dce', 'czce', 'cffex', 'gfex', 'sse', 'szse']);

/**
 * Milliseconds of nanoseconds, or of ISO 8601.
 * @param {number | string | null | undefined} time
 * @returns {number}  NaN where there is none
 */
export function ms(time) {
  if (typeof time === 'string' && !/^-?\d+$/.test(time)) return Date.parse(time);
  // A number of so many digits is not exact any more: what it was off by is below the microsecond.
  return time === null || time === undefined || time === '' ? NaN : Math.round(Number(time) / 1e3) / 1e3;
}

/** @param {string} venue */
export function isChinese(venue) {
  return CHINESE.has(venue.toLowerCase());
}

/**
 * The time zone in which times of a venue are shown now; of no venue, those of the platform.
 * @param {string} [venue]
 * @returns {string | undefined}  undefined is this computer's
 */
function zoneOf(venue = 'shfe') {
  const { zone } = preferences.value;
  if (zone === 'local') return undefined;
  return zone === 'utc' || !isChinese(venue) ? 'UTC' : CHINA;
}

/**
 * How that zone is written beside times: `UTC`, `UTC+8`.
 * @param {string} [venue]
 * @param {number} [at]
 */
export function zoneName(venue, at = Date.now()) {
  const zone = zoneOf(venue);
  if (zone === 'UTC') return 'UTC';
  const parts = formatter(zone, { timeZoneName: 'shortOffset', hour: '2-digit' }).formatToParts(at);
  return (parts.find((part) => part.type === 'timeZoneName')?.value ?? '').replace('GMT', 'UTC');
}

/** @type {Map<string, Intl.DateTimeFormat>} */
const formatters = new Map();

/**
 * @param {string | undefined} zone
 * @param {Intl.DateTimeFormatOptions} options
 */
function formatter(zone, options) {
  const key = `${zone}|${JSON.stringify(options)}`;
  let found = formatters.get(key);
  if (!found) {
    found = new Intl.DateTimeFormat('en-GB', { hourCycle: 'h23', ...options, ...(zone ? { timeZone: zone } : {}) });
    formatters.set(key, found);
  }
  return found;
}

/** @typedef {{y: string, mo: string, d: string, h: string, mi: string, s: string}} Fields */

/**
 * @param {number} at  milliseconds
 * @param {string} [venue]
 * @returns {Fields}
 */
function fieldsOf(at, venue) {
  const options = /** @type {const} */ ({
    year: 'numeric', month: '2-digit', day: '2-digit', hour: '2-digit', minute: '2-digit', second: '2-digit',
  });
  /** @type {Record<string, string>} */
  const found = {};
  for (const part of formatter(zoneOf(venue), options).formatToParts(at)) found[part.type] = part.value;
  return { y: found.year, mo: found.month, d: found.day, h: found.hour, mi: found.minute, s: found.second };
}

/** `21:00:00.500` @param {number} at @param {string} [venue] @param {number} [digits] of a second */
export function clock(at, venue, digits = 0) {
  if (!Number.isFinite(at)) return '–';
  const { h, mi, s } = fieldsOf(at, venue);
  const whole = Math.floor(at / 1000) * 1000;
  const fraction = digits ? `.${Math.floor((at - whole) * 10 ** (digits - 3) + 1e-6).toString().padStart(digits, '0')}` : '';
  return `${h}:${mi}:${s}${fraction}`;
}

/** `21:00` @param {number} at @param {string} [venue] */
export function minute(at, venue) {
  return Number.isFinite(at) ? clock(at, venue).slice(0, 5) : '–';
}

/** `2018-10-09` @param {number} at @param {string} [venue] */
export function date(at, venue) {
  if (!Number.isFinite(at)) return '–';
  const { y, mo, d } = fieldsOf(at, venue);
  return `${y}-${mo}-${d}`;
}

/** `2018-10-09 21:00:00` @param {number} at @param {string} [venue] @param {number} [digits] */
export function dateTime(at, venue, digits = 0) {
  return Number.isFinite(at) ? `${date(at, venue)} ${clock(at, venue, digits)}` : '–';
}

/** `20181009` as `2018-10-09` @param {string | null | undefined} day */
export function dayText(day) {
  return day && /^\d{8}$/.test(day) ? `${day.slice(0, 4)}-${day.slice(4, 6)}-${day.slice(6)}` : day || '–';
}

/** A length of time in the two largest units: `2 h 5 min`, `350 ms`. @param {number} length milliseconds */
export function duration(length) {
  if (!Number.isFinite(length)) return '–';
  const sign = length < 0 ? '−' : '';
  const left = Math.abs(length);
  if (left < 1000) return `${sign}${Math.round(left)} ms`;
  if (left < 60_000) return `${sign}${(left / 1000).toFixed(left < 10_000 ? 1 : 0)} s`;
  const units = /** @type {const} */ ([[86_400_000, 'd'], [3_600_000, 'h'], [60_000, 'min'], [1000, 's']]);
  const first = units.findIndex(([size]) => left >= size);
  const [size, name] = units[first];
  const rest = Math.floor((left % size) / (units[first + 1]?.[0] ?? size));
  return `${sign}${Math.floor(left / size)} ${name}${rest && units[first + 1] ? ` ${rest} ${units[first + 1][1]}` : ''}`;
}
