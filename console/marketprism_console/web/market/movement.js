/** How the price stands to where the day began: the settlement before, else the close before, else the open. */
import { minus, percent } from '../core/numbers.js';

const SINCE = /** @type {const} */ (['pre_settlement', 'pre_close', 'open']);
const SIGNS = { up: '▲', down: '▼', '': '' };

/**
 * @typedef {object} Movement
 * @property {'up' | 'down' | ''} way
 * @property {string} sign
 * @property {'pre_settlement' | 'pre_close' | 'open'} since  what it is compared with
 * @property {string} base
 * @property {string} moved  the exact difference with its sign, empty where the venue gives nothing to compare with
 * @property {string} share  the same in percent
 */

/** @param {any} tick @returns {Movement} */
export function movementOf(tick) {
  const since = SINCE.find((name) => tick[name] !== null && tick[name] !== undefined) ?? 'open';
  const base = tick[since] ?? '';
  const moved = minus(tick.last, base);
  const way = Number(moved) > 0 ? 'up' : Number(moved) < 0 ? 'down' : '';
  const plus = way === 'up' ? '+' : '';
  return { way, sign: SIGNS[way], since, base, moved: plus + moved, share: moved && plus + percent(moved, base) };
}
