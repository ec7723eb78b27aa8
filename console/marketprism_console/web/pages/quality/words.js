/** Why a tick was rejected or warned of, what was unusual about it, and what it should have been, in words. */
import { names, texts } from '../../core/texts.js';

/** Of a reason as the validator writes it. */
export const reasonName = names({
  en: {
    missing_last: 'no last price', missing_volume: 'no volume', duplicate: 'came twice', time_reversed: 'time goes back',
    price_above_limit: 'price above the upper limit', price_below_limit: 'price below the lower limit',
    price_outside_band: 'price far from the reference', volume_negative: 'volume below zero', volume_fell: 'volume fell',
    turnover_fell: 'turnover fell', book_crossed: 'bid at or above ask', book_order: 'book levels out of order',
    book_quantity_negative: 'book amount below zero', huge_value: 'value too large', unfit_value: 'not a number of a market',
    out_of_session: 'outside of trading hours', stale: 'time far from our clock',
    price_move: 'unusual price move', price_jump: 'price jump', volume_burst: 'burst of volume', spread: 'unusual spread',
  },
  zh: {
    missing_last: '无最新价', missing_volume: '无成交量', duplicate: '重复行情', time_reversed: '时间倒退',
    price_above_limit: '价格超过涨停价', price_below_limit: '价格低于跌停价',
    price_outside_band: '价格偏离基准过大', volume_negative: '成交量为负', volume_fell: '成交量减少',
    turnover_fell: '成交额减少', book_crossed: '买价不低于卖价', book_order: '盘口档位顺序错误',
    book_quantity_negative: '盘口数量为负', huge_value: '数值过大', unfit_value: '不是有效数值',
    out_of_session: '不在交易时段', stale: '时间与本机时钟相差过大',
    price_move: '价格异动', price_jump: '价格跳变', volume_burst: '成交量突增', spread: '价差异常',
  },
});

const t = texts({
  en: {
    present: 'a value', another: 'another tick than {than}', at_least: 'at least {than}', at_most: 'at most {than}',
    between: 'between {than}', below: 'below {than}', falling: 'prices that fall', rising: 'prices that rise',
    number: 'a number that fits', nothing: 'nothing',
  },
  zh: {
    present: '有值', another: '不同于 {than} 的行情', at_least: '不小于 {than}', at_most: '不大于 {than}',
    between: '介于 {than}', below: '小于 {than}', falling: '逐档递减的价格', rising: '逐档递增的价格',
    number: '可存储的数值', nothing: '无',
  },
});

const RULES = new Set(['present', 'another', 'at_least', 'at_most', 'between', 'below', 'falling', 'rising', 'number']);

/** What a field should have been. @param {string} rule @param {string} than */
export function expectedWords(rule, than) {
  return RULES.has(rule) ? t(/** @type {any} */ (rule), { than }) : `${rule} ${than}`;
}

/** @param {string} was */
export function wasWords(was) {
  return was === '' ? t('nothing') : was;
}

/** Counts by reason, as an object or its JSON. @param {any} reasons @returns {Record<string, number>} */
export function countsOf(reasons) {
  try {
    return (typeof reasons === 'string' ? JSON.parse(reasons || '{}') : reasons) ?? {};
  } catch {
    return {};
  }
}

/** The most frequent first. @param {Record<string, number>} counts */
export function reasonsWords(counts) {
  const sorted = Object.entries(counts).sort(([, a], [, b]) => b - a);
  return sorted.map(([reason, many]) => `${reasonName(reason)} ${many}`).join(', ');
}
