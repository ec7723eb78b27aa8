/** Instruments: found by code, name or pinyin. */
import { ask } from './api.js';

/**
 * @typedef {object} Instrument
 * @property {string} venue
 * @property {string} symbol
 * @property {string} product
 * @property {string} class_
 * @property {string} name  in Chinese, as the venue or its product is called
 * @property {string} english
 * @property {boolean} stored  there is data of it
 */

/**
 * @param {string} text
 * @param {number} limit
 * @param {{venue?: string, signal?: AbortSignal}} [options]
 * @returns {Promise<Instrument[]>}
 */
export async function findInstruments(text, limit, options = {}) {
  const { data } = await ask('/search', { text, limit, venue: options.venue }, options);
  return data;
}

/**
 * Venue and symbol of what stands behind `/market/`: `shfe.rb2605`, and symbols that hold points themselves.
 * @param {string} text
 * @returns {{venue: string, symbol: string} | null}
 */
export function instrumentOf(text) {
  const at = text.indexOf('.');
  return at > 0 && at < text.length - 1 ? { venue: text.slice(0, at), symbol: text.slice(at + 1) } : null;
}
