import { texts } from '../../core/texts.js';

export const t = texts({
  en: {
    title: 'Crypto', none: 'Nothing of a crypto exchange has come yet', none_more: 'Let one in, or try it with a simulated exchange:',
    matrix: 'Funding, basis and open interest', instrument: 'Instrument', venue: 'Venue', mark: 'Mark', index: 'Index', basis: 'Basis',
    funding: 'Funding', next: 'In', yearly: 'A year', interest: 'Open interest', change: '24 h ±', last: 'Last',
    continuous: 'continuous', settled: 'exchanged', not_sent: 'The venue does not send this',
    liquidations: 'Liquidations', no_liquidations: 'No liquidation has come since the page was opened.',
    incomplete: 'Some venues push only a part of their liquidations: this tape is no count of them.',
    time: 'Time', side: 'Position', price: 'Price', quantity: 'Quantity', long: 'long closed', short: 'short closed',
    history: 'History of {symbol}', rate: 'Rate', at: 'Exchanged at', zone: 'Times in {zone}.', choose: 'History', value: 'Value',
    view_funding: 'Funding', view_interest: 'Open interest', view_liquidations: 'Liquidations',
    newest_first: '{what} of {symbol}, newest first. Times in {zone}.', line: '{what}: the last {count}, from {low} to {high}',
    no_history: 'Nothing is stored of {symbol}: {what}',
  },
  zh: {
    title: '加密货币', none: '尚未收到加密货币交易所的数据', none_more: '接入交易所，或使用模拟交易所：',
    matrix: '资金费率、基差与持仓', instrument: '合约', venue: '交易所', mark: '标记价格', index: '指数价格', basis: '基差',
    funding: '资金费率', next: '剩余', yearly: '年化', interest: '持仓量', change: '24 小时增减', last: '最新价',
    continuous: '连续收取', settled: '已结算', not_sent: '该交易所不提供',
    liquidations: '强平', no_liquidations: '打开页面以来尚无强平。',
    incomplete: '部分交易所只推送部分强平，此处不代表总数。',
    time: '时间', side: '仓位', price: '价格', quantity: '数量', long: '多头强平', short: '空头强平',
    history: '{symbol} 的历史', rate: '费率', at: '结算时间', zone: '时间为 {zone}。', choose: '历史', value: '价值',
    view_funding: '资金费率', view_interest: '持仓量', view_liquidations: '强平',
    newest_first: '{symbol} 的{what}，按时间倒序，时间为 {zone}。', line: '{what}：最近 {count} 条，{low} 至 {high}',
    no_history: '{symbol} 暂无已存储的{what}记录',
  },
});
