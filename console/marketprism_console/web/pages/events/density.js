/** How many events there were, as a row of bars over the time of those that are held. */
import { html, nothing, svg } from '../../vendor/lit.js';
import { count } from '../../core/numbers.js';
import { clock, dateTime } from '../../core/time.js';
import { gravityOf } from '../../events/words.js';
import { t } from './text.js';

const BARS = 90;
const HEIGHT = 36;

/** @param {import('./tape.js').Row[]} rows  newest first */
export function density(rows) {
  // What a replay says is about days that are long over: such an event stands where it was said.
  const times = new Array(rows.length);
  let reached = Math.max(...rows.slice(-Math.max(1, Math.min(5, rows.length >> 3))).map(({ at }) => at));
  const first = reached;
  for (let n = rows.length - 1; n >= 0; n -= 1) times[n] = reached = Math.max(reached, rows[n].at);
  const last = reached;
  if (!(last > first)) return nothing;
  const all = new Array(BARS).fill(0);
  const grave = new Array(BARS).fill(0);
  let most = 1;
  for (const [n, { name }] of rows.entries()) {
    const bar = Math.min(BARS - 1, Math.floor(((times[n] - first) / (last - first)) * BARS));
    all[bar] += 1;
    if (gravityOf(name)) grave[bar] += 1;
    most = Math.max(most, all[bar]);
  }
  const height = (/** @type {number} */ n) => (n ? Math.max(2, (n / most) * HEIGHT) : 0);
  const show = last - first < 12 * 3_600_000 ? clock : dateTime;
  const label = t('density', { count: count(rows.length), from: show(first), to: show(last), most: count(most) });
  return html`<figure class="density">
    <svg viewBox="0 0 ${BARS * 10} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${label}>
      ${all.map(
        (n, bar) => svg`<rect class="all" x=${bar * 10 + 1} y=${HEIGHT - height(n)} width="8" height=${height(n)}></rect>
          <rect class="grave" x=${bar * 10 + 1} y=${HEIGHT - height(grave[bar])} width="8" height=${height(grave[bar])}></rect>`,
      )}
    </svg>
    <figcaption class="dim"><span>${show(first)}</span><span>${t('density_most', { most: count(most) })}</span><span>${show(last)}</span></figcaption>
  </figure>`;
}
