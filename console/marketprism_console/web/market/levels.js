/** Levels of a book: prices and quantities as the venue writes them, best first. */

/** @typedef {{price: string, quantity: string}} Level */

/** @param {any} rows  pairs, or objects with price and quantity @returns {Level[]} */
export function levelsOf(rows) {
  if (!Array.isArray(rows)) return [];
  return rows.map((row) =>
    Array.isArray(row) ? { price: String(row[0]), quantity: String(row[1]) } : { price: String(row?.price), quantity: String(row?.quantity) },
  );
}

/**
 * A whole book, kept by its steps. What breaks the chain of update ids makes it invalid until the next snapshot.
 */
export class DepthBook {
  /** @type {Map<string, string>} */
  #bids = new Map();
  /** @type {Map<string, string>} */
  #asks = new Map();
  /** @type {{bids: Level[], asks: Level[]} | null} */
  #sorted = null;
  isValid = false;
  cause = 'none_yet';
  seq = 0;

  /** @param {any} step  an `orderbook` message */
  take(step) {
    if (step.form === 'invalid' || step.valid === false) {
      this.#becomesInvalid(step.cause || 'invalid');
    } else if (step.form === 'snapshot') {
      this.#bids = new Map(levelsOf(step.bids).map((level) => [level.price, level.quantity]));
      this.#asks = new Map(levelsOf(step.asks).map((level) => [level.price, level.quantity]));
      this.isValid = true;
      this.cause = '';
    } else if (this.isValid) {
      const before = step.prev_id;
      if (before !== null && before !== undefined && Number(before) !== this.seq) this.#becomesInvalid('sequence');
      else {
        change(this.#bids, levelsOf(step.bids));
        change(this.#asks, levelsOf(step.asks));
      }
    }
    this.seq = Number(step.seq ?? this.seq);
    this.#sorted = null;
  }

  /** @param {string} cause */
  #becomesInvalid(cause) {
    this.isValid = false;
    this.cause = cause;
  }

  /** @returns {{bids: Level[], asks: Level[]}} */
  get levels() {
    this.#sorted ??= { bids: sorted(this.#bids, -1), asks: sorted(this.#asks, 1) };
    return this.#sorted;
  }
}

/** @param {Map<string, string>} side @param {Level[]} levels */
function change(side, levels) {
  for (const { price, quantity } of levels) {
    if (Number(quantity) === 0) side.delete(price);
    else side.set(price, quantity);
  }
}

/** @param {Map<string, string>} side @param {1 | -1} way */
function sorted(side, way) {
  return Array.from(side, ([price, quantity]) => ({ price, quantity })).sort((a, b) => way * (Number(a.price) - Number(b.price)));
}

/**
 * Levels joined into steps of a price, the step at or beyond each price.
 * @param {Level[]} levels @param {number} step 0 leaves them as they are @param {1 | -1} way 1 for asks
 * @returns {Level[]}
 */
export function joined(levels, step, way) {
  if (!step) return levels;
  /** @type {Map<number, number>} */
  const sums = new Map();
  for (const { price, quantity } of levels) {
    const at = way > 0 ? Math.ceil(Number(price) / step - 1e-9) : Math.floor(Number(price) / step + 1e-9);
    sums.set(at, (sums.get(at) ?? 0) + Number(quantity));
  }
  const digits = Math.max(0, -Math.floor(Math.log10(step)));
  return Array.from(sums, ([at, sum]) => ({ price: (at * step).toFixed(digits), quantity: String(Number(sum.toPrecision(12))) }));
}
