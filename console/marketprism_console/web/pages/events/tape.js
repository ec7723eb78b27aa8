/** Events as they come, newest first: the last days are read once, and what happens from then on is put before it. */
import { ask } from '../../core/api.js';
import { Resource } from '../../core/resource.js';
import { Signal } from '../../core/signal.js';
import { stream } from '../../core/stream.js';
import { token } from '../../core/subjects.js';
import { ms } from '../../core/time.js';
import { ROUTINE } from '../../events/words.js';

/**
 * @typedef {object} Row
 * @property {string} key
 * @property {number} order  in which they were said; what a replay says is about days that are long over
 * @property {number} at  milliseconds
 * @property {string} name
 * @property {string} venue
 * @property {string} symbol
 * @property {string} service
 * @property {Record<string, unknown>} data
 */

/** @typedef {{name: string, venue: string, symbol: string, service: string, routine: boolean}} Filters */

const FIRST = 300;
const MOST_HELD = 5000;
const RATE_MS = 5000;
const LATE_MS = 1500;

export class Tape {
  /** @type {Row[]} newest first */
  rows = [];
  /** How many came that the filters leave out. */
  leftOut = 0;
  /** Counts on when something has come. @type {Signal<number>} */
  came = new Signal(0);
  /** Why events of the system itself are not among them. @type {Signal<string>} */
  withoutSystem = new Signal('');
  /** Events may be missing before this moment. @type {Signal<number>} */
  holeAt = new Signal(NaN);
  /** Where older ones may be, null where there are none. @type {number | null} */
  before = null;
  /** @type {Resource<true>} */
  past = new Resource((signal) => this.#load(signal, null));
  /** @type {Resource<true>} */
  older = new Resource((signal) => this.#load(signal, this.before));
  /** @type {Set<string>} */
  #keys = new Set();
  /** Sequence of the newest event of the market. */
  #newest = 0;
  /** @type {Row[]} */
  #coming = [];
  /** @type {number[]} */
  #moments = [];
  /** @type {(() => void)[]} */
  #ends = [];

  /** @param {Filters} filters */
  constructor(filters) {
    this.filters = filters;
  }

  begin() {
    const { name } = this.filters;
    // The past is read when the channel is on: between the two nothing is missed. Where none comes on it is read all the same.
    const late = setTimeout(() => this.past.load(), LATE_MS);
    const read = () => {
      clearTimeout(late);
      void this.past.load();
    };
    this.#ends.push(
      () => clearTimeout(late),
      stream.subscribe(
        { ch: name ? `market.event.${token(name)}` : 'market.event.>', mode: 'all' },
        { onMessage: ({ n, d }) => this.#take(rowOf(n, d)), onBegin: read, onGap: () => (this.holeAt.value = Date.now()) },
      ),
      stream.subscribe(
        { ch: 'system.events', mode: 'all' },
        {
          onMessage: ({ n, d }) => this.#take(systemRowOf(n, d, this.#newest)),
          onBegin: () => (this.withoutSystem.value = ''),
          onError: (error) => (this.withoutSystem.value = String(error.message ?? error.code)),
        },
      ),
    );
  }

  stop() {
    this.past.stop();
    this.older.stop();
    for (const end of this.#ends.splice(0)) end();
  }

  /** Events of the last seconds, for each second. */
  get rate() {
    const since = performance.now() - RATE_MS;
    while (this.#moments.length && this.#moments[0] < since) this.#moments.shift();
    return this.#moments.length / (RATE_MS / 1000);
  }

  /** Put what has come where it belongs; returns the rows. */
  settle() {
    if (this.#coming.length) {
      this.rows = [...this.#coming, ...this.rows].sort((a, b) => b.order - a.order);
      this.#coming = [];
      for (const row of this.rows.splice(MOST_HELD)) this.#keys.delete(row.key);
    }
    return this.rows;
  }

  async loadOlder() {
    if (this.before !== null) await this.older.load();
  }

  /** @param {AbortSignal} signal @param {number | null} before @returns {Promise<true>} */
  async #load(signal, before) {
    const { name, venue, symbol, service, routine } = this.filters;
    const asked = { name, venue, symbol, source: service, routine, limit: FIRST, before };
    const { data } = await ask('/events', asked, { signal });
    if (before !== null || this.past.data === undefined) this.before = data.before;
    for (const each of data.events) this.#hold(rowOf(each.stream_seq, each));
    this.came.value += 1;
    return true;
  }

  /** @param {Row} row */
  #take(row) {
    this.#moments.push(performance.now());
    if (this.#moments.length > 20_000) this.#moments.splice(0, 10_000);
    if (this.#fits(row)) this.#hold(row);
    else this.leftOut += 1;
    this.came.value += 1;
  }

  /** @param {Row} row */
  #hold(row) {
    this.#newest = Math.max(this.#newest, Math.floor(row.order));
    if (this.#keys.has(row.key)) return;
    this.#keys.add(row.key);
    this.#coming.push(row);
    if (this.#coming.length > MOST_HELD) this.settle();
  }

  /** @param {Row} row */
  #fits(row) {
    const { name, venue, symbol, service, routine } = this.filters;
    return (
      (!name || row.name === name) && (!venue || row.venue === venue) && (!symbol || row.symbol === symbol) &&
      (!service || row.service === service) && (routine || !ROUTINE.has(row.name))
    );
  }
}

/** @param {number} n @param {any} found @returns {Row} */
function rowOf(n, found) {
  const { name, venue, symbol, source, ts_event, data } = found;
  return { key: `m${n}`, order: n, at: ms(ts_event), name: String(name), venue, symbol, service: source, data: data ?? {} };
}

/** @param {number} n @param {any} found @param {number} newest  behind which it came @returns {Row} */
function systemRowOf(n, found, newest) {
  const { name, service, ts, event } = found;
  const data = event && typeof event === 'object' ? event : { value: event };
  const order = newest + 0.5 + Math.min(n, 1e9) / 1e10;
  return { key: `s${n}`, order, at: ts ? ms(ts) : Date.now(), name: String(name), venue: '', symbol: '', service: String(service), data };
}

/** The moment that an event is about, where that is another than when it was said. @param {Row} row */
export function momentOf(row) {
  const { ts_from: from, ts_open: open } = row.data;
  const at = typeof from === 'number' && from ? ms(from) : typeof open === 'number' && open ? ms(open) : row.at;
  return Number.isFinite(at) ? new Date(at).toISOString() : '';
}
