/** From bars, sections and gaps to what a chart draws. Nothing here knows of the screen. */
import { ms } from '../core/time.js';

/**
 * @typedef {object} Candle
 * @property {number} time  opening of its window, milliseconds
 * @property {string} day  trading day
 * @property {string} open
 * @property {string} high
 * @property {string} low
 * @property {string} close
 * @property {string} volume
 * @property {string} turnover
 * @property {string | null} interest
 * @property {number} ticks
 * @property {number} revision
 * @property {boolean} gap  data is known to be missing in it
 * @property {boolean} [forming]  it is not closed
 * @property {boolean} [rolled]  the first of another contract
 * @property {string} [contract]
 */

/** What is asked for of a stored bar: half of what there is of it. */
export const BAR_FIELDS = 'trading_day,ts_open,open,high,low,close,volume,turnover,open_interest,ticks,revision,gap';

/** @param {any} row  a bar of the API or of the live stream @returns {Candle} */
export function candleOf(row) {
  return {
    time: ms(row.ts_open),
    day: row.trading_day,
    open: String(row.open),
    high: String(row.high),
    low: String(row.low),
    close: String(row.close),
    volume: String(row.volume),
    turnover: String(row.turnover ?? ''),
    interest: row.open_interest === null || row.open_interest === undefined ? null : String(row.open_interest),
    ticks: Number(row.ticks ?? 0),
    revision: Number(row.revision ?? 0),
    gap: Boolean(row.gap),
  };
}

/**
 * @typedef {object} Hole  a gap as it lies on the chart
 * @property {number} from  first point of it
 * @property {number} to  last point of it
 * @property {any} gap
 */

/**
 * @typedef {object} Laid
 * @property {number[]} times  of all points, bars and holes, in order
 * @property {{time: number, isDay: boolean, day: string}[]} breaks  first point of each section
 * @property {Hole[]} holes
 */

/**
 * Where everything lies: a break takes no room and gets a line, a gap takes the room of what is missing.
 * @param {Candle[]} candles  in order
 * @param {any[]} gaps  of the ledger
 * @param {import('./windows.js').Windows} windows
 * @returns {Laid}
 */
export function laid(candles, gaps, windows) {
  if (!candles.length) return { times: [], breaks: [], holes: [] };
  const known = new Set(candles.map((candle) => candle.time));
  const [first, last] = [candles[0].time, candles[candles.length - 1].time];
  /** @type {[any, number[]][]} */
  const touched = gaps.map((gap) => [gap, windows.between(ms(gap.ts_from), ms(gap.ts_to))]);
  for (const [, opens] of touched) for (const open of opens) if (open > first && open < last) known.add(open);
  const times = [...known].sort((a, b) => a - b);

  const breaks = [];
  let section = windows.sectionOf(times[0]);
  for (const time of times) {
    const found = windows.sectionOf(time);
    if (found && found !== section) breaks.push({ time, isDay: found.day !== section?.day, day: found.day });
    section = found ?? section;
  }

  /** @type {Hole[]} */
  const holes = [];
  for (const [gap, opens] of touched) {
    // Windows of days and of trades are not counted: there a gap lies on the bars that it falls into.
    const on = opens.length ? opens.filter((open) => known.has(open)) : within(times, ms(gap.ts_from), ms(gap.ts_to));
    if (on.length) holes.push({ from: on[0], to: on[on.length - 1], gap });
  }
  return { times, breaks, holes };
}

/** Points between two instants, and the one before them. @param {number[]} times @param {number} from @param {number} to */
function within(times, from, to) {
  let at = times.findLastIndex((time) => time <= from);
  if (at < 0) at = 0;
  const found = [];
  for (; at < times.length && times[at] < to; at += 1) found.push(times[at]);
  return found;
}

/**
 * Bars of another instrument at the times of this one's, the forming one with them.
 * @param {{laid: Laid, forming: Candle | null}} history
 * @param {{candles: Candle[], forming: Candle | null}} other
 */
export function comparable(history, other) {
  const times = new Set(history.laid.times);
  if (history.forming) times.add(history.forming.time);
  const found = other.candles.filter((each) => times.has(each.time));
  const { forming } = other;
  if (forming && times.has(forming.time) && forming.time > (found.at(-1)?.time ?? -Infinity)) found.push(forming);
  return found;
}

/** Simple moving average of the closes; null before there are enough. @param {Candle[]} candles @param {number} length */
export function average(candles, length) {
  let sum = 0;
  return candles.map((candle, at) => {
    sum += Number(candle.close) - (at >= length ? Number(candles[at - length].close) : 0);
    return at >= length - 1 ? sum / length : null;
  });
}

/** Volume-weighted average price since the trading day began. @param {Candle[]} candles */
export function vwap(candles) {
  let day = '';
  let volume = 0;
  let amount = 0;
  return candles.map((candle) => {
    if (candle.day !== day) [day, volume, amount] = [candle.day, 0, 0];
    const typical = (Number(candle.high) + Number(candle.low) + Number(candle.close)) / 3;
    volume += Number(candle.volume);
    amount += typical * Number(candle.volume);
    return volume ? amount / volume : null;
  });
}
