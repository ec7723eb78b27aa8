/** Values that somebody has typed for rules: read, checked, and as they stand in the address bar. */
import { t } from './text.js';

/**
 * @typedef {number | Record<string, number>} Value
 * @typedef {{version: number, ts: number | null, who: string, reason: string}} Changed
 * @typedef {object} Rule
 * @property {string} name
 * @property {Value} value
 * @property {Value} default
 * @property {number} lowest
 * @property {number} highest
 * @property {string} unit
 * @property {boolean} whole
 * @property {boolean} by_venue
 * @property {{en: string, zh: string}} text
 * @property {'default' | 'settings' | 'changed'} origin
 * @property {Changed | null} changed
 * @typedef {object} Rules
 * @property {number} version
 * @property {Changed | null} changed
 * @property {Rule[]} rules
 * @property {{rules: string[], sign: '<' | '<=', text: string}[]} orders
 * @property {{instance: string, version: number | null, is_current: boolean, problem: string}[]} validators
 * @typedef {Record<string, string>} Drafts  what is typed, by the name of the rule
 */

/** @param {Value | undefined} value */
export function textOf(value) {
  if (value === undefined) return '–';
  if (typeof value === 'number') return String(value);
  const rows = Object.entries(value);
  return rows.map(([venue, seconds]) => `${venue}=${seconds}`).join(', ');
}

/**
 * The value that a text stands for.
 * @param {Rule} rule
 * @param {string} text
 * @returns {Value | null}  null where it is none
 */
function valueOf(rule, text) {
  if (!rule.by_venue) return numberOf(rule, text);
  /** @type {Record<string, number>} */
  const found = {};
  for (const part of text.split(/[,;，；]/)) {
    if (!part.trim()) continue;
    const match = /^\s*([a-z0-9_-]+)\s*[=:]\s*(\S+)\s*$/.exec(part);
    const number = match && numberOf(rule, match[2]);
    if (!match || number === null) return null;
    found[match[1]] = number;
  }
  return found;
}

/** @param {Rule} rule @param {string} text */
function numberOf(rule, text) {
  const number = /^\s*-?\d+(\.\d+)?([eE][-+]?\d+)?\s*$/.test(text) ? Number(text) : NaN;
  const isIn = number >= rule.lowest && number <= rule.highest;
  return isIn && (!rule.whole || Number.isInteger(number)) ? number : null;
}

/** @param {Value} a @param {Value} b */
function isSame(a, b) {
  return typeof a === 'number' || typeof b === 'number' ? a === b : sortedText(a) === sortedText(b);
}

/** @param {Record<string, number>} value */
function sortedText(value) {
  return JSON.stringify(Object.entries(value).sort());
}

/**
 * What would be changed, and what is wrong with it, by the name of the rule.
 * @param {Rules} rules
 * @param {Drafts} drafts
 */
export function checked({ rules, orders }, drafts) {
  /** @type {Record<string, Value>} */
  const changes = {};
  /** @type {Record<string, string>} */
  const problems = {};
  for (const rule of rules) {
    const text = drafts[rule.name];
    if (text === undefined) continue;
    const value = valueOf(rule, text);
    if (value === null) {
      const bounds = { lowest: rule.lowest, highest: rule.highest };
      problems[rule.name] = rule.by_venue ? t('wrong_venues', bounds) : t(rule.whole ? 'wrong_whole' : 'wrong_number', bounds);
    } else if (!isSame(value, rule.value)) changes[rule.name] = value;
  }
  const now = Object.fromEntries(rules.map((rule) => [rule.name, changes[rule.name] ?? rule.value]));
  for (const order of orders) {
    const values = order.rules.map((name) => Number(now[name]));
    const holds = values.every((value, at) => !at || (order.sign === '<' ? values[at - 1] < value : values[at - 1] <= value));
    if (holds) continue;
    for (const name of order.rules) if (name in changes) problems[name] = t('wrong_order', { order: order.text });
  }
  return { changes, problems };
}

/** @param {Drafts} drafts */
export function written(drafts) {
  const rows = Object.entries(drafts).map(([name, text]) => `${name}:${text}`);
  return rows.length ? rows.join('|') : null;
}

/** @param {string | undefined} text @returns {Drafts} */
export function read(text) {
  const rows = (text ?? '').slice(0, 2000).split('|').map((row) => /^([a-z0-9_]{1,40}):(.{0,400})$/s.exec(row));
  return Object.fromEntries(rows.flatMap((row) => (row ? [[row[1], row[2]]] : [])));
}

/**
 * What has to be typed for the rules to be as they were.
 * @param {Rules} rules
 * @param {Record<string, Value>} wanted
 */
export function draftsOf({ rules }, wanted) {
  const others = rules.filter((rule) => wanted[rule.name] !== undefined && !isSame(wanted[rule.name], rule.value));
  return Object.fromEntries(others.map((rule) => [rule.name, textOf(wanted[rule.name])]));
}
