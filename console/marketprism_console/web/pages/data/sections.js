/** The sections of a trading day, each as a bar with its holes in it. */
import { html, svg } from '../../vendor/lit.js';
import { clock, duration, minute, ms } from '../../core/time.js';
import { t } from './text.js';

/**
 * What of ranges lies within a section: begins and ends, milliseconds.
 * @param {any} section
 * @param {any[]} ranges
 */
export function holesOf(section, ranges) {
  const [opened, closed] = [ms(section.ts_open), ms(section.ts_close)];
  return ranges.map((each) => [Math.max(opened, ms(each.ts_from)), Math.min(closed, ms(each.ts_to))]).filter(([from, to]) => to > from);
}

/**
 * @param {any} section
 * @param {number[][]} holes
 * @param {'gaps' | 'missing'} what  the holes are
 */
export function sectionBar(section, holes, what) {
  const [opened, closed] = [ms(section.ts_open), ms(section.ts_close)];
  const length = holes.reduce((sum, [from, to]) => sum + to - from, 0);
  const state = t(holes.length ? `section_${what}` : `section_no_${what}`, { holes: holes.length, length: duration(length) });
  const values = { from: minute(opened, section.venue), to: minute(closed, section.venue), minutes: Math.round((closed - opened) / 60_000) };
  const title = `${t('section', values)}: ${state}`;
  const at = (/** @type {number} */ time) => ((time - opened) / (closed - opened)) * 1000;
  return html`<div class="section-bar">
    <span>${title}</span>
    <svg viewBox="0 0 1000 10" preserveAspectRatio="none" role="img" aria-label=${title}>
      <rect class="there" width="1000" height="10"></rect>
      ${holes.map(([from, to]) => svg`<rect class="hole" x=${at(from)} width=${Math.max(2, at(to) - at(from))} height="10">
        <title>${clock(from, section.venue)} – ${clock(to, section.venue)}</title></rect>`)}
    </svg>
  </div>`;
}
