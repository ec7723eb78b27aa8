/** How the pipeline's numbers went while somebody looked: once a second, for as long as the system is watched. */
import { Signal } from '../core/signal.js';
import { stream } from '../core/stream.js';
import { isAsked, system } from './live.js';
import { Series } from './series.js';
import { shared } from './shared.js';

const KEPT_MS = 6 * 60_000;

export const accepted = new Series(KEPT_MS);
/** By stage: messages that it is behind. @type {Map<string, Series>} */
export const behind = new Map();
/** By stream: its last sequence, which counts what was written; and its bytes. @type {Map<string, {written: Series, bytes: Series}>} */
export const streams = new Map();

/** Counts the seconds in which something was counted. @type {Signal<number>} */
export const counted = new Signal(0);

function sample() {
  // While nothing is heard the numbers are not known: a hole, no standstill.
  if (stream.state.value.is !== 'live' && !isAsked.value) return;
  const now = Date.now();
  const lags = system.lags.value?.value;
  if (lags) {
    accepted.add(lags.accepted, now);
    for (const { stage, behind: count } of lags.stages) seriesOf(behind, stage, () => new Series(KEPT_MS)).add(count, now);
  }
  for (const row of system.streams.value?.value ?? []) {
    const of = seriesOf(streams, row.stream, () => ({ written: new Series(KEPT_MS), bytes: new Series(KEPT_MS) }));
    of.written.add(row.last_seq, now);
    of.bytes.add(row.bytes, now);
  }
  counted.value += 1;
}

/**
 * @template T
 * @param {Map<string, T>} all
 * @param {string} key
 * @param {() => T} make
 * @returns {T}
 */
function seriesOf(all, key, make) {
  let found = all.get(key);
  if (!found) {
    found = make();
    all.set(key, found);
  }
  return found;
}

/** Count for as long as a part is in the page. */
export const countSystem = shared(() => {
  const timer = setInterval(() => document.hidden || sample(), 1000);
  return () => clearInterval(timer);
});

/** Ticks in a second now. */
export function ticksPerSecond() {
  return accepted.rate(6000);
}

const STEADY = 0.01; // of a backlog in a second: what changes by less stays as it is

/**
 * Whether a backlog gets less at the pace of the last half minute, and if so in how many milliseconds it will be gone.
 * @param {string} stage
 * @param {number} left  messages that it is behind now
 * @returns {{is: 'unknown' | 'empty' | 'grows' | 'steady'} | {is: 'shrinks', emptyIn: number}}
 */
export function trendOf(stage, left) {
  if (left === 0) return { is: 'empty' };
  const rate = behind.get(stage)?.rate(30_000) ?? NaN;
  if (Number.isNaN(rate)) return { is: 'unknown' };
  if (Math.abs(rate) < Math.max(1, left * STEADY)) return { is: 'steady' };
  return rate < 0 ? { is: 'shrinks', emptyIn: (left / -rate) * 1000 } : { is: 'grows' };
}
