/** The newest tick of each of several instruments. */
import { stream } from '../core/stream.js';
import { token } from '../core/subjects.js';

const EVERY_MS = 500;

export class Quotes {
  /** @type {Map<string, any>} by the name as in addresses */
  #newest = new Map();
  /** @type {Map<string, () => void>} */
  #ends = new Map();
  #changed;

  /** @param {() => void} changed  called whenever one of them is another */
  constructor(changed) {
    this.#changed = changed;
  }

  /** Follow these and no others. @param {{venue: string, symbol: string}[]} instruments */
  follow(instruments) {
    const wanted = new Map(instruments.map((each) => [`${each.venue}.${each.symbol}`, each]));
    for (const [name, end] of this.#ends) {
      if (wanted.has(name)) continue;
      end();
      this.#ends.delete(name);
      this.#newest.delete(name);
    }
    for (const [name, { venue, symbol }] of wanted) {
      if (this.#ends.has(name)) continue;
      const onMessage = (/** @type {any} */ { d }) => {
        if (d?.venue !== venue) return;
        this.#newest.set(name, d);
        this.#changed();
      };
      this.#ends.set(name, stream.subscribe({ ch: `market.tick.${token(symbol)}`, mode: 'latest', every_ms: EVERY_MS }, { onMessage }));
    }
  }

  /** The newest tick, nothing before there was one. @param {string} name */
  of(name) {
    return this.#newest.get(name);
  }

  stop() {
    this.follow([]);
  }
}
