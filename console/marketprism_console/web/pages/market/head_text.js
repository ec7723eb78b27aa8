import { texts } from '../../core/texts.js';

export const t = texts({
  en: {
    none: 'no tick yet',
    since: 'since {base}, the settlement before',
    volume: 'Volume', interest: 'Open interest', limit_up: 'Limit up', limit_down: 'Limit down', quality: 'Quality',
    age: 'no tick for {time}',
  },
  zh: {
    none: '尚无行情',
    since: '相对昨结算 {base}',
    volume: '成交量', interest: '持仓量', limit_up: '涨停', limit_down: '跌停', quality: '质量',
    age: '已 {time} 无新行情',
  },
});
