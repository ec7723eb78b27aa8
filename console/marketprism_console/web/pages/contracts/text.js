import { texts } from '../../core/texts.js';

export const t = texts({
  en: {
    title: 'Contracts', products: 'Products with data', none: 'No product has data yet',
    none_more: 'Contracts appear as soon as bars of a futures contract are stored.',
    adjust: 'Prices before a roll', none_: 'as they were', difference: 'moved by the difference', ratio: 'moved by the ratio',
    contracts: 'All contracts',
    interval: 'Interval', rolls: 'Main contract over time', no_rolls: 'One contract is the main one all the time: there was no roll.',
    from: 'From trading day', contract: 'Main contract', previous: 'Before', gap: 'Difference', ratio_of: 'Ratio',
    no_bars: 'There are no bars of {product} yet', no_bars_more: 'A continuous line begins with the first stored day of a contract.',
    marks: 'A triangle below a bar marks the first one of another contract.',
    zone: 'Times in {zone}', table: 'As table', chart: 'As chart',
  },
  zh: {
    title: '主力合约', products: '有数据的品种', none: '尚无品种数据',
    none_more: '期货合约的K线入库后即显示。',
    adjust: '换月前价格', none_: '不复权', difference: '差值复权', ratio: '比例复权',
    contracts: '全部合约',
    interval: '周期', rolls: '主力合约切换', no_rolls: '主力合约未发生切换。',
    from: '起始交易日', contract: '主力合约', previous: '原主力', gap: '价差', ratio_of: '比例',
    no_bars: '{product} 暂无K线', no_bars_more: '连续合约从首个入库交易日开始。',
    marks: 'K线下方的三角形表示换月后的第一根。',
    zone: '时间为 {zone}', table: '表格', chart: '图表',
  },
});
