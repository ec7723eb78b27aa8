/** Rows of the ledger. */
import { html } from '../../vendor/lit.js';
import { hrefOf } from '../../core/address.js';
import { count } from '../../core/numbers.js';
import { dateTime, dayText, duration, ms, zoneName } from '../../core/time.js';
import { causeName } from '../../parts/causes_text.js';
import { numeric, table } from '../../parts/table.js';
import { t } from './text.js';

const HEADS = /** @type {const} */ (['from', 'to', 'length', 'instrument', 'cause', 'kind', 'day', 'touched']);
const NUMBERS = new Set(['length', 'touched']);

/** @param {any} gap */
export function lengthOf(gap) {
  return ms(gap.ts_to) - ms(gap.ts_from);
}

/** @param {any[]} gaps @param {string} label  no two regions of a page have the same */
export function gapTable(gaps, label) {
  const title = t('ledger_caption', { zone: zoneName(gaps[0]?.venue) });
  return table(
    { label, caption: title, kind: 'gaps', size: 'tall' },
    HEADS.map((key) => (NUMBERS.has(key) ? numeric(t(key)) : t(key))),
    gaps.map((gap) => row(gap)),
  );
}

/** @param {any} gap */
function row(gap) {
  const name = `${gap.venue}.${gap.symbol}`;
  return html`<tr>
    <td class="time"><a href=${hrefOf(`/market/${name}`, { t: new Date(ms(gap.ts_from)).toISOString() })}>
      ${dateTime(ms(gap.ts_from), gap.venue)}</a></td>
    <td class="time">${dateTime(ms(gap.ts_to), gap.venue)}</td>
    <td class="number">${duration(lengthOf(gap))}</td>
    <td class="wrap">${name}</td>
    <td>${causeName(gap.cause)}</td>
    <td>${gap.kind || t('kind_ticks')}</td>
    <td>${dayText(gap.trading_day)}</td>
    <td class="number">${gap.bars === null || gap.bars === undefined ? '–' : count(gap.bars)}</td>
  </tr>`;
}
