/** Runs of a sweep as a map: two parameters across and down, the deeper the colour the higher the value. */
import { html, nothing } from '../../vendor/lit.js';
import { address, alter } from '../../core/address.js';
import { figure, statTitle } from './shown.js';
import { t } from './text.js';

/** @typedef {import('./sweep.js').Point} Point */

const MOST = 60; // rows and columns
const STEPS = 8;

/** Values of a parameter, in their order. @param {Point[]} points @param {string} name */
function valuesOf(points, name) {
  const all = [...new Set(points.map(({ params }) => params[name]))];
  return all.every((each) => typeof each === 'number') ? all.sort((a, b) => a - b) : all;
}

/** @param {Point[]} points @param {string} by */
export function heatMap(points, by) {
  const names = [...new Set(points.flatMap(({ params }) => Object.keys(params ?? {})))].filter((name) => valuesOf(points, name).length > 1);
  if (!names.length) return nothing;
  const { across: wanted = '', down: other = '', ...fixed } = address.value.params;
  const across = names.includes(wanted) ? wanted : names[0];
  const down = names.includes(other) && other !== across ? other : names.find((name) => name !== across);
  const rest = names.filter((name) => name !== across && name !== down);
  const chosen = Object.fromEntries(rest.map((name) => {
    const values = valuesOf(points, name);
    return [name, values.find((each) => String(each) === fixed[`at.${name}`]) ?? values[0]];
  }));
  const mine = points.filter(({ params }) => rest.every((name) => params[name] === chosen[name]));
  const known = mine.flatMap(({ value }) => (value === null ? [] : [value]));
  const [low, high] = [Math.min(...known), Math.max(...known)];
  const columns = valuesOf(mine, across).slice(0, MOST);
  const rows = down ? valuesOf(mine, down).slice(0, MOST) : [''];
  const cells = new Map(mine.map((each) => [`${each.params[across]} ${down ? each.params[down] : ''}`, each]));
  const pick = (/** @type {string} */ key, /** @type {unknown[]} */ all, /** @type {unknown} */ now, /** @type {string} */ label) => html`<label>${label}
    <select @change=${(/** @type {any} */ event) => alter({ [key]: event.target.value })}>
      ${all.map((each) => html`<option value=${String(each)} ?selected=${each === now}>${String(each)}</option>`)}</select></label>`;
  const label = t('heat', { by: statTitle(by), across, down: down ?? '' });
  return html`<h3>${t('map')}</h3>
    ${names.length > 2
      ? html`<div class="tools">${pick('across', names, across, t('across'))} ${pick('down', names.filter((name) => name !== across), down, t('down'))}
          ${rest.map((name) => pick(`at.${name}`, valuesOf(points, name), chosen[name], name))}</div>`
      : nothing}
    <div class="scroll" tabindex="0" role="region" aria-label=${label}>
      <table class="heat"><caption>${label}</caption>
        <thead><tr><th scope="col">${down ? `${down} ↓ ` : ''}${across} →</th>
          ${columns.map((each) => html`<th scope="col" class="number">${String(each)}</th>`)}</tr></thead>
        <tbody>${rows.map((row) => html`<tr><th scope="row">${String(row)}</th>
          ${columns.map((column) => cell(cells.get(`${column} ${row}`), by, low, high))}</tr>`)}</tbody>
      </table></div>
    ${known.length ? html`<p class="dim">${t('heat_ends', { low: figure(by, low), high: figure(by, high) })}</p>` : nothing}`;
}

/** @param {Point | undefined} point @param {string} by @param {number} low @param {number} high */
function cell(point, by, low, high) {
  if (!point) return html`<td class="number dim">·</td>`;
  const { value } = point;
  if (value === null) return html`<td class="number bad">✕<span class="unseen">${t('has_none')}</span></td>`;
  const step = high > low ? Math.round(((value - low) / (high - low)) * STEPS) : STEPS;
  const isBest = value === high;
  return html`<td class="number h${step}">${isBest ? html`<b>★ ${short(by, value)}</b>` : short(by, value)}</td>`;
}

/** @param {string} by @param {number} value */
function short(by, value) {
  const text = figure(by, value);
  return text.endsWith('%') || Math.abs(value) >= 1000 ? text : String(Number(value.toPrecision(3)));
}
