/** Events in words: what one is called, what it says, and how much it matters. */
import { bytes } from '../core/numbers.js';
import { preferences } from '../core/preferences.js';
import { clock, dateTime, dayText, ms } from '../core/time.js';
import { words } from './text.js';

/** @type {{en: Record<string, string>, zh: Record<string, string>}} */
const WORDS = words;
const LONGEST = 200;

/** What happens all day long where all is well; the platform's list. */
export const ROUTINE = new Set([
  'MarketTickReceived', 'TickDataValidated', 'TickPublishedToPubSub', 'TickProcessingPipelineCompleted',
  'MarketBarGenerated', 'BarDataAggregated', 'BarsStoredToClickHouse',
]);
const BAD = new Set([
  'GatewayInitializationFailed', 'GatewayAuthenticationFailed', 'ConnectionRetryExhausted', 'DataGapDetected', 'StreamTruncated',
  'PipelineStalled', 'StreamMadeAnew', 'StorageFillingUp', 'LeaseLost', 'ShardDisagreed',
]);
const WARNING = new Set([
  'MarketSourceDisconnected', 'ConnectionRetryScheduled', 'SubscriptionFailed', 'MarketHalted', 'TradingHoursOverruled',
  'HolidaysNotAnnounced', 'InvalidDataDetected', 'RejectionsSummarized', 'AbnormalPriceDetected', 'StaleDataDetected',
  'DuplicateDataDetected', 'DataQualityDegraded', 'StreamFillingUp', 'FrameRefused', 'StoreReplaced', 'WatermarkRebuilt',
  'StreamReplaced', 'MessagesOutOfChain', 'SessionJoined', 'ClockOff', 'StorageRetryScheduled', 'NetworkLatencyExceeded',
  'MemoryThresholdExceeded', 'ProcessingBacklogDetected', 'DisasterRecoveryActivated', 'LeaseRenewed',
  'JobRunFailed', 'JobRunsMissed', 'DefectsFound',
]);

/** @param {string} name @returns {'bad' | 'warn' | ''} */
export function gravityOf(name) {
  return BAD.has(name) ? 'bad' : WARNING.has(name) ? 'warn' : '';
}

/** Names that there are words for. */
export function knownNames() {
  return Object.keys(WORDS.en).filter((name) => !name.endsWith('_says'));
}

/** What an event is called; one that is not known here by its own name. @param {string} name */
export function titleOf(name) {
  return Object.hasOwn(WORDS.en, name) ? WORDS[preferences.value.language][name] : name;
}

/**
 * What an event says, in one sentence; of one that is not known here its fields.
 * @param {{name: string, venue: string, symbol: string, data: Record<string, unknown>}} event
 */
export function sentenceOf({ name, venue, symbol, data }) {
  if (!Object.hasOwn(WORDS.en, `${name}_says`)) {
    return Object.entries(data).map(([field, value]) => `${field}: ${shownValue(field, value, venue)}`).join(', ');
  }
  const sentence = WORDS[preferences.value.language][`${name}_says`];
  const all = { ...data, venue, symbol };
  return sentence
    .replace(/\{(\w+)\}/g, (_, field) => shownValue(field, Object.hasOwn(all, field) ? all[/** @type {'venue'} */ (field)] : '–', venue))
    .replace(/ {2,}/g, ' ')
    .replace(/ ([:：])/g, '$1')
    .trim();
}

/** @param {string} field @param {unknown} value @param {string} venue */
function shownValue(field, value, venue) {
  if (value === null || value === undefined) return '–';
  if (typeof value === 'object') return JSON.stringify(value).slice(0, LONGEST);
  if (typeof value === 'number' && /^(ts_|table_)/.test(field)) return instant(value, venue);
  if (typeof value === 'number' && (field === 'bytes' || (field === 'limit' && value > 1e6))) return bytes(value);
  if (typeof value === 'number' && !Number.isInteger(value)) return String(Number(value.toPrecision(4)));
  if (field === 'trading_day') return dayText(String(value));
  const text = String(value);
  return text.length > LONGEST ? `${text.slice(0, LONGEST)}…` : text;
}

/** @param {number} ts  nanoseconds, 0 for none @param {string} venue */
function instant(ts, venue) {
  if (!ts) return '–';
  const at = ms(ts);
  return Math.abs(Date.now() - at) < 12 * 3_600_000 ? clock(at, venue || undefined) : dateTime(at, venue || undefined);
}
