import { names, texts } from '../../core/texts.js';

export const t = texts({
  en: {
    title: 'Order calculator', what: 'What an order costs and may be, and where its position is liquidated. Nothing is sent to a venue.',
    result: 'Result', none: 'No order yet', none_more: 'Fill in an order and calculate it.', calculate: 'Calculate',
    instrument: 'Instrument', instrument_like: 'Venue and symbol, like binance.BTC-USDT-PERP or shfe.rb2610', side: 'Side', buy: 'Buy', sell: 'Sell',
    type: 'Order type', limit: 'Limit', market: 'Market', price: 'Price', newest: 'newest of the platform',
    by: 'Amount given as', quantity: 'Quantity', budget: 'Budget (margin and fee)', risk: 'Risk (loss at the stop)', amount: 'Amount',
    leverage: 'Leverage', margin_mode: 'Margin mode', isolated: 'Isolated', cross: 'Cross',
    stop_share: 'Stop, % from the entry', take_share: 'Take, % from the entry', more: 'More', wallet: 'Balance of the account (cross)',
    funding_rate: 'Funding rate of a settlement, %', prices: 'Profit at prices (spaces between)', mark: 'Mark price',
    settlement: 'Settlement of the day before (China)', underlying: 'Price of the underlying (options)',
    strict: 'Refuse what would be rounded or breaks a rule',
    wrong_number: '{field}: expected a number, was “{text}”', wrong_instrument: 'Instrument: expected venue and symbol, like binance.BTC-USDT-PERP',
    rounded: 'rounded', notional: 'Value', initial_margin: 'Initial margin', maintenance_margin: 'Maintenance margin', order_cost: 'Order cost',
    fees_open: 'Fee to open, maker / taker', fees_close: 'Fee to close, maker / taker', break_even: 'Break-even price',
    liquidation: 'Liquidation price', tier: 'Margin tier there', tier_of: '{number}: rate {rate}, at most {most}×', bankruptcy: 'Bankruptcy price',
    stop_loss: 'Stop loss · profit', take_profit: 'Take profit · profit', funding: 'Funding of a settlement', limits: 'Price limits', risk_ratio: 'Risk ratio',
    stale: 'A table is more than 90 days old: import the list of your venue.', violations: 'The venue would refuse it',
    profits: 'Profit at prices', profits_in: 'Profit at prices, {currency}', pnl: 'Profit', after_fees: 'After fees', on_margin: 'On margin',
    not_known: 'Not known', sources: 'What it rests on', rule: 'Rule', table: 'Table', as_of: 'As of',
  },
  zh: {
    title: '委托试算', what: '试算委托的成本、是否合规以及强平价；不会向交易所发送任何委托。',
    result: '结果', none: '尚无委托', none_more: '请填写委托后试算。', calculate: '试算',
    instrument: '合约', instrument_like: '交易所和代码，例如 binance.BTC-USDT-PERP 或 shfe.rb2610', side: '方向', buy: '买入', sell: '卖出',
    type: '委托类型', limit: '限价', market: '市价', price: '价格', newest: '平台最新价',
    by: '数量方式', quantity: '数量', budget: '预算（保证金与手续费）', risk: '风险（止损时的亏损）', amount: '数值',
    leverage: '杠杆', margin_mode: '保证金模式', isolated: '逐仓', cross: '全仓',
    stop_share: '止损，距开仓价 %', take_share: '止盈，距开仓价 %', more: '更多', wallet: '账户余额（全仓）',
    funding_rate: '单次资金费率，%', prices: '在这些价格的盈亏（空格分隔）', mark: '标记价格',
    settlement: '昨结算价（国内）', underlying: '标的价格（期权）',
    strict: '需要取整或违反规则时拒绝',
    wrong_number: '{field}：应为数字，实际为“{text}”', wrong_instrument: '合约：应为交易所和代码，例如 binance.BTC-USDT-PERP',
    rounded: '已取整', notional: '名义价值', initial_margin: '初始保证金', maintenance_margin: '维持保证金', order_cost: '委托成本',
    fees_open: '开仓手续费，挂单 / 吃单', fees_close: '平仓手续费，挂单 / 吃单', break_even: '盈亏平衡价',
    liquidation: '强平价', tier: '所在保证金档位', tier_of: '第 {number} 档：费率 {rate}，最高 {most} 倍', bankruptcy: '破产价',
    stop_loss: '止损价 · 盈亏', take_profit: '止盈价 · 盈亏', funding: '单次资金费', limits: '涨跌停价', risk_ratio: '风险度',
    stale: '有参考表已超过 90 天：请导入交易所的最新列表。', violations: '交易所会拒绝',
    profits: '各价格的盈亏', profits_in: '各价格的盈亏，{currency}', pnl: '盈亏', after_fees: '扣除手续费', on_margin: '占保证金',
    not_known: '未知', sources: '依据', rule: '规则', table: '参考表', as_of: '日期',
  },
});

/** Rules that an order may break, as the service calls them. */
export const codeName = names({
  en: {
    OFF_TICK: 'Price between two ticks', OFF_STEP: 'Quantity between two steps', ABOVE_LIMIT: 'Above the price limit', BELOW_LIMIT: 'Below the price limit',
    PERCENT_PRICE: 'Too far from the mark', MIN_NOTIONAL: 'Too small a value', MIN_QUANTITY: 'Too small a quantity', MAX_QUANTITY: 'Too large a quantity',
  },
  zh: {
    OFF_TICK: '价格不在最小变动价位上', OFF_STEP: '数量不在步长上', ABOVE_LIMIT: '高于涨停价', BELOW_LIMIT: '低于跌停价',
    PERCENT_PRICE: '偏离标记价格过多', MIN_NOTIONAL: '名义价值过小', MIN_QUANTITY: '数量过小', MAX_QUANTITY: '数量过大',
  },
});
