import { texts } from '../../core/texts.js';

export const t = texts({
  en: {
    none: 'no tick yet',
    pre_settlement: 'against the settlement before, {base}',
    pre_close: 'against the close before, {base}',
    open: 'against the open, {base}',
    trading_day: 'trading day {day}',
    volume: 'Volume', interest: 'Open interest', limit_up: 'Limit up', limit_down: 'Limit down', quality: 'Quality',
    age: 'no tick for {time}',
    day: '24 h', day_high: '24 h high', day_low: '24 h low', day_volume: '24 h volume', mark: 'Mark', index: 'Index', funding: 'Funding',
  },
  zh: {
    none: '尚无行情',
    pre_settlement: '相对昨结算 {base}',
    pre_close: '相对昨收盘 {base}',
    open: '相对开盘 {base}',
    trading_day: '交易日 {day}',
    volume: '成交量', interest: '持仓量', limit_up: '涨停', limit_down: '跌停', quality: '质量',
    age: '已 {time} 无新行情',
    day: '24 小时', day_high: '24 小时最高', day_low: '24 小时最低', day_volume: '24 小时成交量', mark: '标记价格', index: '指数价格',
    funding: '资金费率',
  },
});
