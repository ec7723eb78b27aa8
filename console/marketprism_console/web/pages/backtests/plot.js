/** Lines over trading days, all on one scale: equities, depths of drawdowns. The words beside them say what they show. */
import { html, nothing, svg } from '../../vendor/lit.js';
import { dayText } from '../../core/time.js';

const WIDE = 1000;
const HIGH = 200;

/**
 * @typedef {object} Line
 * @property {string} name
 * @property {(number | null)[]} values  one a day; null where there is none
 * @property {boolean} [isFilled]  down from the top
 */

/**
 * @param {{label: string, lines: Line[], days?: string[], shown: (value: number) => unknown, kind?: string}} what  `shown` writes
 *   a value of the scale
 */
export function plot({ label, lines, days = [], shown, kind = '' }) {
  const known = lines.flatMap(({ values }) => values.filter((each) => each !== null));
  if (!known.length) return nothing;
  const [low, high] = known.reduce(([least, most], each) => [Math.min(least, each), Math.max(most, each)], [Infinity, -Infinity]);
  const range = high - low || 1;
  const longest = Math.max(...lines.map(({ values }) => values.length));
  const x = (/** @type {number} */ n) => (n / Math.max(1, longest - 1)) * WIDE;
  const y = (/** @type {number} */ value) => 4 + ((high - value) / range) * (HIGH - 8);
  const path = (/** @type {Line} */ { values }) => {
    let isOn = false;
    return values.map((value, n) => {
      const text = value === null ? '' : `${isOn ? 'L' : 'M'}${x(n).toFixed(1)} ${y(value).toFixed(1)}`;
      isOn = value !== null;
      return text;
    }).join('');
  };
  const levels = high === low ? [high] : [high, (high + low) / 2, low];
  return html`<figure class="plot ${kind}" role="img" aria-label=${label}>
    <div class="plot-scale" aria-hidden="true">${levels.map((each) => html`<span>${shown(each)}</span>`)}</div>
    <svg viewBox="0 0 ${WIDE} ${HIGH}" preserveAspectRatio="none" aria-hidden="true">
      ${levels.map((each) => svg`<path class="grid" d="M0 ${y(each)}H${WIDE}" />`)}
      ${lines.map((line, n) => line.isFilled
        ? svg`<path class="depth" d="M0 ${y(high)}${path(line).replace('M', 'L')}L${x(longest - 1)} ${y(high)}Z" />`
        : svg`<path class="l${n % 8}" d=${longest > 1 ? path(line) : `M0 ${y(line.values[0] ?? low)}H${WIDE}`} />`)}
    </svg>
    ${days.length ? html`<p class="plot-ends dim" aria-hidden="true">${ends(days).map((each) => html`<span>${dayText(each)}</span>`)}</p>` : nothing}
  </figure>`;
}

/** The first, the middle and the last. @param {string[]} days */
function ends(days) {
  return [...new Set([0, (days.length - 1) >> 1, days.length - 1])].map((n) => days[n]);
}

/** Which line is whose. @param {unknown[]} names */
export function legend(names) {
  return html`<ul class="plot-legend">${names.map((name, n) => html`<li><i class="key l${n % 8}" aria-hidden="true"></i> ${name}</li>`)}</ul>`;
}
