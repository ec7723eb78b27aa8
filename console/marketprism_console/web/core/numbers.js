/** Numbers. Prices and amounts are the venue's own decimal text: they are shown as it wrote them, never rounded anew. */
import { preferences } from './preferences.js';

/** @typedef {string | number | null | undefined} Decimal */

/**
 * With commas between thousands: `1234567.50` is `1,234,567.50`.
 * @param {Decimal} value
 */
export function grouped(value) {
  if (value === null || value === undefined || value === '') return '–';
  const text = String(value);
  const match = /^([-+]?)(\d+)(\.\d+)?$/.exec(text);
  return match ? match[1] + match[2].replace(/\B(?=(\d{3})+$)/g, ',') + (match[3] ?? '') : text;
}

/** @param {string} text @returns {[bigint, number]} digits, and how many of them are behind the point */
function scaled(text) {
  const match = /^([-+]?)(\d*)(?:\.(\d*))?(?:[eE]([-+]?\d+))?$/.exec(text.trim());
  if (!match || !(match[2] || match[3])) throw new RangeError(`expected a decimal, was ${text.slice(0, 40)}`);
  let behind = (match[3] ?? '').length - Number(match[4] ?? 0);
  let digits = BigInt((match[2] || '') + (match[3] ?? ''));
  if (behind < 0) {
    digits *= 10n ** BigInt(-behind);
    behind = 0;
  }
  return [match[1] === '-' ? -digits : digits, behind];
}

/** @param {bigint} digits @param {number} behind how many of them stand behind the point */
function written(digits, behind) {
  const text = (digits < 0n ? -digits : digits).toString().padStart(behind + 1, '0');
  const whole = behind ? `${text.slice(0, -behind)}.${text.slice(-behind)}` : text;
  return (digits < 0n ? '-' : '') + whole;
}

/** The exact difference of two decimals; empty where one is missing. @param {Decimal} a @param {Decimal} b */
export function minus(a, b) {
  if (a === null || a === undefined || a === '' || b === null || b === undefined || b === '') return '';
  const [left, leftPlaces] = scaled(String(a));
  const [right, rightPlaces] = scaled(String(b));
  const most = Math.max(leftPlaces, rightPlaces);
  return written(left * 10n ** BigInt(most - leftPlaces) - right * 10n ** BigInt(most - rightPlaces), most);
}

/** The exact sum of two decimals. @param {Decimal} a @param {Decimal} b */
export function plus(a, b) {
  return minus(a, minus('0', b));
}

/** How many digits stand behind the point, no trailing zeros counted. @param {Decimal} value */
export function places(value) {
  const match = /\.(\d*?)0*$/.exec(String(value ?? ''));
  return match ? match[1].length : 0;
}

/** @param {Decimal} part @param {Decimal} whole @param {number} [digits] */
export function percent(part, whole, digits = 2) {
  const share = Number(part) / Number(whole);
  return Number.isFinite(share) && part !== '' && part !== null ? `${(share * 100).toFixed(digits)}%` : '–';
}

/** A count: `12,345`. @param {number} value */
export function count(value) {
  return Number.isFinite(value) ? Math.round(value).toLocaleString('en-US') : '–';
}

/** A large amount in few characters: 12.3k, 1.2万. @param {Decimal} value */
export function short(value) {
  const number = Number(value);
  if (value === null || value === undefined || value === '' || !Number.isFinite(number)) return '–';
  const locale = preferences.value.language === 'zh' ? 'zh-CN' : 'en-US';
  return number.toLocaleString(locale, { notation: 'compact', maximumFractionDigits: 2 });
}

/** @param {number} size */
export function bytes(size) {
  if (!Number.isFinite(size)) return '–';
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  let at = 0;
  while (size >= 1000 && at < units.length - 1) {
    size /= 1000;
    at += 1;
  }
  return `${size.toFixed(at && size < 100 ? 1 : 0)} ${units[at]}`;
}
