/** A small line of how a number went. The words beside it say the same; it is not read aloud twice. */
import { nothing, svg, html } from '../vendor/lit.js';

const WIDTH = 120;
const HEIGHT = 28;

/**
 * @param {number[]} values  evenly spaced, oldest first; NaN where it is not known
 * @param {string} label  what it shows
 */
export function sparkline(values, label) {
  const known = values.filter((each) => Number.isFinite(each));
  const most = Math.max(...known, 1e-9);
  const step = WIDTH / Math.max(1, values.length - 1);
  /** @type {string[]} */
  const paths = [];
  let isOn = false;
  values.forEach((value, i) => {
    if (!Number.isFinite(value)) {
      isOn = false;
      return;
    }
    const y = HEIGHT - 1 - (Math.max(0, value) / most) * (HEIGHT - 2);
    paths.push(`${isOn ? 'L' : 'M'}${(i * step).toFixed(1)} ${y.toFixed(1)}`);
    isOn = true;
  });
  return html`<svg class="sparkline" viewBox="0 0 ${WIDTH} ${HEIGHT}" preserveAspectRatio="none" role="img" aria-label=${label}>
    ${known.length > 1 ? svg`<path d=${paths.join('')} />` : nothing}
  </svg>`;
}
