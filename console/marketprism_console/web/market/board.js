/** What crypto exchanges say of each contract, the newest of each kind. */
import { ask } from '../core/api.js';
import { serverNow } from '../core/server_clock.js';
import { stream } from '../core/stream.js';
import { token } from '../core/subjects.js';
import { ms } from '../core/time.js';

/**
 * @typedef {object} BoardRow
 * @property {string} venue
 * @property {string} symbol
 * @property {string} last
 * @property {string} open  24 hours ago
 * @property {string} high  of 24 hours, as `low` and `volume`
 * @property {string} low
 * @property {string} volume
 * @property {string} mark
 * @property {string} index
 * @property {string} rate  of one interval, a fraction
 * @property {number} intervalS  NaN where the venue does not say it
 * @property {number} fundingAt  when it is exchanged, NaN where that is continuous
 * @property {string} interest
 * @property {string} interestBefore  a day ago
 */

const KINDS = ['ticker', 'mark_price', 'funding_rate', 'open_interest'];
const TAPE = 200;
const MOST = 2000;
const STORED_MS = 10_000; // what has only begun to come is stored by then
const MOST_ASKED = 200; // as many as a page shows
const DAY_MS = 86_400_000;

export class CryptoBoard {
  /** @type {Map<string, BoardRow>} */
  #rows = new Map();
  /** @type {any[]} newest first */
  liquidations = [];
  /** @type {(() => void)[]} */
  #ends = [];
  /** The last of the requests for what was a day ago. @type {Promise<void>} */
  #asking = Promise.resolve();
  #asked = 0;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #soon;
  #changed;
  #of;

  /** @param {() => void} changed @param {{venue: string, symbol: string}} [of]  without it all there are */
  constructor(changed, of) {
    this.#changed = changed;
    this.#asked = of ? MOST_ASKED : 0; // of one alone the change of a day is not shown
    this.#of = of ? `market.${token(of.venue)}.${token(of.symbol)}` : 'market.*.*';
  }

  /** What is said anew each time: it begins with the newest of each. */
  follow() {
    this.#asking = new Promise((resolve) => (this.#soon = setTimeout(resolve, STORED_MS)));
    for (const kind of KINDS) {
      const onMessage = (/** @type {any} */ { d }) => this.#take(kind, d);
      this.#ends.push(stream.subscribe({ ch: `${this.#of}.${kind}`, mode: 'latest', every_ms: 500, snapshot: 1 }, { onMessage }));
    }
  }

  /** What is said once. */
  followLiquidations() {
    const onMessage = (/** @type {any} */ { d }) => {
      this.liquidations.unshift(d);
      if (this.liquidations.length > TAPE) this.liquidations.length = TAPE;
      this.#changed();
    };
    this.#ends.push(stream.subscribe({ ch: `${this.#of}.liquidation`, mode: 'all', snapshot: 1 }, { onMessage }));
  }

  stop() {
    clearTimeout(this.#soon);
    for (const end of this.#ends.splice(0)) end();
  }

  /** @param {string} venue @param {string} symbol */
  rowOf(venue, symbol) {
    return this.#rows.get(`${venue}.${symbol}`);
  }

  /** Contracts of which something is known, by instrument and venue. */
  rows() {
    const found = [...this.#rows.values()].filter((row) => row.mark || row.rate || row.interest);
    return found.sort((a, b) => (a.symbol === b.symbol ? (a.venue < b.venue ? -1 : 1) : a.symbol < b.symbol ? -1 : 1));
  }

  /** @param {string} kind @param {any} d */
  #take(kind, d) {
    const key = `${d.venue}.${d.symbol}`;
    let row = this.#rows.get(key);
    if (!row) {
      if (this.#rows.size >= MOST) return;
      row = {
        venue: String(d.venue), symbol: String(d.symbol), last: '', open: '', high: '', low: '', volume: '', mark: '', index: '',
        rate: '', intervalS: NaN, fundingAt: NaN, interest: '', interestBefore: '',
      };
      this.#rows.set(key, row);
    }
    if (kind === 'ticker') {
      for (const name of /** @type {const} */ (['last', 'open', 'high', 'low', 'volume'])) row[name] = text(d[name]) || row[name];
    }
    row.mark = text(d.mark_price) || row.mark;
    row.index = text(d.index_price) || row.index;
    if (kind === 'funding_rate') {
      row.rate = text(d.rate);
      row.intervalS = Number(d.interval_s ?? NaN);
      row.fundingAt = ms(d.ts_funding);
    }
    if (kind === 'open_interest' || (kind === 'ticker' && text(d.open_interest))) {
      if (!row.interest && this.#asked < MOST_ASKED) {
        this.#asked += 1;
        const asked = row;
        this.#asking = this.#asking.then(() => this.#dayBefore(asked));
      }
      row.interest = text(d.open_interest);
    }
    this.#changed();
  }

  /** One after the other: there may be hundreds. @param {BoardRow} row */
  async #dayBefore(row) {
    if (!this.#ends.length) return; // nobody looks any more
    const to = new Date(serverNow() - DAY_MS).toISOString();
    try {
      const { data } = await ask(`/open_interest/${encodeURIComponent(row.symbol)}`, { venue: row.venue, to, last: 1 });
      row.interestBefore = text(data[0]?.open_interest);
      this.#changed();
    } catch {
      // Nothing is stored of a day ago, or it may not be seen: the change is shown as unknown.
    }
  }
}

/** @param {unknown} value */
function text(value) {
  return value === null || value === undefined ? '' : String(value);
}
