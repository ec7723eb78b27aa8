/** Quality of instruments as it is asked for, and what is made of it for the screen. */
import { ask } from '../../core/api.js';
import { ms } from '../../core/time.js';
import { countsOf } from './words.js';

/**
 * @typedef {{from: number, to: number, score: number, counts: Record<string, number>, row: any}} Span
 * @typedef {object} Standing
 * @property {string} name
 * @property {string} venue
 * @property {Span[]} spans  oldest first
 * @property {number} now
 * @property {number} mean
 * @property {number} lowest
 * @property {Record<string, number>} sums
 * @property {Record<string, number>} reasons
 * @typedef {{standings: Standing[], next: string}} Overview
 */

const COUNTS = ['ticks', 'accepted', 'rejected', 'stale', 'warned', 'anomalies'];
const DAY = 86_400_000;

/** A day of the address as the instants that it has. @param {Record<string, string>} params */
export function rangeOf({ from = '', to = '' }) {
  // A day is that of the exchanges, from midnight to midnight in China, as the server reads one.
  const end = Date.parse(`${to}T00:00:00+08:00`);
  return { from, to: Number.isFinite(end) ? new Date(end + DAY).toISOString() : '' };
}

/**
 * @param {Record<string, string>} params  of the address
 * @param {number} wanted  instruments
 * @param {AbortSignal} signal
 * @returns {Promise<Overview>}
 */
export async function readOverview(params, wanted, signal) {
  const { symbols, venue, product } = params;
  /** @type {any[]} */
  const rows = [];
  let [next, names] = ['', 0];
  do {
    const answer = await ask('/quality', { symbols, venue, product, ...rangeOf(params), limit: Math.min(200, wanted - names), after: next }, { signal });
    rows.push(...answer.data);
    next = answer.next;
    names += 200;
  } while (next && names < wanted);
  return { standings: standingsOf(rows), next };
}

/** One of each instrument, the worst first. @param {any[]} rows @returns {Standing[]} */
function standingsOf(rows) {
  /** @type {Map<string, Span[]>} */
  const spans = new Map();
  for (const row of rows) {
    const name = `${row.venue}.${row.symbol}`;
    const span = { from: ms(row.ts_from), to: ms(row.ts_to), score: row.score, counts: countsOf(row.reasons), row };
    spans.set(name, [...(spans.get(name) ?? []), span]);
  }
  const standings = [...spans].map(([name, each]) => standingOf(name, each));
  return standings.sort((a, b) => a.now - b.now || a.mean - b.mean || a.name.localeCompare(b.name));
}

/** @param {string} name @param {Span[]} spans @returns {Standing} */
function standingOf(name, spans) {
  /** @type {Record<string, number>} */
  const sums = Object.fromEntries(COUNTS.map((key) => [key, 0]));
  for (const { row } of spans) for (const key of COUNTS) sums[key] += row[key];
  const weighted = spans.reduce((sum, span) => sum + span.score * span.row.ticks, 0);
  const mean = sums.ticks ? weighted / sums.ticks : spans.reduce((sum, span) => sum + span.score, 0) / spans.length;
  const reasons = added(spans.map((span) => span.counts));
  const lowest = Math.min(...spans.map(({ row }) => row.lowest));
  return { name, venue: spans[0].row.venue, spans, now: spans[spans.length - 1].score, mean, lowest, sums, reasons };
}

/** @param {Record<string, number>[]} all */
export function added(all) {
  /** @type {Record<string, number>} */
  const found = {};
  for (const counts of all) for (const [reason, many] of Object.entries(counts)) found[reason] = (found[reason] ?? 0) + many;
  return found;
}

/** A window that has closed now, put where it belongs. @param {any} window @param {Standing[]} standings @returns {Standing[]} */
export function withWindow(standings, window) {
  const name = `${window.venue}.${window.symbol}`;
  return standings
    .map((standing) => {
      if (standing.name !== name) return standing;
      const row = { ...window, lowest: window.score };
      const span = { from: ms(window.ts_from), to: ms(window.ts_to), score: window.score, counts: countsOf(window.reasons), row };
      const last = standing.spans[standing.spans.length - 1];
      return span.from < last.to ? standing : standingOf(name, [...standing.spans, span]);
    })
    .sort((a, b) => a.now - b.now || a.mean - b.mean || a.name.localeCompare(b.name));
}
