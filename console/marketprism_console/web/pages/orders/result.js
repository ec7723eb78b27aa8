/** An order as the service calculated it, and what that rests on. */
import { html, nothing } from '../../vendor/lit.js';
import { grouped, percent } from '../../core/numbers.js';
import { numeric, table } from '../../parts/table.js';
import { codeName, t } from './text.js';

/**
 * @typedef {{amount: string, currency: string}} Money
 * @typedef {{price: string, pnl: string}} Exit
 * @typedef {object} Calculation  amounts without a currency are in `currency`; null is what does not apply or nobody knows
 * @property {string} venue
 * @property {string} symbol
 * @property {'buy' | 'sell'} side
 * @property {string} currency
 * @property {string} price
 * @property {string} price_from
 * @property {string} quantity
 * @property {string[]} rounded
 * @property {{code: string, field: string, value: string, expected: string}[]} violations
 * @property {Money} notional
 * @property {string | null} leverage
 * @property {Money | null} initial_margin
 * @property {Money | null} maintenance_margin
 * @property {{total: string, open_loss: string} | null} order_cost
 * @property {{level: string, open_maker: string, open_taker: string, close_maker: string, close_taker: string} | null} fees
 * @property {string | null} break_even
 * @property {string | null} liquidation_price
 * @property {{number: number, floor: string, cap: string | null, rate: string, max_leverage: string | null} | null} tier
 * @property {string | null} bankruptcy_price
 * @property {{price: string, pnl: string, after_fees: string | null, on_margin: string | null}[]} pnl
 * @property {Money | null} funding
 * @property {Exit | null} stop_loss
 * @property {Exit | null} take_profit
 * @property {string[] | null} limits
 * @property {string | null} risk_ratio
 * @property {{rule: string, table: string, as_of: string}[]} sources
 * @property {boolean} stale_table
 * @property {string[]} not_known
 */

/** @param {Calculation} found */
export function calculated(found) {
  const money = (/** @type {string | null | undefined} */ amount) => (amount ? `${grouped(amount)} ${found.currency}` : '');
  const exit = (/** @type {Exit | null} */ each) => (each ? `${grouped(each.price)} · ${money(each.pnl)}` : '');
  const pair = (/** @type {string} */ maker, /** @type {string} */ taker) => `${grouped(maker)} / ${money(taker)}`;
  const { fees, tier } = found;
  const rounded = (/** @type {string} */ field) => (found.rounded.includes(field) ? html` <span class="badge warn">${t('rounded')}</span>` : nothing);
  /** @type {[string, unknown][]} */
  const facts = [
    [t('price'), html`${grouped(found.price)}${rounded('price')} <span class="dim">${found.price_from === 'request' ? '' : found.price_from}</span>`],
    [t('quantity'), html`${grouped(found.quantity)}${rounded('quantity')}`],
    [t('notional'), `${grouped(found.notional.amount)} ${found.notional.currency}`],
    [t('leverage'), found.leverage],
    [t('initial_margin'), money(found.initial_margin?.amount)],
    [t('maintenance_margin'), money(found.maintenance_margin?.amount)],
    [t('order_cost'), money(found.order_cost?.total)],
    [t('fees_open'), fees && pair(fees.open_maker, fees.open_taker)],
    [t('fees_close'), fees && pair(fees.close_maker, fees.close_taker)],
    [t('break_even'), found.break_even && grouped(found.break_even)],
    [t('liquidation'), found.liquidation_price && html`<b>${grouped(found.liquidation_price)}</b>`],
    [t('tier'), tier && t('tier_of', { number: tier.number, rate: percent(tier.rate, 1), most: tier.max_leverage ?? '–' })],
    [t('bankruptcy'), found.bankruptcy_price && grouped(found.bankruptcy_price)],
    [t('stop_loss'), exit(found.stop_loss)],
    [t('take_profit'), exit(found.take_profit)],
    [t('funding'), money(found.funding?.amount)],
    [t('limits'), found.limits?.map(grouped).join(' / ')],
    [t('risk_ratio'), found.risk_ratio && percent(found.risk_ratio, 1)],
  ];
  return html`<div class="panel">
      <h2 class="wrap">${t(found.side)} ${grouped(found.quantity)} ${found.symbol} · ${found.venue}</h2>
      ${found.stale_table ? html`<p class="warn">${t('stale')}</p>` : nothing}
      ${found.violations.length
        ? html`<div class="failed"><p><strong>${t('violations')}</strong></p>
            <ul>${found.violations.map((each) => html`<li>${codeName(each.code)}: ${each.value} → ${each.expected} <code>${each.code}</code></li>`)}</ul></div>`
        : nothing}
      <dl class="facts">${facts.map(([name, value]) => (value ? html`<dt>${name}</dt><dd>${value}</dd>` : nothing))}</dl>
    </div>
    ${found.pnl.length ? profits(found) : nothing}
    ${found.not_known.length
      ? html`<h3>${t('not_known')}</h3><ul>${found.not_known.map((each) => html`<li class="wrap">${each}</li>`)}</ul>`
      : nothing}
    <h3>${t('sources')}</h3>
    ${table(
      { label: t('sources') },
      [t('rule'), t('table'), t('as_of')],
      found.sources.map((each) => html`<tr><td>${each.rule}</td><td class="code">${each.table}</td><td class="time">${each.as_of || '–'}</td></tr>`),
    )}`;
}

/** @param {Calculation} found */
function profits({ pnl, currency }) {
  return table(
    { label: t('profits'), caption: t('profits_in', { currency }) },
    [numeric(t('price')), numeric(t('pnl')), numeric(t('after_fees')), numeric(t('on_margin'))],
    pnl.map(
      (each) => html`<tr><td class="number">${grouped(each.price)}</td><td class="number">${grouped(each.pnl)}</td>
        <td class="number">${grouped(each.after_fees)}</td><td class="number">${each.on_margin ? percent(each.on_margin, 1) : '–'}</td></tr>`,
    ),
  );
}
