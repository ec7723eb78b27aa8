/** What is asked of whoever wants a job, and what is made of what they fill in. */
import { midnight } from '../series.js';

/**
 * @typedef {'text' | 'list' | 'day' | 'choice' | 'several' | 'flag' | 'pairs'} FieldKind
 * @typedef {{name: string, kind: FieldKind, choices?: string[], like?: string, isRare?: boolean}} Field  `isRare`: few need it
 */

const KINDS = ['kline', 'bar', 'trade', 'funding_rate', 'open_interest'];
/** @type {Field[]} */
const SERIES = [
  { name: 'venue', kind: 'text', like: 'shfe, binance-usdm' },
  { name: 'symbols', kind: 'list', like: 'ru1901, BTC-USDT' },
  { name: 'pattern', kind: 'text', like: 'BTC-*' },
];
/** @type {Field[]} */
const RANGE = [
  { name: 'interval', kind: 'text', like: '1m' },
  { name: 'from', kind: 'day' },
  { name: 'to', kind: 'day' },
];
/** @type {Field} */
const CONFIRM = { name: 'confirm', kind: 'flag', isRare: true };

/** @type {Record<string, Field[]>} */
export const FORMS = {
  check: [
    ...SERIES,
    { name: 'kind', kind: 'choice', choices: ['', 'bar', 'kline', 'trade', 'funding_rate', 'open_interest'] },
    ...RANGE,
    { name: 'witnesses', kind: 'several', choices: ['daily', 'kline', 'trade', 'ticks', 'product'], isRare: true },
    { name: 'dense', kind: 'choice', choices: ['', 'true', 'false'], isRare: true },
    CONFIRM,
  ],
  download: [
    ...SERIES,
    { name: 'kind', kind: 'choice', choices: KINDS.filter((each) => each !== 'bar') },
    ...RANGE,
    { name: 'mode', kind: 'choice', choices: ['missing', 'all'] },
    { name: 'source', kind: 'choice', choices: ['auto', 'rest', 'archive'] },
    CONFIRM,
  ],
  import: [
    { name: 'path', kind: 'text', like: 'BTCUSDT-1m-2024-01.zip' },
    { name: 'venue', kind: 'text', like: 'shfe, binance-usdm' },
    { name: 'symbol', kind: 'text', like: 'cu1905' },
    { name: 'interval', kind: 'text', like: '1m' },
    { name: 'kind', kind: 'choice', choices: ['', 'bar', 'kline'], isRare: true },
    { name: 'mapping', kind: 'pairs', like: 'open=o', isRare: true },
    { name: 'contract_size', kind: 'text', like: '0.01', isRare: true },
    { name: 'replace', kind: 'flag', isRare: true },
    { name: 'simulated', kind: 'flag', isRare: true },
  ],
};

const NAMES = /** @type {Record<string, string>} */ ({ ts_from: 'from', ts_to: 'to' });

/** The field of a form that a refusal is about, by what the service calls it. @param {import('../../../core/api.js').ApiError} error */
export function fieldOf({ details, message }) {
  const first = /^(\w+)/.exec(details.field ?? /^[\w.[\]]+(?=:)/.exec(message)?.[0] ?? '')?.[1] ?? '';
  return NAMES[first] ?? first;
}

/**
 * The request of what is filled in; days are those of the venue's clocks, and `to` is the last of them.
 * @param {Field[]} fields @param {FormData} form
 */
export function bodyOf(fields, form) {
  const body = /** @type {Record<string, unknown>} */ ({});
  const venue = String(form.get('venue') ?? '').trim();
  for (const { name, kind } of fields) {
    const text = String(form.get(name) ?? '').trim();
    if (!text) continue;
    if (kind === 'flag') body[name] = true;
    else if (kind === 'list') body[name] = text.split(/[\s,，;；]+/).filter(Boolean);
    else if (kind === 'several') body[name] = form.getAll(name);
    else if (kind === 'day') body[`ts_${name}`] = instant(text, venue, name === 'to' ? 1 : 0);
    else if (kind === 'pairs') body[name] = Object.fromEntries(text.split('\n').filter(Boolean).map((line) => line.split('=', 2).map((each) => each.trim())));
    else body[name] = name === 'dense' ? text === 'true' : text;
  }
  return body;
}

/** Nanoseconds of a midnight, which a number holds exactly. @param {string} day @param {string} venue @param {number} later  days */
function instant(day, venue, later) {
  return (midnight(day, venue) + later * 86_400_000) * 1e6;
}
