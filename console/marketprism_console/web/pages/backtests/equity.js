/** What equity at the ends of trading days says: drawdowns, months. */

/** The share by which each day is below the highest before it. @param {number} capital @param {number[]} values */
export function depths(capital, values) {
  let peak = capital;
  return values.map((value) => {
    peak = Math.max(peak, value);
    return peak ? value / peak - 1 : 0;
  });
}

/**
 * Returns of months and years, of what was there at their beginnings.
 * @param {{trading_day: string, equity: string}[]} days  in order @param {number} capital
 * @returns {{year: string, months: (number | null)[], whole: number}[]}
 */
export function months(days, capital) {
  /** @type {Map<string, {year: string, months: (number | null)[], whole: number}>} */
  const found = new Map();
  let [before, beforeYear, beforeMonth] = [capital, capital, capital];
  let last = '';
  for (const { trading_day: day, equity } of days) {
    const [year, month] = [day.slice(0, 4), day.slice(0, 6)];
    if (month !== last) beforeMonth = before;
    if (!found.has(year)) {
      beforeYear = before;
      found.set(year, { year, months: Array(12).fill(null), whole: 0 });
    }
    const row = found.get(year);
    before = Number(equity);
    if (row) {
      row.months[Number(month.slice(4)) - 1] = before / beforeMonth - 1;
      row.whole = before / beforeYear - 1;
    }
    last = month;
  }
  return [...found.values()];
}
