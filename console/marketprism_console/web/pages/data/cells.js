/** What a day of an instrument is in the calendar: a sign, a class for its colour, and its words. */
import { percent } from '../../core/numbers.js';
import { dayText } from '../../core/time.js';
import { t } from './text.js';

/** @typedef {{venue: string, symbol: string, trading_day: string, bars: number, gap_bars: number, gaps: number, gap_ns: number,
 *   minutes: number | null, complete: number | null}} Day  of bars of a minute, or of another series: then `minutes` are bars */

/** Signs by class, the best first. */
export const SIGNS = /** @type {const} */ ({ full: '●', most: '◕', half: '◑', few: '◔', missing: '✕', extra: '＋', none: '' });
const FULL = 0.9995; // four digits are what the server says

/** @param {Day | undefined} day @returns {keyof typeof SIGNS} */
export function stateOf(day) {
  if (!day) return 'none';
  if (!day.minutes) return 'extra';
  const share = day.complete ?? 0;
  if (!day.bars) return 'missing';
  if (share >= FULL) return 'full';
  if (share >= 0.9) return 'most';
  return share >= 0.5 ? 'half' : 'few';
}

/** In words. @param {string} symbol @param {string} column @param {Day | undefined} day */
export function wordsOf(symbol, column, day) {
  return t('cell', { symbol, day: dayText(column), state: stateWords(day) });
}

/** @param {Day | undefined} day */
function stateWords(day) {
  if (!day) return t('state_none');
  const values = { bars: day.bars, minutes: day.minutes ?? 0, percent: percent(day.complete, 1, 1) };
  const state = stateOf(day);
  const key = state === 'most' || state === 'half' || state === 'few' ? 'part' : state;
  const words = t(`state_${/** @type {'full' | 'part' | 'missing' | 'extra' | 'none'} */ (key)}`, values);
  return day.gaps ? `${words}; ${t('state_gaps', { gaps: day.gaps })}` : words;
}
